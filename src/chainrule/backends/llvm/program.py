"""A plan for arrays as LLVM IR text: one function over slots of 8 bytes.

    define i32 @core(ptr %.in, ptr %.out, ptr %.arena)

An input slot holds a number, or points to an array; so do those of arrays read from outside the
function, which follow. An output slot takes a number, or points to the array to fill. Arrays are in
row-major order without gaps. The result is 0, or the number of a fault (ArrayPlan.faults), with the
index that is wrong where the arena begins.
"""


from chainrule.backends.llvm.dots import emit_dots
from chainrule.backends.llvm.emit import ALIGNED, CORE, definitions
from chainrule.backends.llvm.kernel import emit_kernel
from chainrule.backends.llvm.lines import REAL, SINGLE, WHOLE, Lines
from chainrule.backends.llvm.loops import emit_nest
from chainrule.backends.llvm.memory import IN_MEMORY, Memory
from chainrule.backends.llvm.nests import (
    ArrayPlan,
    Blocks,
    Buffer,
    Dots,
    Fetch,
    Item,
    Kernel,
    Nest,
    Product,
    Scan,
    Sort,
    View,
    views_of,
)
from chainrule.backends.llvm.scan import emit_scan
from chainrule.backends.llvm.sort import emit_sort
from chainrule.backends.llvm.steps import Held, apply, text_of
from chainrule.backends.llvm.table import numbers_of_table, sizes_of_table
from chainrule.backends.llvm.values import IR_TYPE, Value

SLOTS = {"f": REAL, "s": REAL, "i": WHOLE, "b": WHOLE}


def emit_program(plan: ArrayPlan, at_once: int = 1) -> str:
    """The module of a plan for arrays, functions it calls included.

    at_once: vectors that a loop over many numbers takes in one go; the bits are the same.
    """
    w, held, memory = Lines(at_once=at_once), {}, Memory()
    arrays = [b for b, _ in plan.constants]
    for slot, x in enumerate([*plan.inputs, *arrays]):
        if isinstance(x, Buffer):
            memory.pointers[x] = w.named(_slot(w, "in", slot, "ptr"), f"%{x.name}")
        else:
            held[x.name] = _number_in(w, slot, x)
    for slot, out in enumerate(plan.outputs):
        if isinstance(out, View):
            memory.pointers[out.buffer] = _slot(w, "out", slot, "ptr")
    if plan.varying is not None:
        held |= numbers_of_table(w, plan.varying, memory)
    begin = len(w.text)
    _point_into_arena(w, plan, memory)
    for item in plan.items:
        _emit_item(w, item, held, memory)
    for slot, out in enumerate(plan.outputs):
        if isinstance(out, Value):
            _number_out(w, slot, out, held)
    if plan.varying is not None:
        w.text[begin:begin] = sizes_of_table(w, plan.varying, memory)
    status = ["  %.status = alloca i32, align 4", "  store i32 0, ptr %.status, align 4"]
    head = f"define i32 @{CORE}(ptr %.in, ptr %.out, ptr %.arena) {ALIGNED} {{"
    tail = ["  %.result = load i32, ptr %.status, align 4", "  ret i32 %.result", "}"]
    core = [head, *status, *w.text, *tail]
    text = ["\n".join(core), *definitions(w), *sorted(w.intrinsics)]
    return "\n\n".join([f"; {plan.title}", *text]) + "\n"


def _emit_item(w: Lines, item: Item, held: Held, memory: Memory) -> None:
    if isinstance(item, Nest):
        w.text.append(f"  ; nest {list(item.shape)}")
        emit_nest(w, item, held, memory)
    elif isinstance(item, Product):
        _emit_product(w, item, memory)
    elif isinstance(item, Kernel):
        emit_kernel(w, item, memory)
    elif isinstance(item, Dots):
        emit_dots(w, item, memory)
    elif isinstance(item, Scan):
        emit_scan(w, item, memory)
    elif isinstance(item, Sort):
        emit_sort(w, item, memory)
    elif isinstance(item, Blocks):
        _emit_blocks(w, item, held, memory)
    elif isinstance(item, Fetch):
        at = memory.place(w, item.view, ())
        held[item.value.name] = Value(at.kind, memory.load_one(w, at))
    else:
        made = apply(w, item, held)
        held[item.value.name] = Value(made.kind, w.named(made.name, f"%{item.value.name}"))


def _emit_blocks(w: Lines, blocks: Blocks, held: Held, memory: Memory) -> None:
    """The full blocks in a loop, then the places that are left."""
    w.text.append(f"  ; blocks of {blocks.size} of {blocks.extent}")
    count = blocks.extent // blocks.size
    places: list[str] = []
    end = w.open_loop(count, places)
    for items, place in ((blocks.items, places[0]), (blocks.rest, str(count))):
        for m in blocks.windows:
            ahead = w.line(f"mul nsw i64 {place}, {m.step * blocks.size}")
            t, pointer = IN_MEMORY[m.buffer.kind], memory.pointers[m.buffer]
            memory.pointers[m.window] = w.line(f"getelementptr {t}, ptr {pointer}, i64 {ahead}")
        for item in items:
            _emit_item(w, item, held, memory)
        if items is blocks.items:
            w.close_loop(end)


def _point_into_arena(w: Lines, plan: ArrayPlan, memory: Memory) -> None:
    for item in plan.items:
        for view in views_of(item):
            b = view.buffer
            if b.role == "arena" and b not in memory.pointers:
                place = w.size(b.place)
                memory.pointers[b] = w.line(f"getelementptr i8, ptr %.arena, i64 {place}")


def _slot(w: Lines, side: str, index: int, element: str) -> str:
    slot = w.line(f"getelementptr i64, ptr %.{side}, i64 {index}")
    return w.line(f"load {element}, ptr {slot}, align 8")


def _number_in(w: Lines, slot: int, x: Value) -> Value:
    made = _slot(w, "in", slot, SLOTS[x.kind])
    if x.kind == "s":
        made = w.convert("fptrunc", made, REAL, SINGLE)
    if x.kind == "b":
        made = w.compare_whole("ne", made, 0)
    return Value(x.kind, w.named(made, f"%{x.name}"))


def _number_out(w: Lines, slot: int, x: Value, held: Held) -> None:
    kind = {"s": "f", "b": "i"}.get(x.kind, x.kind)
    value = text_of(w, kind, x, held)
    place = w.line(f"getelementptr i64, ptr %.out, i64 {slot}")
    w.text.append(f"  store {IR_TYPE[kind]} {value}, ptr {place}, align 8")


# ---- BLAS


def _emit_product(w: Lines, product: Product, memory: Memory) -> None:
    """Fortran's gemm sees every matrix transposed, so it is asked for out.T = y.T @ x.T."""
    (m, k), n = product.x.shape, product.y.shape[1]
    kind = product.out.buffer.kind
    flags, pitches = zip(*map(_layout, (product.y, product.x)), strict=True)
    t = IR_TYPE[kind]
    one, zero = (_constant(w, t, v) for v in ("1.0", "0.0"))
    pointers = [_begin(w, v, memory) for v in (product.y, product.x, product.out)]
    operands = [
        *(_constant(w, "i8", str(ord(f))) for f in flags),
        *(_whole(w, size) for size in (n, m, k)),
        one, pointers[0], _whole(w, pitches[0]),
        pointers[1], _whole(w, pitches[1]),
        zero, pointers[2], _whole(w, n),
    ]
    name = BLAS[kind]
    w.intrinsics.add(f"declare void @{name}({', '.join(['ptr'] * len(operands))})")
    w.text.append(f"  call void @{name}({', '.join(f'ptr {x}' for x in operands)})")


BLAS = {"f": "chainrule.blas.dgemm", "s": "chainrule.blas.sgemm"}


def _layout(v: View) -> tuple[str, int]:
    """Whether gemm reads a matrix as it lies or transposed, and the step from row to row."""
    rows, columns = v.strides
    if columns == 1 or v.shape[1] == 1:
        return "N", max(rows, v.shape[1], 1)
    return "T", max(columns, v.shape[0], 1)


def _whole(w: Lines, size: int) -> str:
    """Where a whole number of 32 bits stands."""
    if isinstance(size, int):
        return _constant(w, "i32", str(size))
    place = w.line("alloca i32, align 4")
    w.text.append(f"  store i32 {w.line(f'trunc i64 {w.size(size)} to i32')}, ptr {place}, align 4")
    return place


def _constant(w: Lines, element: str, value: str) -> str:
    name = f"@.{element}.{value.replace('.', '_')}"
    w.intrinsics.add(f"{name} = private constant {element} {value}")
    return name


def _begin(w: Lines, view: View, memory: Memory) -> str:
    pointer = memory.pointers[view.buffer]
    if not view.offset:
        return pointer
    t = IN_MEMORY[view.buffer.kind]
    return w.line(f"getelementptr {t}, ptr {pointer}, i64 {w.size(view.offset)}")

"""The generated entry of a compiled function: an IR function that CPython calls (vectorcall).

    define ptr @wrapper(ptr %self, ptr %args, i64 %nargsf, ptr %kwnames)

    take        self's entry, and its block if the block is for this wrapper
    check       the number of arguments, and each one's type, dtype, flags, rank and shape; of
                containers the length and the keys, and what is in them
    fill        the slots of the inputs; new arrays for the results
    run         the machine code; then its status, and the decisions it took
    build       the results: floats, NumPy scalars, arrays, tuples, lists, dicts
    slow        anything unexpected: the fallback, a Python function, gets the arguments as given

So it converts nothing, and raises only what a failed allocation set. A wrapper is shared by all
functions of one form: what differs between them lies in a block of words that the entry holds.

    block       wrapper, machine code, spare arena, addresses of fixed arrays, decisions, keys,
                shapes of the inputs, shapes of the results
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from chainrule.backends.llvm.nests import DTYPE_OF
from chainrule.backends.llvm.targets import layout
from chainrule.backends.llvm.targets.c_api import CALLS, EQUAL, FLOAT64_NEW, declaration, symbol
from chainrule.backends.llvm.targets.forms import Form, Keyed, Listed, Tree, items_of, kind_of

NAME = "wrapper"
APART = "chainrule.apart"  # 1 where no array that is written over shares memory with another
COUNT_MASK = 2**63 - 1  # the top bit of nargsf says that args[-1] may be used
ON_STACK = 16384  # bytes of arena that a call takes from the stack
BOXES = {"f": "PyFloat_FromDouble", "i": "PyLong_FromLongLong", "b": "PyBool_FromLong"}


@dataclass
class _Writer:
    """Lines of IR, and what the way so far has to give back."""

    form: Form
    head: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    exits: dict[tuple[str, str], str] = field(default_factory=dict)  # (what to drop, then) -> where
    off: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    owned: list[str] = field(default_factory=list)
    block: str = ""
    objects: dict[int, str] = field(default_factory=dict)  # the arrays among the inputs
    data: dict[int, str] = field(default_factory=dict)  # where their numbers lie
    count: int = 0

    def line(self, text: str) -> str:
        """One instruction; the name of its value."""
        self.count += 1
        self.text.append(f"  %v{self.count} = {text}")
        return f"%v{self.count}"

    def room(self, size: int, kind: str, align: int) -> str:
        """Memory of this call on the stack."""
        self.count += 1
        self.head.append(f"  %v{self.count} = alloca [{size} x {kind}], align {align}")
        return f"%v{self.count}"

    def do(self, text: str) -> None:
        """One instruction without a value."""
        self.text.append(f"  {text}")

    def at(self, pointer: str, offset: int) -> str:
        """The address some bytes further on."""
        return self.line(f"getelementptr i8, ptr {pointer}, i64 {offset}")

    def load(self, kind: str, pointer: str, offset: int) -> str:
        """What lies there."""
        return self.line(f"load {kind}, ptr {self.at(pointer, offset)}, align {ALIGN[kind]}")

    def store(self, kind: str, value: str, pointer: str, offset: int) -> None:
        """Put a value there."""
        self.do(f"store {kind} {value}, ptr {self.at(pointer, offset)}, align {ALIGN[kind]}")

    def call(self, name: str, *given: str) -> str:
        """Call a C function; the name of what it returns, a new reference where it is one."""
        self.used.add(name)
        text = f"@{symbol(name)}({', '.join(given)})"
        row = CALLS[name]
        if row.result == "void":
            self.do(f"call void {text}")
            return ""
        made = self.line(f"call {row.result} {text}")
        if row.gives == "new":
            self.need(self.line(f"icmp ne ptr {made}, null"), "fail")
            self.owned.append(made)
        if row.gives == "status":
            self.need(self.equal("i32", made, 0), "fail")
        return made

    def hold(self, x: str) -> None:
        """One reference more."""
        self.call("Py_IncRef", f"ptr {x}")
        self.owned.append(x)

    def drop(self, x: str) -> None:
        """One reference less."""
        self.owned.remove(x)
        self.call("Py_DecRef", f"ptr {x}")

    def need(self, condition: str, otherwise: str = "slow") -> None:
        """Go on where the condition holds; else give back what is owned, and leave."""
        self.count += 1
        there = self.exit(otherwise)
        self.do(f"br i1 {condition}, label %on{self.count}, label %{there}, !prof !0")
        self.text.append(f"on{self.count}:")

    def exit(self, otherwise: str) -> str:
        """Where what is owned is given back, the last first, each in a block of its own."""
        there = otherwise
        for x in self.owned:
            if (x, there) not in self.exits:
                self.exits[x, there] = f"off{len(self.exits)}"
                drop = f"  call void @{symbol('Py_DecRef')}(ptr {x})"
                self.off += [f"{self.exits[x, there]}:", drop, f"  br label %{there}"]
            there = self.exits[x, there]
        return there

    def equal(self, kind: str, x: str, y: str | int) -> str:
        """Whether two are the same."""
        return self.line(f"icmp eq {kind} {x}, {y}")


ALIGN = {"ptr": 8, "i64": 8, "double": 8, "i32": 4, "float": 4}


def wrapper(form: Form) -> str:
    """The module of a form's wrapper."""
    w = _Writer(form)
    entry = _take_entry(w)
    given = w.room(form.slots or 1, "i64", 8)
    found = w.room(len(form.outputs) + form.decisions or 1, "i64", 8)
    shared: list[str] = []  # arrays that other code may take out of their containers
    for k, tree in enumerate(form.arguments):
        arrays = _give(w, tree, w.load("ptr", "%args", 8 * k), given)
        shared += [] if isinstance(tree, int) else arrays
    held = [entry, *shared] if form.has_status or form.keys else []
    over = {output: w.objects[k] for output, k in form.over}
    for x in [*held, *reversed(over.values())]:  # what follows may let other code run
        w.hold(x)
    if form.is_bound:
        _give_bound(w, given, found)
    for k in range(form.fixed):
        pointer = w.load("ptr", w.block, form.places["fixed", k])
        w.store("ptr", pointer, given, 8 * (len(form.inputs) + k))
    if form.over:
        _check_apart(w, given)
    made = {} if form.is_bound else over | _new_arrays(w, found)
    _run(w, given, found)
    if form.is_bound:
        _fill_bound(w, found)
    for x in reversed(shared):
        w.drop(x)
    result = _none(w) if form.is_bound else _build(w, form.tree, found, made)
    for x in held[:1]:
        w.drop(x)
    w.do(f"ret ptr {result}")
    return _module(w)


def _take_entry(w: _Writer) -> str:
    """Self's entry, checked to be for this wrapper, and called as the form wants it."""
    entry = w.load("ptr", "%self", layout.ENTRY)
    w.need(w.line(f"icmp ne ptr {entry}, null"))
    w.block = w.load("ptr", entry, layout.BLOCK)
    w.need(w.equal("ptr", w.load("ptr", w.block, w.form.places["wrapper"]), f"@{NAME}"))
    w.need(w.equal("ptr", "%kwnames", "null"))
    count = w.line(f"and i64 %nargsf, {COUNT_MASK}")
    w.need(w.equal("i64", count, len(w.form.arguments)))
    return entry


def _give(w: _Writer, tree: Tree, x: str, given: str) -> list[str]:
    """Check an argument and what is in it, and fill the slots of its inputs; its arrays."""
    if isinstance(tree, int):
        is_array = w.form.inputs[tree].is_array
        (_give_array if is_array else _give_number)(w, tree, x, given)
        return [x] if is_array else []
    w.need(w.equal("ptr", w.load("ptr", x, layout.TYPE), f"@{symbol(kind_of(tree))}"))
    inside = _values(w, tree, x) if isinstance(tree, Keyed) else _members(w, tree, x)
    return [array for item, y in inside for array in _give(w, item, y, given)]


def _members(w: _Writer, tree: Tree, x: str) -> Iterator[tuple[Tree, str]]:
    """What is in a list or tuple of the right length."""
    items = items_of(tree)
    w.need(w.equal("i64", w.load("i64", x, layout.LENGTH), len(items)))
    begin = layout.TUPLE_ITEMS
    if isinstance(tree, Listed) and items:
        x, begin = w.load("ptr", x, layout.LIST_ITEMS), 0
    for k, item in enumerate(items):
        yield item, w.load("ptr", x, begin + 8 * k)


def _values(w: _Writer, tree: Keyed, x: str) -> Iterator[tuple[Tree, str]]:
    """The values of a dict that has the right keys in the right order, and no more."""
    room = w.room(3, "i64", 8)
    position, key_at, value_at = (w.at(room, 8 * k) for k in range(3))
    w.do(f"store i64 0, ptr {position}, align 8")
    step = "PyDict_Next", *(f"ptr {y}" for y in (x, position, key_at, value_at))
    for k, item in enumerate(tree.items):
        w.need(w.line(f"icmp ne i32 {w.call(*step)}, 0"))
        key = w.load("ptr", room, 8)
        w.need(w.equal("ptr", w.load("ptr", key, layout.TYPE), f"@{symbol('str')}"))
        wanted = w.load("ptr", w.block, w.form.places["key", tree.first + k])
        is_same = w.call("PyUnicode_RichCompare", f"ptr {key}", f"ptr {wanted}", f"i32 {EQUAL}")
        w.need(w.equal("ptr", is_same, f"@{symbol('True')}"))
        w.drop(is_same)
        yield item, w.load("ptr", room, 16)
    w.need(w.equal("i32", w.call(*step), 0))


def _give_number(w: _Writer, k: int, x: str, given: str) -> None:
    kind = w.form.inputs[k].python
    w.need(w.equal("ptr", w.load("ptr", x, layout.TYPE), f"@{symbol(kind)}"))
    w.store("double", w.load("double", x, layout.FLOAT_VALUE), given, 8 * k)


def _give_array(w: _Writer, k: int, x: str, given: str) -> None:
    item = w.form.inputs[k]
    w.need(w.equal("ptr", w.load("ptr", x, layout.TYPE), f"@{symbol('ndarray')}"))
    w.need(w.equal("ptr", w.load("ptr", x, layout.DESCR), f"@{symbol(item.kind)}"))
    ready = flags_of(w.form, k)
    flags = w.line(f"and i32 {w.load('i32', x, layout.FLAGS)}, {ready}")
    w.need(w.equal("i32", flags, ready))
    w.need(w.equal("i32", w.load("i32", x, layout.ND), item.rank or 0))
    dims = w.load("ptr", x, layout.DIMS)
    for axis in range(item.rank or 0):
        wanted = w.load("i64", w.block, w.form.places["in", k, axis])
        w.need(w.equal("i64", w.load("i64", dims, 8 * axis), wanted))
    w.objects[k], w.data[k] = x, w.load("ptr", x, layout.DATA)
    w.store("ptr", w.data[k], given, 8 * k)


def flags_of(form: Form, k: int) -> int:
    """What an array among the inputs has to be."""
    is_over = any(k == x for _, x in form.over)
    return layout.READY | (layout.WRITEABLE if is_over else 0)


def _check_apart(w: _Writer, given: str) -> None:
    """Arrays that are written over share memory with no other one."""
    sizes, over = (w.at(w.block, w.form.places[what, 0]) for what in ("bytes", "over"))
    passed = f"ptr {given}, ptr {sizes}, ptr {over}, i64 {w.form.slots}"
    w.need(w.line(f"icmp ne i32 {w.line(f'call i32 @{APART}({passed})')}, 0"))


def _give_bound(w: _Writer, given: str, found: str) -> None:
    """The inputs from their buffers, and the buffers of the arrays among the outputs."""
    for k, item in enumerate(w.form.inputs):
        pointer = w.load("ptr", w.block, w.form.places["in", k])
        kind = "ptr" if item.is_array else "double"
        w.store(kind, pointer if item.is_array else w.load(kind, pointer, 0), given, 8 * k)
    for k, item in enumerate(w.form.outputs):
        if item.is_array:
            w.store("ptr", w.load("ptr", w.block, w.form.places["out", k]), found, 8 * k)


def _fill_bound(w: _Writer, found: str) -> None:
    """The numbers among the outputs into their buffers."""
    for k, item in enumerate(w.form.outputs):
        if not item.is_array:
            pointer = w.load("ptr", w.block, w.form.places["out", k])
            value, kind = w.load("double", found, 8 * k), "double"
            if item.kind == "s":
                value, kind = w.line(f"fptrunc double {value} to float"), "float"
            w.store(kind, value, pointer, 0)


def _none(w: _Writer) -> str:
    none = f"@{symbol('None')}"
    w.call("Py_IncRef", f"ptr {none}")
    return none


def _new_arrays(w: _Writer, found: str) -> dict[int, str]:
    """New arrays for the results, their memory in the slots of the outputs."""
    made, over = {}, dict(w.form.over)
    for k, item in reversed([*enumerate(w.form.outputs)]):  # the first is given away first
        if k in over:
            w.store("ptr", w.data[over[k]], found, 8 * k)
        elif item.is_array:
            dims = w.at(w.block, w.form.places["out", k, 0])
            made[k] = w.call(
                "PyArray_New", f"ptr @{symbol('ndarray')}", f"i32 {item.rank}", f"ptr {dims}",
                f"i32 {DTYPE_OF[item.kind].num}", "ptr null", "ptr null", "i32 0", "i32 0",
                "ptr null",
            )
            w.store("ptr", w.load("ptr", made[k], layout.DATA), found, 8 * k)
    return made


def _run(w: _Writer, given: str, found: str) -> None:
    """The machine code, the status it returns and the decisions it took."""
    form = w.form
    core = w.load("ptr", w.block, form.places["core"])
    if not form.has_status:
        w.do(f"call void {core}(ptr {given}, ptr {found})")
    else:
        status = _run_with_arena(w, core, given, found)
        w.need(w.equal("i32", status, 0))
    for k in range(form.decisions):
        wanted = w.load("i64", w.block, form.places["decision", k])
        w.need(w.equal("i64", w.load("i64", found, 8 * (len(form.outputs) + k)), wanted))


def _run_with_arena(w: _Writer, core: str, given: str, found: str) -> str:
    arena, place = "null", ""
    if w.form.arena is None:  # the block's; while another call has it, this one goes the slow way
        place = w.at(w.block, w.form.places["arena"])
        arena = w.line(f"atomicrmw xchg ptr {place}, ptr null acq_rel, align 8")
        w.need(w.line(f"icmp ne ptr {arena}, null"))
    elif w.form.arena:
        arena = w.room(w.form.arena, "i8", 64)
    thread = w.call("PyEval_SaveThread") if w.form.is_long else ""
    status = w.line(f"call i32 {core}(ptr {given}, ptr {found}, ptr {arena})")
    if thread:
        w.call("PyEval_RestoreThread", f"ptr {thread}")
    if place:
        w.do(f"store atomic ptr {arena}, ptr {place} release, align 8")
    return status


def _build(w: _Writer, tree: Tree, found: str, arrays: dict[int, str]) -> str:
    """The result as a new reference, from the bottom up: a tuple or list is filled as soon as it
    is made, with nothing called in between."""
    if isinstance(tree, int):
        return arrays[tree] if tree in arrays else _box(w, tree, found)
    if isinstance(tree, Keyed):
        return _build_dict(w, tree, found, arrays)
    items = [_build(w, x, found, arrays) for x in items_of(tree)]
    is_list = isinstance(tree, Listed)
    made = w.call("PyList_New" if is_list else "PyTuple_New", f"i64 {len(items)}")
    at, begin = made, layout.TUPLE_ITEMS
    if is_list and items:
        at, begin = w.load("ptr", made, layout.LIST_ITEMS), 0
    for place, x in enumerate(items):
        w.store("ptr", x, at, begin + 8 * place)
        w.owned.remove(x)
    return made


def _build_dict(w: _Writer, tree: Keyed, found: str, arrays: dict[int, str]) -> str:
    made = w.call("PyDict_New")
    for k, item in enumerate(tree.items):
        x = _build(w, item, found, arrays)
        key = w.load("ptr", w.block, w.form.places["key", tree.first + k])
        w.call("PyDict_SetItem", f"ptr {made}", f"ptr {key}", f"ptr {x}")
        w.drop(x)
    return made


def _box(w: _Writer, k: int, found: str) -> str:
    item = w.form.outputs[k]
    if item.is_python:
        kind = "double" if item.kind == "f" else "i64"
        return w.call(BOXES[item.kind], f"{kind} {w.load(kind, found, 8 * k)}")
    if item.kind == "f":  # as PyArray_Scalar does, in half the time
        value = w.load("double", found, 8 * k)
        made = w.call(FLOAT64_NEW, f"ptr @{symbol('float64')}", "i64 0")
        w.store("double", value, made, layout.FLOAT_VALUE)
        return made
    place = w.at(found, 8 * k)
    if item.kind == "s":  # singles are computed as such, and passed on as doubles
        value = w.line(f"fptrunc double {w.load('double', found, 8 * k)} to float")
        w.do(f"store float {value}, ptr {place}, align 4")
    return w.call(
        "PyArray_Scalar", f"ptr {place}", f"ptr @{symbol(item.kind)}", "ptr null"
    )


def _module(w: _Writer) -> str:
    gone = f"@{symbol('gone')}"
    passed = "ptr %fallback, ptr %args, i64 %nargsf, ptr %kwnames"
    slow = f"""slow:
  %fallback.at = getelementptr i8, ptr %self, i64 {layout.FALLBACK}
  %fallback = load ptr, ptr %fallback.at, align 8
  %has = icmp ne ptr %fallback, null
  br i1 %has, label %pass, label %gone
pass:
  call void @{symbol('Py_IncRef')}(ptr %fallback)
  %passed = call ptr @{symbol('PyObject_Vectorcall')}({passed})
  call void @{symbol('Py_DecRef')}(ptr %fallback)
  ret ptr %passed
gone:
  call void @{symbol('PyErr_SetString')}(ptr @{symbol('ReferenceError')}, ptr {gone})
  br label %fail
fail:
  ret ptr null"""
    used = w.used | {"Py_IncRef", "Py_DecRef", "PyObject_Vectorcall", "PyErr_SetString"}
    objects = ["None", "True", "float", "str", "tuple", "list", "dict", "float64", "ndarray",
               "ReferenceError", *DTYPE_OF]
    return "\n".join([
        f"{gone} = private constant [{len(GONE)} x i8] c\"{GONE[:-1]}\\00\"",
        *(f"@{symbol(name)} = external global i8" for name in objects),
        *(declaration(name) for name in sorted(used)),
        '!0 = !{!"branch_weights", i32 1000, i32 1}',
        *([APART_TEXT] if w.form.over else []),
        f"define ptr @{NAME}(ptr %self, ptr %args, i64 %nargsf, ptr %kwnames) {{",
        "entry:", *w.head, *w.text, slow, *w.off, "}", "",
    ])


GONE = "this function is being deleted\0"
APART_TEXT = f"""define private i32 @{APART}(ptr %given, ptr %sizes, ptr %over, i64 %count) {{
entry:
  br label %outer
outer:
  %i = phi i64 [ 0, %entry ], [ %i.next, %outer.end ]
  %over.at = getelementptr i64, ptr %over, i64 %i
  %is.over = load i64, ptr %over.at, align 8
  %skips = icmp eq i64 %is.over, 0
  br i1 %skips, label %outer.end, label %begin
begin:
  %i.at = getelementptr i64, ptr %given, i64 %i
  %i.begin = load i64, ptr %i.at, align 8
  %i.size.at = getelementptr i64, ptr %sizes, i64 %i
  %i.size = load i64, ptr %i.size.at, align 8
  %i.end = add i64 %i.begin, %i.size
  br label %inner
inner:
  %j = phi i64 [ 0, %begin ], [ %j.next, %inner.end ]
  %j.size.at = getelementptr i64, ptr %sizes, i64 %j
  %j.size = load i64, ptr %j.size.at, align 8
  %j.at = getelementptr i64, ptr %given, i64 %j
  %j.begin = load i64, ptr %j.at, align 8
  %j.end = add i64 %j.begin, %j.size
  %is.other = icmp ne i64 %i, %j
  %has.bytes = icmp ne i64 %j.size, 0
  %ends.later = icmp ugt i64 %j.end, %i.begin
  %begins.before = icmp ult i64 %j.begin, %i.end
  %counts = and i1 %is.other, %has.bytes
  %overlaps = and i1 %ends.later, %begins.before
  %meets = and i1 %counts, %overlaps
  br i1 %meets, label %no, label %inner.end
inner.end:
  %j.next = add i64 %j, 1
  %j.more = icmp ult i64 %j.next, %count
  br i1 %j.more, label %inner, label %outer.end
outer.end:
  %i.next = add i64 %i, 1
  %i.more = icmp ult i64 %i.next, %count
  br i1 %i.more, label %outer, label %yes
yes:
  ret i32 1
no:
  ret i32 0
}}"""

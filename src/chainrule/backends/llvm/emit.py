"""A plan as LLVM IR text: one function that reads its inputs and writes its outputs.

    define void @core(ptr %.in, ptr %.out)

Both point to slots of 8 bytes: a real number as a double, whole numbers and flags as i64. Values
have the user's names; names that begin with a dot, or hold one, are ours.
"""

from chainrule.backends.llvm.elementwise import ROWS
from chainrule.backends.llvm.functions import FUNCTIONS, OWN_OF_SINGLES, PAIRS
from chainrule.backends.llvm.lines import (
    OF_SINGLES,
    REAL,
    SHORT,
    SINGLE,
    WHOLE,
    Lines,
    function_name,
)
from chainrule.backends.llvm.plan import Plan, Step
from chainrule.backends.llvm.values import IR_TYPE, Value, as_kind

CORE = "core"
ALIGNED = "alignstack(64)"  # vectors that find no register are kept in whole lines of the cache


def emit(plan: Plan) -> str:
    """The module of a plan, functions it calls included."""
    w = Lines()
    held: dict[str, Value] = {}  # by the plan's names, values by the names they have in the text
    for index, x in enumerate(plan.inputs):
        held[x.name] = Value(x.kind, _load(w, index, x))
    for step in plan.steps:
        _step(w, step, held)
    for index, x in enumerate(plan.outputs):
        _store(w, index, _held(x, held))
    heads = [f"ptr %.{name}" for name in ("in", "out")]
    core = [f"define void @{CORE}({', '.join(heads)}) {{", *w.text, "  ret void", "}"]
    functions = definitions(w)
    text = ["\n".join(core), *functions, *sorted(w.intrinsics)]
    return "\n\n".join([f"; {plan.title}", *text]) + "\n"


def _step(w: Lines, step: Step, held: dict[str, Value]) -> None:
    """The instructions of a step; its value is held under the user's name."""
    operands = [_held(x, held) for x in step.operands]
    made = ROWS[step.gate](w, step.value.kind, operands)
    note = f"  ; line {step.origin.line}" if step.origin else ""
    name = step.value.name
    held[name] = Value(step.value.kind, w.named(made, f"%{name}", note))


def _held(x: Value, held: dict[str, Value]) -> Value:
    return x if x.number is not None else held[x.name]


def _load(w: Lines, index: int, x: Value) -> str:
    slot = w.line(f"getelementptr {REAL}, ptr %.in, i64 {index}")
    stored = REAL if x.kind == "f" else WHOLE
    name = w.line(f"load {stored}, ptr {slot}, align 8")
    if x.kind == "b":
        name = w.compare_whole("ne", name, 0)
    return w.named(name, f"%{x.name}")


def _store(w: Lines, index: int, x: Value) -> None:
    kind = "f" if x.kind == "f" else "i"
    value = as_kind(w, kind, x)
    slot = w.line(f"getelementptr {REAL}, ptr %.out, i64 {index}")
    w.text.append(f"  store {IR_TYPE[kind]} {value}, ptr {slot}, align 8")


def definitions(w: Lines) -> list[str]:
    """Our functions of reals that a text calls, and those they call."""
    made: dict[tuple[str, int], str] = {}
    waiting = dict(w.called)
    while waiting:
        (name, lanes), count = waiting.popitem()
        inner = Lines(lanes)
        made[name, lanes] = _function(inner, name, count)
        w.intrinsics |= inner.intrinsics
        waiting |= {key: n for key, n in inner.called.items() if key not in made}
    return [made[key] for key in sorted(made)]


def _function(w: Lines, name: str, count: int) -> str:
    names = ["%x", "%y"][:count]
    if name.endswith(OF_SINGLES):
        w.real_type, w.whole_type = SINGLE, SHORT
    value = {**FUNCTIONS, **OWN_OF_SINGLES, **PAIRS}[name](w, *names)
    t, out = w.many(w.real_type), w.reals(2 if name in PAIRS else 1)
    heads = ", ".join(f"{t} {n}" for n in names)
    head = f"define private {out} @{function_name(name, w.lanes)}({heads})"
    head += f" {ALIGNED} {{" if w.lanes else " {"
    return "\n".join([head, *w.text, f"  ret {out} {value}", "}"])

"""The instructions of a step, in the precision it asks for."""

from chainrule.backends.llvm.elementwise import ROWS
from chainrule.backends.llvm.lines import REAL, SINGLE, Lines
from chainrule.backends.llvm.plan import Step
from chainrule.backends.llvm.values import Value, as_kind

Held = dict[str, Value]  # values of the plan by name, as they are called in the text


def apply(w: Lines, step: Step, held: Held) -> Value:
    """The instructions of a step, in the precision it asks for."""
    operands = [_in_precision(w, _held(x, held), step.real) for x in step.operands]
    kind = step.value.kind
    if step.real == "s":
        with w.in_single():
            made = ROWS[step.gate](w, "f" if kind in "fs" else kind, operands)
    else:
        made = ROWS[step.gate](w, kind, operands)
    return Value(kind, made)


def _in_precision(w: Lines, x: Value, real: str) -> Value:
    """A real operand in the precision of its step; rows call reals of either kind "f"."""
    if x.number is not None or x.kind not in "fs":
        return x
    if x.kind == real:
        return Value("f", x.name)
    how, ends = ("fptrunc", (REAL, SINGLE)) if real == "s" else ("fpext", (SINGLE, REAL))
    return Value("f", w.convert(how, x.name, *ends))


def _held(x: Value, held: Held) -> Value:
    return x if x.number is not None else held[x.name]


def text_of(w: Lines, kind: str, x: Value, held: Held) -> str:
    """A value as text in a kind."""
    x = _held(x, held)
    if kind == "s" or (x.kind == "s" and kind == "b"):
        with w.in_single():
            return as_kind(w, "f" if kind == "s" else kind, _in_precision(w, x, "s"))
    return as_kind(w, kind, _in_precision(w, x, "f") if kind == "f" else x)

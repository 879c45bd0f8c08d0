"""What a wrapper may read, given what it has checked on its way."""

from chainrule.backends.llvm.targets import layout
from chainrule.backends.llvm.targets.known import (
    ARGS,
    BLOCK,
    COUNT,
    ENTRY,
    SELF,
    Term,
    Unproved,
    Way,
    object_named,
    said,
    type_of,
)
from chainrule.backends.llvm.targets.wrapper import COUNT_MASK, NAME

_FIELDS = {"DATA": "ptr", "ND": "i32", "DIMS": "ptr", "DESCR": "ptr", "FLAGS": "i32"}


def may_read(way: Way, base: Term, offset: int, kind: str) -> None:
    """Insist that what lies there is known to be what the load takes it for."""
    if base == SELF:
        good = offset in (layout.ENTRY, layout.FALLBACK) and kind == "ptr"
    elif base == ARGS:
        way.know(("and", COUNT, COUNT_MASK), ("number", way.form.arguments))
        good = offset in range(0, 8 * way.form.arguments, 8) and kind == "ptr"
    elif base == ENTRY:
        way.is_there(ENTRY)
        good = offset == layout.BLOCK and kind == "ptr"
    elif base == BLOCK:
        good = _is_ours(way, offset)
    elif way.form.is_bound:
        inputs = [way.word(("in", k)) for k in range(len(way.form.inputs))]
        good = base in inputs and offset == 0 and kind == "double"
    elif base[0] == "made":
        good = base[2] == "PyArray_New" and way.owned[base] > 0 and _is(offset, kind, "DATA")
    else:
        good = way.quiet and _is_argument(way, base, offset, kind)
    if not good or not way.lock:
        raise Unproved(f"reads {kind} at {said(base)} + {offset}")


def _is_ours(way: Way, offset: int) -> bool:
    if offset != way.form.places["wrapper"]:
        way.know(("word", BLOCK, 0, "ptr"), ("global", f"@{NAME}"))
    return (way.quiet or way.owned[ENTRY] > 0) and offset in way.form.places.values()


def _is_argument(way: Way, base: Term, offset: int, kind: str) -> bool:
    if base[1] == ARGS:  # an argument
        if offset == layout.TYPE:
            return kind == "ptr"
        is_array = offset != layout.FLOAT_VALUE or kind != "double"
        way.know(type_of(base), object_named("ndarray" if is_array else "float"))
        return not is_array or any(_is(offset, kind, name) for name in _FIELDS)
    argument, at = base[1], base[2]  # the shape of an argument
    rank = way.form.inputs[argument[2] // 8].rank or 0
    way.know(("word", argument, layout.ND, "i32"), ("number", rank))
    return argument[1] == ARGS and at == layout.DIMS and offset in range(0, 8 * rank, 8)


def _is(offset: int, kind: str, name: str) -> bool:
    """True where that lies at the offset, of that kind."""
    return offset == getattr(layout, name) and kind == _FIELDS[name]

"""What a wrapper may read, given what it has checked on its way."""

from chainrule.backends.llvm.targets import layout
from chainrule.backends.llvm.targets.forms import Keyed, Listed, Tree, items_of, kind_of
from chainrule.backends.llvm.targets.known import (
    ARGS,
    BLOCK,
    COUNT,
    ENTRY,
    NONE,
    SELF,
    ZERO,
    Term,
    Unproved,
    Way,
    given,
    object_named,
    said,
    type_of,
)
from chainrule.backends.llvm.targets.wrapper import COUNT_MASK, NAME

_ARRAY = {"DATA": "ptr", "ND": "i32", "DIMS": "ptr", "DESCR": "ptr", "FLAGS": "i32"}
_FIELDS = _ARRAY | {"LENGTH": "i64", "LIST_ITEMS": "ptr"}


def may_read(way: Way, base: Term, offset: int, kind: str) -> None:
    """Insist that what lies there is known to be what the load takes it for."""
    if base == SELF:
        good = offset in (layout.ENTRY, layout.FALLBACK) and kind == "ptr"
    elif base == ARGS:
        count = len(way.form.arguments)
        way.know(("and", COUNT, COUNT_MASK), ("number", count))
        good = offset in range(0, 8 * count, 8) and kind == "ptr"
    elif base == ENTRY:
        way.is_there(ENTRY)
        good = offset == layout.BLOCK and kind == "ptr"
    elif base == BLOCK:
        good = _is_ours(way, offset)
    elif way.form.is_bound:
        inputs = [way.word(("in", k)) for k in range(len(way.form.inputs))]
        good = base in inputs and offset == 0 and kind == "double"
    elif base[0] == "made":
        name = {"PyArray_New": "DATA", "PyList_New": "LIST_ITEMS"}[base[2]]
        good = way.owned[base] > 0 and _is(offset, kind, name)
    else:
        good = way.quiet and _is_argument(way, base, offset, kind)
    if not good or not way.lock:
        raise Unproved(f"reads {kind} at {said(base)} + {offset}")


def _is_ours(way: Way, offset: int) -> bool:
    if offset != way.form.places["wrapper"]:
        way.know(("word", BLOCK, 0, "ptr"), ("global", f"@{NAME}"))
    return (way.quiet or way.owned[ENTRY] > 0) and offset in way.form.places.values()


def _is_argument(way: Way, base: Term, offset: int, kind: str) -> bool:
    """True for a field of an argument, or of what is in one, whose type is known."""
    arguments = given(way.form)
    if base[0] in ("key", "value"):
        way.know_not(("there", *base[1:]), ZERO)
    if base in arguments:
        if offset == layout.TYPE:
            return kind == "ptr"
        tree = arguments[base]
        if isinstance(tree, int):
            return _is_of_leaf(way, base, tree, offset, kind)
        return _is_of_container(way, base, tree, offset, kind)
    if base[0] == "key":
        return base[1] in arguments and offset == layout.TYPE and kind == "ptr"
    return _is_of_fields(way, base, offset, kind)


def _is_of_leaf(way: Way, base: Term, tree: int, offset: int, kind: str) -> bool:
    item = way.form.inputs[tree]
    if not item.is_array:
        way.know(type_of(base), object_named(item.python))
        return offset == layout.FLOAT_VALUE and kind == "double"
    way.know(type_of(base), object_named("ndarray"))
    return any(_is(offset, kind, name) for name in _ARRAY)


def _is_of_container(way: Way, base: Term, tree: Tree, offset: int, kind: str) -> bool:
    way.know(type_of(base), object_named(kind_of(tree)))
    if isinstance(tree, Keyed):
        return False  # a dict is only asked by calls
    if isinstance(tree, Listed):
        return _is(offset, kind, "LENGTH") or _is(offset, kind, "LIST_ITEMS")
    return _is(offset, kind, "LENGTH") or _is_item(
        way, base, tree, offset - layout.TUPLE_ITEMS, kind
    )


def _is_of_fields(way: Way, base: Term, offset: int, kind: str) -> bool:
    """True for a shape's sizes, or the items of a list."""
    argument, at = base[1], base[2]
    tree = given(way.form)[argument]
    if isinstance(tree, Listed) and at == layout.LIST_ITEMS:
        return _is_item(way, argument, tree, offset, kind)
    rank = way.form.inputs[tree].rank or 0
    way.know(("word", argument, layout.ND, "i32"), ("number", rank))
    return at == layout.DIMS and offset in range(0, 8 * rank, 8) and kind == "i64"


def _is_item(way: Way, base: Term, tree: Tree, offset: int, kind: str) -> bool:
    count = len(items_of(tree))
    way.know(("word", base, layout.LENGTH, "i64"), ("number", count))
    return offset in range(0, 8 * count, 8) and kind == "ptr"


def _is(offset: int, kind: str, name: str) -> bool:
    """True where that lies at the offset, of that kind."""
    return offset == getattr(layout, name) and kind == _FIELDS[name]


# ---- what may be done with it


def may_hold(way: Way, x: Term) -> None:
    """Insist that it is an object that is still there, so that a reference may be added."""
    if x in given(way.form):
        way.know(type_of(x), object_named("ndarray"))
        good = way.quiet
    else:
        good = x != ENTRY or way.quiet
        if x != NONE:
            way.is_there(x)
    if not good:
        raise Unproved(f"{said(x)} may be gone")


def step_in_dict(way: Way, values: list[Term]) -> Term:
    """The next item of a dict among the arguments: its key and its value in their places."""
    x, *places = values
    way.know(type_of(x), object_named("dict"))
    rooms = [room for kind, room, at in places if kind == "at" and room[0] == "room"]
    apart = {at for _, _, at in places if at in range(0, rooms[0][2] - 7, 8)}
    if len(rooms) != 3 or len({*rooms}) != 1 or len(apart) != 3 or not way.quiet:
        raise Unproved("not three places of the stack, or a dict that may have changed")
    position, key, value = ((room, at) for _, room, at in places)
    before = way.stack[position]
    k = 0 if before == ZERO else before[2]
    if before not in (ZERO, ("passed", x, k)):
        raise Unproved("not where it was in this dict")
    way.stack[position] = ("passed", x, k + 1)
    way.stack[key], way.stack[value] = ("key", x, k), ("value", x, k)
    return ("there", x, k)


def may_compare(way: Way, key: Term, wanted: Term) -> None:
    """Insist that a key of an argument is a string, and that the other one is ours."""
    way.know(type_of(key), object_named("str"))
    ours = [way.word(("key", k)) for k in range(way.form.keys)]
    if key[0] != "key" or wanted not in ours or not way.quiet:
        raise Unproved("not a key of an argument and one of the block")


def set_item(way: Way, made: Term, key: Term, value: Term) -> None:
    """One more item of a new dict, which adds a reference of its own."""
    ours = [way.word(("key", k)) for k in range(way.form.keys)]
    if made[2] != "PyDict_New" or not way.owned[made] or key not in ours or not way.owned[value]:
        raise Unproved("not a new dict, a key of the block, and an object of ours")
    way.items[made][len(way.items[made])] = value
    way.keys.setdefault(made, []).append(key)

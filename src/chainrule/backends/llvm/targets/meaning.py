"""What a wrapper means: machine code given its inputs, and its outputs as the result."""

from typing import Any

from chainrule.backends.llvm.nests import DTYPE_OF
from chainrule.backends.llvm.targets import layout
from chainrule.backends.llvm.targets.c_api import FLOAT64_NEW
from chainrule.backends.llvm.targets.forms import Keyed, Tree, items_of, kind_of
from chainrule.backends.llvm.targets.known import (
    ARGS,
    BLOCK,
    COUNT,
    ENTRY,
    NAMES,
    NONE,
    NULL,
    SELF,
    ZERO,
    Term,
    Unproved,
    Way,
    object_named,
    said,
    type_of,
)
from chainrule.backends.llvm.targets.known import given as arguments
from chainrule.backends.llvm.targets.wrapper import BOXES, COUNT_MASK, NAME, flags_of

NEW = {"tuple": "PyTuple_New", "list": "PyList_New", "dict": "PyDict_New"}


def run(way: Way, result: str, core: Term, values: list[Term]) -> Term:
    """Insist that machine code is run once, given its inputs and room for all outputs."""
    form = way.form
    given, found, *arena = values
    good = core == way.word("core") and not way.ran and not way.error
    good &= result == ("i32" if form.has_status else "void")
    good &= way.lock is not form.is_long and (not form.is_long or way.owned[ENTRY] > 0)
    good &= given[2] >= 8 * (len(form.inputs) + form.fixed)
    good &= found[2] >= 8 * (len(form.outputs) + form.decisions)
    good &= _is_room(way, *arena) if form.has_status else not arena
    if not good:
        raise Unproved("not how this machine code is run")
    _check_inputs(way, given)
    if form.over:
        way.know_not(("apart", given), ZERO)
    _check_outputs(way, found)
    way.ran = True
    return ("status",)


def _is_room(way: Way, arena: Term) -> bool:
    wanted = way.form.arena
    if wanted is None:
        way.is_there(("arena",))
        return arena == way.arena
    return arena == NULL if not wanted else arena[0] == "room" and arena[2] >= wanted


def _check_inputs(way: Way, given: Term) -> None:
    for argument, tree in arguments(way.form).items():
        if isinstance(tree, int):
            _check_input(way, given, tree, argument)
        else:
            _check_container(way, argument, tree)
    for k in range(way.form.fixed):
        _is_in_slot(way, given, len(way.form.inputs) + k, way.word(("fixed", k)))
    for k, item in enumerate(way.form.inputs if way.form.is_bound else ()):
        word = way.word(("in", k))
        wanted = word if item.is_array else ("word", word, 0, "double")
        _is_in_slot(way, given, k, wanted)


def _check_input(way: Way, given: Term, k: int, argument: Term) -> None:
    item = way.form.inputs[k]
    where, kind = (layout.DATA, "ptr") if item.is_array else (layout.FLOAT_VALUE, "double")
    _is_in_slot(way, given, k, ("word", argument, where, kind))
    way.know(type_of(argument), object_named(item.python))
    if not item.is_array:
        return
    flags, wanted = ("word", argument, layout.FLAGS, "i32"), flags_of(way.form, k)
    way.know(("word", argument, layout.DESCR, "ptr"), object_named(item.kind))
    way.know(("and", flags, wanted), ("number", wanted))
    way.know(("word", argument, layout.ND, "i32"), ("number", item.rank))
    dims = ("word", argument, layout.DIMS, "ptr")
    for axis in range(item.rank or 0):
        way.know(("word", dims, 8 * axis, "i64"), way.word(("in", k, axis)))
    if argument[1] != ARGS and not way.owned[argument]:
        raise Unproved(f"{said(argument)} may be taken out of its container")


def _check_container(way: Way, argument: Term, tree: Tree) -> None:
    """Insist that it has the right length; a dict, the right keys in the right order."""
    count = len(items_of(tree))
    way.know(type_of(argument), object_named(kind_of(tree)))
    if not isinstance(tree, Keyed):
        return way.know(("word", argument, layout.LENGTH, "i64"), ("number", count))
    for k in range(count):
        key, wanted = ("key", argument, k), way.word(("key", tree.first + k))
        way.know_same(key, wanted)
    way.know(("there", argument, count), ZERO)
    return None


def _check_outputs(way: Way, found: Term) -> None:
    form = way.form
    for k in range(len(form.outputs) + form.decisions):
        if k < len(form.outputs) and form.outputs[k].is_array:
            _check_array(way, found, k)
        else:
            way.stack[found, 8 * k] = ("output", k)


def _check_array(way: Way, found: Term, k: int) -> None:
    item, word = way.form.outputs[k], way.stack[found, 8 * k]
    if way.form.is_bound:
        return _is_in_slot(way, found, k, way.word(("out", k)))
    made = word[1]
    if k in dict(way.form.over):
        return _check_over(way, found, k)
    _is_in_slot(way, found, k, ("word", made, layout.DATA, "ptr"))
    shape = ("at", BLOCK, way.form.places["out", k, 0])
    number = ("number", DTYPE_OF[item.kind].num)
    zero = ("number", 0)
    wanted = (object_named("ndarray"), ("number", item.rank), shape, number, NULL, NULL, zero, zero,
              NULL)
    if made[2:] != ("PyArray_New", wanted) or not way.owned[made]:
        raise Unproved(f"output {k} is not an array of its own shape and dtype")
    if made in way.arrays.values():
        raise Unproved(f"output {k} shares its array")
    way.arrays[k] = made
    return None


def _check_over(way: Way, found: Term, k: int) -> None:
    """Insist that an output is written over its argument, and that one to be had."""
    source = dict(way.form.over)[k]
    (argument,) = (x for x, tree in arguments(way.form).items() if tree == source)
    _is_in_slot(way, found, k, ("word", argument, layout.DATA, "ptr"))
    item, other = way.form.outputs[k], way.form.inputs[source]
    if (item.kind, item.rank) != (other.kind, other.rank) or argument in way.arrays.values():
        raise Unproved(f"output {k} is not like its argument")
    if not way.owned[argument]:
        raise Unproved(f"{said(argument)} may be gone when it is returned")
    way.arrays[k] = argument


def apart(way: Way, values: list[Term]) -> Term:
    """Insist that all arrays are compared: the slots of the inputs, and the tables of the block."""
    given, sizes, over, count = values
    tables = [("at", BLOCK, way.form.places[what, 0]) for what in ("bytes", "over")]
    good = [sizes, over] == tables and count == ("number", way.form.slots)
    good &= all((given, 8 * k) in way.stack for k in range(way.form.slots))
    good &= way.quiet or way.owned[ENTRY] > 0
    if not good:
        raise Unproved("does not compare all arrays")
    return ("apart", given)


def _is_in_slot(way: Way, room: Term, k: int, wanted: Term) -> None:
    if way.stack.get((room, 8 * k)) != wanted:
        raise Unproved(f"slot {k} does not hold {said(wanted)}")


def fill_bound(way: Way, base: Term, offset: int, value: Term) -> None:
    """A store into the caller's memory for an output."""
    k = next(k for k in range(len(way.form.outputs)) if base == way.word(("out", k)))
    item, output = way.form.outputs[k], ("output", k)
    wanted = ("single", output) if item.kind == "s" else output
    if offset or value != wanted or item.is_array or k in way.filled or not _is_good(way):
        raise Unproved("not this output, or not yet known to be right")
    way.filled[k] = value


def check_result(way: Way, result: Term) -> None:
    """Insist that it is what the fallback gave, or the tree of the outputs."""
    fallback = ("word", SELF, layout.FALLBACK, "ptr")
    if result[2:] == ("PyObject_Vectorcall", (fallback, ARGS, COUNT, NAMES)):
        return
    is_whole = result == NONE if way.form.is_bound else _is_tree(way, result, way.form.tree)
    if result in way.unchecked or not _is_good(way) or not is_whole:
        raise Unproved("not the tree of the outputs")
    numbers = [k for k, item in enumerate(way.form.outputs) if not item.is_array]
    if way.form.is_bound and sorted(way.filled) != numbers:
        raise Unproved("an output is not filled")


def _is_good(way: Way) -> bool:
    """True when the machine code has run, for this call, and said that it went right."""
    form = way.form
    way.know(("word", BLOCK, 0, "ptr"), ("global", f"@{NAME}"))
    way.know(NAMES, NULL)
    way.know(("and", COUNT, COUNT_MASK), ("number", len(form.arguments)))
    if form.has_status:
        way.know(("status",), ("number", 0))
    for k in range(form.decisions):
        way.know(("output", len(form.outputs) + k), way.word(("decision", k)))
    return way.ran


def _is_tree(way: Way, made: Term, tree: Tree) -> bool:
    if isinstance(tree, int):
        return way.arrays.get(tree) == made or _is_number(way, made, tree)
    inside, items = items_of(tree), way.items.get(made, {})
    wanted: Any = (("number", len(inside)),)
    if isinstance(tree, Keyed):
        keys = [way.word(("key", tree.first + k)) for k in range(len(inside))]
        if way.keys.get(made, []) != keys:
            return False
        wanted = ()
    return made[2:] == (NEW[kind_of(tree)], wanted) and all(
        place in items and _is_tree(way, items[place], x) for place, x in enumerate(inside)
    )


def _is_number(way: Way, made: Term, k: int) -> bool:
    item, output = way.form.outputs[k], ("output", k)
    if item.is_python:
        return made[2:] == (BOXES[item.kind], (output,))
    if item.kind == "f":
        is_new = made[2:] == (FLOAT64_NEW, (object_named("float64"), ("number", 0)))
        return is_new and way.numbers.get(made) == output
    value = ("single", output) if item.kind == "s" else output
    return made[2:] == ("PyArray_Scalar", (value, object_named(item.kind), NULL))

"""Proves a wrapper before it is compiled: every way through it, to every exit.

The text is walked with what is known in place of values. On each way it must hold that
    memory      nothing is read of an argument before its type, rank and so on were checked, nor of
                a block before it was found to be this wrapper's, nor after either may have changed
    references  each new one is returned, taken over by a tuple, or dropped, exactly once; none is
                used before it was checked not to be null
    errors      null is returned with an exception set, and nothing else is done with one set
    lock        calls that need the interpreter's lock have it; the spare arena is given back
    meaning     the machine code gets every input in its slot, and what is returned is the tree of
                its outputs, with the status and decisions checked
What a C function does to references comes from the table in c_api.py. Whatever is not understood is
refused; so a wrapper that was changed by mistake is not generated, and calls take the plain path.
"""

from collections.abc import Callable
from typing import Any

from chainrule.backends.llvm.targets import layout
from chainrule.backends.llvm.targets.c_api import CALLS, FLOAT64_NEW, CCall, symbol
from chainrule.backends.llvm.targets.forms import Form
from chainrule.backends.llvm.targets.known import (
    ARGS,
    COUNT,
    NAMES,
    NULL,
    SELF,
    TRUE,
    Term,
    Unproved,
    Way,
    fields,
    said,
)
from chainrule.backends.llvm.targets.meaning import NEW, apart, check_result, fill_bound, run
from chainrule.backends.llvm.targets.reading import (
    may_compare,
    may_hold,
    may_read,
    set_item,
    step_in_dict,
)
from chainrule.backends.llvm.targets.wrapper import APART, APART_TEXT, NAME


def prove(text: str, form: Form) -> int:
    """How many exits a wrapper of the form has, each proved. Raises Unproved."""
    if form.over and f"\n{APART_TEXT}\n" not in text:
        raise Unproved("another function compares the arrays")
    blocks = _blocks(text)
    names = {"%self": SELF, "%args": ARGS, "%nargsf": COUNT, "%kwnames": NAMES}
    waiting = [("entry", Way(form, names))]
    exits = 0
    while waiting:
        label, way = waiting.pop()
        if label in way.passed or label not in blocks:
            raise Unproved(f"{label}: a loop, or nowhere")
        way.passed.add(label)
        for place, line in enumerate(blocks[label], 1):
            try:
                found = _step(way, line)
            except (KeyError, ValueError, TypeError, IndexError) as error:
                raise Unproved(f"{label}: {line}: not understood ({error!r})") from None
            except Unproved as error:
                raise Unproved(f"{label}: {line}: {error}") from None
            if found is not None:
                if place < len(blocks[label]):
                    raise Unproved(f"{label}: goes on after its end")
                waiting += found
                exits += not found
                break
        else:
            raise Unproved(f"{label}: has no end")
    return exits


def _blocks(text: str) -> dict[str, list[str]]:
    body = text[text.index(f"define ptr @{NAME}(") :].split("\n")[1:]
    blocks: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in body[: body.index("}")]:
        if line.endswith(":"):
            if line[:-1] in blocks:
                raise Unproved(f"{line[:-1]} begins twice")
            lines = blocks[line[:-1]] = []
        else:
            lines.append(line.strip())
    return blocks


def _step(way: Way, line: str) -> list[tuple[str, Way]] | None:
    """Go past a line; at the end of a block, where to go on."""
    target, _, rest = line.rpartition(" = ")
    word, _, tail = rest.partition(" ")
    if word in ("br", "ret"):
        return _ENDS[word](way, tail)
    value = _INSTRUCTIONS[word](way, tail, target)
    if target in way.names:
        raise Unproved(f"{target} is named twice")
    if target:
        way.names[target] = value
    return None


# ---- instructions


def _getelementptr(way: Way, tail: str, _: str) -> Term:
    pointer, offset = fields(r"i8, ptr (\S+), i64 (\d+)", tail)
    return ("at", way.value(pointer), int(offset))


def _alloca(way: Way, tail: str, target: str) -> Term:
    count, kind = fields(r"\[(\d+) x (i64|i8)\], align (?:8|64)", tail)
    return ("room", target, int(count) * (8 if kind == "i64" else 1))


def _and(way: Way, tail: str, _: str) -> Term:
    _, x, mask = fields(r"(i32|i64) (\S+), (\d+)", tail)
    return ("and", way.value(x), int(mask))


def _fptrunc(way: Way, tail: str, _: str) -> Term:
    (x,) = fields(r"double (\S+) to float", tail)
    return ("single", way.value(x))


def _icmp(way: Way, tail: str, _: str) -> Term:
    how, _, x, y = fields(r"(eq|ne) (ptr|i64|i32) (\S+), (\S+)", tail)
    return (how, way.any_value(x), way.any_value(y))


def _load(way: Way, tail: str, _: str) -> Term:
    kind, pointer = fields(r"(\w+), ptr (\S+), align \d", tail)
    _, base, offset = way.value(pointer)
    if base[0] == "room":
        return way.stack[base, offset]
    may_read(way, base, offset, kind)
    return ("word", base, offset, kind)


def _store(way: Way, tail: str, _: str) -> None:
    if tail.startswith("atomic "):
        return _give_arena(way, tail)
    _, x, pointer = fields(r"(\w+) (\S+), ptr (\S+), align \d", tail)
    value, (_, base, offset) = way.value(x), way.value(pointer)
    if base[0] == "room":
        if not 0 <= offset <= base[2] - 8:
            raise Unproved("outside of its room")
        held = way.stack.get((base, offset))
        if held is not None and value != ("single", held):
            raise Unproved("the slot has a value")
        way.stack[base, offset] = value
    elif way.form.is_bound:
        fill_bound(way, base, offset, value)
    else:
        _fill(way, base, offset, value)
    return None


def _fill(way: Way, made: Term, offset: int, value: Term) -> None:
    """A store into a new tuple or list, which takes the reference over."""
    if made[2] == FLOAT64_NEW:
        if offset != layout.FLOAT_VALUE or made in way.numbers or not way.owned[made]:
            raise Unproved("not the empty place of a new number")
        way.numbers[made] = value
        return
    begin = layout.TUPLE_ITEMS
    if made[0] == "word" and made[2] == layout.LIST_ITEMS:
        made, begin = made[1], 0
    place, items = (offset - begin) / 8, way.items[made]
    wanted = "PyTuple_New" if begin else "PyList_New"
    is_free = place in range(made[3][0][1]) and place not in items
    if made[2] != wanted or not is_free or not way.owned[made]:
        raise Unproved("not an empty place of a new tuple or list")
    way.drop(value)
    items[int(place)] = value


def _atomicrmw(way: Way, tail: str, _: str) -> Term:
    (pointer,) = fields(r"xchg ptr (\S+), ptr null acq_rel, align 8", tail)
    _is_arena(way, pointer)
    way.arena = ("arena",)
    way.unchecked.add(way.arena)
    return way.arena


def _give_arena(way: Way, tail: str) -> None:
    arena, pointer = fields(r"atomic ptr (\S+), ptr (\S+) release, align 8", tail)
    _is_arena(way, pointer)
    if way.arena is None or way.value(arena) != way.arena or not way.ran:
        raise Unproved("not the arena that was taken, or too early")
    way.arena = None


def _is_arena(way: Way, pointer: str) -> None:
    _, block, offset = way.value(pointer)
    may_read(way, block, offset, "ptr")
    if offset != way.form.places["arena"] or way.form.arena is not None:
        raise Unproved("the block has no arena there")


def _call(way: Way, tail: str, target: str) -> Term:
    result, function, given = fields(r"(\w+) ([@%]\S+?)\((.*)\)", tail)
    texts = [x.split(" ") for x in given.split(", ")] if given else []
    kinds, values = [x[0] for x in texts], [way.value(x[1]) for x in texts]
    if function == f"@{APART}" and (result, *kinds) == ("i32", "ptr", "ptr", "ptr", "i64"):
        return apart(way, values)
    if function.startswith("%"):
        return run(way, result, way.value(function), values)
    row = CALLS[function.removeprefix(f"@{symbol('')}")]
    if function != f"@{symbol(row.name)}" or (result, *kinds) != (row.result, *row.takes):
        raise Unproved("not as the table has it")
    return _c_call(way, row, values, target)


def _c_call(way: Way, row: CCall, values: list[Term], target: str) -> Term:
    if row.lock and not way.lock:
        raise Unproved("without the lock")
    if way.error and row.effect != "drops":
        raise Unproved("with an exception set")
    if any(made[3] and len(items) < made[3][0][1] for made, items in way.items.items()):
        raise Unproved("a tuple or list is not filled yet")
    if way.status is not None:
        raise Unproved("the call before may have failed")
    if row.effect == "steps":
        return step_in_dict(way, values)
    way.quiet &= not row.runs or (row.effect == "drops" and ("eq", values[0], TRUE) in way.facts)
    for place in row.steals:
        way.drop(values[place])
    if row.effect:
        _affect(way, row.effect, values)
    if not row.gives:
        return NULL
    contents = [way.content(x) for x in values]
    made: Term = ("made", target, row.name, tuple(contents))
    if row.gives == "status":
        way.status = made
    if row.gives == "new":
        way.owned[made] = 1
        if row.name in NEW.values():
            way.items[made] = {}
    if row.gives == "new" and row.fails:
        way.unchecked.add(made)
    return made


def _affect(way: Way, effect: str, values: list[Term]) -> None:
    if effect == "adds":
        may_hold(way, values[0])
        way.owned[values[0]] += 1
    elif effect == "compares":
        may_compare(way, *values[:2])
    elif effect == "sets":
        set_item(way, *values)
    elif effect == "drops":
        way.drop(values[0])
    elif effect == "raises":
        way.error = True
    elif effect == "leaves":
        way.lock = False
    elif effect == "returns":
        if way.lock or values[0][2] != "PyEval_SaveThread":
            raise Unproved("the lock was not given up")
        way.lock = True


def _br(way: Way, tail: str) -> list[tuple[str, Way]]:
    if tail.startswith("label "):
        return [(tail.removeprefix("label %"), way)]
    name, yes, no = fields(r"i1 (%\S+), label %(\w+), label %(\w+)(?:, !prof !0)?", tail)
    how, x, y = way.names[name]
    other = way.fork()
    way.learn(how, x, y)
    other.learn({"eq": "ne", "ne": "eq"}[how], x, y)
    return [(yes, way), (no, other)]


def _ret(way: Way, tail: str) -> list[tuple[str, Way]]:
    (text,) = fields(r"ptr (\S+)", tail)
    result = way.any_value(text)
    is_null = result == NULL
    if way.status is not None:
        raise Unproved("the last call may have failed")
    if is_null != way.error or not way.lock or way.arena is not None:
        raise Unproved("returns null without an exception, or leaves something undone")
    if not is_null:
        check_result(way, result)
        way.drop(result)
    left = [x for x, count in way.owned.items() if count]
    if left:
        raise Unproved(f"keeps {', '.join(map(said, left))}")
    return []


_ENDS = {"br": _br, "ret": _ret}
_INSTRUCTIONS: dict[str, Callable[[Way, str, str], Any]] = {
    "getelementptr": _getelementptr, "alloca": _alloca, "and": _and, "fptrunc": _fptrunc,
    "icmp": _icmp, "load": _load, "store": _store, "atomicrmw": _atomicrmw, "call": _call,
}

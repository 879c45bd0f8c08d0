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

import re
from collections import Counter
from copy import copy
from dataclasses import dataclass, field
from typing import Any

from chainrule.backends.llvm.nests import DTYPE_OF
from chainrule.backends.llvm.targets import layout
from chainrule.backends.llvm.targets.c_api import CALLS, FLOAT64_NEW, CCall, symbol
from chainrule.backends.llvm.targets.wrapper import BOXES, COUNT_MASK, NAME, Form

Term = tuple[Any, ...]
NULL: Term = ("null",)
SELF, ARGS, COUNT, NAMES = (("given", x) for x in ("%self", "%args", "%nargsf", "%kwnames"))


class Unproved(Exception):
    """A wrapper, or the way through it, that is not proved safe."""


def prove(text: str, form: Form) -> int:
    """How many exits a wrapper of the form has, each proved. Raises Unproved."""
    blocks = _blocks(text)
    names = {"%self": SELF, "%args": ARGS, "%nargsf": COUNT, "%kwnames": NAMES}
    waiting = [("entry", _Way(form, names))]
    exits = 0
    while waiting:
        label, way = waiting.pop()
        if label in way.passed or label not in blocks:
            raise Unproved(f"{label}: a loop, or nowhere")
        way.passed.add(label)
        for place, line in enumerate(blocks[label], 1):
            try:
                found = way.step(line)
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


@dataclass
class _Way:
    """What is known at one point of one way."""

    form: Form
    names: dict[str, Term]
    passed: set[str] = field(default_factory=set)
    facts: set[Term] = field(default_factory=set)  # conditions that hold
    owned: Counter[Term] = field(default_factory=Counter)  # references to give away
    unchecked: set[Term] = field(default_factory=set)  # may be null
    stack: dict[tuple[Term, int], Term] = field(default_factory=dict)  # memory of this call
    items: dict[Term, dict[int, Term]] = field(default_factory=dict)  # of tuples made
    numbers: dict[Term, Term] = field(default_factory=dict)  # NumPy scalars made
    arrays: dict[int, Term] = field(default_factory=dict)  # outputs
    filled: dict[int, Term] = field(default_factory=dict)  # bound outputs
    arena: Term | None = None  # taken out of the block
    error: bool = False  # an exception is set
    lock: bool = True
    quiet: bool = True  # no other code can have run
    ran: bool = False

    def fork(self) -> "_Way":
        """The same, to go on by itself."""
        other = copy(self)
        for name in _COPIED:
            setattr(other, name, copy(getattr(self, name)))
        other.items = {made: dict(items) for made, items in self.items.items()}
        return other

    # ---- one line

    def step(self, line: str) -> list[tuple[str, "_Way"]] | None:
        """Go past a line; at the end of a block, where to go on."""
        target, _, rest = line.rpartition(" = ")
        word, _, tail = rest.partition(" ")
        if word in ("br", "ret"):
            return getattr(self, f"_{word}")(tail)  # type: ignore[no-any-return]  # the ways on
        value = getattr(self, f"_{word}")(tail, target)
        if target in self.names:
            raise Unproved(f"{target} is named twice")
        if target:
            self.names[target] = value
        return None

    def value(self, text: str) -> Term:
        """The term of an operand, which is not a pointer that may be null."""
        found = self.any_value(text)
        if found in self.unchecked:
            raise Unproved(f"{text} may be null")
        return found

    def any_value(self, text: str) -> Term:
        """The term of an operand."""
        if text == "null":
            return NULL
        if text.startswith("%"):
            return self.names[text]
        return ("global", text) if text.startswith("@") else ("number", int(text))

    def know(self, x: Term, y: Term) -> None:
        """Insist that a comparison was made on this way."""
        if ("eq", x, y) not in self.facts:
            raise Unproved(f"nothing says that {_said(x)} is {_said(y)}")

    # ---- instructions

    def _getelementptr(self, tail: str, _: str) -> Term:
        pointer, offset = _fields(r"i8, ptr (\S+), i64 (\d+)", tail)
        return ("at", self.value(pointer), int(offset))

    def _alloca(self, tail: str, target: str) -> Term:
        count, kind = _fields(r"\[(\d+) x (i64|i8)\], align (?:8|64)", tail)
        return ("room", target, int(count) * (8 if kind == "i64" else 1))

    def _and(self, tail: str, _: str) -> Term:
        _, x, mask = _fields(r"(i32|i64) (\S+), (\d+)", tail)
        return ("and", self.value(x), int(mask))

    def _fptrunc(self, tail: str, _: str) -> Term:
        (x,) = _fields(r"double (\S+) to float", tail)
        return ("single", self.value(x))

    def _icmp(self, tail: str, _: str) -> Term:
        how, _, x, y = _fields(r"(eq|ne) (ptr|i64|i32) (\S+), (\S+)", tail)
        return (how, self.any_value(x), self.any_value(y))

    def _load(self, tail: str, _: str) -> Term:
        kind, pointer = _fields(r"(\w+), ptr (\S+), align \d", tail)
        _, base, offset = self.value(pointer)
        if base[0] == "room":
            return self.stack[base, offset]
        self._may_read(base, offset, kind)
        return ("word", base, offset, kind)

    def _store(self, tail: str, _: str) -> None:
        if tail.startswith("atomic "):
            return self._give_arena(tail)
        _, x, pointer = _fields(r"(\w+) (\S+), ptr (\S+), align \d", tail)
        value, (_, base, offset) = self.value(x), self.value(pointer)
        if base[0] == "room":
            if not 0 <= offset <= base[2] - 8:
                raise Unproved("outside of its room")
            held = self.stack.get((base, offset))
            if held is not None and value != ("single", held):
                raise Unproved("the slot has a value")
            self.stack[base, offset] = value
        elif self.form.is_bound:
            self._fill_bound(base, offset, value)
        else:
            self._fill(base, offset, value)
        return None

    def _fill_bound(self, base: Term, offset: int, value: Term) -> None:
        """A store into the caller's memory for an output."""
        k = next(k for k in range(len(self.form.outputs)) if base == self._word(("out", k)))
        item, output = self.form.outputs[k], ("output", k)
        wanted = ("single", output) if item.kind == "s" else output
        if offset or value != wanted or item.is_array or k in self.filled or not self._is_good():
            raise Unproved("not this output, or not yet known to be right")
        self.filled[k] = value

    def _fill(self, made: Term, offset: int, value: Term) -> None:
        """A store into a new tuple, which takes the reference over."""
        if made[2] == FLOAT64_NEW:
            if offset != layout.FLOAT_VALUE or made in self.numbers or not self.owned[made]:
                raise Unproved("not the empty place of a new number")
            self.numbers[made] = value
            return
        place, items = (offset - layout.TUPLE_ITEMS) / 8, self.items[made]
        if place not in range(made[3][0][1]) or place in items or not self.owned[made]:
            raise Unproved("not an empty place of a new tuple")
        self._drop(value)
        items[int(place)] = value

    def _atomicrmw(self, tail: str, _: str) -> Term:
        (pointer,) = _fields(r"xchg ptr (\S+), ptr null acq_rel, align 8", tail)
        self._is_arena(pointer)
        self.arena = ("arena",)
        self.unchecked.add(self.arena)
        return self.arena

    def _give_arena(self, tail: str) -> None:
        arena, pointer = _fields(r"atomic ptr (\S+), ptr (\S+) release, align 8", tail)
        self._is_arena(pointer)
        if self.arena is None or self.value(arena) != self.arena or not self.ran:
            raise Unproved("not the arena that was taken, or too early")
        self.arena = None

    def _is_arena(self, pointer: str) -> None:
        _, block, offset = self.value(pointer)
        self._may_read(block, offset, "ptr")
        if offset != self.form.places["arena"] or self.form.arena is not None:
            raise Unproved("the block has no arena there")

    # ---- reading

    def _may_read(self, base: Term, offset: int, kind: str) -> None:
        """Insist that what lies there is known to be what the load takes it for."""
        if base == SELF:
            good = offset in (layout.ENTRY, layout.FALLBACK) and kind == "ptr"
        elif base == ARGS:
            self.know(("and", COUNT, COUNT_MASK), ("number", self.form.arguments))
            good = offset in range(0, 8 * self.form.arguments, 8) and kind == "ptr"
        elif base == ENTRY:
            self._is_there(ENTRY)
            good = offset == layout.BLOCK and kind == "ptr"
        elif base == BLOCK:
            good = self._is_ours(offset)
        elif self.form.is_bound:
            inputs = [self._word(("in", k)) for k in range(len(self.form.inputs))]
            good = base in inputs and offset == 0 and kind == "double"
        elif base[0] == "made":
            good = base[2] == "PyArray_New" and self.owned[base] > 0 and _is(offset, kind, "DATA")
        else:
            good = self.quiet and self._is_argument(base, offset, kind)
        if not good or not self.lock:
            raise Unproved(f"reads {kind} at {_said(base)} + {offset}")

    def _is_there(self, x: Term) -> None:
        if ("ne", x, NULL) not in self.facts:
            raise Unproved(f"{_said(x)} may be null")

    def _is_ours(self, offset: int) -> bool:
        if offset != self.form.places["wrapper"]:
            self.know(("word", BLOCK, 0, "ptr"), ("global", f"@{NAME}"))
        return (self.quiet or self.owned[ENTRY] > 0) and offset in self.form.places.values()

    def _is_argument(self, base: Term, offset: int, kind: str) -> bool:
        if base[1] == ARGS:  # an argument
            if offset == layout.TYPE:
                return kind == "ptr"
            is_array = offset != layout.FLOAT_VALUE or kind != "double"
            self.know(_type(base), _object("ndarray" if is_array else "float"))
            return not is_array or any(_is(offset, kind, name) for name in _FIELDS)
        argument, at = base[1], base[2]  # the shape of an argument
        rank = self.form.inputs[argument[2] // 8].rank or 0
        self.know(("word", argument, layout.ND, "i32"), ("number", rank))
        return argument[1] == ARGS and at == layout.DIMS and offset in range(0, 8 * rank, 8)

    # ---- calls

    def _call(self, tail: str, target: str) -> Term:
        result, function, given = _fields(r"(\w+) ([@%]\S+?)\((.*)\)", tail)
        texts = [x.split(" ") for x in given.split(", ")] if given else []
        kinds, values = [x[0] for x in texts], [self.value(x[1]) for x in texts]
        if function.startswith("%"):
            return self._run(result, self.value(function), values)
        row = CALLS[function.removeprefix(f"@{symbol('')}")]
        if function != f"@{symbol(row.name)}" or (result, *kinds) != (row.result, *row.takes):
            raise Unproved("not as the table has it")
        return self._c_call(row, values, target)

    def _c_call(self, row: CCall, values: list[Term], target: str) -> Term:
        if row.lock and not self.lock:
            raise Unproved("without the lock")
        if self.error and row.effect != "drops":
            raise Unproved("with an exception set")
        if any(len(items) < made[3][0][1] for made, items in self.items.items()):
            raise Unproved("a tuple is not filled yet")
        self.quiet &= row.effect == "adds"
        for place in row.steals:
            self._drop(values[place])
        if row.effect:
            self._affect(row.effect, values)
        if not row.gives:
            return NULL
        contents = [self._content(x) for x in values]
        made: Term = ("made", target, row.name, tuple(contents))
        if row.gives == "new":
            self.owned[made] = 1
            if row.name == "PyTuple_New":
                self.items[made] = {}
        if row.fails:
            self.unchecked.add(made)
        return made

    def _affect(self, effect: str, values: list[Term]) -> None:
        if effect == "adds":
            if values[0] != NONE:
                self._is_there(values[0])
            self.owned[values[0]] += 1
        elif effect == "drops":
            self._drop(values[0])
        elif effect == "raises":
            self.error = True
        elif effect == "leaves":
            self.lock = False
        elif effect == "returns":
            if self.lock or values[0][2] != "PyEval_SaveThread":
                raise Unproved("the lock was not given up")
            self.lock = True

    def _drop(self, x: Term) -> None:
        if self.owned[x] < 1:
            raise Unproved(f"{_said(x)} is not owned")
        self.owned[x] -= 1

    def _content(self, x: Term) -> Term:
        """A value, or what lies where it points to on the stack."""
        return self.stack[x[1], x[2]] if x[0] == "at" and x[1][0] == "room" else x

    # ---- the machine code

    def _run(self, result: str, core: Term, values: list[Term]) -> Term:
        form = self.form
        given, found, *arena = values
        good = core == self._word("core") and not self.ran and not self.error
        good &= result == ("i32" if form.has_status else "void")
        good &= self.lock is not form.is_long and (not form.is_long or self.owned[ENTRY] > 0)
        good &= given[2] >= 8 * (len(form.inputs) + form.fixed)
        good &= found[2] >= 8 * (len(form.outputs) + form.decisions)
        good &= self._is_room(*arena) if form.has_status else not arena
        if not good:
            raise Unproved("not how this machine code is run")
        self._check_inputs(given)
        self._check_outputs(found)
        self.ran = True
        return ("status",)

    def _word(self, key: Any) -> Term:
        is_number = key[0] == "decision" or len(key) == 3  # of a shape
        kind = "i64" if is_number and not isinstance(key, str) else "ptr"
        return ("word", BLOCK, self.form.places[key], kind)

    def _is_room(self, arena: Term) -> bool:
        wanted = self.form.arena
        if wanted is None:
            self._is_there(("arena",))
            return arena == self.arena
        return arena == NULL if not wanted else arena[0] == "room" and arena[2] >= wanted

    def _check_inputs(self, given: Term) -> None:
        for k, item in enumerate(self.form.inputs):
            if self.form.is_bound:
                word = self._word(("in", k))
                wanted = word if item.is_array else ("word", word, 0, "double")
                self._is_in_slot(given, k, wanted)
                continue
            argument = ("word", ARGS, 8 * k, "ptr")
            where, kind = (layout.DATA, "ptr") if item.is_array else (layout.FLOAT_VALUE, "double")
            self._is_in_slot(given, k, ("word", argument, where, kind))
            self.know(_type(argument), _object("ndarray" if item.is_array else "float"))
            if item.is_array:
                flags = ("word", argument, layout.FLAGS, "i32")
                self.know(("word", argument, layout.DESCR, "ptr"), _object(item.kind))
                self.know(("and", flags, layout.READY), ("number", layout.READY))
                self.know(("word", argument, layout.ND, "i32"), ("number", item.rank))
                dims = ("word", argument, layout.DIMS, "ptr")
                for axis in range(item.rank or 0):
                    self.know(("word", dims, 8 * axis, "i64"), self._word(("in", k, axis)))
        for k in range(self.form.fixed):
            self._is_in_slot(given, len(self.form.inputs) + k, self._word(("fixed", k)))

    def _check_outputs(self, found: Term) -> None:
        form = self.form
        for k in range(len(form.outputs) + form.decisions):
            if k < len(form.outputs) and form.outputs[k].is_array:
                self._check_array(found, k)
            else:
                self.stack[found, 8 * k] = ("output", k)

    def _check_array(self, found: Term, k: int) -> None:
        item, word = self.form.outputs[k], self.stack[found, 8 * k]
        if self.form.is_bound:
            return self._is_in_slot(found, k, self._word(("out", k)))
        made = word[1]
        self._is_in_slot(found, k, ("word", made, layout.DATA, "ptr"))
        shape = ("at", BLOCK, self.form.places["out", k, 0])
        number = ("number", DTYPE_OF[item.kind].num)
        zero = ("number", 0)
        wanted = (_object("ndarray"), ("number", item.rank), shape, number, NULL, NULL, zero, zero,
                  NULL)
        if made[2:] != ("PyArray_New", wanted) or not self.owned[made]:
            raise Unproved(f"output {k} is not an array of its own shape and dtype")
        if made in self.arrays.values():
            raise Unproved(f"output {k} shares its array")
        self.arrays[k] = made
        return None

    def _is_in_slot(self, room: Term, k: int, wanted: Term) -> None:
        if self.stack.get((room, 8 * k)) != wanted:
            raise Unproved(f"slot {k} does not hold {_said(wanted)}")

    # ---- ways on, and exits

    def _br(self, tail: str) -> list[tuple[str, "_Way"]]:
        if tail.startswith("label "):
            return [(tail.removeprefix("label %"), self)]
        name, yes, no = _fields(r"i1 (%\S+), label %(\w+), label %(\w+)(?:, !prof !0)?", tail)
        how, x, y = self.names[name]
        other = self.fork()
        self._learn(how, x, y)
        other._learn({"eq": "ne", "ne": "eq"}[how], x, y)
        return [(yes, self), (no, other)]

    def _learn(self, how: str, x: Term, y: Term) -> None:
        self.facts.add((how, x, y))
        if y == NULL and x in self.unchecked:
            self.unchecked.discard(x)
            if how == "eq" and x == self.arena:
                self.arena = None  # another call has it
            elif how == "eq":
                self.owned[x] = 0
                self.items.pop(x, None)
                self.error = True

    def _ret(self, tail: str) -> list[tuple[str, "_Way"]]:
        (text,) = _fields(r"ptr (\S+)", tail)
        result = self.any_value(text)
        is_null = result == NULL
        if is_null != self.error or not self.lock or self.arena is not None:
            raise Unproved("returns null without an exception, or leaves something undone")
        if not is_null:
            self._check_result(result)
            self._drop(result)
        left = [x for x, count in self.owned.items() if count]
        if left:
            raise Unproved(f"keeps {', '.join(map(_said, left))}")
        return []

    def _check_result(self, result: Term) -> None:
        fallback = ("word", SELF, layout.FALLBACK, "ptr")
        if result[2:] == ("PyObject_Vectorcall", (fallback, ARGS, COUNT, NAMES)):
            return
        is_whole = result == NONE if self.form.is_bound else self._is_tree(result, self.form.tree)
        if result in self.unchecked or not self._is_good() or not is_whole:
            raise Unproved("not the tree of the outputs")
        numbers = [k for k, item in enumerate(self.form.outputs) if not item.is_array]
        if self.form.is_bound and sorted(self.filled) != numbers:
            raise Unproved("an output is not filled")

    def _is_good(self) -> bool:
        """True when the machine code has run, for this call, and said that it went right."""
        form = self.form
        self.know(("word", BLOCK, 0, "ptr"), ("global", f"@{NAME}"))
        self.know(NAMES, NULL)
        self.know(("and", COUNT, COUNT_MASK), ("number", form.arguments))
        if form.has_status:
            self.know(("status",), ("number", 0))
        for k in range(form.decisions):
            self.know(("output", len(form.outputs) + k), self._word(("decision", k)))
        return self.ran

    def _is_tree(self, made: Term, tree: Any) -> bool:
        if isinstance(tree, int):
            return self.arrays.get(tree) == made or self._is_number(made, tree)
        items = self.items.get(made, {})
        return made[2:] == ("PyTuple_New", (("number", len(tree)),)) and all(
            place in items and self._is_tree(items[place], x) for place, x in enumerate(tree)
        )

    def _is_number(self, made: Term, k: int) -> bool:
        item, output = self.form.outputs[k], ("output", k)
        if item.is_python:
            return made[2:] == (BOXES[item.kind], (output,))
        if item.kind == "f":
            is_new = made[2:] == (FLOAT64_NEW, (_object("float64"), ("number", 0)))
            return is_new and self.numbers.get(made) == output
        value = ("single", output) if item.kind == "s" else output
        return made[2:] == ("PyArray_Scalar", (value, _object(item.kind), NULL))


# ---- terms

_COPIED = ("names", "passed", "facts", "owned", "unchecked", "stack", "numbers", "arrays", "filled")
NONE: Term = ("global", f"@{symbol('None')}")
ENTRY: Term = ("word", SELF, layout.ENTRY, "ptr")
BLOCK: Term = ("word", ENTRY, layout.BLOCK, "ptr")
_FIELDS = {"DATA": "ptr", "ND": "i32", "DIMS": "ptr", "DESCR": "ptr", "FLAGS": "i32"}


def _is(offset: int, kind: str, name: str) -> bool:
    """True where that lies at the offset, of that kind."""
    return offset == getattr(layout, name) and kind == _FIELDS[name]


def _type(x: Term) -> Term:
    return ("word", x, layout.TYPE, "ptr")


def _object(name: str) -> Term:
    return ("global", f"@{symbol(name)}")


def _fields(pattern: str, text: str) -> tuple[str, ...]:
    found = re.fullmatch(pattern, text)
    if found is None:
        raise Unproved("not understood")
    return found.groups()


def _said(x: Term) -> str:
    if x[0] in ("word", "at"):
        return f"[{_said(x[1])} + {x[2]}]"
    return " ".join(str(part) for part in x[:3])

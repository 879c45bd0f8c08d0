"""What is known at one point of one way through a wrapper: terms in place of values.

    ("given", "%args")                a parameter
    ("word", base, offset, type)      what was read there
    ("at", base, offset)              an address
    ("room", name, bytes)             memory of this call
    ("made", name, function, values)  what a C function gave
    ("there", dict, k)                whether a dict has an item k; so its ("key", dict, k), and
                                      its ("value", dict, k)
    ("output", k)                     what the machine code computed
"""

import re
from collections import Counter
from copy import copy
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from chainrule.backends.llvm.targets import layout
from chainrule.backends.llvm.targets.c_api import EQUAL, symbol
from chainrule.backends.llvm.targets.forms import Form, Keyed, Listed, Tree, items_of

Term = tuple[Any, ...]
NULL: Term = ("null",)
NONE: Term = ("global", f"@{symbol('None')}")
TRUE: Term = ("global", f"@{symbol('True')}")
SELF, ARGS, COUNT, NAMES = (("given", x) for x in ("%self", "%args", "%nargsf", "%kwnames"))
ENTRY: Term = ("word", SELF, layout.ENTRY, "ptr")
BLOCK: Term = ("word", ENTRY, layout.BLOCK, "ptr")
ZERO: Term = ("number", 0)
_COPIED = ("names", "passed", "facts", "owned", "unchecked", "stack", "numbers", "arrays", "filled")


class Unproved(Exception):
    """A wrapper, or the way through it, that is not proved safe."""


@dataclass
class Way:
    """What is known at one point of one way."""

    form: Form
    names: dict[str, Term]
    passed: set[str] = field(default_factory=set)
    facts: set[Term] = field(default_factory=set)  # conditions that hold
    owned: Counter[Term] = field(default_factory=Counter)  # references to give away
    unchecked: set[Term] = field(default_factory=set)  # may be null
    stack: dict[tuple[Term, int], Term] = field(default_factory=dict)  # memory of this call
    items: dict[Term, dict[int, Term]] = field(default_factory=dict)  # of containers made
    keys: dict[Term, list[Term]] = field(default_factory=dict)  # of dicts made, in order
    status: Term | None = None  # of a call that may have failed, not looked at yet
    numbers: dict[Term, Term] = field(default_factory=dict)  # NumPy scalars made
    arrays: dict[int, Term] = field(default_factory=dict)  # outputs
    filled: dict[int, Term] = field(default_factory=dict)  # bound outputs
    arena: Term | None = None  # taken out of the block
    error: bool = False  # an exception is set
    lock: bool = True
    quiet: bool = True  # no other code can have run
    ran: bool = False

    def fork(self) -> "Way":
        """The same, to go on by itself."""
        other = copy(self)
        for name in _COPIED:
            setattr(other, name, copy(getattr(self, name)))
        other.items = {made: dict(items) for made, items in self.items.items()}
        other.keys = {made: list(keys) for made, keys in self.keys.items()}
        return other

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
            raise Unproved(f"nothing says that {said(x)} is {said(y)}")

    def know_not(self, x: Term, y: Term) -> None:
        """Insist that a comparison came out otherwise on this way."""
        if ("ne", x, y) not in self.facts:
            raise Unproved(f"{said(x)} may be {said(y)}")

    def is_there(self, x: Term) -> None:
        """Insist that it was found not to be null."""
        self.know_not(x, NULL)

    def know_same(self, key: Term, wanted: Term) -> None:
        """Insist that a key was found to be the same string."""
        made = {f[1] for f in self.facts if f[::2] == ("eq", TRUE)}
        equal = ("PyUnicode_RichCompare", (key, wanted, ("number", EQUAL)))
        if not any(x[2:] == equal for x in made):
            raise Unproved(f"nothing says that {said(key)} is {said(wanted)}")

    def drop(self, x: Term) -> None:
        """One reference given away."""
        if self.owned[x] < 1:
            raise Unproved(f"{said(x)} is not owned")
        self.owned[x] -= 1

    def content(self, x: Term) -> Term:
        """A value, or what lies where it points to on the stack."""
        return self.stack[x[1], x[2]] if x[0] == "at" and x[1][0] == "room" else x

    def word(self, key: Any) -> Term:
        """What a word of the block holds."""
        is_number = key[0] == "decision" or len(key) == 3  # of a shape
        kind = "i64" if is_number and not isinstance(key, str) else "ptr"
        return ("word", BLOCK, self.form.places[key], kind)

    def learn(self, how: str, x: Term, y: Term) -> None:
        """Go on where a comparison came out so."""
        self.facts.add((how, x, y))
        if x == self.status and y == ZERO:
            self.status, self.error = None, how == "ne"
        if y == NULL and x in self.unchecked:
            self.unchecked.discard(x)
            if how == "eq" and x == self.arena:
                self.arena = None  # another call has it
            elif how == "eq":
                self.owned[x] = 0
                self.items.pop(x, None)
                self.error = True


# ---- terms


@lru_cache(maxsize=1)
def given(form: Form) -> dict[Term, Tree]:
    """The arguments, and all that is in them: what stands for each, and what it has to be."""
    found: dict[Term, Tree] = {}
    waiting = [(("word", ARGS, 8 * k, "ptr"), x) for k, x in enumerate(form.arguments)]
    while waiting:
        term, tree = waiting.pop()
        found[term] = tree
        if not isinstance(tree, int):
            waiting += [(inside(term, tree, k), x) for k, x in enumerate(items_of(tree))]
    return found


def inside(x: Term, tree: Tree, k: int) -> Term:
    """Item k of a container."""
    if isinstance(tree, Keyed):
        return ("value", x, k)
    if isinstance(tree, Listed):
        return ("word", ("word", x, layout.LIST_ITEMS, "ptr"), 8 * k, "ptr")
    return ("word", x, layout.TUPLE_ITEMS + 8 * k, "ptr")


def type_of(x: Term) -> Term:
    """The word that tells an object's type."""
    return ("word", x, layout.TYPE, "ptr")


def object_named(name: str) -> Term:
    """An object that wrappers know by name."""
    return ("global", f"@{symbol(name)}")


def fields(pattern: str, text: str) -> tuple[str, ...]:
    """The parts of an instruction; the pattern is all that is understood."""
    found = re.fullmatch(pattern, text)
    if found is None:
        raise Unproved("not understood")
    return found.groups()


def said(x: Term) -> str:
    """A term in a message."""
    if x[0] in ("word", "at"):
        return f"[{said(x[1])} + {x[2]}]"
    return " ".join(str(part) for part in x[:3])

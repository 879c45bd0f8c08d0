"""What a wrapper is made for: kinds of inputs and outputs, and the words of its block."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

Tree = Any  # an int, the place of an input or output; a tuple of trees; or one of the next two


@dataclass(frozen=True, slots=True)
class Listed:
    """A list of trees."""

    items: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Keyed:
    """A dict of trees, in its order; the block has the keys, from the first one's place on."""

    first: int
    items: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """An input or output: a Python number, a NumPy scalar, or an array of a rank."""

    kind: str  # as in values.py
    rank: int | None = None  # None: a number
    is_python: bool = True

    @property
    def is_array(self) -> bool:
        """True for arrays."""
        return self.rank is not None

    @property
    def python(self) -> str:
        """The type of an argument of this kind."""
        return "ndarray" if self.is_array else "float" if self.is_python else "float64"


@dataclass(frozen=True)
class Form:
    """What a wrapper is made for; functions of one form share it."""

    inputs: tuple[Item, ...]
    outputs: tuple[Item, ...]
    tree: Tree  # of the places of outputs
    decisions: int = 0  # further outputs, flags that must be as the block says
    fixed: int = 0  # addresses of arrays that follow the inputs
    arena: int | None = 0  # bytes on the stack; None: the block's
    has_status: bool = False  # the machine code takes an arena and returns a status
    is_long: bool = False  # other threads run meanwhile
    is_bound: bool = False  # no arguments: the block has the addresses of inputs and outputs
    nested: tuple[Tree, ...] | None = None  # the arguments; None: each is an input
    keys: int = 0  # of all dicts in the arguments and the result
    over: tuple[tuple[int, int], ...] = ()  # (output, input): that array, written over, is it

    @cached_property
    def places(self) -> dict[Any, int]:
        """Where each word of the block lies, in bytes."""
        keys: list[Any] = ["wrapper", "core", "arena"]
        keys += [("fixed", k) for k in range(self.fixed)]
        keys += [("decision", k) for k in range(self.decisions)]
        keys += [("key", k) for k in range(self.keys)]
        if self.over:
            keys += [(what, k) for what in ("bytes", "over") for k in range(self.slots)]
        for side, items in (("in", self.inputs), ("out", self.outputs)):
            if self.is_bound:
                keys += [(side, k) for k in range(len(items))]
                continue
            keys += [(side, k, axis) for k, x in enumerate(items) for axis in range(x.rank or 0)]
        return {key: 8 * at for at, key in enumerate(keys)}

    @property
    def slots(self) -> int:
        """How many the machine code reads."""
        return len(self.inputs) + self.fixed

    @cached_property
    def arguments(self) -> tuple[Tree, ...]:
        """What a call has."""
        if self.nested is not None:
            return self.nested
        return () if self.is_bound else tuple(range(len(self.inputs)))


def items_of(tree: Tree) -> tuple[Tree, ...]:
    """What is in a container."""
    items: tuple[Tree, ...] = tree if isinstance(tree, tuple) else tree.items
    return items


def kind_of(tree: Tree) -> str:
    """The type of a container."""
    return {Listed: "list", Keyed: "dict"}.get(type(tree), "tuple")


def tree_of(x: Any, keys: list[str]) -> Tree | None:
    """The tree of tuples, lists and dicts, which hold places, and nothing but them; None for
    anything else. The keys of its dicts join `keys`."""
    kind, first = x.__class__, len(keys)
    if kind is int:
        return x
    if kind is dict and all(key.__class__ is str for key in x):
        keys += x
    elif kind not in (tuple, list):
        return None
    items = tuple(tree_of(y, keys) for y in (x.values() if kind is dict else x))
    if any(y is None for y in items):
        return None
    return {tuple: items, list: Listed(items), dict: Keyed(first, items)}[kind]

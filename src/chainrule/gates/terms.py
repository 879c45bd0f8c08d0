"""Gradients that speak of a few places of a large array, and are not made whole until they must be.

`x[3]` sends x a gradient that is dout at place 3 and zero at the others. Made whole it costs as
much as x, and n reads in a loop would cost n times that. So a rule may give one of these instead,
and the engine changes the gradient it holds already, at those places only:

| term      | given by a rule for              | whole                 | in place            |
|-----------|----------------------------------|-----------------------|---------------------|
| AddedAt   | what is read: x[key]             | zeros, + dout at key  | dx[key] += dout     |
| Passed    | what is added to: x[key] += v    | dout                  | dx is dout itself   |
| ClearedAt | what is written over: x[key] = v | dout, 0 at key        | dout[key] = 0       |
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from chainrule.circuit.record import Gate, gate_named
from chainrule.gates.handle import Handle
from chainrule.gates.move import full_like, shape_of

if TYPE_CHECKING:
    from chainrule.gates.keys import Key


def counted(name: str, count: int) -> Gate:
    """The gate of a name for so many index arrays."""
    found = gate_named(f"{name}_{count}" if count else name)
    assert found is not None  # a family of gates, one for each count
    return found


def blank(like: Any, value: Any = 0, dtype: str | None = None) -> Any:
    """An array of one number in the shape of another: a stage where handles are at work."""
    if isinstance(like, Handle):
        return full_like(like, value=value, dtype=dtype)
    return np.full(shape_of(like), value, dtype or like.dtype)


def zeros_over(like: Any) -> Any:
    """Zeros in the shape of another to add to: copies of one number, which nobody may write to."""
    return blank(like) if isinstance(like, Handle) else _zeros(shape_of(like), like.dtype)


@lru_cache(maxsize=256)
def _zeros(shape: tuple[int, ...], dtype: Any) -> Any:
    return np.broadcast_to(np.zeros((), dtype), shape)


class Places:
    """The places of an array that a key picks.

    x: the array, or what stands for it; only its shape is read.
    """

    __slots__ = ("arrays", "key", "x")

    def __init__(self, x: Any, key: "Key", arrays: tuple[Any, ...] = ()) -> None:
        self.x: Final = x
        self.key: Final = key
        self.arrays: Final = arrays

    def __repr__(self) -> str:
        return f"{type(self).__name__}{(self.x, self.key, self.arrays)}"

    def is_plain(self, *others: Any) -> bool:
        """True where NumPy can do it: no handles, no traced values."""
        return all(isinstance(a, np.ndarray) for a in self.arrays) and all(
            isinstance(o, np.ndarray | np.generic | float | int) for o in others
        )

    def added(self, total: Any, dout: Any) -> Any:
        """The total with dout added at the places, as an array of its own."""
        gate = counted("index_add", len(self.arrays))
        return gate(total, dout, *self.arrays, key=self.key)

    def add(self, total: Any, dout: Any) -> None:
        """Add dout at the places of an array, in place."""
        counted("index_add", len(self.arrays)).change(total, dout, *self.arrays, key=self.key)  # type: ignore[misc]  # it has one

    def cleared(self, total: Any) -> Any:
        """The total with 0 at the places, as an array of its own."""
        gate = counted("index_set", len(self.arrays))
        return gate(total, 0, *self.arrays, key=self.key)

    def clear(self, total: Any) -> None:
        """Put 0 at the places of an array, in place."""
        counted("index_set", len(self.arrays)).change(total, 0, *self.arrays, key=self.key)  # type: ignore[misc]  # it has one


class Lazy:
    """A gradient that is not made whole until it must be."""

    __slots__ = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape when whole."""
        raise NotImplementedError

    @property
    def dtype(self) -> Any:
        """Its dtype when whole."""
        raise NotImplementedError

    def whole(self) -> Any:
        """The gradient as an array."""
        raise NotImplementedError

    def __mul__(self, other: Any) -> Any:
        return self.whole() * other

    __rmul__ = __mul__

    def __neg__(self) -> Any:
        return -self.whole()


class AddedAt(Lazy):
    """dout at some places, zeros elsewhere."""

    __slots__ = ("dout", "places")

    def __init__(self, places: Places, dout: Any) -> None:
        self.places: Final = places
        self.dout: Final = dout

    def __repr__(self) -> str:
        return f"{self.dout} added at {self.places}"

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the array picked from."""
        return shape_of(self.places.x)

    @property
    def dtype(self) -> Any:
        """That of the array picked from."""
        return self.places.x.dtype

    def whole(self) -> Any:
        """Zeros with dout added at the places."""
        return self.places.added(blank(self.places.x), self.dout)


class Passed(Lazy):
    """dout as it is: its reader has it last, and may take its memory."""

    __slots__ = ("dout",)

    def __init__(self, dout: Any) -> None:
        self.dout: Final = dout

    def __repr__(self) -> str:
        return f"{self.dout} passed"

    @property
    def shape(self) -> tuple[int, ...]:
        """That of dout."""
        return shape_of(self.dout)

    @property
    def dtype(self) -> Any:
        """That of dout."""
        return self.dout.dtype

    def whole(self) -> Any:
        """dout itself."""
        return self.dout

    @property
    def is_plain(self) -> bool:
        """True where it can be taken: NumPy alone is at work."""
        return isinstance(self.dout, np.ndarray)

    @property
    def is_copied(self) -> bool:
        """True where the whole has memory of its own."""
        return False

    def taken(self) -> Any:
        """The same in dout's own memory, which nobody else reads any more."""
        return self.dout


class ClearedAt(Passed):
    """dout, but 0 at some places."""

    __slots__ = ("places",)

    def __init__(self, dout: Any, places: Places) -> None:
        super().__init__(dout)
        self.places: Final = places

    def __repr__(self) -> str:
        return f"{self.dout} cleared at {self.places}"

    @property
    def is_plain(self) -> bool:
        """True where it can be taken: NumPy alone is at work."""
        return isinstance(self.dout, np.ndarray) and self.places.is_plain()

    @property
    def is_copied(self) -> bool:
        """True where the whole has memory of its own."""
        return True

    def whole(self) -> Any:
        """A copy of dout with 0 at the places."""
        return self.places.cleared(self.dout)

    def taken(self) -> Any:
        """The same in dout's own memory."""
        self.places.clear(self.dout)
        return self.dout


def whole(term: Any) -> Any:
    """A rule's term as an array."""
    return term.whole() if isinstance(term, Lazy) else term


def written_flags(flags: Any, steps: Sequence[Places]) -> Any:
    """Flags with False at the places of all steps; None: true everywhere else."""
    for step in steps:
        if flags is None:
            flags = blank(step.x, True, "bool")
        elif isinstance(flags, np.ndarray) and step is steps[0]:
            flags = flags.copy()
        if isinstance(flags, np.ndarray) and step.is_plain():
            step.clear(flags)
        else:
            flags = step.cleared(flags)
    return flags

"""Whole numbers of a plan that depend on an extent n, which each call has of its own.

    Size      a polynomial in n:  n*256,  n*n,  1 + 2*n
    Given     a number that a call gives beside n, such as the place of a buffer

Sizes stand where whole numbers do, in shapes, strides and offsets. Questions about them are
answered for every n from LEAST on, or not at all (Unsettled): == and hash mean "the same for every
n", and code written where two sizes are not the same must be right where they are equal by chance.
An f-string takes neither kind: instructions must have names for them (Lines.size).
"""

from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

LEAST = 2  # an axis of one number is spread, has no step, and may vanish: it is a plan of its own


class Unsettled(Exception):
    """What is asked of a size has no answer that holds for every n."""


class RunTime:
    """A whole number that is known at run time."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        raise Unsettled(f"{self!s} in a text")

    def __index__(self) -> int:
        raise Unsettled(f"{self!s} as a number")


@dataclass(frozen=True, slots=True)
class Given(RunTime):
    """The whole number at a place of a program's table (see shared.py)."""

    place: int


@dataclass(frozen=True, slots=True, repr=False)
class Size(RunTime):
    """coefficients[0] + coefficients[1] * n + ..., the last not 0, at least two of them."""

    coefficients: tuple[int, ...]

    def at(self, n: int) -> int:
        """The number at an extent."""
        return sum(c * n**k for k, c in enumerate(self.coefficients))

    # ---- arithmetic, which gives int where n falls out

    def __add__(self, other: Any) -> Any:
        if not isinstance(other, (int, Size)):
            return NotImplemented
        pairs = zip_longest(self.coefficients, _of(other), fillvalue=0)
        return _made([x + y for x, y in pairs])

    def __mul__(self, other: Any) -> Any:
        if not isinstance(other, (int, Size)):
            return NotImplemented
        y = _of(other)
        total = [0] * (len(self.coefficients) + len(y))
        for i, a in enumerate(self.coefficients):
            for j, b in enumerate(y):
                total[i + j] += a * b
        return _made(total)

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> Any:
        return self * -1

    def __sub__(self, other: Any) -> Any:
        return self + other * -1

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    def is_multiple_of(self, divisor: int) -> bool:
        """True where it is for every n, by its form."""
        return not any(c % divisor for c in self.coefficients)

    def __divmod__(self, divisor: int) -> Any:
        if not self.is_multiple_of(divisor):
            raise Unsettled(f"{self!s} by {divisor}")
        return _made([c // divisor for c in self.coefficients]), 0

    def __floordiv__(self, divisor: int) -> Any:
        return divmod(self, divisor)[0]

    def __mod__(self, divisor: int) -> Any:
        return divmod(self, divisor)[1]

    # ---- questions

    def __gt__(self, other: Any) -> bool:
        return _is_above(self - other, 1) or not _settled(_is_above(other - self, 0), self, other)

    def __lt__(self, other: Any) -> bool:
        return _is_above(other - self, 1) or not _settled(_is_above(self - other, 0), self, other)

    def __ge__(self, other: Any) -> bool:
        return not self < other

    def __le__(self, other: Any) -> bool:
        return not self > other

    def __bool__(self) -> bool:
        return _settled(_is_above(self, 1) or _is_above(-self, 1), self, 0)

    def __str__(self) -> str:
        powers = ((c, ["n"] * k) for k, c in enumerate(self.coefficients) if c)
        return " + ".join(
            "*".join([*powers, *([str(c)] if c != 1 or not powers else [])])
            for c, powers in powers
        )

    __repr__ = __str__


N = Size((0, 1))


def _of(x: Any) -> tuple[int, ...]:
    return x.coefficients if isinstance(x, Size) else (x,)


def _made(coefficients: list[int]) -> Any:
    while len(coefficients) > 1 and not coefficients[-1]:
        coefficients.pop()
    return Size(tuple(coefficients)) if len(coefficients) > 1 else coefficients[0]


def _settled(holds: bool, x: Any, y: Any) -> bool:
    if not holds:
        raise Unsettled(f"{x!s} or {y!s}")
    return True


def _is_above(x: Any, least: int) -> bool:
    """True where x >= least for every n, by the coefficients in n - LEAST: none is negative."""
    shifted: Any = [0]
    for c in reversed(_of(x)):  # Horner's rule, in n = LEAST + m
        moved = [0, *shifted]
        shifted = [LEAST * a + b for a, b in zip_longest(shifted, moved, fillvalue=0)]
        shifted[0] += c
    return min(shifted) >= 0 and bool(shifted[0] >= least)


def explained(x: int, n: int, y: int, m: int) -> Any:
    """A number that is x at the extent n and y at m: c, c*n, c*n*n, or b + c*n; the first that
    fits. Raises Unsettled where none does. What fits two extents may fail at a third."""
    if x == y:
        return x
    for power in (1, 2):
        c, rest = divmod(x, n**power)
        if not rest and c * m**power == y:
            return _made([0] * power + [c])
    c, rest = divmod(x - y, n - m)
    if rest:
        raise Unsettled(f"{x} at {n} and {y} at {m}")
    return _made([x - c * n, c])

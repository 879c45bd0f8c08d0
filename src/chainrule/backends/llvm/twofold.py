"""Numbers held as the sum of two doubles, the second far smaller: about 106 bits.

Source: derived here; error-free sums and products of this kind are named after Dekker and Knuth.
"""

from collections.abc import Sequence

from chainrule.backends.llvm.lines import Lines

Two = tuple[str, str]  # a number as the sum of two doubles, the second far smaller


def polynomial(w: Lines, x: str, coefficients: Sequence[float]) -> str:
    """c0 + c1 x + c2 x**2 + ..."""
    value: str | float = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        value = w.fma(value, x, c)
    return str(value)


def polynomial_in_two(w: Lines, x: str, square: str, coefficients: Sequence[float]) -> str:
    """The same; odd and even powers go apart until c0, so half as many steps wait for one another.

    c0, whose rounding weighs most, still comes last.
    """
    first, *others = coefficients
    odd, even = (polynomial(w, square, others[k::2]) for k in (0, 1))
    return w.fma(w.fma(x, even, odd), x, first)


def series(w: Lines, x: Two, coefficients: Sequence[float], lost: float) -> Two:
    """c0 + lost + c1 x + c2 x**2 + ..., its last step without rounding.

    What c0 lost in rounding counts, and the low part of x as far as c1 goes.
    """
    tail = polynomial(w, x[0], coefficients[1:])
    last = w.mul(x[0], tail)
    top, rest = two_sum(w, coefficients[0], last)
    low = w.fma(x[1], coefficients[1], w.fma(x[0], tail, w.neg(last)))
    return top, w.add(rest, w.add(low, lost))


def product(w: Lines, x: Two, y: Two) -> Two:
    high = w.mul(x[0], y[0])
    low = w.fma(x[0], y[0], w.neg(high))
    return high, w.add(low, w.fma(x[0], y[1], w.mul(x[1], y[0])))


def quick_sum(w: Lines, x: str | float, y: str) -> Two:
    """x + y and what its rounding lost, for |x| >= |y| or x = 0."""
    total = w.add(x, y)
    return total, w.sub(y, w.sub(total, x))


def two_sum(w: Lines, x: str | float, y: str | float) -> Two:
    """x + y and what its rounding lost, whichever is larger."""
    total = w.add(x, y)
    part = w.sub(total, x)
    return total, w.add(w.sub(x, w.sub(total, part)), w.sub(y, part))


def square(w: Lines, x: str) -> Two:
    """x * x, exactly."""
    high = w.mul(x, x)
    return high, w.fma(x, x, w.neg(high))


def total(w: Lines, x: Two, y: Two) -> Two:
    """x + y, normalised."""
    high, low = two_sum(w, x[0], y[0])
    return quick_sum(w, high, w.add(low, w.add(x[1], y[1])))


def negative(w: Lines, x: Two) -> Two:
    return w.neg(x[0]), w.neg(x[1])


def single(w: Lines, x: str) -> Two:
    """One double as a sum of two."""
    return x, w.number(0.0)


def half(w: Lines, x: Two) -> Two:
    return w.mul(x[0], 0.5), w.mul(x[1], 0.5)


def known(w: Lines, x: tuple[float, float]) -> Two:
    """A constant."""
    return w.number(x[0]), w.number(x[1])


def select_two(w: Lines, condition: str, x: Two, y: Two) -> Two:
    return w.select(condition, x[0], y[0]), w.select(condition, x[1], y[1])


def quotient(w: Lines, x: Two, y: Two) -> Two:
    """x / y: the remainder of the division divided again."""
    high = w.div(x[0], y[0])
    rest = w.fma(w.neg(high), y[0], x[0])
    rest = w.add(rest, w.fma(w.neg(high), y[1], x[1]))
    return high, w.div(rest, y[0])


def root(w: Lines, x: Two) -> Two:
    """The square root of x >= 0, by one step of Newton's method."""
    high = w.intrinsic("sqrt", x[0])
    rest = w.add(w.fma(w.neg(high), high, x[0]), x[1])
    low = w.div(rest, w.add(high, high))
    return high, w.select(w.compare("oeq", high, 0.0), 0.0, low)

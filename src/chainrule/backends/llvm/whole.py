"""Division of whole numbers, and their powers, as NumPy has them.

    x // 0      0                         x % 0       0
    least // -1 least                     least % -1  0      -least would be past the largest
    1 / 0       least                     x ** n      its last 64 bits

Processors stop at a division by 0, and at least / -1: there it is by 1.
"""

from chainrule.backends.llvm.lines import WHOLE, Lines

LEAST = -(2**63)


def floor_divide(w: Lines, x: str, y: str | int) -> str:
    """The largest whole number that is at most x / y."""
    quotient, _, crosses = _divided(w, x, y)
    below = w.select_whole(crosses, w.whole("sub", quotient, 1), quotient)
    if _is_safe(y):
        return below
    below = w.select_whole(w.compare_whole("eq", y, 0), 0, below)
    return w.select_whole(w.compare_whole("eq", y, -1), w.whole("sub", 0, x), below)


def remainder(w: Lines, x: str, y: str | int) -> str:
    """What is left of x, with the sign of y."""
    _, rest, crosses = _divided(w, x, y)
    return w.select_whole(crosses, w.whole("add", rest, y), rest)


def _is_safe(y: str | int) -> bool:
    return isinstance(y, int) and y not in (0, -1)


def _divided(w: Lines, x: str, y: str | int) -> tuple[str, str, str]:
    """x / y without its fraction, what is left, and whether that has the sign that y has not."""
    by = y if _is_safe(y) else w.select_whole(
        w.compare_whole("ugt", w.whole("add", y, 1), 1), y, 1
    )
    quotient = w.whole("sdiv", x, by)
    rest = w.whole("sub", x, w.whole("mul", quotient, by))
    differs = w.compare_whole("slt", w.whole("xor", rest, y), 0)
    return quotient, rest, w.flag("and", w.compare_whole("ne", rest, 0), differs)


def reciprocal(w: Lines, x: str) -> str:
    """x where it is 1 or -1, else 0."""
    is_one = w.compare_whole("ult", w.whole("add", x, 1), 3)
    return w.select_whole(w.compare_whole("eq", x, 0), LEAST, w.select_whole(is_one, x, 0))


def power(w: Lines, x: str, n: int) -> str:
    """x ** n for n >= 0, by squares."""
    made = w.spread(WHOLE, "1")
    while n:
        made = w.whole("mul", made, x) if n & 1 else made
        n >>= 1
        x = w.whole("mul", x, x) if n else x
    return made

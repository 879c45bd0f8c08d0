"""Probabilities and their logarithms: logit, log_expit, x log y and the entropies made of it.

    logit      log of x / (1 - x), the quotient a sum of two doubles
    log_expit  -softplus(-x)
    xlogy      x times log(y) as a sum of two doubles; xlog1py likewise, and entr with a minus
    rel_entr   x log(x / y), the quotient that of the fractions, with the exponents' difference

Largest errors found against mpmath, in units in the last place: log_expit 1.04, the others 0.50.
Special values are SciPy's.
"""

import math
from collections.abc import Callable

from chainrule.backends.llvm.exponential import TINY, at_ends, softplus
from chainrule.backends.llvm.lines import Lines
from chainrule.backends.llvm.math import (
    LN2_SHORT,
    LN2_SHORT_REST,
    SQRT_HALF,
    log_of_two,
    log_two,
    split,
)
from chainrule.backends.llvm.twofold import (
    Two,
    quotient,
    select_two,
    single,
    total,
    two_sum,
)


def logit(w: Lines, x: str) -> str:
    """log(x / (1 - x)): -inf at 0, inf at 1, nan beyond."""
    value = w.add(*log_of_two(w, quotient(w, single(w, x), two_sum(w, 1.0, w.neg(x)))))
    value = at_ends(w, x, value)
    value = w.select(w.compare("oeq", x, 1.0), math.inf, value)
    return w.select(w.compare("ogt", x, 1.0), math.nan, value)


def log_expit(w: Lines, x: str) -> str:
    """log(1 / (1 + exp(-x)))."""
    return w.neg(softplus(w, w.neg(x)))


def _times_log(w: Lines, x: str, y: str, log: Two) -> str:
    """x times the logarithm of y, which has ends at 0 and inf; 0 where x is 0 and y a number."""
    high, low = at_ends(w, y, log[0]), log[1]
    plain = w.mul(x, high)
    is_finite = w.compare("olt", w.intrinsic("fabs", plain), math.inf)
    value = w.select(is_finite, w.fma(x, high, w.mul(x, low)), plain)
    value = w.select(w.compare("oeq", x, 0.0), 0.0, value)
    return w.select(w.compare("uno", x, y), math.nan, value)


def xlogy(w: Lines, x: str, y: str) -> str:
    """x log(y), and 0 where x is 0."""
    return _times_log(w, x, y, log_two(w, y))


def xlog1py(w: Lines, x: str, y: str) -> str:
    """x log(1 + y), and 0 where x is 0."""
    one = two_sum(w, 1.0, y)
    is_small = w.compare("olt", w.intrinsic("fabs", y), TINY)
    small = y, w.mul(y, 0.0)  # two zeros of one sign, for x times them to have
    return _times_log(w, x, one[0], select_two(w, is_small, small, log_of_two(w, one)))


def entr(w: Lines, x: str) -> str:
    """-x log(x): 0 at 0, -inf below."""
    value = w.neg(_times_log(w, x, x, log_two(w, x)))
    value = w.select(w.compare("oeq", x, 0.0), 0.0, value)
    return w.select(w.compare("olt", x, 0.0), -math.inf, value)


def rel_entr(w: Lines, x: str, y: str) -> str:
    """x log(x / y) where both are positive, 0 where x is 0 and y is not below, else inf."""
    (m, n), (d, k) = split(w, x), split(w, y)
    ratio, power = w.div(m, d), w.sub(n, k)
    is_more, is_less = w.compare("ogt", ratio, 2 * SQRT_HALF), w.compare("olt", ratio, SQRT_HALF)
    factor = w.select(is_more, 0.5, w.select(is_less, 2.0, 1.0))
    power = w.sub(power, w.select(is_more, -1.0, w.select(is_less, 1.0, 0.0)))
    log = log_of_two(w, quotient(w, single(w, w.mul(m, factor)), single(w, d)))
    high, low = total(w, (w.mul(power, LN2_SHORT), w.mul(power, LN2_SHORT_REST)), log)
    value = w.fma(x, high, w.mul(x, low))
    infinite = w.compare("oeq", x, math.inf), w.compare("oeq", y, math.inf)
    value = w.select(infinite[0], math.inf, value)
    value = w.select(infinite[1], -math.inf, value)
    value = w.select(w.flag("and", *infinite), math.nan, value)
    positive = w.flag("and", w.compare("ogt", x, 0.0), w.compare("ogt", y, 0.0))
    nothing = w.flag("and", w.compare("oeq", x, 0.0), w.compare("oge", y, 0.0))
    value = w.select(positive, value, w.select(nothing, 0.0, math.inf))
    return w.select(w.compare("uno", x, y), math.nan, value)


FUNCTIONS: dict[str, Callable[..., str]] = {
    "logit": logit, "log_expit": log_expit, "xlogy": xlogy, "xlog1py": xlog1py, "entr": entr,
    "rel_entr": rel_entr,
}

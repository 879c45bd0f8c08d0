"""The normal distribution: erf and erfc, its probabilities and their logarithm, and erfinv.

    erf        x times a polynomial of x**2 up to 1/2, from there 1 - erfc
    erfc       1 - erf up to 1/2, from there exp(-x**2) tail(x), the square exact
    tail(z)    exp(z**2) erfc(z) = p((z - 4) / (z + 4)) / (1 + 2 z), p between 1.12 and 1.28
    ndtr       erfc(-x / root 2) / 2, the square from x itself
    log_ndtr   log(tail / 2) - x**2 / 2 below -0.7, from there the logarithm of ndtr
    erfinv     y times a polynomial of v = -log(1 - y**2), or of root v where v > 6.25

Largest errors found against mpmath, in units in the last place: erf 0.70, erfc 0.80, ndtr 0.88,
log_ndtr 1.02, erfinv 1.25. Special values are SciPy's: erfinv(-0.0) is 0.0.
Coefficients: scripts/coefficients.py.
Source: derived here; a tail of this form is named after Shepherd and Laframboise, and erfinv by
this variable after Giles.
"""

import math
from collections.abc import Callable

from chainrule.backends.llvm.exponential import clamped
from chainrule.backends.llvm.lines import Lines
from chainrule.backends.llvm.math import exp_two, log_of_two, scaled
from chainrule.backends.llvm.twofold import (
    Two,
    half,
    known,
    negative,
    product,
    quick_sum,
    quotient,
    root,
    select_two,
    series,
    single,
    square,
    total,
    two_sum,
)

ROOT_HALF = (0.7071067811865476, -4.833646656726457e-17)
NEAR = 0.5  # up to here erf is a polynomial, and no difference from 1
TINY = 2.0**-60

# erf(x) / x by x**2 up to NEAR**2
ERF = (
    1.1283791670955126, -0.3761263890318375, 0.1128379167095487, -0.02686617064499972,
    0.0052239776220169365, -0.0008548326510724796, 0.00012055286202005714, -1.4923003368152099e-05,
    1.637123442577e-06, -1.462091340945175e-07,
)
ERF_LOST = 1.5311171827997225e-17
# tail(z) (1 + 2 z) by (z - 4) / (z + 4), z from NEAR to 28
TAIL = (
    1.2329951186255526, -0.1396211168405625, 0.015379652102620035, 0.06809705425469145,
    -0.10103906603632457, 0.09373283499840102, -0.06633036581166384, 0.03716751553652345,
    -0.016197734065674263, 0.005031969987479704, -0.0007577732226025434, -0.0001992567488376383,
    0.00015062132901141396, -2.4399029097139264e-05, -1.122085284029013e-05, 5.709355700698108e-06,
    2.9121159081579503e-07, -8.250087246675206e-07, 7.83117910900451e-08, 1.0990626890435083e-07,
    -2.1095527550148287e-08, -1.424143102819473e-08, 3.3206074673893963e-09, 1.3790778647383974e-09,
    -2.67658453380431e-10,
)
TAIL_LOST = -4.6235615609718625e-17
# erfinv(y) / y by v - 3.125, v from 0 to 6.25
ERFINV = (
    1.6536545626831027, 0.2401581824255883, -0.006033670871426909, -0.0007407025341544301,
    0.0001867342080200925, -1.3882523394637344e-05, -1.3654691764135042e-06, 4.234788178266526e-07,
    -2.907039074871087e-08, -4.112661266924503e-09, 1.051223070748762e-09, -5.4142609576164565e-11,
    -1.2978692479994892e-11, 2.6303859148085384e-12, -8.074665167507013e-14, -3.998852309540432e-14,
    6.525767922399858e-15, -4.417003393665373e-17, -1.226305743260548e-16, 1.5992591736199305e-17,
    6.396664855709971e-19, -3.7848217521105335e-19, 1.8739434875095462e-20, 4.357475280244854e-21,
    -3.3795536525485224e-22, -1.9123778045391186e-23,
)
ERFINV_LOST = -2.1639339883896223e-17
# erfinv(y) / (y s) by (s - 4) / (s + 4), s = root v from 2.5 to 6.08
ERFINV_FAR = (
    0.9599459493528885, 0.0990946077850676, -0.0789370515117009, -0.01213634326802451,
    0.13848996273267247, -0.43159973349812647, 1.7653012648609696, -7.491780959462424,
    23.11970759186809, -31.169310029359604, -96.26060105820915, 578.622740185237,
    -755.1685939895805, -2865.246293928698, 11284.670900227376, 1968.898198044284,
    -78150.45523653217, 66841.7830505152, 415261.895054476, -551751.3582462162, -2012470.2747384112,
    2465357.1962949154, 8327999.153082056, -5237936.25306201, -19914971.28976841,
    -2394658.7087709103,
)
ERFINV_FAR_LOST = -4.4795016804630864e-17


def _near(w: Lines, z: Two) -> Two:
    """erf(z) for |z| <= NEAR."""
    return product(w, z, series(w, single(w, w.mul(z[0], z[0])), ERF, ERF_LOST))


def _tail(w: Lines, z: Two) -> Two:
    """exp(z**2) erfc(z) for z >= NEAR."""
    t = single(w, w.div(w.sub(z[0], 4.0), w.add(z[0], 4.0)))
    top, lost = two_sum(w, 1.0, w.add(z[0], z[0]))
    return quotient(w, series(w, t, TAIL, TAIL_LOST), (top, w.fma(z[1], 2.0, lost)))


def _fallen(w: Lines, x: Two, square: Two) -> tuple[Two, str]:
    """exp(-square) x as a sum of two doubles and the whole number n that scales it by 2 ** n."""
    (high, low), n = exp_two(w, w.neg(square[0]))
    return product(w, x, (high, w.fma(w.neg(square[1]), high, low))), n


def _scaled(w: Lines, x: Two, n: str) -> Two:
    return scaled(w, x[0], n), scaled(w, x[1], n)


def _less(w: Lines, whole: float, x: Two) -> Two:
    """whole - x, for |x| <= whole."""
    top, lost = quick_sum(w, whole, w.neg(x[0]))
    return top, w.sub(lost, x[1])


def erfc(w: Lines, x: str) -> str:
    """1 - erf(x), with all its digits where that is small."""
    size = clamped(w, w.intrinsic("fabs", x), 0.0, 28.0)
    tail, n = _fallen(w, _tail(w, single(w, size)), square(w, size))
    below = w.add(*_less(w, 2.0, _scaled(w, tail, n)))
    far = w.select(w.compare("ogt", x, 0.0), scaled(w, w.add(*tail), n), below)
    near = w.add(*_less(w, 1.0, _near(w, single(w, x))))
    return w.select(w.compare("olt", size, NEAR), near, far)


def erf(w: Lines, x: str) -> str:
    """The probability of a normal deviation below x root 2, either way."""
    size = w.intrinsic("fabs", x)
    inside = clamped(w, size, 0.0, 6.5)  # 1 from here on
    tail, n = _fallen(w, _tail(w, single(w, inside)), square(w, inside))
    far = w.add(*_less(w, 1.0, _scaled(w, tail, n)))
    high, low = series(w, single(w, w.mul(inside, inside)), ERF, ERF_LOST)
    near = w.fma(size, high, w.mul(size, low))  # rounded once where it is subnormal
    return w.intrinsic("copysign", w.select(w.compare("olt", size, NEAR), near, far), x)


def _deviation(w: Lines, x: str, most: float) -> tuple[Two, Two]:
    """z = |x| / root 2 for |x| clamped, and its square."""
    size = clamped(w, w.intrinsic("fabs", x), 0.0, most)
    return product(w, single(w, size), known(w, ROOT_HALF)), half(w, square(w, size))


def _central(w: Lines, x: str, z: Two) -> Two:
    """ndtr(x) for z = |x| / root 2 up to NEAR."""
    part = half(w, _near(w, z))
    is_below = w.compare("olt", x, 0.0)
    return _less(w, 0.5, select_two(w, is_below, part, negative(w, part)))


def ndtr(w: Lines, x: str) -> str:
    """The probability of a normal deviation below x."""
    z, square = _deviation(w, x, 39.0)
    tail, n = _fallen(w, half(w, _tail(w, z)), square)
    above = w.add(*_less(w, 1.0, _scaled(w, tail, n)))
    far = w.select(w.compare("olt", x, 0.0), scaled(w, w.add(*tail), n), above)
    return w.select(w.compare("olt", z[0], NEAR), w.add(*_central(w, x, z)), far)


def log_ndtr(w: Lines, x: str) -> str:
    """The logarithm of ndtr(x), also where that underflows."""
    z, square = _deviation(w, x, 2.0**500)
    tail = half(w, _tail(w, z))
    fallen, n = _fallen(w, tail, (clamped(w, square[0], 0.0, 750.0), square[1]))
    above = _scaled(w, fallen, n)
    is_near, is_below = w.compare("olt", z[0], NEAR), w.compare("olt", x, 0.0)
    far = select_two(w, is_below, tail, _less(w, 1.0, above))
    logs = log_of_two(w, select_two(w, is_near, _central(w, x, z), far))
    falls = w.flag("and", is_below, w.opposite(is_near))
    fall = select_two(w, falls, negative(w, square), known(w, (0.0, 0.0)))
    value = w.add(*total(w, logs, fall))
    rises = w.flag("and", w.opposite(is_below), w.compare("olt", above[0], TINY))
    value = w.select(rises, w.neg(scaled(w, w.add(*fallen), n)), value)
    huge = w.compare("olt", x, -(2.0**500))
    value = w.select(huge, w.mul(w.mul(x, -0.5), x), value)
    return w.select(w.compare("uno", x, x), x, value)


def erfinv(w: Lines, y: str) -> str:
    """The number whose erf is y: infinite at 1 and -1, nan beyond."""
    size = w.intrinsic("fabs", y)
    v = negative(w, log_of_two(w, quick_sum(w, *_less(w, 1.0, square(w, size)))))
    s = root(w, v)
    t, lost = two_sum(w, v[0], -3.125)
    near = series(w, (t, w.add(lost, v[1])), ERFINV, ERFINV_LOST)
    t = w.div(w.sub(s[0], 4.0), w.add(s[0], 4.0))
    far = product(w, s, series(w, single(w, t), ERFINV_FAR, ERFINV_FAR_LOST))
    high, low = select_two(w, w.compare("olt", v[0], 6.25), near, far)
    value = w.fma(y, high, w.mul(y, low))
    end = w.intrinsic("copysign", w.number(math.inf), y)
    value = w.select(w.compare("oeq", size, 1.0), end, value)
    value = w.select(w.compare("ogt", size, 1.0), math.nan, value)
    return w.add(value, 0.0)


FUNCTIONS: dict[str, Callable[..., str]] = {
    "erf": erf, "erfc": erfc, "erfinv": erfinv, "ndtr": ndtr, "log_ndtr": log_ndtr,
}

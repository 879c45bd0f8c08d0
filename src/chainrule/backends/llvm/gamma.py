"""The gamma function, its logarithm, and the slope of that: gamma, gammaln and digamma.

With z = x from 1 on, and 1 + |x| below:

    log gamma(z)  (z - 1/2) log(z) - z + log(2 pi) / 2 + p(t) / z, Stirling's formula and the rest;
                  (z - 1) (z - 2) p(log z) up to 2.5, so that the zeros at 1 and 2 keep their digits
    gamma         exp(log gamma(z));  gamma(z) / x below 1;  -pi / (gamma(z) sin(pi |x|)) below 0
    digamma       log(z) - 1 / (2 z) - p(t) / z**2;  up to 2, (z - zero) p(log z);  less 1 / x
                  below 1;  and pi cot(pi |x|) more below 0

with t = (z - 1) / (z + 1). All but the polynomials is computed in sums of two doubles.

Largest errors found against mpmath, in units in the last place: gamma 0.63, gammaln 0.75 and
digamma 0.87 for x > 0. Below 0 gammaln and digamma have zeros whose places are no doubles: there
units are those of the larger of the two terms that cancel. Special values are SciPy's.
Coefficients: scripts/coefficients.py.
Source: derived here; NIST Digital Library of Mathematical Functions, https://dlmf.nist.gov, 5.5,
5.7 and 5.11, for the formulas.
"""

import math
from collections.abc import Callable

from chainrule.backends.llvm.lines import Lines
from chainrule.backends.llvm.math import exp_two, log_of_two, log_two, scaled
from chainrule.backends.llvm.trig import half_turns
from chainrule.backends.llvm.twofold import (
    Two,
    known,
    negative,
    polynomial,
    product,
    quick_sum,
    quotient,
    select_two,
    series,
    single,
    total,
    two_sum,
)

TINY = 2.0**-60  # below it, 1 / x is all of gamma and digamma
HUGE = 2.0**70  # above it, log(z) - 1 is all of log gamma(z) / z
PI = (3.141592653589793, 1.2246467991473532e-16)
LOG_PI = (1.1447298858494002, 1.026595116270783e-17)
LOG_ROOT_TAU = (0.9189385332046728, -3.878294158067242e-17)  # log(2 pi) / 2
ZERO = (1.4616321449683622, 9.549995429965697e-17)  # of digamma

# z times the rest of Stirling's formula by (z - 1) / (z + 1), z from 1 on
STIRLING = (
    0.08106146679532726, 0.0076916037875886635, -0.011302922122070291, 0.01062041093440584,
    -0.008215612343513154, 0.0060933620054672176, -0.004649334669591434, 0.0036505935485393907,
    -0.0029280390811600525, 0.0023950229927606113, -0.001985650189286921, 0.0016502494497934634,
    -0.001347467019914773, 0.0010463189501925564, -0.0007405773214015405, 0.0004554248745226307,
    -0.00023114511545645238, 9.136063620742427e-05, -2.605196557025923e-05, 4.726212165487867e-06,
    -4.07025672333079e-07,
)
STIRLING_LOST = -2.700811020797241e-18
# log gamma(z) / ((z - 1) (z - 2)) by log z - 1/2, z from 1 to 2.5
GAMMALN = (
    0.4627176836707899, -0.21289064216331138, 0.031907968201150674, -0.0006137809506046037,
    -2.9704769377628588e-05, -3.634778884936246e-05, -1.849751183042947e-05, 6.348665081094192e-06,
    9.19596163938934e-07, -6.166053675651212e-07, 1.129919522973632e-08, 4.8606737268703956e-08,
    -8.156228664823e-09, -3.077742425796218e-09, 1.0149425753882155e-09,
)
GAMMALN_LOST = 3.686757443099522e-18
# z**2 (log z - 1 / (2 z) - digamma(z)) by (z - 1) / (z + 1), z from 2 on
DIGAMMA_REST = (
    0.07721566463684602, 0.018994534212964875, -0.023387858416380063, 0.015749822868027563,
    -0.007525431467969678, 0.0036430488612668194, -0.0023108969349804028, 0.0017454713025425697,
    -0.0016669754007753448, 0.0019424332390554338, -0.0022610901184569616, 0.002308388373385024,
    -0.001925616262665096, 0.0012524386252651452, -0.0006071680824988159, 0.00020539477382869456,
    -4.299267054876926e-05, 4.165794426318299e-06,
)
DIGAMMA_REST_LOST = -4.7986804801388544e-18
# digamma(z) / (z - ZERO) by log z - 3/8, z from 1 to 2
DIGAMMA = (
    0.9706239641417285, -0.6492437077903829, 0.22959732186277748, -0.06788826865451979,
    0.019516454092486625, -0.004665987055629957, 0.0007274563436469705, -4.165846903293772e-05,
    -1.08507587913059e-06, -4.314417994250101e-06, 1.7561014377011352e-06, 7.923191455077588e-08,
    -1.7291219557286892e-07, 3.932335066323448e-09,
)
DIGAMMA_LOST = 2.8695076997971906e-18


def _shifted(w: Lines, x: str, size: str) -> Two:
    """z = x from 1 on, and 1 + |x| below."""
    return select_two(w, w.compare("olt", x, 1.0), two_sum(w, 1.0, size), single(w, x))


def _place(w: Lines, z: str) -> str:
    return w.div(w.sub(z, 1.0), w.add(z, 1.0))


def _stirling(w: Lines, z: Two, log: Two) -> Two:
    """log gamma(z) for z >= 1, up to 2**1000."""
    high, low = two_sum(w, z[0], -0.5)
    value = product(w, quick_sum(w, high, w.add(low, z[1])), log)
    value = total(w, total(w, value, negative(w, z)), known(w, LOG_ROOT_TAU))
    rest = w.div(polynomial(w, _place(w, z[0]), STIRLING), z[0])
    return total(w, value, single(w, rest))


def at_poles(w: Lines, x: str, pole: float, value: str) -> str:
    """The pole's value at -1, -2, ..., -inf; nan for nan."""
    at = w.flag("and", w.compare("olt", x, 0.0), w.compare("oeq", w.intrinsic("floor", x), x))
    return w.select(w.compare("uno", x, x), x, w.select(at, pole, value))


def gamma(w: Lines, x: str) -> str:
    """(x - 1)! for whole x > 0; nan at poles but 0."""
    size = w.intrinsic("fabs", x)
    z = _shifted(w, x, size)
    is_large = w.compare("ogt", z[0], 190.0)  # infinite above 171.7, 0 below -184
    z = select_two(w, is_large, known(w, (190.0, 0.0)), z)
    log = _stirling(w, z, log_of_two(w, z))
    (high, low), n = exp_two(w, log[0])
    value = quick_sum(w, high, w.fma(log[1], high, low))
    sine, _ = half_turns(w, size)
    is_below, is_small = w.compare("olt", x, 0.0), w.compare("olt", x, 1.0)
    top = select_two(w, is_below, negative(w, known(w, PI)), value)
    base = select_two(w, is_small, single(w, x), known(w, (1.0, 0.0)))
    base = select_two(w, is_below, product(w, value, sine), base)
    n = w.select_whole(is_below, w.whole("sub", 0, n), n)
    whole = scaled(w, w.add(*quotient(w, top, base)), n)
    whole = w.select(w.compare("olt", size, TINY), w.div(1.0, x), whole)
    return at_poles(w, x, math.nan, whole)


def gammaln(w: Lines, x: str) -> str:
    """log |gamma(x)|."""
    size = w.intrinsic("fabs", x)
    z = _shifted(w, x, size)
    is_huge = w.compare("ogt", z[0], HUGE)
    z = select_two(w, is_huge, known(w, (HUGE, 0.0)), z)
    log = log_of_two(w, z)
    value = select_two(w, w.compare("olt", z[0], 2.5), _near_zeros(w, x, size, log),
                       _stirling(w, z, log))
    is_small = w.compare("olt", x, 1.0)
    is_turned = w.compare("olt", x, -TINY)
    (sine, lost), _ = half_turns(w, size)
    sign = w.intrinsic("copysign", w.number(1.0), sine)
    part = log_of_two(w, select_two(
        w, is_turned, (w.mul(sine, sign), w.mul(lost, sign)), single(w, size)
    ))
    turned = total(w, known(w, LOG_PI), negative(w, value))
    below = total(w, select_two(w, is_turned, turned, value), negative(w, part))
    out = w.add(*select_two(w, is_small, below, value))
    out = w.select(is_huge, _far(w, x), out)
    out = w.select(w.compare("oeq", x, 0.0), math.inf, out)
    out = at_poles(w, x, math.inf, out)
    return w.select(w.compare("oeq", size, math.inf), x, out)


def _near_zeros(w: Lines, x: str, size: str, log: Two) -> Two:
    """log gamma(z) for z up to 2.5."""
    above = w.select(w.compare("olt", x, 1.0), size, w.sub(x, 1.0))  # z - 1, without error
    factor = series(w, single(w, w.sub(log[0], 0.5)), GAMMALN, GAMMALN_LOST)
    return product(w, product(w, single(w, above), two_sum(w, above, -1.0)), factor)


def _far(w: Lines, x: str) -> str:
    """x (log(x) - 1)."""
    high, low = log_two(w, x)
    high, lost = quick_sum(w, high, w.number(-1.0))
    return w.fma(x, high, w.mul(x, w.add(low, lost)))


def digamma(w: Lines, x: str) -> str:
    """The slope of gammaln; nan at poles but 0."""
    size = w.intrinsic("fabs", x)
    z = _shifted(w, x, size)
    log = log_of_two(w, z)
    high, low = two_sum(w, z[0], -ZERO[0])
    away = quick_sum(w, high, w.add(low, w.sub(z[1], w.number(ZERO[1]))))
    near = product(w, away, series(w, single(w, w.sub(log[0], 0.375)), DIGAMMA, DIGAMMA_LOST))
    part = quotient(w, known(w, (0.5, 0.0)), z)
    inverse = w.add(part[0], part[0])
    rest = w.mul(w.mul(inverse, inverse), polynomial(w, _place(w, z[0]), DIGAMMA_REST))
    far = total(w, log, (w.neg(part[0]), w.neg(w.add(part[1], rest))))
    value = select_two(w, w.compare("olt", z[0], 2.0), near, far)
    is_below, is_small = w.compare("olt", x, 0.0), w.compare("olt", x, 1.0)
    sine, cosine = half_turns(w, size)
    one, minus = known(w, (1.0, 0.0)), single(w, w.neg(x))
    more = quotient(w, select_two(w, is_below, product(w, known(w, PI), cosine), one),
                    select_two(w, is_below, sine, minus))
    out = w.add(*select_two(w, is_small, total(w, value, more), value))
    out = w.select(w.compare("olt", size, TINY), w.div(-1.0, x), out)
    out = w.select(w.compare("oeq", x, math.inf), x, out)
    return at_poles(w, x, math.nan, out)


FUNCTIONS: dict[str, Callable[..., str]] = {
    "gamma": gamma, "gammaln": gammaln, "digamma": digamma,
}

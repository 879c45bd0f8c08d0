"""The functions beside exp, log and power against 200-bit arithmetic, and at special values."""

import itertools
import math

import mpmath
import numpy as np
import pytest

from chainrule.backends.llvm.functions import FUNCTIONS
from chainrule.circuit.record import BY_NAME

POINTS = 1500
SPECIAL = [
    0.0, 5e-324, 1e-310, 2.2250738585072014e-308, 1e-160, 1e-17, 1e-8, 0.3, 0.4375, 0.5, 1.0,
    1.0000000000000002, 2.0, 3.0, 8.0, 1000.0, 709.782712893384, 745.1332191019411, 1024.0, 1e10,
    2.0**53, 1e200, 1.7976931348623157e308, math.inf,
]
SPECIAL += [-x for x in SPECIAL] + [math.nan]


def any_size(rng, least=-1074, most=1024):
    """Doubles of either sign and every size, half of them near 1."""
    sizes = np.r_[np.exp2(rng.uniform(least, most, POINTS)), np.exp2(rng.normal(size=POINTS))]
    return sizes * rng.choice([-1, 1], 2 * POINTS)


def between(low, high):
    return lambda rng: np.r_[rng.uniform(low, high, POINTS), _inside(rng, low, high)]


def _inside(rng, low, high):
    """Numbers of every size between the bounds."""
    x = any_size(rng, -80, 10)
    return x[(low < x) & (x < high)]


def positive(rng):
    return np.abs(np.r_[any_size(rng), 1 + rng.normal(size=POINTS) * 1e-6])


def log_of_sum(x, y=0):
    return max(x, y) + mpmath.log1p(mpmath.exp(-abs(x - y)))


def above_one(rng):
    return 1 + np.exp2(np.r_[rng.uniform(-52, 1022, POINTS), rng.uniform(-10, 10, POINTS)])


def angles(rng):
    """Angles of every size, and the doubles around multiples of pi / 2."""
    near = rng.integers(-(2**29), 2**29, POINTS) * (np.pi / 2)
    few = np.arange(-500, 500) * (np.pi / 2)
    return np.r_[any_size(rng, -1074, 40), rng.uniform(-1e9, 1e9, POINTS), near, few]


# the true value and where it is asked for, by input
TRUE = {
    "expm1": (mpmath.expm1, between(-60, 709.7)),
    "exp2": (lambda x: mpmath.power(2, x), between(-1074, 1023.9)),
    "log1p": (mpmath.log1p, lambda rng: np.r_[positive(rng), -rng.uniform(0, 1, POINTS)]),
    "log2": (lambda x: mpmath.log(x) / mpmath.log(2), positive),
    "log10": (mpmath.log10, positive),
    "softplus": (log_of_sum, between(-745, 745)),
    "logaddexp": (log_of_sum, between(-300, 300), between(-300, 300)),
    "tanh": (mpmath.tanh, between(-25, 25)),
    "sinh": (mpmath.sinh, between(-710.4, 710.4)),
    "cosh": (mpmath.cosh, between(-710.4, 710.4)),
    "sech": (mpmath.sech, between(-744, 744)),
    "arcsinh": (mpmath.asinh, any_size),
    "arccosh": (mpmath.acosh, above_one),
    "arctanh": (mpmath.atanh, between(-1, 1)),
    "arctan": (mpmath.atan, any_size),
    "arctan2": (mpmath.atan2, any_size, any_size),
    "arcsin": (mpmath.asin, between(-1, 1)),
    "arccos": (mpmath.acos, between(-1, 1)),
    "hypot": (mpmath.hypot, any_size, any_size),
    "cbrt": (lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)), any_size),
    "sin": (mpmath.sin, angles),
    "cos": (mpmath.cos, angles),
    "tan": (mpmath.tan, angles),
}
MOST = dict.fromkeys(TRUE, 0.8) | {"expm1": 1.0, "softplus": 1.1}


def error(got, true, size):
    """Distance from the true value in units in the last place of the size."""
    exponent = max(int(mpmath.floor(mpmath.log(size, 2))), -1022) if size else -1022
    return float(abs(mpmath.mpf(got) - true) / mpmath.mpf(2) ** (exponent - 52))


def worst_error(run, name, seed=5):
    rng = np.random.default_rng(seed)
    true, *places = TRUE[name]
    columns = [place(rng) for place in places]
    count = min(map(len, columns))
    worst = (0.0, ())
    with mpmath.workprec(400):
        for point in zip(*(rng.permutation(c)[:count] for c in columns), strict=True):
            p = tuple(map(float, point))
            wanted = true(*map(mpmath.mpf, p))
            size = max(abs(wanted), *map(abs, p)) if name == "logaddexp" else abs(wanted)
            if size < 1.797e308:
                worst = max(worst, (error(run(*p), wanted, size), p))
    return worst


@pytest.mark.parametrize("name", TRUE)
def test_errors_are_within_a_unit_in_the_last_place(machine, name):
    worst = worst_error(machine.gate(BY_NAME[name]), name)
    assert worst[0] <= MOST[name], worst


def test_logarithms_of_powers_are_whole(machine):
    log2, log10 = machine.gate(BY_NAME["log2"]), machine.gate(BY_NAME["log10"])
    assert [log2(2.0**n) for n in range(-1074, 1024)] == list(range(-1074, 1024))
    assert [log10(10.0**n) for n in range(23)] == list(range(23))


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
@pytest.mark.parametrize("x", [1e9, 1000000000.0000001, 1e22, -1e300])
def test_large_angles_on_both_sides_of_the_limit(machine, name, x):
    with mpmath.workprec(1200):
        true = getattr(mpmath, name)(mpmath.mpf(x))
        assert error(machine.gate(BY_NAME[name])(x), true, abs(true)) <= 1


@pytest.mark.parametrize("name", ["remainder", "floor_divide"])
def test_division_with_remainder_has_numpys_bits(machine, name):
    gate, rng = BY_NAME[name], np.random.default_rng(9)
    run = machine.gate(gate)
    x, y = (any_size(rng, -30, 30) for _ in "xy")
    pairs = [*zip(x, y, strict=True), *zip(np.round(x) * 0.1, np.round(y) * 0.1, strict=True)]
    pairs += itertools.product(SPECIAL, SPECIAL)
    with np.errstate(all="ignore"):
        wrong = [
            p for p in pairs if machine.ulps_apart(run(*p), gate.numpy[0](*map(np.float64, p)))
        ]
    assert wrong == []


def test_every_function_is_measured():
    assert set(TRUE) | {"exp", "log", "power"} == set(FUNCTIONS)  # those in test_math.py


@pytest.mark.parametrize("name", TRUE)
def test_special_values_are_numpys_at_both_levels(machine, name):
    gate = BY_NAME[name]
    runs = [machine.gate(gate, level=level) for level in (0, 1)]
    with np.errstate(all="ignore"):
        wrong = []
        for p in itertools.product(SPECIAL, repeat=len(gate.inputs)):
            quick, got = (run(*p) for run in runs)
            wanted = float(gate.evaluate(*map(np.float64, p)))
            size = max(map(abs, p))
            if name == "logaddexp" and size < math.inf and abs(got - wanted) <= 2 * math.ulp(size):
                wanted = got  # terms that cancel
            if machine.ulps_apart(got, wanted) > 2 or machine.ulps_apart(got, quick):
                wrong.append((p, got, quick, wanted))
    assert wrong == []

"""The functions beside exp, log and power against 200-bit arithmetic, and at special values."""

import itertools
import math

import mpmath
import numpy as np
import pytest
from scipy import special

from chainrule.api.recorded import record
from chainrule.backends.llvm import entropy, gamma, normal, polygamma
from chainrule.backends.llvm.compiled import compiled
from chainrule.backends.llvm.functions import FUNCTIONS
from chainrule.circuit.record import BY_NAME
from chainrule.circuit.types import TYPES, type_id
from chainrule.errors import UnsupportedError
from scripts import coefficients

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


def above_minus_one(rng):
    return np.r_[positive(rng), -rng.uniform(0, 1, POINTS)]


def above_one(rng):
    return 1 + np.exp2(np.r_[rng.uniform(-52, 1022, POINTS), rng.uniform(-10, 10, POINTS)])


def angles(rng):
    """Angles of every size, and the doubles around multiples of pi / 2."""
    near = rng.integers(-(2**29), 2**29, POINTS) * (np.pi / 2)
    few = np.arange(-500, 500) * (np.pi / 2)
    return np.r_[any_size(rng, -1074, 40), rng.uniform(-1e9, 1e9, POINTS), near, few]


def few(place):
    """Fewer of the points, where the true value takes long to compute."""
    return lambda rng: rng.permutation(place(rng))[:400]


def close_to(rng, *places):
    """Doubles at every distance from some places."""
    away = 10.0 ** rng.uniform(-16, -1, (POINTS, 1)) * rng.choice([-1, 1], (POINTS, 1))
    return (np.array(places) + away).ravel()


def fractions(rng):
    """Between 0 and 1, close to both ends and to the middle."""
    x = np.r_[rng.uniform(0, 1, POINTS), np.exp2(rng.uniform(-1074, -1, POINTS)),
              1 - np.exp2(rng.uniform(-53, -1, POINTS)), close_to(rng, 0.5)]
    return x[(x > 0) & (x < 1)]


def with_zeros(rng):
    """Positive numbers, many close to 1, 2 and the zero of digamma; negative ones but poles."""
    x = np.r_[positive(rng), close_to(rng, 1, 2, 1.4616321449683622), rng.uniform(0, 30, POINTS)]
    y = np.r_[rng.uniform(-30, 0, POINTS), -np.exp2(rng.uniform(-60, 50, POINTS))]
    return np.r_[x[(x > 2.0**-1020) & (x < 2.0**1010)], y[np.floor(y) < y]]


def moderate(rng):
    y = with_zeros(rng)
    return y[(np.abs(y) > 2.0**-120) & (y > -64) & (y < 2.0**120)]


def true_gammaln(x):
    if x > -100:
        return mpmath.log(abs(mpmath.gamma(x))) if x < 100 else mpmath.loggamma(x)
    return mpmath.log(mpmath.pi / abs(mpmath.sinpi(x))) - mpmath.loggamma(1 - x)


def true_erfinv(y):
    if abs(y) < 1e-15:
        return y * mpmath.sqrt(mpmath.pi) / 2
    rest, x = 1 - abs(y), mpmath.mpf(float(special.erfinv(float(abs(y)))))
    for _ in range(3):  # Newton
        x += (mpmath.erfc(x) - rest) * mpmath.sqrt(mpmath.pi) / 2 * mpmath.exp(x * x)
    return mpmath.sign(y) * x


def true_polygamma(n):
    """By the terms of x up to 40, and Euler and Maclaurin's formula from there."""
    s = n + 1
    terms = [
        mpmath.bernoulli(2 * j) / mpmath.factorial(2 * j) * mpmath.rf(s, 2 * j - 1)
        for j in range(1, 30)
    ]

    def value(x):
        count = max(0, 40 - int(mpmath.floor(x)))
        inverse = 1 / (x + count)
        found = mpmath.fsum((x + k) ** -s for k in range(count))
        found += inverse**n / n + inverse**s / 2
        found += mpmath.fsum(c * inverse ** (s + 2 * j + 1) for j, c in enumerate(terms))
        return (-1) ** s * mpmath.factorial(n) * found

    return value


def true_log_ndtr(x):
    tail = mpmath.erfc(abs(x) / mpmath.sqrt(2)) / 2
    return mpmath.log(tail) if x < 0 else mpmath.log1p(-tail)


def ratios(rng):
    """Pairs as columns: of every size, and close to each other."""
    return np.r_[positive(rng), np.abs(close_to(rng, 1.0))]


# the true value and where it is asked for, by input
TRUE = {
    "expm1": (mpmath.expm1, between(-60, 709.7)),
    "exp2": (lambda x: mpmath.power(2, x), between(-1074, 1023.9)),
    "log1p": (mpmath.log1p, above_minus_one),
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
    "erf": (mpmath.erf, few(between(-6.5, 6.5))),
    "erfc": (mpmath.erfc, few(between(-6, 27.2))),
    "erfinv": (true_erfinv, few(lambda rng: fractions(rng) * rng.choice([-1, 1]))),
    "ndtr": (mpmath.ncdf, few(between(-38.4, 9))),
    "log_ndtr": (true_log_ndtr, few(between(-1000, 38.4))),
    "gamma": (mpmath.gamma, few(between(-184, 171.6))),
    "gammaln": (true_gammaln, few(with_zeros)),
    "digamma": (mpmath.digamma, few(with_zeros)),
    **{f"polygamma_{n}": (true_polygamma(n), few(moderate)) for n in range(1, 7)},
    "logit": (lambda x: mpmath.log(x / (1 - x)), few(fractions)),
    "log_expit": (lambda x: -log_of_sum(-x), few(between(-745, 745))),
    "xlogy": (lambda x, y: x * mpmath.log(y), few(any_size), few(positive)),
    "xlog1py": (lambda x, y: x * mpmath.log1p(y), few(any_size), few(above_minus_one)),
    "entr": (lambda x: -x * mpmath.log(x), few(positive)),
    "rel_entr": (lambda x, y: x * mpmath.log(x / y), few(ratios), few(ratios)),
}
MOST = dict.fromkeys(TRUE, 0.8) | {
    "expm1": 1.0, "softplus": 1.1, "erfinv": 1.3, "ndtr": 0.9, "log_ndtr": 0.9, "digamma": 1.0,
    **{f"polygamma_{n}": 1.3 for n in range(1, 7)},
}
# Below 0 they have zeros whose places are no doubles: there units are those of 1.
CROSSING = {"gammaln", "digamma", "polygamma_2", "polygamma_4", "polygamma_6"}
SCIPYS = {*normal.FUNCTIONS, *gamma.FUNCTIONS, *polygamma.FUNCTIONS, *entropy.FUNCTIONS}
# SciPy's gammaln overflows on the way where x is subnormal, and loses its digits beside 1.
SCIPY_ERRS = {("gammaln", (x,)) for x in (5e-324, 1e-310, -5e-324, -1e-310, 1.0000000000000002)}


def gate_and_settings(name):
    """The gate of a function; polygamma has one for each order."""
    stem, _, order = name.partition("gamma_")
    return (BY_NAME["polygamma"], {"n": int(order)}) if stem == "poly" else (BY_NAME[name], {})


def made(machine, name, level=1):
    gate, settings = gate_and_settings(name)
    return machine.gate(gate, level=level, attrs=settings)


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
            size = max(size, 1) if name in CROSSING and p[0] < 0 else size
            if size < 1.797e308:
                worst = max(worst, (error(run(*p), wanted, size), p))
    return worst


@pytest.mark.parametrize("name", TRUE)
def test_errors_are_within_a_unit_in_the_last_place(machine, name):
    worst = worst_error(made(machine, name), name)
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


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("far", [False, True])
def test_a_sine_and_a_cosine_have_the_bits_of_each_alone(dtype, far):
    near = any_size(np.random.default_rng(3), -80, 16)
    x = np.r_[near, [0.0, -0.0, 1e9, 1e22, np.inf, -np.inf, np.nan] if far else []].astype(dtype)

    def run(f):
        done = compiled(record(f, (np.ones_like(x),), {}).circuit)
        assert ("sin_and_cos" in done.text) == (f is both)
        return done(x)

    both = lambda x: (np.sin(x), np.cos(x))
    found, alone = run(both), [*run(lambda x: np.sin(x)), *run(lambda x: np.cos(x))]
    for got, wanted in zip(found, alone, strict=True):
        assert np.where(x == x, got, 0).tobytes() == np.where(x == x, wanted, 0).tobytes()


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
def test_special_values_are_those_of_numpy_and_scipy_at_both_levels(machine, name):
    gate, settings = gate_and_settings(name)
    runs = [made(machine, name, level) for level in (0, 1)]
    most = 500 if name in SCIPYS else 2  # SciPy's digits are fewer
    with np.errstate(all="ignore"):
        wrong = []
        for p in itertools.product(SPECIAL, repeat=len(gate.inputs)):
            quick, got = (run(*p) for run in runs)
            wanted = float(gate.evaluate(*map(np.float64, p), **settings))
            size = max(map(abs, p))
            if name == "logaddexp" and size < math.inf and abs(got - wanted) <= 2 * math.ulp(size):
                wanted = got  # terms that cancel
            if (name, p) in SCIPY_ERRS:
                wanted = got
            if machine.ulps_apart(got, wanted) > most or machine.ulps_apart(got, quick):
                wrong.append((p, got, quick, wanted))
    assert wrong == []


@pytest.mark.parametrize("module", [normal, gamma], ids=lambda m: m.__name__.split(".")[-1])
def test_coefficients_are_those_of_the_script(module):
    names = [name for name in coefficients.FITS if hasattr(module, name)]
    with mpmath.workdps(50):
        found = {name: coefficients.rounded(name) for name in names}
    assert found == {n: [*getattr(module, n), getattr(module, f"{n}_LOST")] for n in names}
    assert len(found) >= 4


@pytest.mark.parametrize("x", [-1.0, -2.0, -1000.0, -(2.0**53), 171.7, 1e306])
@pytest.mark.parametrize("name", ["gamma", "gammaln", "digamma", "polygamma_1", "polygamma_2"])
def test_poles_and_overflow_are_scipys(machine, name, x):
    gate, settings = gate_and_settings(name)
    with np.errstate(all="ignore"):
        wanted = float(gate.evaluate(np.float64(x), **settings))
    assert machine.ulps_apart(made(machine, name)(x), wanted) <= 1000


def test_orders_of_polygamma_beyond_the_sixth_are_refused_by_name(machine):
    with pytest.raises(UnsupportedError, match="polygamma of orders 0 to 6, and not of 7"):
        machine.gate(BY_NAME["polygamma"], attrs={"n": 7})


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_lane_has_the_bits_of_a_single_number(machine, name):
    gate, settings = gate_and_settings(name)
    rng = np.random.default_rng(4)
    columns = [np.r_[rng.normal(size=29) * 4, SPECIAL[::3]] for _ in gate.inputs]
    types = [TYPES[type_id(x)] for x in columns]
    (got,) = compiled(machine.circuit(gate, types, settings))(*columns)
    run = made(machine, name)
    wanted = [run(*map(float, p)) for p in zip(*columns, strict=True)]
    assert [machine.ulps_apart(*pair) for pair in zip(got, wanted, strict=True)] == [0] * len(got)

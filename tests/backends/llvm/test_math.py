"""exp, log and power against 200-bit arithmetic, and at every special value."""

import itertools
import math

import mpmath
import numpy as np
import pytest

from chainrule.gates.elementwise import exp, log, power
from chainrule.gates.sigmoid import sigmoid

POINTS = 2000
SPECIAL = [
    0.0, 5e-324, 1e-310, 2.2250738585072014e-308, 1e-17, 0.3, 0.5, 1.0, 1.0000000000000002, 2.0,
    2.5, 3.0, 709.782712893384, 709.7827128933841, 745.1332191019411, 745.1332191019412, 1e10,
    2.0**53 - 1, 2.0**53, 2.0**65, 1e300, 1.7976931348623157e308, math.inf,
]
SPECIAL += [-x for x in SPECIAL] + [math.nan]


def wide(rng, count):
    """Positive doubles of every size, subnormal ones too."""
    return np.exp2(rng.uniform(-1074, 1024, count))


def exponents(rng, bases):
    """Exponents that bring each base to every size that is neither 0 nor inf."""
    return rng.uniform(-744, 709.7, len(bases)) / np.log(bases)


def points(name, rng):
    near_one = 1 + rng.normal(size=POINTS) * 1e-6
    match name:
        case "exp":
            return [(x,) for x in np.r_[rng.uniform(-745, 709.7, POINTS), rng.normal(size=POINTS)]]
        case "log":
            return [(x,) for x in np.r_[wide(rng, POINTS), rng.uniform(0.5, 2, POINTS), near_one]]
        case "power":
            bases = np.r_[wide(rng, POINTS), rng.uniform(0.5, 2, POINTS), near_one]
            return list(zip(bases, exponents(rng, bases), strict=True))


def error(got, true):
    """Distance from the true value in units in its last place."""
    size = abs(true)
    exponent = max(int(mpmath.floor(mpmath.log(size, 2))), -1022) if size else -1022
    return float(abs(mpmath.mpf(got) - true) / mpmath.mpf(2) ** (exponent - 52))


@pytest.mark.parametrize(
    ("gate", "true", "most"),
    [(exp, mpmath.exp, 0.65), (log, mpmath.log, 0.9), (power, mpmath.power, 0.75)],
    ids=lambda x: getattr(x, "name", ""),
)
def test_errors_are_below_one_unit_in_the_last_place(machine, gate, true, most):
    run = machine.gate(gate)
    with mpmath.workprec(200):
        worst = max(
            (error(run(*map(float, p)), true(*map(mpmath.mpf, p))), p)
            for p in points(gate.name, np.random.default_rng(5))
        )
    assert worst[0] <= most, worst


@pytest.mark.parametrize("exponent", [-1, 2, 3, 4])
def test_small_whole_exponents_stay_within_two_units(machine, exponent):
    run = machine.gate(lambda_power(exponent), count=1)
    bases = np.random.default_rng(6).uniform(-8, 8, POINTS)
    with mpmath.workprec(300):
        worst = max(error(run(x), mpmath.mpf(x) ** exponent) for x in map(float, bases))
    assert worst <= 2


def lambda_power(exponent):
    class Power:  # a gate of one input, as far as the helper looks
        name, inputs = f"power {exponent}", ("x",)

        def __call__(self, x):
            return x**exponent

    return Power()


@pytest.mark.parametrize("gate", [exp, log, sigmoid], ids=lambda g: g.name)
@pytest.mark.parametrize("x", SPECIAL)
def test_special_values(machine, gate, x):
    with np.errstate(all="ignore"):
        wanted = gate.compute((x,), {})
    assert machine.ulps_apart(machine_gate(machine, gate)(x), wanted) <= 1


_made = {}


def machine_gate(machine, gate):
    return _made.setdefault(gate, machine.gate(gate))


def test_power_of_special_values(machine):
    run = machine.gate(power)
    with np.errstate(all="ignore"):
        wrong = [
            (x, y, run(x, y), power.compute((x, y), {}))
            for x, y in itertools.product(SPECIAL, SPECIAL)
            if machine.ulps_apart(run(x, y), power.compute((x, y), {})) > 1
        ]
    assert wrong == []


@pytest.mark.parametrize("exponent", [-1, 0, 1, 2, 3, 4])
def test_whole_powers_of_special_values(machine, exponent):
    run = machine.gate(lambda_power(exponent), count=1)
    with np.errstate(all="ignore"):
        wrong = [
            (x, run(x)) for x in SPECIAL
            if machine.ulps_apart(run(x), power.compute((x, exponent), {})) > 2
        ]
    assert wrong == []

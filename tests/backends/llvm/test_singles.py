"""The functions that have a form of their own for singles, against NumPy's in doubles."""

import mpmath
import numpy as np
import pytest

from chainrule.backends.llvm import single, single_waves
from chainrule.backends.llvm.compiled import compiled
from chainrule.backends.llvm.lines import IN_SINGLES
from chainrule.circuit.record import BY_NAME
from chainrule.circuit.types import TYPES, type_id
from scripts import coefficients, singles

STEP = 2003  # python scripts/singles.py measures every single
MOST = dict.fromkeys(singles.NAMES, 1.0) | {
    "cosh": 1.2, "expm1": 1.5, "log2": 1.2, "sech": 1.6, "sinh": 1.7, "softplus": 1.6, "tanh": 1.2,
}


@pytest.mark.parametrize("name", singles.NAMES)
def test_errors_over_all_sizes(name):
    with np.errstate(all="ignore"):
        error, x = singles.worst(singles.compiled(name), name, STEP)
    assert error <= MOST[name], x


def made(machine, name, x, level=1):
    gate = BY_NAME[name]
    code = compiled(machine.circuit(gate, [TYPES[type_id(x)]], {}), level)
    return lambda x: code(x)[0]


@pytest.mark.parametrize("name", singles.NAMES)
def test_lanes_and_levels_agree_in_every_bit_and_special_values_are_numpys(machine, name):
    tiny, most = np.finfo(np.float32).smallest_subnormal, np.finfo(np.float32).max
    ends = [0, tiny, 1e-40, 1.1754944e-38, 1, 1e5, 1.0000782e5, 1e10, most, np.inf]
    x = np.r_[np.random.default_rng(3).normal(size=29) * 8, ends, np.negative(ends), np.nan]
    x = x.astype(np.float32)
    got = made(machine, name, x)(x)
    one = made(machine, name, x[0])
    bits = [_bits(made(machine, name, x, 0)(x)), _bits(np.array([one(v) for v in x]))]
    assert [_bits(got)] * 2 == bits and got.dtype == np.float32
    with np.errstate(all="ignore"):
        errors = singles.distance(got, singles.true(name, x.astype(np.float64)))
    assert errors.max() <= MOST[name], x[errors.argmax()]


def _bits(values):
    """All bits of numbers; of nan only that it is one, since processors choose its sign."""
    return ["nan" if v != v else np.float32(v).tobytes() for v in values]


def test_logarithms_of_powers_are_whole():
    powers = np.zeros(singles.CHUNK, np.float32)
    powers[:277] = np.exp2(np.arange(-149, 128, dtype=np.float32))
    with np.errstate(all="ignore"):
        assert singles.compiled("log2")(powers)[:277].tolist() == list(range(-149, 128))
        powers[:11] = 10.0 ** np.arange(11)
        assert singles.compiled("log10")(powers)[:11].tolist() == list(range(11))


def test_every_form_is_called_and_has_the_coefficients_of_the_script():
    assert {*single.FUNCTIONS, *single_waves.FUNCTIONS} == IN_SINGLES
    tables = vars(single_waves) | vars(single)
    with mpmath.workdps(50):
        found = {name: coefficients.rounded_to_singles(name) for name in coefficients.SINGLES}
    assert found == {name: list(tables[name]) for name in found}

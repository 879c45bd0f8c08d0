"""Choices that decide nothing are left out of nests, and no bit shows it."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.api.recorded import record
from chainrule.backends import stepwise
from chainrule.backends.llvm.compiled import compiled

EDGES = np.array([-np.inf, -2.0, -1.0, -0.0, 0.0, 0.5, 1.0, 2.0, 1e200, np.inf, np.nan])
# exact functions, whose slopes at the edges are infinite or nan
FUNCTIONS = {
    "a tie": lambda x: np.maximum(x * x, x) * x,
    "a minimum of a maximum": lambda x: np.minimum(np.maximum(x * x, 1.0) * x, x * 2.0),
    "a branch": lambda x: np.where(x > 0, np.sqrt(x) / x, 0.0),
    "branches within": lambda x: np.where(
        x > -1, np.where(x < 2, np.sqrt(x) * x, np.maximum(x, 1 / x)), x * x
    ),
    "the same branch twice": lambda x: np.where(x > 0, x * np.where(x > 0, 1 / x, 2.0), 0.0),
    "both of two": lambda x: np.where(
        np.where(x > -1, x < 2, False), x * np.where(x < 1, 1 / x, 2.0), 0.0
    ),
    "one of two": lambda x: np.where(
        np.where(x > 0, x > 0.7, True), x * np.where(x > 0.7, 1 / x, 2.0), 0.0
    ),
    "another one within": lambda x: np.where(x > 0, x * np.where(x < 1, 1 / x, 2.0), 0.0),
}


def recorded(f, x):
    with np.errstate(all="ignore"):
        return record(cr.value_and_grad(lambda x: f(x).sum()), (x,), {}).circuit


@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
def test_every_bit_of_a_gradient_is_that_of_stepwise(f):
    circuit = recorded(f, EDGES)
    with np.errstate(all="ignore"):
        readings = stepwise.run(circuit, [EDGES])
        _, wanted = (readings.value(w) for w in circuit.outputs)
    _, got = compiled(circuit)(EDGES)
    assert np.array_equal(got, wanted, equal_nan=True)
    assert np.array_equal(np.signbit(got[got == 0]), np.signbit(wanted[got == 0]))


def test_a_product_behind_a_choice_takes_what_the_choice_was_given():
    circuit = recorded(lambda x: np.where(x > 0, x * x, 0.0) * np.exp(x), EDGES)
    (nest,) = compiled(circuit).plan.items
    chosen = {s.value.name for s in nest.steps if s.gate.name == "where"}
    products = [s for s in nest.steps if s.gate.name == "multiply"]
    # the function's own, and the one that sends it on to exp
    assert sum(any(x.name in chosen for x in s.operands) for s in products) == 2

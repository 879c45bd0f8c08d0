"""Gates that choose guard what they leave out: 0 goes back through it, and never 0 * inf."""

from itertools import product

import numpy as np
import pytest

import chainrule as cr
from chainrule.api.eager import forget
from chainrule.circuit.record import catalogue
from chainrule.circuit.types import TYPES, type_id

CHOOSING = [g for g in catalogue() if g.mask is not None and g.family == "elementwise"]
PARTIALS = [g for g in catalogue() if g.local is not None and g.vjp is not None]


def columns(gate):
    """Every way in which small numbers can be in order or equal, side by side in arrays."""
    values = [(False, True) if isinstance(x, bool) else (-1.0, 0.0, 1.0) for x in gate.samples[0]]
    return [np.array(operand) for operand in zip(*product(*values), strict=True)]


def real(operands):
    return [i for i, x in enumerate(operands) if x.dtype.kind == "f"]


def steep(x, t):
    """x, by way of sqrt(t) at t = 0, whose local gradient is infinite."""
    return x + np.sqrt(t)


def through(gate, index, t, live=None):
    """The sum of what a gate gives, one of its operands behind an infinite slope."""
    operands = columns(gate)
    operands[index] = steep(operands[index], t)
    out = gate(*operands)
    return np.sum(out if live is None else np.where(live, out, 0.0))


def pulled(f, t):
    """f's gradient by rules, by the compiled program and stepwise, all three the same."""
    with np.errstate(all="ignore"):
        forget()
        found = cr.grad(f)(t)
        np.testing.assert_array_equal(cr.grad(f)(t), found)
        np.testing.assert_array_equal(cr.circuit(f)(t).gradients["t"], found)
    return found


def assert_guarded(gate):
    """What a gate sends back is infinite behind the slope where it chose it, and 0 elsewhere."""
    operands = columns(gate)
    for index in real(operands):
        zero = np.zeros_like(operands[index])
        plain = cr.grad(lambda x, i=index: np.sum(
            gate(*operands[:i], x, *operands[i + 1 :])))(operands[index])
        wanted = np.where(plain != 0, np.inf, 0.0)
        found = pulled(lambda t, i=index: through(gate, i, t), zero)
        np.testing.assert_array_equal(found, wanted, f"{gate.name} by {gate.inputs[index]}")
        for live in (np.arange(len(zero)) % 2 == 0, np.arange(len(zero)) % 2 == 1):
            found = pulled(lambda t, i=index, live=live: through(gate, i, t, live), zero)
            np.testing.assert_array_equal(found, np.where(live, wanted, 0.0))


def assert_partials(gate):
    """A gate's partials times dout are what its vjp sends, to the last digits."""
    operands = [np.array(operand) for operand in zip(*gate.samples, strict=True)]
    out = gate.compute(operands, {})
    dout = np.linspace(-2.0, 3.0, out.size)
    partials, sent = gate.local(*operands, out), gate.vjp(dout, *operands, out)
    for index in real(operands):
        partial, term = (e() if callable(e) else e for e in (partials[index], sent[index]))
        np.testing.assert_allclose(partial * dout, term, rtol=1e-14, err_msg=gate.name)


@pytest.mark.parametrize("gate", CHOOSING, ids=lambda g: g.name)
def test_what_is_not_chosen_gets_nothing_however_steep(gate):
    assert_guarded(gate)


@pytest.mark.parametrize("gate", PARTIALS, ids=lambda g: g.name)
def test_partials_and_gradients_say_the_same(gate):
    assert_partials(gate)


@pytest.mark.parametrize("gate", CHOOSING, ids=lambda g: g.name)
def test_masks_are_flags_of_the_outputs_shape(gate):
    operands = columns(gate)
    out = gate.compute(operands, {})
    for index, entry in enumerate(gate.mask(None, *operands, out)):
        assert (entry is None) == (index not in real(operands))
        if entry is not None:
            flags = entry()
            assert TYPES[type_id(flags)].dtype == np.bool_ and flags.shape == out.shape

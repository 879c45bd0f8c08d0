"""Stable compound gates: far out, at infinities, at 0, against 50 digits, and as groups."""

import math

import mpmath
import numpy as np
import pytest

import chainrule as cr
from chainrule.gates.sigmoid import sigmoid
from chainrule.gates.stable import log_softmax, logsumexp, norm, softmax, softplus

FAR = (-1e300, -1e3, -710.0, -40.0, -1.5, -1e-9, 0.0, 1e-9, 1.5, 40.0, 710.0, 1e3, 1e300)
inf, nan = math.inf, math.nan


def near(true, rel=4e-16):
    return pytest.approx(float(true), rel=rel, abs=2e-323)


@pytest.mark.parametrize("x", FAR)
@pytest.mark.parametrize("kind", [float, np.float64])
def test_softplus_keeps_its_digits(x, kind):
    value, slope = cr.value_and_grad(softplus)(kind(x))
    with mpmath.workdps(50):
        true = mpmath.mpf(x)
        e = mpmath.exp(-abs(true))
        assert value == near(max(true, 0) + mpmath.log1p(e))
        assert slope == near((1 if x >= 0 else e) / (1 + e), rel=1e-15)


def test_softplus_at_infinities_and_in_single_precision():
    x = np.array([-inf, inf, nan, -1e3, 1e3], np.float32)
    with np.errstate(invalid="ignore"):  # NumPy's own warning at nan
        value, back = cr.vjp(softplus, x)
    np.testing.assert_array_equal(value, np.array([0, inf, nan, 0, 1e3], np.float32), strict=True)
    dout = np.ones(5, np.float32)
    np.testing.assert_array_equal(back(dout)[0], np.array([0, 1, nan, 0, 1], np.float32))


@pytest.mark.parametrize(
    ("x", "y", "dx"),
    [(inf, 0.0, 1), (0.0, inf, 0), (-inf, 0.0, 0), (inf, inf, 0.5), (-inf, -inf, 0.5),
     (1e3, -1e3, 1), (2.0, 2.0, 0.5), (40.0, 0.0, 1), (inf, -inf, 1)],
)
def test_logaddexp_shares_everywhere(x, y, dx):
    assert cr.grad(np.logaddexp, (0, 1))(x, y) == pytest.approx((dx, 1 - dx), abs=1e-17)
    assert cr.grad(np.logaddexp)(0.0, 40.0) == near(mpmath.exp(-40) / (1 + mpmath.exp(-40)), 1e-15)


def test_logaddexp_curves_at_a_tie_too():
    assert cr.grad(cr.grad(np.logaddexp))(2.0, 2.0) == 0.25


@pytest.mark.parametrize("x", [[1e3, -1e3], [1e3, 1e3 - 1, 0.0], [0.0, -40.0], [-700.0, -740.0],
                               [1e300, -1e300], [3.0], [1e-9, -1e-9]])
def test_logsumexp_and_softmax_keep_their_digits(x):
    x = np.array(x)
    value, gradient = cr.value_and_grad(lambda x: logsumexp(x, axis=None, keepdims=False))(x)
    shares = softmax(x, axis=None)
    logs = log_softmax(x, axis=None)
    with mpmath.workdps(1000):
        exact = [mpmath.mpf(v) - mpmath.mpf(max(x)) for v in x]
        e = [mpmath.exp(v) for v in exact]
        total = mpmath.fsum(e)
        assert value == near(mpmath.mpf(max(x)) + mpmath.log(total))
        for i, share in enumerate(e):
            assert gradient[i] == shares[i] == near(share / total, rel=1e-15)
            assert logs[i] == near(exact[i] - mpmath.log(total))


@pytest.mark.parametrize(
    ("x", "value", "shares"),
    [
        ([inf, 0.0], inf, [1, 0]),
        ([inf, inf, 0.0], inf, [0.5, 0.5, 0]),
        ([-inf, 0.0], 0.0, [0, 1]),
        ([-inf, -inf], -inf, [0.5, 0.5]),
        ([nan, 0.0], nan, [nan, nan]),
    ],
)
def test_infinities_share_as_ties_do(x, value, shares):
    x = np.array(x)
    found, gradient = cr.value_and_grad(lambda x: logsumexp(x, axis=None, keepdims=False))(x)
    np.testing.assert_array_equal(found, value)
    np.testing.assert_array_equal(gradient, shares)
    np.testing.assert_array_equal(softmax(x, axis=(0,)), shares)


@pytest.mark.parametrize("gate", [softmax, log_softmax])
@pytest.mark.parametrize("axis", [None, (0,), (1,), (0, 2)])
def test_along_axes_and_in_single_precision(gate, axis):
    x = np.random.default_rng(1).normal(size=(2, 3, 4)).astype(np.float32)
    plain = gate.decompose(x.astype(float), axis=axis)
    value, back = cr.vjp(lambda x: gate(x, axis=axis), x)
    assert value.dtype == np.float32
    np.testing.assert_allclose(value, plain, rtol=1e-5)
    (gradient,) = back(np.ones_like(x))  # shares sum to 1, whatever x is
    assert gradient.dtype == np.float32
    if gate is softmax:
        np.testing.assert_allclose(gradient, 0, atol=1e-6)


def test_an_empty_softmax_is_refused():
    with pytest.raises(cr.errors.ShapeError, match=r"at least one number: the shape is \[2, 0\]"):
        cr.grad(lambda x: np.sum(softmax(x, axis=(1,))))(np.zeros((2, 0)))


# ---- length


@pytest.mark.parametrize("scale", [1e-310, 1e-200, 1e-5, 1.0, 1e5, 1e200, 3e307])
def test_length_neither_overflows_nor_vanishes(scale):
    x = np.array([3.0, -4.0]) * scale
    value, gradient = cr.value_and_grad(np.linalg.norm)(x)
    assert value == pytest.approx(5 * scale, rel=1e-15)
    assert gradient == pytest.approx([0.6, -0.8], rel=1e-13)


def test_the_length_of_nothing_is_0_and_sends_0():
    for x in (np.zeros(3), np.zeros((2, 2)), np.zeros(0)):
        value, gradient = cr.value_and_grad(np.linalg.norm)(x)
        assert value == 0 and not gradient.any() and gradient.shape == x.shape
    rows = np.array([[0.0, 0.0], [3.0, 4.0]])
    by_rows = cr.grad(lambda x: np.sum(np.linalg.norm(x, axis=1)))(rows)
    assert by_rows.tolist() == [[0, 0], [0.6, 0.8]]
    assert cr.grad(lambda x: np.linalg.norm(x))(-2.0) == -1.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "settings", [{}, {"axis": 0}, {"axis": -1, "keepdims": True}, {"axis": (0, 1)},
                 {"ord": 2, "axis": 1}, {"ord": "fro"}],
)
def test_length_has_numpys_bits(dtype, settings):
    for seed in range(20):
        x = np.random.default_rng(seed).normal(size=(3, 50)).astype(dtype) * 10.0 ** (seed - 10)
        x = x.astype(dtype)
        value, _ = cr.vjp(lambda x: np.linalg.norm(x, **settings), x)
        np.testing.assert_array_equal(value, np.linalg.norm(x, **settings), strict=True)


@pytest.mark.parametrize("settings", [{"ord": 1}, {"ord": 2}, {"ord": np.inf, "axis": 0}])
def test_other_norms_are_refused(settings):
    with pytest.raises(cr.errors.UnsupportedError, match="root of the sum of squares"):
        cr.grad(lambda x: np.sum(np.linalg.norm(x, **settings)))(np.ones((2, 3)))


# ---- groups in the user's code


@pytest.mark.parametrize(
    "f", [lambda x: np.log(1 + np.exp(x)), lambda x: np.log(np.exp(x) + 1),
          lambda x: np.log1p(np.exp(x))],
)
def test_softplus_in_the_users_words(f):
    (group,) = cr.circuit(f)(2.0).circuit.groups
    assert group.gate is softplus
    with np.errstate(over="ignore"):
        assert cr.grad(f)(1000.0) == 1.0
    assert cr.grad(f)(-40.0) == near(sigmoid(-40.0))


@pytest.mark.filterwarnings("ignore:overflow")
def test_logsumexp_in_the_users_words():
    f = lambda x: np.log(np.sum(np.exp(x)))
    x = np.array([1000.0, 1000.0, 0.0])
    w = cr.circuit(f)(x)
    assert [g.gate for g in w.circuit.groups] == [logsumexp]
    assert cr.grad(f)(x).tolist() == [0.5, 0.5, 0.0]
    assert w["x"].grad.tolist() == [0.5, 0.5, 0.0]
    assert cr.circuit(f)(np.array([1.0, 2.0, 3.0])).check()


@pytest.mark.parametrize(
    "f", [lambda x: np.sqrt(np.sum(x * x)), lambda x: np.sqrt(np.sum(x**2)),
          lambda x: np.sqrt(np.sum(np.square(x)))],
)
def test_length_in_the_users_words(f):
    w = cr.circuit(f)(np.array([3.0, -4.0]))
    assert [g.gate for g in w.circuit.groups] == [norm]
    assert w["x"].grad.tolist() == [0.6, -0.8]
    assert w.check()
    assert cr.grad(f)(np.zeros(2)).tolist() == [0.0, 0.0]

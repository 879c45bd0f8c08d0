"""Joining arrays: values are NumPy's, and every array gets back its own part of dout."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.errors import ShapeError, UnsupportedError

A, B = np.arange(6.0).reshape(2, 3), 10 + np.arange(6.0).reshape(2, 3)
V, W = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])
JOINS = {
    "concatenate": (lambda a, b: np.concatenate([a, b]), A, B[:1]),
    "concatenate columns": (lambda a, b: np.concatenate((a, b), axis=-1), A, B[:, :2]),
    "concatenate all numbers": (lambda a, b: np.concatenate([a, b], axis=None), A, V),
    "concatenate one": (lambda a, b: np.concatenate([a * b]), A, B),
    "concatenate four": (lambda a, b: np.concatenate([a, b, a, a], axis=1), A, B),
    "concatenate with a constant": (lambda a, b: np.concatenate([a, np.ones((2, 1)), b], 1), A, B),
    "concatenate nothing": (lambda a, b: np.concatenate([a, b]), A[:0], B),
    "stack": (lambda a, b: np.stack([a, b, a]), A, B),
    "stack last": (lambda a, b: np.stack([a, b], axis=-1), A, B),
    "stack numbers": (lambda a, b: np.stack([a[0], b[1], a[0] * b[0]]), V, W),
    "stack five": (lambda a, b: np.stack([a, b, a, b, b], axis=1), V, W),
    "vstack": (lambda a, b: np.vstack([a, b]), V, A),
    "vstack numbers": (lambda a, b: np.vstack([a[0], b[0]]), V, W),
    "hstack": (lambda a, b: np.hstack((a, b)), V, W[:1]),
    "hstack matrices": (lambda a, b: np.hstack([a, b]), A, B),
    "hstack numbers": (lambda a, b: np.hstack([a[0], b]), V, W),
    "column_stack": (lambda a, b: np.column_stack([a, b, a]), V, W),
    "column_stack mixed": (lambda a, b: np.column_stack([a, b]), A, V[:2]),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("f", "a", "b"), JOINS.values(), ids=JOINS)
def test_a_join_is_numpys_and_its_gradients_have_the_shapes_of_its_parts(f, a, b, dtype):
    a, b = a.astype(dtype), b.astype(dtype)
    value, pullback = cr.vjp(f, a, b)
    wanted = f(a, b)
    assert (value.shape, value.dtype) == (wanted.shape, wanted.dtype)
    np.testing.assert_array_equal(value, wanted)
    rng = np.random.default_rng(0)
    dout, da, db = (rng.normal(size=s).astype(dtype) for s in (value.shape, a.shape, b.shape))
    h = 1e-6 if dtype is np.float64 else 1e-3
    slope = np.sum(dout * (f(a + h * da, b + h * db) - f(a - h * da, b - h * db))) / (2 * h)
    for _ in range(3):
        got_a, got_b = pullback(dout)
        assert (got_a.shape, got_b.shape) == (a.shape, b.shape)
        assert (got_a.dtype, got_b.dtype) == (dtype, dtype)  # also beside float64 constants
        near = 1e-7 if dtype is np.float64 else 1e-2
        assert np.sum(got_a * da) + np.sum(got_b * db) == pytest.approx(slope, rel=near, abs=near)


@pytest.mark.parametrize(("f", "a", "b"), JOINS.values(), ids=JOINS)
def test_printed_code_gives_the_same_gradients(f, a, b):
    g = lambda a, b: np.sum(f(a, b) * f(a, b))
    space = {}
    exec(str(cr.circuit(g)(a, b).code()), space)
    for found, wanted in zip(space["f_grad"](a, b)[1], cr.grad(g, (0, 1))(a, b), strict=True):
        np.testing.assert_array_equal(found, wanted)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=7), st.integers(0, 1))
def test_any_number_of_arrays_takes_its_gradient_apart(sizes, axis):
    arrays = [np.ones((n, 2) if axis == 0 else (2, n)) for n in sizes]
    dout = np.random.default_rng(0).normal(size=np.concatenate(arrays, axis).shape)
    _, pullback = cr.vjp(lambda xs: np.concatenate(xs, axis), arrays)
    parts = np.split(dout, np.cumsum(sizes)[:-1], axis)
    for found, wanted in zip(pullback(dout)[0], parts, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_python_numbers_can_be_stacked():
    f = lambda x, y: np.sum(np.stack([x, y, x * y]) ** 2)
    assert cr.grad(f, (0, 1))(2.0, 3.0) == (2 * 2 + 2 * 6 * 3, 2 * 3 + 2 * 6 * 2)


def test_the_printed_parts_are_slices():
    code = cr.circuit(lambda a, b: np.sum(np.concatenate([a, b], axis=1) ** 2))(A, B).code()
    assert "np.concatenate([a, b], axis=1)" in code
    assert "[:, 0:3]" in code and "[:, 3:6]" in code


def test_gradients_of_gradients_through_a_join():
    f = lambda x: np.sum(np.concatenate([x, x * x]) ** 2)  # x^2 + x^4: 2 + 12 x^2
    second = cr.grad(lambda x: np.sum(cr.grad(f)(x)))(V)
    np.testing.assert_allclose(second, 2 + 12 * V**2)


REFUSED = [
    (lambda a: np.concatenate([a, V]), ShapeError, r"along axis 0 only: got \[2, 3\], \[3\]"),
    (lambda a: np.concatenate([a, A.T]), ShapeError, r"got \[2, 3\], \[3, 2\]"),
    (lambda a: np.concatenate([a, A], axis=2), ShapeError, "axis 2 is out of range"),
    (lambda a: np.concatenate([a[0, 0], 1.0]), ShapeError, "write np.stack"),
    (lambda a: np.concatenate([a, A], dtype=float), UnsupportedError, "not dtype="),
    (lambda a: np.stack([a, A.T]), ShapeError, r"of one shape: got \[2, 3\], \[3, 2\]"),
    (lambda a: np.vstack([a, A[:, :2]]), ShapeError, r"\[2, 3\], \[2, 2\]"),
]


@pytest.mark.parametrize(("f", "error", "says"), REFUSED, ids=[r[2] for r in REFUSED])
def test_what_does_not_fit_is_refused_with_the_line(f, error, says):
    with pytest.raises(error, match=says) as caught:
        cr.grad(lambda a: np.sum(f(a)))(A)
    assert "test_join.py line" in str(caught.value)

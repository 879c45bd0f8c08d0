"""Reductions: ties, zeros, axes, empty arrays, and NumPy's values and dtypes."""

import math
from fractions import Fraction

import numpy as np
import pytest

import chainrule as cr
from chainrule.circuit.record import BY_NAME
from chainrule.errors import ShapeError, UnsupportedError

RNG = np.random.default_rng(5)
BOX = RNG.normal(size=(2, 3, 4))
FUNCTIONS = (np.sum, np.mean, np.max, np.min, np.amax, np.amin, np.prod, np.var, np.std)
AXES = (None, 0, -1, 1, (0, 2), (2, 0), (-1, -3), (0, 1, 2), ())


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_and_dtypes_are_numpys(function, axis, keepdims, dtype):
    x = BOX.astype(dtype)
    value, back = cr.vjp(lambda x: function(x, axis=axis, keepdims=keepdims), x)
    np.testing.assert_array_equal(value, function(x, axis=axis, keepdims=keepdims), strict=True)
    (gradient,) = back(np.ones_like(value))
    assert (gradient.shape, gradient.dtype) == (x.shape, x.dtype)
    if function in (np.mean, np.max, np.min, np.amax, np.amin):  # dout is kept, only shared out
        assert np.sum(gradient) == pytest.approx(np.size(value), rel=1e-6)


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "prod", "var", "std", "cumsum"])
def test_methods_are_the_functions(name):
    by_method = cr.grad(lambda x: np.sum(getattr(x, name)(axis=1)))(BOX)
    by_function = cr.grad(lambda x: np.sum(getattr(np, name)(x, axis=1)))(BOX)
    np.testing.assert_array_equal(by_method, by_function)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("x", [2.0, np.float64(2), np.float32(2)], ids=["float", "f64", "f32"])
def test_a_number_alone(function, x):
    value, slope = cr.value_and_grad(function)(x)
    assert value == function(x)
    assert slope == (0 if function in (np.var, np.std) else 1)


def test_equal_numbers_share_equally():
    x = np.array([[1.0, 3.0, 3.0], [2.0, 3.0, 1.0]])
    third = 1 / 3
    assert cr.grad(np.max)(x).tolist() == [[0, third, third], [0, third, 0]]
    by_rows = cr.grad(lambda x: np.sum(np.max(x, axis=1)))(x)
    assert by_rows.tolist() == [[0, 0.5, 0.5], [0, 1, 0]]
    by_columns = cr.grad(lambda x: np.sum(np.min(x, axis=0, keepdims=True)))(x)
    assert by_columns.tolist() == [[1, 0.5, 0], [0, 0.5, 1]]


def exact_prod_gradient(numbers):
    exact = [Fraction(x) for x in numbers]
    return [float(math.prod(exact[:i] + exact[i + 1:])) for i in range(len(exact))]


@pytest.mark.parametrize(
    "x", [[2.0, 3.0, -4.0], [2.0, 0.0, -4.0], [0.0, 3.0, 0.0], [0.0, 0.0, 0.0], [5.0], [0.0]],
)
def test_product_with_zeros(x):
    assert cr.grad(np.prod)(np.array(x)).tolist() == pytest.approx(exact_prod_gradient(x))


@pytest.mark.parametrize("x", [[2.0, 3.0, -4.0], [2.0, 0.0, -4.0], [0.0, 3.0, 0.0]])
def test_second_derivatives_of_a_product_with_zeros(x):
    for i in range(3):
        row = cr.grad(lambda x, i=i: np.sum(cr.grad(np.prod)(x) * np.eye(3)[i]))(np.array(x))
        for j in range(3):
            others = [n for k, n in enumerate(x) if k not in (i, j)]
            assert row[j] == pytest.approx(0 if i == j else math.prod(others))


def test_product_along_an_axis():
    x = np.array([[2.0, 0.0], [3.0, 5.0], [4.0, 0.0]])
    assert cr.grad(lambda x: np.sum(np.prod(x, axis=0)))(x).tolist() == [[12, 0], [8, 0], [6, 0]]


def test_cumulated_sums_go_back_the_other_way():
    x = np.array([1e16, 1.0, -1e16, 2.0])
    dout = np.array([1e16, 1.0, 3.0, -1e16])
    value, back = cr.vjp(np.cumsum, x)
    assert value.tolist() == np.cumsum(x).tolist()
    assert back(dout)[0].tolist() == np.cumsum(dout[::-1])[::-1].tolist()
    table = np.arange(6.0).reshape(2, 3)
    assert cr.grad(lambda x: np.sum(np.cumsum(x, axis=0)))(table).tolist() == [[2] * 3, [1] * 3]
    assert cr.grad(lambda x: np.sum(np.cumsum(x, axis=-1)))(table).tolist() == [[3, 2, 1]] * 2
    assert cr.grad(lambda x: np.sum(np.cumsum(x)))(table).tolist() == [[6, 5, 4], [3, 2, 1]]
    assert cr.grad(lambda x: np.sum(np.cumsum(x)))(3.0) == 1.0


def test_spread_of_equal_numbers():
    same = np.full(4, 2.5)
    assert cr.grad(np.std)(same).tolist() == [0.0] * 4
    assert cr.grad(np.var)(same).tolist() == [0.0] * 4
    assert cr.grad(lambda x: np.var(x, ddof=1))(np.array([1.0, 3.0])).tolist() == [-2.0, 2.0]
    assert cr.grad(np.std)(np.array([1.0, 3.0])).tolist() == [-0.5, 0.5]


def test_a_variance_for_want_of_numbers_is_nan_as_numpy_has_it():
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match="Degrees of freedom"):
        assert np.isnan(cr.grad(lambda x: np.var(x, ddof=1))(np.array([2.0]))).all()


def test_flags_choose():
    f = lambda x: np.sum(np.where(np.any(x > 1, axis=1, keepdims=True), x, 0))
    assert cr.grad(f)(np.array([[0.0, 2.0], [0.0, 1.0]])).tolist() == [[1, 1], [0, 0]]
    f = lambda x: np.sum(np.where((x > 1).all(axis=0), x, 0))
    assert cr.grad(f)(np.array([[2.0, 2.0], [0.0, 3.0]])).tolist() == [[0, 1], [0, 1]]


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
def test_empty_arrays(shape):
    x = np.zeros(shape)
    for function, value in ((np.sum, 0.0), (np.prod, 1.0)):
        found, gradient = cr.value_and_grad(function)(x)
        assert (found, gradient.shape) == (value, shape)
    assert cr.grad(lambda x: np.sum(np.cumsum(x)))(x).shape == shape
    for function in (np.max, np.min):
        with pytest.raises(ShapeError, match=r"at least one number: the shape is \["):
            cr.grad(function)(x)
    with pytest.warns(RuntimeWarning):
        assert cr.grad(np.mean)(x).shape == shape


@pytest.mark.parametrize(
    ("f", "error", "says"),
    [
        (lambda x: np.sum(x, dtype=np.float32), UnsupportedError, "axis and keepdims only"),
        (lambda x: np.mean(x, where=x > 0), UnsupportedError, "not by where="),
        (lambda x: np.max(x, initial=0), UnsupportedError, "not by initial="),
        (lambda x: np.cumsum(x, dtype=int), UnsupportedError, "takes axis only"),
        (lambda x: np.max(x, axis=2), ShapeError, "axis 2 is out of range for shape"),
        (lambda x: np.cumsum(x, axis=2), ShapeError, "axis 2 is out of range for shape"),
    ],
)
def test_what_is_refused(f, error, says):
    with pytest.raises(error, match=says):
        cr.grad(lambda x: np.sum(f(x)))(np.ones((2, 3)))


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8, np.bool_])
def test_what_runs_gives_the_bits_of_the_function(name, dtype):
    gate = BY_NAME[name]
    x = np.linspace(-1.5, 2.5, 60).reshape(3, 4, 5).astype(dtype)
    for axis, keepdims in ((None, False), ((1,), True), ((0, 2), False)):
        attrs = {"axis": axis, "keepdims": keepdims}
        wanted = getattr(np, name)(x, **attrs)
        quick = eval(gate.quick_code(attrs, ()).format(x="x"), {"np": np, "x": x})
        for found in (quick, gate.evaluate(x, **attrs)):
            assert found.dtype == wanted.dtype and found.tobytes() == wanted.tobytes()

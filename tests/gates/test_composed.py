"""NumPy functions made of others: NumPy's bits, gradients by differences, errors with the line."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ShapeError, UnsupportedError
from chainrule.gates.composed import unstack

A = np.array([[1.5, -2.0, 0.25, 4.0], [-0.5, 3.0, 1.0, -1.25], [0.75, 2.5, -3.0, 0.125]])
ROW = A[0]
SIXES = np.arange(24.0).reshape(4, 6) / 7

CASES = {
    "split": (lambda a: np.split(a, 2, axis=1)[1] * np.split(a, [1, 3], axis=1)[1], A),
    "array_split": (lambda a: np.array_split(a, 3, axis=-1)[0], A),
    "hsplit": (lambda a: np.hsplit(a, 2)[1], A),
    "hsplit of a vector": (lambda a: np.hsplit(a, 2)[1], ROW),
    "vsplit": (lambda a: np.vsplit(a, 3)[2], A),
    "dsplit": (lambda a: np.dsplit(a, 2)[0], np.arange(8.0).reshape(2, 1, 4)),
    "sort": (lambda a: np.sort(a, axis=1), A),
    "sort of all": (lambda a: np.sort(a, axis=None), A),
    "argsort": (lambda a: a[0][np.argsort(a[1])], A),
    "argmax": (lambda a: a[np.argmax(a[:, 0])] * a[np.argmin(a[:, 1])], A),
    "argmax method": (lambda a: np.take_along_axis(a, a.argmax(axis=1, keepdims=True), 1), A),
    "median, even": (lambda a: np.median(a, axis=1), A),
    "median, odd": (lambda a: np.median(a, axis=0, keepdims=True), A),
    "median of all": (lambda a: np.median(a), A),
    "quantile": (lambda a: np.quantile(a, 0.3, axis=1, keepdims=True), A),
    "quantile above": (lambda a: np.quantile(a, 0.9), A),
    "percentile": (lambda a: np.percentile(a, 100, axis=0), A),
    "ptp": (lambda a: np.ptp(a, axis=1), A),
    "average": (lambda a: np.average(a, axis=0), A),
    "average, weighted": (lambda a: np.average(a, axis=0, weights=[1, 2, 4]), A),
    "average, by weights": (lambda a: np.average(A, weights=a * a, axis=1), A),
    "diff": (lambda a: np.diff(a, axis=0) * np.diff(a, n=2, axis=0), A),
    "trapezoid": (lambda a: np.trapezoid(a, dx=0.5), A),
    "trapezoid by x": (lambda a: np.trapezoid(a, np.array([0.0, 1.0, 3.0]), axis=0), A),
    "trapezoid of x": (lambda a: np.trapezoid(A[1], a), ROW),
    "cross": (lambda a: np.cross(a.T, np.array([1.0, 2.0, -1.0])), A),
    "linspace": (lambda a: np.linspace(a[0], a[1], 7), ROW),
    "linspace, open": (lambda a: np.linspace(a[0], 2.0, 3, endpoint=False), ROW),
    "fmax": (lambda a: np.fmax(a, np.array([np.nan, 0.0, 1.0, 9.0])), A),
    "fmin": (lambda a: np.fmin(np.array([np.nan, 0.0, 1.0, 9.0]), a), A),
    "float_power": (lambda a: np.float_power(a, 2), A),
    "fabs": (np.fabs, A),
    "positive": (np.positive, A),
    "divmod": (lambda a: np.multiply(*np.divmod(a, 0.7)) + np.multiply(*divmod(5.3, a)), A),
    "fix": (lambda a: np.fix(a) * a, A + 0.1),
    "round": (lambda a: np.round(a) * np.round(a / 3, 2) * a, A + 0.11),
    "flipud": (lambda a: np.flipud(a) * np.fliplr(a), A),
    "matrix_transpose": (np.matrix_transpose, A),
    "count_nonzero": (lambda a: a * np.count_nonzero(a > 0, axis=0), A),
    "isnan": (lambda a: np.where(np.isnan(a) | np.isinf(a), 0, a) * np.isfinite(a), A),
    "copysign": (lambda a: np.copysign(a, np.array([-1.0, 2.0, 3.0, -0.5])), A),
    "heaviside": (lambda a: np.heaviside(a, 0.5) * a, A),
    "radians": (lambda a: np.degrees(a) * np.radians(a), A),
}


@pytest.mark.filterwarnings("ignore:numpy.fix is deprecated")  # from 2.5 on
@pytest.mark.parametrize("name", CASES)
def test_numpys_bits_and_a_gradient_by_differences(name):
    f, a = CASES[name]
    value, back = cr.vjp(f, a)
    np.testing.assert_array_equal(value, f(a), strict=True)
    dout = np.random.default_rng(1).normal(size=np.shape(value))
    direction = np.random.default_rng(2).normal(size=a.shape)
    slope = np.sum(dout * (f(a + 1e-6 * direction) - f(a - 1e-6 * direction))) / 2e-6
    assert np.sum(back(dout)[0] * direction) == pytest.approx(slope, rel=1e-7, abs=1e-8)
    assert cr.circuit(f)(a, output_grad=dout).check()


def test_only_the_last_stage_has_the_name():
    def f(a):
        middle = np.median(a, axis=1)
        return np.sum(middle * middle)

    w = cr.circuit(f)(A)
    assert [names for names in w.circuit.names.values()] == [("a",), ("middle",), ("f",)]
    assert w["middle"].value.tolist() == np.median(A, axis=1).tolist()


def test_unstack():
    f = lambda a: np.sum(unstack(a, axis=1)[2] * unstack(a)[0][2])
    assert cr.grad(f)(A).nonzero()[1].tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (lambda a: np.split(a, 3, axis=1), ShapeError, r"axis 1 of shape \[3, 4\] has 4"),
        (lambda a: np.array_split(a, 0), ShapeError, "into 0 parts"),
        (lambda a: np.cross(a, a), ShapeError, r"three numbers.*\[3, 4\]"),
        (lambda a: np.average(a, axis=1, weights=a[0, :, None]), ShapeError, r"\[3, 4\]"),
        (lambda a: np.quantile(a, [0.1, 0.2]), UnsupportedError, r"not \[0.1, 0.2\]"),
        (lambda a: np.quantile(a, 0.5, method="lower"), UnsupportedError, "method"),
        (lambda a: np.linspace(a, 1.0), UnsupportedError, "one number to another"),
    ],
)
def test_what_is_refused_names_the_line(f, error, message):
    with pytest.raises(error, match=message) as caught:
        cr.grad(lambda a: np.sum(f(a)))(A)
    assert "test_composed.py line" in str(caught.value)

import math

import numpy as np
import pytest

from chainrule.check.differences import central, slope, widened


def slope_of(f, x):
    return slope(lambda t: f(x + t), 1.0, abs(x))


@pytest.mark.parametrize(
    ("f", "x", "derivative"),
    [
        (math.exp, 1.0, math.e),
        (math.exp, 30.0, math.exp(30)),
        (math.sin, 1e3, math.cos(1e3)),
        (math.log, 1e-8, 1e8),  # a step of 1e-5 would leave the domain
        (lambda x: x**-3, 1e-5, -3e20),
        (lambda x: x * x, 1e8, 2e8),
        (lambda x: x * x, 1e-12, 2e-12),
        (lambda x: math.sin(100 * x), 0.3, 100 * math.cos(30)),
        (lambda x: math.pow(x, 0.5), 1e-6, 500.0),
    ],
)
def test_smooth_functions_to_nine_digits(f, x, derivative):
    found = slope_of(lambda x: f(x) if x > 0 else math.nan, x)
    assert found.value == pytest.approx(derivative, rel=1e-9, abs=1e-12)
    assert not found.is_kink and not found.problem


def test_the_textbook_formula():
    assert central(lambda x: x**3, 2.0) == pytest.approx(12.0, abs=1e-9)
    assert central(lambda x: x**3, 2.0, h=0.1) == pytest.approx(12.04)  # 3 x^2 + h^2, h = 0.2


def test_a_kink_shows_both_slopes():
    found = slope_of(lambda x: max(2 * x, 5 * x), 0.0)
    assert found.is_kink
    assert (found.left, found.right, found.value) == (2.0, 5.0, 3.5)


@pytest.mark.parametrize("x", [1e-5, 1e-9, -1e-9])
def test_a_kink_close_by_is_no_kink_here(x):
    found = slope_of(abs, x)
    assert not found.is_kink
    assert found.value == pytest.approx(math.copysign(1, x), rel=1e-9)


def test_strong_curvature_is_no_kink():
    assert not slope_of(lambda x: math.exp(1000 * x), 0.01).is_kink


def test_a_jump_counts_as_a_kink():
    found = slope_of(lambda x: float(x > 0), 0.0)
    assert found.is_kink and found.left == 0.0 and found.right > 1e6


def test_what_cannot_be_measured_says_why():
    assert slope_of(np.exp, 1000.0).problem == "its value is inf"
    assert slope_of(lambda x: np.log(x - 1), 1.0).problem == "its value is -inf"
    assert slope_of(np.sqrt, 0.0).problem == "values close by are not finite"
    arriving = slope(lambda t: 3 * t, weights=math.nan)
    assert arriving.problem == "the gradient arriving is nan"


def test_an_infinity_that_stays_put_does_not_hide_the_rest():
    along = lambda t: np.array([np.inf, 3 * t, np.nan])
    assert slope(along, np.ones(3)).value == pytest.approx(3.0, rel=1e-12)


def test_digits_lost_to_cancellation_are_doubted():
    found = slope_of(lambda x: (x / 3 + 1e9) - 1e9, 0.3)
    assert 1e-9 < abs(found.value - 1 / 3) <= found.doubt


def test_arrays_are_weighted_and_added():
    x, weights = np.array([1.0, 2.0]), np.array([10.0, 1.0])
    along = lambda t: (x + t * np.array([1.0, -1.0])) ** 2
    assert slope(along, weights).value == pytest.approx(10 * 2 - 4, rel=1e-12)


def test_float32_is_measured_in_float64():
    assert widened(np.ones(2, np.float32)).dtype == np.float64
    assert widened(np.arange(2)).dtype.kind == "i"
    assert type(widened(1.5)) is float


# ---- a complex step


@pytest.mark.parametrize(
    ("f", "x", "derivative"),
    [
        (np.exp, 1.0, math.e),
        (np.sin, 1e3, math.cos(1e3)),
        (lambda x: x**-3, 1e-5, -3e20),
        (lambda x: np.log(1 + np.exp(x)), -3.0, 1 / (1 + math.exp(3))),
        (lambda x: np.exp(np.array([x, 2 * x])).sum(), 0.5, math.exp(0.5) + 2 * math.e),
    ],
)
def test_what_is_analytic_is_measured_to_all_its_digits(f, x, derivative):
    found = slope_of(f, x)
    assert found.by == "complex-step"
    assert found.value == pytest.approx(derivative, rel=2e-15)
    assert abs(found.value - derivative) <= found.doubt


@pytest.mark.parametrize(
    ("f", "derivative"),
    [
        (abs, -1.0),  # |x + ih| is real
        (lambda x: np.linalg.norm([x, 0.0]), -1.0),
        (math.exp, math.exp(-1.5)),  # takes no complex numbers
        (lambda x: np.asarray(x).astype(float) * 2, 2.0),  # drops the imaginary part
        (lambda x: 3 * x + 1e-6 * abs(x), 3 - 1e-6),  # almost analytic
        (np.floor, 0.0),
    ],
)
def test_what_is_not_goes_by_central_differences(f, derivative):
    found = slope_of(f, -1.5)
    assert found.by == "central"
    assert found.value == pytest.approx(derivative, rel=1e-9, abs=1e-12)


def test_a_kink_stays_a_kink():
    assert slope_of(lambda x: np.where(np.real(x) > 0, 2 * x, 5 * x), 0.0).is_kink

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.views.numbers import are_integers, format_number, format_value


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0.00"), (-0.0, "0.00"), (-0.534446645388523, "-0.53"), (0.0995, "0.10"),
        (0.0994, "0.0994"), (0.05, "0.0500"), (0.01798620996209156, "0.0180"), (-4.0, "-4.00"),
        (999.99, "999.99"), (999.996, "1000"), (1000.0, "1000"), (12345.6, "12346"),
        (99999.4, "99999"), (99999.6, "1.00e5"), (123456.0, "1.23e5"), (-1e5, "-1.00e5"),
        (0.001, "0.00100"), (0.000999, "9.99e-4"), (0.00099999, "0.00100"), (1.66e-4, "1.66e-4"),
        (1e300, "1.00e300"), (5e-324, "4.94e-324"), (math.nan, "nan"), (math.inf, "inf"),
        (-math.inf, "-inf"), (np.float32(0.5), "0.50"), (7, "7.00"),
    ],
)  # fmt: skip
def test_a_number_is_printed_by_its_size(number, text):
    assert format_number(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(-4.0, "-4"), (0.0, "0"), (-0.0, "0"), (99999.0, "99999"), (1e5, "1.00e5"), (0.5, "0.50")],
)
def test_whole_numbers_print_without_a_point_where_all_are(number, text):
    assert format_number(number, integers=True) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.017986, "0.02"), (-0.004, "0.00"), (-4.0, "-4.00"), (1e6, "1000000.00"), (-0.006, "-0.01")],
)
def test_fixed_decimals_print_the_figures_labels(number, text):
    assert format_number(number, integers=True, decimals=2) == text


@given(st.floats(-1e300, 1e300) | st.floats(-1e6, 1e6) | st.floats(-1, 1))
def test_a_printed_number_is_near_the_number_and_short(number):
    text = format_number(number)
    step = 0.01 if abs(number) >= 0.0995 else 0
    assert abs(float(text) - number) <= max(0.00501 * abs(number), 0.501 * step)
    assert len(text) <= len("-4.94e-324")


def test_small_arrays_print_their_elements_and_large_ones_their_norm():
    assert format_value(np.array([1.0, -2.0])) == "[1.00 -2.00]"
    assert format_value(np.array([[1.0, 2.0], [3.0, 4.0]]), integers=True) == "[[1 2] [3 4]]"
    assert format_value(np.full((5, 10), 0.5)) == "[5,10] norm 3.54"
    assert format_value(np.zeros((0, 3))) == "[0,3] norm 0.00"
    assert format_value(np.array(2.5)) == "2.50"
    assert format_value(np.bool_(True)) == "True"


def test_a_circuit_is_in_integers_when_all_its_numbers_are(note):
    (_, part, whole), (_, fractions, others) = note.c1, note.n1
    assert are_integers(whole, part)
    assert not are_integers(others, fractions)


def test_one_gradient_that_is_not_whole_is_enough(worked):
    _, part, readings = worked(lambda x, y: x / y, 4.0, 2.0)  # value 2; gradients 0.5, -1
    assert not are_integers(readings, part)


def test_large_whole_numbers_are_no_integers(worked):
    _, part, readings = worked(lambda x: x * 2, 50_000.0)
    assert not are_integers(readings, part)

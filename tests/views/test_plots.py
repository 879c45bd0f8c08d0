"""Plots of arrays, and how wide wires are: what a reader can check by eye."""

import numpy as np
import pytest

from chainrule.views.flow import Flow, flow
from chainrule.views.plots import plot


def boxes(found, role):
    return [box for layer in found.layers if layer.role == role for box in layer.boxes]


def test_a_small_matrix_is_drawn_cell_by_cell():
    found = plot(np.array([[1.0, -0.5, 0.0], [1.0, 1.0, np.nan]]), "value")
    assert (found.width, found.height) == (30, 20)
    assert [(x.role, x.strength, x.boxes) for x in found.layers[1:]] == [
        ("negative", 0.5, ((10, 0, 10, 10),)),
        ("value", 1.0, ((0, 0, 10, 10), (0, 10, 20, 10))),  # neighbours are one box
        ("ink", 1.0, ((20, 10, 10, 10),)),
    ]


@pytest.mark.parametrize(
    ("shape", "has_cells"),
    [((32,), True), ((33,), False), ((16, 16), True), ((16, 17), False), ((2, 2, 2), False)],
)
def test_size_decides_what_is_drawn(shape, has_cells):
    assert plot(np.ones(shape), "value").has_cells is has_cells


def test_a_histogram_has_its_tallest_bar_where_most_numbers_are():
    found = plot(np.array([0.0] * 90 + [10.0] * 9 + [-10.0]), "gradient")
    bars = {x: height for x, _, _, height in boxes(found, "gradient")}
    assert bars == {0.0: 0.8, 31.2: 18.0, 59.8: 1.8}  # one number is still seen
    assert boxes(found, "wire")[1] == (30.7, 18.0, 1.0, 3.0)  # zero stands in the middle


@pytest.mark.parametrize(
    "array",
    [np.zeros(100), np.full(100, 1e308), np.array([-1e308, 1e308] * 50), np.full((3, 3), 5e-324),
     np.arange(100) > 50, np.arange(40), np.array([np.inf, 1.0] * 50)],
)  # fmt: skip
def test_every_array_has_a_plot_within_its_bounds(array):
    found = plot(array, "value")
    every = [box for layer in found.layers for box in layer.boxes]
    assert len(every) > 1 or not array.any()
    assert all(x >= 0 and y >= 0 and w > 0 and h > 0 for x, y, w, h in every)
    assert max(x + w for x, _, w, _ in every) <= found.width
    assert max(y + h for _, y, _, h in every) <= found.height


def test_nothing_is_drawn_of_a_number_nor_of_no_numbers():
    assert plot(3.0, "value") is None
    assert plot(np.ones((0, 3)), "value") is None
    assert plot(np.full(9, np.nan), "value") is None


def test_ten_times_the_gradient_is_one_pixel():
    wires = flow([0.01, 0.1, 10.0, 0.0, float("nan")])
    assert wires == Flow(0.01, 10.0)
    assert [wires.width(n) for n in (0.0, 0.01, 0.1, 1.0, 10.0)] == [1.6, 1.6, 2.6, 3.6, 4.6]


def test_widths_are_bounded():
    wires = flow([1e-20, 1.0])
    assert [wires.width(n) for n in (1e-20, 1e-3, 1e-2, 1.0, float("inf"))] == \
        [1.6, 1.6, 2.6, 4.6, 1.6]
    assert flow([0.0, float("inf")]) is None

import numpy as np
import pytest

from chainrule.views.labels import drawn_inputs, labels, symbol


def printed(example, decimals=None):
    return [f"{label.text} {label.value}/{label.gradient}" for label in labels(*example, decimals)]


def test_c1_prints_integers(note):
    assert printed(note.c1) == ["x -2/-4", "y 5/-4", "z -4/3", "q(+) 3/-4", "f(*) -12/1"]


def test_n2_prints_the_labels_of_the_figure(note):
    assert printed(note.n1, decimals=2) == [
        "w0 2.00/-0.20", "x0 -1.00/0.39", "w1 -3.00/-0.39", "x1 -2.00/-0.59", "w2 -3.00/0.20",
        "* -2.00/0.20", "* 6.00/0.20", "+ 4.00/0.20", "+ 1.00/0.20", "*-1 -1.00/-0.20",
        "exp 0.37/-0.53", "+1 1.37/-0.53", "1/x 0.73/1.00",
    ]  # fmt: skip


def test_f1_has_four_gates(note):
    assert printed(note.f1) == [
        "x 3/-8", "y -4/6", "z 2/2", "w -1/0", "* -12/2", "max 2/2", "+ -10/2", "*2 -20/1",
    ]  # fmt: skip


def test_inputs_stand_in_order_of_first_use_and_unused_ones_last(worked):
    example = worked(lambda a, b, c: c * b, 1.0, 2.0, 3.0)
    assert printed(example)[:3] == ["c 3/2", "b 2/3", "a 1/"]


@pytest.mark.parametrize(
    ("f", "sign"),
    [
        (lambda x: x + 1, "+1"), (lambda x: 1 + x, "+1"), (lambda x: 2 * x, "*2"),
        (lambda x: x - 3, "-3"), (lambda x: 1 - x, "1-x"), (lambda x: 1 / x, "1/x"),
        (lambda x: x / 1.5, "/1.5"), (lambda x: x**2.0, "**2"), (lambda x: 2**x, "2**x"),
        (lambda x: -x, "*-1"), (lambda x: np.exp(x), "exp"), (lambda x: x * 1e-5, "*1e-5"),
        (lambda x: x / 3 * (1 / 3), "*0.3333"), (lambda x: np.maximum(x, 0), "max 0"),
        (lambda x: x * x, "*"), (lambda x: np.where(x > 1, x, 0.0), "where"),
    ],
)  # fmt: skip
def test_a_constant_number_is_folded_into_its_gate(worked, f, sign):
    circuit, part, _ = worked(f, 4.0)
    assert symbol(circuit, part.output) == sign


def test_drawn_inputs_leave_out_the_folded_number(worked):
    circuit, part, _ = worked(lambda x: 1 - x, 4.0)
    assert drawn_inputs(circuit, part.output) == [0]
    circuit, part, _ = worked(lambda x: x * x, 4.0)
    assert drawn_inputs(circuit, part.output) == [0, 0]


def test_constant_arrays_are_drawn(worked):
    circuit, _, _ = worked(lambda x: np.sum(x + np.ones(2)), np.ones(2))
    plus = circuit.forward_rows()[0]
    assert symbol(circuit, plus) == "+"
    assert len(drawn_inputs(circuit, plus)) == 2

"""The JSON document: the note's labels, and every number read back bit for bit."""

import json
import math

import numpy as np
import pytest

import chainrule as cr
from chainrule.circuit.text import from_text
from chainrule.views.record import plain, record, to_json, value_of


def document(example, **settings):
    return json.loads(to_json(record(*example, title="f", text_of=example[0], **settings)))


def data_labels(example, **settings):
    found = document(example, **settings)
    return [x["label"] for x in (*found["inputs"], *found["stages"])]


def test_n2_has_the_13_labels_of_the_figure(note):
    assert data_labels(note.n1, decimals=2) == [
        "w0 2.00/-0.20", "x0 -1.00/0.39", "w1 -3.00/-0.39", "x1 -2.00/-0.59", "w2 -3.00/0.20",
        "* -2.00/0.20", "* 6.00/0.20", "+ 4.00/0.20", "+ 1.00/0.20", "*-1 -1.00/-0.20",
        "exp 0.37/-0.53", "+1 1.37/-0.53", "1/x 0.73/1.00",
    ]  # fmt: skip


def test_c1_and_f1_have_the_labels_of_the_note(note):
    assert data_labels(note.c1) == ["x -2/-4", "y 5/-4", "z -4/3", "q(+) 3/-4", "f(*) -12/1"]
    assert data_labels(note.f1) == [
        "x 3/-8", "y -4/6", "z 2/2", "w -1/0", "* -12/2", "max 2/2", "+ -10/2", "*2 -20/1",
    ]  # fmt: skip


def test_a_stage_says_where_it_stands_and_what_it_does(note):
    first, second = document(note.c1)["stages"]
    assert (first["gate"], first["operands"], first["names"]) == ("add", [0, 1], ["q"])
    assert first["file"].endswith("conftest.py") and first["function"] == "product"
    assert second["line"] == first["line"] + 1
    assert (first["value"], first["gradient"], first["sends"]) == (3.0, -4.0, [-4.0, -4.0])


def test_groups_are_told(note):
    (group,) = document(note.n1)["groups"]
    symbols = {x["wire"]: x["symbol"] for x in document(note.n1)["stages"]}
    assert (group["gate"], group["closed"]) == ("sigmoid", True)
    assert [symbols[wire] for wire in group["stages"]] == ["*-1", "exp", "+1", "1/x"]
    assert [symbols[wire] for wire in (*group["inputs"], group["output"])] == ["+", "1/x"]


@pytest.mark.parametrize(
    "value",
    [0.1, 5e-324, -0.0, 1, True, None, math.inf, -math.inf, np.float32(0.1), np.float64(1 / 3),
     np.array([0.1, np.inf, -0.0]), np.ones((2, 0, 3)), np.arange(6).reshape(2, 3),
     np.array([True, False]), np.array([[0.1]], np.float32)],
)  # fmt: skip
def test_values_come_back_bit_for_bit(value):
    again = value_of(json.loads(json.dumps(plain(value), allow_nan=False)))
    assert type(again) is type(value)
    if isinstance(value, np.ndarray):
        assert (again.dtype, again.shape) == (value.dtype, value.shape)
        assert again.tobytes() == value.tobytes()
    else:
        assert repr(again) == repr(value)


def test_nan_is_a_word():
    assert plain(math.nan) == "nan" and math.isnan(value_of("nan"))
    assert plain(np.array([np.nan, 1.0]))["data"] == ["nan", 1.0]


def test_the_text_reads_back_to_the_circuit():
    data = np.linspace(0.0, 1.0, 20)
    w = cr.circuit(lambda x: np.sum(np.exp(x) * data))(np.ones(20))
    found = json.loads(w.json())
    arrays = {name: value_of(x) for name, x in found["arrays"].items()}
    circuit = from_text(found["text"], arrays)
    assert circuit.operand == w.circuit.operand and circuit.kind == w.circuit.kind
    np.testing.assert_array_equal(circuit.constants[0], data)
    gradient = value_of(found["inputs"][0]["gradient"])
    assert gradient.tobytes() == w.gradients["x"].tobytes()

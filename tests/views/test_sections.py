"""Gates by the call they were written in, and pictures that draw a call as one box."""

import numpy as np
import pytest

from chainrule.views.boxes import call_boxes
from chainrule.views.sections import readable, sections
from chainrule.views.things import things


def double(x):
    return x + x * 1.0


def cell(h, x):
    a = double(h) + x
    return np.tanh(a)


def chain(x):
    h = x
    for _ in range(3):
        h = cell(h, x)
    f = h * 2
    return f


def summary(example, collapse):
    circuit, part, _ = example
    return [
        (s.call[0] if s.call else None, len(s.rows), [circuit.name(w) for w in s.reads],
         [circuit.name(w) for w in s.gives])
        for s in sections(circuit, part, collapse)
    ]


def test_a_loop_of_n_calls_gives_n_sections(worked):
    assert summary(worked(chain, 1.0), True) == [
        ("cell", 4, ["x"], ["h"]), ("cell", 4, ["h", "x"], ["h"]), ("cell", 4, ["h", "x"], ["h"]),
        (None, 1, ["h"], ["f"]),
    ]  # fmt: skip


def test_depth_and_names_choose_the_calls(worked):
    example = worked(chain, 1.0)
    inner = [(name, rows) for name, rows, *_ in summary(example, 2)]
    assert inner == [("double", 2), (None, 2)] * 2 + [("double", 2), (None, 3)]
    assert summary(example, "double") == summary(example, ["double", "other"])
    assert [name for name, *_ in summary(example, "double")] == ["double", None] * 3
    assert [name for name, *_ in summary(example, False)] == [None]


def test_a_call_that_runs_in_turn_with_its_caller_is_no_box(worked):
    def steps(x):
        y = x * 2
        yield y
        yield y * x

    def f(x):
        found = x
        for y in steps(x):
            found = found + y
        return found

    circuit, part, _ = worked(f, 3.0)
    assert all(s.call is None or len(s.rows) == 1 for s in sections(circuit, part))


def test_a_box_has_the_numbers_of_its_wires_and_sums_what_it_sends_back(worked):
    found = things(*worked(chain, 1.0), collapse=True)
    assert [t.text for t in found.things] == ["x", "cell", "cell", "cell", "×2"]
    whole = {t.name: t.gradient for t in things(*worked(chain, 1.0)).things}
    last = found.things[3]
    assert (last.name, last.gradient) == ("h", "2.00") and whole["f"] == "1.00"
    sent = 2 * (1 - np.tanh(2 * np.tanh(2 * np.tanh(3.0) + 1) + 1) ** 2)
    assert last.terms[1] == f"{sent:#.3g}"
    assert found.caption == "3 calls of cell drawn as a box each, 13 gates in all"


def test_a_call_that_gives_several_values_is_followed_by_each(worked):
    def both(x):
        a = x * 2
        b = a * x
        return a, b

    def f(x):
        a, b = both(x)
        return a * b

    found = things(*worked(f, 3.0), collapse=True).things
    assert [(t.label, t.inputs) for t in found] == [
        ("x 3/108", ()), ("both 2 values/", (0,)), ("a(1 of 2) 6/36", (1,)),
        ("b(2 of 2) 18/6", (1,)), ("* 108/1", (2, 3)),
    ]  # fmt: skip


def test_above_150_gates_a_picture_collapses_as_little_as_it_can(worked):
    def run(x, n):
        for _ in range(n):
            x = cell(x, x)
        return x

    def visible(n):
        circuit, part, _ = worked(lambda x: run(x, n), 1.0)
        depth = readable(circuit, part)
        return depth, [b.symbol for b in call_boxes(circuit, part, depth)]

    assert visible(37) == (False, [])  # 148 gates
    assert visible(49) == (3, ["double"] * 49)  # 147 gates and boxes
    assert visible(51) == (2, ["cell"] * 51)
    assert visible(200) == (2, ["cell"] * 200)  # all of run in one box would tell nothing


@pytest.mark.parametrize("collapse", [True, 2, "double"])
def test_nothing_is_said_of_boxes_where_there_are_none(note, collapse):
    assert things(*note.n1, collapse=collapse).caption == ""

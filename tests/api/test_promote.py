"""Constants as inputs: how they are named, and what gradients they get."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import InputError


def f(x):
    h = 2 * x + 1
    return h**2 + 1


def run_alone(code):
    space = {}
    exec(compile(str(code), "<printed>", "exec"), space)
    return space


def test_by_number_by_gate_by_line_and_by_place():
    w = cr.circuit(f)(3.0)  # h = 7
    assert w.promote(a="*2")["a"].grad == 42.0  # 2 h x
    assert w.promote(b=("+1", 0))["b"].grad == 14.0  # 2 h
    assert w.promote(b=("+1", 1))["b"].grad == 1.0
    assert w.promote(b="h")["b"].grad == 14.0
    assert w.promote(n="**2")["n"].grad == pytest.approx(49 * np.log(7), rel=1e-15)


def test_they_can_be_moved_and_are_checked_and_printed():
    w = cr.circuit(f)(3.0).promote(b=("+1", 0), a="*2")
    assert w.at(b=0.0).value == 37.0 and w.check()
    value, gradients = run_alone(w.code())["f_grad"](3.0, 1.0, 2.0)
    assert (value, gradients) == (w.value, tuple(w.gradients.values()))
    assert "Raising b a little raises f, 14 times as fast." in w.explain()


def test_all_numbers():
    assert list(cr.circuit(f)(3.0).promote("all").gradients) == ["x", "c1", "c2", "c3", "c4"]


def test_arrays_read_from_outside_by_their_names():
    data = np.array([1.0, 2.0])
    w = cr.circuit(lambda w: (w * data).sum())(np.array([3.0, 4.0]))
    np.testing.assert_array_equal(w.promote("data").gradients["data"], [3.0, 4.0])


def test_groups_stay_where_they_do_not_rest_on_the_constant():
    def g(x):
        return 1 / (1 + np.exp(-x)) + 5 * x

    w = cr.circuit(g)(1.0)
    assert [x.gate.name for x in w.promote(k=5).circuit.groups] == ["sigmoid"]
    assert w.promote(c="+1").circuit.groups == ()
    ruled = cr.group(lambda x: x * 3, local=lambda x, out: 3, name="ruled")
    w = cr.circuit(lambda x: ruled(x) * 2)(1.0)
    assert [x.gate.name for x in w.promote(k="*2").circuit.groups] == ["ruled"]
    with pytest.raises(InputError, match="lies in the group ruled, whose local= knows nothing"):
        w.promote(k="*3")


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"c": 9.0}, r"no constant 9.0 to promote as c. Constants here:\n  2 in '\*2', .*line"),
        ({"c": 1}, r"2 constants are 1; say which by its gate or its place among them, as "
                   r"promote\(c=\(1, 0\)\):\n  1 in '\+1', .*line 11\n  1 in '\+1', .*line 12"),
        ({"x": "*2"}, "there is an input x already"),
        ({"c": ("+1", 5)}, "there is no number 5 among the constants that are '\\+1'"),
        ({}, "nothing to promote. Constants here:"),
        ({"a": "*2", "b": "*2"}, "b is another name for one constant"),
    ],
)
def test_what_is_not_one_constant_is_told_with_those_there_are(chosen, message):
    with pytest.raises(InputError, match=message):
        cr.circuit(f)(3.0).promote(**chosen)

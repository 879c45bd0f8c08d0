"""Wires are named as the user named them, wherever the name is given; stages know their lines."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import InputError


def names(worked):
    return [worked.circuit.name(r) for r in worked.circuit.forward_rows()]


def test_simple_chained_and_tuple_targets():
    def f(x, y):
        p = x * y
        q = r = p + x  # noqa: F841  # that r is a name of it too is what is tested
        a, b = q - y, q * y
        return a * b

    w = cr.circuit(f)(2.0, 3.0)
    assert names(w) == ["p", "q", "a", "b", "f"]
    assert w["q"].value == w["r"].value == 8.0
    assert "q = r = p + x" in w.code()


def test_a_helpers_value_gets_its_callers_name():
    def helper(u, v):
        inner = u * v
        return inner + u

    def kept(u):
        local = u * 2
        return local

    def pair(u, v):
        s = u + v
        return s, u * v

    def f(x, y):
        h = helper(x, y)
        k = kept(h)
        s, p = pair(k, y)
        return s * p

    w = cr.circuit(f)(2.0, 3.0)
    assert names(w) == ["inner", "h", "k", "s", "p", "f"]


def test_the_items_of_a_list_have_the_names_they_are_unpacked_to():
    def f(x):
        left, (middle, right) = x[:1], np.split(x[1:], 2)
        parts = np.split(right, 1)
        return np.sum(left + middle + parts[0])

    w = cr.circuit(f)(np.arange(3.0))
    assert names(w) == ["left", None, "middle", "right", "parts", None, None, "f"]


def test_a_quotient_and_its_remainder_have_names_of_their_own():
    def f(x, y):
        q, r = divmod(x, y)
        n, m = np.divmod(9.0, x)
        k, _ = divmod(9.0, y)
        return q + r + n + m + k

    w = cr.circuit(f)(5.5, 2.0)
    assert [w[name].value for name in "qrnmk"] == [2.0, 1.5, 1.0, 3.5, 4.0]


def test_a_name_given_again_and_again():
    def f(x):
        h = x
        for _ in range(3):
            h = h * x
        return h

    w = cr.circuit(f)(2.0)
    assert [w["h", i].value for i in range(3)] == [4.0, 8.0, 16.0]
    assert w["h"].value == 16.0
    assert [line.target for line in w.code().forward] == ["h", "h_2", "h_3"]
    with pytest.raises(InputError, match="names 3 wires; there is no number 3"):
        w["h", 3]
    with pytest.raises(InputError, match="no wire named 'q'; named wires: x, h"):
        w["q"]


def test_names_work_without_source():
    space = {"np": np}
    exec("def f(x):\n    e = np.exp(x)\n    return e * x\n", space)
    w = cr.circuit(space["f"])(1.0)
    assert names(w) == ["e", "f"]


def test_a_variable_called_dx_does_not_collide_with_the_gradient_of_x():
    def f(x):
        dx = x * 2
        return dx * x

    code = cr.circuit(f)(3.0).code()
    space = {}
    exec(compile(str(code), "<printed>", "exec"), space)
    assert space["f_grad"](3.0) == (18.0, 12.0)
    assert "dx_ = " in code and "ddx = " in code


def test_the_origin_of_a_stage_is_the_users_line():
    def f(x):
        y = np.exp(x)
        return (y * y).sum()

    w = cr.circuit(f)(np.ones(3))
    first = f.__code__.co_firstlineno
    origins = [w.circuit.origin_of(r) for r in w.circuit.forward_rows()]
    assert [o.line - first for o in origins] == [1, 2, 2]
    assert all(o.file == __file__ and o.function == "f" for o in origins)


def test_leaves_of_lists_and_dicts_are_named_after_their_place():
    def f(w, p):
        return w[0] * w[1] + p["a"]

    c = cr.circuit(f)([1.0, 2.0], {"a": 3.0}).circuit
    assert [c.name(i) for i in c.inputs] == ["w0", "w1", "p_a"]


def test_a_gradient_inside_is_placed_at_the_line_that_takes_it():
    def f(x):
        g = cr.grad(lambda y: x * y * y)(x)
        return g * x

    w = cr.circuit(f)(3.0)
    first = f.__code__.co_firstlineno
    lines = {w.circuit.origin_of(r).line - first for r in w.circuit.forward_rows()}
    assert lines == {1, 2}
    assert w.gradients["x"] == 6 * 3.0 * 3.0

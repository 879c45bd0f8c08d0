"""The words of the backward pass, on the note's own examples."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.api.sources import expression


def words(source, **values):
    return " ".join(expression(source, values).explain().split())


def test_s3_a_product_in_words():
    text = words("x * y", x=4, y=-3)
    assert "Raising x a little lowers f, three times as fast." in text
    assert "Raising y a little raises f, four times as fast." in text


def test_s5_a_maximum_is_local_only():
    text = words("max(x, y)", x=4, y=2)
    assert "all to x, none to y" in text
    assert "Raising y a little does not move f." in text and "local only" in text
    assert expression("max(x, y)", {"x": 4, "y": 2 + 1e-3}).value == 4
    assert expression("max(x, y)", {"x": 4, "y": 2 + 5}).value == 7


def test_s6_a_tie_is_shared():
    assert "x gets 0.50 x 1.00 = 0.50, y gets 0.50 x 1.00 = 0.50 (a tie is shared equally)" in \
        words("max(x, y)", x=2, y=2)


def test_c4_what_the_circuit_wants():
    assert "q = x + y is 3. f wants it lower, with force 4." in \
        words("q = x + y; f = q * z", x=-2, y=5, z=-4)
    x, y, z = (v + 0.01 * g for v, g in ((-2, -4), (5, -4), (-4, 3)))
    assert (x + y) * z == pytest.approx(-11.5924) and (x + y) * z > -12


def test_f2_add_distributes_max_routes_multiply_swaps():
    text = words("2*(x*y + max(z, w))", x=3, y=-4, z=2, w=-1)
    assert "The + gate distributes: both inputs get 2." in text
    assert "The max gate routes: all to z, none to w." in text
    assert "swaps its inputs: x gets -4 x 2 = -8, y gets 3 x 2 = 6." in text
    assert "The *2 gate sends back: x * y + max(z, w) gets 2 x 1 = 2." in text


def test_forks_add_up():
    assert "x gets 3 + 3 + 1 (" in words("x*x + x", x=3) or \
        "x gets 1 + 3 + 3 (" in words("x*x + x", x=3)


def test_a_group_is_explained_as_one():
    assert "together are one sigmoid. As one gate it multiplies by (1 - f) * f" in \
        words("1/(1+exp(-x))", x=1)


def test_arrays_and_dead_inputs():
    w = cr.circuit(lambda W, x, unused: (W @ x).sum())(np.ones((2, 3)), np.ones(3), 1.0)
    text = " ".join(w.explain().split())
    assert "The @ gate multiplies by the other input, transposed" in text
    assert "unused has no gradient: f does not depend on it." in text


def test_nan_is_said():
    with np.errstate(all="ignore"):
        text = words("x * (1 / y)", x=0, y=0)
    assert "cannot be said: the slope of f is nan" in text


# ---- large circuits


def step(h, x, unread):
    a = np.tanh(h * x)
    unread = unread * 2
    b = a + h
    return b * 0.5


def steps(x, y):
    h = y
    for _ in range(12):
        h = step(h, x, y)
    return h


def test_a_large_circuit_is_told_by_function():
    w = cr.circuit(steps)(0.5, 2.0)
    text = " ".join(w.explain().split())
    assert "step is called 12 times, 60 gates in all. The gradient that reaches it has norm 1.00 " \
        "at call 12 and" in text
    assert "The largest gradients: 1.00 reaches step 12, which gives h_12 and sends back" in text
    assert "No gradient reaches unread, unread_2," in text and "and 4 more." in text
    assert "x gets" in text and "+ ... +" in text and "(12 readers add up)" in text
    assert len(w.explain().splitlines()) < 25 < len(w.explain(full=True).splitlines())


def test_without_calls_the_largest_gradients_are_told():
    def f(x):
        h = x
        for n in range(50):
            h = h * (1 + n % 2)
        return h

    text = cr.circuit(f)(1.0).explain()
    assert "Of 50 gates, the 10 with the largest gradients:" in text
    assert text.count("The *") == 10 and "h_50 wants it higher, with force 3.36e7." in text


def test_vanishing_gradients_are_called_so():
    def f(x):
        for _ in range(25):
            x = step(1e-3 * x, 1.0, x)
        return x

    assert "it vanishes on the way" in " ".join(cr.circuit(f)(1.0).explain().split())


# ---- branches


def followed(x, y):
    if x > y:
        x = x * 2
    return max(x, y * 3) + 1


def test_branches_that_were_taken_are_told_with_their_lines():
    line = followed.__code__.co_firstlineno
    text = " ".join(cr.circuit(followed)(3.0, 1.0).explain().split())
    assert f"In line {line + 1} the program asked x > y: it was True, and went that way." in text
    assert f"In line {line + 3} max followed its branch, to x_2, as y * 3 > x_2 was False." in text
    assert "knows nothing of the ways not taken. Write np.maximum for a gate that" in text


def test_a_plain_number_may_be_what_a_builtin_took():
    def f(x):
        return max(x, 3.0) * x + min(x, 3.0) + max(0.5, x)

    text = " ".join(cr.circuit(f)(1.0).explain().split())
    assert "max followed its branch, to 3.0, as x < 3.0 was True." in text
    assert "min followed its branch, to x, as x > 3.0 was False." in text
    assert "max followed its branch, to x, as x > 0.5 was True." in text


def test_a_branch_that_would_now_go_the_other_way_says_so():
    text = " ".join(cr.circuit(followed)(3.0, 1.0).at(y=5.0).explain().split())
    assert "At these inputs it is False, but the circuit was traced when it was True" in text


def test_the_result_of_a_builtin_max_has_the_name_and_not_its_question():
    def f(x, y):
        m = max(x * 2, y)
        return m * 3

    w = cr.circuit(f)(1.0, 5.0)
    assert "m" not in {n for names in w.circuit.names.values() for n in names}  # m is y itself
    assert w["y"].grad == 3.0

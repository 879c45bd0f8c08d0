"""What a traced value can and cannot do: each refusal names the user's line and what to write."""

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import (
    DTypeError,
    InputError,
    OutputError,
    ShapeError,
    TraceError,
    UnsupportedError,
)

REFUSED = [
    (lambda x: math.exp(x), 1.0, TraceError, "write np.exp(x) instead of math.exp(x)"),
    (lambda x: float(x) * 2, 1.0, TraceError, "use x itself instead of float(x)"),
    (lambda x: np.array([x, x]).sum(), 1.0, TraceError, "cannot hold traced values"),
    (lambda x: np.spacing(x), 1.0, UnsupportedError, "np.spacing has no gate"),
    (lambda x: np.add.reduce(x), np.ones(3), UnsupportedError, "np.add.reduce has no gate"),
    (lambda x: np.add(x, 1, out=np.zeros(3)).sum(), np.ones(3), UnsupportedError, "with out="),
    (lambda x: np.nanmedian(x), np.ones(3), UnsupportedError, "np.median has no gate"),
    (lambda x: x.tolist(), np.ones(3), UnsupportedError, "no attribute or method 'tolist'"),
    (lambda x: (x + "a").sum(), np.ones(3), TypeError, "unsupported operand"),
    (lambda x: (x @ np.ones((4, 2))).sum(), np.ones((2, 3)), ShapeError, "x is [2, 3]"),
    (lambda x: (x + np.ones(4)).sum(), np.ones(3), ShapeError, "got [3] and [4]"),
    (lambda x: x.sum(axis=2), np.ones(3), ShapeError, "axis 2 is out of range for shape [3]"),
    (lambda x: np.sum(x, dtype=float), np.ones(3), UnsupportedError, "axis and keepdims only"),
    (lambda x: x.dot(2.0), np.ones(3), UnsupportedError, "write * instead"),
]


@pytest.mark.parametrize(("f", "x", "error", "says"), REFUSED, ids=[r[3] for r in REFUSED])
def test_what_cannot_be_passed_on_is_refused(f, x, error, says):
    with pytest.raises(error) as caught:
        cr.grad(f)(x)
    assert says in str(caught.value)
    if error is not TypeError:
        assert "test_traced.py line" in str(caught.value)


def test_a_shape_error_suggests_the_transpose():
    with pytest.raises(ShapeError, match=r"Perhaps x @ y\.T, which gives \[5, 3\]"):
        cr.grad(lambda w: (w @ np.ones((3, 10))).sum())(np.ones((5, 10)))


def test_an_integer_array_says_what_to_write():
    with pytest.raises(DTypeError, match=r"weights is an integer array of shape \[3\].*\n.*"
                                         r"weights\.astype\(float\)"):
        cr.grad(lambda weights: (weights * weights).sum())(np.arange(3))


def test_a_leaf_of_an_argument_is_named_by_the_way_to_it():
    weights = {"W": [1.0, np.arange(3)]}
    with pytest.raises(DTypeError, match="weights_W1 is an integer array"):
        cr.grad(lambda weights: weights["W"][0])(weights)


def test_a_complex_array_is_refused():
    with pytest.raises(DTypeError, match="complex"):
        cr.grad(lambda x: x.sum())(np.ones(2) * 1j)


def test_other_inputs_are_refused_by_name():
    with pytest.raises(InputError, match="x is str 'abc'"):
        cr.grad(lambda x: x)("abc")
    with pytest.raises(InputError, match="argnums=2, but f was called with 1 positional"):
        cr.grad(named, argnums=2)(1.0)


def named(f):
    return f


named.__name__ = "f"


@pytest.mark.parametrize(
    ("f", "says"),
    [
        (lambda x: None, "forget to return"),
        (lambda x: (x, x), "a tuple of 2 items"),
        (lambda x: "text", "returned a str"),
    ],
)
def test_outputs_without_a_gradient(f, says):
    with pytest.raises(OutputError, match=says):
        cr.grad(f)(1.0)


def test_an_array_output_points_to_vjp():
    with pytest.raises(OutputError, match=r"shape \[3\].*\n.*vjp"):
        cr.grad(lambda x: x * 2)(np.ones(3))


def test_an_output_gradient_of_the_wrong_shape():
    _, pullback = cr.vjp(lambda x: x * 2, np.ones(3))
    with pytest.raises(ShapeError, match=r"shape \[3\], but its gradient was given with shape \[2"):
        pullback(np.ones(2))


def test_a_value_of_a_finished_trace_is_refused():
    kept = []
    cr.grad(lambda x: kept.append(x) or x * 2)(1.0)
    for use in (lambda v: v * 2, lambda v: np.exp(v), lambda v: -v, lambda v: 2 * v):
        with pytest.raises(TraceError, match="a trace that has finished"):
            use(kept[0])
    with pytest.raises(TraceError, match="a trace that has finished"):
        cr.grad(lambda x: x * kept[0])(1.0)


def test_has_aux_gives_plain_numbers_back():
    gradient, aux = cr.grad(lambda x: (x * x, {"twice": 2 * x}), has_aux=True)(3.0)
    assert (gradient, aux) == (6.0, {"twice": 6.0})
    (value, aux), gradient = cr.value_and_grad(lambda x: (x * x, x), has_aux=True)(3.0)
    assert (value, aux, gradient) == (9.0, 3.0, 6.0)
    with pytest.raises(OutputError, match=r"must return \(value, aux\)"):
        cr.grad(lambda x: x, has_aux=True)(1.0)


def test_an_output_that_does_not_depend_on_an_input_has_gradient_zero():
    assert cr.grad(lambda x, y: x * x, argnums=(0, 1))(3.0, 4.0) == (6.0, 0.0)
    assert cr.grad(lambda x: 5.0)(3.0) == 0.0
    np.testing.assert_array_equal(cr.grad(lambda x: 5.0)(np.ones((2, 3))), np.zeros((2, 3)))


def test_python_branches_are_followed():
    f = lambda x: x * x if x > 0 else -x
    assert cr.grad(f)(3.0) == 6.0 and cr.grad(f)(-3.0) == -1.0
    assert cr.grad(lambda x: max(x, 2.0) * 3)(5.0) == 3.0
    assert cr.grad(lambda x: max(x, 2.0) * 3)(1.0) == 0.0


def test_gradients_share_memory_with_nothing():
    x, y = np.ones(3), np.ones(3)
    _, pullback = cr.vjp(lambda x, y: x + y, x, y)
    dout = np.ones(3)
    dx, dy = pullback(dout)
    arrays = [x, y, dout, dx, dy]
    for i, a in enumerate(arrays):
        assert not any(np.shares_memory(a, b) for b in arrays[i + 1 :])
    dx[:] = 7  # a pullback can be used again
    np.testing.assert_array_equal(pullback(dout)[0], np.ones(3))


def test_the_pullback_remembers_the_values_it_was_made_with():
    x = np.array([1.0, 2.0])
    _, pullback = cr.vjp(lambda x: x * x, x)
    x[:] = 100
    np.testing.assert_array_equal(pullback(np.ones(2))[0], [2.0, 4.0])


def test_arguments_cannot_be_written_to_inside():
    def writes(x):
        x[0] = 5.0
        return x.sum()

    with pytest.raises(TraceError, match="an argument was written to"):
        cr.grad(writes)(np.ones(3))


def test_nested_lists_tuples_and_dicts():
    p = {"w": [1.0, 2.0], "b": (3.0, np.ones(2))}
    f = lambda p: p["w"][0] * p["w"][1] + (p["b"][1] * p["b"][0]).sum()
    g = cr.grad(f)(p)
    assert g["w"] == [2.0, 1.0] and g["b"][0] == 2.0
    np.testing.assert_array_equal(g["b"][1], [3.0, 3.0])


def test_second_and_third_derivatives():
    cube = lambda x: x**3
    assert cr.grad(cr.grad(cube))(2.0) == 12.0
    assert cr.grad(cr.grad(cr.grad(cube)))(2.0) == 6.0


def test_a_gradient_inside_a_gradient_sees_the_outer_variable():
    assert cr.grad(lambda x: x * cr.grad(lambda y: x * y * y)(3.0))(2.0) == 24.0


def test_python_numbers_may_be_ints_and_big():
    assert cr.grad(lambda x: x * 10**20)(2) == 1e20
    assert isinstance(cr.grad(lambda x: 2 * x)(3), float)


def test_a_choice_between_a_number_and_an_int_stays_a_number():
    for f in (lambda x: np.where(x > 0, x, 0), lambda x: np.maximum(x, 0)):
        w = cr.circuit(f)(-1.0)
        assert w.gradients == {"x": 0.0}
        assert w.at(x=2.0).gradients == {"x": 1.0}


def test_what_aux_keeps_is_not_the_gradient():
    def f(x):
        y = np.exp(x)
        return np.sum(y), y

    for _ in range(3):  # by rules, then by its program
        gradient, y = cr.grad(f, has_aux=True)(np.zeros(2))
        gradient += 1
        assert y.tolist() == [1.0, 1.0]


def test_true_is_no_place_also_where_one_was_seen_before():
    x = np.arange(6.0).reshape(2, 3)
    assert cr.grad(lambda x: x[1, 1])(x)[1, 1] == 1
    with pytest.raises(UnsupportedError, match="True and False are not places"):
        cr.grad(lambda x: x[1, True])(x)


def test_settings_are_known_again_by_shape_and_by_kind():
    x = np.arange(6.0).reshape(2, 3)
    for axis, wanted in ((1, [0, 3]), (-1, [0, 3]), (0, [0, 1, 2]), (-2, [0, 1, 2])):
        for _ in range(2):
            y = cr.circuit(lambda x, a=axis: np.max(-x, axis=a) * 1.0)
            assert (-y(x, output_grad=np.ones(len(wanted))).value).tolist() == wanted
    with pytest.raises(ShapeError, match="out of range"):
        cr.grad(lambda x: np.sum(x, axis=2))(x)

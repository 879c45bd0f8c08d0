"""vmap by examples a person can check: axes, nesting, derivatives, closures, decisions, errors."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import InputError, OutputError, ShapeError, TraceError

X = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
V = np.array([1.0, -1.0, 2.0])


def equal(x, y):
    np.testing.assert_array_equal(x, y)
    assert np.asarray(x).dtype == np.asarray(y).dtype


# ---- axes


def test_each_row_by_itself():
    equal(cr.vmap(lambda row: row @ row)(X), np.array([14.0, 77.0]))


def test_in_axes_says_which_axis_counts_the_examples():
    f = lambda x, y: x @ y
    equal(cr.vmap(f, (0, None))(X, V), X @ V)
    equal(cr.vmap(f, (1, -1))(X.T, X.T), np.array([14.0, 77.0]))
    equal(cr.vmap(lambda x: x.sum(), 1)(X), np.array([5.0, 7.0, 9.0]))


def test_out_axes_says_where_it_goes():
    both = cr.vmap(lambda x: (2 * x, x.sum()), out_axes=(1, 0))(X)
    equal(both[0], 2 * X.T)
    equal(both[1], np.array([6.0, 15.0]))
    equal(cr.vmap(lambda x: 2 * x, out_axes=-1)(X), 2 * X.T)


def test_containers_are_mapped_leaf_by_leaf():
    f = lambda p, x: {"y": p["W"] @ x + p["b"], "x": x}
    p = {"W": np.eye(3), "b": np.arange(6.0).reshape(3, 2)}
    out = cr.vmap(f, ({"W": None, "b": 1}, 0), {"y": 0, "x": 1})(p, X)
    equal(out["y"], X + p["b"].T)
    equal(out["x"], X.T)


def test_keyword_arguments_are_mapped_over_their_first_axis():
    equal(cr.vmap(lambda x, *, k: x * k)(X, k=np.array([10.0, 1.0])), X * [[10.0], [1.0]])


def test_a_list_of_numbers_is_an_array():
    equal(cr.vmap(lambda x: x * x)([1, 2.0, 3]), np.array([1.0, 4.0, 9.0]))


def test_what_does_not_depend_on_the_examples_is_copied_for_each():
    f = lambda x: (2.0, V, x)
    number, vector, same = cr.vmap(f)(X)
    equal(number, np.array([2.0, 2.0]))
    equal(vector, np.stack([V, V]))
    assert vector.flags.writeable and not np.shares_memory(same, X)
    assert not np.shares_memory(cr.vmap(lambda x: x[::-1])(X), X)
    assert cr.vmap(f, out_axes=(None, 0, 0))(X)[0] == 2.0


def test_an_empty_batch():
    equal(cr.vmap(lambda x: np.exp(x).sum())(np.zeros((0, 3))), np.zeros(0))


def test_integers_and_flags_are_mapped_too():
    equal(cr.vmap(lambda x, i: x[i])(X, np.array([2, 0])), np.array([3.0, 4.0]))
    f = lambda x, flag: np.where(flag, x, -x)
    equal(cr.vmap(f)(X, np.array([True, False])), X * [[1.0], [-1.0]])


def test_float32_stays_float32():
    f = lambda x: np.exp(x) * 2.0 + x.sum() / 3
    assert cr.vmap(f)(X.astype(np.float32)).dtype == np.float32
    assert cr.vmap(cr.grad(lambda x: f(x).sum()))(X.astype(np.float32)).dtype == np.float32


# ---- with derivatives, and by itself


def test_the_gradient_of_each_example():
    equal(cr.vmap(cr.grad(lambda x: (x * x * x).sum()))(X), 3 * X * X)
    loss = lambda w, x, y: (x @ w - y) ** 2  # by w: 2 (x @ w - y) x
    by_w = cr.vmap(cr.grad(loss), (None, 0, 0))(V, X, np.array([1.0, 2.0]))
    equal(by_w, 2 * (X @ V - [1.0, 2.0])[:, None] * X)


def test_the_gradient_of_the_whole():
    f = lambda w: cr.vmap(lambda x: np.sin(x @ w))(X).sum()
    np.testing.assert_allclose(cr.grad(f)(V), np.cos(X @ V) @ X, rtol=1e-15)


def test_vmap_in_vmap_is_an_outer_product():
    outer = cr.vmap(cr.vmap(lambda x, y: x * y, (None, 0)), (0, None))
    equal(outer(V, V), np.outer(V, V))


def test_forward_mode_and_second_order():
    cube = cr.vmap(lambda x: (x**3).sum())
    value, along = cr.jvp(cube, (X,), (np.ones((2, 3)),))
    equal(value, (X**3).sum(axis=1))
    equal(along, (3 * X * X).sum(axis=1))
    each = cr.vmap(cr.hessian(lambda x: (x**3).sum()))(X)
    equal(each, np.stack([np.diag(6 * x) for x in X]))
    of_all = cr.hessian(lambda v: cr.vmap(lambda x: x**3)(v).sum())(V)
    equal(of_all, np.diag(6 * V))
    cr.check_grads(lambda x: cube(x).sum(), (X,), order=2)


def test_a_circuit_holds_what_is_applied_to_all_and_nothing_else():
    w = cr.circuit(lambda a: np.sum(cr.vmap(lambda x: a * x)(V)))(3.0)
    names = [w.circuit.kind_of(r).gate.name for r in w.circuit.forward_rows()]
    assert names == ["multiply", "sum"]
    assert w["a"].grad == 2.0  # 1 - 1 + 2
    assert w.check()


def test_jit_and_vmap_inside_each_other():
    equal(cr.vmap(cr.jit(lambda x: x * x))(V), V * V)
    f = cr.jit(lambda a: cr.vmap(lambda x: a * x)(V).sum())
    assert [f(3.0), f(3.0), f(3.0)] == [6.0, 6.0, 6.0]


# ---- closures over traced values


def test_closures_over_values_of_an_older_trace():
    f = lambda a: cr.vmap(lambda x: a * x * x, out_axes=0)(V).sum()
    assert cr.grad(f)(2.0) == 6.0  # 1 + 1 + 4
    g = lambda a: cr.vmap(lambda x: (a * a, x))(V)[0].sum()
    assert cr.grad(g)(2.0) == 12.0  # 3 examples of 2 a
    nested = cr.vmap(lambda a: cr.vmap(lambda x: cr.grad(lambda t: a * t * x)(x))(V))(V)
    equal(nested, np.outer(V, V))


# ---- decisions


def branch(x):
    if x.sum() > 10:
        return x
    return -x


def test_a_decision_all_examples_agree_on():
    equal(cr.vmap(branch)(X + 10), X + 10)
    equal(cr.vmap(cr.grad(lambda x: branch(x).sum()))(X - 10), -np.ones((2, 3)))


def test_a_decision_that_goes_both_ways():
    with pytest.raises(TraceError) as caught:
        cr.vmap(branch)(np.stack([*X, X[1]]))
    text = str(caught.value)
    assert "of 3 examples it is True for 2 and False for 1" in text
    assert "in branch" in text and "test_vmap.py line" in text and "if x.sum() > 10:" in text
    assert "np.where(condition, x, y)" in text


def test_a_decision_is_followed_through_every_vmap():
    positive = cr.vmap(cr.vmap(lambda x: x if x > 0 else -x))
    equal(positive(X), X)
    with pytest.raises(TraceError, match="of 2 examples it is True for 1 and False for 1"):
        positive(X * [[1.0], [-1.0]])  # each row agrees with itself
    through = cr.vmap(lambda row: cr.grad(lambda r: positive(r[None]).sum())(row))
    with pytest.raises(TraceError, match="True for 1 and False for 1"):
        through(X * [[1.0], [-1.0]])


def test_a_mask_must_pick_as_many_numbers_for_each_example():
    f = cr.vmap(lambda x: x[x > 2].sum())
    equal(f(np.array([[1.0, 3.0], [4.0, 1.0]])), np.array([3.0, 4.0]))
    with pytest.raises(ShapeError, match=r"true at 2 places, and the first at 1(.|\n)*line"):
        f(np.array([[1.0, 3.0], [4.0, 5.0]]))
    twice = cr.vmap(cr.vmap(lambda x: x[x > 2].sum()))
    uneven = np.array([[[3.0, 1.0], [1.0, 3.0]], [[3.0, 3.0], [1.0, 1.0]]])  # 1 and 1; 2 and 0
    with pytest.raises(ShapeError, match="true at 2 places, and the first at 1"):
        twice(uneven)


# ---- errors


def test_sizes_that_differ_are_named():
    with pytest.raises(ShapeError, match=r"x has 2 \(axis 0 of \[2, 3\]\), "
                                         r"y has 3 \(axis 0 of \[3\]\)"):
        cr.vmap(lambda x, y: x + y)(X, V)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda f: cr.vmap(f, None)(X, X), InputError, "needs an argument to map over: .* x, y"),
        (lambda f: cr.vmap(f, (0, 2))(X, X), InputError, r"y has .* \[2, 3\], without an axis 2"),
        (lambda f: cr.vmap(f)(X, 2.0), InputError, "y is a number. Give None in in_axes"),
        (lambda f: cr.vmap(f)(X, "no"), InputError, "y is str 'no', which has no axis"),
        (lambda f: cr.vmap(f, (0, True))(X, X), InputError, "whole numbers and None, not True"),
        (lambda f: cr.vmap(f, (0,))(X, X), InputError, "1 entries, but there are 2 positional"),
        (lambda f: cr.vmap(f, (0, {"a": 0}))(X, X), InputError, "not nested as the arguments"),
        (lambda f: cr.vmap(f, 0, (0, 0))(X, X), InputError, "not nested as the output"),
        (lambda f: cr.vmap(f, 0, 2)(X, X), InputError, "out_axes is 2, but that output has 2 axes"),
        (lambda f: cr.vmap(f, 0, None)(X, X), OutputError, "differs between the examples"),
        (lambda f: cr.vmap(lambda x: None)(X), OutputError, "Did it forget to return"),
    ],
)
def test_what_cannot_be_mapped_says_why(call, error, message):
    f = lambda x, y: x + y
    with pytest.raises(error, match=message):
        call(f)

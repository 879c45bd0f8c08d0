"""A branch not taken gives gradient 0, not 0 * inf, however deep the infinity lies."""

import numpy as np
import pytest

import chainrule as cr

X = np.array([-1.0, 0.0, 4.0])


def quiet(f, *args, argnums=0):
    with np.errstate(all="ignore"):
        first = cr.grad(f, argnums)(*args)
        again = cr.grad(f, argnums)(*args)
        np.testing.assert_array_equal(first, again)
        w = cr.circuit(f)(*args)
        told = list(w.gradients.values())[argnums]
        np.testing.assert_array_equal(told, first)
        space = {}
        exec(compile(str(w.code()), "<printed>", "exec"), space)
        alone = space[f"{w.name}_grad"](*args)[1]
        np.testing.assert_array_equal(alone if len(args) == 1 else alone[argnums], first)
    return first


def test_depth_one():
    np.testing.assert_array_equal(
        quiet(lambda x: np.where(x > 0, np.log(x), 0).sum(), X), [0, 0, 0.25]
    )


def test_depth_three():
    f = lambda x: np.where(x > 0, np.exp(np.log(x) * 0.5), 0).sum()
    np.testing.assert_allclose(quiet(f, X), [0, 0, 0.25])


def test_numbers():
    assert quiet(lambda x: np.where(x > 0, np.log(x), 0 * x), 0.0) == 0.0
    assert quiet(lambda x: np.maximum(x, np.log(x)), np.float64(0.0)) == 1.0


def test_maximum_and_minimum():
    f = lambda x: np.maximum(1.0, np.log(x)).sum()
    np.testing.assert_array_equal(quiet(f, np.array([0.0, 1.0])), [0, 0])
    g = lambda x: np.minimum(1.0, 1 / x).sum()
    np.testing.assert_array_equal(quiet(g, np.array([0.0, 2.0])), [0, -0.25])


def test_across_a_fork_each_path_has_its_own():
    def f(x):
        y = np.log(x)
        return (np.where(x > 0, y, 0) + np.where(x > 3, y, 0)).sum()

    np.testing.assert_array_equal(quiet(f, X), [0, 0, 0.5])


def test_a_fork_with_a_live_path_keeps_its_nan():
    def f(x):
        y = np.log(x)
        return (np.where(x > 0, y, 0) + 0 * y).sum()

    assert np.isnan(quiet(f, X)[1])


def test_across_a_broadcast():
    def f(x):
        y = 1 / x  # [3], spread over two rows
        rows = np.array([[False, False, True], [True, False, True]])
        return np.where(rows, y, 0.0).sum()

    np.testing.assert_allclose(quiet(f, np.array([2.0, 0.0, 4.0])), [-0.25, 0, -0.125])


def test_across_a_reshape_and_a_transpose():
    def f(x):
        y = np.log(x).reshape(3, 1).T
        return np.where(x > 0, y, 0).sum()

    np.testing.assert_array_equal(quiet(f, X), [0, 0, 0.25])


def test_at_second_order():
    f = lambda x: np.where(x > 0, np.log(x), 0).sum()
    with np.errstate(all="ignore"):
        second = cr.grad(lambda x: cr.grad(f)(x).sum())(X)
    np.testing.assert_array_equal(second, [0, 0, -0.0625])


def test_at_second_order_at_depth_three_across_a_fork_and_a_broadcast():
    rows = np.array([[True], [False]])

    def f(x):
        y = np.log(x) * 2  # log(x) ** 2 spreads over two rows, and is read twice
        return np.where(rows & (x > 0), y * y, np.where(x > 0, 4 * y, 0)).sum()

    with np.errstate(all="ignore"):
        second = cr.grad(lambda x: cr.grad(f)(x).sum())(X)
    y, dy, ddy = 2 * np.log(4), 2 / 4, -2 / 16
    np.testing.assert_allclose(second, [0, 0, 2 * dy * dy + 2 * y * ddy + 4 * ddy], rtol=1e-15)


def test_a_genuine_zero_times_infinity_still_shows():
    assert np.isnan(quiet(lambda x: 0 * np.log(x), np.float64(0.0)))
    assert np.isnan(quiet(lambda x: np.where(x >= 0, 0 * np.log(x), 0), np.float64(0.0)))


@pytest.mark.parametrize("x", [0.0, -0.0])
def test_clip_guards_what_it_cuts(x):
    assert quiet(lambda x: np.clip(1 / x, -5.0, 5.0), np.float64(x)) == 0.0

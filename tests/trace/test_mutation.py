"""Writing to arrays that a function makes: NumPy's values, views included, and their gradients."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.api.eager import forget
from chainrule.errors import ShapeError, TraceError, UnsupportedError

X = np.array([[1.5, -0.5, 2.0], [0.25, 3.0, -1.25]])


def differences(f, x, h=1e-6):
    """Central differences of f, one number of x at a time."""
    found = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        ends = []
        for step in (h, -h):
            moved = x.copy()
            moved[place] += step
            ends.append(f(moved))
        found[place] = (ends[0] - ends[1]) / (2 * h)
    return found


def assert_right(f, x=X):
    """Value and gradient, on every path, and nothing of the caller's changed."""
    before = x.copy()
    wanted = differences(f, x)
    forget()
    for _ in range(3):  # by rules, compiled, again
        value, gradient = cr.value_and_grad(f)(x)
        assert value == f(x)
        np.testing.assert_allclose(gradient, wanted, rtol=1e-6, atol=1e-7)
    w = cr.circuit(f)(x)
    assert w.value == value
    np.testing.assert_allclose(w.gradients["x"], gradient, rtol=1e-12, atol=1e-12)
    space = {}
    exec(str(w.code()), space)
    alone, printed = space[f"{f.__name__}_grad".replace("<lambda>", "f")](x)
    assert alone == value
    np.testing.assert_allclose(printed, gradient, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(x, before)
    return w


# ---- programs drawn at random, run by NumPy and by traces

KEYS = {
    2: [0, -1, slice(1, None), (slice(None), 1), (1, 2), (..., 0),
        (slice(None), slice(None, None, -1)), (slice(None), slice(0, 3, 2)),
        (np.array([1, 0, 1]), np.array([2, 0, 2])), ..., [1, 1], (slice(None), None, 0)],
    1: [0, -1, slice(1, 3), slice(None, None, -1), np.array([0, 1, 0]), slice(0, 0), ..., [-1]],
}
VIEWS = [
    lambda y: y[0] if y.ndim > 1 else y[1:],
    lambda y: y.T,
    lambda y: y[..., ::-1],
    lambda y: y.reshape(-1),
    lambda y: y.reshape(3, -1) if y.size % 3 == 0 else y.reshape(-1, 1)[:, 0],
    lambda y: np.ravel(y),
    lambda y: y[..., :2],
    lambda y: np.expand_dims(y, 0)[0],
    lambda y: np.swapaxes(y, 0, -1),
    lambda y: np.atleast_1d(y),
]
MAKES = [
    lambda x, y: x * 1.5,
    lambda x, y: np.zeros_like(x),
    lambda x, y: x.T * 0.5,
    lambda x, y: y.copy(),
    lambda x, y: y * y,
    lambda x, y: np.ones((2, 2), like=x),
    lambda x, y: y.flatten(),
    lambda x, y: np.copy(y[..., 0:1]),
]


def add(y, key, v):
    y[key] += v


def change(y, v):
    y += v  # in place, for whoever holds it


def scale(y, v):
    y *= v  # in place, for whoever holds it


def draw_write(y, other, key, how):
    """One write; `other` gives numbers to write, some of them read from arrays."""
    v = (0.5, other.ravel()[0] * 0.5 + 1, other.reshape(-1)[-1:].sum(), y[key] * 0.5)[how % 4]
    write = how // 4 % 4
    if write == 0:
        y[key] = v
    elif write == 1:
        add(y, key, v)
    elif write == 2:
        change(y, other.reshape(-1)[0] + 0.25)
    else:
        scale(y, 0.75)


def made(program):
    """A function that makes arrays and views, and reads and writes them, as the program says."""

    def f(x):
        arrays = [x * 2.0]
        total = x[0, 0] * 0.0
        for op, a, b in program:
            y, other = arrays[a % len(arrays)], arrays[b % len(arrays)]
            kind, how = op % 8, op // 8
            if kind < 2:
                arrays.append(VIEWS[how % len(VIEWS)](y))
            elif kind == 2:
                arrays.append(MAKES[how % len(MAKES)](x, y))
            elif kind == 3:
                total = total + (y * other.ravel()[0]).sum()
            elif kind == 4:
                y[y > 1.3137] = other.ravel()[-1] * 0.5
            else:
                keys = KEYS[y.ndim]
                if y.shape[0] > 1 and y.shape[-1] > 2:
                    draw_write(y, other, keys[b % len(keys)], how)
                else:
                    draw_write(y, other, (..., 0), how)
        for n, y in enumerate(arrays):
            total = total + (y * y).sum() * (0.5 + n)
        return total

    return f


choice = st.integers(0, 10**4)
programs = st.lists(st.tuples(choice, choice, choice), min_size=1, max_size=14)


@settings(max_examples=300, deadline=None)
@given(programs)
def test_any_program_of_writes_and_views(program):
    f = made(program)
    x = np.array([[0.7, -0.3, 1.1], [0.2, 0.9, -0.6]])
    for _ in range(2):
        value, gradient = cr.value_and_grad(f)(x)
        np.testing.assert_allclose(value, f(x), rtol=1e-13)
    np.testing.assert_allclose(gradient, differences(f, x), rtol=2e-5, atol=1e-5 * (1 + abs(value)))


@settings(max_examples=60, deadline=None)
@given(programs)
def test_any_program_on_every_path(program):
    f = made(program)
    x = np.array([[0.7, -0.3, 1.1], [0.2, 0.9, -0.6]])
    w = cr.circuit(f)(x)
    gradient = cr.grad(f)(x)
    np.testing.assert_allclose(w.gradients["x"], gradient, rtol=1e-11, atol=1e-11)
    space = {}
    exec(str(w.code()), space)
    alone, printed = space["f_grad"](x)
    np.testing.assert_allclose(alone, f(x), rtol=1e-13)
    np.testing.assert_allclose(printed, gradient, rtol=1e-11, atol=1e-11)
    _, pullback = cr.vjp(f, x)
    for _ in range(2):
        np.testing.assert_allclose(pullback(1.0)[0], gradient, rtol=1e-11, atol=1e-11)


# ---- cases a person can follow


def test_a_write_through_a_view_changes_the_array_and_its_other_views():
    def f(x):
        y = x * 2
        v = y[0, 1:]
        flat = y.reshape(6)
        v[0] = x[1, 2] * x[0, 0]
        flat[2:4] *= 3
        y.T[2] += v
        return (v * v).sum() + (flat * y.ravel()).sum()

    assert_right(f)


def test_an_old_version_that_is_needed_backward_is_kept():
    def f(x):
        y = x * x
        z = y * x
        y[0] = 3.0
        return (y * z).sum()

    w = assert_right(f)
    assert "y_2 = np.array(y)" in w.code()


def test_another_name_of_an_array_is_the_same_array():
    def f(x):
        y = x * 1.0
        z = y
        z[0, 0] = 1.0
        y += x
        return (y * z).sum()

    assert_right(f)


def test_the_last_number_written_to_a_place_stays():
    def f(x):
        y = np.zeros(3, like=x)
        y[np.array([0, 2, 0])] = x[0] * x[1]
        return (y * y).sum()

    w = assert_right(f)
    assert w["y"].value.tolist() == [-2.5, 0.0, -1.5]
    assert w.gradients["x"][0, 0] == 0.0  # what was written first did not stay


def test_a_division_by_zero_written_over_sends_nothing_back():
    def f(x):
        y = 1 / x
        y[x == 0] = 0.0
        z = 1 / x
        z[1] = 2.0
        return y.sum() + (z * z).sum()

    with np.errstate(all="ignore"):
        for _ in range(3):
            assert cr.grad(f)(np.array([1.0, 0.0, 2.0])).tolist() == [-3.0, 0.0, -0.5]


def test_a_thousand_writes_over_one_another_need_no_recursion():
    def f(x):
        y = np.exp(x)
        for i in range(5000):
            y[i % 3] = 2.0
        return (y * x).sum()

    assert cr.grad(f)(np.array([1.0, 2.0, 3.0, 0.0])).tolist() == [2.0, 2.0, 2.0, 1.0]


def test_arrays_of_traced_numbers():
    def f(x):
        y = np.array([[x[0, 0], 2.0], [x[1, 1] * x[0, 1], x[0, 0]]], like=x)
        y[0] = [x[1, 0], 1.5]
        z = np.full((2, 2), x[0, 2], like=x)
        z[1, 1] = 1.0
        return (y * z).sum() + (np.full_like(x, 2.0) * np.ones_like(x) * x).sum()

    value, gradient = cr.value_and_grad(f)(X)
    np.testing.assert_allclose(gradient, differences(lambda x: plain_sum(x), X), atol=1e-7)
    assert value == pytest.approx(plain_sum(X))


def plain_sum(x):
    """What the function before computes, without arrays of its own."""
    y = [[x[1, 0], 1.5], [x[1, 1] * x[0, 1], x[0, 0]]]
    z = [[x[0, 2], x[0, 2]], [x[0, 2], 1.0]]
    return sum(y[i][j] * z[i][j] for i in (0, 1) for j in (0, 1)) + 2 * x.sum()


def test_zeros_that_nothing_traced_was_written_to_are_plain_numbers():
    def f(x):
        z = np.zeros_like(x)
        z[0, 0] = 2.0
        return x[0, 0] * float(z[0, 0]) + np.median(z) + np.array(z).sum() + x[int(z[0, 1]), 0]

    assert cr.grad(f)(X)[0].tolist() == [3.0, 0.0, 0.0]


def filtered(x):
    """Each number from the one before, and a part of them through a view."""
    y = np.zeros_like(x)
    y[0] = x[0] * x[1]
    for i in range(1, len(x)):
        y[i] = y[i - 1] * x[i]
    v = y[::-1]
    v[1:3] *= x[0]
    return (y * y).sum()


FOUR = np.array([1.5, -0.5, 2.0, 0.25])


def test_forward_mode_and_second_order():
    direction = np.array([0.3, 0.2, -0.1, 0.7])
    h = 1e-6
    _, slope = cr.jvp(filtered, (FOUR,), (direction,))
    ends = [filtered(FOUR + s * h * direction) for s in (1, -1)]
    assert slope == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-7)
    step = np.eye(4)[0] * h
    ends = [cr.grad(filtered)(FOUR + s * step) for s in (1, -1)]
    np.testing.assert_allclose(
        cr.hessian(filtered)(FOUR)[0], (ends[0] - ends[1]) / (2 * h), rtol=1e-6, atol=1e-6
    )
    cr.check_grads(filtered, (FOUR,), order=2)


def test_an_inner_gradient_writes_to_an_array_shaped_like_an_outer_one():
    def f(x):
        def g(t):
            y = np.zeros_like(x)
            y[0] = t
            y[1] = y[0] * x[1] * t
            y[1:] *= t
            return (y * y).sum()

        return cr.grad(g)(x[0])  # 2 t + 6 t**5 x1**2

    x0, x1 = FOUR[:2]
    wanted = [2 + 30 * x0**4 * x1**2, 12 * x0**5 * x1, 0.0, 0.0]
    np.testing.assert_allclose(cr.grad(f)(FOUR), wanted, rtol=1e-13)


def test_a_pullback_of_an_array_that_was_written_to():
    def f(x):
        y = x * 2
        y[1] = y[0] * y[2]
        return y

    dout = np.array([1.0, 10.0, 100.0])
    _, pullback = cr.vjp(f, np.array([1.0, 2.0, 3.0]))
    for _ in range(3):
        assert pullback(dout)[0].tolist() == [2 + 120.0, 0.0, 200 + 40.0]
    assert dout.tolist() == [1.0, 10.0, 100.0]


def test_float32_stays_float32():
    def f(x):
        y = np.zeros_like(x)
        y[0] = x[1] * np.float64(0.1)
        y += np.array([0.5, 0.25])
        return (y * y).sum()

    value, gradient = cr.value_and_grad(f)(np.array([1.0, 2.0], np.float32))
    assert (value.dtype, gradient.dtype) == (np.float32, np.float32)
    np.testing.assert_allclose(gradient, [0.0, 0.2 * (0.2 + 0.5)], rtol=1e-6)


def test_a_loop_of_writes_prints_as_it_was_written():
    def f(x):
        y = np.zeros_like(x)
        y[0] = x[0]
        for i in range(1, 3):
            y[i] = y[i - 1] * 0.5 + x[i]
        return (y * x).sum()

    code = cr.circuit(f)(np.array([1.0, 2.0, 3.0])).code()
    assert str(code).removeprefix("import numpy as np\n\n\n") == """\
def f_grad(x):
    y = np.zeros_like(x)      # (1)
    y[0] = x[0]               # (2)
    y[1] = y[0] * 0.5 + x[1]  # (3)
    y[2] = y[1] * 0.5 + x[2]  # (4)
    f = np.sum(y * x)         # (5)

    # backward pass
    dy = np.array(x)   # (5)
    dx = y             # (5)
    t1 = dy[2]         # (4)
    dy[2] = 0          # (4)
    dx = np.array(dx)  # (4)
    dx[2] += t1        # (4)
    dy[1] += 0.5 * t1  # (4)
    t2 = dy[1]         # (3)
    dy[1] = 0          # (3)
    dx[1] += t2        # (3)
    dy[0] += 0.5 * t2  # (3)
    t3 = dy[0]         # (2)
    dx[0] += t3        # (2)
    return f, dx
"""


def test_words_name_the_write():
    def f(x):
        y = x * 2
        y[1] = x[0] * 3
        return (y * y).sum()

    w = cr.circuit(f)(FOUR)
    assert "y[1] = x[0] * 3" in w.explain() and "y[1] = x[0] * 3" in w.text()
    assert w.check() and "<svg" in w.draw()


# ---- what is refused


def argument(x):
    x[0] = 3.0


def view_of_an_argument(x):
    v = x.reshape(-1)[1:]
    v += 1.0


def whole_argument(x):
    x += 1.0


def read_only(x):
    np.broadcast_to(x[0], (2, 3))[1] = x[1]


def integers(x):
    np.zeros(3, int, like=x)[0] = x[0]


def too_far(x):
    y = x * 1
    y[9] = x[0]


def too_many(x):
    y = x * 1
    y[1:3] = x


def too_many_through_a_view(x):
    y = x * 1
    y.reshape(2, 2)[0] = x


def too_wide(x):
    y = x * 1
    y += np.ones((2, 4))


def plain_array(x):
    y = np.zeros(4)
    y[0] = x[0]


def slice_of_a_plain_array(x):
    y = np.zeros(4)
    y[1:] = x[1:]


REFUSED = [
    (argument, TraceError, r"an argument was written to: .*\n.*\n  Instead: y = x.copy\(\), and"),
    (view_of_an_argument, TraceError, "a view of an argument was written to"),
    (whole_argument, TraceError, r"an argument was written to: y \+= value"),
    (read_only, TraceError, "a read-only view was written to"),
    (integers, UnsupportedError, "float64 numbers were written to an array of int64"),
    (too_far, ShapeError, r"x\[9\] does not fit x of shape \[4\]"),
    (too_many, ShapeError, r"is of shape \[2\]: what is written there has shape \[4\]"),
    (too_many_through_a_view, ShapeError, r"shape \[2\] cannot hold .* of shape \[4\]"),
    (too_wide, ShapeError, r"shape \[4\] cannot hold .* of shape \[2, 4\]"),
    (plain_array, TraceError, r"make it with np.zeros\(n, like=x\)"),
    (slice_of_a_plain_array, TraceError, r"make it with np.zeros\(n, like=x\)"),
]


@pytest.mark.parametrize(("f", "error", "says"), REFUSED, ids=[r[0].__name__ for r in REFUSED])
def test_what_must_not_be_written_is_refused_with_the_line(f, error, says):
    kept = FOUR.copy()
    with pytest.raises(error, match=says) as caught:
        cr.grad(lambda x: f(x) or x.sum())(kept)
    assert f"in {f.__name__}, {__file__} line" in str(caught.value)
    np.testing.assert_array_equal(kept, FOUR)

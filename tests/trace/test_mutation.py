"""Writing to arrays that a function makes: NumPy's values, views included, and their gradients."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.api.eager import forget

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

"""Picking numbers: NumPy's values for every form of key, and gradients back in their places."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.api.eager import forget
from chainrule.errors import ShapeError, UnsupportedError

X = np.arange(24.0).reshape(2, 3, 4)
MASK = X[0] % 3 == 0


def wanted_gradient(x, pick, dout):
    """dout added up at the places picked, by NumPy's own unbuffered addition."""
    places = pick(np.arange(x.size).reshape(x.shape))
    total = np.zeros(x.size)
    np.add.at(total, np.ravel(places), np.ravel(dout))
    return total.reshape(x.shape)


def assert_as_numpy(pick, x):
    """The value is NumPy's, and the gradient has x's shape and every dout in its place."""
    value, pullback = cr.vjp(pick, x)
    wanted = np.asarray(pick(x))[()]
    assert (np.shape(value), value.dtype) == (np.shape(wanted), wanted.dtype)
    np.testing.assert_array_equal(value, wanted)
    dout = np.random.default_rng(0).normal(size=np.shape(value))[()]
    for _ in range(3):  # by rules, then by the compiled program
        (dx,) = pullback(dout)
        assert (dx.shape, dx.dtype) == (x.shape, x.dtype)
        np.testing.assert_allclose(dx, wanted_gradient(x, pick, dout), rtol=1e-15)


def assert_all_paths_equal(pick, x):
    f = lambda x: np.sum(pick(x) * pick(x) * 0.5)
    gradient = cr.grad(f)(x)
    space = {}
    exec(str(cr.circuit(f)(x).code()), space)
    np.testing.assert_array_equal(space["f_grad"](x)[1], gradient)
    picked = np.zeros(x.shape) + wanted_gradient(x, pick, pick(x))
    np.testing.assert_allclose(gradient, picked, rtol=1e-15)
    direction = np.random.default_rng(1).normal(size=x.shape)
    second = cr.grad(lambda x: np.sum(cr.grad(f)(x) * direction))(x)  # of a quadratic: no x in it
    np.testing.assert_allclose(
        second, wanted_gradient(x, pick, pick(direction)), rtol=1e-13, atol=1e-13
    )


KEYS = {
    "integer": 1,
    "negative": (-1, 2),
    "one number": (1, 0, -4),
    "slice": slice(1, None),
    "slices": (slice(None), slice(0, 2), slice(-3, -1)),
    "step": (slice(None, None, 2), slice(None), slice(1, None, 2)),
    "backwards": (slice(None), slice(None, None, -1)),
    "backwards by 2": (0, slice(None, None, -2)),
    "empty slice": (slice(2, 1),),
    "beyond the end": (slice(None), slice(1, 9)),
    "new axis": (None, slice(None), None, 1),
    "ellipsis": (..., 1),
    "ellipsis between": (0, ..., slice(1, 3)),
    "everything": ...,
    "nothing": (),
    "list": [1, 0, 1],
    "repeated": (slice(None), np.array([2, 2, -1])),
    "two arrays": (np.array([0, 1, 0]), np.array([2, 2, 2])),
    "arrays apart": (np.array([0, 1]), slice(None), np.array([3, -1])),
    "outer": np.ix_([1, 0], [0, 2], [3]),
    "array and integer": (slice(None), 1, np.array([0, 3])),
    "matrix of places": np.array([[0, 1], [1, 1]]),
    "no places": np.array([], int),
    "empty list": [],
    "unsigned": np.array([1, 0], np.uint8),
    "NumPy integer": (np.int64(1), np.array(2)),
    "mask": X > 19,
    "mask of rows": np.array([True, False]),
    "mask in the middle": (slice(None), np.array([False, True, True]), 0),
    "mask of two axes": (1, MASK),
    "mask after ellipsis": (..., np.array([True, False, False, True])),
    "mask all False": np.zeros((2, 3), bool),
    "mask and array": (np.array([True, True]), np.array([2, 0])),
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_every_form_of_key(key):
    assert_as_numpy(lambda x: x[key], X)
    assert_all_paths_equal(lambda x: x[key], X)


bounds = st.none() | st.integers(-5, 5)
steps = st.none() | st.integers(-3, 3).filter(bool)
slices = st.builds(slice, bounds, bounds, steps)


@st.composite
def arrays_and_keys(draw):
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple))
    length = draw(st.integers(0, 4))
    key = []
    for n in shape[: draw(st.integers(0, len(shape)))]:
        places = st.lists(st.integers(-n, n - 1), min_size=length, max_size=length)
        as_array = places.map(lambda p: np.array(p, int))
        key.append(draw(st.one_of(st.integers(-n, n - 1), slices, slices, as_array)))
    if draw(st.booleans()):  # what follows it counts from the last axis
        key.insert(draw(st.integers(0, len(key))) if len(key) == len(shape) else len(key), ...)
    for _ in range(draw(st.integers(0, 2))):
        key.insert(draw(st.integers(0, len(key))), None)
    return shape, tuple(key)


@settings(max_examples=300, deadline=None)
@given(arrays_and_keys())
def test_any_key(drawn):
    shape, key = drawn
    x = np.random.default_rng(2).normal(size=shape)
    assert_as_numpy(lambda x: x[key], x)


@settings(max_examples=60, deadline=None)
@given(arrays_and_keys())
def test_any_key_on_every_path(drawn):
    shape, key = drawn
    assert_all_paths_equal(lambda x: x[key], np.random.default_rng(2).normal(size=shape))


PICKS = {
    "take": lambda x: np.take(x, [5, 0, 5, -1]),
    "take axis": lambda x: np.take(x, [[2, 0], [1, 1]], axis=1),
    "take one": lambda x: x.take(2, axis=-1),
    "take none": lambda x: np.take(x, [], axis=0),
    "along": lambda x: np.take_along_axis(x, np.array([[[1], [3], [0]], [[2], [2], [-1]]]), 2),
    "along repeated": lambda x: np.take_along_axis(x, np.array([[[1, 1, 0, 0]] * 3]), axis=0),
    "along all": lambda x: np.take_along_axis(x, np.array([3, 3, 7]), axis=None),
}


@pytest.mark.parametrize("pick", PICKS.values(), ids=PICKS)
def test_take_and_take_along_axis(pick):
    assert_as_numpy(pick, X)
    assert_all_paths_equal(pick, X)


def printed(f, *args):
    """The printed code without its imports."""
    return str(cr.circuit(f)(*args).code()).removeprefix("import numpy as np\n\n\n")


def test_reads_print_as_a_careful_person_would_write_them():
    def f(x):
        return x[0] * x[1] + x[1:].sum()

    assert printed(f, np.arange(4.0)) == """\
def f_grad(x):
    f = x[0] * x[1] + np.sum(x[1:])  # (1)

    # backward pass
    dx = np.zeros_like(x)  # (1)
    dx[1:] += 1.0          # (1)
    dx[1] += x[0]          # (1)
    dx[0] += x[1]          # (1)
    return f, dx
"""


def test_places_picked_twice_print_as_unbuffered_additions():
    def f(s):
        right = s[np.arange(3), np.array([1, 0, 1])]
        return np.sum(right * right)

    assert printed(f, np.arange(12.0).reshape(3, 4)) == """\
def f_grad(s):
    right = s[np.array([0, 1, 2]), np.array([1, 0, 1])]  # (1)
    f = np.sum(right * right)                            # (2)

    # backward pass
    dright = right                                                # (2)
    dright = dright + right                                       # (2)
    ds = np.zeros_like(s)                                         # (1)
    np.add.at(ds, (np.array([0, 1, 2]), np.array([1, 0, 1])), dright)  # (1)
    return f, ds
"""


def test_an_array_read_between_other_uses_adds_up_in_one_variable():
    def f(x):
        y = x * x
        return np.sum(y) * y[0] + y[1]

    assert printed(f, np.arange(3.0)) == """\
def f_grad(x):
    y = x * x             # (1)
    t1 = np.sum(y)        # (2)
    f = t1 * y[0] + y[1]  # (3)

    # backward pass
    dy = np.zeros_like(y)              # (3)
    dy[1] += 1.0                       # (3)
    dt1 = y[0]                         # (3)
    dy[0] += t1                        # (3)
    dy += np.broadcast_to(y[0], (3,))  # (2)
    dx = x * dy                        # (1)
    dx += x * dy                       # (1)
    return f, dx
"""


def test_the_checker_names_the_fork_where_an_addition_was_left_out():
    def f(x):
        return x[0] * x[1] + x[1:].sum()

    w = cr.circuit(f)(np.arange(1.0, 5.0))
    code = str(w.code())
    assert w.check(code)
    verdict = w.check(code.replace("dx[1] += x[0]", "dx[1] = x[0]"))
    assert "x is read in 3 places, so its 3 gradients add up" in str(verdict)


def test_a_traced_mask_is_a_stage_of_its_own():
    f = lambda x: np.sum(x[x > 3] * 2)
    w = cr.circuit(f)(X[0])
    for line in ("t1 = x > 3 ", "t2 = np.nonzero(t1)[0]", "t3 = np.nonzero(t1)[1]", "x[t2, t3]"):
        assert line in w.code()
    np.testing.assert_array_equal(w.gradients["x"], 2.0 * (X[0] > 3))
    with pytest.raises(ShapeError, match="is true at 12 places, and was at 8"):
        w.at(x=X[1]).value  # noqa: B018  # computed when asked for
    for x in (X[0], X[1], -X[0]):  # traced anew at each call
        np.testing.assert_array_equal(cr.grad(f)(x), 2.0 * (x > 3))


def test_a_mask_under_two_traces():
    f = lambda x: np.sum(x[x > 3] ** 3)
    second = cr.grad(lambda x: np.sum(cr.grad(f)(x)))(X[0])
    np.testing.assert_array_equal(second, np.where(X[0] > 3, 6 * X[0], 0))


def test_float32_stays_float32():
    x = X.astype(np.float32)
    for pick in (lambda x: x[1], lambda x: x[:, ::-1], lambda x: x[0, 1, 2], lambda x: x[[0, 0]]):
        assert cr.grad(lambda x: np.sum(pick(x)))(x).dtype == np.float32  # noqa: B023  # at once


def test_numbers_read_one_by_one():
    f = lambda x: sum(x[i] * x[i + 1] for i in range(3))
    np.testing.assert_array_equal(cr.grad(f)(np.array([1.0, 2.0, 3.0, 4.0])), [2.0, 4.0, 6.0, 3.0])


def test_adding_at_a_place_leaves_the_gradients_of_others_alone():
    def f(x, w):
        first = x[0]
        z = x + w  # passes the same gradient on to both
        return np.sum(z * z) + first

    forget()
    for _ in range(3):
        dx, dw = cr.grad(f, (0, 1))(np.ones(3), np.ones(3))
        assert (dx.tolist(), dw.tolist()) == ([5.0, 4.0, 4.0], [4.0, 4.0, 4.0])


def test_picks_along_an_axis_add_up_in_one_gradient():
    def f(x):
        total = 0.0
        for column in ([[0], [2]], [[1], [2]]):
            total = total + np.sum(np.take_along_axis(x, np.array(column), 1) ** 2)
        return total

    code = printed(f, np.arange(6.0).reshape(2, 3))
    assert code[code.index("    dx ="):] == """\
    dx = np.zeros_like(x)                                         # (3)
    np.add.at(dx, (np.arange(2)[:, None], np.array([[1], [2]])), t3)  # (3)
    t4 = 2 * t1                                                   # (2)
    dt1 = t4                                                      # (2)
    np.add.at(dx, (np.arange(2)[:, None], np.array([[0], [2]])), t4)  # (1)
    return total_2, dx
"""
    gradient = cr.grad(f)(np.arange(6, dtype=np.float32).reshape(2, 3))
    assert gradient.tolist() == [[0, 2, 0], [0, 0, 20]] and gradient.dtype == np.float32


REFUSED = [
    (lambda x: x[2], ShapeError, r"x\[2\] does not fit x of shape \[2, 3, 4\]: index 2 is out"),
    (lambda x: x[0, 0, 0, 0], ShapeError, "too many indices"),
    (lambda x: x[[0, 2]], ShapeError, r"x\[i\] does not fit"),
    (lambda x: x[[0, 1], [0, 1, 2]], ShapeError, r"x\[i, j\] does not fit"),
    (lambda x: x[np.array([True] * 3)], ShapeError, r"the mask is \[3\], .* of x are \[2\]"),
    (lambda x: x[True], UnsupportedError, "True and False are not places"),
    (lambda x: x[1.5], UnsupportedError, "1.5 is no place"),
    (lambda x: x["a"], UnsupportedError, "'a' is no place"),
    (lambda x: x[np.array([0.0])], UnsupportedError, "an array of float64 is no index"),
    (lambda x: x[x[0, 0, 0]], UnsupportedError, "an array of float64 is no index"),
    (lambda x: np.take(x, 24), ShapeError, "out of bounds"),
    (lambda x: np.take(x, 0, axis=3), ShapeError, "axis 3 is out of range"),
    (lambda x: np.take(x, 0, mode="clip"), UnsupportedError, "mode="),
    (lambda x: np.take_along_axis(x, np.array([0]), 0), ShapeError, "as many axes"),
]


@pytest.mark.parametrize(("f", "error", "says"), REFUSED, ids=[r[2] for r in REFUSED])
def test_what_does_not_fit_is_refused_with_the_line(f, error, says):
    with pytest.raises(error, match=says) as caught:
        cr.grad(lambda x: np.sum(f(x)))(X)
    assert "test_index.py line" in str(caught.value)


def test_a_python_number_has_no_parts():
    with pytest.raises(UnsupportedError, match="a plain number has no parts"):
        cr.grad(lambda x: x[0])(1.0)

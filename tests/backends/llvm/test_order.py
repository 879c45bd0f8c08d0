"""Places in machine code, at ties, nan and zeros too: the largest, the order, the last write."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.api.recorded import record
from chainrule.backends.llvm.compiled import compiled
from chainrule.errors import UnsupportedError

NAN, INF = np.nan, np.inf


def machine(f, *args):
    """The outputs of f's machine code."""
    return compiled(record(f, args, {}).circuit)(*args)


TIED = {
    "float64": [[2, 7, 7, -1], [NAN, 1, NAN, 2], [-0.0, 0.0, -INF, -0.0], [INF, INF, NAN, INF]],
    "float32": [[2, 7, 7, -1], [NAN, 1, NAN, 2], [-0.0, 0.0, -INF, -0.0], [INF, INF, NAN, INF]],
    "int64": [[2, 7, 7, -1], [0, 0, 0, 0], [-(2**63), 2**63 - 1, 5, 2**63 - 1], [3, 2, 1, 1]],
    "bool": [[1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 1, 1]],
}
LAYOUTS = {
    "rows": lambda x: x, "columns": lambda x: x.T, "reversed": lambda x: x[::-1, ::-1],
    "spread": lambda x: np.broadcast_to(x[:, :1], x.shape), "every other": lambda x: x[:, ::2],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", TIED)
def test_ties_nan_and_zeros_stand_as_numpy_has_them(dtype, layout):
    x, seen = np.array(TIED[dtype], dtype), LAYOUTS[layout]

    def places(x):
        y = seen(x)
        return (
            *(f(y, axis=axis) for f in (np.argmax, np.argmin) for axis in (None, 0, 1)),
            np.argmax(y, axis=0, keepdims=True), np.argsort(y, axis=0), np.argsort(y, axis=1),
        )

    wanted = (*places(x)[:-2], *(np.argsort(seen(x), axis=a, kind="stable") for a in (0, 1)))
    for got, place in zip(machine(places, x), wanted, strict=True):
        np.testing.assert_array_equal(got, place, strict=True)


@pytest.mark.parametrize("count", [1, 63, 64, 65, 300, 4095, 4096])
def test_an_axis_of_any_length_is_put_in_order(count):
    rng = np.random.default_rng(count)
    for x in (
        rng.normal(size=count), rng.integers(0, 5, count), rng.integers(0, 2, count) > 0,
        rng.integers(-(2**62), 2**62, count), rng.normal(size=count).astype(np.float32),
        np.where(rng.integers(0, 3, count) > 1, NAN, rng.integers(-1, 2, count) * 0.0),
    ):
        (got,) = machine(np.argsort, x)
        np.testing.assert_array_equal(got, np.argsort(x, kind="stable"))


def spread_by_order(x):
    y = np.sort(x, axis=0)
    return (y * np.arange(y.size).reshape(y.shape)).sum() + (x.max(axis=1) ** 2).sum()


def written_twice(x):
    y = np.zeros(5, like=x)
    for n in range(3):
        y[np.array([n, 1, n])] = x[n] * np.arange(1, 4)
    return (y * y * np.arange(5.0)).sum()


def best_scored(x):
    return np.take_along_axis(x, np.argmax(x, axis=1, keepdims=True), axis=1).sum() * x[0, 0]


@pytest.mark.parametrize(
    ("f", "x"),
    [(spread_by_order, np.array([[3.0, 1], [3, 2], [-1, 2], [0, 2]])),
     (spread_by_order, np.random.default_rng(0).normal(size=(90, 7))),
     (written_twice, np.array([3.0, 5, 7])), (best_scored, np.array([[1.0, 4, 4], [2, 2, 0]]))],
)
def test_gradients_through_places_are_those_of_eager(f, x):
    both = cr.value_and_grad(f)
    value, gradient = both(x)
    got = machine(both, x)
    np.testing.assert_allclose(got[0], value, rtol=1e-14)
    np.testing.assert_allclose(got[1], gradient, rtol=1e-14)


def test_x_at_a_mask_is_refused_with_what_to_write_instead():
    with pytest.raises(UnsupportedError, match=r"nonzero[^\n]*\n(.*\n)*.*np.where"):
        machine(cr.grad(lambda x: x[x > 0].sum()), np.array([1.0, -1]))

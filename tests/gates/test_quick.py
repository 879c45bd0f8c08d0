"""Quick ways of programs that nobody reads: the bits and the memory order of what is printed."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.gates import quick

VALUES = np.array([[1.5, 0.0, -0.0, np.nan], [-2.0, np.inf, 1.0, -np.inf]])
DOUT = np.array([[3.0, np.inf, -0.0, 2.0], [-0.0, 0.5, np.nan, 1.0]])


@pytest.mark.parametrize("y", [0, 1.0, VALUES[::-1]])
def test_ties_are_shared_to_the_bit(y):
    x, dout = VALUES, DOUT
    printed = np.where(x >= y, np.where(x == y, 0.5 * dout, dout), 0)
    assert quick.to_larger(dout, x, y).tobytes() == printed.tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_ties_need_no_shares(dtype):
    x, dout = np.array([-1, 2, 3], dtype), np.array([5, 6, 7], dtype)
    found = quick.to_larger(dout, x, 0)
    assert found.dtype == dtype
    assert found.tolist() == [0, 6, 7]


@pytest.mark.parametrize("x", [VALUES, VALUES.T, VALUES[:, ::-1], np.float32(2)])
def test_zeros_lie_in_memory_as_numpy_has_them(x):
    found, wanted = quick.zeros_like(x), np.zeros_like(x)
    assert (found.strides, found.dtype, found.tobytes()) == (
        wanted.strides, wanted.dtype, wanted.tobytes()
    )


@pytest.mark.parametrize("pick", [np.maximum, np.minimum])
def test_the_program_gives_what_the_rules_give(pick):
    def f(x, y):
        return (pick(x, y) * np.array([3.0, 5.0, 7.0])).sum()

    x, y = np.array([1.0, 2.0, -1.0]), np.array([1.0, -2.0, 3.0])
    calls = [cr.grad(f, (0, 1))(x, y) for _ in range(3)]  # by rules, compiled, again
    for found in calls:
        assert np.array_equal(found, calls[0])
    assert calls[0][0][0] == calls[0][1][0] == 1.5  # the tie: half of 3 each

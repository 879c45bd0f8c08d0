"""jit(f).bind: calls between arrays of the caller."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.api.bound import Bound, PlainBound
from chainrule.backends.llvm.targets import python_calls
from chainrule.errors import InputError


@pytest.fixture(params=["plain", "generated"], autouse=True)
def way(request, monkeypatch):
    monkeypatch.setenv("CHAINRULE_CALL", request.param)
    is_generated = request.param == "generated" and python_calls.IS_ALLOWED
    return Bound if is_generated else PlainBound


def test_arrays_are_read_and_filled_at_each_call(way):
    x, value, slope = np.array([1.0, 2.0, 3.0]), np.zeros(()), np.zeros(3)
    step = cr.jit(cr.value_and_grad(lambda x: np.sum(x * x))).bind(x, out=(value, slope))
    assert type(step) is way
    for _ in range(3):
        x += 1.0
        assert step() is None
        assert (value, *slope) == (np.sum(x * x), *(2 * x))
    assert step.out == (value, slope)


def test_numbers_are_arrays_without_axes(way):
    x, y, out = np.array(3.0), np.array(4.0), (np.zeros(()), [np.zeros(())])
    step = cr.jit(lambda x, y, z: (x * y + z, [x])).bind(x, y, 0.5, out=out)
    assert type(step) is way
    step()
    assert (out[0], out[1][0]) == (12.5, 3.0)
    x[...], y[...] = -2.0, 5.0
    step()
    assert (out[0], out[1][0]) == (-9.5, -2.0)


def test_singles_and_more_room_than_the_stack_has(way):
    x = np.linspace(0, 1, 30_000, dtype=np.float32).reshape(100, 300)
    f = lambda x: (np.sum(x), (x @ x.T) @ x)
    run, out = cr.jit(f), (np.zeros((), np.float32), np.zeros((100, 300), np.float32))
    step = run.bind(x, out=out)
    assert type(step) is way
    step()
    wanted = run(x)
    assert out[0] == wanted[0]
    np.testing.assert_array_equal(out[1], wanted[1])


def test_a_call_may_go_another_way():
    x, out = np.array(3.0), np.zeros(())
    step = cr.jit(lambda x: x * x if x > 0 else -x).bind(x, out=out)
    for number, wanted in ((3.0, 9.0), (-3.0, 3.0), (2.0, 4.0), (-1.0, 1.0)):
        x[...] = number
        step()
        assert out == wanted


def test_whole_numbers_and_flags_are_filled_as_well():
    x, out = np.array([1.5, -1.5]), (np.zeros(2, bool), np.zeros((), bool))
    step = cr.jit(lambda x: (x > 0, x[0] > x[1])).bind(x, out=out)
    step()
    assert (out[0].tolist(), bool(out[1])) == ([True, False], True)


def test_no_arguments_and_nothing_else():
    step = cr.jit(lambda x: x * 2).bind(np.array(3.0), out=np.zeros(()))
    with pytest.raises(TypeError):
        step(1.0)
    with pytest.raises(TypeError):
        step(x=1.0)


def test_bound_arrays_stay_where_they_are(way):
    x, out = np.ones(4), np.zeros(4)
    step = cr.jit(lambda x: x * 2).bind(x, out=out)
    if way is Bound:
        for array in (x, out):
            with pytest.raises(ValueError, match="cannot resize"):
                array.resize(100_000, refcheck=False)
    step()
    assert out.tolist() == [2.0] * 4


TABLE = np.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize(
    ("x", "out", "said"),
    [
        (TABLE, np.zeros((3, 2)), r"out is float64 \[3, 2\]; the result there is .* \[2, 3\]"),
        (TABLE, np.zeros((2, 3), "f4"), "out is float32 .* float64"),
        (TABLE, np.zeros((2, 6))[:, ::2], "out, of shape .* row-major order"),
        (TABLE, [np.zeros((2, 3))], "out is nested as"),
        (TABLE, np.broadcast_to(0.0, (2, 3)), "out, of shape|read-only"),
        (TABLE.T, np.zeros((3, 2)), r"argument 0, of shape \[3, 2\], has strides"),
        (TABLE.astype(">f8"), np.zeros((2, 3)), "argument 0 is a ndarray >f8"),
        (TABLE.tolist(), np.zeros((2, 3)), "argument 0 is a list"),
        (np.array(2, np.float32), np.zeros(()), "only float64 can be bound"),
    ],
)
def test_what_cannot_be_bound_says_why(x, out, said):
    with pytest.raises(InputError, match=said):
        cr.jit(lambda x: x * 2).bind(x, out=out)


def test_read_only_and_shared_memory_in_out():
    f = cr.jit(lambda x: (x * 2, x * 3))
    both, closed = np.zeros((3, 3)), np.zeros((2, 3))
    closed.flags.writeable = False
    with pytest.raises(InputError, match=r"out\[1\] shares memory"):
        f.bind(TABLE, out=(both[:2], both[1:]))
    with pytest.raises(InputError, match=r"out\[1\] is read-only"):
        f.bind(TABLE, out=(both[:2], closed))

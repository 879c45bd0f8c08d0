"""An index without a place, met by machine code: an IndexError that says which, and where."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.api.recorded import record
from chainrule.backends.llvm.compiled import compiled
from chainrule.errors import PlaceError, ShapeError
from chainrule.trace.names import with_names


def machine(f, *args):
    done = record(f, args, {})
    return compiled(with_names(done.circuit, done.trace))


X = np.arange(12.0).reshape(4, 3)


def written(x, i):
    y = np.zeros(4, like=x)
    y[i] = x[0, 0] * 2
    return y * y


PICKS = {
    "read": lambda x, i: x[i],
    "read in a column": lambda x, i: x[i, 1],
    "read by two": lambda x, i: x[i, np.abs(i)],
    "take": lambda x, i: np.take(x, i, axis=0),
    "along": lambda x, i: np.take_along_axis(x, i.reshape(-1, 1), 0),
    "write": written,
}


@pytest.mark.parametrize("at", [0, 15, 16, 39])
@pytest.mark.parametrize("name", PICKS)
@pytest.mark.parametrize("of", [cr.value_and_grad, cr.grad])
def test_an_index_without_a_place_is_named_with_the_users_line(of, name, at):
    f = PICKS[name]
    both = of(lambda x, i: (f(x, i) ** 2).sum())
    i = np.arange(40) % 4 - 2
    code = machine(both, X, i)
    code(X, i)
    i[at] = -5
    i[at + 1 :] = 9  # the first is named
    with pytest.raises(IndexError):
        f(X, i)
    with pytest.raises(PlaceError) as caught:
        code(X, i)
    assert isinstance(caught.value, IndexError | ShapeError)
    assert "index -5 is out of bounds for an axis of 4 numbers" in str(caught.value)
    line = (written.__code__.co_firstlineno + 2 if f is written else f.__code__.co_firstlineno)
    assert f"test_places.py line {line}" in str(caught.value)


def test_the_second_of_two_indices_is_told_from_the_first():
    f = lambda x, i, j: (x[i, j] ** 2).sum()
    i, j = np.array([0, 3]), np.array([2, -3])
    code = machine(cr.grad(f), X, i, j)
    with pytest.raises(PlaceError, match="index 3 is out of bounds for an axis of 3 numbers"):
        code(X, i, np.array([2, 3]))


def test_eager_and_jit_raise_what_numpy_code_expects():
    def last_or_zero(x, i):
        try:
            return x[i]
        except IndexError:
            return 0.0 * x[0]

    assert cr.grad(last_or_zero)(np.ones(3), 7).tolist() == [0.0, 0.0, 0.0]
    run = cr.jit(cr.grad(lambda x, i: x[i].sum()))
    for _ in range(3):
        run(np.ones(3), np.array([0, 2]))
    for _ in range(2):  # memory is given back as it was
        with pytest.raises(IndexError, match="index 3"):
            run(np.ones(3), np.array([0, 3]))
        assert run(np.ones(3), np.array([0, 2])).tolist() == [1.0, 0.0, 1.0]

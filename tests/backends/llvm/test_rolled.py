"""Python loops over the numbers of arrays: computed as arrays, with the bits of the numbers."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.api.jit import jit
from chainrule.api.recorded import record
from chainrule.backends import stepwise
from chainrule.backends.llvm.compiled import compiled
from chainrule.backends.llvm.nests import TURN, Nest
from chainrule.backends.llvm.plan import Step
from chainrule.gates.index import index, index_set

X = np.random.default_rng(0).normal(size=40)
ODD = X.copy()
ODD[[3, 5, 20, 39]] = -0.0, np.nan, np.inf, -0.0  # 0.0 + -0.0 is 0.0
ZEROS = np.where(np.arange(40) % 3, -0.0, 0.0)


def valley(x):
    """Rosenbrock's: each number but the ends is in two terms, three times."""
    total = 0.0
    for i in range(len(x) - 1):
        t, u = x[i + 1] - x[i] * x[i], 1 - x[i]
        total = total + 100.0 * (t * t) + u * u
    return total


def backwards(x):
    total = x[0]
    for i in reversed(range(len(x))):
        total = x[i] * 3.0 + total
    return total


def there_and_back(x):
    total = -0.0
    for i in (*range(20), *range(18, -1, -1)):
        total = total + x[i] * x[i]
    return total


def every_other(x):
    total = 0
    for i in range(1, len(x) - 2, 2):
        total = total + x[i] * x[-i] - x[i + 1]
    return total


def pivots(x):
    """Two parameters, packed with what they are fitted to."""
    total = 0.0
    for i in range(2, len(x)):
        t = x[0] * x[i] + x[1]
        total = total + t * t
    return total


def recurrent(x):
    held = total = 0.0
    for i in range(len(x)):
        held = 0.5 * held + x[i] * x[i]
        total = total + held * x[i]
    return total


def columns(x):
    points, total = x.reshape(10, 4), 0.0
    for i in range(9):
        total = total + points[i, 0] * points[i + 1, 1] - points[i][3] * points[i, 2]
    return total


def written(x):
    y = np.zeros(len(x), like=x)
    for i in range(1, len(x)):
        y[i] = x[i] * x[i - 1]
    for i in range(len(x) - 1):
        y[i] += y[i + 1] * 2.0
    y[-1] = y[0]
    return y * x


def kept(x):
    """An array that is read as a whole before it is written to again."""
    y = x * 2
    for i in range(len(x)):
        y[i] = y[i] * x[i]
    z = np.where(False, y, y + 1)
    for i in range(10, 20):
        y[i] += z[i] * z[0]
    return y - z


def moved(x):
    y, n = np.full(len(x), 2.0, like=x), len(x)
    for i in range(n):
        y[n - 1 - i] = x[i]
    for i in range(12):
        y[2 * i] = 7.0
    return y


def chosen(x):
    y = np.zeros((4, len(x)), like=x)
    for i in range(len(x)):
        y[i % 2, i] = np.where(x[i] > 0, np.maximum(x[i], x[i - 1]), -x[i])
        y[-1, i] += abs(x[i])
    return y


def earlier(x):
    """A row of an array as it was before a number of it was changed."""
    y = index_set(np.zeros((10, 4), like=x), x[0], key=(3, 0))
    row = index(y, key=(3,))
    y = index_set(y, 5.0, key=(3, 0))
    for i in range(9):
        y = index_set(y, x[i] * row[0], key=(i, 1))
    return y


def parted(x):
    """Squares at 0, 2 ... 14 and at 15, 16 ... 24; those from 14 on are of both, and written
    with a gap."""
    squares = {i: x[i] * x[i] for i in (*range(0, 15, 2), *range(15, 25))}
    y = np.zeros(len(x), like=x)
    for i in range(14, 25):
        y[i + (i > 18)] = squares[i] + 1.0
    for i in range(0, 15, 2):
        y[i] = squares[i]
    return y


def read_twice(x):
    """A total of which each step is read again."""
    y, total = np.zeros(len(x), like=x), 0.0
    for i in range(len(x)):
        total = total + x[i]
        y[i] = total * 0.5
    return y


NUMBERS = (valley, backwards, there_and_back, every_other, pivots, recurrent, columns)
ARRAYS = (written, kept, moved, chosen, earlier, parted, read_twice)


def same(x, y):
    x, y = np.asarray(x), np.asarray(y)
    assert (x.shape, x.dtype) == (y.shape, y.dtype)
    return np.array_equal(x, y, equal_nan=True) and np.array_equal(
        np.signbit(x)[x == 0], np.signbit(y)[y == 0]
    )


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("x", [X, ODD, ZEROS, X.astype("float32")], ids=["x", "odd", "zeros", "s"])
@pytest.mark.parametrize("f", [*(cr.value_and_grad(f) for f in NUMBERS), *ARRAYS])
def test_a_loop_has_the_bits_of_its_numbers_one_after_another(f, x, level):
    with np.errstate(all="ignore"):
        circuit = record(f, (x,), {}).circuit
        readings = stepwise.run(circuit, [x])
    for wire, found in zip(circuit.outputs, compiled(circuit, level)(x), strict=True):
        assert same(found, readings.value(wire))


def test_the_gradient_of_an_array_that_is_written_to_in_a_loop():
    def f(x):
        return (kept(x) * written(x)).sum()

    value, gradient = cr.value_and_grad(f)(X)
    found = jit(cr.value_and_grad(f))
    for _ in range(3):
        again = found(X)
    np.testing.assert_allclose(again[0], value, 1e-12)
    np.testing.assert_allclose(again[1], gradient, 1e-12)


def test_the_gradient_of_powers():
    f = jit(cr.grad(lambda x: sum(x[i] ** 3 for i in range(40))))
    for _ in range(3):
        np.testing.assert_allclose(f(X), 3 * X * X, 1e-14)


def items(f, x):
    return compiled(record(f, (x,), {}).circuit).plan.items


def test_numbers_of_one_pattern_are_one_nest_and_their_sum_is_added_in_turn():
    nests = [x for x in items(cr.value_and_grad(valley), X) if isinstance(x, Nest)]
    assert [n.shape for n in nests] == [(39,), (38,), ()]  # of dx, 38 numbers have two terms
    assert [f.how for n in nests for f in n.folds] == [TURN]


def test_a_number_that_waits_for_the_one_before_stays_a_number():
    found = items(recurrent, X)
    (squares,) = (x for x in found if isinstance(x, Nest) and x.shape)
    assert len(squares.steps) == 1
    # 0.5 * held, but of 0.0; held; held * x[i], total
    assert sum(isinstance(x, Step) for x in found) == 4 * 40 - 1


def test_a_sum_whose_totals_are_read_is_added_up_number_by_number():
    assert not any(f.how == TURN for x in items(read_twice, X) for f in getattr(x, "folds", ()))


def test_a_number_that_a_whole_loop_reads_is_no_place_of_it():
    assert sum(isinstance(x, Step) for x in items(cr.value_and_grad(pivots), X)) < 10


def test_a_loop_over_a_few_numbers_is_left_as_it_is():
    assert not any(isinstance(x, Nest) and x.shape for x in items(valley, X[:7]))


def test_loops_over_arrays_of_any_length_are_one_program():
    f = jit(cr.value_and_grad(valley))
    texts = []
    for n in (40, 33, 64, 49):
        x = np.resize(X, n)
        for _ in range(2):
            value, _ = f(x)
        np.testing.assert_allclose(value, valley(x), 1e-14)
        texts.append(next(reversed(f._entries.values())).compiled[0].code.text)
    assert texts[1] == texts[2] == texts[3]
    g = jit(backwards)
    for n in (40, 40, 35, 35, 50, 50):  # nothing is added behind the last number
        assert np.signbit(g(np.full(n, -0.0)))

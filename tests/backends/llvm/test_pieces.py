"""Arrays that begin as copies of one number and are filled place by place: by the nest that
computes what is written, with the bits that one write after another gives."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.api.recorded import record
from chainrule.backends import stepwise
from chainrule.backends.llvm.compiled import compiled
from chainrule.circuit.record import BY_NAME

X = np.linspace(-2, 2, 40)
X[:3] = -0.0, np.nan, np.inf  # 0.0 + -0.0 is 0.0
ALL = (None, None, None)  # keys have slices as (start, stop, step)


def zeros(x, *shape):
    return np.zeros(shape, like=x)


def added(y, v, *key):
    return BY_NAME["index_add"](y, v, key=key)


def put(y, v, *key):
    return BY_NAME["index_set"](y, v, key=key)


def columns(x):
    y = added(zeros(x, 40, 3), x, ALL, 2)
    y = put(y, x * 2, ALL, 1)
    return added(y, x * x, ALL, 0)


def left_out(x):
    y = added(np.full((40, 3), -0.0, like=x), x, ALL, 0)
    return added(y, x * x, ALL, 2)


def twice(x):
    y = added(put(zeros(x, 40, 2), x, ALL, 1), x, ALL, 0)
    y = added(added(y, x * x, ALL, 0), x * 3, ALL, 1)
    return put(y, x / 3, ALL, 0)


def overlapping(x):
    y = added(zeros(x, 40, 3), x, ALL, 0)
    y = added(y, (x * x)[1:].reshape(39, 1), (1, None, None), (None, 2, None))
    return put(added(y, x, ALL, 2), x, ALL, 1)


def shifted(x):
    return added(added(zeros(x, 41), x, (1, None, None)), x * x, (None, -1, None))


def read_between(x):
    y = added(zeros(x, 40, 2), x, ALL, 0)
    most = y.max()
    return added(added(y, x * x, ALL, 1), most, ALL, 0) * most


def kept(x):
    y = added(zeros(x, 40, 2), x, ALL, 0)
    return np.stack([added(y, x, ALL, 1), y, added(y, x * x, ALL, 0)])


def after_a_fold(x):
    y = added(added(zeros(x, 40, 2), x, ALL, 0), x.max(), ALL, 0)
    return added(y, x[::-1], ALL, 1)


def numbers(x):
    y = added(np.ones(4, like=x), x[0], 0)
    return put(added(added(y, x[5] * x[6], 3), x[7], 3), x[8], (1, 3, None))


def of_another_shape(x):
    y = np.sqrt(np.abs(x))
    z = added(y.reshape(8, 5), 5.0, 1)
    return y / (z[1:].max() * z[2, 0])  # y is stored for z, and read after z was written to


def read_backwards(x):
    y = np.sqrt(np.abs(x))
    z = np.flip(y) * 2  # is cheap to compute again, but y is not what it was
    is_large = np.any(z > 2)
    u = added(y, 5.0, 7)
    return np.where(is_large & np.any(u > 2), z, 0) + u


def of_itself(x):
    y = np.sqrt(np.abs(x))
    y = added(y, np.flip(y), ALL).reshape(5, 8)[:, :5] * 3
    return put(y, y.T, ALL)


WRITES = (
    columns, left_out, twice, overlapping, shifted, read_between, kept, after_a_fold, numbers,
    of_another_shape, read_backwards, of_itself,
)


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("f", WRITES)
def test_each_place_has_the_bits_that_one_write_after_another_gives(f, dtype, level):
    x = X.astype(dtype)
    circuit = record(f, (x,), {}).circuit
    with np.errstate(all="ignore"):
        wanted = stepwise.run(circuit, [x]).value(circuit.outputs[0])
    found = compiled(circuit, level)(x)[0]
    assert np.array_equal(found, wanted, equal_nan=True)
    assert np.array_equal(np.signbit(found)[wanted == 0], np.signbit(wanted)[wanted == 0])


def plan(f, *args):
    return compiled(record(f, args, {}).circuit).plan


def test_pieces_are_stored_by_the_nest_that_computes_them():
    (nest,) = plan(columns, X).items
    assert [str(s.view).partition("[")[2] for s in nest.stores] == ["3*i + 2]", "3*i + 1]", "3*i]"]
    (nest,) = plan(cr.vmap(cr.grad(lambda w: w[0] * w[1] + w[1] * w[2])), np.ones((40, 3))).items
    assert len(nest.stores) == 3


def test_an_array_is_filled_first_where_pieces_leave_places_out():
    fill, nest = plan(left_out, X).items
    assert [str(s).split()[1] for s in fill.stores] == ["-0.0"]
    assert len(nest.stores) == 2


@pytest.mark.parametrize("f", [overlapping, shifted, read_between])
def test_a_write_over_an_earlier_one_or_after_a_read_stays_behind_it(f):
    assert any(s.adds for nest in plan(f, X).items for s in nest.stores)

"""A circuit for one example applied to many, gate by gate and with gates that have no rule."""

import itertools
import math
import weakref

import numpy as np
import pytest

import chainrule as cr
from chainrule.circuit.builder import Builder
from chainrule.circuit.record import Gate
from chainrule.circuit.types import Type
from chainrule.gates.batched import as_it_stands
from chainrule.gates.define import ufunc_type
from chainrule.gates.elementwise import exp
from chainrule.gates.handle import Handle
from chainrule.gates.index import adding, indexing, setting
from chainrule.transform.batch import batch

X = np.arange(24.0).reshape(2, 3, 4)  # two examples of [3, 4]


def one(gate, *operands, **attrs):
    """The circuit of a gate for one example, and its inputs' wires."""
    b = Builder()
    handles = [Handle(b, b.input(Type(np.shape(x), np.asarray(x).dtype))) for x in operands]
    return b.build([gate(*handles, **attrs).wire])


_ids = itertools.count(10**6)  # of gates that are in no catalogue


def toy(name, **fields):
    """A gate with no batch rule of its own, nor of its family; np.sort unless another is given."""
    return Gate(
        name, ("x",), "toy", name, fields.pop("evaluate", np.sort), np.sort,
        fields.pop("infer", lambda types: types[0]), "", "", id=next(_ids), **fields,
    )


def test_what_all_examples_share_stays_as_it_is():
    b = Builder()
    x, y = (Handle(b, b.input(Type((), np.dtype(float)))) for _ in range(2))
    circuit = b.build([(x + y).wire, exp(y).wire])
    (total, many), (shared, is_many) = batch(circuit, {0: np.array([1.0, 2.0]), 1: 0.0}, [0])
    np.testing.assert_array_equal(total, [1.0, 2.0])
    assert (shared, many, is_many) == (1.0, True, False)


def test_rows_nobody_needs_are_not_computed_but_watched_ones_are():
    b = Builder()
    x = Handle(b, b.input(Type((), np.dtype(float))))
    doubled, _unused, flag = x + x, exp(x), x > 0
    circuit = b.build([doubled.wire])
    seen = {}
    given = {0: np.array([1.0, 800.0])}  # exp of 800 would overflow
    ((value, _),) = batch(circuit, given, [0], {flag.wire: lambda v: seen.update(flag=v)})
    np.testing.assert_array_equal(value, [2.0, 1600.0])
    np.testing.assert_array_equal(seen["flag"], [True, True])


def test_a_gate_without_a_rule_goes_example_by_example():
    gate = toy("toy_sort")
    ((value, _),) = batch(one(gate, X[0]), {0: -X}, [0])
    np.testing.assert_array_equal(value, np.sort(-X))
    ((none, _),) = batch(one(gate, X[0]), {0: X[:0]}, [0])
    assert none.shape == (0, 3, 4)


def test_such_a_gate_stacks_traced_examples_too():
    gate = toy("toy_double", evaluate=lambda x: x * 2, local=lambda x, out: (2,))
    f = lambda x: np.sum(cr.vmap(lambda row: gate(row))(x) * X)
    np.testing.assert_array_equal(cr.grad(f)(X), 2 * X)


def test_a_gate_that_decomposes_is_batched_stage_by_stage():
    applied = []
    gate = toy(
        "toy_compound", infer=ufunc_type(np.exp), decompose=lambda x: exp(x) + x,
        evaluate=lambda x: applied.append(x) or np.exp(x) + x,
    )
    ((value, _),) = batch(one(gate, X[0]), {0: X / 10}, [0])
    np.testing.assert_array_equal(value, np.exp(X / 10) + X / 10)
    assert not applied


ROW = X[0, 0]
USERS = {  # each with a rule that only its user would give, where it has one
    "elementwise": cr.gate(lambda x: x * x, local=lambda x, out: 7 * x),
    "that reads a size": cr.gate(lambda x: x / x.size, local=lambda x, out: 7 / x.size),
    "that adds up": cr.gate(lambda x: np.sum(x * x), vjp=lambda dout, x, out: dout * 7 * x),
    "whose rule adds up": cr.gate(
        lambda x: x * 1.0, vjp=lambda dout, x, out: dout / np.sqrt(np.sum(dout * dout)),
    ),
    "whose rule alone fits": cr.gate(
        lambda x: np.array([math.erf(n) for n in x]), samples=[ROW],
        local=lambda x, out: 2 / np.sqrt(np.pi) * np.exp(-x * x),
    ),
    "differentiated through stages": cr.gate(lambda x: np.exp(x) / np.sum(np.exp(x))),
}


@pytest.mark.parametrize("name", USERS)
def test_a_users_gate_is_that_of_each_example(name):
    gate, rows = USERS[name], X[:, 0] / 10
    f = lambda x: np.sum(gate(x) * x)
    np.testing.assert_array_equal(cr.vmap(gate)(rows), [gate(row) for row in rows])
    wanted = [cr.grad(f)(row) for row in rows]
    np.testing.assert_allclose(cr.vmap(cr.grad(f))(rows), wanted, rtol=1e-15)
    found = cr.grad(lambda x: np.sum(cr.vmap(f)(x)))(rows)
    np.testing.assert_allclose(found, wanted, rtol=1e-15)


def test_a_group_with_a_rule_keeps_it_for_each_example():
    @cr.group(local=lambda x, out, n: n * 7.0 * x)
    def powers(x, *, n):
        return x**n

    f = lambda x: np.sum(powers(x, n=3) * x)
    rows = X[:, 0]
    wanted = [cr.grad(f)(row) for row in rows]
    w = cr.circuit(lambda x: np.sum(cr.vmap(f)(x)))(rows)
    for found in (cr.vmap(cr.grad(f))(rows), w["x"].grad, run(w.code(), rows)):
        np.testing.assert_array_equal(found, wanted)


def run(code, *inputs):
    """The gradient that a printed program gives."""
    space = {}
    exec(compile(code, "<printed>", "exec"), space)
    return space["f_grad"](*inputs)[1]


def test_values_are_let_go_when_nobody_will_read_them_again():
    made, alive = [], []

    def evaluate(x):
        alive.append([ref() is not None for ref in made])
        out = x + 1.0
        made.append(weakref.ref(out))
        return out

    gate = toy("toy_step", evaluate=evaluate, batch=as_it_stands)
    b = Builder()
    x = Handle(b, b.input(Type((), np.dtype(float))))
    circuit = b.build([gate(gate(gate(x))).wire])
    batch(circuit, {0: np.zeros(1)}, [0])
    assert alive == [[], [True], [False, True]]  # each reads the one before it


ROWS, COLUMNS = np.array([2, 0, -1]), np.array([1, 3, 0])
TABLE = np.array([[0, 1], [2, 0], [1, 1]])
PLACE = np.array(1)
ALL = (None, None, None)
KEYS = [  # NumPy puts the axes of separated index arrays first, of neighbours in their place
    (("i",), (TABLE,)),
    ((ALL, "i"), (TABLE,)),
    (("...", "i"), (ROWS,)),
    ((ALL, None, "i"), (ROWS,)),
    ((0, ALL, "i"), (ROWS,)),
    ((0, "i"), (ROWS,)),
    ((ALL, 1, "i"), (TABLE,)),
    (("i", 0, "..."), (ROWS,)),
    (("i", "j"), (ROWS, COLUMNS)),
    ((ALL, "i", "j"), (TABLE, ROWS[:2])),
    (("i", ALL, "j"), (ROWS, PLACE)),
    (("i", None, "j"), (PLACE, PLACE)),
    ((ALL, "i", ALL, "j"), (ROWS, TABLE.T)),
]


@pytest.mark.parametrize(("key", "arrays"), KEYS, ids=lambda k: repr(k)[:30])
@pytest.mark.parametrize("many_x", [True, False])
@pytest.mark.parametrize("many_i", [True, False])
def test_indexing_is_that_of_each_example(key, arrays, many_x, many_i):
    x = np.arange(2 * 3 * 4 * 3 * 4.0).reshape(2, 3, 4, 3, 4)  # two examples of [3, 4, 3, 4]
    places = [np.stack([i, i - 1]) for i in arrays]
    in_axes = (0 if many_x else None, *(0 if many_i else None,) * len(arrays))
    if not (many_x or many_i):
        return
    given = [x if many_x else x[0], *(p if many_i else p[0] for p in places)]
    gate = indexing(len(arrays))

    def picked(x, *i):
        return gate(x, *i, key=key)

    wanted = [picked(*(g if a is None else g[n] for g, a in zip(given, in_axes, strict=True)))
              for n in range(2)]
    np.testing.assert_array_equal(cr.vmap(picked, in_axes)(*given), wanted)
    for gate in (adding(len(arrays)), setting(len(arrays))):
        for v, its_axis in ((np.stack(wanted), 0), (wanted[0], None), (2.0, None)):
            assert_written_as_each_example(gate, key, (given[0], v, *given[1:]),
                                           (in_axes[0], its_axis, *in_axes[1:]))


def assert_written_as_each_example(gate, key, given, in_axes):
    def written(x, v, *i):
        return gate(x, v, *i, key=key)

    wanted = [written(*(g if a is None else g[n] for g, a in zip(given, in_axes, strict=True)))
              for n in range(2)]
    np.testing.assert_array_equal(cr.vmap(written, in_axes)(*given), wanted)

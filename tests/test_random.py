"""Laws that hold on every circuit, seen on random ones: each edge multiplies, each shape stays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.circuit.record import differentiable_gates
from chainrule.transform.fit import called
from scripts.random_circuits import made

choice = st.integers(0, 10**6)
programs = st.lists(st.tuples(choice, choice, choice), min_size=1, max_size=20)
SHAPES = [((3,), (3,)), ((2, 3), (3,)), ((3,), (2, 1)), ((2, 3), ()), ((1,), (4,)), ((), ()),
          ((0,), (1,)), ((2, 0), (1, 1))]
shapes = st.sampled_from(SHAPES)
dtypes = st.sampled_from([np.float32, np.float64])


def inputs(shape, seed, dtype):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=s).astype(d)[()] for s, d in zip(shape, dtype, strict=True)]


def summed_to(term, shape):
    """A term summed over the axes along which its variable was spread."""
    lead = term.ndim - len(shape)
    ones = tuple(i + lead for i, n in enumerate(shape) if n == 1)
    return term.sum((*range(lead), *ones), keepdims=True).reshape(shape)


def partials(kind, operands, out, dout):
    """Each operand's gradient by the gate's own record: its partial times dout."""
    gate = kind.gate
    if gate.local is not None:
        return [None if p is None else p * dout
                for p in map(called, gate.local(*operands, out, **kind.attrs))]
    return [called(term) for term in gate.vjp(dout, *operands, out, **kind.attrs)]


# ---- C5: what goes back along an edge is what arrives times the local gradient


@settings(max_examples=150, deadline=None)
@given(programs, shapes, st.integers(0, 99))
def test_each_edge_multiplies_what_arrives_by_the_local_gradient(program, shape, seed):
    x, y = inputs(shape, seed, (np.float64, np.float64))
    w = cr.circuit(made(program))(x, y).ungroup()
    circuit, readings, part = w.circuit, w.readings, w.part
    for row in circuit.forward_rows():
        kind, arriving = circuit.kind_of(row), readings.gradient(part, row)
        if arriving is None or kind.gate.family != "elementwise":
            continue
        operands = [readings.value(wire) for wire in circuit.operands(row)]
        wide = [np.float64(v) if type(v) is float else v for v in (*operands, readings.value(row))]
        with np.errstate(all="ignore"):
            wanted = partials(kind, wide[:-1], wide[-1], np.float64(1) * arriving)
        for index, (operand, term) in enumerate(zip(operands, wanted, strict=True)):
            sent = readings.term(part, row, index)
            if sent is not None:
                total = summed_to(np.broadcast_to(term, np.shape(wide[-1])), np.shape(operand))
                np.testing.assert_allclose(sent, total, rtol=1e-12, atol=1e-12)


# ---- V4: a gradient has the shape and the dtype of its variable


@settings(max_examples=150, deadline=None)
@given(programs, shapes, st.integers(0, 99), st.tuples(dtypes, dtypes))
def test_a_gradient_has_the_shape_and_dtype_of_its_variable(program, shape, seed, dtype):
    given = inputs(shape, seed, dtype)
    f = made(program)
    with np.errstate(all="ignore"):
        w = cr.circuit(f)(*given)
        found = [cr.grad(f, (0, 1))(*given) for _ in range(2)]
        found.append(tuple(w.gradients.values()))
    for gradients in found:
        for g, x in zip(gradients, given, strict=True):
            assert (type(g), g.shape, g.dtype) == (type(x), x.shape, x.dtype)


def spread(gate):
    """(operands, settings): a gate's samples, and for elementwise ones shapes that broadcast."""
    for attrs in gate.sample_attrs:
        for sample in gate.samples:
            yield list(sample), attrs
    if gate.family == "elementwise":
        wide = [(2, 3), (3,), (2, 1), ()]
        for turn in range(len(wide)):
            kept = [np.array(x) for x in gate.samples[0]]
            yield [np.broadcast_to(x, wide[(turn + i) % len(wide)]).copy()
                   for i, x in enumerate(kept)], gate.sample_attrs[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "gate", [g for g in differentiable_gates() if g.samples and g.name != "cast"],
    ids=lambda g: g.name,
)
def test_so_it_does_for_every_gate(gate, dtype):
    for sample, attrs in spread(gate):
        real = [i for i, x in enumerate(sample) if np.asarray(x).dtype.kind == "f"]
        given = [np.asarray(sample[i], dtype) for i in real]

        def f(*chosen, sample=sample, real=real, attrs=attrs):
            operands = list(sample)
            for place, x in zip(real, chosen, strict=True):
                operands[place] = x
            return gate(*operands, **attrs)

        value, pullback = cr.vjp(f, *given)
        for _ in range(2):  # by rules, then by the compiled program
            for g, x in zip(pullback(np.ones(np.shape(value))), given, strict=True):
                assert (np.shape(g), g.dtype) == (x.shape, x.dtype)


# ---- P7: code is as long as the circuit, however much forks


@settings(max_examples=50, deadline=None)
@given(programs)
def test_code_is_linear_in_the_size_of_the_circuit(program):
    w = cr.circuit(made(program))(0.5, -0.25)
    edges = sum(len(w.circuit.operands(row)) for row in w.circuit.forward_rows())
    lines = w.code().splitlines()
    assert len(lines) <= 2 * edges + len(w.circuit.forward_rows()) + 12
    assert max(map(len, lines)) <= 120

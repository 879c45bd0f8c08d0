"""Random circuits of arrays: machine code agrees with eager, value and every gradient; and code for
every size of a batch with code for each, bit for bit."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.api.recorded import record
from chainrule.backends.llvm.compiled import compiled
from chainrule.backends.llvm.programs import Programs
from chainrule.trace.traced import Traced

UNARY = [
    lambda x: -x,
    lambda x: 1 - 2 * x,
    lambda x: x**2,
    lambda x: 1 / (x * x + 1),
    lambda x: 1 / (1 + np.exp(-x)),
    lambda x: np.exp(x * 0.1),
    lambda x: np.log(x * x + 1.5),
    np.tanh,
    np.sin,
    lambda x: np.maximum(x, 0),
    lambda x: np.where(x > 0, x, 0.1 * x),
    lambda x: x - x.mean(),
    lambda x: x * x.max() if x.ndim else x,
    lambda x: np.cumsum(x, axis=-1) if x.ndim else x,
    lambda x: x.T,
    lambda x: x[..., ::-1] if x.ndim else x,
    lambda x: np.broadcast_to(x.sum(axis=0), x.shape) if x.ndim else x,
    lambda x: x.reshape(-1)[:3].sum() * x if x.ndim else x,
    lambda x: x[np.array([0, -1, 0])] if x.ndim else x,
]
BINARY = [
    lambda x, y: x + y,
    lambda x, y: x - y,
    lambda x, y: x * y,
    lambda x, y: x / (y * y + 1),
    np.maximum,
    lambda x, y: np.where(x > y, x, y * 0.5),
    lambda x, y: x @ y if x.ndim and y.ndim and x.shape[-1] == y.shape[0] else x * y.sum(),
    lambda x, y: np.concatenate([x, y]).sum() * x if x.ndim == y.ndim == 1 else x + y.mean(),
]
choice = st.integers(0, 10**6)
programs = st.lists(st.tuples(choice, choice, choice), min_size=1, max_size=20)
SHAPES = [((4,), (4,)), ((3, 4), (4,)), ((3, 3), (3, 3)), ((2, 3, 4), (3, 1)), ((40,), ()),
          ((5, 37), (5, 1))]
OF_ANY_SIZE = [
    lambda n: ((n,), (n,)), lambda n: ((n, 4), (4,)), lambda n: ((n, 3), (n, 3)),
    lambda n: ((n, 3, 4), (3, 1)), lambda n: ((3, n), (3, n)), lambda n: ((n, 5), (n, 1)),
    lambda n: ((n, n), (n, n)), lambda n: ((2, n, 3), (n, 1)),
]


def fits(x, y):
    try:
        return np.broadcast_shapes(np.shape(x), np.shape(y)) is not None
    except ValueError:
        return False


def made(program):
    """A function of x and y that applies the drawn operations, reading anything made before."""

    def f(x, y):
        wires = [x, y]
        for op, a, b in program:
            one, two = wires[a % len(wires)], wires[b % len(wires)]
            if op % 3 == 0 or not fits(one, two):
                wires.append(UNARY[op % len(UNARY)](one))
            else:
                wires.append(BINARY[op % len(BINARY)](one, two))
        return sum(np.tanh(w * 0.01).sum() for w in wires[-3:])

    return f


dtypes = st.sampled_from([np.float64, np.float64, np.float64, np.float32])


@given(programs, st.sampled_from(SHAPES), st.integers(0, 99), dtypes)
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_machine_code_agrees_with_eager(program, shapes, seed, dtype):
    rng = np.random.default_rng(seed)
    args = [rng.normal(size=s).astype(dtype)[()] for s in shapes]
    args = [x if np.shape(x) else dtype(x) for x in args]
    both = cr.value_and_grad(made(program), (0, 1))
    value, gradients = both(*args)
    done = record(both, tuple(args), {})
    got = compiled(done.circuit)(*args)
    rtol = 1e-9 if dtype is np.float64 else 2e-3
    traced = iter(got)
    found = [next(traced) if isinstance(x, Traced) else x for x in done.leaves]
    for x, y in zip(found, [value, *gradients], strict=True):
        assert np.shape(x) == np.shape(y) and np.asarray(x).dtype == np.asarray(y).dtype
        scale = float(np.max(np.abs(y), initial=0)) if np.all(np.isfinite(y)) else 0
        np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol * max(scale, 1e-6))


@given(programs, st.sampled_from(OF_ANY_SIZE), st.permutations([64, 40, 23, 9, 3, 2]), dtypes)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_one_program_for_every_size_gives_the_bits_of_one_for_each(program, shapes, sizes, dtype):
    both, shared = cr.value_and_grad(made(program), (0, 1)), Programs()
    rng = np.random.default_rng(0)
    for n in sizes[:4]:
        args = [rng.normal(size=s).astype(dtype) for s in shapes(n)]
        circuit = record(both, tuple(args), {}).circuit
        found, wanted = compiled(circuit, 0, shared)(*args), compiled(circuit, 0)(*args)
        for x, y in zip(found, wanted, strict=True):
            assert np.array_equal(x, y, equal_nan=True)

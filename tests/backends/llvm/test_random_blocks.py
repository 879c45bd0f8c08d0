"""Random circuits with a long extent, run over blocks of it: machine code agrees with eager."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.api.recorded import record
from chainrule.backends.llvm import blocks, panels
from chainrule.backends.llvm.compiled import compiled
from chainrule.trace.traced import Traced

choice = st.integers(0, 10**6)
programs = st.lists(st.tuples(choice, choice, choice), min_size=1, max_size=20)
dtypes = st.sampled_from([np.float64, np.float64, np.float64, np.float32])
LONG = st.sampled_from([64, 65, 79, 95, 96, 97, 112, 128, 129, 191, 200])  # about blocks of 32
OTHERS = [  # with the long extent n at each place
    lambda n: ((n, 3), (3,)), lambda n: ((n, 5), (n, 1)), lambda n: ((n,), (n,)),
    lambda n: ((3, n), (n,)), lambda n: ((2, n, 4), (4,)), lambda n: ((n, 4), (4, 4)),
    lambda n: ((n, 2, 3), (2, 3)), lambda n: ((2, n), (n, 3)), lambda n: ((n, 17), (17, 6)),
]
ALONG = [
    lambda x: x - np.max(x, axis=-1, keepdims=True),
    lambda x: np.exp(x * 0.1) / np.exp(x * 0.1).sum(axis=-1, keepdims=True),
    lambda x: x * x.sum(axis=0),
    lambda x: x - x.mean(axis=0),
    lambda x: (x * x).sum(axis=-1)[..., None] * x,
    lambda x: x.T.copy().T,
    lambda x: np.einsum("...k,jk->...j", x, np.cos(np.arange(x.shape[-1] ** 2.0)).reshape(
        x.shape[-1], -1)) if x.shape[-1] < 20 else x * 2,
    lambda x: np.einsum("nk,nj->kj", x, x).sum() * x if x.ndim == 2 else x + 1,
    lambda x: np.einsum("nki,nkj->kij", x, x).sum(axis=0)[0] * x if x.ndim == 3 and
    x.shape[-1] < 20 else x - 0.5,
    lambda x: np.concatenate([x, x * 2]).reshape((2, *x.shape)).sum(axis=0),
    np.tanh,
]
SMOOTH = [  # no choices: after sums in another order, what compares equal may not
    lambda x, y: x + y,
    lambda x, y: x - y,
    lambda x, y: x * y,
    lambda x, y: x / (y * y + 1),
    lambda x, y: x @ y if x.ndim and y.ndim and x.shape[-1] == y.shape[0] else x * y.sum(),
]


def fits(x, y):
    try:
        return np.broadcast_shapes(np.shape(x), np.shape(y)) is not None
    except ValueError:
        return False


def shaken(circuit, args, rng):
    """The outputs, where every stage is off by up to one unit in the last place."""
    values = dict(zip(circuit.inputs, args, strict=True))
    values |= zip(circuit.constant_rows, circuit.constants, strict=True)
    for row in range(len(circuit)):
        if row not in values:
            x = np.asarray(circuit.kind_of(row).compute([values[w] for w in circuit.operands(row)]))
            if x.dtype.kind == "f":
                x = x * (1 + np.finfo(x.dtype).eps * rng.uniform(-1, 1, x.shape)).astype(x.dtype)
            values[row] = x
    return [values[w] for w in circuit.outputs]


def compared(f, args, level=1):
    """Machine code beside eager: value and every gradient; gives what machine code gave.

    They may be apart by what rounding may come to: less than the numbers that went in, or, where
    much cancels, than a few times what `shaken` gives.
    """
    both = cr.value_and_grad(f, (0, 1))
    with np.errstate(all="ignore"):
        value, gradients = both(*args)
        done = record(both, tuple(args), {})
        others = [shaken(done.circuit, args, np.random.default_rng(k)) for k in range(3)]
    got = compiled(done.circuit, level)(*args)
    rtol = 1e-9 if np.asarray(args[0]).dtype == np.float64 else 2e-3
    least = 1e-5 * max(float(np.max(np.abs(x), initial=0)) for x in args)
    traced = iter(got)
    alike = iter(zip(*others, strict=True))
    found = [(next(traced), next(alike)) if isinstance(x, Traced) else (x, ()) for x in done.leaves]
    for (x, near), y in zip(found, [value, *gradients], strict=True):
        assert np.shape(x) == np.shape(y) and np.asarray(x).dtype == np.asarray(y).dtype
        scale = float(np.max(np.abs(y), initial=0)) if np.all(np.isfinite(y)) else 0
        away = max((float(np.max(np.abs(z - y), initial=0)) for z in near), default=0)
        room = rtol * max(scale, least) + 30 * (away if np.isfinite(away) else 0)
        np.testing.assert_allclose(x, y, rtol=rtol, atol=room)
    return got


def made_along(program):
    """A function of x and y, whose steps mostly keep to one place of the long extent."""

    def f(x, y):
        wires = [x, y]
        for op, a, b in program:
            one, two = wires[a % len(wires)], wires[b % len(wires)]
            if one.ndim and (op % 3 == 0 or not fits(one, two)):
                wires.append(ALONG[op % len(ALONG)](one))
            else:
                wires.append(SMOOTH[op % len(SMOOTH)](one, two))
        return sum(np.tanh(w * 0.01).sum() for w in wires[-3:])

    return f


@given(programs, LONG, st.sampled_from(OTHERS), st.integers(0, 99), dtypes)
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_blocks_agree_with_eager_and_between_levels(program, extent, others, seed, dtype):
    rng = np.random.default_rng(seed)
    args = [rng.normal(size=s).astype(dtype) for s in others(extent)]
    with pytest.MonkeyPatch.context() as patch:  # blocks wherever they are possible
        for name, number in (("WORTH", 1), ("LEAST_SAVED", 0), ("SHORT", 1000), ("LARGEST", 32)):
            patch.setattr(blocks, name, number)
        patch.setattr(panels, "WORTH", 1)
        first = compared(made_along(program), args)
        other = compared(made_along(program), args, level=0)
    for x, y in zip(first, other, strict=True):
        assert np.asarray(x).tobytes() == np.asarray(y).tobytes()

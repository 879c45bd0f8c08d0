"""Random Python loops over the numbers of arrays: machine code has the bits of stepwise, value and
gradients, at both levels."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.api.recorded import record
from chainrule.backends import stepwise
from chainrule.backends.llvm.compiled import compiled

SEEDS = range(4)  # of each way through the places and each way to read
STEPS = (
    lambda v, p, w: v * p, lambda v, p, w: v + p, lambda v, p, w: p - v * 2.0,
    lambda v, p, w: v * v, lambda v, p, w: v * w[1] + 0.5, lambda v, p, w: abs(v) - p,
    lambda v, p, w: np.where(p > 0, v, -1.5 * p), lambda v, p, w: v / (1.0 + p * p),
)
SUMS = (
    lambda total, v, p: total + v, lambda total, v, p: v + total, lambda total, v, p: total - v,
    lambda total, v, p: total + v * p + p, lambda total, v, p: total * 0.5 + v,
    lambda total, v, p: total,
)
WAYS = {
    "on": range, "back": lambda n: reversed(range(n)), "every other": lambda n: range(1, n, 2),
    "with gaps": lambda n: [i for i in range(n) if i % 9],
    "anyhow": lambda n: np.random.default_rng(0).permutation(n).tolist(),
}
READS = {
    "x[i]": ((), lambda x, i, k: x[i]), "x[i, k]": ((3,), lambda x, i, k: x[i, k]),
    "x[i][k]": ((3,), lambda x, i, k: x[i][k]), "x[i, 8]": ((9,), lambda x, i, k: x[i, 8 - k]),
}


def write(y, i, v, how):
    """One of the ways to write into y at i."""
    if how == 1:
        y[i] = v
    elif how == 2:
        y[-1 - i] += v
    elif how == 3:
        y[i - 1] = y[i - 1] * 0.5 + v
    elif how == 4:
        y[i // 2] = v + y[i]
    elif how == 5:
        y[0] += v
        y[i] = y[0]
    elif how == 6:
        y[i] = 1.0


def random_loop(rng, way, read):
    """A loop that adds up and writes."""
    steps = [(STEPS[s], a) for s, a in rng.integers((0, -2), (len(STEPS), 3), (4, 2))]
    steps = steps[rng.integers(5) :]
    how, add, k, begins, seen = (int(rng.integers(m)) for m in (7, len(SUMS), 3, 3, 3))

    def f(x, w):
        n = len(x)
        y = (np.zeros(n, like=x), x.reshape(-1)[:n] * 2, np.full(n, -0.0, like=x))[begins]
        total, before = w[0], None
        for i in way(n):
            v = p = read(x, i, k)
            for step, ahead in steps:
                p = read(x, (i + ahead) % n - n * (ahead == 1), k)
                v = step(v, p, w)
            write(y, i, v, how)
            total = SUMS[add](total, v, p)
            if seen == 0 and i == n // 2:  # as a whole, and again after it was changed
                before = y * y
                total = total + before.max()
        for i in range(n):
            total = total + y[i] * (y[i] if before is None else before[i])
        return total

    return f


def numbers(rng, shape, dtype):
    """Numbers for a loop; in one case of four some that are special."""
    x = rng.normal(size=shape).astype(dtype)
    if rng.integers(4) == 0:
        x.flat[rng.integers(0, x.size, 5)] = 0.0, -0.0, np.inf, np.nan, -0.0
    return x


@pytest.mark.parametrize("shape, read", READS.values(), ids=READS)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_loops_have_the_bits_of_stepwise(way, shape, read):
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        f, n = cr.value_and_grad(random_loop(rng, way, read), (0, 1)), rng.integers(9, 30)
        dtype = rng.choice([np.float64, np.float32])
        args = numbers(rng, (n, *shape), dtype), numbers(rng, 2, dtype)
        with np.errstate(all="ignore"):
            circuit = record(f, args, {}).circuit
            readings = stepwise.run(circuit, args)
        for level in (0, 1):
            for wire, found in zip(circuit.outputs, compiled(circuit, level)(*args), strict=True):
                wanted = np.asarray(readings.value(wire))
                assert (np.shape(found), np.asarray(found).dtype) == (wanted.shape, wanted.dtype)
                assert np.array_equal(found, wanted, equal_nan=True), f"seed {seed}"
                signs = np.signbit(found)[wanted == 0] == np.signbit(wanted)[wanted == 0]
                assert np.all(signs), f"seed {seed}"

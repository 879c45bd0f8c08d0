"""Machine code of many circuits run between unreadable pages; test_guards.py starts it.

It says the name of each circuit before it runs, so that the last one said is the one at fault.
"""

import sys

import numpy as np

import chainrule as cr
from chainrule.api.recorded import record
from chainrule.backends import stepwise
from scripts.random_arrays import SHAPES, inputs, random_program
from scripts.random_arrays import recorded as recorded_program
from scripts.together import ENDS, run_guarded, together

SOME = 24  # circuits compiled as one module


def tails():
    """(name, function, arguments): every way of reading and writing, at each extent."""
    rng = np.random.default_rng(0)
    ways = {
        "side by side": lambda x, i: x * 2 + 1, "flags": lambda x, i: np.where(x > 0, x, -x) > 1,
        "every other": lambda x, i: x[::2] * x[1::2].sum(), "reversed": lambda x, i: x[::-1] + x,
        "one for all": lambda x, i: np.broadcast_to(x[:1], x.shape) * x[-1],
        "column": lambda x, i: x.reshape(-1, 1) * x, "sum": lambda x, i: (x * x).sum(),
        "rows": lambda x, i: np.broadcast_to(x, (3, x.size)).sum(axis=1),
        "columns": lambda x, i: (x.reshape(-1, 1) + x[:3]).max(axis=0),
        "padded": lambda x, i: np.pad(x, 3), "rolled": lambda x, i: np.roll(x, 1) * x,
        "picked": lambda x, i: x[i] * x, "written": written, "totals": lambda x, i: np.cumsum(x),
        "product": lambda x, i: np.outer(x, x[:5]) @ np.outer(x[:5], x),
        "order": lambda x, i: np.sort(x), "best": lambda x, i: x * np.argmax(x),
        "joined": lambda x, i: np.concatenate([x, x[1:]]), "whole": lambda x, i: i + i[0],
        "small": lambda x, i: np.sin(x.astype(np.float32)), "one by one": one_by_one,
    }
    for n in range(1, 71):
        x, i = rng.normal(size=n), rng.integers(-n, n, n)
        for name, f in ways.items():
            yield f"{name}, {n}", f, (x, i)


def written(x, i):
    y = np.zeros(x.size, like=x)
    y[i] = x
    y[1:] += x[:-1]
    return y


def one_by_one(x, i):
    total = 0.0
    for k in range(x.size - 1):
        total = total + x[k] * x[k + 1]
    return total * x


def edges():
    """No numbers, one number, a number without axes."""
    for shape in ((), (0,), (1,), (0, 3), (3, 0), (1, 1), (2, 1, 3)):
        x = np.ones(shape)
        for name, f in {
            "sum": lambda x, i: (x + i) * x.sum(), "turned": lambda x, i: x.T * 2,
            "flat": lambda x, i: x.reshape(-1) + i, "added up": lambda x, i: x.sum(axis=0)
            if x.ndim else x * i,
        }.items():
            yield f"{name}, {list(shape)}", f, (x[()], 2.0)


def recorded(f, args):
    """The circuit of a function's value and, where it has one, its gradient."""
    def both(*args):
        value, pullback = cr.vjp(lambda x: f(x, *args[1:]), args[0])
        return value, pullback(value)

    value = f(*args)
    is_real = np.asarray(value).dtype.kind == "f"
    return record(both if is_real else f, args, {}).circuit


def catalogue():
    """(name, circuit, what to give it): every gate that has array samples, with its gradients."""
    from tests.backends.llvm.test_arrays import CASES, with_gradients

    for k, (gate, operands, attrs) in enumerate(CASES):
        circuit, given = with_gradients(gate, operands, attrs)
        if gate.family != "elementwise" or np.size(operands[0]) in (0, 7, 33):
            yield f"{gate.name}, case {k}", circuit, given


def random_ones():
    """(name, circuit, arguments) of random circuits."""
    for seed in range(90):
        program = random_program(np.random.default_rng(seed))
        args = inputs(SHAPES[seed % len(SHAPES)], seed, (np.float64, np.float32)[seed % 2])
        yield f"seed {seed}", recorded_program(program, args), args


def cases(part):
    if part in PARTS:
        return PARTS[part]()
    every = [*tails(), *edges()]
    return ((name, recorded(f, args), args) for name, f, args in every)


PARTS = {"catalogue": catalogue, "random": random_ones}


def main(part):
    waiting = list(cases(part))
    for k in range(0, len(waiting), SOME):
        some = waiting[k : k + SOME]
        cores = together([c for _, c, _ in some], apart=True)
        for core, (name, circuit, given) in zip(cores, some, strict=True):
            with np.errstate(all="ignore"):
                readings = stepwise.run(circuit, given)
            types = {circuit.type_of(row).dtype.name for row in range(len(circuit))}
            rtol = 1e-4 if "float32" in types else 1e-11
            for end in ENDS:
                print(f"{name}, {end}", flush=True)
                status, got = run_guarded(core, given, end)
                assert status == 0
                for x, w in zip(got, circuit.outputs, strict=True):
                    np.testing.assert_allclose(x, readings.value(w), rtol=rtol, atol=rtol)
    print("done")


if __name__ == "__main__":
    main(sys.argv[1])

"""Random circuits of arrays that are moved, written to, and read again under every name they had.

All steps are exact, so that machine code has the bits of stepwise. A program is a list of steps
(operation, target, source, key, key of the source); the inputs are x and i, places on each axis.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.api.recorded import record
from chainrule.circuit.circuit import Circuit
from chainrule.circuit.record import BY_NAME
from chainrule.gates.index import adding, setting

Program = Sequence[tuple[int, ...]]
ALL = (None, None, None)
KEYS = ((0,), (-1,), ((None, None, 2),), ((1, None, None),), (ALL,))
KEYS_OF_TWO = (*KEYS, (ALL, 0), (ALL, -1), (ALL, (None, None, -1)), ((1, None, None), ALL), (0, 1))
SHAPES = ((4,), (20,), (3, 3), (3, 5), (40, 3))

MOVES: list[Callable[[Any], Any]] = [
    lambda x: np.sqrt(np.abs(x)),
    lambda x: x * 1.5,  # cheap to compute again
    lambda x: x - x.max(),
    lambda x: x * np.any(x > 1),
    lambda x: np.flip(x),
    lambda x: x[::-1],
    lambda x: x.T,
    lambda x: x.reshape(x.shape[::-1]),
    lambda x: np.concatenate([x[1:], x[:1]]),
    lambda x: np.zeros(x.shape, like=x),
]


def _written(x: Any, y: Any, key: int, other: int, *, adds: bool) -> Any:
    """x with numbers of y, or its largest, at a key."""
    keys = KEYS_OF_TWO if len(x.shape) == 2 else KEYS
    there = keys[key % len(keys)]
    shape = _picked(x, there).shape
    found = [k for k in keys if len(k) <= len(y.shape) and _picked(y, k).shape == shape]
    v = _picked(y, found[other % len(found)]) if found and other % 5 else y.max()
    return BY_NAME["index_add" if adds else "index_set"](x, v, key=there)


def _picked(x: Any, key: Any) -> Any:
    return x[tuple(slice(*k) if isinstance(k, tuple) else k for k in key)]


def made(program: Program) -> Callable[..., Any]:
    """The function that a program is: its last three arrays."""

    def f(x: Any, i: Any) -> Any:
        wires = [x, x * 0.5]
        for operation, target, source, key, other in program:
            y, z = wires[-1 - target % len(wires)], wires[-1 - source % len(wires)]
            match operation % 10:
                case 0:
                    out = adding(1)(y, z.max(), i, key=("i",))
                case 1:
                    out = setting(1)(y, y[0], i, key=("i",), repeats=True)
                case 2:
                    out = y + z if y.shape == z.shape else y + z.max()
                case 3 | 4 | 5 | 6:
                    out = _written(y, z, key, other, adds=operation % 2 == 0)
                case _:
                    out = MOVES[key % len(MOVES)](y)
            wires.append(out)
        return tuple(wires[-3:])

    return f


def random_circuit(seed: int) -> tuple[Circuit, list[Any]]:
    """The circuit of a program of one to twelve steps, and its inputs."""
    rng = np.random.default_rng(seed)
    program = rng.integers(0, 10**6, (rng.integers(1, 13), 5)).tolist()
    x = (rng.normal(size=SHAPES[seed % len(SHAPES)]) * 2).astype(("f8", "f4")[seed // 5 % 2])
    args = [x, rng.integers(-2, 2, 3)]
    return record(made(program), tuple(args), {}).circuit, args

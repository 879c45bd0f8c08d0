"""Random circuits: programs of elementwise operations that fork, broadcast, choose and group.

A program is a list of (operation, i, j): each step applies an operation to values made before,
counted from the last, so that forks are common. It runs on any namespace with NumPy's names, such
as autograd.numpy and jax.numpy.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Step = tuple[int, int, int]
Program = Sequence[Step]

UNARY: list[Callable[[Any, Any], Any]] = [
    lambda np, x: -x,
    lambda np, x: 2 * x,
    lambda np, x: x + 0.5,
    lambda np, x: 1 - x,
    lambda np, x: x**2,
    lambda np, x: x**3,
    lambda np, x: 1 / (x * x + 1),
    lambda np, x: 1 / (1 + np.exp(-x)),
    lambda np, x: np.exp(x * 0.1),
    lambda np, x: np.log(x * x + 1.5),
    lambda np, x: np.maximum(x, 0),
    lambda np, x: np.where(x > 0, x, 0.1 * x),
    lambda np, x: np.exp(-x) / (1 + np.exp(-x)),
    lambda np, x: np.log(1 + np.exp(x)),
    lambda np, x: np.tanh(x),
    lambda np, x: np.sqrt(x * x + 0.25),
    lambda np, x: np.sin(x) * np.cos(x),
    lambda np, x: np.clip(x, -1.5, 1.5),
    lambda np, x: abs(x),
]
BINARY: list[Callable[[Any, Any, Any], Any]] = [
    lambda np, x, y: x + y,
    lambda np, x, y: x - y,
    lambda np, x, y: x * y,
    lambda np, x, y: x / (y * y + 1),
    lambda np, x, y: np.maximum(x, y),
    lambda np, x, y: np.minimum(x, y),
    lambda np, x, y: np.where(x > y, x * y, y),
]
TRAPS: list[Callable[[Any, Any], Any]] = [  # an infinite slope on the side that is not taken
    lambda np, x: np.where(x > 0, np.log(x), 0.1 * x),
    lambda np, x: np.where(x == 0, 0.5 * x, x / x),
    lambda np, x: np.maximum(0.5, np.sqrt(abs(x) * 0)),
]
OPERATIONS = len(UNARY) + len(BINARY)


def made(program: Program, np: Any = np, traps: bool = False) -> Callable[[Any, Any], Any]:
    """The function of x and y that a program is: one number, whatever the shapes of x and y."""
    unary = UNARY + TRAPS if traps else UNARY

    def f(x: Any, y: Any) -> Any:
        values = [x, y]
        for operation, i, j in program:
            a, b = values[-1 - i % len(values)], values[-1 - j % len(values)]
            kind, which = divmod(operation, 2)
            if which:
                values.append(unary[kind % len(unary)](np, a))
            else:
                values.append(BINARY[kind % len(BINARY)](np, a, b))
        out = values[-1] + values[-2]
        return np.sum(out) if np.shape(out) else out

    return f


def drawn(rng: np.random.Generator, most: int = 25) -> list[Step]:
    """A random program of up to `most` steps."""
    count = int(rng.integers(1, most + 1))
    return [(int(o), int(i), int(j)) for o, i, j in zip(
        rng.integers(0, 10**6, count), rng.integers(0, 8, count), rng.integers(0, 8, count),
        strict=True,
    )]

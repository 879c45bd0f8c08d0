"""Random circuits of arrays and numbers: programs that fold, move, pick, write, sort and choose.

A program is a list of (operation, i, j): each step applies an operation to values made before. The
inputs are x and y, real; k, places that every axis has; m, flags in x's shape.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.api.recorded import record
from chainrule.circuit.circuit import Circuit

Program = Sequence[tuple[int, int, int]]


def _written(x: Any, k: Any) -> Any:
    y = np.copy(x)
    y[k] = x[0] * 0.5
    y[0] += x[-1]
    return y


def _cleared(x: Any) -> Any:
    y = np.copy(x)
    y[..., ::2] = 0
    return y + x


ANY: list[Callable[..., Any]] = [  # of numbers and arrays
    lambda x, k, m: -x,
    lambda x, k, m: 1 - 2 * x,
    lambda x, k, m: x**2,
    lambda x, k, m: 1 / (x * x + 1),
    lambda x, k, m: 1 / (1 + np.exp(-x)),
    lambda x, k, m: np.exp(x * 0.1),
    lambda x, k, m: np.log(x * x + 1.5),
    lambda x, k, m: np.sqrt(x * x + 0.25),
    lambda x, k, m: np.tanh(x),
    lambda x, k, m: np.sin(x),
    lambda x, k, m: abs(x),
    lambda x, k, m: np.maximum(x, 0),
    lambda x, k, m: np.clip(x, -1.5, 1.5),
    lambda x, k, m: np.where(x > 0, x, 0.1 * x),
    lambda x, k, m: np.where((x > -1) & ~(x > 1), x, -x),
    lambda x, k, m: x * (x > 0.3),
    lambda x, k, m: x - np.mean(x),
    lambda x, k, m: x * np.sum(x > 0),
    lambda x, k, m: x * (k[1] + 2),
    lambda x, k, m: np.where(m, x, 0.5 * x) if np.shape(m) == np.shape(x) else x * np.sum(m),
]
ARRAY: list[Callable[..., Any]] = [
    lambda x, k, m: x * x.max(),
    lambda x, k, m: x - x.min(axis=0),
    lambda x, k, m: x / (1 + np.std(x, axis=-1, keepdims=True)),
    lambda x, k, m: np.cumsum(x, axis=-1),
    lambda x, k, m: x.T,
    lambda x, k, m: x[..., ::-1],
    lambda x, k, m: np.roll(x, 1, axis=0),
    lambda x, k, m: np.broadcast_to(x.sum(axis=0), x.shape),
    lambda x, k, m: x.reshape(-1)[:3].sum() * x,
    lambda x, k, m: x[k],
    lambda x, k, m: np.take(x, k, axis=-1),
    lambda x, k, m: _written(x, k),
    lambda x, k, m: _cleared(x),
    lambda x, k, m: np.sort(x, axis=-1),
    lambda x, k, m: np.take_along_axis(x, np.argsort(-x, axis=0), 0),
    lambda x, k, m: x * np.argmax(x, axis=0),
    lambda x, k, m: np.take_along_axis(x, np.argmin(x, axis=-1, keepdims=True), -1) + x,
    lambda x, k, m: (1 + 0.01 * x).prod(axis=0) * x,
    lambda x, k, m: x * np.any(x > 0, axis=-1, keepdims=True),
    lambda x, k, m: np.concatenate([x[1:], x[:1]]),
]
BINARY: list[Callable[[Any, Any], Any]] = [
    lambda x, y: x + y,
    lambda x, y: x - y,
    lambda x, y: x * y,
    lambda x, y: x / (y * y + 1),
    lambda x, y: np.maximum(x, y),
    lambda x, y: np.minimum(x, y),
    lambda x, y: np.where(x > y, x, y * 0.5),
    lambda x, y: np.dot(x, y) if np.ndim(x) == np.ndim(y) == 1 and np.shape(x) == np.shape(y)
    else x * np.sum(y),
    lambda x, y: x @ y.T if np.ndim(x) == 2 and np.shape(x) == np.shape(y) else x + np.mean(y),
]
SHAPES = [((), ()), ((4,), (4,)), ((3, 4), (4,)), ((3, 3), (3, 3)), ((2, 3, 4), (3, 1)),
          ((40,), ()), ((5, 37), (5, 1)), ((1,), (1, 1)), ((17,), (17,))]


def made(program: Program) -> Callable[..., Any]:
    """The function that a program is: one number."""

    def f(x: Any, y: Any, k: Any, m: Any) -> Any:
        wires = [x, y]
        for operation, i, j in program:
            one, two = wires[-1 - i % len(wires)], wires[-1 - j % len(wires)]
            if operation % 3 == 0 and _fits(one, two):
                wires.append(BINARY[operation // 3 % len(BINARY)](one, two))
            else:
                unary = ANY + ARRAY if np.ndim(one) and np.size(one) < 1000 else ANY
                wires.append(unary[operation // 3 % len(unary)](one, k, m))
        return sum(np.sum(np.tanh(w * 0.01)) for w in wires[-3:])

    return f


def _fits(x: Any, y: Any) -> bool:
    try:
        return len(np.broadcast_shapes(np.shape(x), np.shape(y))) < 4
    except ValueError:
        return False


def inputs(shapes: Sequence[tuple[int, ...]], seed: int, dtype: Any) -> list[Any]:
    """x, y, k and m."""
    rng = np.random.default_rng(seed)
    reals = [rng.normal(size=s).astype(dtype)[()] for s in shapes]
    flags = rng.integers(0, 2, shapes[0] or (1,)) > 0
    return [*reals, rng.integers(-1, 1, 3), flags]


def recorded(program: Program, args: Sequence[Any]) -> Circuit:
    """The circuit of a program's value and gradients."""
    return record(cr.value_and_grad(made(program), (0, 1)), tuple(args), {}).circuit


def random_program(rng: np.random.Generator) -> Program:
    """One to eight steps."""
    return [(int(a), int(b), int(c)) for a, b, c in rng.integers(0, 10**6, (rng.integers(1, 9), 3))]

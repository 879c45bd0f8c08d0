"""Products over a shared axis. With D = W @ X: dW = dD @ X.T and dX = W.T @ dD."""

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.circuit.types import Type, promote
from chainrule.errors import ShapeError
from chainrule.gates.define import gate
from chainrule.gates.move import expand_dims, reshape, shape_of, transpose


def _product(types: Sequence[Type]) -> Type:
    x, y = types
    for t in types:
        if not t.shape:
            raise ShapeError("matmul needs arrays with at least one axis; write * for numbers")
    inner = y.shape[-2] if len(y.shape) > 1 else y.shape[0]
    if x.shape[-1] != inner:
        raise ShapeError(
            f"matmul needs x's last size to equal y's first: x is {list(x.shape)} "
            f"and y is {list(y.shape)}" + _advice(x.shape, y.shape)
        )
    return Type(_product_shape(x.shape, y.shape), promote(types))


def _product_shape(x: tuple[int, ...], y: tuple[int, ...]) -> tuple[int, ...]:
    try:
        lead = np.broadcast_shapes(x[:-2], y[:-2])
    except ValueError:
        raise ShapeError(
            f"matmul needs leading sizes that broadcast: x is {list(x)} and y is {list(y)}"
        ) from None
    return lead + (x[-2:-1] if len(x) > 1 else ()) + (y[-1:] if len(y) > 1 else ())


def _advice(x: tuple[int, ...], y: tuple[int, ...]) -> str:
    if len(x) == len(y) == 2 and x[1] == y[1]:
        return f"\n  Perhaps x @ y.T, which gives {[x[0], y[0]]}."
    if len(x) == len(y) == 2 and x[0] == y[0]:
        return f"\n  Perhaps x.T @ y, which gives {[x[1], y[1]]}."
    return ""


def _swap(x: Any) -> Any:
    """Transpose of the last two axes."""
    rank = len(shape_of(x))
    return transpose(x, axes=(*range(rank - 2), rank - 1, rank - 2))


def _back_to_x(dout: Any, x: Any, y: Any) -> Any:
    """Gradient of x @ y by x; leading axes that were broadcast are the engine's to sum."""
    if len(shape_of(y)) == 1:
        if len(shape_of(x)) == 1:
            return dout * y
        return expand_dims(dout, axis=(len(shape_of(dout)),)) * y  # [..., n, 1] * [k]
    if len(shape_of(x)) == 1:
        return matmul(y, dout) if len(shape_of(y)) == 2 else _row(dout, x, y)
    return matmul(dout, _swap(y))


def _row(dout: Any, x: Any, y: Any) -> Any:
    """x [k] @ y [..., k, p]: treat x as one row of a matrix, then drop the row."""
    product = matmul(expand_dims(dout, axis=(len(shape_of(dout)) - 1,)), _swap(y))  # [..., 1, k]
    shape = shape_of(product)
    return reshape(product, shape=(*shape[:-2], shape[-1]))


def _back_to_y(dout: Any, x: Any, y: Any) -> Any:
    """Gradient of x @ y by y."""
    if len(shape_of(x)) == 1:
        if len(shape_of(y)) == 1:
            return dout * x
        column = expand_dims(x, axis=(1,))  # [k, 1]
        return column * expand_dims(dout, axis=(len(shape_of(dout)) - 1,))  # [..., k, p]
    if len(shape_of(y)) == 1:
        if len(shape_of(x)) == 2:
            return matmul(_swap(x), dout)
        column = expand_dims(dout, axis=(len(shape_of(dout)),))  # [..., n, 1]
        product = matmul(_swap(x), column)
        return reshape(product, shape=shape_of(product)[:-1])
    return matmul(_swap(x), dout)


def _bind_product(x: Any, y: Any) -> Any:
    """np.dot and ndarray.dot, where they are the same as matmul: vectors and matrices."""
    ranks = [len(shape_of(x)), len(shape_of(y))]
    if 0 in ranks:
        raise TypeError("dot of a number: write * instead")
    if max(ranks) > 2:
        raise TypeError(f"dot of arrays with {ranks[0]} and {ranks[1]} axes: write matmul or @")
    return (x, y), {}


matmul = gate(
    "matmul", "x y", family="contract", symbol="@", evaluate=operator.matmul,
    infer=_product, code="{x} @ {y}", numpy=(np.matmul, np.dot), operator="matmul",
    method="dot",
    bind=_bind_product,
    vjp=lambda dout, x, y, out: (
        lambda: _back_to_x(dout, x, y), lambda: _back_to_y(dout, x, y),
    ),
    words="multiplies by the other input, transposed: {x} gets {dout} @ {y}.T, "
          "and {y} gets {x}.T @ {dout}",
    samples=(
        (np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4) / 7),
        (np.arange(6.0).reshape(2, 3), np.array([1.0, -2.0, 0.5])),
        (np.array([1.0, -2.0]), np.arange(6.0).reshape(2, 3)),
        (np.array([1.0, -2.0]), np.array([3.0, 0.5])),
        (np.arange(12.0).reshape(2, 2, 3), np.arange(3.0)),
        (np.arange(3.0), np.arange(12.0).reshape(2, 3, 2)),
        (np.arange(12.0).reshape(2, 2, 3), np.arange(6.0).reshape(3, 2)),
    ),
    error_samples=((np.zeros((5, 10)), np.zeros((3, 10))),),
    source="docs/maths/matmul.md",
)

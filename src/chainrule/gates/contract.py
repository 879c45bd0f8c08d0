"""Products over shared axes. With D = W @ X: dW = dD @ X.T and dX = W.T @ dD.

| gate      | out                                   | x gets                                       |
|-----------|---------------------------------------|----------------------------------------------|
| matmul    | x @ y, also of vectors and of stacks  | dout @ y.T                                   |
| outer     | every number of x times every one of y| dout @ y                                     |
"""

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.circuit.record import Gate
from chainrule.circuit.types import Type, promote
from chainrule.errors import ShapeError
from chainrule.gates.batched import aligned, flat, shape_of_one
from chainrule.gates.define import gate
from chainrule.gates.move import (
    Bound,
    Shape,
    expand_dims,
    joined_dtype,
    ravel,
    reshape,
    shape_of,
    squeeze,
    transpose,
)


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


def _matmul_batch(gate: Gate, many: Sequence[bool], x: Any, y: Any) -> Any:
    """One product of matrices where one does; else a stack of them."""
    x_rank, y_rank = (len(shape_of_one(a, m)) for a, m in zip((x, y), many, strict=True))
    if not many[1] and y_rank <= 2:
        return gate(x, y)  # [n, ..., k] @ [k, p]
    if not many[0] and x_rank <= 2 and y_rank == 1:
        return gate(y, x if x_rank == 1 else _swap(x))  # [n, k] @ [k, m]
    if x_rank == 1:
        x = expand_dims(x, axis=(len(shape_of(x)) - 1,))  # a row
    if y_rank == 1:
        y = expand_dims(y, axis=(len(shape_of(y)),))  # a column
    product = gate(*aligned(many, (x, y)))
    rank = len(shape_of(product))
    gone = (rank - 2,) * (x_rank == 1) + (rank - 1,) * (y_rank == 1)
    return squeeze(product, axis=gone) if gone else product


matmul = gate(
    "matmul", "x y", family="contract", symbol="@", evaluate=operator.matmul,
    infer=_product, code="{x} @ {y}", numpy=(np.matmul, np.dot), operator="matmul",
    method="dot",
    bind=_bind_product, batch=_matmul_batch,
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


# ---- outer


def as_shape(x: Any, shape: Shape) -> Any:
    return x if shape_of(x) == shape else reshape(x, shape=shape)


def _flat(x: Any) -> Any:
    return x if len(shape_of(x)) == 1 else ravel(x)


def _bind_outer(a: Any, b: Any, out: Any = None) -> Bound:
    if out is not None:
        raise TypeError("takes two arrays only, not out=")
    return (a, b), {}


def _outer_batch(gate: Gate, many: Sequence[bool], x: Any, y: Any) -> Any:
    x, y = (flat(a, m) for a, m in zip((x, y), many, strict=True))
    return expand_dims(x, axis=(len(shape_of(x)),)) * expand_dims(y, axis=(len(shape_of(y)) - 1,))


outer = gate(
    "outer", "x y", family="contract", evaluate=np.outer,
    infer=lambda types: Type((types[0].size, types[1].size), joined_dtype(types)),
    code="np.outer({x}, {y})", numpy=(np.outer,), bind=_bind_outer, batch=_outer_batch,
    vjp=lambda dout, x, y, out: (
        lambda: as_shape(matmul(dout, _flat(y)), shape_of(x)),
        lambda: as_shape(matmul(_flat(x), dout), shape_of(y)),
    ),
    words="multiplies by the other input: {x} gets {dout} @ {y}, and {y} gets {x} @ {dout}",
    samples=((np.array([1.0, -2.0]), np.array([3.0, 0.5, 1.0])),
             (np.arange(4.0).reshape(2, 2), np.array([3.0, 0.5, 1.0]))),
)

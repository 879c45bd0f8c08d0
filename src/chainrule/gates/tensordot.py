"""Products summed over any axes: those of both that are left free stand in the output, x's first.

| gate      | out                                   | x gets                                       |
|-----------|---------------------------------------|----------------------------------------------|
| inner     | sum over the last axes                | dout times y, over the axes of y in out      |
| vdot      | sum of x * y over all numbers         | dout * y                                     |
| tensordot | sum over any axes                     | dout times y, over the axes of y in out      |
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.circuit.record import Gate
from chainrule.circuit.types import Type
from chainrule.errors import ShapeError
from chainrule.gates.batched import flat, moved, reshaped, shape_of_one, shifted
from chainrule.gates.contract import as_shape, matmul
from chainrule.gates.define import gate
from chainrule.gates.move import (
    Bound,
    Shape,
    expand_dims,
    joined_dtype,
    shape_of,
    some_axes,
    transpose,
)

Pair = tuple[Shape, Shape]
SQUARE = np.arange(6.0).reshape(2, 3) / 3  # samples
TALL = np.arange(12.0).reshape(4, 3) - 5


def _free(rank: int, summed: Shape) -> Shape:
    return tuple(i for i in range(rank) if i not in summed)


def _tensordot_type(types: Sequence[Type], *, axes: Pair) -> Type:
    x, y = (t.shape for t in types)
    fits = all(i < len(x) and j < len(y) and x[i] == y[j] for i, j in zip(*axes, strict=True))
    if not fits:
        raise ShapeError(
            f"tensordot needs equal sizes along the axes it sums: x is {list(x)} and y is "
            f"{list(y)}, axes {axes}"
        )
    kept = [tuple(s[i] for i in _free(len(s), a)) for s, a in zip((x, y), axes, strict=True)]
    return Type(kept[0] + kept[1], joined_dtype(types))


def _bind_tensordot(a: Any, b: Any, axes: Any = 2) -> Bound:
    x, y = shape_of(a), shape_of(b)
    if isinstance(axes, int | np.integer):
        if not 0 <= axes <= min(len(x), len(y)):
            raise ShapeError(f"tensordot over {axes} axes: x is {list(x)} and y is {list(y)}")
        pair = (tuple(range(len(x) - int(axes), len(x))), tuple(range(int(axes))))
    else:
        pair = (some_axes(axes[0], x, "tensordot"), some_axes(axes[1], y, "tensordot"))
    if len(pair[0]) != len(pair[1]):
        raise ShapeError(f"tensordot needs as many axes of x as of y: {axes}")
    return (a, b), {"axes": pair}


def _tensordot_back(dout: Any, x: Any, y: Any, mine: Shape, its: Shape) -> Any:
    """Gradient by x, whose axes left free come first in dout; `mine` and `its` were summed."""
    free, free_of_y = _free(len(shape_of(x)), mine), _free(len(shape_of(y)), its)
    last = tuple(range(len(free), len(free) + len(free_of_y)))
    product = tensordot(dout, y, axes=(last, free_of_y))  # free axes, then its, in y's order
    return _ordered(product, (*free, *(m for _, m in sorted(zip(its, mine, strict=True)))))


def _tensordot_back_to_y(dout: Any, x: Any, y: Any, its: Shape, mine: Shape) -> Any:
    free, free_of_x = _free(len(shape_of(y)), mine), _free(len(shape_of(x)), its)
    first = tuple(range(len(free_of_x)))
    product = tensordot(x, dout, axes=(free_of_x, first))  # its, in x's order, then free axes
    return _ordered(product, (*(m for _, m in sorted(zip(its, mine, strict=True))), *free))


def _ordered(x: Any, names: Shape) -> Any:
    """Axes put where their names say."""
    if names == tuple(range(len(names))):
        return x
    return transpose(x, axes=tuple(names.index(i) for i in range(len(names))))


def _tensordot_batch(gate: Gate, many: Sequence[bool], x: Any, y: Any, axes: Pair) -> Any:
    mine, its = axes
    if not many[1]:
        return gate(x, y, axes=(shifted(mine), its))
    if not many[0]:
        at = len(shape_of(x)) - len(mine)  # the free axes of x come before those of y
        return moved(gate(x, y, axes=(mine, shifted(its))), (at,), (0,))
    return _as_products(x, y, axes)


def _as_products(x: Any, y: Any, axes: Pair) -> Any:
    """A stack of matrix products: free axes of x as rows, of y as columns."""
    mine, its = axes
    x_shape, y_shape = shape_of_one(x, True), shape_of_one(y, True)
    rows, columns = _free(len(x_shape), mine), _free(len(y_shape), its)
    summed = math.prod(x_shape[i] for i in mine)
    free = tuple(x_shape[i] for i in rows), tuple(y_shape[i] for i in columns)
    left = reshaped(_in_order(x, (*rows, *mine)), True, (math.prod(free[0]), summed))
    right = reshaped(_in_order(y, (*its, *columns)), True, (summed, math.prod(free[1])))
    return reshaped(matmul(left, right), True, free[0] + free[1])


def _in_order(x: Any, axes: Shape) -> Any:
    """Many examples, each with its axes in another order."""
    return x if axes == tuple(range(len(axes))) else transpose(x, axes=(0, *shifted(axes)))


tensordot: Gate = gate(
    "tensordot", "x y", family="contract",
    evaluate=lambda x, y, axes: np.tensordot(x, y, axes)[()], infer=_tensordot_type,
    code=lambda attrs, operands: f"np.tensordot({{x}}, {{y}}, {attrs['axes']})",
    numpy=(np.tensordot,), bind=_bind_tensordot, batch=_tensordot_batch,
    vjp=lambda dout, x, y, out, axes: (
        lambda: _tensordot_back(dout, x, y, *axes), lambda: _tensordot_back_to_y(dout, x, y, *axes),
    ),
    words="sends {dout} times the other input back to {x} and {y}, over the axes in {dout}",
    samples=((np.arange(24.0).reshape(2, 3, 4) / 9, np.arange(24.0).reshape(4, 3, 2) / 7),),
    sample_attrs=({"axes": ((2, 1), (0, 1))}, {"axes": ((0,), (2,))}, {"axes": ((), ())},
                  {"axes": ((2, 0, 1), (0, 2, 1))}),
    error_samples=((np.zeros((2, 3, 4)), np.zeros((5, 3, 2))),),
)


# ---- inner and vdot: over the last axes, over all


def _inner_type(types: Sequence[Type]) -> Type:
    x, y = (t.shape for t in types)
    if x and y and x[-1] != y[-1]:
        raise ShapeError(f"inner needs equal last sizes: x is {list(x)} and y is {list(y)}")
    return Type(x[:-1] + y[:-1], joined_dtype(types))


def _inner_back(dout: Any, x: Any, y: Any) -> Any:
    """Gradient of inner(x, y) by x, when the axes of x come first in dout."""
    lead, rest = len(shape_of(x)) - 1, len(shape_of(y)) - 1
    if not rest:
        return expand_dims(dout, axis=(lead,)) * y if lead else dout * y
    return tensordot(dout, y, axes=(tuple(range(lead, lead + rest)), tuple(range(rest))))


def _inner_back_to_y(dout: Any, x: Any, y: Any) -> Any:
    lead, rest = len(shape_of(x)) - 1, len(shape_of(y)) - 1
    if not lead:
        return expand_dims(dout, axis=(rest,)) * x if rest else dout * x
    return tensordot(dout, x, axes=(tuple(range(lead)),) * 2)


def _bind_inner(a: Any, b: Any) -> Bound:
    if not shape_of(a) or not shape_of(b):
        raise TypeError("inner of a number: write * instead")
    return (a, b), {}


def _inner_batch(gate: Gate, many: Sequence[bool], x: Any, y: Any) -> Any:
    last = [(len(shape_of_one(a, m)) - 1,) for a, m in zip((x, y), many, strict=True)]
    return _tensordot_batch(tensordot, many, x, y, (last[0], last[1]))


inner = gate(
    "inner", "x y", family="contract", evaluate=np.inner, infer=_inner_type,
    code="np.inner({x}, {y})", numpy=(np.inner,), bind=_bind_inner, batch=_inner_batch,
    vjp=lambda dout, x, y, out: (
        lambda: _inner_back(dout, x, y), lambda: _inner_back_to_y(dout, x, y),
    ),
    words="sends {dout} times the other input back to {x} and {y}",
    samples=((TALL[0], TALL[1]), (SQUARE, TALL), (SQUARE, TALL[0]), (TALL[1], SQUARE)),
    error_samples=((np.zeros((2, 3)), np.zeros((3, 2))),),
)


def _vdot_type(types: Sequence[Type]) -> Type:
    if types[0].size != types[1].size:
        raise ShapeError(
            f"vdot needs as many numbers on both sides: x is {list(types[0].shape)} and y is "
            f"{list(types[1].shape)}"
        )
    return Type((), joined_dtype(types))


vdot = gate(
    "vdot", "x y", family="contract", evaluate=np.vdot, infer=_vdot_type,
    code="np.vdot({x}, {y})", numpy=(np.vdot,),
    batch=lambda gate, many, x, y: _tensordot_batch(
        tensordot, many, flat(x, many[0]), flat(y, many[1]), ((0,), (0,))
    ),
    vjp=lambda dout, x, y, out: (
        lambda: as_shape(dout * y, shape_of(x)), lambda: as_shape(dout * x, shape_of(y)),
    ),
    words="swaps its inputs: {x} gets {dout} * {y}, and {y} gets {dout} * {x}",
    samples=((TALL[0], TALL[1]), (SQUARE, SQUARE[::-1].ravel())),
    error_samples=((np.zeros((2, 3)), np.zeros(5)),),
)

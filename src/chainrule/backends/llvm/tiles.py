"""Nests of a block that only add up products, as products in registers.

Their last axis is the block's. Where the places are kept, one factor has them and the other is
spread over them; where they are added up, both have them.
"""

from chainrule.backends.llvm.nests import Dots, Kernel, Nest, Shape, View


def as_product(nest: Nest) -> Nest | Kernel | Dots:
    """The nest, or the product it is."""
    if len(nest.loads) != 2 or nest.steps or nest.stores or len(nest.folds) != 1:
        return nest
    (fold,) = nest.folds
    x, y = (load.view for load in nest.loads)
    is_plain = not any(load.picks or load.table for load in nest.loads)
    kinds = {v.buffer.kind for v in (x, y)} | {fold.value.kind}
    if fold.how != "dot" or fold.into is None or not is_plain or kinds not in ({"f"}, {"s"}):
        return nest
    out = fold.into
    if out.strides[-1] == 1 and sorted([x.strides[-1], y.strides[-1]]) == [0, 1]:
        return _kept(nest, *((x, y) if y.strides[-1] == 1 else (y, x)), out)
    if out.strides[-1] == 0 and x.strides[-1] == y.strides[-1] == 1:
        return _added(nest, x, y, out)
    return nest


def _kept(nest: Nest, x: View, y: View, out: View) -> Nest | Kernel:
    """out[i, place] = sum over k of x[i, k] * y[k, place]."""
    axes = range(len(nest.shape) - 1)
    summed = [a for a in axes if out.strides[a] == 0 and nest.shape[a] > 1]
    if len(summed) != 1:
        return nest
    rows = [a for a in axes if y.strides[a] == 0 and out.strides[a]]
    row = max(rows, key=lambda a: nest.shape[a], default=None)
    stack = [a for a in axes if a not in (row, *summed)]
    (depth,), places = summed, len(nest.shape) - 1
    return Kernel(
        _part(nest.shape, x, [*stack, row, depth]), _part(nest.shape, y, [*stack, depth, places]),
        _part(nest.shape, out, [*stack, row, places]),
    )


def _added(nest: Nest, x: View, y: View, out: View) -> Nest | Dots:
    """out[i, j] = sum over the places of x[i, place] * y[j, place]."""
    axes = range(len(nest.shape) - 1)
    if any(out.strides[a] == 0 and nest.shape[a] > 1 for a in axes):
        return nest
    columns = [a for a in axes if out.strides[a] == 1]
    if len(columns) != 1:
        return nest
    (column,), places = columns, len(nest.shape) - 1
    if y.strides[column] == 0:
        x, y = y, x
    rows = [a for a in axes if a != column and y.strides[a] == 0 and x.strides[a]]
    if x.strides[column] or not y.strides[column]:
        return nest
    row = max(rows, key=lambda a: nest.shape[a], default=None)
    stack = [a for a in axes if a not in (row, column)]
    return Dots(
        _part(nest.shape, x, [*stack, row, places]), _part(nest.shape, y, [*stack, column, places]),
        _part(nest.shape, out, [*stack, row, column]),
    )


def _part(shape: Shape, view: View, axes: list[int | None]) -> View:
    """A view over some of its axes; None for one of one number."""
    return View(
        view.buffer, tuple(1 if a is None else shape[a] for a in axes),
        tuple(0 if a is None else view.strides[a] for a in axes), view.offset,
    )

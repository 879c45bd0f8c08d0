"""Gates that make one array of several, or of copies of one: backward, each gets its own part.

| gate                         | out                               | x gets                       |
|------------------------------|-----------------------------------|------------------------------|
| concatenate_2, concatenate_3 | arrays one after another          | its slice of dout            |
| stack_2, stack_3             | arrays side by side on a new axis | its part of dout             |
| tile                         | copies of the whole               | the sum over the copies      |
| repeat                       | every number several times        | the sum over its repetitions |

A gate has a fixed number of inputs, so joining is a family with one gate per number of arrays, made
when first needed. vstack, hstack and column_stack are concatenate after atleast_2d and the like.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from chainrule.circuit.record import BY_COUNT, Gate
from chainrule.circuit.registry import once_each
from chainrule.circuit.types import Type
from chainrule.errors import ShapeError
from chainrule.gates.along import take
from chainrule.gates.batched import count_of, flat, reshaped, shape_of_one, shifted, spread
from chainrule.gates.define import gate
from chainrule.gates.index import index
from chainrule.gates.keys import ALL
from chainrule.gates.move import (
    Bound,
    Shape,
    atleast_1d,
    atleast_2d,
    chosen,
    entry,
    expand_dims,
    joined_dtype,
    names_of,
    one_axis,
    ravel,
    reshape,
    shape_of,
    tuple_text,
)
from chainrule.gates.reduce import sum_


def _shapes_text(types: Sequence[Type]) -> str:
    return ", ".join(str(list(t.shape)) for t in types)


def _together(name: str, axis: int) -> Callable[[Mapping[str, Any], Any], str]:
    """Code of a function of a list of arrays; axis: the one that need not be written."""

    def code(attrs: Mapping[str, Any], operands: Sequence[Any]) -> str:
        places = ", ".join(f"{{{n}}}" for n in names_of(len(operands)).split())
        extra = "" if attrs["axis"] == axis else f", axis={attrs['axis']}"
        return f"np.{name}([{places}]{extra})"

    return code


def _batch(gate: Gate, many: Sequence[bool], *arrays: Any, axis: int) -> Any:
    """What all examples share is copied for each."""
    count = count_of(many, arrays)
    parts = [spread(x, is_many, count) for x, is_many in zip(arrays, many, strict=True)]
    return gate(*parts, axis=shifted(axis))


# ---- one after another


def _concatenated(types: Sequence[Type], *, axis: int) -> Type:
    first = types[0].shape
    for t in types:
        fits = len(t.shape) == len(first) > axis and all(
            n == m for i, (n, m) in enumerate(zip(t.shape, first, strict=True)) if i != axis
        )
        if not fits:
            raise ShapeError(
                f"concatenate needs shapes that differ along axis {axis} only: "
                f"got {_shapes_text(types)}"
            )
    along = sum(t.shape[axis] for t in types)
    return Type((*first[:axis], along, *first[axis + 1 :]), joined_dtype(types))


def _slices(dout: Any, inputs: Sequence[Any], axis: int) -> list[Callable[[], Any]]:
    """Per input its part of dout."""
    ends = np.cumsum([shape_of(x)[axis] for x in inputs]).tolist()
    return [
        _part(dout, axis, (a, b, None)) for a, b in zip([0, *ends[:-1]], ends, strict=True)
    ]


def _part(dout: Any, axis: int, place: Any) -> Callable[[], Any]:
    return lambda: index(dout, key=(ALL,) * axis + (place,))


_TWO_ROWS = np.arange(6.0).reshape(2, 3)


@once_each
def concatenating(count: int) -> Gate:
    """The gate that joins so many arrays along an axis they have."""
    widths = [_TWO_ROWS + 10 * n for n in range(count)]
    return gate(
        f"concatenate_{count}", names_of(count), family="move", symbol="concatenate",
        evaluate=lambda *arrays, axis: np.concatenate(arrays, axis), infer=_concatenated,
        code=_together("concatenate", 0), batch=_batch,
        vjp=lambda dout, *rest, axis: _slices(dout, rest[:-1], axis),
        words="cuts {dout} into the parts it joined: {inputs} get their own",
        samples=(tuple(widths),), sample_attrs=({"axis": 0}, {"axis": 1}),
        error_samples=((np.zeros((2, 3)), np.zeros((3, 4)), *[_TWO_ROWS] * (count - 2)),)
        if count > 1 else (),
    )


def _several(arrays: Any, **settings: Any) -> list[Any]:
    """A list of arrays, without NumPy's settings that would be lost."""
    given = [name for name, value in settings.items() if value is not None]
    if given:
        raise TypeError(f"takes arrays and axis only, not {', '.join(given)}=")
    found = list(arrays)
    if not found:
        raise TypeError("nothing to join: the list of arrays is empty")
    return [np.asarray(x) if isinstance(x, list | tuple) else x for x in found]


def _bind_concatenate(
    arrays: Any, axis: Any = 0, out: Any = None, dtype: Any = None, casting: Any = None
) -> Bound:
    several = _several(arrays, out=out, dtype=dtype, casting=casting)
    if axis is None:
        several, axis = [ravel(x) for x in several], 0
    if not shape_of(several[0]):
        raise ShapeError("numbers have no axis to be joined along: write np.stack for them")
    axis = one_axis(axis, shape_of(several[0]), "concatenate")
    return chosen(concatenating(len(several)), several, axis=axis)


def _bind_vstack(tup: Any, *, dtype: Any = None, casting: Any = None) -> Bound:
    several = _several(tup, dtype=dtype, casting=casting)
    rows = [x if len(shape_of(x)) > 1 else atleast_2d(x) for x in several]
    return chosen(concatenating(len(rows)), rows, axis=0)


def _bind_hstack(tup: Any, *, dtype: Any = None, casting: Any = None) -> Bound:
    several = _several(tup, dtype=dtype, casting=casting)
    arrays = [x if shape_of(x) else atleast_1d(x) for x in several]
    return chosen(concatenating(len(arrays)), arrays, axis=int(len(shape_of(arrays[0])) > 1))


def _bind_columns(tup: Any) -> Bound:
    columns = [_column(x) for x in _several(tup)]
    return chosen(concatenating(len(columns)), columns, axis=1)


def _column(x: Any) -> Any:
    """A vector as a matrix of one column."""
    rank = len(shape_of(x))
    if rank > 1:
        return x
    return expand_dims(x, axis=(1,) if rank else (0, 1))


# ---- side by side


def _stacked(types: Sequence[Type], *, axis: int) -> Type:
    first = types[0].shape
    if any(t.shape != first for t in types):
        raise ShapeError(f"stack needs arrays of one shape: got {_shapes_text(types)}")
    return Type((*first[:axis], len(types), *first[axis:]), joined_dtype(types))


@once_each
def stacking(count: int) -> Gate:
    """The gate that puts so many arrays of one shape side by side on a new axis."""
    vectors = tuple(np.arange(3.0) + 10 * n for n in range(count))
    return gate(
        f"stack_{count}", names_of(count), family="move", symbol="stack",
        evaluate=lambda *arrays, axis: np.stack(arrays, axis), infer=_stacked,
        code=_together("stack", 0), batch=_batch,
        vjp=lambda dout, *rest, axis: [_part(dout, axis, n) for n in range(count)],
        words="takes {dout} apart again: {inputs} get their own part",
        samples=(vectors,), sample_attrs=({"axis": 0}, {"axis": 1}),
        error_samples=((np.zeros(2), np.zeros(3), *vectors[2:]),) if count > 1 else (),
    )


def _bind_stack(
    arrays: Any, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: Any = None
) -> Bound:
    several = _several(arrays, out=out, dtype=dtype, casting=casting)
    axis = one_axis(axis, (len(several), *shape_of(several[0])), "stack")
    return chosen(stacking(len(several)), several, axis=axis)


concatenate_2, concatenate_3, stack_2, stack_3 = (
    made(count) for made in (concatenating, stacking) for count in (2, 3)
)
entry(_bind_concatenate, np.concatenate)
entry(_bind_stack, np.stack)
entry(_bind_vstack, np.vstack)
entry(_bind_hstack, np.hstack)
entry(_bind_columns, np.column_stack)


# ---- copies of one array


def _tiled(types: Sequence[Type], *, reps: Shape) -> Type:
    shape = _as_long(types[0].shape, reps)
    return Type(tuple(n * r for n, r in zip(shape, reps, strict=True)), types[0].dtype)


def _as_long(shape: Shape, reps: Shape) -> Shape:
    return (1,) * (len(reps) - len(shape)) + shape


def _bind_tile(A: Any, reps: Any) -> Bound:
    several = tuple(int(r) for r in (reps if isinstance(reps, tuple | list) else (reps,)))
    rank = len(shape_of(A))
    return (A,), {"reps": (1,) * (rank - len(several)) + several}


def _tile_back(dout: Any, x: Any, reps: Shape) -> Any:
    """Copy number and place in the copy as two axes each; the sum is over copy numbers."""
    shape = shape_of(x)
    pairs = zip(reps, _as_long(shape, reps), strict=True)
    apart = reshape(dout, shape=tuple(n for pair in pairs for n in pair))
    total = sum_(apart, axis=tuple(range(0, 2 * len(reps), 2)), keepdims=False)
    return total if shape_of(total) == shape else reshape(total, shape=shape)


def _tile_batch(gate: Gate, many: Any, x: Any, reps: Shape) -> Any:
    return gate(reshaped(x, True, _as_long(shape_of_one(x, True), reps)), reps=(1, *reps))


tile = gate(
    "tile", "x", family="move", evaluate=np.tile, infer=_tiled,
    code=lambda attrs, operands: f"np.tile({{x}}, {tuple_text(attrs['reps'])})",
    numpy=(np.tile,), bind=_bind_tile, batch=_tile_batch,
    vjp=lambda dout, x, out, reps: (lambda: _tile_back(dout, x, reps),),
    words="made copies, so {x} gets the sum of {dout} over them",
    samples=((_TWO_ROWS,), (np.arange(3.0),)), sample_attrs=({"reps": (2, 3)}, {"reps": (2, 1, 2)}),
)


def _repeated(types: Sequence[Type], *, repeats: int, axis: int | None) -> Type:
    shape = types[0].shape
    if axis is None:
        return Type((types[0].size * repeats,), types[0].dtype)
    return Type((*shape[:axis], shape[axis] * repeats, *shape[axis + 1 :]), types[0].dtype)


def _bind_repeat(a: Any, repeats: Any, axis: Any = None) -> Bound:
    shape = shape_of(a)
    axis = None if axis is None else one_axis(axis, shape, "repeat")
    counts = np.asarray(repeats)
    if counts.dtype.kind not in "iu":
        raise TypeError(f"repeats must be whole numbers, not {repeats!r}")
    if counts.size == 1:
        return (a,), {"repeats": int(counts.ravel()[0]), "axis": axis}
    length = prod(shape) if axis is None else shape[axis]
    if counts.shape != (length,):
        raise ShapeError(
            f"repeat needs one count for each of {length} numbers: there are {list(counts.shape)}, "
            f"and x is {list(shape)}"
        )
    places = np.repeat(np.arange(length), counts)
    return chosen(take, (a, places), axis=axis)


def _repeat_back(dout: Any, x: Any, repeats: int, axis: int | None) -> Any:
    shape = shape_of(x)
    flat = (prod(shape),) if axis is None else shape
    at = 0 if axis is None else axis
    apart = reshape(dout, shape=(*flat[: at + 1], repeats, *flat[at + 1 :]))
    total = sum_(apart, axis=(at + 1,), keepdims=False)
    return total if flat == shape else reshape(total, shape=shape)


def _repeat_batch(gate: Gate, many: Any, x: Any, repeats: int, axis: int | None) -> Any:
    if axis is None:
        return gate(flat(x, True), repeats=repeats, axis=1)
    return gate(x, repeats=repeats, axis=shifted(axis))


def _repeat_code(attrs: Mapping[str, Any], operands: Any) -> str:
    axis = "" if attrs["axis"] is None else f", axis={attrs['axis']}"
    return f"np.repeat({{x}}, {attrs['repeats']}{axis})"


repeat = gate(
    "repeat", "x", family="move", evaluate=np.repeat, infer=_repeated, code=_repeat_code,
    numpy=(np.repeat,), method="repeat", bind=_bind_repeat,
    batch=_repeat_batch,
    vjp=lambda dout, x, out, repeats, axis: (lambda: _repeat_back(dout, x, repeats, axis),),
    words="repeated its input, so {x} gets the sum of {dout} over the repetitions",
    samples=((_TWO_ROWS,),),
    sample_attrs=({"repeats": 2, "axis": None}, {"repeats": 3, "axis": 0},
                  {"repeats": 2, "axis": 1}),
)

BY_COUNT["concatenate"] = concatenating
BY_COUNT["stack"] = stacking

"""The gate that puts a border around an array: its backward pass cuts the border off."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.circuit.record import Gate
from chainrule.circuit.types import Type
from chainrule.errors import ShapeError
from chainrule.gates.define import gate
from chainrule.gates.index import index
from chainrule.gates.move import Bound, Shape, shape_of, tuple_text

_X = np.arange(12.0).reshape(3, 4) - 5


def _bind_pad(array: Any, pad_width: Any, mode: str = "constant", **settings: Any) -> Bound:
    value = settings.pop("constant_values", 0)
    if mode != "constant" or settings or not isinstance(value, int | float | np.number):
        raise TypeError(
            "mode='constant' with one number only; write other borders with np.take or "
            "np.concatenate"
        )
    shape = shape_of(array)
    try:
        widths = np.broadcast_to(np.asarray(pad_width), (len(shape), 2))
    except ValueError:
        raise ShapeError(f"pad_width {pad_width} is not (before, after) for each axis of "
                         f"{list(shape)}") from None
    if not shape or widths.dtype.kind not in "iu" or widths.min() < 0:
        raise ShapeError(f"pad needs an axis and whole numbers from 0: {pad_width}, {list(shape)}")
    pairs = tuple((before, after) for before, after in widths.tolist())
    return (array,), {"pad_width": pairs, "value": float(value)}


def _padded_shape(shape: Shape, pad_width: Sequence[tuple[int, int]]) -> Shape:
    if len(shape) != len(pad_width):
        raise ShapeError(f"pad needs (before, after) per axis: {pad_width} for {list(shape)}")
    return tuple(before + n + after for n, (before, after) in zip(shape, pad_width, strict=True))


def _pad(x: Any, pad_width: Sequence[tuple[int, int]], value: float) -> Any:
    x = np.asarray(x)
    out = np.full(_padded_shape(x.shape, pad_width), value, x.dtype)
    out[_inside(x.shape, pad_width)] = x
    return out


def _inside(shape: Shape, pad_width: Sequence[tuple[int, int]]) -> tuple[slice, ...]:
    return tuple(slice(b, b + n) for n, (b, _) in zip(shape, pad_width, strict=True))


def _pad_code(attrs: Mapping[str, Any], operands: Any) -> str:
    value = attrs["value"]
    border = f", constant_values={value!r}" if repr(value) != "0.0" else ""
    return f"np.pad({{x}}, {tuple_text(attrs['pad_width'])}{border})"


pad: Gate = gate(
    "pad", "x", family="move", evaluate=_pad,
    batch=lambda gate, many, x, pad_width, value: gate(
        x, pad_width=((0, 0), *pad_width), value=value
    ),
    infer=lambda types, *, pad_width, value: Type(
        _padded_shape(types[0].shape, pad_width), types[0].dtype
    ),
    code=_pad_code, numpy=(np.pad,), bind=_bind_pad,
    vjp=lambda dout, x, out, pad_width, value: (
        lambda: index(dout, key=tuple(
            (s.start, s.stop, None) for s in _inside(shape_of(x), pad_width)
        )),
    ),
    words="cuts the border off {dout}: what is inside goes to {x}",
    samples=((_X,),),
    sample_attrs=({"pad_width": ((0, 2), (1, 0)), "value": 0.0},
                  {"pad_width": ((1, 1), (0, 0)), "value": -1.5}),
    error_samples=((np.zeros(3),),),
)

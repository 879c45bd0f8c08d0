"""Batch rules: a gate applied to many examples at once.

    batch(gate, many, *inputs, **attrs)  ->  the outputs of all examples, side by side

What is *many* holds one value for each example, side by side on its first axis; anything else is
one value, shared by all examples. `many` says which inputs are, and at least one is. A rule
applies gates to the inputs as they stand (numbers, handles, traced values), so what it does can be
recorded, differentiated and batched again. Most rules only move the settings that name axes.

This module knows gates by name only, so that every family can use it.
"""

from collections.abc import Callable, Sequence
from typing import Any

from chainrule.circuit.record import BY_NAME, Gate

BatchRule = Callable[..., Any]
Axes = int | tuple[int, ...]


def shape_of_one(x: Any, is_many: bool) -> tuple[int, ...]:
    """Shape of one example."""
    return tuple(getattr(x, "shape", ()))[is_many:]


def count_of(many: Sequence[bool], inputs: Sequence[Any]) -> int:
    """How many examples there are."""
    return next(int(x.shape[0]) for x, is_many in zip(inputs, many, strict=True) if is_many)


def shifted(axis: Axes) -> Any:
    """An axis of one example, or several, as they stand among many: those from the end stay."""
    if isinstance(axis, tuple):
        return tuple(a + (a >= 0) for a in axis)
    return axis + (axis >= 0)


# ---- rules that many gates share


def as_it_stands(gate: Gate, many: Sequence[bool], *inputs: Any, **attrs: Any) -> Any:
    """For gates that do the same to every leading axis."""
    return gate(*inputs, **attrs)


def shifting(*names: str) -> BatchRule:
    """For gates of one input whose settings of these names are axes."""

    def rule(gate: Gate, many: Sequence[bool], x: Any, **attrs: Any) -> Any:
        return gate(x, **{**attrs, **{name: shifted(attrs[name]) for name in names}})

    return rule


def along_axes(gate: Gate, many: Sequence[bool], x: Any, *, axis: Any, **attrs: Any) -> Any:
    """For gates that work along `axis`; None: along all axes of an example."""
    axis = tuple(range(1, len(x.shape))) if axis is None else shifted(axis)
    return gate(x, axis=axis, **attrs)


def broadcasting(gate: Gate, many: Sequence[bool], *inputs: Any, **attrs: Any) -> Any:
    """For gates that broadcast their inputs from the right."""
    return gate(*aligned(many, inputs), **attrs)


# ---- what rules are made of


def aligned(many: Sequence[bool], inputs: Sequence[Any]) -> list[Any]:
    """Inputs that broadcast as their examples do: axes of size 1 put after the first."""
    ranks = [len(shape_of_one(x, m)) for x, m in zip(inputs, many, strict=True)]
    most = max(ranks)
    return [
        with_ones(x, most - rank) if is_many else x
        for x, is_many, rank in zip(inputs, many, ranks, strict=True)
    ]


def with_ones(x: Any, count: int) -> Any:
    """Many examples, each with so many axes of size 1 more in front."""
    return BY_NAME["expand_dims"](x, axis=tuple(range(1, 1 + count))) if count > 0 else x


def spread(x: Any, is_many: bool, count: int) -> Any:
    """Many examples, of one value as many copies."""
    if is_many:
        return x
    return BY_NAME["broadcast_to"](x, shape=(count, *shape_of_one(x, is_many)))


def reshaped(x: Any, is_many: bool, shape: tuple[int, ...]) -> Any:
    """Each example in another shape."""
    lead = tuple(x.shape)[:1] if is_many else ()
    return x if getattr(x, "shape", None) == lead + shape else BY_NAME["reshape"](
        x, shape=lead + shape
    )


def flat(x: Any, is_many: bool) -> Any:
    """Each example as a vector."""
    size = 1
    for n in shape_of_one(x, is_many):
        size *= n
    return reshaped(x, is_many, (size,))


def moved(x: Any, source: tuple[int, ...], destination: tuple[int, ...]) -> Any:
    """Axes moved elsewhere; nothing where they stand there already."""
    if source == destination:
        return x
    return BY_NAME["moveaxis"](x, source=source, destination=destination)

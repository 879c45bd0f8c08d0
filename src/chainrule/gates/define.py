"""Shared by every family: how a gate is defined, and how elementwise outputs get their type."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from chainrule.circuit.record import Gate, register
from chainrule.circuit.types import Type, promote
from chainrule.errors import ShapeError

Infer = Callable[..., Type]


def gate(
    name: str,
    inputs: str,
    *,
    family: str,
    evaluate: Callable[..., Any],
    infer: Infer,
    code: str | Callable[..., str],
    symbol: str = "",
    scalar: Callable[..., Any] | None = None,
    scalar_code: str | Callable[..., str] | None = None,
    **fields: Any,
) -> Gate:
    """Define a gate and enter it in the catalogue. `inputs` are names separated by spaces."""
    return register(
        Gate(
            name,
            tuple(inputs.split()),
            family,
            symbol or name,
            evaluate,
            scalar or evaluate,
            infer,
            code,
            scalar_code if scalar_code is not None else code,
            **fields,
        )
    )


def broadcast_shapes(types: Sequence[Type], gate_name: str) -> tuple[int, ...]:
    """The common shape, or ShapeError with the shapes that do not fit."""
    first = types[0].shape
    if all(t.shape == first or t.shape == () for t in types):
        return first
    try:
        return np.broadcast_shapes(*(t.shape for t in types))
    except ValueError:
        shapes = " and ".join(str(list(t.shape)) for t in types)
        raise ShapeError(
            f"{gate_name} needs shapes that broadcast together (equal, or 1, from the right): "
            f"got {shapes}"
        ) from None


_PYTHON = {"f": float, "i": int, "b": int}


@lru_cache(maxsize=4096)
def _ufunc_dtype(ufunc: np.ufunc, arguments: tuple[Any, ...]) -> "np.dtype[Any]":
    return ufunc.resolve_dtypes((*arguments, None))[-1]


def ufunc_type(ufunc: np.ufunc) -> Infer:
    """Broadcast shape and the dtype the ufunc itself would choose; weak if all inputs are."""

    def infer(types: Sequence[Type], **_: Any) -> Type:
        weak = all(t.weak for t in types)
        arguments = tuple(_argument(t, weak) for t in types)
        return Type(broadcast_shapes(types, ufunc.__name__), _ufunc_dtype(ufunc, arguments), weak)

    return infer


def _argument(t: Type, all_weak: bool) -> Any:
    """What stands for a type when a ufunc is asked for its dtype; Python counts with its bools."""
    if not t.weak:
        return t.dtype
    if all_weak:
        return np.dtype(np.int64) if t.dtype.kind == "b" else t.dtype
    return _PYTHON[t.dtype.kind]


def select_type(types: Sequence[Type], **_: Any) -> Type:
    """Type of where(condition, x, y)."""
    shape = broadcast_shapes(types, "where")
    return Type(shape, promote(types[1:]), all(t.weak for t in types))


def elementwise(
    name: str, inputs: str, ufunc: np.ufunc, code: str, **fields: Any
) -> Gate:
    """An elementwise gate whose value and dtype are those of one NumPy ufunc.

    evaluate: Python's operator where there is one: for arrays it calls the ufunc (or, as for
    x ** 2, what NumPy puts in its place), so that the user's bits are kept.
    """
    return gate(
        name, inputs, family="elementwise", evaluate=fields.pop("evaluate", ufunc),
        infer=ufunc_type(ufunc), code=code, numpy=(ufunc, *fields.pop("also", ())), **fields,
    )


def power_of_floats(x: float, y: float) -> float:
    """x ** y as C's pow gives it: never complex; ValueError where NumPy gives nan or inf."""
    return x**y if x.__class__ is int and y.__class__ is int else math.pow(x, y)

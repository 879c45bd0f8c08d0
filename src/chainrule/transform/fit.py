"""The chain rule for one edge: what a gate sends back, in the shape and dtype of its variable."""

from types import FunctionType
from typing import Any

import numpy as np

from chainrule.circuit.types import WEAK, Type
from chainrule.gates import move, reduce
from chainrule.gates.terms import Lazy


def called(entry: Any) -> Any:
    """A rule's entry, or what it gives when it was left uncalled until wanted."""
    return entry() if entry.__class__ is FunctionType else entry


def chain(partial: Any, dout: Any, one: Any) -> Any:
    """The chain rule: local gradient times the gradient that arrives."""
    partial = called(partial)
    if partial.__class__ is int:
        if partial == 1:
            return dout
        if partial == -1:
            return -dout
    if partial is None or dout is one:
        return partial
    return partial * dout


def fit(term: Any, t: Type) -> Any:
    """A gradient in the shape and dtype of its variable: sums over axes that were broadcast."""
    shape = move.shape_of(term)
    if shape != t.shape:
        term = _sum_to(term, shape, t.shape) if len(shape) >= len(t.shape) else term
        if move.shape_of(term) != t.shape:
            term = move.broadcast_to(term, shape=t.shape)
    dtype = _dtype(term)
    if isinstance(term, Lazy) and dtype != t.dtype:
        term = term.whole()
    if not t.weak and dtype is not None and dtype != t.dtype:
        term = move.cast(term, dtype=t.dtype.name)
    return term


def _sum_to(term: Any, shape: tuple[int, ...], target: tuple[int, ...]) -> Any:
    """Sum over the axes along which `target` was spread to `shape`."""
    lead = len(shape) - len(target)
    ones = tuple(lead + i for i, n in enumerate(target) if n == 1 and shape[lead + i] != 1)
    axes = tuple(range(lead)) + ones
    if not axes:
        return term
    everything = len(axes) == len(shape)
    term = reduce.sum_(term, axis=None if everything else axes, keepdims=not lead)
    return term if lead == 0 or not ones else move.reshape(term, shape=target)


def _dtype(term: Any) -> Any:
    """None for Python numbers, which take on any dtype."""
    weak = term.__class__ in WEAK or getattr(getattr(term, "type", None), "weak", False)
    return None if weak else term.dtype


def unit(t: Type) -> Any:
    """The gradient of an output of this type by itself: 1, in its dtype."""
    return 1.0 if t.weak or t.dtype == np.float64 else t.dtype.type(1)

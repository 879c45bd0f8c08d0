"""Gradients as the caller gets them: of the argument's dtype, in memory that nobody else holds."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.api.run import Run
from chainrule.trace.traced import Traced


def delivered(run: Run, found: Sequence[Any], dout: Any) -> tuple[Any, ...]:
    """Gradients in the shape of the arguments, each with memory of its own."""
    given = {id(dout)}
    delivered = []
    values = run.trace.values
    at = 0
    for lifted in run.lifted:
        leaves = []
        for wire in lifted.wires:
            leaves.append(_own(found[at], values[wire], given))
            at += 1
        delivered.append(lifted.rebuilt(leaves))
    return tuple(delivered)


def _own(gradient: Any, value: Any, given: set[int]) -> Any:
    """A gradient of its input's dtype that shares memory with nothing the user holds."""
    if gradient.__class__ is float:
        if value.__class__ is float:
            return gradient
    elif isinstance(gradient, np.ndarray):
        if isinstance(value, np.ndarray) and gradient.dtype is not value.dtype:
            gradient = gradient.astype(value.dtype, copy=False)  # of a branch not taken: Python's 0
        if gradient.base is not None or id(gradient) in given or not gradient.flags.writeable:
            gradient = gradient.copy()
        given.add(id(gradient))
        return gradient
    elif isinstance(gradient, Traced):
        return gradient
    if gradient is None:
        return zero_like(value)
    if value.__class__ is float or isinstance(value, Traced):
        return float(gradient) if gradient.__class__ is int else gradient
    return np.asarray(gradient, value.dtype)[()]


def zero_like(value: Any) -> Any:
    """The gradient of an input that the output does not depend on."""
    if value.__class__ is float:
        return 0.0
    return np.zeros(value.shape, value.dtype)[()]

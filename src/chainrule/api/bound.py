"""A jitted function bound to arrays of the caller: the shortest call there is.

The arrays are checked once, when they are bound, and then only read and filled. An array of `out`
may be an argument, too: an optimiser's step writes its weights over. A call that takes
another way through the function's decisions is computed as any call, and copied.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.api.into import captured, delivered, names_in, places, targets_in
from chainrule.api.paths import Path, like
from chainrule.backends.llvm.entry import bound_entry
from chainrule.backends.llvm.targets.entered import Entered, enter
from chainrule.errors import InputError

DTYPES = tuple(map(np.dtype, (np.float64, np.float32, np.int64, np.bool_)))


class Bound(Entered):
    """A function without arguments that fills `out`; objects of this class are called by
    generated code, those of PlainBound by Python."""

    if TYPE_CHECKING:

        def __call__(self) -> None: ...

    def __init__(self, out: Any, fallback: Callable[[], None]) -> None:
        self.out = out
        self._fallback = fallback


class PlainBound(Bound):
    """A bound function where calls are not generated."""

    def __call__(self) -> None:
        self._fallback()


def bound(
    run: Callable[..., Any], inputs: Sequence[Any], result: Any, out: Any, path: Path
) -> Bound:
    """A call of `run` on the inputs that fills `out`, whose like is `result`."""
    import optree

    wanted, spec = optree.tree_flatten(result, none_is_leaf=True)
    leaves = targets_in(out, spec, [*map(like, wanted)])
    for x, name in zip(leaves, names_in("out", spec), strict=True):
        _check(x, name)

    def fallback() -> None:
        found = run(*map(value_of, inputs))
        delivered(optree.tree_leaves(found, none_is_leaf=True), leaves)

    is_direct = _is_direct(path, inputs, leaves)
    entry = bound_entry(path.code, inputs, leaves, path.outcomes) if is_direct else None
    if entry is None:
        return PlainBound(out, fallback)
    made = Bound(out, fallback)
    enter(made, entry, fallback)
    return made


def _is_direct(path: Path, inputs: Sequence[Any], leaves: Sequence[Any]) -> bool:
    """True where machine code may write every array of `out` while it reads the inputs."""
    safe, read = places(path, inputs, leaves), [*inputs, *captured(path)]
    return all(
        any(x is y for y in safe) or not any(np.may_share_memory(x, y) for y in read if y.shape)
        for x in leaves if x.shape
    )


def as_buffer(x: Any, k: int) -> Any:
    """An argument as the array that is read at each call. A number stays what it is now."""
    if isinstance(x, float):
        return np.array(float(x))
    _check(x, f"argument {k}")
    if not x.shape and x.dtype != np.float64:
        raise InputError(f"argument {k} is a number of dtype {x.dtype}; only float64 can be bound")
    return x


def value_of(buffer: Any) -> Any:
    """What f gets for a buffer."""
    return buffer if buffer.shape else float(buffer)


def _check(x: Any, name: str) -> None:
    """Raise unless machine code can read or fill an array where it lies."""
    if type(x) is not np.ndarray or x.dtype not in DTYPES or not x.dtype.isnative:
        said = getattr(x, "dtype", "")
        raise InputError(
            f"{name} is a {type(x).__name__} {said}; bound are NumPy arrays of "
            + ", ".join(map(str, DTYPES))
        )
    if not (x.flags.c_contiguous and x.flags.aligned):
        raise InputError(
            f"{name}, of shape {list(x.shape)}, has strides {x.strides}; bound arrays lie in "
            "row-major order without gaps: np.ascontiguousarray(x)"
        )

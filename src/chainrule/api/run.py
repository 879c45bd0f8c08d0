"""One call of a function on traced values: what went in, what came out."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from chainrule.api.inputs import Lifted, lift, parameter_names
from chainrule.circuit.types import WEAK
from chainrule.errors import InputError, OutputError
from chainrule.trace.trace import Trace, retell
from chainrule.trace.traced import Traced

Key = int | str  # the position of an argument, or its name


class Run:  # made at every call: a quarter of the price of a frozen dataclass
    """One call of a function on traced values.

    code: what two functions with the same code share, so that a closure made anew is known again.
    """

    __slots__ = ("aux", "code", "lifted", "out", "trace")

    def __init__(
        self, trace: Trace, lifted: tuple[Lifted, ...], out: Any, aux: Any = None, code: Any = None
    ) -> None:
        self.trace: Final = trace
        self.lifted: Final = lifted
        self.out: Final = out
        self.aux: Final = aux
        self.code: Final = code


def run(
    f: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], chosen: Sequence[Key], *,
    has_aux: bool = False, copies: bool = False,
) -> Run:
    """Call f with the chosen arguments traced."""
    if not callable(f):
        raise InputError(f"a gradient is of a function, and {f!r:.60} is none")
    trace = Trace(copies=copies, is_placed=False)
    positional, named = list(args), dict(kwargs)
    lifted = []
    try:
        for key in chosen:
            given: Any = named if isinstance(key, str) else positional
            made = lift(trace, given[key], partial(_parameter, f, len(args), key))
            given[key] = made.value
            lifted.append(made)
        out = f(*positional, **named)
    except ValueError as error:
        retell(error)
    finally:
        trace.close()
    aux = None
    if has_aux:
        if not (isinstance(out, tuple) and len(out) == 2):
            raise OutputError(
                f"has_aux=True: {name_of(f)} must return (value, aux), "
                f"but it returned {_described(out)}"
            )
        out, aux = out[0], _plain(out[1], trace)
    return Run(trace, tuple(lifted), out, aux, getattr(f, "__code__", type(f)))


def _parameter(f: Callable[..., Any], count: int, key: Key) -> str:
    return key if isinstance(key, str) else parameter_names(f, count)[key]


def _plain(aux: Any, trace: Trace) -> Any:
    """Auxiliary results with this trace's values as the numbers they hold."""
    def value(x: Any) -> Any:
        return x.value if isinstance(x, Traced) and x.trace is trace else x

    if isinstance(aux, Traced):
        return value(aux)
    import optree

    return optree.tree_map(value, aux, none_is_leaf=True)


def name_of(f: Callable[..., Any]) -> str:
    return getattr(f, "__name__", type(f).__name__)


def output_wire(run: Run, f: Callable[..., Any]) -> int | None:
    """The wire of the output, None when it does not depend on the inputs; checked to be one."""
    out = run.out
    if isinstance(out, Traced):
        return out.wire if out.trace is run.trace else None
    if out.__class__ in WEAK or isinstance(out, np.ndarray | np.generic):
        return None
    raise OutputError(
        f"{name_of(f)} returned {_described(out)}: a gradient needs one number or array."
        + ("\n  Did the function forget to return its result?" if out is None else "")
        + ("\n  With has_aux=True it may return (value, anything else)."
           if isinstance(out, tuple) else "")
    )


def _described(out: Any) -> str:
    if isinstance(out, Traced | np.ndarray):
        return f"an array of shape {list(out.shape)}" if out.shape else "one number"
    if isinstance(out, list | tuple):
        return f"a {type(out).__name__} of {len(out)} items"
    return "None" if out is None else f"a {type(out).__name__}"


def value_of(out: Any, trace: Trace) -> Any:
    """The plain value of an output."""
    return out.value if isinstance(out, Traced) and out.trace is trace else out

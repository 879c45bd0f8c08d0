"""One traced call, kept: what jit compiles."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy as np

from chainrule.api.inputs import as_input, is_real, leaf_name, parameter_names
from chainrule.circuit.circuit import Circuit
from chainrule.errors import UnsupportedError
from chainrule.trace.trace import Trace, retell
from chainrule.trace.traced import Traced, traced

NUMBERS = (float, int, np.float64)
FIXED = (
    type(None), bool, str, bytes, complex, np.bool_, np.integer, np.dtype, type, FunctionType,
    BuiltinFunctionType, np.ufunc,
)  # what cannot change under the compiled code's feet


@dataclass(frozen=True, slots=True)
class Recorded:
    """One traced call: its circuit, and where the outputs lie in what the function returned."""

    trace: Trace
    circuit: Circuit
    out: Any  # what the function returned
    leaves: tuple[Any, ...]  # of it: traced values and plain ones
    outcomes: tuple[bool, ...]  # of the decisions, whose wires follow the outputs

    @property
    def spec(self) -> Any:
        """How the result is nested, optree's."""
        import optree

        return optree.tree_structure(self.out, none_is_leaf=True)

    @property
    def gives_numbers(self) -> bool:
        """True where results are Python's numbers, as all that was given are."""
        c = self.circuit
        return bool(c.inputs) and all(c.type_of(w).weak for w in c.inputs)

    @property
    def result(self) -> Any:
        """What the function returned, as plain numbers and arrays, the caller's own."""
        values = [plain(x, self.trace) for x in self.leaves]
        if self.gives_numbers:
            values = [*map(python_number, values)]
        own = [x.copy() if isinstance(x, np.ndarray) else x for x in values]
        return rebuilt(self.out, iter(own)) if is_of_tuples(self.out) else self.spec.unflatten(own)


def record(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Recorded:
    """Call f with every real number and array in its arguments traced."""
    trace = Trace(is_fleeting=True)
    positional, named = _lifted(trace, f, args, kwargs)
    try:
        out = f(*positional, **named)
    except ValueError as error:
        retell(error)
    finally:
        trace.close()
    found = _leaves(out)
    wires = [x.wire for x in found if is_of(x, trace)]
    decided = [wire for wire, *_ in trace.decisions]
    circuit = trace.circuit([*wires, *decided], getattr(f, "__name__", "f"))
    trace.forget()  # it is kept until the next call, and may hold many arrays
    outcomes = tuple(outcome for _, outcome, *_ in trace.decisions)
    return Recorded(trace, circuit, out, tuple(found), outcomes)


def is_plain_leaf(x: Any) -> bool:
    """True for a number or an array itself, traced or not: no need to load optree to see it."""
    return x.__class__ in (float, np.ndarray, np.float64, Traced)


def is_flat(x: Any) -> bool:
    """True for a tuple of such."""
    return x.__class__ is tuple and all(map(is_plain_leaf, x))


def is_of_tuples(x: Any) -> bool:
    """True for such a leaf, and for tuples of them, one within another."""
    return is_plain_leaf(x) or (x.__class__ is tuple and all(map(is_of_tuples, x)))


def rebuilt(x: Any, leaves: Iterator[Any]) -> Any:
    """Other leaves, nested as in x, where that `is_of_tuples`."""
    return tuple(rebuilt(y, leaves) for y in x) if x.__class__ is tuple else next(leaves)


def _leaves(out: Any) -> Sequence[Any]:
    if is_of_tuples(out):
        return [*_plain_leaves(out)]
    import optree

    return optree.tree_leaves(out, none_is_leaf=True)


def _plain_leaves(x: Any) -> Iterator[Any]:
    if x.__class__ is not tuple:
        yield x
    else:
        for y in x:
            yield from _plain_leaves(y)


def _lifted(
    trace: Trace, f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """The arguments with every number and array that is an input traced."""
    names = parameter_names(f, len(args))
    if not kwargs and is_flat(args):
        return [_lift(trace, x, names, (0, n)) for n, x in enumerate(args)], {}
    import optree

    given: Any = (args, kwargs)
    paths, leaves, spec = optree.tree_flatten_with_path(given, none_is_leaf=True)
    lifted = [_lift(trace, x, names, path) for x, path in zip(leaves, paths, strict=True)]
    return spec.unflatten(lifted)  # type: ignore[return-value]  # a pair, as given


def _lift(trace: Trace, value: Any, names: Sequence[str], path: Sequence[Any]) -> Any:
    if not is_input(value):
        return value
    side, key, *rest = path  # (args, position) or (kwargs, name), then the way inside
    name = leaf_name(names[key] if side == 0 else str(key), rest)
    value = as_input(value, name) if is_real(value) else _read_only(value)
    return traced(trace, trace.input(value, name), value)


def is_input(x: Any) -> bool:
    """True for what compiled code is given at each call: real numbers, and arrays of numbers."""
    return is_real(x) or (isinstance(x, np.ndarray) and x.shape != () and x.dtype.kind in "iub")


def _read_only(x: Any) -> Any:
    view = x.view(np.ndarray)
    view.flags.writeable = False
    return view


def python_number(x: Any) -> Any:
    """A number of NumPy's as Python's own, where Python has one of its kind and precision."""
    return x.item() if x.__class__ in (np.float64, np.int64, np.bool_) else x


def numbers_for_numbers(result: Any, given: Sequence[Any]) -> Any:
    """A result in Python's numbers, where all inputs among the leaves given are Python's."""
    inputs = [x for x in given if is_input(x)]
    if not inputs or not all(x.__class__ in (float, int) for x in inputs):
        return result
    if is_plain_leaf(result):
        return python_number(result)
    import optree

    return optree.tree_map(python_number, result, none_is_leaf=True)


def is_of(x: Any, trace: Trace) -> bool:
    return isinstance(x, Traced) and x.trace is trace


def plain(x: Any, trace: Trace) -> Any:
    return x.value if is_of(x, trace) else x


def obstacle(recorded: Recorded) -> Exception | None:
    """What keeps a recorded call from being compiled, as far as its trace tells."""
    for x in recorded.leaves:
        value = plain(x, recorded.trace)
        if not isinstance(x, Traced) and not isinstance(value, (*NUMBERS, *FIXED, np.ndarray)):
            return UnsupportedError(
                f"machine code returns numbers and arrays; the function returned a "
                f"{type(x).__name__}"
            )
    return None

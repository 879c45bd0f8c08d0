"""Arguments in, gradients out: which leaves of the arguments become inputs of a trace."""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from typing import Any, Final

import numpy as np

from chainrule.circuit.types import WEAK
from chainrule.errors import DTypeError, InputError
from chainrule.trace.trace import Trace
from chainrule.trace.traced import Traced, traced


class Lifted:  # made at every call: a quarter of the price of a frozen dataclass
    """One argument inside a trace: its wires, and how to put leaves back in its shape."""

    __slots__ = ("spec", "value", "wires")

    def __init__(self, value: Any, wires: tuple[int, ...], spec: Any) -> None:
        self.value: Final = value  # what the function is called with
        self.wires: Final = wires
        self.spec: Final = spec  # optree's, or None for a single leaf

    def rebuilt(self, leaves: Sequence[Any]) -> Any:
        """Leaves in the shape the argument was given in."""
        return leaves[0] if self.spec is None else self.spec.unflatten(leaves)


ARRAY = (np.ndarray, np.generic)  # a tuple: a union would be made anew at each look
Name = str | Callable[[], str]  # called only where a name is needed


def lift(trace: Trace, argument: Any, name: Name, *, lenient: bool = False) -> Lifted:
    """Make inputs of every number in an argument. `lenient` leaves other leaves as they are."""
    if argument.__class__ is float or is_leaf(argument):
        value = as_input(argument, name)
        wire = trace.input(value, name if isinstance(name, str) else None)
        trace.is_nested |= isinstance(value, Traced)
        return Lifted(traced(trace, wire, trace.values[wire]), (wire,), None)
    leaves, spec = _flattened(argument)
    names = [leaf_name(name, p) for p in spec.paths()] if isinstance(name, str) else None
    values: list[Any] = []
    wires: list[int] = []
    for index, leaf in enumerate(leaves):
        if lenient and not is_real(leaf):
            values.append(leaf)
            wires.append(-1)
            continue
        if leaf.__class__ is np.ndarray and leaf.shape and leaf.dtype.kind == "f":
            value = _read_only(leaf)
        else:
            value = as_input(leaf, names[index] if names else partial(_name_in, spec, index, name))
            trace.is_nested |= isinstance(value, Traced)
        wire = trace.input(value, names[index] if names else None)
        wires.append(wire)
        values.append(traced(trace, wire, trace.values[wire]))
    return Lifted(spec.unflatten(values), tuple(wires), spec)


def _flattened(argument: Any) -> tuple[Sequence[Any], Any]:
    """The leaves of a container, and its structure: of a list of arrays it is looked up."""
    cls = argument.__class__
    if (cls is list or cls is tuple) and all(x.__class__ in _SURE_LEAVES for x in argument):
        return argument, _flat(cls, len(argument))
    import optree

    return optree.tree_flatten(argument, none_is_leaf=True)


_SURE_LEAVES = frozenset({np.ndarray, *WEAK})


@lru_cache(maxsize=256)
def _flat(cls: type, count: int) -> Any:
    import optree

    return optree.tree_structure(cls([0] * count), none_is_leaf=True)


def _name_in(spec: Any, index: int, name: Name) -> str:
    return leaf_name(_text(name), spec.paths()[index])


def leaf_name(name: str, path: Iterable[Any]) -> str:
    """A wire's name for a leaf of an argument: w0 for w[0], params_W for params["W"]."""
    for key in path:
        glue = "" if isinstance(key, int) and not name[-1:].isdigit() else "_"
        name = f"{name}{glue}{key}"
    return name


def is_leaf(value: Any) -> bool:
    """True for what is one input: numbers, arrays, traced values, and what is no container."""
    return not isinstance(value, list | tuple | dict) and (
        value.__class__ in WEAK
        or isinstance(value, (*ARRAY, Traced, str, bytes))
        or not _is_container(value)
    )


def _is_container(value: Any) -> bool:
    import optree

    return not optree.tree_is_leaf(value)


def is_real(value: Any) -> bool:
    """True for values that can have a gradient."""
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.kind == "f"
    return value.__class__ in (float, int) or isinstance(value, Traced)


def _text(name: Name) -> str:
    return name if isinstance(name, str) else name()


def as_input(value: Any, name: Name) -> Any:
    """The value an input wire holds: floats, and arrays nobody can write to."""
    cls = value.__class__
    if cls is float or isinstance(value, Traced):
        return value
    if cls is int:
        return float(value)
    if isinstance(value, ARRAY):
        if value.dtype.kind != "f":
            raise DTypeError(_not_real(value, _text(name)))
        if not value.shape:
            return np.asarray(value)[()]
        return _read_only(value)
    if cls is bool or isinstance(value, float | int):
        return float(value)
    raise InputError(
        f"{_text(name)} is {type(value).__name__} {value!r:.60}, and cannot be differentiated by.\n"
        "  Give numbers, NumPy arrays, or lists, tuples and dicts of them; leave other arguments "
        "out of argnums."
    )


def _read_only(value: Any) -> Any:
    """The array as nobody can write to it through a trace."""
    view = value.view(np.ndarray)
    view.setflags(write=False)
    return view


def _not_real(value: Any, name: str) -> str:
    what = "array" if value.shape else "number"
    shape = f" of shape {list(value.shape)}" if value.shape else ""
    if value.dtype.kind == "c":
        return f"{name} is a complex {what}{shape}; only real inputs can be differentiated by."
    word = "integer" if value.dtype.kind in "iu" else value.dtype.name
    kind = f"an {word}" if word[0] in "aeiou" else f"a {word}"
    return (
        f"{name} is {kind} {what}{shape} (dtype {value.dtype}), which has no gradient.\n"
        f"  Write {name}.astype(float), or leave it out of argnums."
    )


VARIADIC = 4  # CPython's flag of code with *args


def parameter_names(f: Callable[..., Any], count: int) -> list[str]:
    """Names of the first `count` positional parameters, as the user wrote them."""
    while hasattr(f, "__wrapped__"):
        f = f.__wrapped__
    code = getattr(f, "__code__", None) or getattr(type(f).__call__, "__code__", None)
    names: list[str] = []
    if code is not None:
        first = int(not hasattr(f, "__code__") or hasattr(f, "__self__"))  # self is not given
        names += code.co_varnames[first : code.co_argcount]
        if code.co_flags & VARIADIC:
            star = code.co_varnames[code.co_argcount + code.co_kwonlyargcount]
            names += [f"{star}{i}" for i in range(count - len(names))]
    return (names + [f"x{i}" for i in range(len(names), count)])[:count]

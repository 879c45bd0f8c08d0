"""What a function reads from outside itself, and whether that may change under a gate's feet.

A gate is recorded by its name alone, and its stages and rules are kept once they are known. So what
its functions read from outside must stand still: numbers and strings are noted, and a changed one
makes another gate; arrays and lists, which change in place, must come in as inputs.
"""

import dis
from collections.abc import Callable, Iterator, Mapping
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from chainrule.errors import TraceError

Variables = Mapping[str, Any]
PLAIN = (int, float, bool, str, bytes, complex, type(None), tuple, frozenset)


def variables_of(f: Callable[..., Any]) -> dict[str, Any]:
    """Variables a function reads from outside: of the functions round it, and of its module."""
    code = getattr(f, "__code__", None)
    if code is None:
        return {}
    found = {n: f.__globals__[n] for n in global_names(code) if n in f.__globals__}
    for name, cell in zip(code.co_freevars, f.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            continue  # not assigned yet
    return found


_names: dict[int, tuple[CodeType, tuple[str, ...]]] = {}  # by id: hashing code is slow
_KEPT = 2048


def global_names(code: CodeType) -> tuple[str, ...]:
    """Names that a function, or one written inside it, looks up in its module."""
    known = _names.get(id(code))
    if known is None:
        if len(_names) >= _KEPT:
            _names.clear()
        known = _names[id(code)] = code, _looked_up(code)
    return known[1]


def _looked_up(code: CodeType) -> tuple[str, ...]:
    found: dict[str, None] = {}
    waiting = [code]
    while waiting:
        at = waiting.pop()
        found |= {s.argval: None for s in dis.get_instructions(at) if s.opname == "LOAD_GLOBAL"}
        waiting += [c for c in at.co_consts if isinstance(c, CodeType)]
    return tuple(found)


def fingerprint(name: str, functions: tuple[Callable[..., Any], ...]) -> tuple[Any, ...]:
    """What the functions of a gate, and those they call, read from outside; equal while it is.

    Raises TraceError for arrays, lists and traced values, naming the gate and the variable.
    """
    return tuple(
        _noted(name, variable, value) for f in _all_called(functions)
        for variable, value in variables_of(f).items()
    )


def _all_called(functions: tuple[Callable[..., Any], ...]) -> Iterator[FunctionType]:
    """The functions, and the plain ones of the user's that they call, each once."""
    waiting = list(functions)[::-1]
    seen: set[int] = set()
    while waiting:
        f = waiting.pop()
        if not isinstance(f, FunctionType) or id(f) in seen or _is_library(f):
            continue
        seen.add(id(f))
        yield f
        waiting += variables_of(f).values()


def _is_library(f: FunctionType) -> bool:
    return (f.__module__ or "").split(".")[0] in ("chainrule", "numpy", "scipy", "math")


def _noted(gate: str, variable: str, value: Any) -> Any:
    if isinstance(value, np.ndarray | list | dict | set) or hasattr(value, "birth"):
        what = "traced value" if hasattr(value, "birth") else type(value).__name__
        raise TraceError(
            f"the gate {gate} reads the {what} {variable} from outside, and would not notice when "
            f"it changes.\n  Instead: make {variable} an input of the gate, and pass it in."
        )
    if isinstance(value, PLAIN):
        return variable, repr(value)
    return variable, id(value)

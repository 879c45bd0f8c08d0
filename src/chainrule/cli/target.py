"""What the command line is asked about: an expression, a script, or a function in a file."""

import ast
import importlib.util
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.api.sources import circuit, expression, script
from chainrule.api.worked import Worked
from chainrule.errors import ChainruleError, ExpressionError, InputError
from chainrule.trace.expression import MOST_ELEMENTS


@dataclass(frozen=True, slots=True)
class Target:
    """The words of a command: what to work out, at which values."""

    what: str
    values: tuple[str, ...]
    wrt: tuple[str, ...] | None
    of: str | None


def load(target: Target) -> Worked:
    """Work the target out. Raises ChainruleError with what to write instead."""
    path, colon, function = target.what.rpartition(":")
    if colon and path.endswith(".py"):
        _no_script_options(target)
        f = _function(path, function)
        values = {n: _argument(n, v) for n, v in _values(target.values).items()}
        try:
            return circuit(f)(**values)
        except ChainruleError:
            raise
        except Exception as error:
            raise InputError(_stopped(target.what, error, path)) from error
    if target.what.endswith(".py"):
        if target.values:
            raise InputError(
                f"a script assigns its own values; {target.values[0]} is not needed"
            )
        return script(_source(target.what), target.what, target.wrt, target.of)
    _no_script_options(target)
    values = {name: _number(name, v) for name, v in _values(target.values).items()}
    return expression(target.what, values)


def _stopped(what: str, error: Exception, path: str) -> str:
    """What went wrong in the user's function, and on which of their lines."""
    file = Path(path).resolve()
    lines = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename) == file]
    place = f"\n  in {lines[-1].name}, {path} line {lines[-1].lineno}:  {lines[-1].line}" \
        if lines else ""
    kind = "" if isinstance(error, TypeError) and not lines else f"{type(error).__name__}: "
    return f"{what}: {kind}{error}{place}"


def _no_script_options(target: Target) -> None:
    if target.wrt is not None or target.of is not None:
        raise InputError("--wrt and --of are for scripts; expressions and functions are "
                         "differentiated by all their inputs")


def _source(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not text in UTF-8") from None


def _values(words: tuple[str, ...]) -> dict[str, Any]:
    """name=value words as a dict; values are Python numbers or nested lists of them."""
    found: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.strip().partition("=")
        if not equals or not name.isidentifier():
            raise InputError(f"expected name=value, such as x=1.5; got {word.strip()!r}")
        if name in found:
            raise InputError(f"{name} is given twice")
        found[name] = _literal(name, text)
    return found


def _literal(name: str, text: str) -> Any:
    if text.strip().lower().lstrip("+-") in ("inf", "nan"):
        return float(text)
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise InputError(f"{name}={text!r:.60} is not a number or a list of numbers") from None


def _number(name: str, value: Any) -> Any:
    """A number, or a list of numbers as an array."""
    if value.__class__ in (int, float):
        return value
    try:
        array = np.asarray(value, dtype=float)
    except (ValueError, TypeError):
        raise InputError(f"{name} must be a number or a list of numbers") from None
    if value.__class__ in (str, bytes, bool) or array.size > MOST_ELEMENTS:
        raise InputError(f"{name} must be a number, or up to {MOST_ELEMENTS} numbers in a list")
    return array


def _argument(name: str, value: Any) -> Any:
    """A function's argument: lists of numbers come as arrays, everything else as it is."""
    return _number(name, value) if isinstance(value, list) else value


def _function(path: str, name: str) -> Callable[..., Any]:
    """A function defined in a Python file, found by importing the file."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    if spec is None or spec.loader is None or not Path(path).is_file():
        raise InputError(f"cannot read {path}: no such file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise ExpressionError(f"{path} cannot be imported: {type(error).__name__}: {error}") \
            from error
    function = getattr(module, name, None)
    if not callable(function):
        known = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
        raise InputError(f"{path} has no function {name!r}; it has {', '.join(known) or 'none'}")
    return function  # type: ignore[no-any-return]  # callable: checked above

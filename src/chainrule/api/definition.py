"""A function's own source, where it can be printed above a program and runs alone there.

It can when it was written with `def`, when its source still says what it computes, and when all it
reads from outside is numpy, math, functions of theirs, and plain numbers. Its imports and numbers
are printed with it.
"""

import builtins
import dis
import inspect
import math
from collections.abc import Callable, Iterator
from textwrap import dedent
from types import CodeType
from typing import Any

import numpy as np

from chainrule.api.outside import global_names, variables_of

HOMES = ((np, "numpy"), (math, "math"))
VARYING = {"LOAD_METHOD", "LOAD_ATTR", "LOAD_DEREF", "LOAD_GLOBAL"}
CALLING = {"PRECALL", "PUSH_NULL", "COPY_FREE_VARS", "RESUME"}


def definition(f: Callable[..., Any]) -> str:
    """The source of f without decorators, after the imports it needs; "" where it has none."""
    needed = list(_imports(f))
    source = "" if None in needed else _source(f)
    return source and "\n".join([*(line for line in needed if line), source])


def _imports(f: Callable[..., Any]) -> Iterator[str | None]:
    """A line for each variable f reads from outside; None where no line can say it."""
    found = variables_of(f)
    code = getattr(f, "__code__", None)
    if code is None:
        yield None
    for name in () if code is None else (*global_names(code), *code.co_freevars):
        if name in found:
            yield _import(name, found[name])
        elif not hasattr(builtins, name):
            yield None


def _import(name: str, value: Any) -> str | None:
    for module, path in HOMES:
        if value is module:
            short = {"numpy": "np"}.get(path, path)
            return "" if name == short else f"import {path} as {name}"
        public = getattr(value, "__name__", None)
        if isinstance(public, str) and getattr(module, public, None) is value:
            return f"from {path} import {public}" + ("" if public == name else f" as {name}")
    if value.__class__ in (int, float, bool, str):
        return f"{name} = {value!r}" if value == value and abs_is_finite(value) else None
    return None


def abs_is_finite(value: Any) -> bool:
    """False for the infinities, which repr does not write as source."""
    return not isinstance(value, float) or math.isfinite(value)


def _source(f: Callable[..., Any]) -> str:
    """The def of f as it is written, if the file still says what f computes."""
    import ast

    try:
        text = dedent(inspect.getsource(f))
        node = ast.parse(text).body[0]
    except (OSError, TypeError, SyntaxError, ValueError):
        return ""
    if not isinstance(node, ast.FunctionDef):
        return ""
    lines = text.splitlines()[node.lineno - 1 : node.end_lineno]
    source = "\n".join(line.rstrip() for line in lines)
    module = compile(source, "<definition>", "exec", dont_inherit=True)
    return source if _steps(f.__code__) in map(_steps, _functions(module)) else ""


def _functions(module: CodeType) -> Iterator[CodeType]:
    return (c for c in module.co_consts if isinstance(c, CodeType))


def _steps(code: CodeType) -> list[Any]:
    """The instructions of a function, as far as they do not depend on the file it stands in."""
    found: list[Any] = []
    for step in dis.get_instructions(code):
        if step.opname in VARYING:
            found.append(step.argval)
        elif step.opname not in CALLING:
            jumps = step.opcode in dis.hasjrel or step.opcode in dis.hasjabs
            plain = not (jumps or isinstance(step.argval, CodeType))
            found.append((step.opname, repr(step.argval) if plain else None))
    return found

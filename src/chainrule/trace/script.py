"""Scripts of plain staged code, run statement by statement on traced values.

`math`, `np`, `max` and `abs` in a script know traced values. The statement that assigns a name to
differentiate by makes the input; everything else runs as Python runs it.
"""

import ast
import builtins
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.circuit.record import BY_NAME, Gate, catalogue
from chainrule.errors import ChainruleError, ExpressionError, InputError
from chainrule.trace.frames import user_frame, where
from chainrule.trace.trace import Trace
from chainrule.trace.traced import Traced, call

Lift = Callable[[Trace, Any, str], Any]  # (trace, value, name) -> what stands for it


class ScriptMath:
    """Python's math module, with gates in place of the functions that have one."""

    def __getattr__(self, name: str) -> Any:
        function = getattr(math, name)
        if not callable(function):
            return function
        gate = next((g for g in catalogue() if g.scalar is function), None)
        return _either(function, gate, f"math.{name}")


def _either(function: Callable[..., Any], gate: Gate | None, name: str) -> Callable[..., Any]:
    """A function of plain numbers that becomes a gate when a traced value comes in."""

    def chosen(*args: Any, **kwargs: Any) -> Any:
        if not any(isinstance(a, Traced) for a in args):
            return function(*args, **kwargs)
        if gate is None or kwargs:
            raise ExpressionError(f"{name} has no gate yet{where(user_frame)}")
        out = args[0]
        if len(args) > len(gate.inputs) == 2:
            for other in args[1:]:
                out = call(gate, user_frame, out, other)
            return out
        return call(gate, user_frame, *args)

    return chosen


@dataclass(frozen=True, slots=True)
class Script:
    """A script that has run: its trace, what was lifted, its output, its plain statements."""

    trace: Trace
    lifted: dict[str, Any]
    of: str
    out: Traced
    prelude: tuple[str, ...]


def run_script(
    source: str, filename: str, lift: Lift, wrt: Sequence[str] | None, of: str | None
) -> Script:
    """Run a script with the `wrt` names (default: all numbers it assigns) as inputs.

    of: the output's name; default the last variable assigned. Raises InputError for names the
    script does not assign, ExpressionError for anything that stops it, with the line.
    """
    runner = _Runner(source, filename, lift, wrt)
    trace = Trace(copies=True)
    try:
        for statement in runner.tree.body:
            runner.run(statement, trace)
    finally:
        trace.close()
    return runner.finished(trace, of)


class _Runner:
    def __init__(
        self, source: str, filename: str, lift: Lift, wrt: Sequence[str] | None
    ) -> None:
        self.source = source
        self.filename = filename
        self.lift = lift
        self.wrt = wrt
        self.lifted: dict[str, Any] = {}
        self.assigned: list[str] = []
        self.prelude: list[str] = []
        self.space: dict[str, Any] = {
            "__name__": "script", "math": ScriptMath(), "np": np,
            "max": _either(builtins.max, BY_NAME["maximum"], "max"),
            "abs": _either(builtins.abs, BY_NAME.get("abs"), "abs"),
        }
        self.own = dict(self.space)
        try:
            self.tree = ast.parse(source, filename)
        except SyntaxError as error:
            raise ExpressionError(
                f"{filename} line {error.lineno} is not Python: {error.msg}\n"
                f"  {(error.text or '').rstrip()}"
            ) from None
        except ValueError as error:
            raise ExpressionError(f"{filename} is not Python: {error}") from None

    def run(self, statement: ast.stmt, trace: Trace) -> None:
        """One statement; what it assigns becomes an input where it is asked for."""
        code = compile(ast.Module([statement], []), self.filename, "exec")
        try:
            exec(code, self.space)  # the user's own script, run as they would run it
        except ChainruleError:
            raise
        except (Exception, SystemExit) as error:
            raise ExpressionError(
                f"{self.filename} line {statement.lineno}: {type(error).__name__}: {error}\n"
                f"  {self._text(statement)}"
            ) from error
        if isinstance(statement, ast.Import | ast.ImportFrom):
            self._use_our_math()
            return
        names = _targets(statement)
        self.assigned += names
        for name in names:
            if self._is_wanted(name, statement):
                self.space[name] = self.lift(trace, self.space[name], name)
                self.lifted[name] = self.space[name]
        if names and not any(_holds_traced(self.space.get(n)) and n not in self.lifted
                             for n in names):
            self.prelude.append(self._text(statement))

    def _text(self, statement: ast.stmt) -> str:
        return ast.get_source_segment(self.source, statement) or ast.unparse(statement)

    def _use_our_math(self) -> None:
        ours = self.own["math"]
        for name, value in list(self.space.items()):
            if value is math:
                self.space[name] = ours
            elif callable(value) and value in vars(math).values():
                self.space[name] = getattr(ours, str(value.__name__))

    def _is_wanted(self, name: str, statement: ast.stmt) -> bool:
        if name in self.lifted or not isinstance(statement, ast.Assign | ast.AnnAssign):
            return False
        if self.wrt is not None:
            return name in self.wrt
        return _is_numbers(self.space.get(name))

    def finished(self, trace: Trace, of: str | None) -> Script:
        """The output and the inputs, checked to be there."""
        missing = [n for n in self.wrt or () if n not in self.lifted]
        if missing:
            raise InputError(
                f"{self.filename} does not assign {', '.join(missing)}; it assigns "
                f"{', '.join(dict.fromkeys(self.assigned)) or 'nothing'}"
            )
        if not self.lifted:
            whole = [n for n in dict.fromkeys(self.assigned) if _is_whole(self.space.get(n))]
            raise InputError(
                f"{self.filename} assigns no numbers to differentiate by" + "".join(
                    f"\n  {n} is an integer array of shape {list(self.space[n].shape)}, which has "
                    f"no gradient: give it dtype=float" for n in whole
                )
            )
        traced = [n for n in self.assigned if isinstance(self.space.get(n), Traced)
                  and n not in self.lifted]
        if of is None and not traced:
            last = next(reversed(self.lifted))
            raise InputError(
                f"{self.filename} assigns no variable computed from {', '.join(self.lifted)}\n"
                f"  Assign the output in a statement of its own, such as f = {last} * {last}."
            )
        name = of or traced[-1]
        out = self.space.get(name)
        if not isinstance(out, Traced):
            known = ", ".join(dict.fromkeys(traced)) or "nothing"
            raise InputError(
                f"{name} is not computed from {', '.join(self.lifted)} in {self.filename}; "
                f"computed from them: {known}"
            )
        return Script(trace, self.lifted, name, out, tuple(self.prelude))


def _targets(statement: ast.stmt) -> list[str]:
    """Variables a statement assigns, in order."""
    if isinstance(statement, ast.Assign):
        targets: Sequence[ast.expr] = statement.targets
    elif isinstance(statement, ast.AugAssign | ast.AnnAssign):
        targets = [statement.target]
    else:
        targets = []
    return [
        node.id for target in targets for node in ast.walk(target)
        if isinstance(node, ast.Name) and node not in _in_brackets(target)
    ]


def _in_brackets(target: ast.expr) -> list[ast.AST]:
    """What a target such as y[i] only reads."""
    keys = [n.slice for n in ast.walk(target) if isinstance(n, ast.Subscript)]
    return [node for key in keys for node in ast.walk(key)]


def _holds_traced(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(isinstance(v, Traced) for v in value)
    return isinstance(value, Traced)


def _is_whole(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "iu"


def _is_numbers(value: Any) -> bool:
    """A number, an array of real numbers, or a list of numbers."""
    if isinstance(value, list | tuple):
        return bool(value) and all(v.__class__ in (int, float) for v in value)
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.kind == "f"
    return value.__class__ in (int, float)

"""The ways a function goes through its decisions, each with machine code of its own.

A decision is Python's `if` or `while` on a value that follows from the inputs. The machine code of
a way computes the decisions beside the results; where one turns out otherwise, its results are not
this call's, and the way that agrees so far takes over. A way not seen before is traced.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.api.recorded import Recorded
from chainrule.trace.traced import Traced

if TYPE_CHECKING:
    from chainrule.backends.llvm.compiled import Compiled
    from chainrule.backends.llvm.targets.entered import Entry

Outcomes = tuple[bool, ...]
NUMBERS = (int, float, np.generic, np.ndarray)
PATHS = 64  # ways of one signature


class Elsewhere(Exception):
    """This call goes another way: its decisions, right up to the first that differs."""

    def __init__(self, outcomes: Outcomes) -> None:
        super().__init__(outcomes)
        self.outcomes = outcomes


@dataclass(frozen=True, slots=True)
class Like:
    """What a part of a result is like."""

    shape: tuple[int, ...]
    dtype: Any


@dataclass(frozen=True, slots=True)
class Path:
    """One way: its decisions, and its machine code, which raises Elsewhere for other ways."""

    outcomes: Outcomes
    run: Callable[..., Any]
    code: "Compiled"
    spec: Any  # of the result, optree's
    slots: tuple[Any, ...]  # its leaves, as in results.py
    likes: tuple[Like | None, ...]
    entry: "Entry | None" = None  # of calls that need no Python


def like(x: Any) -> Like | None:
    """What a leaf of a result is like; None where no array could take it."""
    if isinstance(x, NUMBERS):
        x = np.asarray(x)
    return Like(x.shape, x.dtype) if isinstance(x, np.ndarray | Traced) else None


@dataclass(slots=True)
class Paths:
    """What is known of one signature: traces seen once, and compiled ways, the last taken first."""

    firsts: dict[Outcomes, Recorded] = field(default_factory=dict)
    compiled: list[Path] = field(default_factory=list)
    run: Callable[..., Any] | None = None  # the inputs -> the result, once there is a way
    is_eager: bool = False

    @property
    def is_full(self) -> bool:
        """True when no further way is kept."""
        return len(self.firsts) + len(self.compiled) >= PATHS

    @property
    def path(self) -> Path | None:
        """The only way, where there is but one, without decisions."""
        return self.compiled[0] if self.compiled and not self.compiled[0].outcomes else None

    def add(self, path: Path) -> None:
        """One more compiled way."""
        self.compiled = [path, *self.compiled]
        self.run = self._walk if len(path.outcomes) else path.run

    def _walk(self, *inputs: Any) -> Any:
        """Try the ways, each agreeing with more decisions than the one before."""
        path = self.compiled[0]
        while True:
            try:
                result = path.run(*inputs)
            except Elsewhere as other:
                found = self._agreeing(path.outcomes, other.outcomes)
                if found is None:
                    raise
                path = found
            else:
                if path is not self.compiled[0]:
                    self.compiled = [path, *(p for p in self.compiled if p is not path)]
                return result

    def _agreeing(self, tried: Outcomes, found: Outcomes) -> Path | None:
        """A way that took these decisions up to the first where the one tried went wrong."""
        known = next(i for i, (x, y) in enumerate(zip(tried, found, strict=False)) if x != y) + 1
        return next((p for p in self.compiled if p.outcomes[:known] == found[:known]), None)


def guarded(
    deliver: Callable[[Sequence[Any]], Any], outcomes: Outcomes, count: int
) -> Callable[[Sequence[Any]], Any]:
    """What delivers the first `count` outputs, if the rest are the decisions of this way."""
    if not outcomes:
        return deliver

    check = agreeing(outcomes)

    def checked(outputs: Sequence[Any]) -> Any:
        check([bool(x) for x in outputs[count:]])
        return deliver(outputs)

    return checked


def agreeing(outcomes: Outcomes) -> Callable[[Sequence[bool]], None]:
    """What raises Elsewhere for decisions, the first so many, that are not those of this way."""

    def check(found: Sequence[bool]) -> None:
        if tuple(found) != outcomes[: len(found)]:
            raise Elsewhere(tuple(found))

    return check

"""The programs of one function: one for each plan, or one for plans that differ in an extent.

    first plan             a program of its own
    one with another n     a program for every n, which takes its place for all but the first
    further n              that program; nothing is compiled
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.backends.llvm.extent import Unsettled
from chainrule.backends.llvm.nests import ArrayPlan, Shape
from chainrule.backends.llvm.panels import by_panels
from chainrule.backends.llvm.program import emit_program
from chainrule.backends.llvm.shared import Common, Seen, without_arrays
from chainrule.backends.llvm.targets import cpu

KEPT = 16  # plans of one function that others are compared with, and programs for every n


@dataclass(frozen=True, slots=True)
class Program:
    """Machine code, its text, and the plan of it: for every n where it is shared."""

    plan: ArrayPlan
    text: str
    code: Any


class Programs:
    """What was compiled for one function; the oldest is forgotten."""

    def __init__(self) -> None:
        self.common: deque[tuple[Common, Program]] = deque(maxlen=KEPT)
        self.seen: deque[Seen] = deque(maxlen=KEPT)

    def program(
        self, plan: ArrayPlan, shapes: Sequence[Shape], level: int
    ) -> tuple[ArrayPlan, Program]:
        """A program for a plan, and the plan with all that the program reads."""
        found = self.known(plan, shapes) or self._made_common(plan, shapes, level)
        if found is None:
            self.seen.append(Seen(without_arrays(plan), tuple(shapes)))
            plan = by_panels(plan)
            found = plan, made(plan, level)
        return found

    def known(
        self, plan: ArrayPlan, shapes: Sequence[Shape]
    ) -> tuple[ArrayPlan, Program] | None:
        """A program that was compiled for other extents; None where there is none."""
        for common, program in tuple(self.common):
            complete = common.at(plan, shapes)
            if complete is not None:
                return complete, program
        return None

    def _made_common(
        self, plan: ArrayPlan, shapes: Sequence[Shape], level: int
    ) -> tuple[ArrayPlan, Program] | None:
        """A new program for this plan and one seen before."""
        for seen in tuple(self.seen):
            common = seen.with_other(plan, shapes)
            complete = None if common is None else common.at(plan, shapes)
            if common is None or complete is None:
                continue
            try:
                program = made(common.plan, level)
            except Unsettled:
                continue
            self.common.appendleft((common, program))
            return complete, program
        return None


def made(plan: ArrayPlan, level: int) -> Program:
    """A plan compiled."""
    text = emit_program(plan, cpu.vectors_at_once())
    return Program(plan, text, cpu.compile_text(text, level))

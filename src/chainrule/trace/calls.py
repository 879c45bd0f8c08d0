"""Where rows were written: the chain of calls that led to each, and the instruction in the last.

Names and lines are resolved from that later, or never. Only traces that are drawn, printed or
compiled keep it; a gradient taken at once needs none of it.
"""

import sys
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Final

import numpy as np

from chainrule.circuit.circuit import NOTHING

if TYPE_CHECKING:
    import numpy.typing as npt

WIDTH = 3  # integers a note: row, call, last instruction
CHUNK = WIDTH * 8192  # notes longer than this are packed


class Call:
    """One link of the chain of calls from the traced function down to a gate."""

    def __init__(self, parent: int, parent_lasti: int, code: CodeType) -> None:
        self.parent: Final = parent
        self.parent_lasti: Final = parent_lasti
        self.code: Final = code


class Calls:
    """The calls seen, by number, and from which row on which place in them counts."""

    __slots__ = ("_call", "_frame", "_notes", "_packed", "_root", "_stack", "calls")

    def __init__(self, root: FrameType) -> None:
        self.calls: list[Call] = []
        self._notes: list[int] = []
        self._packed: list[npt.NDArray[np.int32]] = []
        self._root: FrameType | None = root
        self._frame: FrameType | None = None
        self._call = NOTHING
        self._stack: list[tuple[FrameType, int]] = []

    def note(self, row: int, frame: FrameType) -> None:
        """Rows from this one on are written at a frame's current instruction."""
        if frame is not self._frame:
            self._enter(frame)
        self._notes += (row, self._call, frame.f_lasti)
        if len(self._notes) > CHUNK:
            self._packed.append(np.array(self._notes[:-WIDTH], np.int32).reshape(-1, WIDTH))
            del self._notes[:-WIDTH]

    def interrupt(self, row: int) -> None:
        """This one row is written nowhere; those after it are, where those before it were."""
        before = self._notes[-WIDTH + 1 :]
        self._notes += (row, NOTHING, NOTHING)
        if before:
            self._notes += (row + 1, *before)

    def _enter(self, frame: FrameType) -> None:
        """Number the chain of calls that leads to a frame, reusing the part seen already."""
        known = {id(f): i for i, (f, _) in enumerate(self._stack)}
        new: list[FrameType] = []
        at: FrameType | None = frame
        while at is not None and id(at) not in known and (at is not self._root or not new):
            new.append(at)
            at = at.f_back
        del self._stack[known[id(at)] + 1 if id(at) in known else 0 :]
        for link in reversed(new):
            parent, call = self._stack[-1] if self._stack else (None, NOTHING)
            lasti = parent.f_lasti if parent else NOTHING
            self.calls.append(Call(call, lasti, link.f_code))
            self._stack.append((link, len(self.calls) - 1))
        self._frame = frame
        self._call = self._stack[-1][1]

    def leave(self, frame: FrameType) -> None:
        """A call is over: let go of its frame, which would keep its variables, and of those in it.
        """
        depth = next((i for i, (known, _) in enumerate(self._stack) if known is frame), None)
        if depth is not None:
            del self._stack[depth:]
            self._frame = None

    def close(self) -> None:
        """Let go of all frames."""
        self._frame = self._root = None
        self._stack = []

    def places(self, count: int) -> "npt.NDArray[np.int32]":
        """For each of so many rows: call and last instruction, [rows, 2]."""
        notes = np.concatenate([*self._packed, np.array(self._notes, np.int32).reshape(-1, WIDTH)])
        nowhere = np.array([[0, NOTHING, NOTHING]], np.int32)
        notes = np.concatenate([nowhere, notes])
        at = np.searchsorted(notes[:, 0], np.arange(count), side="right") - 1
        return notes[at, 1:]


def here() -> Calls:
    """Calls as seen from the function that asks for a trace."""
    return Calls(sys._getframe(2))

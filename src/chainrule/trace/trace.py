"""A trace: the rows recorded while a function runs, with their values.

Recording is the price of every eager gradient, so a row is three integers added to one list:

    kind, first operand, second operand

Rows with more operands keep them in `spill`, at -2 - first operand. Where the rows were written is
noted beside (see calls), if anyone will ask. A long log is packed into arrays chunk by chunk.

Every trace has a birth number from one process-wide counter. Where values of two traces meet, the
younger trace records, and holds the older value as a constant whose own trace goes on recording.

A *region* is the rows of one call of a checkpointed function. When it ends, the arrays made in it
are let go, except those it returned: None stands for each in `values`. A trace of which only rows
and places will be asked lets go of every array so, as soon as the next row is recorded: whoever
computes on one holds it.
"""

import itertools
import weakref
from array import array
from collections.abc import Callable, Container, Sequence
from types import CodeType
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from chainrule.circuit.circuit import NOTHING, Circuit
from chainrule.circuit.record import CONSTANT, KINDS
from chainrule.errors import TraceError
from chainrule.trace.calls import Calls, here
from chainrule.trace.cells import Cell, note_reads
from chainrule.trace.frames import Find, where
from chainrule.trace.steps import AS_CONSTANT, AS_INPUT

if TYPE_CHECKING:
    import numpy.typing as npt

    from chainrule.circuit.notes import Mark, Region

_births = itertools.count(1)
_open: "dict[int, weakref.ref[Trace]]" = {}  # by birth; a checkpoint asks how long they are
MOST_OPEN = 64  # more than functions run within each other: some were never closed
WIDTH = 3  # integers a row
CHUNK = WIDTH * 8192  # a log longer than this is packed
LEAF = (NOTHING,) * (WIDTH - 1)
ALWAYS = -1  # the limit of a trace that has to be asked before each row


class Trace:
    """Rows and values recorded so far. Only traced values append to it.

    is_placed: note where each row was written, for names and origins. is_fleeting: keep no arrays
    but those of leaves.
    """

    __slots__ = (
        "__weakref__", "birth", "calls", "captured", "copies", "decisions", "gone", "inputs",
        "is_fleeting", "is_nested", "is_open", "is_plain", "items", "limit", "log", "marks",
        "names", "packed", "regions", "renewed", "seen", "sharing", "spill", "stale", "values",
    )

    def __init__(
        self, *, copies: bool = False, is_plain: bool = False, is_placed: bool = True,
        is_fleeting: bool = False,
    ) -> None:
        self.birth = next(_births)
        self.copies = copies  # keep copies of arrays: the trace outlives the call
        self.is_plain = is_plain  # values of an older trace are held as plain numbers
        self.is_fleeting = is_fleeting  # and is_placed: its rows are attended one by one
        self.gone = 0  # rows whose arrays it has let go
        # constant wire -> what it was captured from: the user's own array, if copied; or the value
        # of an older trace, if held as plain numbers
        self.captured: dict[int, Any] = {}
        self.is_nested = False  # holds values of an older trace, which goes on recording
        self.is_open = True  # the function runs; a value of a finished trace cannot be used
        self.log: list[int] = []
        self.limit = ALWAYS if is_placed else CHUNK  # a longer log calls `attend` before each row
        self.packed: list[npt.NDArray[np.int32]] = []
        self.spill: list[tuple[int, ...]] = []
        self.values: list[Any] = []
        self.regions: list[Region] = []
        self.inputs: list[int] = []
        self.decisions: list[tuple[int, bool, CodeType, int]] = []  # wire, outcome, place
        self.marks: list[Mark] = []  # runs of rows that the user calls one gate
        self.names: dict[int, tuple[str, ...]] = {}
        self.sharing: dict[int, Cell] = {}  # wires whose array is the memory of a cell
        self.seen = 0  # rows whose reads the cells know of
        self.stale: dict[int, Callable[[], object]] = {}  # views to read again at the end
        self.items: dict[int, int] = {}  # row -> which item it is of the list that a call gave
        self.renewed: dict[int, int] = {}  # row -> the one whose variable it is the newest of
        self.calls: Calls | None = here() if is_placed else None
        _open[self.birth] = weakref.ref(self)
        if len(_open) > MOST_OPEN:
            open_traces()

    def input(self, value: Any, name: str | None = None) -> int:
        """A new input holding a value; its wire."""
        if self.copies and isinstance(value, np.ndarray):
            value = value.copy()
        wire = len(self.values)
        self.values.append(value)
        self.log += (AS_INPUT.kind(value), NOTHING, NOTHING)
        self.inputs.append(wire)
        if name is not None:
            self.names[wire] = (name,)
        return wire

    def constant(self, value: Any) -> int:
        """A new constant holding a number, an array, or a value of an older trace."""
        if self.copies and isinstance(value, np.ndarray):
            self.captured[len(self.values)] = value
            value = value.copy()
        wire = len(self.values)
        self.values.append(value)
        self.log += (AS_CONSTANT.kind(value), NOTHING, NOTHING)
        return wire

    def record(self, kind: int, operands: Sequence[int], value: Any, find: Find) -> int:
        """One more stage, written where `find` tells; its wire."""
        if len(self.log) > self.limit:
            self.attend(find)
        count = len(operands)
        wire = len(self.values)
        self.values.append(value)
        if count == 1:
            self.log += (kind, operands[0], NOTHING)
        elif count == 2:
            self.log += (kind, operands[0], operands[1])
        else:
            self.spill.append(tuple(operands))
            self.log += (kind, -1 - len(self.spill), NOTHING)
        return wire

    def attend(self, find: Find) -> None:
        """Before a row: pack a long log, note the place; refuse when the trace is closed."""
        if not self.is_open:
            raise finished(where(find))
        if self.is_fleeting:
            begin = len(self.log) - WIDTH * (len(self.values) - self.gone)
            self.let_go(self.gone, self.log[begin::WIDTH])
            self.gone = len(self.values)
        if len(self.log) > CHUNK:
            self._pack()
        calls = self.calls
        if calls is not None:
            calls.note(len(self.values), find())

    def row(self, wire: int) -> tuple[int, Sequence[int]]:
        """Kind and operands of a row."""
        first = len(self.values) - len(self.log) // WIDTH
        if wire >= first:
            at = (wire - first) * WIDTH
            return self._decoded(*self.log[at : at + 3])
        for chunk in self.packed:
            if wire < len(chunk):
                return self._decoded(*chunk[wire, :3].tolist())
            wire -= len(chunk)
        raise AssertionError("a wire is a row of its trace")

    def _decoded(self, kind: int, first: int, second: int) -> tuple[int, Sequence[int]]:
        if first < NOTHING:
            return kind, self.spill[-2 - first]
        return kind, () if first == NOTHING else (first,) if second == NOTHING else (first, second)

    def note_reads(self) -> None:
        """Let the cells know what the rows recorded since last time read."""
        begin, stop, sharing = self.seen, len(self.values), self.sharing
        self.seen = stop
        if not sharing:
            return
        rows = self.log[len(self.log) - WIDTH * (stop - begin) :]  # packing looks at all before
        for row, first, second in zip(range(begin, stop), rows[1::WIDTH], rows[2::WIDTH],
                                      strict=True):
            if first in sharing or second in sharing or first < NOTHING:  # most rows are neither
                note_reads(row, *self.row(row), sharing)

    def _pack(self) -> None:
        self.note_reads()
        self.packed.append(np.array(self.log, np.int32).reshape(-1, WIDTH))
        self.log.clear()

    def let_go(self, first: int, kinds: Sequence[int], outputs: Container[int] = ()) -> None:
        """Forget the arrays of the rows from `first` on, but those of leaves and outputs."""
        for row, kind in enumerate(kinds, first):
            is_leaf = KINDS[kind].gate.family == "leaf"
            if KINDS[kind].type.shape and not is_leaf and row not in outputs:
                self.values[row] = None

    def kinds(self, first: int) -> Sequence[int]:
        """The kinds of the rows from `first` on."""
        chunks = [np.array(self.log[::WIDTH], np.int32)]
        for chunk in reversed(self.packed):
            if sum(map(len, chunks)) >= len(self.values) - first:
                break
            chunks.append(chunk[:, 0])
        kinds: list[int] = np.concatenate(chunks[::-1])[first - len(self.values) :].tolist()
        return kinds

    def renew(self, kind: int, operand: int, value: Any) -> int:
        """One more stage that the user has not written: a view read again; its wire."""
        wire = len(self.values)
        if self.calls is not None:
            self.calls.interrupt(wire)
        self.values.append(value)
        self.log += (kind, operand, NOTHING)
        return wire

    def close(self) -> None:
        """End the recording and let go of the frames; values may still be read."""
        if not self.is_open:
            return
        for read_again in list(self.stale.values()):
            read_again()
        self.is_open = False
        self.limit = ALWAYS
        if self.calls is not None:
            self.calls.close()
        _open.pop(self.birth, None)

    def forget(self) -> None:
        """Let go of the values of a closed trace: what is asked of it now is rows and places."""
        self.values = [None] * len(self)
        self.sharing, self.stale = {}, {}

    def __len__(self) -> int:
        return len(self.values)

    def structure(self) -> tuple[Any, ...]:
        """What a compiled backward program depends on, apart from literal numbers."""
        return (*self.log, *self.spill, *self.marks)

    def rows(self) -> "npt.NDArray[np.int32]":
        """All rows, [rows, 3]: kind and two operands."""
        chunks = [*self.packed, np.array(self.log, np.int32).reshape(-1, WIDTH)]
        return np.concatenate(chunks)

    def places(self) -> "npt.NDArray[np.int32]":
        """Where each row was written, [rows, 2]: call and last instruction; -1 of leaves."""
        assert self.calls is not None  # who asks has told the trace to note it
        found = self.calls.places(len(self))
        found[[KINDS[k].gate.family == "leaf" for k in self.rows()[:, 0].tolist()]] = NOTHING
        return found

    def circuit(self, outputs: Sequence[int], title: str = "circuit") -> Circuit:
        """The recorded rows as a circuit, with names for the inputs only, and no origins."""
        rows = self.rows()
        kinds = rows[:, 0]
        arity, is_constant = _kind_tables(int(kinds.max(initial=0)) + 1)
        start = np.zeros(len(rows) + 1, np.int32)
        np.cumsum(arity[kinds], out=start[1:])
        constant_rows = np.flatnonzero(is_constant[kinds])
        return Circuit(
            _column(kinds), _column(start), self._operands(rows, start),
            array("i", [NOTHING]) * len(rows), tuple(self.inputs), tuple(outputs),
            _column(constant_rows), tuple(self.values[r] for r in constant_rows), self.names,
            title=title, regions=tuple(self.regions),
        )

    def _operands(
        self, rows: "npt.NDArray[np.int32]", start: "npt.NDArray[np.int32]"
    ) -> "array[int]":
        """The operands of all rows, one after another."""
        operand = np.zeros(int(start[-1]), np.int32)
        count = np.diff(start)
        for index in (0, 1):
            has = (count > index) & (count <= 2)
            operand[start[:-1][has] + index] = rows[has, 1 + index]
        for row in np.flatnonzero(count > 2):
            operand[start[row] : start[row + 1]] = self.spill[-2 - int(rows[row, 1])]
        return _column(operand)


def _column(values: "npt.NDArray[Any]") -> "array[int]":
    column = array("i")
    column.frombytes(np.ascontiguousarray(values, np.int32).tobytes())
    return column


def _kind_tables(stop: int) -> "tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]":
    """Per kind: how many operands it has, and whether it is a constant."""
    gates = [KINDS[k].gate for k in range(stop)]
    arity = np.array([len(g.inputs) for g in gates], np.int32)
    return arity, np.array([g is CONSTANT for g in gates], np.bool_)


def retell(error: ValueError) -> NoReturn:
    """Raise what a traced value said, where NumPy has put an error of its own in its place."""
    if isinstance(error.__cause__, TraceError):
        raise error.__cause__ from None
    raise error


def open_traces() -> list[Trace]:
    """The traces of all functions that are running."""
    found = []
    for birth, reference in list(_open.items()):
        trace = reference()
        if trace is None:
            _open.pop(birth, None)
        else:
            found.append(trace)
    return found


def finished(place: str = "") -> TraceError:
    """The error for a traced value that outlived its trace, used at a place."""
    return TraceError(
        "this value belongs to a trace that has finished: it was kept from inside a function being "
        f"differentiated{place}\n"
        "  Instead: return it (has_aux=True gives it back as plain numbers)."
    )

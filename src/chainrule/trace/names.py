"""Names and origins of a finished trace's rows, from the places they were recorded at."""

from array import array
from collections.abc import Sequence
from os.path import dirname
from types import CodeType

import numpy as np

from chainrule.circuit.circuit import NOTHING, Circuit
from chainrule.circuit.notes import Decision, Origin
from chainrule.circuit.record import BY_NAME, KINDS, Gate, catalogue
from chainrule.trace.calls import Call
from chainrule.trace.checkpoint import PASSES_ON
from chainrule.trace.places import Destination, Path, destination, returned_names, span
from chainrule.trace.trace import Trace

_LIBRARIES = (dirname(dirname(__file__)), dirname(np.__file__))
DEEPEST = 32  # calls within calls that an origin keeps; recursion may go on for a thousand


def is_library(code: CodeType) -> bool:
    """True for code of this package and of NumPy: never a place the user wrote."""
    return code.co_filename.startswith(_LIBRARIES)


def with_names(circuit: Circuit, trace: Trace) -> Circuit:
    """The circuit of a trace, its wires named as the user named them, its rows with origins."""
    resolve = _Resolver(trace)
    names = dict(circuit.names)
    asked = asked_inside(trace)
    column = array("i", [NOTHING]) * len(circuit)
    for row, (call, lasti) in enumerate(trace.places().tolist()):
        if call != NOTHING:
            column[row] = resolve.origin(call, lasti)
            found = () if row in asked else resolve.names(row, call, lasti)
            if found and row not in names:
                names[row] = found
    names.update(resolve.renamed_by_callers())
    names = {row: found for row, found in names.items() if found}
    for row, before in trace.renewed.items():  # what is written to keeps its name
        if before in names:
            names.setdefault(row, names[before])
    return circuit.with_(names=names, origin=column, origins=tuple(resolve.origins))


def asked_inside(trace: Trace) -> set[int]:
    """Wires decided on by the instruction that made them: max(x, y) asks whether y > x inside."""
    if not trace.decisions:
        return set()
    assert trace.calls is not None  # who asks has told the trace to note it
    calls, places = trace.calls.calls, trace.places().tolist()
    return {
        wire for wire, _, code, lasti in trace.decisions
        if places[wire][0] != NOTHING and places[wire][1] == lasti
        and calls[places[wire][0]].code is code
    }


def decisions(trace: Trace) -> tuple[Decision, ...]:
    """The branches that were taken while a trace was recorded, in order."""
    asked = asked_inside(trace)
    found = []
    for wire, outcome, code, lasti in trace.decisions:
        call = _called_function(code, lasti) if wire in asked else ""
        line = span(code, lasti).line
        gate = next((g for g in catalogue() if g.builtin and g.builtin[0] == call), None)
        if gate is not None and gate.builtin is not None:
            taken = _picked(trace.rows()[wire].tolist(), BY_NAME[gate.builtin[1]], outcome)
            instead = f"np.{gate.numpy[0].__name__}"
            found.append(Decision(wire, outcome, line, call, taken, instead))
        else:
            found.append(Decision(wire, outcome, line))
    return tuple(found)


def _picked(row: Sequence[int], asks: Gate, outcome: bool) -> int:
    """What a builtin keeps: it asks whether a new value beats the best one so far.

    Where the new one is a plain number, Python asks the best one, the other way round.
    """
    kind, first, second, *_ = row
    new, best = (first, second) if KINDS[kind].gate is asks else (second, first)
    return new if outcome else best


def _called_function(code: CodeType, lasti: int) -> str:
    """The name of the function that an instruction calls, as far as the source tells."""
    import ast
    import linecache

    at = span(code, lasti)
    if at.line is None or at.end_line is None or at.column is None:
        return ""
    lines = linecache.getlines(code.co_filename)[at.line - 1 : at.end_line]
    source = [line.encode() for line in lines]
    if not source:
        return ""
    source[-1] = source[-1][: at.end_column]
    source[0] = source[0][at.column :]
    try:
        node = ast.parse(b"".join(source).decode(), mode="eval").body
    except (SyntaxError, ValueError):
        return ""
    match node:
        case ast.Call(func=ast.Name(id=name)):
            return name
    return ""


class _Resolver:
    """Places to origins and names, each distinct place looked up once."""

    def __init__(self, trace: Trace) -> None:
        assert trace.calls is not None  # who asks has told the trace to note it
        self.calls = trace.calls.calls
        self.items = trace.items
        self.origins: list[Origin] = []
        self._origin_ids: dict[tuple[int, int], int] = {}
        self._chains: dict[int, tuple[tuple[str, int], ...]] = {}
        self._destinations: dict[tuple[int, int, Path], tuple[tuple[str, ...], bool]] = {}
        self._last: dict[tuple[int, str], int] = {}

    def origin(self, call: int, lasti: int) -> int:
        """Index in `origins` of the user's place: the nearest frame that is not a library's."""
        known = self._origin_ids.get((call, lasti))
        if known is None:
            known = self._origin_ids[call, lasti] = self._new_origin(*self._user_place(call, lasti))
        return known

    def _new_origin(self, call: int, lasti: int) -> int:
        if is_library(self.calls[call].code):
            return NOTHING  # called by no code of the user's
        self.origins.append(_origin(self.calls[call].code, lasti, self._chain(call)))
        return len(self.origins) - 1

    def _chain(self, call: int) -> tuple[tuple[str, int], ...]:
        """The user's calls from the traced function, which is left out, in to this one.

        Comprehensions belong to the function they stand in, calls of calls deeper than any reader
        would open to the last one kept.
        """
        found = self._chains.get(call)
        if found is None:
            at, chain = call, []
            while self.calls[at].parent != NOTHING:
                name = called(self.calls[at].code)
                if name:
                    chain.append((name, at))
                at = self.calls[at].parent
            found = self._chains[call] = tuple(reversed(chain))[:DEEPEST]
        return found

    def _user_place(self, call: int, lasti: int) -> tuple[int, int]:
        at, instruction = call, lasti
        while is_library(self.calls[at].code) and self.calls[at].parent != NOTHING:
            at, instruction = self.calls[at].parent, self.calls[at].parent_lasti
        return at, instruction

    def names(self, row: int, call: int, lasti: int) -> tuple[str, ...]:
        """The variables a row's value is stored to, by its caller if it is returned."""
        names, local = self._found(call, lasti, (self.items[row],) if row in self.items else ())
        if not names and row in self.items:
            names, local = self._found(call, lasti, ())
        if local:
            for name in names:
                self._last[call, name] = row
        return names

    def _found(self, call: int, lasti: int, path: Path) -> tuple[tuple[str, ...], bool]:
        key = call, lasti, path
        if key not in self._destinations:
            self._destinations[key] = self._look_up(*key)
        return self._destinations[key]

    def _look_up(self, call: int, lasti: int, path: Path) -> tuple[tuple[str, ...], bool]:
        code = self.calls[call].code
        if is_library(code):
            return (), False
        here = destination(code, lasti, path)
        return self._in_callers(call, here) or here.names, bool(here.names)

    def _in_callers(self, call: int, at: Destination) -> tuple[str, ...]:
        """Names a returned value gets further out; the outermost that names it wins."""
        names: tuple[str, ...] = ()
        while at.returned is not None and self.calls[call].parent != NOTHING:
            link: Call = self.calls[call]
            if self.calls[link.parent].code is PASSES_ON:
                call = link.parent
                continue
            if is_library(self.calls[link.parent].code):
                break
            at = destination(self.calls[link.parent].code, link.parent_lasti, at.returned)
            names = at.names or names
            call = link.parent
        return names

    def renamed_by_callers(self) -> dict[int, tuple[str, ...]]:
        """Rows stored to a local that its function then returns: the caller's name for them."""
        renamed: dict[int, tuple[str, ...]] = {}
        for (call, name), row in self._last.items():
            path = returned_names(self.calls[call].code).get(name)
            if path is not None:
                names = self._in_callers(call, Destination((), path))
                if names:
                    renamed[row] = names
        return renamed


def called(code: CodeType) -> str:
    """What a reader calls a function: `step`, `Cell.forward`, for an object's call its class."""
    if is_library(code) or (code.co_name[0] == "<" and code.co_name != "<lambda>"):
        return ""
    return code.co_qualname.rpartition("<locals>.")[2].removesuffix(".__call__")


def _origin(code: CodeType, lasti: int, calls: tuple[tuple[str, int], ...]) -> Origin:
    at = span(code, lasti)
    return Origin(
        code.co_filename, at.line, at.end_line, at.column, at.end_column, code.co_name, calls=calls
    )


"""The backward pass as lines: each gradient `=` the first time, and `+=` at forks.

What is read at some places sends its gradient there: `dx = np.zeros_like(x)` once, then
`dx[0] += ...`. A gradient's variable may hold memory that another name holds too; what changes it
in place sees to it first that the memory is its own.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chainrule.circuit.circuit import NOTHING, Circuit
from chainrule.circuit.types import Type
from chainrule.code.arguments import Argument, leaves
from chainrule.code.expression import ATOM, Text, change
from chainrule.code.forward import Line
from chainrule.code.sources import Sources
from chainrule.code.wanted import Wanted


def backward_lines(
    circuit: Circuit, wanted: Wanted, sources: Sources, arguments: Sequence[Argument]
) -> list[str]:
    """Write the lines of the backward pass; the variable of each argument's gradient, in order."""
    walk = _Backward(circuit, wanted, sources, arguments)
    walk.run()
    return walk.gathered()


class _Backward:
    """Walks the stages backwards once."""

    def __init__(
        self, circuit: Circuit, wanted: Wanted, sources: Sources, arguments: Sequence[Argument]
    ) -> None:
        self.circuit = circuit
        self.wanted = wanted
        self.sources = sources
        self.arguments = arguments
        self.assigned: set[int] = set()  # wires whose gradient's variable stands
        self.owned: set[int] = set()  # those whose variable holds memory of its own
        self.borrowed: set[int] = set()  # those whose variable may be an input itself
        self.handed_on: set[int] = set()  # those whose variable goes on as another's
        self.waiting: dict[int, tuple[Text, int]] = {}  # leaves of lists, until the list is printed

    def run(self) -> None:
        """One line per edge into a variable, stage by stage from the output."""
        trees = [a.tree for a in self.arguments if not isinstance(a.tree, int)]
        in_lists = {wire for tree in trees for _, wire in leaves(tree)}
        count = self.wanted.sent_to()
        printed = self.wanted.printed | self.sources.forward.printed
        for row in range(self.wanted.stop - 1, -1, -1):
            edges = self.wanted.terms.get(row, [])
            if self.sources.changes(row):
                self._settle(row)
                edges = edges[::-1]  # what is changed goes last, and may take dout's variable
            for wire, term in edges:
                if wire in printed or wire in self.circuit.inputs:
                    self._send(row, wire, term, alone=wire in in_lists and count[wire] == 1)

    # ---- one edge

    def _settle(self, row: int) -> None:
        """Lines for what is read of the gradient of a changed array, before that changes too."""
        if row not in self.owned:
            return
        c, dout = self.circuit, self.wanted.gradient[row]
        for reader in self.wanted.readers[dout]:
            if reader in self.wanted.sums or self.sources.changes(reader):
                continue
            text = self.sources.text(reader, row)
            if c.kind_of(reader).gate.makes_view and c.type_of(reader).shape:
                text = Text(f"np.copy({text.source})", ATOM)
            is_name = text.binds == ATOM and text.source.isidentifier()
            self.sources.texts[reader] = text if is_name else self.sources.held(text.source, row)

    def _send(self, row: int, wire: int, term: int, *, alone: bool) -> None:
        is_changed = self.sources.changes(row) and wire == self.circuit.operands(row)[0]
        if self.sources.changes_late(term) or is_changed:
            self._change(row, wire, term)
        elif alone:
            number = self.sources.forward.number_of[row]
            self.waiting[wire] = (self.sources.text(term, row), number)
        else:
            self._add(row, wire, self.sources.text(term, row), term)

    def _add(self, row: int, wire: int, text: Text, term: int = NOTHING) -> None:
        """The line that makes a term the gradient of a wire, or adds it."""
        name = self.sources.gradient(wire)
        has_shape = bool(self.circuit.type_of(wire).shape)
        if wire not in self.assigned:
            self.assigned.add(wire)
            if self.sources.is_fresh(term):
                self.owned.add(wire)
            elif self.sources.changes(wire) and has_shape:
                self.owned.add(wire)  # it is going to change
                text = Text(f"np.array({text.source})", ATOM)
            if self._is_borrowed(term):
                self.borrowed.add(wire)
            statement = f"{name} = {text.source}"
        elif wire in self.owned or not (has_shape or wire in self.borrowed):
            statement = f"{name} += {text.source}"
        else:
            self.owned.add(wire)
            statement = f"{name} = {name} + {text.within(11)}"
        self.sources.emit(statement, row, name, wire)

    def _is_borrowed(self, term: int) -> bool:
        """True for an input itself, under any name: it may be a 0-d array, which += changes."""
        if term in self.circuit.inputs:
            return not self.circuit.type_of(term).weak
        return self.wanted.wire_of.get(term) in self.borrowed

    def _change(self, row: int, wire: int, term: int) -> None:
        """Send a term by a statement: added at some places, or dout itself changed."""
        c, sources = self.circuit, self.sources
        target, *others = c.operands(term) if sources.changes_late(term) else (term,)
        texts = [sources.text(w, row) for w in others]
        is_added = sources.changes_late(term) and c.kind_of(target).gate.reads_shape
        if not is_added and wire in self.assigned:
            held = sources.held(f"np.array({sources.text(target, row).source})", row)
            if others:
                sources.emit(change(c.kind_of(term), [held, *texts]), row, held.source)
            self._add(row, wire, held)
            return
        if not is_added and row in self.owned:
            sources.d_names[wire] = sources.d_names[row]  # dout's variable is free
            self.handed_on.add(row)
            self.assigned.add(wire)
            self.owned.add(wire)
        else:
            self._own(row, wire, target)
        name = sources.gradient(wire)
        if others:
            sources.emit(change(c.kind_of(term), [Text(name, ATOM), *texts]), row, name, wire)

    def _own(self, row: int, wire: int, start: int) -> None:
        """Let a gradient's variable hold memory of its own; it starts as a row says."""
        name = self.sources.gradient(wire)
        if wire not in self.assigned:
            text = self.sources.text(start, row).source
            is_own = self.circuit.kind_of(start).gate.reads_shape
            source = text if is_own else f"np.array({text})"
            self.sources.emit(f"{name} = {source}", row, name, wire)
        elif wire not in self.owned:
            self.sources.emit(f"{name} = np.array({name})", row, name, wire)
        self.assigned.add(wire)
        self.owned.add(wire)

    # ---- what is returned

    def gathered(self) -> list[str]:
        """Lines for lists and dicts of gradients, and zeros for inputs that get none; the names."""
        lines = self.sources.lines
        names = [self._gathered(argument) for argument in self.arguments]
        lines[:] = [
            replace(line, wire=NOTHING) if line.wire in self.handed_on and line.is_backward
            else line for line in lines
        ]
        return names

    def _gathered(self, argument: Argument) -> str:
        tree = argument.tree
        if isinstance(tree, int) and tree in self.assigned:
            return self.sources.gradient(tree)
        if isinstance(tree, int):
            name = self.sources.gradient(tree)
            zeros = _zeros(self.circuit.type_of(tree), self.sources.texts[tree])
            self.sources.lines.append(Line(f"{name} = {zeros}", 0, True, name, tree))
            return name
        numbers = [self.waiting[w][1] for _, w in leaves(tree) if w in self.waiting]
        name = self.sources.namer.free(self.sources.d(argument.name))
        source = self._tree_source(tree)
        self.sources.lines.append(Line(f"{name} = {source}", max(numbers, default=0), True, name))
        return name

    def _tree_source(self, tree: Any) -> str:
        if isinstance(tree, int):
            if tree in self.waiting:
                return self.waiting[tree][0].source
            if tree in self.assigned:
                return self.sources.gradient(tree)
            return _zeros(self.circuit.type_of(tree), self.sources.texts[tree])
        if isinstance(tree, dict):
            return "{" + ", ".join(f"{k!r}: {self._tree_source(v)}" for k, v in tree.items()) + "}"
        inside = ", ".join(map(self._tree_source, tree))
        if isinstance(tree, tuple):
            return f"({inside},)" if len(tree) == 1 else f"({inside})"
        return f"[{inside}]"


def _zeros(t: Type, text: Text) -> str:
    if t.shape:
        return f"np.zeros_like({text.source})"
    return "0.0" if t.weak or t.dtype.itemsize == 8 else f"np.{t.dtype.name}(0.0)"

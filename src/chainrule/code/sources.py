"""The backward pass as text: rows that are read once stand inside the line that reads them."""

import re

from chainrule.circuit.circuit import NOTHING, Circuit
from chainrule.code.expression import ATOM, Text, change
from chainrule.code.forward import WIDEST, Forward, Line, applied, is_big, leaf
from chainrule.code.wanted import Wanted

SHORT = 20  # columns of an operand that is not worth a line of its own


class Sources:
    """How each row is written where it is read, and the lines written so far, forward ones first.

    function: "f" to write dfdx for dx.
    """

    def __init__(
        self, circuit: Circuit, wanted: Wanted, forward: Forward, function: str | None
    ) -> None:
        self.circuit = circuit
        self.wanted = wanted
        self.forward = forward
        self.function = function
        self.namer, self.texts, self.lines = forward.namer, forward.texts, forward.lines
        self.d_names: dict[int, str] = {}
        self.uses = wanted.uses(circuit, wanted.printed | forward.printed)

    def emit(self, statement: str, row: int, target: str, wire: int = NOTHING) -> None:
        """One more line, of the backward pass of a forward row."""
        self.lines.append(Line(statement, self.forward.number_of[row], True, target, wire))

    def held(self, source: str, row: int) -> Text:
        """A variable that holds what an expression gives."""
        name = self.namer.counted("t")
        self.emit(f"{name} = {source}", row, name)
        return Text(name, ATOM)

    def gradient(self, wire: int) -> str:
        """The variable that holds the gradient of a wire."""
        if wire not in self.d_names:
            value = re.sub(r"[\[\]']+", "", self.texts[wire].source)
            self.d_names[wire] = self.namer.free(self.d(value))
        return self.d_names[wire]

    def d(self, name: str) -> str:
        """The name of a variable's gradient: dx, or dfdx when asked."""
        return f"d{name}" if self.function is None else f"d{self.function}d{name}"

    def changes(self, row: int) -> bool:
        """True for a row that is a statement, which changes its first operand."""
        return bool(self.circuit.kind_of(row).gate.statement)

    def changes_late(self, row: int) -> bool:
        """True for such a row of the backward pass."""
        return row >= self.wanted.stop and self.changes(row)

    def text(self, term: int, at: int) -> Text:
        """The source of a backward row; rows needed twice, or too long, get a line first."""
        waiting = [term]
        while waiting:
            row = waiting[-1]
            if row in self.texts:
                waiting.pop()
                continue
            missing = [w for w in self.circuit.operands(row) if w not in self.texts]
            if self.circuit.is_leaf(row):
                self.texts[row] = leaf(self.circuit, row, self.forward)
            elif row in self.wanted.sums:
                self.texts[row] = Text(self.d_names[self.wanted.wire_of[row]], ATOM)
            elif missing:
                waiting.extend(missing[::-1])
            else:
                self.texts[row] = self._written(row, at)
        return self.texts[term]

    def is_fresh(self, term: int) -> bool:
        """True when the expression for a term makes memory of its own."""
        if self.circuit.is_leaf(term) or self.circuit.kind_of(term).gate.makes_view:
            return False
        text = self.texts[term]
        return (term >= self.wanted.stop and text.binds != ATOM) or "(" in text.source

    def _written(self, row: int, at: int) -> Text:
        kind = self.circuit.kind_of(row)
        if self.changes_late(row):
            first, *others = self.circuit.operands(row)
            source = self.texts[first].source
            is_own = self.circuit.kind_of(first).gate.reads_shape
            target = self.held(source if is_own else f"np.array({source})", at)
            self.emit(change(kind, [target, *(self.texts[w] for w in others)]), at, target.source)
            return target
        text = applied(self.circuit, row, self.texts)
        while len(text.source) > WIDEST and self._part(row, at):
            text = applied(self.circuit, row, self.texts)
        if kind.gate.reads_shape:
            return text  # written anew for each gradient that starts from it
        if self.uses.get(row, 0) <= 1 and not is_big(text):
            return text
        if text.binds == ATOM and text.depth <= 1 and "(" not in text.source:
            return text
        return self.held(text.source, at)

    def _part(self, row: int, at: int) -> bool:
        """Give the longest operand of a row a line of its own; False where all are short."""
        wires = self.circuit.operands(row)
        longest = max(wires, key=lambda w: len(self.texts[w].source), default=NOTHING)
        if longest == NOTHING or len(self.texts[longest].source) <= SHORT:
            return False
        self.texts[longest] = self.held(self.texts[longest].source, at)
        return True

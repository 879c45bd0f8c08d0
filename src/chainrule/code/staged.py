"""Staged code: the circuit and its backward pass as a careful person would write them.

One line per variable of the user's; each wire the user named gets a line for its gradient, tagged
with the number of the forward line it differentiates; `=` the first time and `+=` at forks.
Unnamed wires that are read once are written inside the line that reads them. What is read at some
places sends its gradient there: `dx = np.zeros_like(x)` once, then `dx[0] += ...`.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chainrule.circuit.circuit import NOTHING, Circuit, Part
from chainrule.circuit.record import KINDS, Gate
from chainrule.circuit.types import Type
from chainrule.code.expression import ATOM, Text, change
from chainrule.code.forward import WIDEST, Line, applied, forward_lines, is_big, leaf
from chainrule.code.inplace import InPlace, in_place
from chainrule.code.names import Namer
from chainrule.code.recompute import most_held, recomputing
from chainrule.gates.elementwise import accumulate
from chainrule.gates.move import alias

SHORT = 20  # columns of an operand that is not worth a line of its own


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of the function: its name, and its wires in the shape it was given in.

    tree is one wire, or a list, tuple or dict of trees.
    """

    name: str
    tree: Any


class Staged(str):
    """A printed program: a str, with the lines it is made of."""

    lines: tuple[Line, ...]

    def __new__(cls, text: str, lines: tuple[Line, ...]) -> "Staged":
        """The text, carrying its lines."""
        made = super().__new__(cls, text)
        made.lines = lines
        return made

    @property
    def backward(self) -> tuple[Line, ...]:
        """The lines that work out gradients, in order."""
        return tuple(
            line for line in self.lines
            if line.is_backward and not line.is_again and not line.deletes
        )

    @property
    def forward(self) -> tuple[Line, ...]:
        """The lines of the forward pass, in order."""
        return tuple(line for line in self.lines if not line.is_backward and not line.deletes)

    @property
    def most_held(self) -> int:
        """The most variables held at once, arguments not counted."""
        return most_held(self.lines)


def gets_a_line(circuit: Circuit) -> set[int]:
    """Forward wires whose value and gradient have a variable: named ones and those read twice."""
    readers = circuit.readers()
    rows = circuit.forward_rows()
    changed = [row for row in rows if circuit.kind_of(row).gate.statement]
    found = {
        row for row in rows
        if circuit.name(row) or len(readers[row]) > 1 or row in circuit.outputs
    }
    return found.union(changed, (circuit.operands(row)[0] for row in changed)) - set(
        w for w in range(len(circuit)) if circuit.is_leaf(w)
    ) if changed else found


def leaves(tree: Any) -> Iterator[tuple[tuple[Any, ...], int]]:
    """(path, wire) of every leaf of an argument's tree."""
    waiting: list[tuple[tuple[Any, ...], Any]] = [((), tree)]
    while waiting:
        path, node = waiting.pop()
        if isinstance(node, int):
            yield path, node
        elif node is not None:
            items = node.items() if isinstance(node, dict) else enumerate(node)
            waiting.extend([((*path, key), child) for key, child in items][::-1])


class _Printer:
    """Walks the forward rows once, then the stages backwards once."""

    def __init__(
        self, circuit: Circuit, part: Part, arguments: Sequence[Argument], of: str | None
    ) -> None:
        self.circuit = circuit
        self.part = part
        self.arguments = arguments
        self.of = of  # "f" to write dfdx for dx
        self.stop = len(part.gradient)  # rows from here on are the backward pass
        self.namer = Namer(called_names(circuit))
        self.d_names: dict[int, str] = {}
        self.assigned: set[int] = set()
        self.owned: set[int] = set()
        self.borrowed: set[int] = set()
        self.readers = [[row for row, _ in found] for found in circuit.readers()]
        self.waiting: dict[int, tuple[Text, int]] = {}  # leaves of lists, until the list is printed
        self.wire_of = {g: w for w, g in enumerate(part.gradient) if g != NOTHING}
        self.terms = self._terms()
        self.count = Counter(wire for edges in self.terms.values() for wire, _ in edges)
        self.term_rows = {term for edges in self.terms.values() for _, term in edges}
        self.sums = self._sums()
        self.printed = self._printed()
        self.handed_on: set[int] = set()  # wires whose gradient's variable goes on as another's

    # ---- what there is to print

    def _terms(self) -> dict[int, list[tuple[int, int]]]:
        """Per forward row, (input wire, term wire) of the edges it sends gradient along."""
        c, part = self.circuit, self.part
        inner = {row: g for g in c.groups if g.is_one for row in g.stages}
        found: dict[int, list[tuple[int, int]]] = {}
        for row in range(self.stop - 1, -1, -1):
            at = inner[row].output if row in inner else row
            for position in range(c.start[row], c.start[row + 1]):
                term = part.terms[position]
                if term != NOTHING:
                    found.setdefault(at, []).append((c.operand[position], term))
        return found

    def _sums(self) -> set[int]:
        """Rows that add one more term at a fork: they print as `+=`, and alias rows as nothing."""
        kinds = self.circuit.kind_of
        rows = range(self.stop, len(self.circuit))
        found = {row for row in rows if kinds(row).gate in (accumulate, alias)}
        for row in self.part.gradient:  # totals, and what they were before one more term
            while row >= self.stop and row not in self.term_rows and (
                row in found or kinds(row).gate.statement
            ):
                found.add(row)
                row = self.circuit.operands(row)[0]
        return found

    def _printed(self) -> set[int]:
        """Forward rows with a line of their own."""
        c = self.circuit
        read = {
            w for row in range(self.stop, len(c)) if row not in self.sums for w in c.operands(row)
        }
        read.update(term for edges in self.terms.values() for _, term in edges)
        read = {w for w in read if w < self.stop and not c.is_leaf(w)}
        readers = {row: sum(r < self.stop for r in self.readers[row]) for row in range(self.stop)}
        picks = {w for w in readers if readers[w] <= 1 and not c.name(w) and self._is_pick(w)}
        wanted = (gets_a_line(c) | read) - (picks - set(c.outputs))
        return {row for row in wanted if row < self.stop and c.differentiates(row) is None}

    def _is_pick(self, row: int) -> bool:
        """True for one number picked, such as x[0]: it is picked again where it is read."""
        kind = self.circuit.kind_of(row)
        return kind.gate.makes_view and not kind.type.shape and kind.gate.family == "move"

    # ---- forward

    def forward(self) -> None:
        """Name the inputs, then one line per printed row."""
        c, inputs = self.circuit, {}
        for argument in self.arguments:
            base = self.namer.again(argument.name)
            for path, wire in leaves(argument.tree):
                inputs[wire] = Text(base + "".join(f"[{k!r}]" for k in path), ATOM)
        if self.part.output_gradient in c.inputs:
            name = self.namer.free(c.name(self.part.output_gradient) or "dout")
            inputs[self.part.output_gradient] = Text(name, ATOM)
        plan = self._plan()
        self.printed |= plan.settled
        self.f = forward_lines(
            c, self.stop, self.part.output, self.printed, inputs, self.namer, plan
        )
        self.texts, self.lines, self.number_of = self.f.texts, self.f.lines, self.f.number_of
        self.printed |= self.f.printed
        self.uses = self._uses()

    def _plan(self) -> InPlace:
        """What the forward pass changes in place, the backward pass reading what it reads."""
        c = self.circuit
        rows = [row for row in range(len(c)) if not c.is_leaf(row)]
        if not any(c.kind_of(row).gate.statement for row in rows if row < self.stop):
            return InPlace()
        return in_place(
            c, rows, has_line=lambda row: row in self.printed or row >= self.stop,
            is_own=lambda row: row in self.printed, kept=(),
        )

    # ---- backward

    def backward(self) -> None:
        """One line per edge into a variable, stage by stage from the output."""
        trees = [a.tree for a in self.arguments if not isinstance(a.tree, int)]
        in_lists = {wire for tree in trees for _, wire in leaves(tree)}
        for row in range(self.stop - 1, -1, -1):
            edges = self.terms.get(row, [])
            if self._changes(row):
                self._settle(row)
                edges = edges[::-1]  # what is changed goes last, and may take dout's variable
            for wire, term in edges:
                if wire in self.printed or wire in self.circuit.inputs:
                    alone = wire in in_lists and self.count[wire] == 1
                    self._send(row, wire, term, alone)
        self._gather()
        self.lines = [
            replace(line, wire=NOTHING) if line.wire in self.handed_on and line.is_backward
            else line for line in self.lines
        ]

    def _uses(self) -> dict[int, int]:
        """How often each backward row is written into a line."""
        c = self.circuit
        uses: dict[int, int] = {}
        for row in range(self.stop, len(c)):
            if row not in self.sums:
                for wire in c.operands(row):
                    uses[wire] = uses.get(wire, 0) + 1
        for edges in self.terms.values():
            for wire, term in edges:
                if wire in self.printed or wire in c.inputs:
                    uses[term] = uses.get(term, 0) + 1
        return uses

    def _changes(self, row: int) -> bool:
        return bool(self.circuit.kind_of(row).gate.statement)

    def _changes_late(self, term: int) -> bool:
        return term >= self.stop and self._changes(term)

    def _settle(self, row: int) -> None:
        """Lines for what is read of the gradient of a changed array, before that changes too."""
        c, dout = self.circuit, self.part.gradient[row]
        if row not in self.owned:
            return
        for reader in self.readers[dout]:
            if reader in self.sums or self._changes(reader):
                continue
            text = self._text(reader, row)
            if c.kind_of(reader).gate.makes_view and c.type_of(reader).shape:
                text = Text(f"np.copy({text.source})", ATOM)
            if not (text.binds == ATOM and text.source.isidentifier()):
                name = self.namer.counted("t")
                self._emit(f"{name} = {text.source}", row, name)
                text = Text(name, ATOM)
            self.texts[reader] = text

    def _send(self, row: int, wire: int, term: int, alone: bool) -> None:
        if self._changes_late(term) or (
            self._changes(row) and wire == self.circuit.operands(row)[0]
        ):
            self._change(row, wire, term)
            return
        text = self._text(term, row)
        if alone:
            self.waiting[wire] = (text, self.number_of[row])
            return
        self._add(row, wire, text, term)

    def _add(self, row: int, wire: int, text: Text, term: int = NOTHING) -> None:
        """The line that makes a term the gradient of a wire, or adds it."""
        name = self._d_name(wire)
        if wire not in self.assigned:
            self.assigned.add(wire)
            if self._is_fresh(term):
                self.owned.add(wire)
            elif self._changes(wire) and self.circuit.type_of(wire).shape:
                self.owned.add(wire)  # it is going to change
                text = Text(f"np.array({text.source})", ATOM)
            if self._is_borrowed(term):
                self.borrowed.add(wire)
            statement = f"{name} = {text.source}"
        elif wire in self.owned or not (
            self.circuit.type_of(wire).shape or wire in self.borrowed
        ):
            statement = f"{name} += {text.source}"
        else:
            self.owned.add(wire)
            statement = f"{name} = {name} + {text.within(11)}"
        self._emit(statement, row, name, wire)

    def _change(self, row: int, wire: int, term: int) -> None:
        """Send a term by a statement: added at some places, or dout itself changed."""
        c = self.circuit
        target, *others = c.operands(term) if self._changes_late(term) else (term,)
        texts = [self._text(w, row) for w in others]
        is_added = self._changes_late(term) and c.kind_of(target).gate.reads_shape
        if not is_added and wire not in self.assigned and row in self.owned:
            self.d_names[wire] = self.d_names[row]  # dout's variable is free
            self.handed_on.add(row)
            self.assigned.add(wire)
            self.owned.add(wire)
        elif not is_added and wire in self.assigned:
            name = self.namer.counted("t")
            self._emit(f"{name} = np.array({self._text(target, row).source})", row, name)
            if others:
                self._emit(change(c.kind_of(term), [Text(name, ATOM), *texts]), row, name)
            self._add(row, wire, Text(name, ATOM))
            return
        else:
            self._own(row, wire, target)
        name = self._d_name(wire)
        if others:
            self._emit(change(c.kind_of(term), [Text(name, ATOM), *texts]), row, name, wire)

    def _own(self, row: int, wire: int, start: int) -> None:
        """Let a gradient's variable hold memory of its own; it starts as a row says."""
        name = self._d_name(wire)
        if wire not in self.assigned:
            text = self._text(start, row).source
            is_fresh = self.circuit.kind_of(start).gate.reads_shape
            self._emit(f"{name} = {text if is_fresh else f'np.array({text})'}", row, name, wire)
        elif wire not in self.owned:
            self._emit(f"{name} = np.array({name})", row, name, wire)
        self.assigned.add(wire)
        self.owned.add(wire)

    def _emit(self, statement: str, row: int, target: str, wire: int = NOTHING) -> None:
        self.lines.append(Line(statement, self.number_of[row], True, target, wire))

    def _is_fresh(self, term: int) -> bool:
        """True when the expression for a term makes memory of its own."""
        if term < self.stop or self.circuit.is_leaf(term) or self.texts[term].binds == ATOM:
            return not self.circuit.is_leaf(term) and "(" in self.texts[term].source \
                and not self.circuit.kind_of(term).gate.makes_view
        return not self.circuit.kind_of(term).gate.makes_view

    def _is_borrowed(self, term: int) -> bool:
        """True for an input itself, under any name: it may be a 0-d array, which += changes."""
        if term in self.circuit.inputs:
            return not self.circuit.type_of(term).weak
        return self.wire_of.get(term) in self.borrowed

    def _d_name(self, wire: int) -> str:
        if wire not in self.d_names:
            value = re.sub(r"[\[\]']+", "", self.texts[wire].source)
            self.d_names[wire] = self.namer.free(self.d(value))
        return self.d_names[wire]

    def d(self, name: str) -> str:
        """The name of a variable's gradient: dx, or dfdx when asked."""
        return f"d{name}" if self.of is None else f"d{self.of}d{name}"

    def _text(self, term: int, at: int) -> Text:
        """The source of a backward row; rows needed twice, or too long, get a line first."""
        waiting = [term]
        while waiting:
            row = waiting[-1]
            if row in self.texts:
                waiting.pop()
                continue
            missing = [w for w in self.circuit.operands(row) if w not in self.texts]
            if self.circuit.is_leaf(row):
                self.texts[row] = leaf(self.circuit, row, self.f)
            elif row in self.sums:
                self.texts[row] = Text(self.d_names[self.wire_of[row]], ATOM)
            elif missing:
                waiting.extend(missing[::-1])
            else:
                self.texts[row] = self._backward_row(row, at)
        return self.texts[term]

    def _part(self, row: int, at: int) -> bool:
        """Give the longest operand of a row a line of its own; False where all are short."""
        wires = self.circuit.operands(row)
        longest = max(wires, key=lambda w: len(self.texts[w].source), default=NOTHING)
        if longest == NOTHING or len(self.texts[longest].source) <= SHORT:
            return False
        name = self.namer.counted("t")
        self._emit(f"{name} = {self.texts[longest].source}", at, name)
        self.texts[longest] = Text(name, ATOM)
        return True

    def _backward_row(self, row: int, at: int) -> Text:
        if self._changes_late(row):
            target, *others = (self.texts[w] for w in self.circuit.operands(row))
            name = self.namer.counted("t")
            is_fresh = self.circuit.kind_of(self.circuit.operands(row)[0]).gate.reads_shape
            source = target.source if is_fresh else f"np.array({target.source})"
            self._emit(f"{name} = {source}", at, name)
            changed = change(self.circuit.kind_of(row), [Text(name, ATOM), *others])
            self._emit(changed, at, name)
            return Text(name, ATOM)
        text = applied(self.circuit, row, self.texts)
        while len(text.source) > WIDEST and self._part(row, at):
            text = applied(self.circuit, row, self.texts)
        if self.circuit.kind_of(row).gate.reads_shape:
            return text  # written anew for each gradient that starts from it
        if self.uses.get(row, 0) <= 1 and not is_big(text):
            return text
        if text.binds == ATOM and text.depth <= 1 and "(" not in text.source:
            return text
        name = self.namer.counted("t")
        self._emit(f"{name} = {text.source}", at, name)
        return Text(name, ATOM)

    def _gather(self) -> None:
        """Lines for lists and dicts of gradients, and zeros for inputs that get none."""
        for argument in self.arguments:
            if isinstance(argument.tree, int):
                if argument.tree not in self.assigned:
                    self._zero(argument.tree)
                continue
            numbers = [self.waiting[w][1] for _, w in leaves(argument.tree) if w in self.waiting]
            name = self.namer.free(self.d(argument.name))
            source = self._tree_source(argument.tree)
            self.d_names[id(argument)] = name
            self.lines.append(Line(f"{name} = {source}", max(numbers, default=0), True, name))

    def _zero(self, wire: int) -> None:
        name = self._d_name(wire)
        t = self.circuit.type_of(wire)
        self.lines.append(Line(f"{name} = {_zeros(t, self.texts[wire])}", 0, True, name, wire))

    def _tree_source(self, tree: Any) -> str:
        if isinstance(tree, int):
            if tree in self.waiting:
                return self.waiting[tree][0].source
            if tree in self.assigned:
                return self._d_name(tree)
            return _zeros(self.circuit.type_of(tree), self.texts[tree])
        if isinstance(tree, dict):
            return "{" + ", ".join(f"{k!r}: {self._tree_source(v)}" for k, v in tree.items()) + "}"
        inside = ", ".join(map(self._tree_source, tree))
        if isinstance(tree, tuple):
            return f"({inside},)" if len(tree) == 1 else f"({inside})"
        return f"[{inside}]"

    @property
    def output(self) -> str:
        """How the output is written."""
        return self.texts[self.part.output].source

    def gradient_names(self) -> list[str]:
        """The variable holding each argument's gradient, in order."""
        return [
            self._d_name(a.tree) if isinstance(a.tree, int) else self.d_names[id(a)]
            for a in self.arguments
        ]


def _zeros(t: Type, text: Text) -> str:
    if t.shape:
        return f"np.zeros_like({text.source})"
    return "0.0" if t.weak or t.dtype.itemsize == 8 else f"np.{t.dtype.name}(0.0)"


def _print(
    circuit: Circuit, arguments: Sequence[Argument], of: str | None, recompute: bool
) -> _Printer:
    printer = _Printer(circuit, circuit.parts[-1], arguments, of)
    printer.forward()
    printer.backward()
    if recompute:
        returned = {*printer.gradient_names(), printer.output}
        printer.lines = [*recomputing(printer.lines, circuit.regions, returned)]
    return printer


def called_names(circuit: Circuit) -> list[str]:
    """Names that a program of this circuit gives to users' gates and what they read."""
    return [name for gate in users_gates(circuit) for name in (call_of(gate), *bound_names(gate))]


def bound_names(gate: Gate) -> dict[str, str]:
    """The variables that stand above a gate's definition, and the line that makes each."""
    lines = gate.definition.partition("def ")[0].splitlines()
    return {
        line.split()[-1] if "import " in line else line.split()[0]: line for line in lines if line
    }


def users_gates(circuit: Circuit) -> list[Gate]:
    """The users' gates of a circuit, each once."""
    gates = dict.fromkeys(KINDS[k].gate for k in dict.fromkeys(circuit.kind))
    return [gate for gate in gates if gate.family == "user"]


def call_of(gate: Gate) -> str:
    """The name by which a program calls the function of a user's gate."""
    template = gate.code if isinstance(gate.code, str) else gate.code({}, ())
    return template.partition("(")[0]


def _definitions(circuit: Circuit, body: str) -> tuple[list[str], list[str]]:
    """Lines to print above a program that calls users' gates, and the names it must be given."""
    imports: dict[str, None] = {}
    functions: list[str] = []
    missing: list[str] = []
    for gate in users_gates(circuit):
        name = call_of(gate)
        if not re.search(rf"\b{name}\(", body):
            continue
        if not gate.definition:
            missing.append(name)
            continue
        imports |= dict.fromkeys(bound_names(gate).values())
        functions += ["", "", *f"def {gate.definition.split('def ', 1)[1]}".splitlines()]
    return [*imports, *functions], missing


def _laid_out(lines: Sequence[Line], indent: str) -> list[str]:
    """Lines with their tags in one column."""
    width = min(max((len(line.text) for line in lines if not line.deletes), default=0), 60)
    return [
        f"{indent}{line.text:<{width}}  {line.tag}" if line.tag else indent + line.text
        for line in lines
    ]


def _imports(text: str) -> list[str]:
    known = {"math": "import math", "np": "import numpy as np",
             "special": "from scipy import special"}
    found = [line for name, line in known.items() if re.search(rf"\b{name}\.", text)]
    return [*found, ""] if found else []


def staged_script(
    circuit: Circuit, arguments: Sequence[Argument], prelude: Sequence[str],
    of: str | None = None, recompute: bool = False,
) -> Staged:
    """A flat script: inputs, forward pass, `# backward pass`, and its lines."""
    printer = _print(circuit, arguments, of, recompute)
    forward = [line for line in printer.lines if not line.is_backward]
    backward = [line for line in printer.lines if line.is_backward]
    body = [*prelude, "", *_laid_out(forward, ""), "", "# backward pass",
            *_laid_out(backward, "")]
    text = "\n".join(body)
    above, missing = _definitions(circuit, text)
    above += [f"# {name} is a function of yours, to be defined here" for name in missing]
    text = "\n".join([*above, *([""] if above else []), text])
    return Staged("\n".join([*_imports(text), text]) + "\n", tuple(printer.lines))


def staged_function(
    circuit: Circuit, arguments: Sequence[Argument], name: str, of: str | None = None,
    recompute: bool = False,
) -> Staged:
    """A `def` that returns the value and the gradients (one, or a tuple of them)."""
    printer = _print(circuit, arguments, of, recompute)
    forward = [line for line in printer.lines if not line.is_backward]
    backward = [line for line in printer.lines if line.is_backward]
    taken = [a.name for a in arguments]
    if printer.part.output_gradient in circuit.inputs:
        taken.append(printer.texts[printer.part.output_gradient].source)
    above, missing = _definitions(circuit, "\n".join(line.text for line in printer.lines))
    if printer.f.captured or missing:
        taken += ["*", *printer.f.captured.values(), *missing]
    gradients = printer.gradient_names()
    returned = gradients[0] if len(gradients) == 1 else f"({', '.join(gradients)})"
    indent = "    "
    body = [
        f"def {name}_grad({', '.join(taken)}):",
        *_laid_out(forward, indent),
        "",
        f"{indent}# backward pass",
        *_laid_out(backward, indent),
        f"{indent}return {printer.output}, {returned}",
    ]
    text = "\n".join([*above, *([""] * 2 if above else []), *body])
    spaced = _imports(text)
    if above and above[0]:
        spaced = spaced[:-1]  # more imports follow
    elif above:
        text = text.lstrip("\n")
    spaced += [""] if spaced and not spaced[-1] else []
    return Staged("\n".join([*spaced, text]) + "\n", tuple(printer.lines))


def line_map(staged: Staged) -> Mapping[int, list[str]]:
    """Forward line number -> the gradients its backward lines assign."""
    found: dict[int, list[str]] = {}
    for line in staged.backward:
        found.setdefault(line.number, []).append(line.target)
    return found

"""The forward pass as lines: one per variable, unnamed wires written inside the line they feed."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field

from chainrule.circuit.circuit import NOTHING, Circuit
from chainrule.code.expression import ATOM, Text, apply, change, literal
from chainrule.code.inplace import InPlace
from chainrule.code.names import Namer

WIDEST = 100  # columns an expression may fill before it gets a line of its own
DEEPEST = 8  # stages written inside one another
SMALL = 16  # elements of an array still written out as a literal


@dataclass(frozen=True, slots=True)
class Line:
    """One statement. A forward line has a number; a backward line the number it differentiates.

    wire: the forward wire, or in a backward line the wire whose gradient it gives; -1 for neither.
    is_again: a forward line printed once more, in the backward pass. deletes: the variables let go.
    """

    text: str
    number: int
    is_backward: bool
    target: str
    wire: int = NOTHING
    is_again: bool = False
    deletes: tuple[str, ...] = ()

    @property
    def tag(self) -> str:
        """The comment behind it: which forward line it is, or differentiates."""
        again = " again" if self.is_again else ""
        return f"# ({self.number}){again}" if self.number else ""


@dataclass(slots=True)
class Forward:
    """Lines in order; per row its source where it is read and its line; arrays held by name."""

    namer: Namer
    texts: dict[int, Text]
    lines: list[Line] = field(default_factory=list)
    number_of: dict[int, int] = field(default_factory=dict)
    captured: dict[int, str] = field(default_factory=dict)

    @property
    def printed(self) -> set[int]:
        """Rows with a line of their own."""
        return {line.wire for line in self.lines}


def is_big(text: Text) -> bool:
    """True for an expression that is easier to read on a line of its own."""
    return len(text.source) > WIDEST or text.depth > DEEPEST


def applied(circuit: Circuit, row: int, texts: Mapping[int, Text]) -> Text:
    """A stage written over the sources of its operands."""
    wires = circuit.operands(row)
    constants = [circuit.constant(w) if circuit.is_constant(w) else None for w in wires]
    return apply(circuit.kind_of(row), [texts[w] for w in wires], constants)


def forward_lines(
    circuit: Circuit, stop: int, output: int, printed: Container[int], inputs: Mapping[int, Text],
    namer: Namer, plan: InPlace | None = None,
) -> Forward:
    """The rows before `stop` as lines: those in `printed`, and those too big to be written inside.

    inputs: how the inputs are written; namer: the names taken so far; plan: what changes in place,
    None for lines that are only read, never run.
    """
    f = Forward(namer, dict(inputs))
    rows = [r for r in range(stop) if circuit.kind_of(r).gate.statement]
    targets = {circuit.operands(r)[0] for r in rows}
    if plan is None:
        plan = InPlace({r for r in rows if not circuit.is_leaf(circuit.operands(r)[0])})
    for row in range(stop):
        if row in f.texts or circuit.differentiates(row) is not None:
            continue
        if circuit.is_leaf(row):
            f.texts[row] = leaf(circuit, row, f)
            continue
        if circuit.kind_of(row).gate.statement:
            f.texts[row] = _changed(circuit, row, f, in_place=row in plan.changes)
            continue
        text = applied(circuit, row, f.texts)
        if row in plan.copied:
            text = Text(f"np.copy({text.source})", ATOM)
        f.texts[row] = _line(circuit, row, text, output, f) if (
            row in printed or row in targets or is_big(text)) else text
    _number_rows(circuit, stop, f)
    return f


def leaf(circuit: Circuit, row: int, f: Forward) -> Text:
    """An input or constant: a literal where it is small, else a name."""
    if not circuit.is_constant(row):
        return Text(f.namer.again(circuit.name(row) or "x"), ATOM)
    if circuit.type_of(row).size <= SMALL:
        return literal(circuit.constant(row))
    name = f.captured[row] = f.namer.again(circuit.name(row) or "c1")
    return Text(name, ATOM)


def _line(circuit: Circuit, row: int, text: Text, output: int, f: Forward) -> Text:
    names = circuit.names.get(row) or ((circuit.title,) if row == output else ())
    found = [f.namer.again(n) for n in names] or [f.namer.counted("t")]
    number = f.number_of[row] = len(f.lines) + 1
    f.lines.append(Line(f"{' = '.join(found)} = {text.source}", number, False, found[0], row))
    return Text(found[0], ATOM)


def _changed(circuit: Circuit, row: int, f: Forward, *, in_place: bool) -> Text:
    """The line of a stage that changes its first input, after one that copies it if need be."""
    target, *others = (f.texts[w] for w in circuit.operands(row))
    if not in_place:
        name = f.namer.again((circuit.names.get(row) or ("t",))[0])
        source = f"{name} = np.array({target.source})"
        f.lines.append(Line(source, len(f.lines) + 1, False, name))
        target = Text(name, ATOM)
    number = f.number_of[row] = len(f.lines) + 1
    source = change(circuit.kind_of(row), [target, *others])
    f.lines.append(Line(source, number, False, target.source, row))
    return target


def _number_rows(circuit: Circuit, stop: int, f: Forward) -> None:
    """The number of the line each row is written in: its own, or its first reader's."""
    printed = f.printed
    for row in range(stop - 1, -1, -1):
        number = f.number_of.setdefault(row, 0)
        for wire in circuit.operands(row):
            if number and wire not in printed:
                f.number_of[wire] = number

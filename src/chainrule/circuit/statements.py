"""What each statement of a circuit's text says, read from its line into a draft of the circuit.

A stage's type is checked against its gate's rule where it stands, so that the error can name the
line. `text` has the grammar; each function here reads one of its rules.
"""

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from chainrule.circuit.builder import Builder
from chainrule.circuit.circuit import NOTHING, Circuit, Group
from chainrule.circuit.literal import Array, read_attrs, read_constant, read_type, type_text
from chainrule.circuit.notes import Origin, Part, Region
from chainrule.circuit.record import (
    CONSTANT,
    INPUT,
    KINDS,
    Attrs,
    Gate,
    gate_named,
    inferred_kind,
    kind_id,
    stages_gate,
)
from chainrule.circuit.tokens import Line, quoted
from chainrule.circuit.types import Type, intern_type

Arrays = Mapping[str, Array]


@dataclass(slots=True)
class Draft:
    """A circuit half read: its rows so far, and what its other lines said."""

    builder: Builder
    line: Line  # where it begins
    arrays: Arrays
    outputs: tuple[int, ...] | None = None
    bodies: list[Circuit] = field(default_factory=list)
    last_origin: tuple[int, Line | None] = NOTHING, None  # the largest that a row names
    part: tuple["array[int]", "array[int]"] | None = None  # gradients and terms of the last part

    def __len__(self) -> int:
        return len(self.builder)


def _wire(draft: Draft, line: Line) -> int:
    wire = line.wire()
    if wire >= len(draft):
        raise line.error(f"there is no row %{wire} above (there are {len(draft)} rows so far)")
    return wire


def _wires(draft: Draft, line: Line) -> tuple[int, ...]:
    """Wires with nothing between them."""
    found = []
    while line.next[0] == "wire":
        found.append(_wire(draft, line))
    return tuple(found)


def _operands(draft: Draft, line: Line, gate: Gate) -> tuple[int, ...]:
    """( wires with commas between ), as many as the gate has inputs."""
    found = []
    line.expect("(")
    while line.next[1] != ")":
        found.append(_wire(draft, line))
        if not line.accept(","):
            break
    line.expect(")")
    if len(found) != len(gate.inputs):
        call = f"{gate.name}({', '.join(gate.inputs)})"
        raise line.error(f"{call} needs a wire for each input, {len(gate.inputs)}: "
                         f"found {len(found)}")
    return tuple(found)


def _gate(line: Line) -> Gate:
    name = line.name("a gate")
    gate = gate_named(name)
    if gate is None or gate.family == "leaf":
        raise line.error(f"no gate named {quoted(name)}")
    return gate


def _append(
    draft: Draft, line: Line, names: Sequence[str], kind: int, operands: Sequence[int]
) -> None:
    """One more row, its origin read from the end of the line."""
    b = draft.builder
    b.origin = NOTHING
    if line.accept("@"):
        b.origin = _origin_number(line)
        draft.last_origin = max(draft.last_origin, (b.origin, line), key=lambda pair: pair[0])
    elif line.accept("~"):
        b.origin = -2 - _wire(draft, line)
    wire = b.append(kind, operands)
    if names:
        b.names[wire] = tuple(names)


def _origin_number(line: Line) -> int:
    text = line.take("name", "an origin such as o2")
    digits = text[1:]
    if text[0] != "o" or not (digits.isascii() and digits.isdigit() and len(digits) < 10):
        raise line.error(f"expected an origin such as o2, found {text}")
    return int(digits)


def _new_row(draft: Draft, line: Line) -> None:
    wire = line.wire()
    if wire != len(draft):
        raise line.error(f"rows are numbered in order: expected %{len(draft)}, found %{wire}")


def _input(draft: Draft, line: Line) -> None:
    _new_row(draft, line)
    names = []
    while line.next[1] != ":":
        names.append(line.name("a name or :"))
        if not line.accept("="):
            break
    t = read_type(line)
    draft.builder.inputs.append(len(draft))
    _append(draft, line, names, kind_id(INPUT, (), intern_type(t)), ())


def row_or_gradient(draft: Draft, line: Line) -> None:
    if line.second == "<-":
        _gradient(draft, line)
        return
    _new_row(draft, line)
    names = () if line.accept("=") else line.names()
    if line.accept("constant"):
        _constant(draft, line, names)
    else:
        _stage(draft, line, names)


def _constant(draft: Draft, line: Line, names: Sequence[str]) -> None:
    value, t = read_constant(line, draft.arrays)
    draft.builder.constant_rows.append(len(draft))
    draft.builder.constants.append(value)
    _append(draft, line, names, kind_id(CONSTANT, (), intern_type(t)), ())


def _stage(draft: Draft, line: Line, names: Sequence[str]) -> None:
    gate = _gate(line)
    operands = _operands(draft, line, gate)
    t = read_type(line)
    attrs = read_attrs(line)
    kinds = draft.builder.kind
    _check_type(line, gate, tuple(KINDS[kinds[w]].type_id for w in operands), attrs, t)
    _append(draft, line, names, kind_id(gate, attrs, intern_type(t)), operands)


def _check_type(line: Line, gate: Gate, types: tuple[int, ...], attrs: Attrs, t: Type) -> None:
    """The gate's rule gives this type, or the number of which it is the NumPy value."""
    try:
        wanted = KINDS[inferred_kind(gate, dict(attrs), types)].type
    except Exception as error:  # gates' rules raise what they like
        raise line.error(f"{gate.name} refuses its inputs or settings: {error}") from error
    if (t.shape, t.dtype) != (wanted.shape, wanted.dtype) or (t.weak and not wanted.weak):
        raise line.error(f"this {gate.name} gives {wanted}, not {type_text(t)}")


def _inputs(draft: Draft, line: Line) -> None:
    found = list(_wires(draft, line))
    if sorted(found) != sorted(draft.builder.inputs):
        raise line.error("the line of inputs names each input row once, after the last of them")
    draft.builder.inputs = found


def _outputs(draft: Draft, line: Line) -> None:
    if draft.outputs is not None:
        raise line.error("there is a line of outputs already")
    draft.outputs = _wires(draft, line)


def _origin(draft: Draft, line: Line) -> None:
    origins = draft.builder.origins
    if _origin_number(line) != len(origins):
        raise line.error(f"origins are numbered in order: expected o{len(origins)}")
    file = line.string("the file's name in quotes")
    line.expect("line")
    span = line.take("span", "line:column-line:column, as 6:11-6:30 or 6:?-?:?")
    start_line, column, end_line, end_column = (
        None if n == "?" else int(n) for n in span.replace("-", ":").split(":")
    )
    line.expect("in")
    function = line.name("the function's name")
    target = line.name("the target's name") if line.accept("to") else None
    calls: list[tuple[str, int]] = []
    if line.accept("calls"):
        while line:
            calls.append((line.name("a function's name"), line.count("the call")))
    origins.append(
        Origin(file, start_line, end_line, column, end_column, function, target, tuple(calls))
    )


def _part(draft: Draft, line: Line) -> None:
    kind = line.name("the kind of the part, as backward")
    line.expect("output")
    output = _wire(draft, line)
    dout = _wire(draft, line) if line.accept("output_gradient") else NOTHING
    line.expect("rows")
    rows = _count(line, "rows", len(draft))
    line.expect("edges")
    edges = _count(line, "edges", len(draft.builder.operand))
    draft.part = array("i", [NOTHING]) * rows, array("i", [NOTHING]) * edges
    draft.builder.parts.append(Part(kind, output, dout, *draft.part))


def _count(line: Line, what: str, most: int) -> int:
    count = line.count(what)
    if count > most:
        raise line.error(f"a part of {count} {what}, where the circuit has {most} so far")
    return count


def _gradient(draft: Draft, line: Line) -> None:
    gradients, _ = _current_part(draft, line)
    _fill(gradients, _wire(draft, line), "row", draft, line)


def _edge(draft: Draft, line: Line) -> None:
    _, terms = _current_part(draft, line)
    row, index = map(int, line.take("edge", "an edge such as %5.0")[1:].split("."))
    start = draft.builder.start
    if row >= len(draft) or index >= start[row + 1] - start[row]:
        raise line.error(f"there is no operand {index} of a row %{row} above")
    _fill(terms, start[row] + index, "edge", draft, line)


def _current_part(draft: Draft, line: Line) -> tuple["array[int]", "array[int]"]:
    if draft.part is None:
        raise line.error("gradients stand below the line of their part, and there is none above")
    return draft.part


def _fill(column: "array[int]", at: int, what: str, draft: Draft, line: Line) -> None:
    if at >= len(column):
        raise line.error(f"the part has {len(column)} {what}s, and this is {what} {at}")
    if column[at] != NOTHING:
        raise line.error(f"the part has a gradient for this {what} already")
    line.expect("<-")
    column[at] = _wire(draft, line)


def _group(draft: Draft, line: Line) -> None:
    if line.next[0] == "string":
        gate = stages_gate(line.string("the group's name"))
        line.expect("(")
        found = []
        while line.next[1] != ")":
            found.append(_wire(draft, line))
            if not line.accept(","):
                break
        line.expect(")")
        inputs = tuple(found)
    else:
        gate = _gate(line)
        inputs = _operands(draft, line, gate)
    line.expect("->")
    output = _wire(draft, line)
    attrs = read_attrs(line)
    line.expect("stages")
    stages = _wires(draft, line)
    is_closed = line.accept("closed")
    if not is_closed:
        line.expect("open")
    draft.builder.groups.append(Group(gate, stages, inputs, output, is_closed, attrs))


def _region(draft: Draft, line: Line) -> None:
    first, last = _wire(draft, line), _wire(draft, line)
    if first > last:
        raise line.error(f"a region's first row comes first: %{first} is above %{last}")
    draft.builder.regions += (Region(first, last + 1),)


STATEMENTS: dict[str, Callable[[Draft, Line], None]] = {
    "input": _input, "inputs": _inputs, "outputs": _outputs, "origin": _origin, "part": _part,
    "edge": _edge, "group": _group, "region": _region,
}

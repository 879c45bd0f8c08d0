"""The exact text form of a circuit: reading it back gives the same columns, bit for bit.

    circuit "f" version 1
    input %0 x : float
    input %1 y : float
    %2 q = add(%0, %1) : float @ o0
    %3 = constant 2.0 : float
    %4 f = multiply(%2, %3) : float @ o1
    %5 = constant 1.0 : float ~ %4
    %6 = multiply(%3, %5) : float ~ %4
    outputs %4
    origin o0 "f.py" line 2:8-2:13 in f to q
    origin o1 "f.py" line 3:11-3:18 in f
    part backward output %4 output_gradient %5 rows 5 edges 4
      %2 <- %6
      edge %4.0 <- %6

`@ o1` gives the row's origin, and `~ %4` says that it differentiates row 4. A part speaks of the
first rows and their edges: `%2 <- %6` says that %6 holds the gradient of %2, `edge %4.0 <- %6`
that %6 is what goes back along operand 0 of row 4. A wire may have several names: `%3 a = b = ...`.

    text      = "circuit" string "version" "1" statement*
    statement = input | constant | stage | inputs | outputs | origin | part | group
              | region | body
    input     = "input" wire [name ("=" name)*] ":" type [from]
    constant  = wire ("=" | (name "=")+) "constant" value ":" type [from]
    stage     = wire ("=" | (name "=")+) gate "(" wires ")" ":" type [settings] [from]
    gate      = name
    from      = "@" origin-number | "~" wire
    value     = number | "[" [number ("," number)*] "]" | hash
    settings  = "{" [name ":" setting ("," name ":" setting)*] "}"
    setting   = "none" | "true" | "false" | int | float | "inf" | "-inf" | string
              | "(" [setting ("," setting)* [","]] ")"
    inputs    = "inputs" wire*                                    where not in order of rows
    outputs   = "outputs" wire*
    origin    = "origin" origin-number string "line" span "in" name ["to" name]
                ["calls" (name int)*]
    part      = "part" name "output" wire ["output_gradient" wire] "rows" int "edges" int
                (wire "<-" wire | "edge" edge "<-" wire)*
    group     = "group" (gate | string) "(" wires ")" "->" wire [settings]
                "stages" wire* ("closed" | "open")
    region    = "region" wire wire                                its first and its last row
    body      = "body" string statement* "end"
    wires     = [wire ("," wire)*]
    number    = "true" | "false" | int | float | bits | "inf" | "-inf" | "nan"

A group called by a string is a user's, differentiated through its own stages.
A statement is one line (a part's lines follow it); blank lines and indents do not matter. Rows are
numbered in order from 0 and name only rows above; `tokens` has the table of tokens. Arrays of more
than 16 elements stand as hashes: their content travels beside the text, in `constant_arrays`.
"""

from collections.abc import Iterable, Iterator

from chainrule.circuit.circuit import NOTHING, Circuit, Group
from chainrule.circuit.inline import inlined
from chainrule.circuit.literal import (
    Array,
    attrs_text,
    content_hash,
    is_large,
    type_text,
    value_text,
)
from chainrule.circuit.notes import Origin, Part
from chainrule.circuit.parse import VERSION, from_text
from chainrule.circuit.record import CONSTANT, INPUT, KINDS
from chainrule.circuit.tokens import name_text, quoted
from chainrule.errors import TextError, UnsupportedError

__all__ = ["constant_arrays", "from_text", "to_text"]


def to_text(circuit: Circuit) -> str:
    """The text of a circuit, users' gates as their own stages, which is all a text knows of them.

    TextError for what has none, such as a traced constant, or a user's gate without stages.
    """
    circuit = _known(circuit)
    lines = [f"circuit {quoted(circuit.title)} version {VERSION}", *_statements(circuit)]
    return "\n".join(lines) + "\n"


def _known(circuit: Circuit) -> Circuit:
    """The circuit with gates of the catalogue only."""
    own = [k.gate for k in map(KINDS.__getitem__, dict.fromkeys(circuit.kind)) if k.gate.body]
    if not own:
        return circuit
    if circuit.parts:
        raise TextError(
            f"a backward pass through {own[0].name}, a user's gate, has no text form: write the "
            "circuit without it"
        )
    try:
        return inlined(circuit, lambda gate: True)[0]
    except UnsupportedError as error:
        raise TextError(f"a text carries a user's gate by its stages, but {error}") from error


def constant_arrays(circuit: Circuit) -> dict[str, Array]:
    """The arrays that the text names by content hash, those of bodies too."""
    circuit = _known(circuit)
    found = {content_hash(value): value for value in circuit.constants if is_large(value)}
    for body in circuit.bodies:
        found.update(constant_arrays(body))
    return found


def _statements(circuit: Circuit) -> Iterator[str]:
    constants = iter(circuit.constants)
    for row in range(len(circuit)):
        kind = circuit.kind_of(row)
        typed = _typed(circuit, row)
        names = " = ".join(map(name_text, circuit.names.get(row, ())))
        if kind.gate is INPUT:
            yield _words("input", f"%{row}", names, typed)
        elif kind.gate is CONSTANT:
            yield _words(f"%{row}", names, "= constant", value_text(next(constants)), typed)
        else:
            gate = f"{name_text(kind.gate.name)}({_wires(circuit.operands(row), ', ')})"
            yield _words(f"%{row}", names, "=", gate, typed)
    if list(circuit.inputs) != sorted(circuit.inputs):
        yield _words("inputs", _wires(circuit.inputs))
    yield _words("outputs", _wires(circuit.outputs))
    for index, origin in enumerate(circuit.origins):
        yield _origin(index, origin)
    for part in circuit.parts:
        yield from _part(circuit, part)
    yield from map(_group, circuit.groups)
    for region in circuit.regions:
        yield _words("region", _wires((region.first, region.stop - 1)))
    for body in circuit.bodies:
        yield f"body {quoted(body.title)}"
        yield from ("  " + line for line in _statements(body))
        yield "end"


def _words(*words: str) -> str:
    return " ".join(word for word in words if word)


def _wires(wires: Iterable[int], between: str = " ") -> str:
    return between.join(f"%{w}" for w in wires)


def _typed(circuit: Circuit, row: int) -> str:
    kind, code = circuit.kind_of(row), circuit.origin[row]
    origin = "" if code == NOTHING else f"@ o{code}" if code >= 0 else f"~ %{-2 - code}"
    return _words(":", type_text(kind.type), attrs_text(kind.key), origin)


def _origin(index: int, o: Origin) -> str:
    numbers = (o.line, o.column, o.end_line, o.end_column)
    span = "{}:{}-{}:{}".format(*("?" if n is None else n for n in numbers))
    target = "" if o.target is None else f"to {name_text(o.target)}"
    place = f"{quoted(o.file)} line {span} in {name_text(o.function)}"
    calls = [f"{name_text(function)} {number}" for function, number in o.calls]
    return _words(f"origin o{index}", place, target, *(["calls", *calls] if calls else ()))


def _part(circuit: Circuit, part: Part) -> Iterator[str]:
    dout = part.output_gradient
    if len(part.terms) > len(circuit.operand):
        raise TextError(f"a part has terms for {len(part.terms)} edges of {len(circuit.operand)}")
    yield _words(
        f"part {name_text(part.kind)} output %{part.output}",
        "" if dout == NOTHING else f"output_gradient %{dout}",
        f"rows {len(part.gradient)} edges {len(part.terms)}",
    )
    for wire, gradient in enumerate(part.gradient):
        if gradient != NOTHING:
            yield f"  %{wire} <- %{gradient}"
    row = 0
    for position, term in enumerate(part.terms):
        while circuit.start[row + 1] <= position:
            row += 1
        if term != NOTHING:
            yield f"  edge %{row}.{position - circuit.start[row]} <- %{term}"


def _group(group: Group) -> str:
    gate, name = group.gate, name_text(group.gate.name)
    if gate.family == "user":
        if gate.is_differentiable:
            raise TextError(f"the group {gate.name} has a rule of its own, which has no text form")
        name = quoted(gate.name)
    return _words(
        f"group {name}({_wires(group.inputs, ', ')}) -> %{group.output}",
        attrs_text(group.attrs),
        _words("stages", _wires(group.stages)),
        "closed" if group.is_closed else "open",
    )

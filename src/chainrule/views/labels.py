"""Gates as a picture shows them: the note's symbols, with plain numbers folded into the gate.

A constant number is no wire of its own in a picture: x + 1 is the gate `+1`, 2 * x is `*2`, 1 / x
is `1/x`. The symbol and whether the operands may change places come from the gate's record.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.circuit.circuit import Circuit, Group
from chainrule.circuit.notes import Part
from chainrule.circuit.readings import Readings
from chainrule.views.numbers import are_integers, format_value


@dataclass(frozen=True, slots=True)
class Label:
    """What a picture writes at one wire. `symbol` is empty for an input, `name` may be None."""

    row: int
    name: str | None
    symbol: str
    value: str
    gradient: str  # empty where no gradient arrives

    @property
    def text(self) -> str:
        """The name of an input, the symbol of a gate, or both: `q(+)`."""
        if not self.symbol:
            return self.name or "?"
        return f"{self.name}({self.symbol})" if self.name else self.symbol


def labels(
    circuit: Circuit, part: Part, readings: Readings, decimals: int | None = None
) -> list[Label]:
    """Labels of the inputs in order of first use, then of the gates in order."""
    integers = are_integers(readings, part)

    def printed(value: object) -> str:
        return "" if value is None else format_value(value, integers, decimals)

    return [
        Label(
            row, circuit.name(row), "" if circuit.is_leaf(row) else symbol(circuit, row),
            printed(readings.value(row)), printed(readings.gradient(part, row)),
        )
        for row in (*inputs_in_order_of_use(circuit, part), *gates(circuit, part))
    ]


def gates(circuit: Circuit, part: Part) -> list[int]:
    """The rows of the user's own gates that a part knows."""
    return [row for row in circuit.forward_rows() if row < len(part.gradient)]


def drawn_groups(circuit: Circuit) -> list[Group]:
    """Closed groups that lie in no other one; of equal ones the first."""
    outermost: dict[int, Group] = {}  # by row
    for group in sorted(circuit.groups, key=lambda g: -len(g.stages)):
        if group.is_closed and group.output not in outermost:
            outermost |= dict.fromkeys(group.stages, group)
    drawn = {id(g) for g in outermost.values()}
    return [g for g in circuit.groups if id(g) in drawn]


def inputs(circuit: Circuit, part: Part) -> list[int]:
    """The user's inputs, in the order they were given; not the output gradient of a part."""
    return [row for row in circuit.inputs if row < len(part.gradient)]


def inputs_in_order_of_use(circuit: Circuit, part: Part) -> list[int]:
    """The user's inputs as a picture stacks them; unused ones come last."""
    own = dict.fromkeys(inputs(circuit, part))
    used = [w for row in gates(circuit, part) for w in circuit.operands(row) if w in own]
    return list(dict.fromkeys([*used, *own]))


def drawn_inputs(circuit: Circuit, row: int) -> list[int]:
    """The operands that are wires in a picture: all but the number folded into the gate."""
    operands = list(circuit.operands(row))
    folded = _folded(circuit, operands)
    return [wire for index, wire in enumerate(operands) if index != folded]


def _folded(circuit: Circuit, operands: Sequence[int]) -> int | None:
    """Which operand is written into the gate: the one plain number of two."""
    constant = [
        i for i, w in enumerate(operands) if circuit.is_constant(w) and not circuit.type_of(w).shape
    ]
    return constant[0] if len(operands) == 2 and len(constant) == 1 else None


def symbol(circuit: Circuit, row: int) -> str:
    """The sign of a gate, with a constant number folded in: + or +1, / or 1/x, max or max 0."""
    gate = circuit.kind_of(row).gate
    operands = circuit.operands(row)
    folded = _folded(circuit, operands)
    if folded is None:
        return gate.symbol
    number = _shortest(circuit.constant(operands[folded]))
    sign = gate.symbol
    if folded == 0 and not gate.commutes:
        return f"{number} {sign} x" if sign.isalpha() else f"{number}{sign}x"
    return f"{sign} {number}" if sign.isalpha() else f"{sign}{number}"


def _shortest(number: float) -> str:
    """At most four digits, and no point where none is needed: 1, 0.5, 1e-5."""
    mantissa, e, exponent = f"{float(number):.4g}".partition("e")
    return f"{mantissa}e{int(exponent)}" if e else mantissa

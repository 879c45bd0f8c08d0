"""Verify: does a circuit keep its own rules? Runs after every pass in tests."""

from chainrule.circuit.circuit import NOTHING, Circuit
from chainrule.circuit.notes import Part
from chainrule.circuit.record import CONSTANT, INPUT, Kind
from chainrule.circuit.types import Type, type_id
from chainrule.errors import ChainruleError, CircuitError


def verify(circuit: Circuit) -> Circuit:
    """The same circuit, or CircuitError naming the first row or map that breaks a rule."""
    n = len(circuit)
    if not len(circuit.origin) == len(circuit.start) - 1 == n:
        raise CircuitError("columns differ in length")
    for row in range(n):
        _verify_row(circuit, row)
    _verify_leaves(circuit)
    for wire in circuit.outputs:
        _require(0 <= wire < n, f"output {wire} is not a row")
    for part in circuit.parts:
        _verify_part(circuit, part)
    for body in circuit.bodies:
        verify(body)
    for group in circuit.groups:
        _require(all(0 <= r < n for r in group.stages), "a group's stage is not a row")
        _require(group.output in group.stages, f"group {group.gate.name} lacks its output row")
        _require(all(w < group.output for w in group.inputs), "group reads after its output")
    for region in circuit.regions:
        _require(0 <= region.first < region.stop <= n, "a region's rows are not rows")
    return circuit


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise CircuitError(message)


def _verify_row(circuit: Circuit, row: int) -> None:
    kind = circuit.kind_of(row)
    operands = circuit.operands(row)
    _require(all(0 <= w < row for w in operands), f"row {row} ({kind.gate.name}) reads ahead")
    origin = circuit.origin[row]
    known = -2 - origin < row if origin <= -2 else origin < len(circuit.origins)
    _require(known, f"row {row}: bad origin")
    if kind.gate.family == "leaf":
        _require(not operands, f"leaf row {row} has operands")
        return
    _require(len(operands) == len(kind.gate.inputs), f"row {row} has {len(operands)} operands")
    try:
        wanted = kind.gate.infer([circuit.type_of(w) for w in operands], **kind.attrs)
    except ChainruleError as error:
        raise CircuitError(f"row {row}: {error}") from None
    _require(_agree(kind, wanted), f"row {row} ({kind.gate.name}) is {kind.type}, not {wanted}")


def _agree(kind: Kind, wanted: Type) -> bool:
    """Equal; or NumPy was asked for the value of a Python number, which makes it strong."""
    same = kind.type.shape == wanted.shape and kind.type.dtype == wanted.dtype
    return same and (kind.type.weak == wanted.weak or wanted.weak)


def _verify_leaves(circuit: Circuit) -> None:
    inputs = [r for r in range(len(circuit)) if circuit.kind_of(r).gate is INPUT]
    _require(sorted(circuit.inputs) == inputs, "inputs do not match the input rows")
    constants = [r for r in range(len(circuit)) if circuit.kind_of(r).gate is CONSTANT]
    _require(list(circuit.constant_rows) == constants, "constants do not match the constant rows")
    for row, value in zip(constants, circuit.constants, strict=True):
        _require(type_id(value) == circuit.kind_of(row).type_id, f"constant {row} changed its type")


def _verify_part(circuit: Circuit, part: Part) -> None:
    n = len(circuit)
    _require(0 <= part.output < n, "a part's output is not a row")
    _require(len(part.terms) <= len(circuit.operand), "a part has terms for edges that are not")
    for wire, gradient in enumerate(part.gradient):
        if gradient == NOTHING:
            continue
        _require(0 <= gradient < n, f"gradient of {wire} is not a row")
        _require(
            circuit.type_of(gradient).shape == circuit.type_of(wire).shape,
            f"the gradient of wire {wire} has shape {circuit.type_of(gradient).shape}, "
            f"not {circuit.type_of(wire).shape}",
        )
    _require(all(NOTHING <= t < n for t in part.terms), "an edge term is not a row")
    _require(0 <= part.output_gradient < n, "a part's output gradient is not a row")

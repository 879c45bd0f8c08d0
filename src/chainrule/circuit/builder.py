"""The one thing that changes: a Builder appends rows and then gives the finished circuit."""

from array import array
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chainrule.circuit.circuit import NOTHING, Circuit, Group
from chainrule.circuit.record import CONSTANT, INPUT, KINDS, Gate, inferred_kind, kind_id
from chainrule.circuit.types import Type, intern_type, type_id

if TYPE_CHECKING:
    from chainrule.circuit.notes import Origin, Part, Region


class Builder:
    """Appends rows; `build` gives the circuit. `origin` is stamped on every row added."""

    __slots__ = (
        "bodies", "constant_rows", "constants", "groups", "inputs", "kind", "names", "operand",
        "origin", "origin_column", "origins", "parts", "regions", "start", "title",
    )

    def __init__(self, title: str = "circuit") -> None:
        self.kind = array("i")
        self.start = array("i", [0])
        self.operand = array("i")
        self.origin_column = array("i")
        self.inputs: list[int] = []
        self.constant_rows = array("i")
        self.constants: list[Any] = []
        self.names: dict[int, tuple[str, ...]] = {}
        self.origins: list[Origin] = []
        self.parts: list[Part] = []
        self.groups: list[Group] = []
        self.regions: tuple[Region, ...] = ()
        self.bodies: tuple[Circuit, ...] = ()
        self.title = title
        self.origin = NOTHING

    @classmethod
    def extending(cls, circuit: Circuit) -> "Builder":
        """A builder that holds a copy of a circuit and appends to it."""
        b = cls(circuit.title)
        b.kind, b.start, b.operand = circuit.kind[:], circuit.start[:], circuit.operand[:]
        b.origin_column, b.constant_rows = circuit.origin[:], circuit.constant_rows[:]
        b.inputs, b.constants = list(circuit.inputs), list(circuit.constants)
        b.names, b.origins = dict(circuit.names), list(circuit.origins)
        b.parts, b.groups = list(circuit.parts), list(circuit.groups)
        b.bodies, b.regions = circuit.bodies, circuit.regions
        return b

    def __len__(self) -> int:
        return len(self.kind)

    def type_of(self, wire: int) -> Type:
        """Shape and dtype of a wire added before."""
        return KINDS[self.kind[wire]].type

    def append(self, kind: int, operands: Sequence[int]) -> int:
        """One more row of a known kind; the wire it makes."""
        wire = len(self.kind)
        self.kind.append(kind)
        self.operand.extend(operands)
        self.start.append(len(self.operand))
        self.origin_column.append(self.origin)
        return wire

    def input(self, t: Type, name: str | None = None) -> int:
        """A new input of this type."""
        wire = self.append(kind_id(INPUT, (), intern_type(t)), ())
        self.inputs.append(wire)
        if name is not None:
            self.names[wire] = (name,)
        return wire

    def constant(self, value: Any) -> int:
        """A new constant row holding a number or an array."""
        wire = self.append(kind_id(CONSTANT, (), type_id(value)), ())
        self.constant_rows.append(wire)
        self.constants.append(value)
        return wire

    def apply(self, gate: Gate, operands: Sequence[int], attrs: Mapping[str, Any]) -> int:
        """One more stage; its type follows from the gate's rule."""
        kinds = self.kind
        types = tuple([KINDS[kinds[w]].type_id for w in operands])
        return self.append(inferred_kind(gate, attrs, types), operands)

    def build(self, outputs: Sequence[int]) -> Circuit:
        """The circuit so far, with these outputs."""
        return Circuit(
            self.kind, self.start, self.operand, self.origin_column, tuple(self.inputs),
            tuple(outputs), self.constant_rows, tuple(self.constants), self.names,
            tuple(self.origins), tuple(self.parts), tuple(self.groups), self.bodies, self.title,
            self.regions,
        )

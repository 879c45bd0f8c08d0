"""A circuit: inputs, stages in order, outputs, kept as columns of integers.

A wire is an integer: the row that makes it. Row r has one entry in each column:

    kind     interned (gate, attrs, output type)
    start    where its operands begin in `operand`; row r ends where row r + 1 begins
    operand  wires it reads, all of them smaller than r
    origin   >= 0: index into `origins`; -1: none; <= -2: differentiates row -2 - origin

Inputs and constants are rows too, without operands. `Wire` and `Stage` are views made on request.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from chainrule.circuit.record import CONSTANT, KINDS, Attrs, Gate, Kind
from chainrule.circuit.types import Type

if TYPE_CHECKING:
    from chainrule.circuit.notes import Origin, Part, Region

Column = array  # of C ints
NOTHING = -1


class Group:
    """A run of stages that is one gate in meaning; an annotation, the stages stay.

    attrs: settings of the one gate, such as the axis it folds.
    """

    def __init__(
        self, gate: Gate, stages: tuple[int, ...], inputs: tuple[int, ...], output: int,
        is_closed: bool = True, attrs: Attrs = (),
    ) -> None:
        self.gate: Final = gate
        self.stages: Final = stages
        self.inputs: Final = inputs
        self.output: Final = output
        self.is_closed: Final = is_closed
        self.attrs: Final = attrs

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Group) and vars(self) == vars(other)

    def with_(self, **changes: Any) -> "Group":
        """The same group with some fields replaced."""
        return Group(**{**vars(self), **changes})

    @property
    def is_one(self) -> bool:
        """True where it is differentiated as one gate; else its stages are, one by one."""
        gate = self.gate
        recognised = gate.recognised_local is not None or gate.recognised_vjp is not None
        return self.is_closed and (gate.is_differentiable or recognised)


class Circuit:
    """Inputs, stages in order, outputs. Everything else about a function is read from here."""

    def __init__(
        self,
        kind: "Column[int]",
        start: "Column[int]",
        operand: "Column[int]",
        origin: "Column[int]",
        inputs: tuple[int, ...],
        outputs: tuple[int, ...],
        constant_rows: "Column[int]",
        constants: tuple[Any, ...],
        names: Mapping[int, tuple[str, ...]],
        origins: "tuple[Origin, ...]" = (),
        parts: "tuple[Part, ...]" = (),
        groups: tuple[Group, ...] = (),
        bodies: "tuple[Circuit, ...]" = (),
        title: str = "circuit",
        regions: "tuple[Region, ...]" = (),
    ) -> None:
        self.kind: Final = kind
        self.start: Final = start
        self.operand: Final = operand
        self.origin: Final = origin
        self.inputs: Final = inputs
        self.outputs: Final = outputs
        self.constant_rows: Final = constant_rows
        self.constants: Final = constants
        self.names: Final = names
        self.origins: Final = origins
        self.parts: Final = parts
        self.groups: Final = groups
        self.bodies: Final = bodies
        self.title: Final = title
        self.regions: Final = regions

    def __len__(self) -> int:
        return len(self.kind)

    def __repr__(self) -> str:
        return f"<circuit {self.title}: {len(self.inputs)} inputs, {len(self)} rows>"

    def kind_of(self, wire: int) -> Kind:
        """Gate, attrs and type of the row that makes a wire."""
        return KINDS[self.kind[wire]]

    def type_of(self, wire: int) -> Type:
        """Shape and dtype a wire carries."""
        return KINDS[self.kind[wire]].type

    def operands(self, row: int) -> "Column[int]":
        """The wires a row reads, in operand order."""
        return self.operand[self.start[row] : self.start[row + 1]]

    def constant(self, wire: int) -> Any:
        """The value of a constant row."""
        return self.constants[bisect_left(self.constant_rows, wire)]

    def is_constant(self, wire: int) -> bool:
        """True for constant rows."""
        return KINDS[self.kind[wire]].gate is CONSTANT

    def is_leaf(self, wire: int) -> bool:
        """True for rows that compute nothing: inputs and constants."""
        return KINDS[self.kind[wire]].gate.family == "leaf"

    def differentiates(self, row: int) -> int | None:
        """The row a backward row differentiates, or None for a forward row."""
        code = self.origin[row]
        return -2 - code if code <= -2 else None

    def origin_of(self, row: int) -> "Origin | None":
        """Where the user wrote a row, followed through to the stage it differentiates."""
        code = self.origin[row]
        while code <= -2:
            code = self.origin[-2 - code]
        return self.origins[code] if code >= 0 else None

    def name(self, wire: int) -> str | None:
        """The user's (first) name for a wire, if there is one; a hint, not an identity."""
        names = self.names.get(wire)
        return names[0] if names else None

    def wire(self, index: int) -> "Wire":
        """A view of one wire."""
        return Wire(self, index)

    def stage(self, row: int) -> "Stage":
        """A view of one row."""
        return Stage(self, row)

    def stages(self) -> Iterator["Stage"]:
        """Views of the rows that apply a gate, in order."""
        return (Stage(self, row) for row in range(len(self)) if not self.is_leaf(row))

    def forward_rows(self) -> list[int]:
        """Rows of the user's own stages: not leaves, not part of a derivative."""
        return [r for r in range(len(self)) if self.origin[r] > -2 and not self.is_leaf(r)]

    def readers(self) -> list[list[tuple[int, int]]]:
        """Per wire, the (row, operand index) pairs that read it, in order."""
        readers: list[list[tuple[int, int]]] = [[] for _ in range(len(self))]
        for row in range(len(self)):
            for index, wire in enumerate(self.operands(row)):
                readers[wire].append((row, index))
        return readers

    def until(self, row: int) -> "Circuit":
        """The rows up to one, which is the output, without parts and groups: a forward pass."""
        stop = row + 1
        constants = self.constant_rows[: bisect_left(self.constant_rows, stop)]
        return self.with_(
            kind=self.kind[:stop], start=self.start[: stop + 1], origin=self.origin[:stop],
            operand=self.operand[: self.start[stop]], constant_rows=constants,
            constants=self.constants[: len(constants)], outputs=(row,), parts=(), groups=(),
            inputs=tuple(w for w in self.inputs if w <= row),
            names={w: names for w, names in self.names.items() if w <= row},
        )

    def with_(self, **changes: Any) -> "Circuit":
        """The same circuit with some fields replaced."""
        return Circuit(**{**vars(self), **changes})

    @property
    def nbytes(self) -> int:
        """Bytes held by the columns and the parts' maps."""
        columns = [self.kind, self.start, self.operand, self.origin, self.constant_rows]
        columns += [m for p in self.parts for m in (p.gradient, p.terms) if isinstance(m, array)]
        return sum(c.itemsize * len(c) for c in columns) + 8 * len(self.constants)


class Wire:
    """A view of one wire: what connects stages."""

    def __init__(self, circuit: Circuit, index: int) -> None:
        self.circuit: Final = circuit
        self.index: Final = index

    @property
    def name(self) -> str | None:
        """The user's name for it, a hint."""
        return self.circuit.name(self.index)

    @property
    def type(self) -> Type:
        """Shape, dtype, and whether it is a Python number."""
        return self.circuit.type_of(self.index)

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of its axes; () for a number."""
        return self.type.shape

    @property
    def dtype(self) -> Any:
        """NumPy dtype of the value."""
        return self.type.dtype

    @property
    def stage(self) -> "Stage":
        """The stage that makes it."""
        return Stage(self.circuit, self.index)

    def __repr__(self) -> str:
        return f"<wire {self.name or self.index}: {self.type}>"


class Stage:
    """A view of one row: a gate applied to wires."""

    def __init__(self, circuit: Circuit, row: int) -> None:
        self.circuit: Final = circuit
        self.row: Final = row

    @property
    def kind(self) -> Kind:
        """Gate, attrs and output type."""
        return self.circuit.kind_of(self.row)

    @property
    def gate(self) -> Gate:
        """The gate's record."""
        return self.kind.gate

    @property
    def attrs(self) -> Mapping[str, Any]:
        """Fixed settings, such as axis."""
        return self.kind.attrs

    @property
    def inputs(self) -> tuple[Wire, ...]:
        """Wires it reads, in operand order."""
        return tuple(Wire(self.circuit, w) for w in self.circuit.operands(self.row))

    @property
    def output(self) -> Wire:
        """The wire it makes."""
        return Wire(self.circuit, self.row)

    @property
    def origin(self) -> "Origin | None":
        """Where the user wrote it."""
        return self.circuit.origin_of(self.row)

    def __repr__(self) -> str:
        reads = ", ".join(str(w.name or w.index) for w in self.inputs)
        return f"<stage {self.output.name or self.row} = {self.gate.name}({reads})>"

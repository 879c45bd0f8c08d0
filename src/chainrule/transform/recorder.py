"""The backward pass as more stages of the circuit, each noted with the row it differentiates.

Gates' rules run on handles here, and on plain numbers where a gradient is taken at once.
"""

from array import array
from collections.abc import Container, Sequence
from typing import Any

from chainrule.circuit.builder import Builder
from chainrule.circuit.circuit import NOTHING, Circuit
from chainrule.circuit.notes import Part
from chainrule.gates import move
from chainrule.gates.elementwise import accumulate
from chainrule.gates.handle import Handle
from chainrule.gates.terms import AddedAt, Lazy, blank
from chainrule.transform.backward import backpropagate
from chainrule.transform.fit import unit
from chainrule.transform.sums import Observer


class _Handles(Sequence[Any]):
    """A handle for each wire, made when asked for: a million kept ones would slow every pass."""

    def __init__(self, builder: Builder) -> None:
        self.builder = builder

    def __len__(self) -> int:
        return len(self.builder)

    def __getitem__(self, wire: Any) -> Any:
        return Handle(self.builder, wire)


class _Recorder(Observer):
    """Stamps each new stage with the row it differentiates, and notes the terms."""

    def __init__(
        self, builder: Builder, circuit: Circuit, named: Container[int] | None
    ) -> None:
        self.builder = builder
        self.terms = array("i", [NOTHING]) * len(circuit.operand)
        self.gradient = array("i", [NOTHING]) * len(circuit)
        self.named = named
        self.zeros: dict[int, Any] = {}  # by wire, the zeros that terms of some places start from

    def at(self, row: int, dout: Any) -> Any:
        self.builder.origin = -2 - row
        is_named = self.named is not None and (row in self.named or row in self.zeros)
        dout = move.alias(dout) if is_named else dout
        self.gradient[row] = self.wire(dout)
        return dout

    def sent(self, position: int, term: Any) -> None:
        self.terms[position] = self.wire(term)

    def added(self, total: Any, term: Any) -> Any:
        return accumulate(total, term)

    def placed(self, wire: int, position: int, total: Any, term: Lazy) -> Any:
        if not isinstance(term, AddedAt):
            return super().placed(wire, position, total, term)
        if wire not in self.zeros:
            self.zeros[wire] = blank(term.places.x)
        made = term.places.added(self.zeros[wire], term.dout)  # for who asks about this edge alone
        self.sent(position, made)
        return made if total is None else term.places.added(total, term.dout)

    def wire(self, term: Any) -> int:
        """The wire of a handle, or of a number made into a constant."""
        return term.wire if isinstance(term, Handle) else self.builder.constant(term)


def with_backward(
    circuit: Circuit,
    output: int,
    wrt: Sequence[int],
    *,
    inside: bool = False,
    gradient_is_input: bool = False,
    named: Container[int] | None = None,
) -> Circuit:
    """The circuit with its backward pass appended as stages, and the part that maps it.

    gradient_is_input: the output's gradient becomes a new input named d<output>; else it is 1,
    and the output must be a number. named: wires whose gradient gets a stage of its own, an alias,
    so that printed code can give it a line (and so does what is read at some places).
    """
    b = Builder.extending(circuit)
    b.origin = -2 - output
    if gradient_is_input:
        name = f"d{circuit.name(output) or 'out'}"
        dout = Handle(b, b.input(circuit.type_of(output), name))
    else:
        dout = Handle(b, b.constant(unit(circuit.type_of(output))))
    recorder = _Recorder(b, circuit, named)
    found = backpropagate(
        circuit, _Handles(b), output, dout, wrt,
        groups=circuit.groups, one=None if gradient_is_input else dout, observer=recorder,
        inside=inside,
    )
    for wire in wrt:
        if wire <= output and found[wire] is not None:
            recorder.gradient[wire] = recorder.wire(found[wire])
    b.parts.append(Part("backward", output, dout.wire, recorder.gradient, recorder.terms))
    return b.build(circuit.outputs)

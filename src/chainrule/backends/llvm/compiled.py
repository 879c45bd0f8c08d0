"""A circuit as machine code: numbers by one straight line, arrays by loop nests, and both in parts
where some gates have no instructions."""

from chainrule.backends.llvm.arrays import CompiledArrays
from chainrule.backends.llvm.call import CompiledNumbers
from chainrule.backends.llvm.host import (
    CompiledParts,
    PartsPlan,
    Way,
    compiled_part,
    parts_plan,
)
from chainrule.backends.llvm.host import planned as planned_part
from chainrule.backends.llvm.nests import ArrayPlan
from chainrule.backends.llvm.plan import Plan
from chainrule.backends.llvm.programs import Programs
from chainrule.circuit.circuit import Circuit
from chainrule.errors import UnsupportedError

Compiled = CompiledNumbers | CompiledArrays | CompiledParts


def compiled(
    circuit: Circuit, level: int = 1, programs: Programs | None = None, *, whole: bool = False,
    way: Way | None = None,
) -> Compiled:
    """The machine code of a circuit, with host calls for gates that have no instructions, unless it
    has to be `whole`. Raises UnsupportedError naming such a gate, where host calls cannot help.

    programs: those of the same function, for circuits that differ only in an extent. way: the
    decisions among the outputs, which host calls wait for.
    """
    try:
        return compiled_part(circuit, level, programs)
    except UnsupportedError as error:
        if whole:
            raise
        try:
            return CompiledParts(circuit, level, way)
        except UnsupportedError:
            raise error from None


def plan(circuit: Circuit) -> Plan | ArrayPlan | PartsPlan:
    """What machine code would do, in order; nothing is compiled. Raises as `compiled` does."""
    try:
        return planned_part(circuit)
    except UnsupportedError as error:
        try:
            return parts_plan(circuit)
        except UnsupportedError:
            raise error from None

"""A circuit as machine code: numbers by one straight line, arrays by loop nests."""

from chainrule.backends.llvm.arrays import CompiledArrays
from chainrule.backends.llvm.call import CompiledNumbers
from chainrule.backends.llvm.fuse import array_plan
from chainrule.backends.llvm.nests import ArrayPlan
from chainrule.backends.llvm.plan import Plan, is_plain, plan_of
from chainrule.backends.llvm.programs import Programs
from chainrule.circuit.circuit import Circuit
from chainrule.circuit.record import KINDS

Compiled = CompiledNumbers | CompiledArrays


def compiled(circuit: Circuit, level: int = 1, programs: Programs | None = None) -> Compiled:
    """The machine code of a circuit. Raises UnsupportedError naming what has no instructions.

    programs: those of the same function, for circuits that differ only in an extent.
    """
    if _is_plain(circuit):
        return CompiledNumbers(circuit, level)
    return CompiledArrays(circuit, level, programs)


def plan(circuit: Circuit) -> Plan | ArrayPlan:
    """What machine code would do, in order; nothing is compiled. Raises as `compiled` does."""
    return plan_of(circuit) if _is_plain(circuit) else array_plan(circuit)


def _is_plain(circuit: Circuit) -> bool:
    return all(is_plain(KINDS[k].type) for k in set(circuit.kind))

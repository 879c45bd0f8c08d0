"""A circuit as machine code: numbers by one straight line, arrays by loop nests."""

from chainrule.backends.llvm.arrays import CompiledArrays
from chainrule.backends.llvm.call import CompiledNumbers
from chainrule.backends.llvm.plan import is_plain
from chainrule.circuit.circuit import Circuit
from chainrule.circuit.record import KINDS

Compiled = CompiledNumbers | CompiledArrays


def compiled(circuit: Circuit, level: int = 1) -> Compiled:
    """The machine code of a circuit. Raises UnsupportedError naming what has no instructions."""
    plain = all(is_plain(KINDS[k].type) for k in set(circuit.kind))
    return CompiledNumbers(circuit, level) if plain else CompiledArrays(circuit, level)

"""What gates mean: one definition per gate, by family. Importing it loads the catalogue."""

from chainrule.gates import (
    choose,
    contract,
    elementwise,
    functions,
    index,
    join,
    move,
    reduce,
    sigmoid,
    special,
    stable,
)

__all__ = [
    "choose",
    "contract",
    "elementwise",
    "functions",
    "index",
    "join",
    "move",
    "reduce",
    "sigmoid",
    "special",
    "stable",
]

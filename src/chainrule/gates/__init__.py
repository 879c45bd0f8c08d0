"""What gates mean: one definition per gate, by family. Importing it loads the catalogue."""

from chainrule.gates import (
    along,
    choose,
    contract,
    diagonal,
    elementwise,
    functions,
    index,
    join,
    keys,
    move,
    reduce,
    sigmoid,
    stable,
)

__all__ = [
    "along",
    "choose",
    "contract",
    "diagonal",
    "elementwise",
    "functions",
    "index",
    "join",
    "keys",
    "move",
    "reduce",
    "sigmoid",
    "stable",
]

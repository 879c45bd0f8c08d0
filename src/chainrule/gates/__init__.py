"""What gates mean: one definition per gate, by family. Importing it loads the catalogue."""

from chainrule.gates import (
    along,
    border,
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
    terms,
)

__all__ = [
    "along",
    "border",
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
    "terms",
]

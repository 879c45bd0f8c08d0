"""What gates mean: one definition per gate, by family. Importing it loads the catalogue."""

from chainrule.gates import (
    choose,
    composed,
    contract,
    einsum,
    elementwise,
    functions,
    index,
    join,
    move,
    order,
    reduce,
    shift,
    sigmoid,
    special,
    stable,
    tensordot,
)

__all__ = [
    "choose",
    "composed",
    "contract",
    "einsum",
    "elementwise",
    "functions",
    "index",
    "join",
    "move",
    "order",
    "reduce",
    "shift",
    "sigmoid",
    "special",
    "stable",
    "tensordot",
]

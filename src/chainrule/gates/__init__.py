"""What gates mean: one definition per gate, by family.

Importing it loads the families that any gradient may need: operators, what recognised groups are,
reading and writing. The others load when one of their names is first asked for.
"""

from chainrule.circuit.registry import FAMILIES
from chainrule.gates import (
    choose,
    composed,
    contract,
    elementwise,
    functions,
    index,
    keys,
    move,
    reduce,
    sigmoid,
    stable,
    terms,
)

__all__ = [
    "choose",
    "composed",
    "contract",
    "elementwise",
    "functions",
    "index",
    "keys",
    "move",
    "reduce",
    "sigmoid",
    "stable",
    "terms",
]

FAMILIES.extend(  # the likeliest first
    f"{__name__}.{family}" for family in (
        "join", "along", "order", "shift", "border", "diagonal", "tensordot", "einsum", "special",
    )
)

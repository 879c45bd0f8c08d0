"""What gates mean: one definition per gate, by family.

Importing it loads the families that any gradient may need: operators, and what recognised groups
are. The others load when one of their names is first asked for.
"""

from chainrule.circuit.registry import FAMILIES
from chainrule.gates import (
    choose,
    contract,
    elementwise,
    functions,
    move,
    reduce,
    sigmoid,
    stable,
    terms,
)

__all__ = [
    "choose",
    "contract",
    "elementwise",
    "functions",
    "move",
    "reduce",
    "sigmoid",
    "stable",
    "terms",
]

FAMILIES.extend(  # the likeliest first
    f"{__name__}.{family}" for family in (
        "index", "join", "along", "order", "shift", "border", "diagonal", "tensordot", "einsum",
        "special", "composed",
    )
)

"""Quick ways to the same bits, for programs that nobody reads; those know this module as `quick`.

| in a program to be read                                     | here                          |
|-------------------------------------------------------------|-------------------------------|
| np.zeros_like(x)                                            | zeros_like(x)                 |
| np.where(x >= y, np.where(x == y, 0.5 * dout, dout), 0)     | to_larger(dout, x, y)         |
"""

from typing import Any

import numpy as np

from chainrule.circuit.record import Gate
from chainrule.gates.define import select_type


def zeros_like(x: Any) -> Any:
    """Zeros of x's shape, dtype and order in memory; np.zeros_like asks more, and fills them."""
    return np.zeros(x.shape, x.dtype) if x.flags.c_contiguous else np.zeros_like(x)


def to_larger(dout: Any, x: Any, y: Any) -> Any:
    """What x of max(x, y) gets. Ties are rare: they are counted before they are shared."""
    tie = x == y
    shared = np.where(tie, 0.5 * dout, 0) if np.count_nonzero(tie) else 0
    return np.where(x > y, dout, shared)


# In no catalogue: it stands only in programs, for stages that its readers see one by one.
TO_LARGER = Gate(
    "to_larger", ("dout", "x", "y"), "elementwise", "max", to_larger, to_larger,
    infer=lambda types: select_type((types[1], types[0], types[0])),
    code="quick.to_larger({dout}, {x}, {y})", scalar_code="", id=-2,
)

"""The sigmoid 1 / (1 + exp(-x)): one gate, four gates, or a group recognised among the user's.

With f = 1 / (1 + e) and e = exp(-x): df/dx = e / (1 + e)**2 = (1 - f) * f.
"""

import math
from typing import Any

import numpy as np

from chainrule.circuit.record import Gate
from chainrule.gates.define import gate, ufunc_type
from chainrule.gates.elementwise import exp
from chainrule.gates.functions import reciprocal


def _evaluate(x: Any) -> Any:
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))  # never overflows


def _scalar(x: float) -> float:
    return math.exp(min(x, 0)) / (1 + math.exp(-abs(x)))


sigmoid: Gate = gate(
    "sigmoid", "x", family="elementwise", symbol="sigmoid", evaluate=_evaluate, scalar=_scalar,
    infer=ufunc_type(np.exp),
    code="np.exp(np.minimum({x}, 0)) / (1 + np.exp(-np.abs({x})))",
    scalar_code="math.exp(min({x}, 0)) / (1 + math.exp(-abs({x})))",
    local=lambda x, out: (lambda: out * sigmoid(-x),),  # keeps its digits where out is near 1
    scipy=("expit",), recognised_local=lambda x, out: (lambda: (1 - out) * out,),
    decompose=lambda x: 1 / (1 + exp(-x)),
    spellings=(
        lambda x: 1 / (1 + exp(-x)),
        lambda x: exp(x) / (1 + exp(x)),
        lambda x: (1 + exp(-x)) ** -1,
        lambda x: reciprocal(1 + exp(-x)),
    ),
    words="multiplies by (1 - {out}) * {out}: most at 0, almost nothing where it is flat",
    samples=((1.0,), (-2.0,), (0.0,), (30.0,)),
)

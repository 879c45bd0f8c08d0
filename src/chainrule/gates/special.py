"""Functions that SciPy has and NumPy has not; SciPy loads when the first of them is computed.

| gate            | out                         | local gradient by x                         |
|-----------------|-----------------------------|---------------------------------------------|
| gammaln digamma | log |gamma(x)|, ...         | digamma(x), polygamma(1, x)                 |
| polygamma(n)    |                             | polygamma(n + 1, x)                         |

Source of the partials: NIST Digital Library of Mathematical Functions, https://dlmf.nist.gov,
5.2; each is checked against finite differences in tests.
"""

import math
from typing import Any

import numpy as np

from chainrule.circuit.record import Gate
from chainrule.gates.define import gate, ufunc_type


def _gammaln(x: Any) -> Any:
    from scipy import special

    return special.gammaln(x)


def _digamma(x: Any) -> Any:
    from scipy import special

    return special.digamma(x)


def _polygamma(x: Any, n: int) -> Any:
    from scipy import special

    return np.asarray(special.polygamma(n, x), np.result_type(x, 0.5))[()]


SPECIAL = '__import__("scipy.special").special'

gammaln: Gate = gate(
    "gammaln", "x", family="elementwise", evaluate=_gammaln, scalar=math.lgamma,
    infer=ufunc_type(np.exp), code=SPECIAL + ".gammaln({x})", scalar_code="math.lgamma({x})",
    local=lambda x, out: (lambda: digamma(x),),
    words="multiplies by digamma({x}): {x} gets digamma({x}) * {dout}",
    samples=((0.5,), (3.25,)),
)
digamma: Gate = gate(
    "digamma", "x", family="elementwise", evaluate=_digamma,
    scalar=lambda x: float(_digamma(x)), infer=ufunc_type(np.exp),
    code=SPECIAL + ".digamma({x})", scalar_code="float(" + SPECIAL + ".digamma({x}))",
    local=lambda x, out: (lambda: polygamma(x, n=1),),
    words="multiplies by its slope: {x} gets the trigamma function of {x} times {dout}",
    samples=((0.5,), (3.25,)),
)
polygamma: Gate = gate(
    "polygamma", "x", family="elementwise", evaluate=_polygamma,
    scalar=lambda x, n: float(_polygamma(x, n)),
    infer=lambda types, *, n: ufunc_type(np.exp)(types),
    code=lambda attrs, operands: (
        f"np.asarray({SPECIAL}.polygamma({attrs['n']}, {{x}}), np.result_type({{x}}, 0.5))[()]"
    ),
    scalar_code=lambda attrs, operands: f"float({SPECIAL}.polygamma({attrs['n']}, {{x}}))",
    local=lambda x, out, n: (lambda: polygamma(x, n=n + 1),),
    words="multiplies by its slope: {x} gets the next polygamma function of {x} times {dout}",
    samples=((0.5,), (3.25,)), sample_attrs=({"n": 1}, {"n": 2}),
)

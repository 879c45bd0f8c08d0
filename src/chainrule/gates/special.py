"""Functions that SciPy has and NumPy has not; SciPy loads when the first of them is computed.

| gate              | out                          | local gradient by x (by y)                    |
|-------------------|------------------------------|-----------------------------------------------|
| gammaln digamma   | log |gamma(x)|, its slope    | digamma(x), polygamma(1, x)                   |
| polygamma(n)      | n-th slope of digamma        | polygamma(n + 1, x)                           |
| gamma             |                              | out * digamma(x)                              |
| erf erfc          | normal error, 1 - that       | +-2 / sqrt(pi) * exp(-x**2)                   |
| erfinv            | the x of erf                 | sqrt(pi) / 2 * exp(out**2)                    |
| ndtr, log_ndtr    | normal probability, its log  | density(x), density(x) / ndtr(x)              |
| logit             | log(x / (1 - x))             | 1 / (x * (1 - x))                             |
| log_expit         | log(sigmoid(x))              | sigmoid(-x)                                   |
| xlogy, xlog1py    | x * log(y), x * log(1 + y)   | log(y) (x / y), log(1 + y) (x / (1 + y))      |
| entr              | -x * log(x)                  | -log(x) - 1                                   |
| rel_entr          | x * log(x / y)               | log(x / y) + 1 (-x / y)                       |

Source of the partials: NIST Digital Library of Mathematical Functions, https://dlmf.nist.gov,
5.2 and 7.2; each is checked against finite differences in tests.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.circuit.record import Gate
from chainrule.gates.define import gate, ufunc_type
from chainrule.gates.elementwise import exp, log
from chainrule.gates.functions import log1p
from chainrule.gates.sigmoid import sigmoid

Samples = tuple[tuple[float, ...], ...]


def _special(
    name: str, inputs: str, samples: Samples, words: str, *partials: Callable[..., Any],
    scalar: Callable[..., float] | None = None, scalar_code: str | None = None, **fields: Any,
) -> Gate:
    """An elementwise gate that is a function of scipy.special; partials are of (*inputs, out)."""
    def evaluate(*operands: Any) -> Any:
        from scipy import special

        return getattr(special, name)(*operands)

    called = f"special.{name}({', '.join(f'{{{x}}}' for x in inputs.split())})"
    return gate(
        name, inputs, family="elementwise", evaluate=evaluate, samples=samples,
        scipy=(name, *fields.pop("also", ())),
        infer=ufunc_type(np.exp if " " not in inputs else np.divide), code=called,
        scalar=scalar or (lambda *operands: float(evaluate(*operands))),
        scalar_code=scalar_code or f"float({called})", words=words,
        local=lambda *given: tuple(lambda p=p: p(*given) for p in partials), **fields,
    )


# ---- the gamma function

gammaln: Gate = _special(
    "gammaln", "x", ((0.5,), (3.25,)),
    "multiplies by digamma({x}): {x} gets digamma({x}) * {dout}",
    lambda x, out: digamma(x), scalar=math.lgamma, scalar_code="math.lgamma({x})",
)
digamma: Gate = _special(
    "digamma", "x", ((0.5,), (3.25,)),
    "multiplies by its slope: {x} gets the trigamma function of {x} times {dout}",
    lambda x, out: polygamma(x, n=1), also=("psi",),
)
gamma: Gate = _special(
    "gamma", "x", ((0.5,), (3.25,), (-1.5,)),
    "multiplies by {out} * digamma({x}): {x} gets {out} * digamma({x}) * {dout}",
    lambda x, out: out * digamma(x), scalar=math.gamma, scalar_code="math.gamma({x})",
)


def _polygamma(x: Any, n: int) -> Any:
    from scipy import special

    return np.asarray(special.polygamma(n, x), np.result_type(x, 0.5))[()]


polygamma: Gate = gate(
    "polygamma", "x", family="elementwise", evaluate=_polygamma,
    scalar=lambda x, n: float(_polygamma(x, n)),
    infer=lambda types, *, n: ufunc_type(np.exp)(types),
    code=lambda attrs, operands: (
        f"np.asarray(special.polygamma({attrs['n']}, {{x}}), np.result_type({{x}}, 0.5))[()]"
    ),
    scalar_code=lambda attrs, operands: f"float(special.polygamma({attrs['n']}, {{x}}))",
    local=lambda x, out, n: (lambda: polygamma(x, n=n + 1),),
    words="multiplies by its slope: {x} gets the next polygamma function of {x} times {dout}",
    samples=((0.5,), (3.25,)), sample_attrs=({"n": 1}, {"n": 2}),
)

# ---- the normal distribution

TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)
DENSITY_AT_0 = 1 / math.sqrt(2 * math.pi)

erf = _special(
    "erf", "x", ((0.5,), (-1.25,), (0.0,)),
    "multiplies by 2 / sqrt(pi) * exp(-{x} ** 2): most at 0, almost nothing where it is flat",
    lambda x, out: TWO_OVER_ROOT_PI * exp(-x * x), scalar=math.erf, scalar_code="math.erf({x})",
)
erfc = _special(
    "erfc", "x", ((0.5,), (-1.25,), (0.0,)),
    "multiplies by -2 / sqrt(pi) * exp(-{x} ** 2): most at 0, almost nothing where it is flat",
    lambda x, out: -TWO_OVER_ROOT_PI * exp(-x * x), scalar=math.erfc, scalar_code="math.erfc({x})",
)
erfinv = _special(
    "erfinv", "x", ((0.5,), (-0.75,), (0.0,)),
    "multiplies by sqrt(pi) / 2 * exp({out} ** 2): least at 0, without bound towards -1 and 1",
    lambda x, out: exp(out * out) / TWO_OVER_ROOT_PI,
)
ndtr = _special(
    "ndtr", "x", ((0.5,), (-1.25,), (0.0,)),
    "multiplies by the normal density at {x}: most at 0, almost nothing far out",
    lambda x, out: DENSITY_AT_0 * exp(-0.5 * x * x),
)
log_ndtr = _special(
    "log_ndtr", "x", ((0.5,), (-1.25,), (-30.0,)),
    "multiplies by the normal density over the probability: nearly -{x} far below 0",
    lambda x, out: DENSITY_AT_0 * exp(-0.5 * x * x - out),
)

# ---- probabilities and their logarithms

logit = _special(
    "logit", "x", ((0.5,), (0.125,)),
    "divides by {x} * (1 - {x}): {x} gets {dout} / ({x} * (1 - {x}))",
    lambda x, out: 1 / (x * (1 - x)),
)
log_expit = _special(
    "log_expit", "x", ((0.5,), (-2.0,), (0.0,), (30.0,)),
    "multiplies by sigmoid(-{x}): nearly 1 far below 0, almost nothing far above",
    lambda x, out: sigmoid(-x),
)
xlogy = _special(
    "xlogy", "x y", ((1.5, 2.0), (-0.5, 0.25)),
    "{x} gets log({y}) * {dout}, and {y} gets {x} / {y} * {dout}",
    lambda x, y, out: log(y), lambda x, y, out: x / y,
)
xlog1py = _special(
    "xlog1py", "x y", ((1.5, 2.0), (-0.5, 0.25)),
    "{x} gets log(1 + {y}) * {dout}, and {y} gets {x} / (1 + {y}) * {dout}",
    lambda x, y, out: log1p(y), lambda x, y, out: x / (1 + y),
)
entr = _special(
    "entr", "x", ((0.5,), (2.0,)),
    "multiplies by -log({x}) - 1: {x} gets (-log({x}) - 1) * {dout}",
    lambda x, out: -log(x) - 1,
)
rel_entr = _special(
    "rel_entr", "x y", ((0.5, 0.25), (0.25, 0.75)),
    "{x} gets (log({x} / {y}) + 1) * {dout}, and {y} gets -{x} / {y} * {dout}",
    lambda x, y, out: log(x / y) + 1, lambda x, y, out: -x / y,
)

"""Machine code's own functions: nanoseconds a number, beside NumPy or SciPy and torch."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

import chainrule as cr
from bench.harness import measure, peer
from chainrule.circuit.record import BY_NAME

TITLE = "functions of arrays: nanoseconds a number, one thread"
SIZE = 16_384
NAMES = (
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "tanh", "sinh", "cosh", "sech",
    "sigmoid", "softplus", "sin", "cos", "tan", "arctan", "arcsinh", "cbrt", "erf", "erfc",
    "erfinv", "ndtr", "log_ndtr", "gamma", "gammaln", "digamma", "polygamma", "logit", "log_expit",
    "entr",
)
PROBABILITIES = ("erfinv", "logit")
POSITIVE = ("log", "log2", "log10", "log1p", "entr", "gamma", "gammaln", "digamma", "polygamma")
THEIRS: dict[str, Callable[..., Any]] = {
    "sigmoid": special.expit, "polygamma": lambda x, out: special.zeta(2.0, x, out=out),
    "softplus": lambda x, out: np.logaddexp(x.dtype.type(0), x, out=out),
}
TORCHS = {
    "arctan": "atan", "arcsinh": "asinh", "log_ndtr": "special.log_ndtr", "ndtr": "special.ndtr",
    "gammaln": "lgamma", "entr": "special.entr", "softplus": "nn.functional.softplus",
    "log_expit": "nn.functional.logsigmoid",
}


def run(quick: bool) -> None:
    """Print a row for each function: doubles, then singles."""
    for dtype in (np.float64, np.float32):
        print(f"{np.dtype(dtype).name:12} chainrule     numpy     torch")
        for name in NAMES:
            timings = measure(_candidates(name, dtype), 5 if quick else 15, 0.004, 3)
            found = [timings.get(who) for who in ("chainrule", "numpy", "torch")]
            ns = [f"{t.seconds / SIZE * 1e9:10.2f}" if t else f"{'-':>10}" for t in found]
            print(f"  {name:10}", *ns, sep="")
        print()


def _candidates(name: str, dtype: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    x = (rng.uniform(-1, 1, SIZE) if name in PROBABILITIES else rng.normal(size=SIZE) * 3)
    x = (np.abs(x) if name in (*PROBABILITIES, *POSITIVE) else x).astype(dtype)
    gate, out = BY_NAME[name], np.empty_like(x)
    settings = gate.sample_attrs[0]
    bound = cr.jit(lambda x: gate(x, **settings)).bind(x, out=np.empty_like(x))
    found: dict[str, Any] = {"chainrule": bound}
    theirs = THEIRS.get(name) or getattr(np, name, None) or getattr(special, name, None)
    if theirs:
        found["numpy"] = lambda: theirs(x, out=out)
    torchs = _torchs(name)
    if torchs:
        import torch

        torch.set_num_threads(1)
        given = torch.from_numpy(x)
        found["torch"] = lambda: torchs(given)
    return found


def _torchs(name: str) -> Any:
    """torch's function of that name, or None."""
    found: Any = peer("torch")
    for part in TORCHS.get(name, name).split("."):
        found = getattr(found, part, None)
    return None if name == "polygamma" else found

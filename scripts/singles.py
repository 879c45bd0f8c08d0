"""The errors of machine code's functions of singles, against NumPy's in doubles.

    python scripts/singles.py [STEP [NAME ...]]      every STEP-th single; by default all 2**32

Prints the largest error of each in units in the last place, and where. All take half an hour.
"""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.backends.llvm.lines import IN_SINGLES
from chainrule.circuit.record import BY_NAME

CHUNK = 1 << 20
NAMES = sorted(IN_SINGLES)


def true(name: str, x: Any) -> Any:
    """The function in doubles, which has digits to spare."""
    match name:
        case "sigmoid":
            e = np.exp(-np.abs(x))
            return np.where(x < 0, e, 1) / (1 + e)
        case "softplus":
            return np.logaddexp(0, x)
        case "sech":
            e = np.exp(-np.abs(x))
            return 2 * e / (1 + e * e)
    return getattr(np, name)(x)


def singles(step: int) -> Iterator[Any]:
    """Every step-th single by its bits, nan left out, in chunks of one length."""
    for first in range(0, 1 << 32, CHUNK * step):
        bits = np.arange(first, min(first + CHUNK * step, 1 << 32), step, dtype=np.uint32)
        found = np.zeros(CHUNK, np.float32)
        found[: len(bits)] = bits.view(np.float32)
        found[np.isnan(found)] = 0
        yield found


def worst(run: Callable[[Any], Any], name: str, step: int) -> tuple[float, float]:
    """The largest error of a function in units in the last place, and where it is."""
    found = (0.0, 0.0)
    for x in singles(step):
        got, wanted = run(x), true(name, x.astype(np.float64))
        errors = distance(got, wanted)
        at = int(np.argmax(errors))
        found = max(found, (float(errors[at]), float(x[at])))
    return found


def distance(got: Any, wanted: Any) -> Any:
    """Units in the last place of singles between them; inf for a wrong nan, inf or sign of zero."""
    size = np.abs(wanted)
    exponent = np.maximum(np.frexp(np.where(np.isfinite(size), size, 1))[1] - 1, -126)
    apart = np.abs(got.astype(np.float64) - wanted) / np.exp2(exponent - 23)
    rounded = wanted.astype(np.float32)
    is_end = ~np.isfinite(rounded) | (wanted == 0)
    same = np.isnan(got) & np.isnan(rounded) | (got == rounded) & (
        np.signbit(got) == np.signbit(rounded)
    )
    beside = np.isinf(got) & np.isfinite(rounded) & (size < 3.4028233e38)
    return np.where(is_end, np.where(same, 0, _beside_end(got, rounded)),
                    np.where(np.isnan(got) | beside, np.inf, np.where(np.isinf(got), 1, apart)))


def _beside_end(got: Any, rounded: Any) -> Any:
    """1 for the largest single in place of an infinity, and inf for other errors."""
    largest = np.finfo(np.float32).max
    return np.where(np.isinf(rounded) & (got == np.copysign(largest, rounded)), 1, np.inf)


def compiled(name: str) -> Callable[[Any], Any]:
    """The gate as machine code for arrays of so many singles."""
    gate = BY_NAME[name]
    x = np.zeros(CHUNK, np.float32)
    run = cr.jit(lambda x: gate(x)).bind(x, out=(out := np.empty_like(x)))

    def call(given: Any) -> Any:
        x[:] = given
        run()
        return out

    return call


if __name__ == "__main__":
    step, *names = sys.argv[1:] or ["1"]
    with np.errstate(all="ignore"):
        for name in names or NAMES:
            error, x = worst(compiled(name), name, int(step))
            print(f"{name:9} {error:5.2f} at {x!r}", flush=True)

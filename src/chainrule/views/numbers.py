"""Numbers as a reader wants them: short, and equal in width where they are equal in kind.

| number             | printed as                    | such as      |
|--------------------|-------------------------------|--------------|
| 0                  | two decimals                  | 0.00         |
| under 0.001        | exponent                      | 1.66e-4      |
| under 0.0995       | three significant digits      | 0.0498       |
| under 1000         | two decimals                  | -0.53        |
| under 100 000      | no decimals                   | 12346        |
| from there on      | exponent                      | 1.23e5       |
| not a number       | a word                        | nan, -inf    |

Where all numbers of a circuit are whole and below 100 000, they print as integers. A fixed number
of decimals replaces the table; -0.00 is never printed.
"""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from chainrule.circuit.notes import Part
from chainrule.circuit.readings import Readings

LARGE = 1e5  # from here on an exponent is shorter
FEW = 6  # elements of an array that are still printed one by one


def format_number(v: float, integers: bool = False, decimals: int | None = None) -> str:
    """One number in ASCII. `integers`: whole numbers without a point, see `are_integers`."""
    v = float(v)
    if not math.isfinite(v):
        return "nan" if v != v else ("-inf" if v < 0 else "inf")
    if decimals is not None:
        return _unsigned_zero(f"{v:.{decimals}f}")
    if integers and v.is_integer() and abs(v) < LARGE:
        return str(int(v))
    return ("-" if v < 0 else "") + _by_size(abs(v))


def _unsigned_zero(text: str) -> str:
    return text.lstrip("-") if float(text) == 0 else text


def _by_size(a: float) -> str:
    """A number >= 0 by the table above; sizes are those after rounding, so 999.996 is 1000."""
    if a == 0:
        return "0.00"
    if float(f"{a:.2e}") < 1e-3 or round(a) >= LARGE:
        mantissa, exponent = f"{a:.2e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    if a < 0.0995:
        return f"{a:#.3g}"
    return f"{a:.2f}" if round(a, 2) < 1000 else f"{a:.0f}"


def format_value(value: Any, integers: bool = False, decimals: int | None = None) -> str:
    """A number, a truth value, a small array element by element, a large one by its norm."""
    array = np.asarray(value)
    if array.shape and (array.size > FEW or array.size == 0):
        shape = ",".join(map(str, array.shape))
        return f"[{shape}] {array_size(array, integers, decimals)}"
    if array.shape:
        return "[" + " ".join(format_value(x, integers, decimals) for x in array) + "]"
    if array.dtype.kind == "b":
        return str(bool(array))
    return format_number(float(array), integers, decimals)


def array_size(array: Any, integers: bool = False, decimals: int | None = None) -> str:
    """The norm of an array; where it has none, what stands in the way: `2 nan, 1 inf`."""
    wide = np.asarray(array).astype(float)
    counts = {
        "nan": np.isnan(wide).sum(), "inf": np.isposinf(wide).sum(), "-inf": np.isneginf(wide).sum()
    }
    odd = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return odd or f"norm {format_number(norm(wide), integers, decimals)}"


def norm(array: Any) -> float:
    """The root of the sum of squares, of which none overflows; nan or inf where an element is."""
    wide = np.abs(np.asarray(array)).astype(float).ravel()
    largest = float(wide.max(initial=0.0))
    if not 0 < largest < math.inf:
        return largest
    return largest * float(np.linalg.norm(wide / largest))


def are_integers(readings: Readings, part: Part) -> bool:
    """True when every value and gradient of a part is whole and below 100 000."""
    rows = [*readings.circuit.inputs, *readings.circuit.forward_rows()]
    values = [readings.value(r) for r in rows]
    gradients = [readings.gradient(part, r) for r in rows]
    return _all_whole(x for x in (*values, *gradients) if x is not None)


def _all_whole(values: Iterable[Any]) -> bool:
    for value in values:
        array = np.asarray(value)
        if not np.all((np.abs(array) < LARGE) & (array == np.rint(array))):
            return False
    return True

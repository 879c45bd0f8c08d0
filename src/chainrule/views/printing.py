"""Printing: values and gradients as a picture's labels have them, with true signs."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.views.numbers import FEW, array_size, format_value
from chainrule.views.plots import Plot, plot

LONGEST, SHORT = 26, 14  # letters of a small array, and in a large drawing; else shape and norm
SUPERSCRIPTS = str.maketrans("0123456789-.", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻·")


@dataclass(frozen=True, slots=True)
class Printer:
    """How a picture's numbers are printed: whether as integers, with how many decimals."""

    integers: bool
    decimals: int | None
    longest: int = LONGEST  # letters of an array whose elements are printed

    def value(self, value: Any) -> str:
        """A number or a short array as the labels print it, a larger array as shape and norm."""
        array = np.asarray(value)
        if self.is_short(array):
            return signs(format_value(value, self.integers, self.decimals))
        return _shape(array) if array.dtype.kind == "b" else f"{_shape(array)} {self.size(array)}"

    def gradient(self, gradient: Any) -> str:
        """As `value`, without the shape, which is the value's; empty where there is none."""
        if gradient is None:
            return ""
        array = np.asarray(gradient)
        return self.value(array) if self.is_short(array) else self.size(array)

    def plot(self, array: Any, role: str) -> Plot | None:
        """The plot of an array whose label does not name its elements."""
        return None if array is None or self.is_short(np.asarray(array)) else plot(array, role)

    def is_short(self, array: Any) -> bool:
        """True for a number, and for an array whose label names its few elements."""
        if not array.shape or not array.size:
            return not array.shape
        short = format_value(array, self.integers, self.decimals) if array.size <= FEW else ""
        return 0 < len(short) <= self.longest

    def size(self, array: Any) -> str:
        """An array's norm, or how many of its elements have none."""
        return signs(array_size(array, self.integers, self.decimals))


def _shape(array: Any) -> str:
    dtype = "" if array.dtype == np.float64 else f" {array.dtype}"
    return "×".join(map(str, array.shape)) + dtype


def signs(text: str) -> str:
    """A number or a gate's symbol with true signs: −, ×, superscripts for powers."""
    before, power, exponent = text.partition("**")
    if power:
        raised = exponent.replace("x", "ˣ").translate(SUPERSCRIPTS)
        return f"{signs(before) or 'x'}{raised or 'ʸ'}"
    return text.replace("*", "×").replace("-", "−")

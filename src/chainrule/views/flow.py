"""Flow: how wide a wire is drawn, by the norm of the gradient that comes back along it.

Ten times the gradient adds 1 px, over at most three powers of ten: what is more than a thousand
times smaller than the largest is as thin as a wire of numbers.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite, log10

THIN = 1.6
DECADES = 3


@dataclass(frozen=True, slots=True)
class Flow:
    """Least and largest gradient norm of a drawing."""

    least: float
    largest: float

    @property
    def thin(self) -> float:
        """The largest norm drawn as thin as can be."""
        return max(self.least, self.largest * 10.0**-DECADES)

    def width(self, size: float) -> float:
        """Of a wire along which a gradient of this norm comes back."""
        if not isfinite(size) or size <= self.thin:
            return THIN
        return round(THIN + log10(min(size, self.largest)) - log10(self.thin), 1)


def flow(norms: Iterable[float]) -> Flow | None:
    """The flow of some gradients; None where none of them is a positive number."""
    found = [n for n in norms if isfinite(n) and n > 0]
    return Flow(min(found), max(found)) if found else None

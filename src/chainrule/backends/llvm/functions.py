"""Our functions of reals, by name, and the rows of the gates that are one of them."""

from collections.abc import Callable, Mapping, Sequence

from chainrule.backends.llvm import (
    entropy,
    exponential,
    gamma,
    hyperbolic,
    inverse,
    math,
    normal,
    polygamma,
    single,
    single_waves,
    trig,
)
from chainrule.backends.llvm.lines import OF_SINGLES, Lines
from chainrule.backends.llvm.values import Row, Value, as_kind, function
from chainrule.circuit.record import BY_NAME, Gate
from chainrule.errors import UnsupportedError
from chainrule.gates import functions, special, stable

# The catalogue is complete once its modules are loaded.
_LOADED = (functions, special, stable)

FUNCTIONS: dict[str, Callable[..., str]] = {
    **math.FUNCTIONS, **exponential.FUNCTIONS, **hyperbolic.FUNCTIONS, **inverse.FUNCTIONS,
    **trig.FUNCTIONS, **normal.FUNCTIONS, **gamma.FUNCTIONS, **polygamma.FUNCTIONS,
    **entropy.FUNCTIONS,
}
# the forms for singles, under the names they are called by
OWN_OF_SINGLES: dict[str, Callable[..., str]] = {
    name + OF_SINGLES: f for name, f in {**single.FUNCTIONS, **single_waves.FUNCTIONS}.items()
}
# those that give two reals
PAIRS: dict[str, Callable[..., str]] = {
    trig.BOTH: trig.sin_and_cos, trig.BOTH + OF_SINGLES: single_waves.sin_and_cos,
}
# functions that are short, and have no branches of their own: they are written out inside a loop
_CALLED = {**trig.FUNCTIONS, **normal.FUNCTIONS, **gamma.FUNCTIONS, **polygamma.FUNCTIONS}
_CALLED |= {name + OF_SINGLES: f for name, f in single_waves.FUNCTIONS.items()}
STRAIGHT: Mapping[str, Callable[..., str]] = {
    name: f for name, f in {**FUNCTIONS, **OWN_OF_SINGLES}.items() if name not in _CALLED
}


def _polygamma(w: Lines, kind: str, operands: Sequence[Value]) -> str:
    """A function for each order, which the plan gives as a known number."""
    x, order = operands
    if order.number not in range(polygamma.HIGHEST + 1):
        most = polygamma.HIGHEST
        raise UnsupportedError(
            f"machine code has polygamma of orders 0 to {most}, and not of {order.number}"
        )
    return w.call(f"polygamma_{order.number}" if order.number else "digamma", as_kind(w, "f", x))


# power has a row of its own, for whole exponents
ROWS: Mapping[Gate, Row] = {
    BY_NAME[name]: function(name) for name in FUNCTIONS if name in BY_NAME and name != "power"
} | {BY_NAME["polygamma"]: _polygamma}

"""Our functions of reals, by name, and the rows of the gates that are one of them."""

from collections.abc import Callable, Mapping

from chainrule.backends.llvm import exponential, hyperbolic, inverse, math, trig
from chainrule.backends.llvm.values import Row, function
from chainrule.circuit.record import BY_NAME, Gate
from chainrule.gates import functions, stable

# The catalogue is complete once its modules are loaded.
_LOADED = (functions, stable)

FUNCTIONS: dict[str, Callable[..., str]] = {
    **math.FUNCTIONS, **exponential.FUNCTIONS, **hyperbolic.FUNCTIONS, **inverse.FUNCTIONS,
    **trig.FUNCTIONS,
}
# functions without branches of their own, which may stand inside a loop
STRAIGHT: Mapping[str, Callable[..., str]] = {
    name: f for name, f in FUNCTIONS.items() if name not in trig.FUNCTIONS
}
# power has a row of its own, for whole exponents
ROWS: Mapping[Gate, Row] = {
    BY_NAME[name]: function(name) for name in FUNCTIONS if name != "power"
}

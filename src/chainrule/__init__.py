"""Gradients to understand as well as use.

Write a function in plain NumPy; get its gradient as numbers, as staged code in your own variable
names, as a table of values and gradients, and with a verdict against finite differences.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from chainrule.api.eager import grad, value_and_grad, vjp

if TYPE_CHECKING:
    from chainrule.api.derivatives import hessian, hvp, jacobian, jvp, linearize
    from chainrule.api.dimensions import Dimensions
    from chainrule.api.jit import Jitted
    from chainrule.api.vmap import vmap
    from chainrule.api.worked import Worked
    from chainrule.trace.checkpoint import checkpoint

__all__ = [
    "Worked",
    "check_grads",
    "checkpoint",
    "circuit",
    "dimensions",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jit",
    "jvp",
    "linearize",
    "value_and_grad",
    "vjp",
    "vmap",
]
__version__ = "0.1.0"


def circuit(f: Callable[..., Any]) -> "Callable[..., Worked]":
    """A function that works f out as a circuit: circuit(f)(*args) has values and gradients on
    every wire, for all arguments that are real numbers (integer arrays and others stay constants).

    output_grad=: the gradient of an array output, of its shape; a number needs none.
    """
    from chainrule.api import sources  # with views and checks, loaded when first asked for

    return sources.circuit(f)


def check_grads(
    f: Callable[..., Any], args: Sequence[Any], modes: Sequence[str] = ("rev", "fwd"),
    order: int = 1, tolerance: float = 1e-6,
) -> None:
    """Raise GradientError where a derivative of f at `args` disagrees with central differences.

    modes: "rev" compares the gradient by every argument, "fwd" the derivative along a direction
    with the gradient. order: 2 checks the gradient's own gradient too, and so on. tolerance:
    relative. Points where f has a kink are not failures.
    """
    from chainrule.api import checking  # loaded when first asked for

    checking.check_grads(f, args, modes, order, tolerance)


def dimensions(**inputs: Any) -> "Dimensions":
    """Analyse the product of two matrices: dimensions(W=(5, 10), X=(10, 3)) for D = W @ X.

    Says for each factor which products of the output's gradient with the other factor have the
    shape its gradient must have, and which is right. Give shapes, or arrays.
    """
    from chainrule.api import dimensions as analysis  # loaded when first asked for

    return analysis.dimensions(**inputs)


def jit(f: Callable[..., Any]) -> "Jitted":
    """f as machine code, compiled at the second call with the same kinds of arguments.

    f takes numbers, nested as they may be, and returns numbers: jit(value_and_grad(f)) compiles
    value and gradient as one. Results differ from eager ones by a few units in the last place.
    Arrays, and decisions of Python on traced values, run as plain Python; a warning says so once.
    Raises TraceError when a number that f makes up by itself (random, a clock) differs between the
    first two calls.
    """
    from chainrule.api import jit as compiling  # loaded when first asked for

    return compiling.jit(f)


def __getattr__(name: str) -> Any:
    if name == "Worked":
        from chainrule.api.worked import Worked

        return Worked
    if name == "checkpoint":
        from chainrule.trace.checkpoint import checkpoint

        return checkpoint
    if name in ("hessian", "hvp", "jacobian", "jvp", "linearize"):
        from chainrule.api import derivatives

        return getattr(derivatives, name)
    if name == "vmap":
        from chainrule.api.vmap import vmap

        return vmap
    raise AttributeError(f"module 'chainrule' has no attribute {name!r}")

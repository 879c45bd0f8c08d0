"""Gradients to understand as well as use.

Write a function in plain NumPy; get its gradient as numbers, as staged code in your own variable
names, as a table of values and gradients, and with a verdict against finite differences.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from chainrule import errors as errors
from chainrule.circuit.registry import FAMILIES as _FAMILIES  # before the function of that name
from chainrule.version import VERSION

if TYPE_CHECKING:
    from chainrule.api.derivatives import hessian, hvp, jacobian, jvp, linearize
    from chainrule.api.dimensions import Dimensions
    from chainrule.api.eager import grad, value_and_grad, vjp
    from chainrule.api.jit import Jitted
    from chainrule.api.vmap import vmap
    from chainrule.api.worked import Worked
    from chainrule.trace.checkpoint import checkpoint

__all__ = [
    "Worked",
    "check_gate",
    "check_grads",
    "checkpoint",
    "circuit",
    "dimensions",
    "gate",
    "grad",
    "group",
    "hessian",
    "hvp",
    "jacobian",
    "jit",
    "jvp",
    "linearize",
    "stop_gradient",
    "value_and_grad",
    "vjp",
    "vmap",
]
__version__ = VERSION

_FAMILIES.append("chainrule.gates")  # loaded when a gate is first asked for


def circuit(f: Callable[..., Any]) -> "Callable[..., Worked]":
    """A function that works f out as a circuit: circuit(f)(*args) has values and gradients on
    every wire, for all arguments that are real numbers (integer arrays and others stay constants).

    output_grad=: the gradient of an array output, of its shape; a number needs none.
    """
    from chainrule.api import sources  # with views and checks, loaded when first asked for

    return sources.circuit(f)


def check_gate(gate: Any, samples: Sequence[Any] | None = None, **settings: Any) -> None:
    """Raise GradientError where a gate made with `gate` breaks what every gate keeps.

    At its samples, or those given here: its gradient and second gradient agree with central
    differences and with forward mode, and its own stages give its value. settings: its keyword-only
    arguments.
    """
    from chainrule.api import gate_contract  # loaded when first asked for

    gate_contract.check_gate(gate, samples, **settings)


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


def jit(f: Callable[..., Any], donate: int | Sequence[int] = ()) -> "Jitted":
    """f as machine code, compiled at the second call with the same kinds of arguments.

    f takes numbers and arrays, nested as they may be, and returns such: jit(value_and_grad(f))
    compiles value and gradient as one. Each shape and dtype is compiled by itself, and so is each
    way through Python's decisions on traced values. Results differ from eager ones by a few units
    in the last place; where all numbers given are Python's, so are those that it gives. What cannot
    be compiled runs as plain Python; a warning says so once.
    Raises TraceError when a number that f makes up by itself (random, a clock) differs between the
    first two calls.

    A call with `out=` puts the result into arrays nested as it is, and returns them; they may be
    arguments. donate: positions of arguments whose arrays take results: the first of the same shape
    and dtype, which is then that very array; what it held is gone. Where f has an argument `out`
    of its own, that one is meant.
    """
    from chainrule.api import jit as compiling  # loaded when first asked for

    return compiling.jit(f, donate)


def gate(
    f: Callable[..., Any] | None = None, *, local: Callable[..., Any] | None = None,
    vjp: Callable[..., Any] | None = None, name: str | None = None, symbol: str = "",
    words: str = "", samples: Sequence[Any] = (), kinks: Callable[..., bool] | None = None,
) -> Any:
    """A gate made from a function and its local gradient: one stage, drawn and checked as any.

        @cr.gate(local=lambda x, y, out: (y, x))
        def area(x, y):
            return x * y

    local: called with the inputs and the output, gives one partial for each input. vjp: called with
    the output's gradient before them, gives what each input gets. Both in plain NumPy. Without
    them the gate is differentiated through the function's own stages. The function's positional
    parameters are the inputs, its keyword-only ones settings (numbers, strings, tuples).
    words: what it does to the gradient, with {x}, {out}, {dout}. samples: typical values of its
    inputs. kinks: says of inputs whether the partial jumps there.
    """
    from chainrule.api.user_gates import make_gate  # loaded when first asked for

    said = dict(local=local, vjp=vjp, name=name, symbol=symbol, words=words, samples=samples,
                kinks=kinks)
    return (lambda f: make_gate(f, **said)) if f is None else make_gate(f, **said)


def group(
    f: Callable[..., Any] | None = None, *, local: Callable[..., Any] | None = None,
    name: str | None = None, symbol: str = "", words: str = "",
) -> Any:
    """A function drawn and differentiated as one gate, while its stages stay in the circuit.

    Without local= its gradient comes from its own stages; with it, from that rule, as in `gate`.
    The function gives one number or array. Groups lie inside one another as the functions do.
    """
    from chainrule.api.groups import UserGroup  # loaded when first asked for

    said: dict[str, Any] = {"local": local, "name": name, "symbol": symbol, "words": words}
    return (lambda f: UserGroup(f, **said)) if f is None else UserGroup(f, **said)


def stop_gradient(x: Any) -> Any:
    """x as it is, with nothing flowing back through it: a number, an array, or a nest of them.

    What it stops is a constant to every derivative, forward and backward.
    """
    from chainrule.api import derivatives  # loaded when first asked for

    return derivatives.stop_gradient(x)


_HOMES = {  # of the names above that are not defined here: their modules, loaded when asked for
    "Worked": "api.worked",
    "checkpoint": "trace.checkpoint",
    "grad": "api.eager",
    "hessian": "api.derivatives",
    "hvp": "api.derivatives",
    "jacobian": "api.derivatives",
    "jvp": "api.derivatives",
    "linearize": "api.derivatives",
    "value_and_grad": "api.eager",
    "vjp": "api.eager",
    "vmap": "api.vmap",
}


if not TYPE_CHECKING:  # a type checker reads the imports above, and finds misspelt names

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module 'chainrule' has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(f"chainrule.{_HOMES[name]}"), name)
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

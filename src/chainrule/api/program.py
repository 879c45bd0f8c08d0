"""The backward program of a structure seen again: built, simplified, printed tight, compiled."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from chainrule.backends.numpy import compile_source
from chainrule.circuit.circuit import NOTHING, Circuit
from chainrule.code.tight import tight_backward
from chainrule.transform.backward import with_backward
from chainrule.transform.simplify import simplify


def compiled(
    circuit: Circuit, seeded: bool, varying: Collection[int]
) -> Callable[[Sequence[Any], Any], tuple[Any, ...]]:
    """backward(values, dout) -> the gradient of each input, None for those that get none.

    seeded: dout is read; else it is 1. varying: constants whose number is read from `values`.
    """
    inputs = circuit.inputs
    done = with_backward(circuit, circuit.outputs[0], inputs, gradient_is_input=seeded)
    gradient = done.parts[0].gradient
    outputs = [gradient[w] for w in inputs if gradient[w] != NOTHING]
    short = simplify(done, outputs=outputs, parts=False, varying=varying)
    ends = iter(short.outputs)
    wanted = [next(ends) if gradient[w] != NOTHING else NOTHING for w in inputs]
    return compile_source(tight_backward(short, wanted, varying), "backward")

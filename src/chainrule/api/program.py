"""The backward program of a structure seen again: built, simplified, printed tight, compiled."""

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

from chainrule.backends.numpy import compile_source
from chainrule.circuit.circuit import NOTHING, Circuit
from chainrule.code.definitions import call_of, users_gates
from chainrule.code.names import RESERVED
from chainrule.code.tight import tight_backward
from chainrule.gates import quick
from chainrule.transform import quicken
from chainrule.transform.recorder import with_backward
from chainrule.transform.rewrite import rewrite
from chainrule.transform.simplify import simplify

OWN = re.compile(r"v\d*|dout|backward|quick|" + "|".join(RESERVED))  # names the program itself has


def compiled(
    circuit: Circuit, seeded: bool, varying: Collection[int]
) -> Callable[[Sequence[Any], Any], tuple[Any, ...]] | None:
    """backward(values, dout) -> the gradient of each input, None for those that get none.

    seeded: dout is read; else it is 1. varying: constants whose number is read from `values`.
    None where the names of users' gates would clash in the program.
    """
    inputs = circuit.inputs
    done = with_backward(circuit, circuit.outputs[0], inputs, gradient_is_input=seeded)
    gradient = done.parts[0].gradient
    outputs = [gradient[w] for w in inputs if gradient[w] != NOTHING]
    settings: Any = {"parts": False, "varying": varying}
    short = simplify(done, outputs=outputs, merge=True, **settings)
    short = rewrite(rewrite(short, quicken.rule, **settings), **settings)
    ends = iter(short.outputs)
    wanted = [next(ends) if gradient[w] != NOTHING else NOTHING for w in inputs]
    functions = {call_of(g): g for g in users_gates(short)}
    if len(functions) < len(users_gates(short)) or any(map(OWN.fullmatch, functions)):
        return None
    source = tight_backward(short, wanted, varying)
    return compile_source(source, "backward", {**functions, "quick": quick})

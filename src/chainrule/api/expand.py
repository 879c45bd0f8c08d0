"""What `w.expand()` does: a worked circuit in scalar gates."""

from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.backends import stepwise
from chainrule.circuit.circuit import NOTHING
from chainrule.transform.decompose import decomposed
from chainrule.transform.expand import expanded
from chainrule.transform.grouping import find_groups


def expand(w: Any, most: int) -> Any:
    """A worked circuit in scalar gates; see Worked.expand, which is above this module."""
    with np.errstate(all="ignore"):
        core, moved = decomposed(w.circuit.with_(groups=()))
        values = stepwise.run(core, w.inputs).values
        done = expanded(core, values, w.output_gradient, most)
    circuit = done.circuit

    def wires(tree: Any) -> Any:
        if isinstance(tree, int):
            return done.wires[moved[tree]].tolist()
        if isinstance(tree, dict):
            return {k: wires(v) for k, v in tree.items()}
        return type(tree)([wires(v) for v in tree]) if isinstance(tree, tuple | list) else tree

    inputs = [x for value in w.inputs for x in np.ravel(value)]
    plain = [
        float(x) if circuit.type_of(wire).weak else x
        for wire, x in zip(circuit.inputs, inputs, strict=True)
    ]
    groups = find_groups(circuit) if w.circuit.groups else ()
    def first(wire: int) -> int:
        return int(done.wires[moved[wire]].flat[0]) if wire in moved else NOTHING

    decisions = tuple(replace(d, wire=first(d.wire), taken=first(d.taken)) for d in w.decisions)
    return replace(
        w, circuit=circuit.with_(groups=groups), own=(), inputs=tuple(plain),
        arguments=tuple(replace(a, tree=wires(a.tree)) for a in w.arguments),
        output_gradient=type(w).output_gradient, decisions=decisions,
    )

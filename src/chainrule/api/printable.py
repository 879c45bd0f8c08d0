"""Circuits made ready to be printed: which users' gates are called, which written out."""

from chainrule.circuit.circuit import Circuit
from chainrule.circuit.record import Gate
from chainrule.code.definitions import bound_names, call_of, users_gates
from chainrule.code.names import RESERVED
from chainrule.errors import UnsupportedError
from chainrule.transform.opened import opened


def printable(circuit: Circuit) -> Circuit:
    """The circuit with those users' gates opened whose functions cannot stand above a program, and
    those that are differentiated through their stages.

    A gate that cannot be opened either is left: the program then takes its function as an argument.
    Raises UnsupportedError where two such gates have one name.
    """
    called: dict[str, Gate] = {}
    bound: dict[str, str] = {}
    written: list[Gate] = []
    for gate in users_gates(circuit):
        fits = all(bound.get(n, line) == line for n, line in bound_names(gate).items())
        is_free = call_of(gate) not in (*called, *bound, *RESERVED)
        if gate.definition and not gate.through_body and fits and is_free:
            called[call_of(gate)] = gate
            bound |= bound_names(gate)
        else:
            written.append(gate)
    for gate in written:
        try:
            circuit = opened(circuit, lambda g, wanted=gate: g is wanted)  # type: ignore[misc]  # mypy knows no defaults of lambdas
        except UnsupportedError:
            if call_of(gate) in (*called, *RESERVED):
                raise UnsupportedError(
                    f"a program can call only one function {call_of(gate)}, and this gate is "
                    "another; give its function another name"
                ) from None
            called[call_of(gate)] = gate
    return circuit

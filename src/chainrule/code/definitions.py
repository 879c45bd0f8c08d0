"""Users' gates in a printed program: their definitions, and the names these stand on."""

import re

from chainrule.circuit.circuit import Circuit
from chainrule.circuit.record import KINDS, Gate


def called_names(circuit: Circuit) -> list[str]:
    """Names that a program of this circuit gives to users' gates and what they read."""
    return [name for gate in users_gates(circuit) for name in (call_of(gate), *bound_names(gate))]


def bound_names(gate: Gate) -> dict[str, str]:
    """The variables that stand above a gate's definition, and the line that makes each."""
    lines = gate.definition.partition("def ")[0].splitlines()
    return {
        line.split()[-1] if "import " in line else line.split()[0]: line for line in lines if line
    }


def users_gates(circuit: Circuit) -> list[Gate]:
    """The users' gates of a circuit, each once."""
    gates = dict.fromkeys(KINDS[k].gate for k in dict.fromkeys(circuit.kind))
    return [gate for gate in gates if gate.family == "user"]


def call_of(gate: Gate) -> str:
    """The name by which a program calls the function of a user's gate."""
    template = gate.code if isinstance(gate.code, str) else gate.code({}, ())
    return template.partition("(")[0]


def definitions(circuit: Circuit, body: str) -> tuple[list[str], list[str]]:
    """Lines to print above a program that calls users' gates, and the names it must be given."""
    imports: dict[str, None] = {}
    functions: list[str] = []
    missing: list[str] = []
    for gate in users_gates(circuit):
        name = call_of(gate)
        if not re.search(rf"\b{name}\(", body):
            continue
        if not gate.definition:
            missing.append(name)
            continue
        imports |= dict.fromkeys(bound_names(gate).values())
        functions += ["", "", *f"def {gate.definition.split('def ', 1)[1]}".splitlines()]
    return [*imports, *functions], missing

"""What should notice a mutant: the contract every gate meets, and the verdict a user asks for."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.circuit.record import Gate
from scripts.mutants.rules import Mutant, cases, real
from tests.gates.test_contract import assert_derivative
from tests.gates.test_guards import assert_guarded, assert_partials


def noticed(mutant: Mutant) -> dict[str, bool]:
    """Which of the judges that go by this rule see that it is wrong, by the judge's name."""
    used = "vjp" if mutant.gate.vjp is not None else "local"
    seen = {}
    with mutant.in_place(), np.errstate(all="ignore"):
        if mutant.field != "recognised_local":
            seen["contract"] = contract_fails(mutant)
        if mutant.field in (used, "recognised_local"):
            seen["verdict"] = verdict_names(mutant)
    return seen


def contract_fails(mutant: Mutant) -> bool:
    """True when the contract's test of the rule that is wrong turns red."""
    gate = mutant.gate
    try:
        if mutant.field == "mask":
            assert_guarded(gate)
        elif mutant.field == "local" and gate.vjp is not None:
            assert_partials(gate)
        else:
            assert_derivative(gate)
    except Exception:  # a wrong rule may fail in any way
        return True
    return False


def verdict_names(mutant: Mutant) -> bool:
    """True when the verdict on some circuit calls this gate, or its group, wrong by its name."""
    if mutant.field == "recognised_local":
        return any(_names(mutant.gate, "group", w) for w in spelled_out(mutant.gate))
    return any(_names(mutant.gate, "gate", w) for w in circuits_of(mutant.gate))


def _names(gate: Gate, kind: str, worked: Callable[[], cr.Worked]) -> bool:
    try:
        wrong = worked().check().wrong
    except Exception:  # a wrong rule may fail in any way
        return True
    return any(f.kind == kind and f.subject == gate.name for f in wrong)


def spelled_out(gate: Gate) -> Iterator[Callable[[], cr.Worked]]:
    """The gate as users write it with other gates, at each of its samples."""
    for sample, _ in cases(gate):
        for spelling in gate.spellings:
            yield lambda spelling=spelling, sample=sample: cr.circuit(spelling)(*sample)


def circuits_of(gate: Gate) -> Iterator[Callable[[], cr.Worked]]:
    """The gate alone in a circuit, at each of its samples, for two output gradients."""
    rng = np.random.default_rng(7)
    for sample, attrs in cases(gate):
        places = real(sample)

        def f(*chosen: Any, sample: Any = sample, attrs: Any = attrs, places: Any = places) -> Any:
            operands = list(sample)
            for place, x in zip(places, chosen, strict=True):
                operands[place] = x
            return gate(*operands, **attrs)

        given = [sample[i] for i in places]
        shape = np.shape(gate.compute(sample, attrs))
        drawn = rng.uniform(5, 15, shape) * rng.choice([-1, 1], shape)
        for dout in (drawn, -drawn):
            yield lambda f=f, given=given, dout=dout: cr.circuit(f)(
                *given, output_grad=dout if np.shape(dout) else float(dout)
            )

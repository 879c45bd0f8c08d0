"""A library made wrong on purpose is found out: by the contract, and by a user's own check.

scripts/mutants makes every change to every rule that is easily made by mistake, about 2,000 in
all, and lists those that change nothing; `python -m scripts.mutants` prints the table.
"""

import pytest

from chainrule.circuit.record import differentiable_gates
from scripts.mutants import engine
from scripts.mutants.equivalent import reason
from scripts.mutants.judges import contract_fails, noticed
from scripts.mutants.rules import mutants_of

CATALOGUE = [g for g in differentiable_gates() if g.samples]


@pytest.mark.parametrize("gate", CATALOGUE, ids=lambda g: g.name)
def test_every_wrong_rule_is_found(gate):
    survivors = [
        str(mutant) for mutant in mutants_of(gate)
        if not all(noticed(mutant).values()) and reason(mutant) is None
    ]
    assert survivors == []


def test_each_gate_has_mutants():
    few = {g.name for g in CATALOGUE if len(list(mutants_of(g))) < 5}
    assert few == {"sign", "floor", "ceil", "trunc", "rint", "floor_divide"}  # flat everywhere


@pytest.mark.parametrize("mutant", engine.ENGINE, ids=str)
def test_every_wrong_step_of_the_engine_is_found(mutant):
    right = engine.gradients()
    assert not engine.gradients_differ(right)
    with mutant.in_place():
        assert engine.gradients_differ(right)
        assert engine.verdict_fails() or reason(mutant)
    assert not engine.verdict_fails()


def test_the_library_is_right_again_after_a_mutant():
    for mutant in mutants_of(CATALOGUE[0]):
        with mutant.in_place():
            pass
        assert not contract_fails(mutant)

"""Random circuits of writes, moves and reads: machine code has the bits of stepwise."""

import numpy as np
import pytest

from chainrule.backends import stepwise
from scripts.random_writes import random_circuit
from scripts.together import together

SOME = 20  # circuits compiled as one module


@pytest.mark.parametrize("begin", range(0, 600, SOME))
def test_nothing_is_written_over_that_is_read_once_more(begin):
    some = [random_circuit(seed) for seed in range(begin, begin + SOME)]
    for seed, core in enumerate(together([c for c, _ in some]), begin):
        circuit, args = some[seed - begin]
        readings = stepwise.run(circuit, args)
        for wire, found in zip(circuit.outputs, core(*args), strict=True):
            assert np.array_equal(found, readings.value(wire)), f"seed {seed}"

"""Random circuits of arrays: code for every size of a batch gives the bits of code for each."""

import numpy as np
import pytest

from chainrule.backends.llvm.compiled import compiled
from chainrule.backends.llvm.programs import Programs
from scripts.random_arrays import inputs, random_program, recorded

SHAPES = {
    "n and n": lambda n: ((n,), (n,)), "n x 4 and 4": lambda n: ((n, 4), (4,)),
    "n x 3 and n x 3": lambda n: ((n, 3), (n, 3)), "n x 3 x 4": lambda n: ((n, 3, 4), (3, 1)),
    "3 x n": lambda n: ((3, n), (3, n)), "n x 5 and n x 1": lambda n: ((n, 5), (n, 1)),
    "n x n": lambda n: ((n, n), (n, n)), "2 x n x 3": lambda n: ((2, n, 3), (n, 1)),
}
SIZES = [64, 40, 23, 9, 3, 2]


@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
def test_one_program_for_every_size_gives_the_bits_of_one_for_each(shapes):
    for seed in range(8):
        rng, programs = np.random.default_rng(seed), Programs()
        program, dtype = random_program(rng), rng.choice([np.float64, np.float32])
        for n in rng.permutation(SIZES)[:4].tolist():
            args = inputs(shapes(n), seed, dtype)
            circuit = recorded(program, args)
            found, wanted = compiled(circuit, 0, programs)(*args), compiled(circuit, 0)(*args)
            for x, y in zip(found, wanted, strict=True):
                assert np.array_equal(x, y, equal_nan=True), f"seed {seed} at {n}"

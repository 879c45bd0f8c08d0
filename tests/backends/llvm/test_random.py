"""Random circuits of arrays: machine code agrees with stepwise, value and every gradient.

Two comparisons: of results, as far apart as what the stages between may add up to; and of each
stage by itself, on the numbers that machine code gave its inputs, within the ulps documented.
"""

import numpy as np
import pytest

from chainrule.backends import stepwise
from chainrule.backends.llvm import functions, loops
from chainrule.errors import ChainruleError
from scripts.random_arrays import SHAPES, inputs, random_program, recorded
from scripts.together import together

SEEDS = range(112)  # of each shape and dtype: 2,016 circuits
SOME = 14  # compiled as one module
EVERY = 4  # one circuit of so many is compared stage by stage, and by its bits at both levels

# Units in the last place between machine code and stepwise for each stage (test_gates.py tells
# why); other elementwise gates agree in every bit. NumPy's own singles are up to 4 from the truth.
ULPS = {gate.name: 3 for gate in functions.ROWS} | {"exp": 2, "log": 2, "power": 3, "sigmoid": 5}
SINGLES = 4
FOLDS = {"sum", "dot", "prod", "cumsum", "matmul", "inner", "outer", "tensordot", "einsum"}


def cases(shapes, dtype):
    """(seed, program, circuit, inputs) of each seed."""
    for seed in SEEDS:
        program = random_program(np.random.default_rng(seed))
        args = inputs(shapes, seed, dtype)
        yield seed, program, recorded(program, args), args


def readings_of(circuit, args):
    with np.errstate(all="ignore"):
        return stepwise.run(circuit, args)


def misses(circuit, args, got):
    """What is wrong with the outputs of machine code; nothing where they agree."""
    readings = readings_of(circuit, args)
    rtol = 1e-9 if args[0].dtype == np.float64 else 2e-3
    largest = max(np.max(np.abs(x), initial=0) for x in args[:2])
    for w, x in zip(circuit.outputs, got, strict=True):
        wanted = readings.value(w)
        if (np.shape(x), np.asarray(x).dtype) != (np.shape(wanted), np.asarray(wanted).dtype):
            return f"{w}: {np.shape(x)} and not {np.shape(wanted)}"
        scale = max(float(np.max(np.abs(wanted), initial=0)), 1e-5 * float(largest))
        if np.isfinite(scale) and not np.all(np.abs(x - wanted) <= rtol * scale):
            return f"{w}: {x} and not {wanted}"
    return ""


def stage_misses(circuit, got):
    """The first stage whose number is not its gate's, on the inputs that machine code gave it."""
    for row in range(len(circuit)):
        if circuit.is_leaf(row):
            continue
        kind, operands = circuit.kind_of(row), [got[w] for w in circuit.operands(row)]
        with np.errstate(all="ignore"):
            wanted = np.asarray(kind.compute(operands))
            room = np.asarray(allowed(kind, operands, wanted))
            ok = (got[row] == wanted) | (wanted != wanted) & (got[row] != got[row])
            if room.any():
                ok |= abs(got[row] - wanted) <= room
            if not np.all(ok):
                where = np.unravel_index(np.argmin(ok), np.shape(ok))
                return (f"row {row}, {kind.gate.name} {kind.attrs}: {np.asarray(got[row])[where]} "
                        f"and not {wanted[where]} at {list(map(int, where))}")
    return ""


def allowed(kind, operands, wanted):
    """How far machine code may be from a gate's value."""
    if wanted.dtype.kind != "f":
        return 0
    name, eps = kind.gate.name, np.finfo(wanted.dtype).eps
    if name.partition("_")[0] in FOLDS:  # any order of adding up
        sizes = kind.compute([np.abs(x) for x in operands])
        return 2 * eps * max(np.size(x) for x in operands) * sizes
    if kind.gate.family == "elementwise":
        ulps = ULPS.get(name, 0)
        return (ulps + SINGLES * (ulps > 0 and eps > 1e-10)) * np.spacing(np.abs(wanted))
    if kind.gate.decompose is not None and kind.gate.family != "move":
        return 64 * eps * max(np.max(np.abs(x), initial=1) for x in [*operands, wanted])
    return 0


def bits(x):
    """All bits of an array; of nan only that it is one."""
    x = np.asarray(x)
    return np.where(x != x, np.nan, x).astype(x.dtype).tobytes()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_machine_code_agrees_with_stepwise(shapes, dtype):
    every = list(cases(shapes, dtype))
    for begin in range(0, len(every), SOME):
        some = every[begin : begin + SOME]
        cores = together([circuit for *_, circuit, _ in some])
        for core, (seed, program, circuit, args) in zip(cores, some, strict=True):
            wrong = misses(circuit, args, core(*args))
            assert not wrong, f"seed {seed}, {shortened(program, args)}: {wrong}"


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_each_stage_agrees_within_its_ulps_and_in_every_bit_at_both_levels(
    shapes, dtype, monkeypatch
):
    monkeypatch.setattr(loops, "LONG", 1)  # level 0 takes two vectors at once
    every = [(seed, c.with_(outputs=tuple(range(len(c)))), a)
             for seed, _, c, a in list(cases(shapes, dtype))[::EVERY]]
    for begin in range(0, len(every), SOME):
        some = every[begin : begin + SOME]
        circuits = [c for _, c, _ in some]
        quick, good = together(circuits, 0, at_once=2), together(circuits, 1)
        for one, other, (seed, circuit, args) in zip(quick, good, some, strict=True):
            first, second = one(*args), other(*args)
            assert list(map(bits, first)) == list(map(bits, second)), f"seed {seed}"
            wrong = stage_misses(circuit, second)
            assert not wrong, f"seed {seed}: {wrong}"


def shortened(program, args):
    """The program without the steps that the disagreement does not need."""
    steps = list(program)
    for k in reversed(range(len(steps))):
        fewer = steps[:k] + steps[k + 1 :]
        try:
            circuit = recorded(fewer, args)
            if misses(circuit, args, together([circuit])[0](*args)):
                steps = fewer
        except ChainruleError:
            continue
    return steps

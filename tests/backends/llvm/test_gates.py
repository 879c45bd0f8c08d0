"""Machine code agrees with stepwise gate by gate, and with itself at every level."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.backends.llvm import entropy, functions, gamma, normal
from chainrule.backends.llvm.call import CompiledNumbers
from chainrule.backends.llvm.elementwise import ROWS
from chainrule.circuit.builder import Builder
from chainrule.circuit.record import catalogue
from chainrule.circuit.types import FLOAT, INT, TYPES, Type, type_id
from chainrule.errors import UnsupportedError
from chainrule.gates.choose import clip, minimum, relu
from chainrule.gates.elementwise import exp, log, maximum, power, where
from chainrule.gates.functions import (
    abs_,
    floor,
    floor_divide,
    reciprocal,
    remainder,
    rint,
    sign,
    square,
)
from chainrule.gates.handle import Handle
from chainrule.gates.sigmoid import sigmoid
from chainrule.gates.stable import logaddexp, softplus

# Units in the last place between machine code and stepwise: at most this far apart, as each is
# at most half as far from the true value. Gates that are not here agree in every bit.
ULPS = {g: 3 for g in functions.ROWS} | {exp: 2, log: 2, power: 3, sigmoid: 5, softplus: 4}
# max(-0.0, 0.0) is either: NumPy's choice differs between processors; math.floor and its kin lose
# the sign of zero, which NumPy and the machine keep.
EITHER_ZERO = {"maximum", "minimum", "clip", "relu", "floor", "ceil", "trunc", "rint"}
FLAGS_ONLY = {"bitwise_and", "bitwise_or", "invert"}
# SciPy's own have fewer digits than ours; test_functions.py measures both levels of those.
SCIPYS = {"polygamma", *normal.FUNCTIONS, *gamma.FUNCTIONS, *entropy.FUNCTIONS}
ELEMENTWISE = [g for g in catalogue() if g.family == "elementwise"]
COMPUTING = [g for g in ELEMENTWISE if g in ROWS and g.name not in SCIPYS]
VALUES = (-np.inf, -2.5, -1.0, -0.0, 0.0, 1e-310, 0.5, 1.0, 3.0, 1e300, np.inf, np.nan)
BOOL, STRONG_BOOL = TYPES[type_id(True)], TYPES[type_id(np.True_)]
STRONG = Type((), np.dtype(np.float64))


def is_number_sample(sample):
    return all(np.shape(x) == () for x in sample)


@pytest.mark.parametrize("gate", COMPUTING, ids=lambda g: g.name)
@pytest.mark.parametrize("kind", [TYPES[FLOAT], STRONG], ids=str)
def test_a_gate_agrees_with_stepwise(machine, gate, kind):
    flag = BOOL if kind.weak else STRONG_BOOL
    types = [
        flag if name == "condition" or gate.name in FLAGS_ONLY else kind for name in gate.inputs
    ]
    run = CompiledNumbers(machine.circuit(gate, types, {}))
    for operands in itertools.product(*(_values(t) for t in types)):
        with np.errstate(all="ignore"):
            wanted = gate.compute(operands, {}) if kind.weak else gate.evaluate(*operands)
        (got,) = run(*operands)
        if gate.name in EITHER_ZERO and got == wanted == 0:
            continue
        if cancels(gate, operands, got, wanted):
            continue
        assert machine.ulps_apart(got, wanted) <= ULPS.get(gate, 0), (operands, got, wanted)
        assert type(got) is (type(wanted) if kind.weak else type(wanted[()]))


def cancels(gate, operands, got, wanted):
    """Within units of the larger operand, for logaddexp: its two terms may cancel."""
    size = max(map(abs, operands))
    return gate is logaddexp and size < np.inf and abs(got - wanted) <= 4 * math.ulp(size)


def _values(t):
    values = (True, False) if t.dtype.kind == "b" else VALUES
    return values if t.weak else tuple(map(t.dtype.type, values))


@pytest.mark.parametrize("gate", [g for g in ROWS if g.sample_attrs], ids=lambda g: g.name)
def test_a_row_agrees_on_the_samples_of_its_gate(machine, gate):
    for sample in filter(is_number_sample, gate.samples):
        types = [TYPES[type_id(x)] for x in sample]
        run = CompiledNumbers(machine.circuit(gate, types, gate.sample_attrs[0]))
        wanted = gate.compute(sample, gate.sample_attrs[0])
        most = 8 if gate.name in SCIPYS else ULPS.get(gate, 0)
        assert machine.ulps_apart(run(*sample)[0], wanted) <= most


LEAST, MOST = -(2**63), 2**63 - 1
WHOLE = Type((), np.dtype(np.int64))


@pytest.mark.parametrize("gate", [floor_divide, remainder], ids=lambda g: g.name)
@pytest.mark.parametrize("level", [0, 1])
def test_whole_numbers_are_divided_as_in_numpy(machine, gate, level):
    run = CompiledNumbers(machine.circuit(gate, [WHOLE, WHOLE], {}), level)
    b = Builder("known")
    y = Handle(b, b.input(WHOLE, "y"))
    values = [np.int64(n) for n in (LEAST, LEAST + 1, -7, -2, -1, 0, 1, 3, 8, MOST)]
    known = CompiledNumbers(b.build([gate(y, n).wire for n in values]), level)
    for x in values:
        with np.errstate(all="ignore"):  # machine code says nothing of x // 0, here as elsewhere
            wanted = [gate.evaluate(x, n) for n in values]
        assert [run(x, n)[0] for n in values] == known(x) == wanted
        assert type(run(x, x)[0]) is np.int64


def test_powers_of_whole_numbers_by_a_known_one_keep_their_last_64_bits(machine):
    b = Builder("powers")
    x = Handle(b, b.input(WHOLE, "x"))
    exponents = [0, 1, 2, 3, 4, 5, 62, 63, 64, 100]
    run = CompiledNumbers(b.build([power(x, n).wire for n in exponents]))
    for n in map(np.int64, (LEAST, -3, -2, -1, 0, 1, 2, 7, MOST)):
        assert run(n) == [n**k for k in exponents]


def test_reciprocals_of_whole_numbers(machine):
    run = CompiledNumbers(machine.circuit(reciprocal, [WHOLE], {}))
    assert [run(np.int64(n))[0] for n in (LEAST, -2, -1, 1, 2, 3)] == [0, 0, -1, 1, 0, 0]
    assert run(np.int64(0)) == [LEAST]


@pytest.mark.parametrize("gate", [floor_divide, remainder, reciprocal, power], ids=lambda g: g.name)
def test_whole_numbers_that_may_give_real_ones_are_refused_by_name(machine, gate):
    kind = WHOLE if gate is power else TYPES[INT]  # 7 // 0 is inf for Python's, 2 ** -1 is 0.5
    with pytest.raises(UnsupportedError, match=f"{gate.name} of whole numbers may raise"):
        CompiledNumbers(machine.circuit(gate, [kind] * len(gate.inputs), {}))


WHOLES = (abs_, sign, square, relu, minimum, maximum, clip, floor, rint)


@pytest.mark.parametrize("gate", WHOLES, ids=lambda g: g.name)
def test_whole_numbers_stay_whole(machine, gate):
    run = CompiledNumbers(machine.circuit(gate, [WHOLE] * len(gate.inputs), {}))
    for operands in itertools.product((-7, -1, 0, 3), repeat=len(gate.inputs)):
        operands = [np.int64(x) for x in operands]
        (got,), wanted = run(*operands), gate.evaluate(*operands)
        assert (got, type(got)) == (wanted, type(wanted))


def test_moving_gates_pass_single_numbers_on():
    b = Builder("moves")
    x = Handle(b, b.input(STRONG, "x"))
    gates = {g.name: g for g in ROWS}
    moved = [
        gates["alias"](x), gates["reshape"](x, shape=()), gates["broadcast_to"](x, shape=()),
        gates["transpose"](x, axes=()), gates["sum"](x, axis=None, keepdims=False),
        gates["cast"](x, dtype="float64"), gates["cast"](x, dtype="bool"),
    ]
    run = CompiledNumbers(b.build([m.wire for m in moved]))
    assert run(np.float64(2.5)) == [2.5] * 6 + [True]
    assert run(np.float64(np.nan))[-1] is np.True_


def test_whole_numbers_and_flags_count_as_in_python():
    b = Builder("count")
    x, y = (Handle(b, b.input(TYPES[FLOAT], n)) for n in "xy")
    gates = {g.name: g for g in ROWS}
    up, down = x > 0, y > 0
    n = where(up, 3, 4)
    outputs = [up + down, up * 2 - down, -n, n / 2, n * x, gates["maximum"](n, 4), n == 4]
    run = CompiledNumbers(b.build([o.wire for o in outputs]))
    for values in ((1.0, 1.0), (1.0, -1.0), (-1.0, 0.5)):
        (a, c), k = (v > 0 for v in values), 3 if values[0] > 0 else 4
        wanted = [a + c, a * 2 - c, -k, k / 2, k * values[0], max(k, 4), k == 4]
        assert run(*values) == wanted
        assert [type(v) for v in run(*values)] == [type(v) for v in wanted]


# ---- random circuits

FLOATS = st.floats(allow_nan=True, allow_infinity=True, allow_subnormal=True) | st.floats(-4, 4)
LITERALS = st.sampled_from([0, 1, 2, 3, -1, 0.5, -2.0, 0.0])
PICKS = [g for g in COMPUTING if g is not where and g.name not in FLAGS_ONLY]


@st.composite
def circuits(draw):
    """A random circuit of numbers: all its wires are outputs."""
    b = Builder("random")
    t = draw(st.sampled_from([TYPES[FLOAT], STRONG]))
    reals = [Handle(b, b.input(t, "x")), Handle(b, b.input(t, "y"))]
    flags = []
    for _ in range(draw(st.integers(1, 12))):
        gate = draw(st.sampled_from([*PICKS, where] if flags else PICKS))
        operands = [
            draw(st.sampled_from(flags)) if name == "condition"
            else draw(st.sampled_from(reals) | LITERALS) if i else draw(st.sampled_from(reals))
            for i, name in enumerate(gate.inputs)
        ]
        if gate is where and not isinstance(operands[1], Handle):
            operands[1] = reals[0]
        out = gate(*operands)
        (flags if out.type.dtype.kind == "b" else reals).append(out)
    return b.build(range(len(b)))


def is_close(circuit, row, got):
    """One stage against its gate computed on the machine's own operands."""
    kind = circuit.kind_of(row)
    operands = [got[w] for w in circuit.operands(row)]
    wanted = kind.compute(operands)
    if cancels(kind.gate, operands, got[row], wanted):
        return True
    is_nan = got[row] != got[row] and wanted != wanted
    return is_nan or abs(_place(got[row]) - _place(wanted)) <= ULPS.get(kind.gate, 0)


def _place(x):
    """Where a double stands in the order of all doubles; nan beyond them."""
    if x != x:
        return math.inf
    bits = int(np.float64(x).view(np.int64))
    return bits if bits >= 0 else -(bits & 0x7FFF_FFFF_FFFF_FFFF)


@settings(max_examples=300, deadline=None)
@given(circuits(), FLOATS, FLOATS)
def test_random_circuits_agree_with_stepwise_and_at_both_levels(circuit, x, y):
    number = float if circuit.type_of(0).weak else np.float64
    inputs = (number(x), number(y))
    got, quick = CompiledNumbers(circuit)(*inputs), CompiledNumbers(circuit, level=0)(*inputs)
    assert [_bits(v) for v in got] == [_bits(v) for v in quick]
    with np.errstate(all="ignore"):
        for row in range(len(circuit)):
            assert circuit.is_leaf(row) or is_close(circuit, row, got), row


def _bits(x):
    """All bits of a number; of nan only that it is one, since processors choose its sign."""
    return "nan" if x != x else np.float64(x).tobytes()


def test_both_levels_agree_bit_for_bit_where_a_fused_multiply_add_would_differ():
    b = Builder("sums")
    x, y, z = (Handle(b, b.input(TYPES[FLOAT], n)) for n in "xyz")
    circuit = b.build([(x * y + z).wire, (x * y - z * z).wire, (exp(x) * y + log(z)).wire])
    levels = [CompiledNumbers(circuit, level) for level in (0, 1)]
    rng = np.random.default_rng(8)
    for _ in range(500):
        x, y = map(float, rng.normal(size=2))
        z = abs(x * y) or 1.0
        first, second = (run(x, y, z) for run in levels)
        assert list(map(_bits, first)) == list(map(_bits, second))
        assert first[:2] == [x * y + z, x * y - z * z]

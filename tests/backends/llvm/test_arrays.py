"""Machine code for arrays agrees with stepwise: every gate, its gradients, layouts and sizes."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.api.recorded import record
from chainrule.backends import stepwise
from chainrule.backends.llvm import arrays
from chainrule.backends.llvm.compiled import compiled
from chainrule.backends.llvm.dtypes import NUMBERS, SHORT
from chainrule.circuit.builder import Builder
from chainrule.circuit.record import catalogue
from chainrule.circuit.types import TYPES, type_id
from chainrule.errors import UnsupportedError
from chainrule.gates.elementwise import power
from chainrule.gates.handle import Handle
from chainrule.trace.names import with_names
from chainrule.transform.recorder import with_backward

# Gates whose array form is still to be written, refused by name.
WITHOUT = {
    "nonzero",
}
SIZES = (0, 1, 7, 16, 33, 100)  # lanes are 16 doubles or 32 singles


def widened(sample, size):
    """A sample of numbers as arrays of so many, each number a little different."""
    return [
        np.asarray(x) + np.linspace(0, 1e-3, size) if np.result_type(x).kind == "f"
        else np.full(size, x) for x in sample
    ]


def operand_lists(gate):
    for sample in gate.samples:
        if any(np.shape(x) for x in sample):
            yield [x if np.shape(x) else np.asarray(x)[()] for x in sample]
        elif gate.family == "elementwise":
            yield from (widened(sample, n) for n in SIZES)


CASES = [
    (gate, operands, attrs)
    for gate in catalogue() if gate.name not in WITHOUT and gate.family != "leaf"
    for operands in operand_lists(gate) for attrs in gate.sample_attrs
]


def with_gradients(gate, operands, attrs):
    """A circuit of one gate whose outputs are its value and its gradients, and what to give it."""
    b = Builder(gate.name)
    inputs = [Handle(b, b.input(TYPES[type_id(x)], f"x{i}")) for i, x in enumerate(operands)]
    out = gate(*inputs, **attrs)
    c = b.build([out.wire])
    t = c.type_of(out.wire)
    if not (gate.is_differentiable and t.is_inexact):
        return c, operands
    active = [h.wire for h in inputs if h.type.is_inexact]
    full = with_backward(c, out.wire, active, gradient_is_input=True)
    found = [full.parts[0].gradient[w] for w in active]
    dout = np.random.default_rng(0).normal(size=t.shape).astype(t.dtype)[()]
    return full.with_(outputs=(out.wire, *(w for w in found if w >= 0))), [*operands, dout]


def agree(got, wanted, rtol):
    for x, y in zip(got, wanted, strict=True):
        assert np.shape(x) == np.shape(y)
        assert np.asarray(x).dtype == np.asarray(y).dtype
        np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol * 1e-1, equal_nan=True)


def stepwise_outputs(circuit, given):
    with np.errstate(all="ignore"):
        readings = stepwise.run(circuit, given)
    return [readings.value(w) for w in circuit.outputs]


@pytest.mark.parametrize(
    ("gate", "operands", "attrs"), CASES,
    ids=[f"{g.name}-{i}" for i, (g, _, _) in enumerate(CASES)],
)
def test_every_gate_and_its_gradients(gate, operands, attrs):
    circuit, given = with_gradients(gate, operands, attrs)
    # the gradient of log_ndtr far out is exp of a difference of large numbers
    rtol = 1e-12 if gate.name == "log_ndtr" else 1e-13
    agree(compiled(circuit, whole=True)(*given), stepwise_outputs(circuit, given), rtol)


SINGLES = [c for c in CASES if all(np.asarray(x).dtype == np.float64 for x in c[1])][::3]


@pytest.mark.parametrize(
    ("gate", "operands", "attrs"), SINGLES,
    ids=[f"{g.name}-{i}" for i, (g, _, _) in enumerate(SINGLES)],
)
def test_singles_stay_singles(gate, operands, attrs):
    operands = [x.astype(np.float32) if np.shape(x) else np.float32(x) for x in operands]
    circuit, given = with_gradients(gate, operands, attrs)
    agree(compiled(circuit, whole=True)(*given), stepwise_outputs(circuit, given), 3e-5)


def whole_cases():
    """Each gate on whole numbers and on flags, where it takes them and gives no shorter ones."""
    for gate, operands, attrs in CASES:
        if gate.family == "elementwise" and np.shape(operands[0]) != (33,):
            continue
        for dtype in (np.int64, np.bool_):
            try:
                with np.errstate(all="ignore"):
                    given = [x.astype(dtype) if x.dtype.kind == "f" else x for x in operands]
                    found = np.asarray(gate.evaluate(*given, **attrs)).dtype
                stated = gate.infer([TYPES[type_id(x)] for x in given], **attrs).dtype
            except (TypeError, ValueError, UnsupportedError):
                continue
            if found == stated and found.name in NUMBERS and gate is not power:
                yield gate, given, attrs


WHOLES = list(whole_cases())


@pytest.mark.parametrize(
    ("gate", "operands", "attrs"), WHOLES,
    ids=[f"{g.name}-{i}" for i, (g, _, _) in enumerate(WHOLES)],
)
def test_whole_numbers_and_flags(gate, operands, attrs):
    circuit, given = with_gradients(gate, operands, attrs)
    agree(compiled(circuit, whole=True)(*given), stepwise_outputs(circuit, given), 1e-13)


@pytest.mark.parametrize("name", sorted(WITHOUT))
def test_what_has_no_machine_code_yet_is_refused_by_name_or_called(name):
    gate = next(g for g in catalogue() if g.name == name)
    operands = list(operand_lists(gate))[-1]
    circuit, given = with_gradients(gate, operands, dict(gate.sample_attrs[0]))
    with pytest.raises(UnsupportedError, match=name):
        compiled(circuit, whole=True)
    try:
        code = compiled(circuit)
    except UnsupportedError:
        return  # nothing but calls would be left
    agree(code(*given), stepwise_outputs(circuit, given), 1e-13)


# ---- plans


def compiled_call(f, *args):
    done = record(f, args, {})
    return compiled(with_names(done.circuit, done.trace))


def test_a_chain_and_its_gradient_read_their_input_once():
    chain = lambda x: (np.exp(x) * np.tanh(x) + np.log(1 + x * x)).sum()
    plan = compiled_call(cr.value_and_grad(chain), np.linspace(-1, 1, 1000)).plan
    (nest,) = plan.items
    assert [str(x.view) for x in nest.loads] == ["x[i]"]
    assert plan.arena == 0


def test_a_cheap_value_is_computed_again_rather_than_stored():
    def f(x):
        shifted = x - 1
        return shifted / shifted.sum()

    plan = compiled_call(f, np.linspace(1, 2, 50)).plan
    assert [len(n.stores) for n in plan.items] == [0, 1]


def test_nothing_is_computed_again_from_a_copy_that_is_not_made_yet():
    def f(x):
        turned = x.T
        double = turned * 2
        return turned.reshape(3, 5), double * np.any(double > 1)  # in the nest that copies x.T

    for nest in compiled_call(f, np.ones((3, 5))).plan.items:
        assert {s.view.buffer for s in nest.stores}.isdisjoint(x.view.buffer for x in nest.loads)


def test_memory_is_used_again_once_it_is_free():
    def f(x):
        for _ in range(6):
            x = np.cumsum(x)
        return x

    assert compiled_call(f, np.ones(1000)).plan.arena <= 2 * 8000


def maximum_layer(x, W):
    return np.maximum(W @ x, 0).sum()


def test_a_plan_reads_as_text():
    plan = compiled_call(maximum_layer, np.ones(3), np.ones((2, 3))).plan
    line = maximum_layer.__code__.co_firstlineno + 1
    assert str(plan).splitlines() == [
        "plan maximum_layer: x, W -> w.5; 16 bytes between",
        "  nest [2, 3]",
        "    W.l1 = load W[3*i + j]",
        "    x.l2 = load x[j]",
        "    fold dot W.l1, x.l2 -> w.2.b3[i]",
        "  nest [2]",
        "    w.2.b3.l4 = load w.2.b3[i]",
        f"    w.4 = maximum(w.2.b3.l4, 0){' ' * 15}line {line}",
        "    fold sum w.4 -> w.5",
    ]


# ---- calls


def loss(W, X):
    return np.tanh(X @ W).sum(axis=1).max()


def test_strided_reversed_and_readonly_arrays_give_what_their_copies_give():
    rng = np.random.default_rng(1)
    W, X = rng.normal(size=(5, 4)), rng.normal(size=(6, 5))
    both = cr.value_and_grad(loss, (0, 1))
    code = compiled_call(both, W, X)
    wanted = code(W, X)
    wide = np.repeat(W, 2, axis=1)[:, ::2]
    back = X[::-1].copy()[::-1]
    locked = np.asfortranarray(X)
    locked.flags.writeable = False
    for given in ((wide, back), (W, locked)):
        for x, y in zip(code(*given), wanted, strict=True):
            assert np.array_equal(x, y)


@pytest.mark.parametrize("level", [0, 1])
def test_levels_of_code_generation_agree_bit_for_bit(level):
    rng = np.random.default_rng(2)
    args = rng.normal(size=(40, 9)), rng.normal(size=(33, 40))
    done = record(cr.value_and_grad(loss, (0, 1)), args, {})
    one, other = (compiled(done.circuit, n)(*args) for n in (1, level))
    assert all(np.asarray(x).tobytes() == np.asarray(y).tobytes()
               for x, y in zip(one, other, strict=True))


def test_memory_in_between_is_never_read_before_it_is_written(monkeypatch):
    rng = np.random.default_rng(3)
    args = rng.normal(size=(7, 3)), rng.normal(size=(11, 7))
    code = compiled_call(cr.value_and_grad(loss, (0, 1)), *args)
    wanted = code(*args)

    def poisoned(*given, **settings):
        return np.frombuffer(b"\xff" * np.zeros(*given, **settings).nbytes, settings.get(
            "dtype", given[1] if len(given) > 1 else float)).copy().reshape(given[0])

    fresh = compiled_call(cr.value_and_grad(loss, (0, 1)), *args)
    monkeypatch.setattr(arrays.np, "empty", poisoned)
    for x, y in zip(fresh(*args), wanted, strict=True):
        assert np.array_equal(x, y)


def test_results_have_memory_of_their_own():
    code = compiled_call(lambda x: (x, x * 1.0, x + 1), np.ones(4))
    x = np.ones(4)
    first, second, third = code(x)
    first += 5
    assert x.tolist() == second.tolist() == [1, 1, 1, 1] and third.tolist() == [2, 2, 2, 2]


def test_captured_arrays_are_read_at_each_call():
    scale = np.ones(3)
    run = cr.jit(lambda x: (x * scale).sum())
    for _ in range(3):
        assert run(np.arange(3.0)) == 3.0
    scale[:] = 2
    assert run(np.arange(3.0)) == 6.0


@pytest.mark.parametrize("scale", [np.ones((2, 3)).T, np.ones((3, 4))[:, ::2]])
def test_captured_arrays_with_gaps_are_read_at_each_call_too(scale):
    run = cr.jit(lambda x: x * scale)
    x, out = np.ones((3, 2)), np.empty((3, 2))
    call = run.bind(x, out=out)
    for n in range(2, 6):
        scale += 1
        call()
        assert run(x).tolist() == out.tolist() == [[n, n]] * 3


def test_a_captured_array_that_was_spread_is_read_where_its_numbers_lie():
    scale = np.ones((3, 1, 2))
    spread = np.broadcast_to(scale, (3, 4, 2))
    code = compiled_call(lambda x: x * spread, np.ones((3, 4, 2)))
    ((buffer, read),) = code.plan.constants
    assert buffer.size == 6 and np.shares_memory(read, scale)
    scale[:] = np.arange(6.0).reshape(3, 1, 2)
    assert np.array_equal(code(np.ones((3, 4, 2)))[0], spread)


def test_integer_arrays_are_inputs_too():
    run = cr.jit(cr.value_and_grad(lambda w, n: (w * n).sum()))
    for n in (1, 2, 3):
        value, gradient = run(np.ones(2), np.array([n, 10 * n]))
        assert value == 11 * n and gradient.tolist() == [n, 10 * n]


PLACES = np.array([[2, 0, 3], [1, 1, 4]])
SHORTS = {
    "pick": lambda x, i: x[i] * 2,
    "pick of a move": lambda x, i: x[np.flip(i.T, 0)[1:]] * x[i[0, :2]],
    "write": cr.grad(lambda x, i: np.sum(x[i] ** 2)),
    "take along": lambda x, i: np.take_along_axis(np.stack([x, -x]), i, 1),
    "one hot": lambda x, i: np.where(i[:, :, None] == np.arange(5), x, 0),
    "reals": lambda x, i: np.sum(i * x[:3], axis=1) - np.maximum(x[0], i[:, 1]),
    "folds": lambda x, i: (np.argmax(i, axis=1), np.any(i > 3), np.sum(i * 0.5)),
    "wider": lambda x, i: i.astype(np.int64) // 2 + np.arange(3) * i,
    "captured": lambda x, i: x[PLACES.astype(i.dtype)[:, ::-1]] + i,
}


@pytest.mark.parametrize("name", SHORTS)
@pytest.mark.parametrize("dtype", SHORT)
def test_short_whole_numbers_are_read(name, dtype):
    x, i = np.linspace(1, 2, 5), PLACES.astype(dtype)[:, ::-1]
    done = record(SHORTS[name], (x, i), {})
    wanted = stepwise_outputs(done.circuit, (x, i))
    agree(compiled(done.circuit, whole=True)(x, i), wanted, 1e-13)


def test_nothing_is_computed_in_short_whole_numbers():
    for f in (lambda i: i + i, lambda i: i[::-1], lambda i: i.astype(np.int16), np.mean):
        with pytest.raises(UnsupportedError, match=r"computes in float64.*int(16|32|64)"):
            compiled(record(f, (PLACES.astype(np.uint32),), {}).circuit, whole=True)


def test_a_place_is_picked_from_an_axis_of_one_number():
    run = cr.jit(cr.grad(lambda s, y: (s[np.arange(len(y)), y] ** 2).sum()))
    for _ in range(3):
        assert run(np.ones((1, 3)), np.array([2])).tolist() == [[0, 0, 2]]


def test_another_shape_is_another_signature():
    run = cr.jit(cr.grad(lambda x: (x * x).sum()))
    for n in (3, 3, 4, 4, 3):
        assert run(np.ones(n)).tolist() == [2.0] * n

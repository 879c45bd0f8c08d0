"""The contract every gate of the catalogue meets. A new gate is picked up by itself."""

import math
import re
from contextlib import contextmanager

import numpy as np
import pytest

import chainrule as cr
from chainrule.api.eager import forget
from chainrule.circuit.builder import Builder
from chainrule.circuit.record import Gate, catalogue, differentiable_gates
from chainrule.circuit.types import TYPES, type_id
from chainrule.errors import ShapeError
from chainrule.gates.handle import Handle

COMPUTING = [g for g in catalogue() if g.family != "leaf"]
DIFFERENTIABLE = list(differentiable_gates())


def cases(gate):
    """(gate, operands, attrs) for every sample of a gate's record."""
    for attrs in gate.sample_attrs:
        for sample in gate.samples:
            yield sample, attrs


def real(sample):
    """Positions of the operands that can have a gradient: no conditions, no arrays of indices."""
    return [i for i, x in enumerate(sample) if np.asarray(x).dtype.kind == "f" or type(x) is int]


def as_floats(sample):
    return [float(x) if isinstance(x, int) and not isinstance(x, bool) else x for x in sample]


def perturbed(gate, sample, attrs, index, direction, h):
    moved = as_floats(sample)
    moved[index] = moved[index] + h * direction
    return np.asarray(gate.compute(moved, attrs))


def pulled(gate, sample, attrs, dout):
    """The gradients of a gate's real operands for an output gradient, as a user gets them."""
    floats = as_floats(sample)
    places = real(sample)

    def f(*chosen):
        operands = list(floats)
        for place, x in zip(places, chosen, strict=True):
            operands[place] = x
        return gate(*operands, **attrs)

    value, pullback = cr.vjp(f, *(floats[i] for i in places))
    return value, pullback(dout)


def assert_derivative(gate):
    """Directional derivatives by every operand agree with central differences."""
    rng = np.random.default_rng(7)
    h = 1e-6
    for sample, attrs in cases(gate):
        if gate.kinks is not None and gate.kinks(*sample):
            continue
        shape = np.shape(gate.compute(as_floats(sample), attrs))
        drawn = rng.uniform(5, 15, shape) * rng.choice([-1, 1], shape)
        for dout in (drawn, -drawn):  # no operand can pass for both
            _, gradients = pulled(gate, sample, attrs, dout if dout.shape else float(dout))
            for index, gradient in zip(real(sample), gradients, strict=True):
                direction = rng.normal(size=np.shape(sample[index]))
                ends = [perturbed(gate, sample, attrs, index, direction, s * h) for s in (1, -1)]
                slope = np.sum(dout * (ends[0] - ends[1])) / (2 * h)
                assert np.shape(gradient) == np.shape(sample[index])
                assert np.sum(gradient * direction) == pytest.approx(slope, rel=1e-6, abs=1e-7), (
                    f"{gate.name} by {gate.inputs[index]} at {sample}"
                )


@pytest.mark.parametrize("gate", COMPUTING, ids=lambda g: g.name)
def test_the_type_rule_foretells_the_value(gate):
    for sample, attrs in cases(gate):
        for cast in (lambda x: x, lambda x: np.asarray(x, np.float32)[()]):
            operands = [cast(x) if i in real(sample) else x for i, x in enumerate(sample)]
            if gate.name == "cast":
                operands = sample
            value = gate.compute(operands, attrs)
            wanted = gate.infer([TYPES[type_id(x)] for x in operands], **attrs)
            assert (np.shape(value), np.asarray(value).dtype) == (wanted.shape, wanted.dtype)


@pytest.mark.parametrize("gate", DIFFERENTIABLE, ids=lambda g: g.name)
def test_the_derivative_agrees_with_differences(gate):
    assert_derivative(gate)


@pytest.mark.parametrize("gate", DIFFERENTIABLE, ids=lambda g: g.name)
def test_the_second_derivative_agrees_with_differences_of_the_first(gate):
    rng = np.random.default_rng(3)
    h = 1e-6
    for sample, attrs in cases(gate):
        if gate.kinks is not None and gate.kinks(*sample):
            continue
        floats = as_floats(sample)
        for index in real(sample):
            direction = rng.normal(size=np.shape(sample[index]))

            def along(t, floats=floats, index=index, direction=direction, attrs=attrs):
                def f(x):
                    operands = list(floats)
                    operands[index] = x
                    out = gate(*operands, **attrs)
                    return total(out * out)

                gradient = cr.grad(f)(floats[index] + t * direction)
                return total(gradient * direction)

            slope = (along(h) - along(-h)) / (2 * h)
            assert cr.grad(along)(0.0) == pytest.approx(slope, rel=1e-5, abs=1e-5)


def total(x):
    return np.sum(x) if np.shape(x) else x


def test_a_negative_base_to_a_whole_power():
    assert cr.grad(lambda x: x**3)(-1.5) == 6.75
    assert cr.grad(lambda x: x**0)(0.0) == 0.0


@pytest.mark.parametrize("gate", COMPUTING, ids=lambda g: g.name)
def test_the_printed_code_computes_the_value(gate):
    from scipy import special

    from chainrule.code.expression import Text, apply, change

    for sample, attrs in cases(gate):
        b = Builder()
        handles = [Handle(b, b.input(TYPES[type_id(x)])) for x in sample]
        circuit = b.build([gate(*handles, **attrs).wire])
        kind = circuit.kind_of(circuit.outputs[0])
        names = [f"a{i}" for i in range(len(sample))]
        texts = [Text(n, 18) for n in names]
        space = {"np": np, "math": math, "special": special}
        space |= dict(zip(names, sample, strict=True))
        value = gate.compute(sample, attrs)
        if gate.statement:  # it changes its first input
            space["a0"] = np.array(sample[0])
            exec(change(kind, texts), space)
            np.testing.assert_array_equal(space["a0"], value)
        else:
            source = apply(kind, texts, list(sample)).source
            np.testing.assert_array_equal(eval(source, space), value)


@pytest.mark.parametrize("gate", COMPUTING, ids=lambda g: g.name)
def test_every_gate_has_samples_and_words(gate):
    assert gate.samples
    known = {*gate.inputs, "out", "dout", "inputs"}
    assert gate.words and set(re.findall(r"{(\w+)}", gate.words)) <= known


@pytest.mark.parametrize("gate", [g for g in catalogue() if g.error_samples], ids=lambda g: g.name)
def test_shapes_that_do_not_fit_are_refused_with_both_shapes(gate):
    for sample in gate.error_samples:
        with pytest.raises(ShapeError) as caught:
            gate.infer([TYPES[type_id(x)] for x in sample], **gate.sample_attrs[0])
        for x in sample:
            assert str(list(np.shape(x))) in str(caught.value)


@pytest.mark.parametrize("gate", [g for g in catalogue() if g.decompose], ids=lambda g: g.name)
def test_a_compound_gate_equals_its_decomposition_and_its_spellings(gate):
    for sample, attrs in cases(gate):
        for same in (gate.decompose, *gate.spellings):
            assert same(*sample, **attrs) == pytest.approx(gate.compute(sample, attrs), rel=1e-15)


# ---- vmap is a loop


def copies(x, count=3):
    """A sample operand for several examples: numbers a little apart, flags and places rolled."""
    x = np.asarray(x, float) if x.__class__ is int else np.asarray(x)
    if x.dtype.kind == "f":
        return np.stack([x * x.dtype.type(1 + 0.03 * n) for n in range(count)])
    if not x.ndim:
        return np.array([bool(x) ^ (n == 1) for n in range(count)])
    return np.stack([np.roll(x, n, axis=-1) for n in range(count)])


def mappings(sample):
    """Which operands are mapped: all of them, and each by itself."""
    every = tuple(0 for _ in sample)
    alone = [tuple(0 if k == n else None for k in range(len(sample))) for n in range(len(sample))]
    return dict.fromkeys([every, *alone])


def batches(gate, dtype):
    """(f, operands, in_axes) for every sample, its settings, and every choice of what is mapped."""
    for sample, attrs in cases(gate):
        typed = [np.asarray(x, dtype)[()] if i in real(sample) else x for i, x in enumerate(sample)]
        for in_axes in mappings(sample):
            operands = [copies(x) if a == 0 else x for x, a in zip(typed, in_axes, strict=True)]
            yield (lambda *xs, attrs=attrs: gate(*xs, **attrs)), operands, in_axes


def looped(f, operands, in_axes):
    """f of each example, one after another, stacked."""
    return [
        f(*(x[n] if a == 0 else x for x, a in zip(operands, in_axes, strict=True)))
        for n in range(3)
    ]


@pytest.mark.parametrize("gate", COMPUTING, ids=lambda g: g.name)
def test_vmap_is_a_loop(gate):
    for dtype in (np.float64, np.float32):
        for f, operands, in_axes in batches(gate, dtype):
            value = cr.vmap(f, in_axes)(*operands)
            wanted = np.stack(looped(f, operands, in_axes))
            assert (value.shape, value.dtype) == (wanted.shape, wanted.dtype)
            np.testing.assert_allclose(value, wanted, rtol=8 * np.finfo(dtype).eps, atol=0)


@pytest.mark.parametrize("gate", DIFFERENTIABLE, ids=lambda g: g.name)
def test_the_gradient_of_vmap_is_that_of_a_loop(gate):
    rng = np.random.default_rng(11)
    for dtype in (np.float64, np.float32):
        for f, operands, in_axes in batches(gate, dtype):
            places = real(operands)
            weights = rng.normal(size=(3, *np.shape(looped(f, operands, in_axes)[0])))

            def gradient(outs, operands=operands, places=places, weights=weights):
                def loss(*chosen):
                    given = list(operands)
                    for place, x in zip(places, chosen, strict=True):
                        given[place] = x
                    return sum(total(out * w) for out, w in zip(outs(given), weights, strict=True))

                return cr.grad(loss, tuple(range(len(places))))(*(operands[p] for p in places))

            found = gradient(lambda given, f=f, axes=in_axes: cr.vmap(f, axes)(*given))
            wanted = gradient(lambda given, f=f, axes=in_axes: looped(f, given, axes))
            for x, y in zip(found, wanted, strict=True):
                assert np.asarray(x).dtype == np.asarray(y).dtype
                np.testing.assert_allclose(
                    x, y, rtol=16 * np.finfo(dtype).eps, atol=16 * np.finfo(dtype).eps
                )


@pytest.mark.parametrize("gate", DIFFERENTIABLE, ids=lambda g: g.name)
def test_gradients_of_each_example_are_those_of_a_loop(gate):
    for f, operands, in_axes in batches(gate, np.float64):
        places = tuple(real(operands))

        def loss(*xs, f=f):
            out = f(*xs)
            return total(out * np.cos(out.size + np.arange(out.size)).reshape(out.shape)[()])

        each = cr.grad(loss, places)
        found = cr.vmap(each, in_axes)(*operands)
        wanted = looped(each, operands, in_axes)
        for n, x in enumerate(found):
            one_by_one = np.stack([gradients[n] for gradients in wanted])
            assert x.dtype == one_by_one.dtype
            np.testing.assert_allclose(x, one_by_one, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("gate", COMPUTING, ids=lambda g: g.name)
def test_a_batch_takes_as_many_gates_whatever_its_size(gate, monkeypatch):
    applied = []
    compute = Gate.compute
    monkeypatch.setattr(Gate, "compute", lambda g, *rest: applied.append(g) or compute(g, *rest))

    def steps(count, operands, f, in_axes):
        given = [copies(x[0], count) if a == 0 else x
                 for x, a in zip(operands, in_axes, strict=True)]
        applied.clear()
        cr.vmap(f, in_axes)(*given)
        return [g.name for g in applied]

    for f, operands, in_axes in batches(gate, np.float64):
        assert steps(2, operands, f, in_axes) == steps(7, operands, f, in_axes)


@contextmanager
def broken(gate, **changes):
    """The gate with a wrong rule, for as long as the block lasts."""
    kept = {name: getattr(gate, name) for name in changes}
    try:
        forget()  # programs compiled from the right rule
        for name, value in changes.items():
            object.__setattr__(gate, name, value)
        yield
    finally:
        forget()
        for name, value in kept.items():
            object.__setattr__(gate, name, value)


def negated(entry):
    """A rule's entry with its sign changed; 1 for 0 and for none, which have no sign."""
    if entry is None or (entry.__class__ is int and entry == 0):
        return 1
    return lambda: -1 * (entry() if callable(entry) else entry)


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize("gate", DIFFERENTIABLE, ids=lambda g: g.name)
def test_breaking_one_entry_of_one_rule_turns_the_contract_red(gate, index):
    name = "vjp" if gate.vjp is not None else "local"
    rule = getattr(gate, name)
    if not any(index in real(sample) for sample in gate.samples):
        return

    def wrong(*args, **attrs):
        given = list(rule(*args, **attrs))
        given[index] = negated(given[index])
        return tuple(given)

    with broken(gate, **{name: wrong}), pytest.raises(AssertionError):
        assert_derivative(gate)


def test_a_gate_has_no_field_but_those_of_its_record():
    with pytest.raises(TypeError, match="a gate has no sampels"):
        Gate("typo", ("x",), "elementwise", "", np.exp, np.exp, None, "", "", sampels=())


def test_a_gate_is_frozen():
    gate: Gate = catalogue()[2]
    with pytest.raises(AttributeError, match="does not change"):
        gate.name = "other"

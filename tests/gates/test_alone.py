"""Each gate alone in a circuit goes through everything: drawn, told, printed, written, checked."""

import xml.etree.ElementTree as ET
from functools import lru_cache

import numpy as np
import pytest

import chainrule as cr
from chainrule.backends.stepwise import run
from chainrule.circuit.circuit import Circuit
from chainrule.circuit.record import differentiable_gates
from chainrule.circuit.text import constant_arrays, from_text, to_text

CATALOGUE = [g for g in differentiable_gates() if g.samples]
EXCUSED = 0.05  # the share of samples at which nothing may be compared


def cases(gate):
    for attrs in gate.sample_attrs:
        for sample in gate.samples:
            yield [float(x) if type(x) is int else x for x in sample], attrs


def real(sample):
    return [i for i, x in enumerate(sample) if np.asarray(x).dtype.kind == "f"]


@lru_cache(maxsize=4)
def alone(gate):
    """The gate in a circuit of its own, once for each sample of its record."""
    rng = np.random.default_rng(11)
    made = []
    for sample, attrs in cases(gate):
        places = real(sample)

        def f(*chosen, sample=sample, attrs=attrs, places=places):
            operands = list(sample)
            for place, x in zip(places, chosen, strict=True):
                operands[place] = x
            return gate(*operands, **attrs)

        dout = rng.normal(size=np.shape(gate.compute(sample, attrs)))
        dout = dout if dout.shape else float(dout)
        with np.errstate(all="ignore"):
            made.append(cr.circuit(f)(*(sample[i] for i in places), output_grad=dout))
    return made


@pytest.mark.parametrize("gate", CATALOGUE, ids=lambda g: g.name)
def test_it_is_drawn(gate):
    for w in alone(gate):
        root = ET.fromstring(w.draw())
        labels = [g.get("data-label") for g in root.iter() if g.get("data-label")]
        assert root.tag.endswith("svg") and any("/" in label for label in labels)


@pytest.mark.parametrize("gate", CATALOGUE, ids=lambda g: g.name)
def test_it_is_told_in_words_with_every_blank_filled(gate):
    for w in alone(gate):
        for text in (w.explain(), w.text(color=False)):
            assert text.strip() and "{" not in text
        assert str(w.diagnose())


@pytest.mark.parametrize("gate", CATALOGUE, ids=lambda g: g.name)
def test_its_printed_program_gives_its_value_and_gradients(gate):
    for w in alone(gate):
        space = {}
        exec(compile(str(w.code()), "<printed>", "exec"), space)
        with np.errstate(all="ignore"):
            value, gradients = space["f_grad"](*w.inputs, w.output_gradient)
        gradients = gradients if len(w.arguments) > 1 else (gradients,)
        np.testing.assert_array_equal(value, w.value)
        for printed, gradient in zip(gradients, w.gradients.values(), strict=True):
            assert np.shape(printed) == np.shape(gradient)
            np.testing.assert_array_equal(printed, gradient)


@pytest.mark.parametrize("gate", CATALOGUE, ids=lambda g: g.name)
def test_its_text_reads_back_the_same_with_its_backward_pass(gate):
    for w in alone(gate):
        circuit = w._backward
        again = from_text(to_text(circuit), constant_arrays(circuit))
        assert isinstance(again, Circuit) and to_text(again) == to_text(circuit)
        with np.errstate(all="ignore"):
            read = run(again, [*w.inputs, w.output_gradient])
        for wire in range(len(circuit)):
            np.testing.assert_array_equal(read.value(wire), w.readings.value(wire))


def is_excused(w, gate, sample):
    """True at a jump, which has no slope on either side for a gradient to lie between."""
    found = w.check().findings
    return gate.kinks is not None and gate.kinks(*sample) and all(
        f.verdict == "unchecked" for f in found
    )


@pytest.mark.parametrize("gate", CATALOGUE, ids=lambda g: g.name)
def test_its_verdict_is_good_and_at_a_kink_between_the_slopes(gate):
    held = 0
    for w, (sample, _) in zip(alone(gate), cases(gate), strict=True):
        if not is_excused(w, gate, sample):
            verdict = w.check()
            assert {f.verdict for f in verdict.findings} <= {"good", "kink"}, str(verdict)
            held += 1
    assert held


def test_at_most_one_sample_in_twenty_is_excused():
    excused = [
        is_excused(w, gate, sample)
        for gate in CATALOGUE if gate.kinks is not None
        for w, (sample, _) in zip(alone(gate), cases(gate), strict=True)
    ]
    assert sum(excused) <= EXCUSED * sum(len(list(cases(gate))) for gate in CATALOGUE)

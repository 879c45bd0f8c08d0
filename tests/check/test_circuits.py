"""The note's circuits, forks, groups, kinks and arrays, each through the whole check."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.backends.stepwise import run
from chainrule.check.circuits import check_gradients, fork_terms
from chainrule.check.differences import central
from chainrule.transform.numbers import local_gradients


def c1(x, y, z):
    q = x + y
    return q * z


def n1(w0, x0, w1, x1, w2):
    return 1 / (1 + np.exp(-(w0 * x0 + w1 * x1 + w2)))


def p1(x, y):
    sigy = 1.0 / (1 + np.exp(-y))
    num = x + sigy
    sigx = 1.0 / (1 + np.exp(-x))
    xpy = x + y
    xpysqr = xpy**2
    den = sigx + xpysqr
    invden = 1.0 / den
    return num * invden


def f1(x, y, z, w):
    return 2 * (x * y + np.maximum(z, w))


NOTE = [
    (c1, (-2.0, 5.0, -4.0), (-4, -4, 3)),
    (
        n1, (2.0, -1.0, -3.0, -2.0, -3.0),
        (-0.19661193324148188, 0.39322386648296376, -0.39322386648296376, -0.5898357997244457,
         0.19661193324148188),
    ),
    (p1, (3.0, -4.0), (2.0595697955721652, 1.5922327514838093)),
    (f1, (3.0, -4.0, 2.0, -1.0), (-8, 6, 2, 0)),
]


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize(("f", "x", "gradient"), NOTE)
def test_the_circuits_of_the_note_agree_to_nine_digits(work, f, x, gradient, grouped):
    w = work(f, *x, grouped=grouped)
    verdict = w.check(tolerance=1e-9)
    assert {f.verdict for f in verdict.findings} == {"good"}
    assert verdict.worst.error <= 1e-9
    inputs = [f for f in verdict.findings if f.kind == "input"]
    assert [f.numeric for f in inputs] == pytest.approx(gradient, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("f", "x", "gradient"), NOTE)
def test_one_central_difference_at_1e_5_agrees_to_1e_9(f, x, gradient):
    for i, expected in enumerate(gradient):
        at = lambda value, i=i: float(f(*x[:i], value, *x[i + 1 :]))
        assert central(at, x[i], h=1e-5 / max(1, abs(x[i]))) == pytest.approx(expected, abs=1e-9)


def test_the_summary_counts(work):
    text = str(work(p1, 3.0, -4.0).check())
    lead = "good: 14 gates, 2 groups and 2 inputs agree with complex-step differences, worst "
    assert text.startswith(lead)
    assert str(work(c1, -2.0, 5.0, -4.0).check()).startswith("good: 2 gates and 3 inputs agree")


# ---- forks


def test_dropped_accumulation_fails_and_names_the_forks(work):
    w = work(p1, 3.0, -4.0)
    x, y = w.inputs
    claims = {x: 0.5121444488396316, y: 0.009045856938622317}  # dx = ... where += was meant
    terms = fork_terms(w.circuit, w.part, w.readings)
    found = check_gradients(w.circuit, w.part.output, 1.0, w.readings, run, claims, terms)
    assert [(f.kind, f.subject, f.verdict) for f in found] == [
        ("fork", "x", "wrong"), ("fork", "y", "wrong"),
    ]
    assert str(found[0]) == (
        "the gradient of x is 0.512144, but should be 2.05957 (x is read in 3 places, so its 3 "
        "gradients add up: 1.58319 - 0.0357615 + 0.512144 = 2.05957; the value given, 0.512144, "
        "is only the last of them (was = written for +=?))"
    )


def test_the_trail_at_a_fork_is_that_of_the_note(work):
    w = work(p1, 3.0, -4.0)
    terms = fork_terms(w.circuit, w.part, w.readings)[w.inputs[0]]
    trail = np.cumsum(terms)
    expected = [1.583186894545187, 1.5474253467325334, 2.0595697955721652]
    assert trail.tolist() == pytest.approx(expected, rel=1e-14)


def test_right_claims_pass_for_any_wire(work):
    w = work(p1, 3.0, -4.0)
    names = {n[0]: wire for wire, n in w.circuit.names.items()}
    claims = {
        names["x"]: 2.0595697955721652, names["invden"]: 3.0179862099620918,
        names["xpy"]: 1.583186894545187, names["den"]: -0.7915934472725935,
    }
    found = check_gradients(w.circuit, w.part.output, 1.0, w.readings, run, claims)
    assert [(f.verdict, f.kind) for f in found] == [
        ("good", "input"), ("good", "wire"), ("good", "wire"), ("good", "wire"),
    ]


def test_a_wrong_claim_of_a_wire_read_once_is_no_fork(work):
    w = work(c1, -2.0, 5.0, -4.0)
    claims = {w.inputs[2]: -3.0, w.inputs[0]: -2.0}
    found = check_gradients(w.circuit, w.part.output, 1.0, w.readings, run, claims)
    assert [(f.kind, f.verdict) for f in found] == [("input", "wrong"), ("input", "wrong")]
    assert "(the sign is flipped)" in str(found[0])
    assert "(2 times too small)" in str(found[1])


def test_a_claim_of_another_shape_is_wrong(work):
    w = work(lambda x: np.sum(x * x), np.ones(3))
    claims = {w.inputs[0]: np.ones(2)}
    (found,) = check_gradients(w.circuit, w.part.output, 1.0, w.readings, run, claims)
    assert found.verdict == "wrong"
    assert "the gradient has shape [2], the variable [3]" in str(found)


def test_a_fork_that_does_not_add_up_is_found_in_the_part(work):
    w = work(p1, 3.0, -4.0)
    x = w.inputs[0]
    gradient = list(w.part.gradient)
    gradient[x] = w.part.terms[w.circuit.start[w.circuit.forward_rows()[4]]]  # num's term alone
    spoiled = replace(w, part=replace(w.part, gradient=gradient)).check()
    assert {f.subject for f in spoiled.wrong if f.kind == "fork"} == {"x"}
    assert {f.subject for f in spoiled.wrong} == {"x"}


def test_a_wire_read_once_must_have_the_gradient_sent_to_it(work):
    w = work(lambda x: np.where(x > 0.0, x, 0.0) * 3.0, 0.0)  # a decision flips here: no excuse
    gradient = list(w.part.gradient)
    gradient[w.inputs[0]] = w.part.output_gradient
    spoiled = replace(w, part=replace(w.part, gradient=gradient)).check()
    assert {f.kind for f in spoiled.wrong} == {"fork"}


# ---- groups


def test_a_group_that_saves_what_its_stages_lose_is_good_and_explained(work):
    verdict = work(lambda x: 1 / (1 + np.exp(-x)), -1000.0).check()
    (group,) = (f for f in verdict.findings if f.kind == "group")
    assert (group.verdict, group.analytic) == ("good", 0.0)
    assert group.note == (
        "stage by stage the gradient is nan, since exp gives inf; sigmoid as one gate avoids it"
    )
    assert verdict.is_good and group.note in str(verdict)


def test_gate_by_gate_the_same_sigmoid_fails_and_names_exp(work):
    verdict = work(lambda x: 1 / (1 + np.exp(-x)), -1000.0, grouped=False).check()
    (wrong,) = verdict.wrong
    assert (wrong.kind, wrong.numeric) == ("input", 0.0) and math.isnan(wrong.analytic)
    assert "exp in " in wrong.note and wrong.note.endswith("gives inf")
    exp = next(f for f in verdict.findings if f.subject == "exp")
    assert (exp.verdict, exp.note) == ("unchecked", "cannot be checked: its value is inf")


def test_only_what_is_closed_is_checked_as_a_group(work):
    w = work(p1, 3.0, -4.0)
    opened = tuple(g.with_(is_closed=False) for g in w.circuit.groups)
    found = replace(w, circuit=w.circuit.with_(groups=opened)).check().findings
    assert not [f for f in found if f.kind == "group"]


# ---- kinks


def test_a_tie_is_a_kink_and_the_gradient_lies_between(work):
    verdict = work(lambda x, y: np.maximum(x, y) * 3, 2.0, 2.0).check()
    ties = [f for f in verdict.findings if f.subject == "maximum"]
    assert [(f.verdict, f.analytic, f.numeric) for f in ties] == [("kink", 1.5, 1.5)] * 2
    assert ties[0].note == (
        "not differentiable here: the slope is 0 on the left and 3 on the right; "
        "1.5 lies between them"
    )
    assert verdict.is_good


def test_a_gradient_outside_the_slopes_of_a_kink_is_wrong(work):
    w = work(lambda x, y: np.maximum(x, y), 2.0, 2.0)
    for claim, verdict in ((0.0, "kink"), (1.0, "kink"), (1.1, "wrong"), (-0.1, "wrong")):
        claims = {w.inputs[0]: claim}
        (found,) = check_gradients(w.circuit, w.part.output, 1.0, w.readings, run, claims)
        assert found.verdict == verdict


def test_a_kink_whose_gates_are_right_excuses_the_input(work):
    relu = lambda x: np.where(x > 0.0, x, 0.0)
    verdict = work(lambda x: relu(x) - relu(-x), 0.0).check()  # it is x, but relu passes 0 at 0
    (x,) = (f for f in verdict.findings if f.kind == "input")
    assert (x.analytic, x.numeric, x.verdict) == (0.0, 1.0, "kink")
    assert "every gate is right by itself" in x.note


def test_a_large_array_with_kinks_is_no_failure(work):
    x = np.where(np.arange(200) % 3 == 0, 0.0, np.arange(200) - 90.5)
    verdict = work(lambda x: np.sum(np.maximum(x, 0) * 2), x).check()
    assert verdict.is_good
    assert {f.verdict for f in verdict.findings if f.subject == "maximum"} == {"kink"}


# ---- arrays

RNG = np.random.default_rng(7)
ARRAYS = [
    (lambda x, y: np.sum((x @ y) ** 2), (RNG.normal(size=(5, 10)), RNG.normal(size=(10, 3)))),
    (lambda x, y: np.sum(np.exp(x) / y + x * y), (RNG.normal(size=(4, 1)), np.arange(1.0, 4))),
    (lambda x, y: np.sum(x.T @ y, axis=(0,)), (RNG.normal(size=3), RNG.normal(size=(3, 2)))),
    (lambda x, y: x.reshape(3, 4) * y, (RNG.normal(size=12), np.float64(2.5))),
]


@pytest.mark.parametrize(("f", "x"), ARRAYS)
def test_arrays_agree(work, f, x):
    out = np.asarray(f(*x))
    dout = RNG.normal(size=out.shape) if out.shape else 1.0
    verdict = work(f, *x, dout=dout).check()
    assert {f.verdict for f in verdict.findings} == {"good"}
    assert verdict.worst.error < 1e-8


@pytest.mark.parametrize("size", [5, 400])
def test_one_wrong_element_is_found(work, size):
    w = work(lambda x: np.sum(x * x), np.linspace(-1, 2, size))
    gradient = 2 * np.linspace(-1, 2, size)
    gradient[3] += 0.01
    claims = {w.inputs[0]: gradient}
    (found,) = check_gradients(w.circuit, w.part.output, 1.0, w.readings, run, claims)
    assert found.verdict == "wrong"
    assert ("element [3]" if size == 5 else "random direction") in found.note


def test_float32_is_held_to_its_own_digits(work):
    x = RNG.normal(size=(3, 4)).astype(np.float32)
    w = work(lambda x: np.sum(np.exp(x) * x), x)
    assert w.gradient(w.inputs[0]).dtype == np.float32
    assert w.check().is_good
    right = w.gradient(w.inputs[0])
    for factor, verdict in ((1 + 1e-6, "good"), (1 + 1e-3, "wrong")):
        claims = {w.inputs[0]: right * np.float32(factor)}
        (found,) = check_gradients(w.circuit, w.part.output, 1.0, w.readings, run, claims)
        assert found.verdict == verdict


# ---- any circuit

NUMBER = st.floats(-2, 2).map(lambda v: round(v, 3))
STEP = st.tuples(st.sampled_from("+-*/me^"), st.integers(0, 30), st.integers(0, 30))


def program(steps):
    def f(x, y, z):
        known = [x, y, z]
        for operation, i, j in steps:
            a, b = known[i % len(known)], known[j % len(known)]
            known.append(OPERATIONS[operation](a, b))
        return known[-1]

    return f


OPERATIONS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / (2 + b * b),
    "m": lambda a, b: np.maximum(a, b),
    "e": lambda a, b: 1 / (1 + np.exp(-a)),
    "^": lambda a, b: (1 + a * a) ** 0.5,
}


@given(st.lists(STEP, min_size=1, max_size=12), NUMBER, NUMBER, NUMBER, NUMBER)
def test_each_edge_multiplies_by_the_local_gradient(work, steps, x, y, z, dout):
    w = work(program(steps), x, y, z, dout=dout, grouped=False)
    for row in w.circuit.forward_rows():
        arriving = w.gradient(row)
        local = local_gradients(w.circuit, row, w.readings.values)
        for index, partial in enumerate(local):
            term = w.readings.term(w.part, row, index)
            if term is not None:
                assert term == pytest.approx(arriving * partial, rel=1e-12, abs=1e-300)


@given(st.lists(STEP, min_size=1, max_size=12), NUMBER, NUMBER, NUMBER)
def test_no_random_circuit_is_called_wrong(work, steps, x, y, z):
    assert work(program(steps), x, y, z).check().wrong == ()


def test_the_verdict_says_how_it_measured(work):
    def analytic(x, y):
        return np.exp(x) * np.sin(y) / (1 + x * x)

    verdict = work(analytic, 0.5, 2.0).check()
    assert all(f.by == "complex-step" and f.error < 1e-14 for f in verdict.findings if f.by)
    assert "agree with complex-step differences, worst relative error" in str(verdict)
    mixed = work(lambda x: np.exp(abs(x)), -0.5).check()
    assert {f.subject: f.by for f in mixed.findings if f.kind != "fork"} == {
        "abs": "central", "exp": "complex-step", "x": "central",
    }
    assert "agree with complex-step and central differences" in str(mixed)


def test_a_softmax_with_cross_entropy_to_all_its_digits(work):
    def loss(s):
        e = np.exp(s - s.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        return -np.log(p[np.arange(2), [2, 0]]).mean()

    verdict = work(loss, np.array([[1.0, -0.5, 0.25], [0.5, 2.0, -1.0]])).check()
    assert verdict and max(f.error for f in verdict.findings) < 1e-14

"""Backward, simplify, group: circuit to circuit, with every gradient kept on its wire."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.api.sources import expression
from chainrule.backends import stepwise
from chainrule.circuit.builder import Builder
from chainrule.circuit.circuit import NOTHING
from chainrule.circuit.types import FLOAT, TYPES
from chainrule.circuit.verify import verify
from chainrule.errors import CircuitError
from chainrule.gates.elementwise import exp, multiply, negate, where
from chainrule.gates.handle import Handle
from chainrule.transform.backward import backpropagate
from chainrule.transform.grouping import find_groups
from chainrule.transform.recorder import with_backward
from chainrule.transform.rewrite import Rules, rewrite
from chainrule.transform.simplify import simplify


def built(f, count=1):
    """The circuit of a function of `count` numbers."""
    b = Builder()
    inputs = [Handle(b, b.input(TYPES[FLOAT], f"x{i}")) for i in range(count)]
    return b.build([f(*inputs).wire])


def gradients(circuit, inputs):
    part = circuit.parts[-1]
    values = stepwise.run(circuit, inputs).values
    return [values[part.gradient[w]] for w in circuit.inputs]


SPELLINGS = [
    lambda x: 1 / (1 + exp(-x)),
    lambda x: 1.0 / (exp(-x) + 1),
    lambda x: exp(x) / (1 + exp(x)),
    lambda x: exp(x) / (exp(x) + 1.0),
    lambda x: (1 + exp(-x)) ** -1,
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_the_sigmoid_is_found(spelling):
    circuit = built(spelling)
    (group,) = find_groups(circuit)
    assert group.gate.name == "sigmoid"
    assert group.inputs == circuit.inputs and group.output == circuit.outputs[0]


@pytest.mark.parametrize(
    "near_miss",
    [
        lambda x: 2 / (1 + exp(-x)),
        lambda x: 1 / (2 + exp(-x)),
        lambda x: 1 / (1 + exp(x)),
        lambda x: 1 / (1 - exp(-x)),
        lambda x: exp(x) / (1 + exp(2 * x)),
    ],
)
def test_what_is_no_sigmoid_is_not_found(near_miss):
    assert find_groups(built(near_miss)) == ()


def test_a_run_whose_inner_wire_is_read_elsewhere_is_no_group():
    def f(x):
        e = exp(-x)
        return 1 / (1 + e) + e

    assert find_groups(built(f)) == ()


def test_spellings_give_one_backward_text():
    texts = set()
    for source in ("1/(1+exp(-x))", "1.0/(exp(-x)+1)", "exp(x)/(1+exp(x))"):
        code = expression(f"f = {source}", {"x": 0.5}).code()
        texts.add("\n".join(line.text for line in code.backward))
    assert texts == {"dx = (1 - f) * f"}


def test_a_closed_group_and_its_gates_give_the_same_gradient():
    circuit = built(SPELLINGS[0])
    grouped = circuit.with_(groups=find_groups(circuit))
    for inside in (False, True):
        (one,) = gradients(with_backward(grouped, 7 - 1, grouped.inputs, inside=inside), [1.0])
        (four,) = gradients(with_backward(circuit, 7 - 1, circuit.inputs), [1.0])
        assert one == pytest.approx(four, abs=1e-15)


def test_the_group_has_gradient_zero_where_the_gates_have_nan():
    circuit = built(SPELLINGS[0])
    grouped = circuit.with_(groups=find_groups(circuit))
    output = circuit.outputs[0]
    with np.errstate(all="ignore"):
        (one,) = gradients(with_backward(grouped, output, grouped.inputs), [-1000.0])
        (four,) = gradients(with_backward(circuit, output, circuit.inputs), [-1000.0])
    assert one == 0.0 and np.isnan(four)


def test_only_active_stages_are_differentiated():
    circuit = built(lambda x, y: x * x * exp(y * y), 2)
    x_only = with_backward(circuit, circuit.outputs[0], circuit.inputs[:1])
    both = with_backward(circuit, circuit.outputs[0], circuit.inputs)
    assert len(x_only) < len(both)
    assert x_only.parts[0].gradient[circuit.inputs[1]] == NOTHING


def test_a_constant_gets_no_gradient():
    circuit = built(lambda x: 3 * x)
    done = with_backward(circuit, circuit.outputs[0], circuit.inputs)
    constant = circuit.constant_rows[0]
    assert done.parts[0].gradient[constant] == NOTHING


def test_each_edge_carries_a_term_and_forks_their_sum():
    circuit = built(lambda x: x * x + x)
    done = with_backward(circuit, circuit.outputs[0], circuit.inputs)
    part = done.parts[0]
    readings = stepwise.run(done, [3.0])
    terms = [readings.values[t] for t in part.terms if t != NOTHING]
    assert sorted(terms) == [1.0, 1.0, 3.0, 3.0]  # add sends 1 twice, multiply 3 twice
    assert readings.gradient(part, 0) == 7.0


def test_a_backward_pass_can_be_differentiated_again():
    circuit = built(lambda x: x * x * x)
    once = with_backward(circuit, circuit.outputs[0], circuit.inputs)
    gradient = once.parts[0].gradient[0]
    twice = with_backward(once, gradient, once.inputs)
    verify(twice)
    second = twice.parts[1].gradient[0]
    assert stepwise.run(twice, [2.0]).values[second] == 12.0


def test_simplify_keeps_every_gradient_on_its_wire():
    circuit = built(lambda x, y: where(x > y, x, y) ** 2 * negate(negate(x)) + exp(x * 1), 2)
    full = with_backward(circuit, circuit.outputs[0], circuit.inputs)
    short = simplify(full)
    assert len(short) < len(full)
    a, b = stepwise.run(full, [1.5, 0.5]), stepwise.run(short, [1.5, 0.5])
    for wire in range(len(circuit)):
        assert a.gradient(full.parts[0], wire) == b.gradient(short.parts[0], wire)


def test_the_users_own_stages_are_not_rewritten():
    circuit = built(lambda x: (x * 1) ** 1 * negate(negate(x)))
    short = simplify(with_backward(circuit, circuit.outputs[0], circuit.inputs))
    kept = [s.gate.name for s in short.stages() if short.differentiates(s.row) is None]
    assert kept == [s.gate.name for s in circuit.stages()]


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda x: x * 1, -0.0),
        (lambda x: 0 * x, np.inf),
        (lambda x: x + 0, -0.0),
        (lambda x: x ** 1, np.nan),
        (lambda x: negate(negate(x)), -0.0),
    ],
)
def test_simplify_keeps_each_bit(f, x):
    def gradient_of_square(x):
        y = f(x)
        return y * y

    with np.errstate(all="ignore"):
        circuit = built(gradient_of_square)
        full = with_backward(circuit, circuit.outputs[0], circuit.inputs)
        a = np.float64(gradients(full, [x])[0])
        b = np.float64(gradients(simplify(full), [x])[0])
    assert a.tobytes() == b.tobytes() or (np.isnan(a) and np.isnan(b))


def test_a_number_is_cast_before_it_is_spread():
    W = np.array([0.3, -2.0, 7.0], np.float32)
    w = cr.circuit(lambda W: 0.1 * (W * W).sum())(W)
    texts = [line.text for line in w.code().backward]
    assert texts == ["dW = W * np.float32(0.1)", "dW += W * np.float32(0.1)"]
    assert w["W"].grad.tobytes() == (2 * W * np.float32(0.1)).tobytes()


def test_the_driver_refuses_a_rule_that_changes_a_type():
    rules = Rules()

    @rules(multiply)
    def wrong(c, kind, x, y):
        return x > y

    circuit = built(lambda x: x * x)
    done = with_backward(circuit, circuit.outputs[0], circuit.inputs)
    twice = with_backward(done, done.parts[0].gradient[0], done.inputs)
    del twice
    with pytest.raises(CircuitError):
        squared = built(lambda x: (x * x) * (x * x))
        rewrite(with_backward(squared, squared.outputs[0], squared.inputs), rules)


def test_verify_names_the_row_that_reads_ahead():
    circuit = built(lambda x: x * x)
    operand = circuit.operand[:]
    operand[0] = 5
    with pytest.raises(CircuitError, match=r"row 1 \(multiply\) reads ahead"):
        verify(circuit.with_(operand=operand))


def test_the_engine_counts_what_it_sends():
    circuit = built(lambda x, y: x + y, 2)
    found = backpropagate(circuit, [1.0, 2.0, 3.0], 2, 5.0, circuit.inputs)
    assert found[:2] == [5.0, 5.0]


def test_a_fork_of_a_thousand_adds_up():
    def f(x):
        total = x
        for _ in range(999):
            total = total + x
        return total

    assert cr.grad(f)(2.0) == 1000.0

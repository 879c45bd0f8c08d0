"""A rule made wrong on purpose is found by its gate's name, and no other gate is blamed."""

from collections.abc import Callable

import numpy as np
import pytest

import chainrule as cr
from chainrule.circuit.record import BY_NAME

X, Y = np.array([[1.0, 0.5, -1.0], [0.25, 2.0, 1.5]]), np.array([1.5, -0.25, 0.125])
WRONG: dict[str, Callable] = {
    "flipped": lambda p: -p,
    "slightly large": lambda p: 1.001 * p,
    "nothing": lambda p: None,
}


def everything(x, y):
    h = x @ y  # [2], of either sign
    e = np.exp(h)
    m = np.maximum(h, e - 1.5)  # one element each
    return np.sum((e**m + m * h) / (h * h + e))


SPOILED = [
    ("add", 0), ("add", 1), ("multiply", 0), ("multiply", 1), ("divide", 0), ("divide", 1),
    ("power", 0), ("power", 1), ("exp", 0), ("maximum", 0), ("maximum", 1), ("sum", 0),
    ("matmul", 0), ("matmul", 1), ("subtract", 0),
]


def test_unspoiled_all_is_good(work):
    assert {f.verdict for f in work(everything, X, Y).check().findings} == {"good"}


@pytest.mark.parametrize("how", WRONG)
@pytest.mark.parametrize(("name", "operand"), SPOILED)
def test_a_wrong_rule_is_found_by_name(work, spoil, name, operand, how):
    spoil(BY_NAME[name], WRONG[how], operand)
    verdict = work(everything, X, Y).check(wrt=(0, 1))
    assert {f.subject for f in verdict.wrong if f.kind == "gate"} == {name}
    assert {f.kind for f in verdict.wrong} == {"gate", "input"}
    assert not verdict


def test_a_wrong_rule_of_numbers_is_told_with_its_place(work, spoil):
    spoil(BY_NAME["multiply"], lambda p: -p, 1)

    def f(x, y, z):
        q = x + y
        return q * z

    verdict = work(f, -2.0, 5.0, -4.0).check()
    line = f.__code__.co_firstlineno + 2
    assert str(verdict) == (
        "wrong: multiply sends z the gradient -3, but complex-step differences give 3 "
        "(its partial by z is wrong: the sign is flipped)\n"
        f"  in {__file__} line {line}\n\n"
        "wrong: the gradient of z is -3, but complex-step differences give 3 "
        "(the sign is flipped)\n\n"
        "1 gate and 2 inputs agree with complex-step differences, worst relative error 0"
    )


def test_a_group_with_a_wrong_rule_is_found_and_its_stages_are_not(work, spoil):
    spoil(BY_NAME["sigmoid"], lambda p: 2 * p, field="recognised_local")
    verdict = work(lambda x: 1 / (1 + np.exp(-x)) * 3.0, 0.5).check()
    assert {(f.kind, f.subject) for f in verdict.wrong} == {("group", "sigmoid"), ("input", "x")}
    assert "the group sigmoid sends x the gradient" in str(verdict)
    assert "2 times too large" in str(verdict)


def test_a_gradient_that_got_lost_on_its_way_is_found(spoil):
    spoil(BY_NAME["multiply"], lambda p: None, 1)
    found = cr.circuit(lambda x, y: x * y)(2.0, 3.0).check()
    assert {(f.kind, f.subject, f.variable) for f in found.wrong} == {
        ("gate", "multiply", "y"), ("input", "y", "y"),
    }
    assert "multiply sends y the gradient 0, but complex-step differences give 2" in str(found)


def test_a_group_that_sends_nothing_is_found(spoil):
    spoil(BY_NAME["sigmoid"], lambda p: None, field="recognised_local")
    found = cr.circuit(lambda x: 1 / (1 + np.exp(-x)))(0.5).check()
    assert ("group", "sigmoid") in {(f.kind, f.subject) for f in found.wrong}


def test_a_large_array_names_the_gate_too(work, spoil):
    spoil(BY_NAME["exp"], lambda p: 1.01 * p)
    verdict = work(lambda x: np.sum(np.exp(x * 0.5)), np.linspace(-1, 1, 300)).check()
    assert {f.subject for f in verdict.wrong if f.kind == "gate"} == {"exp"}


def test_a_kink_is_no_excuse_for_a_wrong_gate(work, spoil):
    spoil(BY_NAME["multiply"], lambda p: 2 * p)
    verdict = work(lambda x: x * 3.0 + np.where(x > 0.0, x, 0.0), 0.0).check()
    assert {(f.kind, f.subject) for f in verdict.wrong} == {("gate", "multiply"), ("input", "x")}

"""Functions and lines as one gate: what users group, beside what is recognised."""

from types import SimpleNamespace

import numpy as np
import pytest

import chainrule as cr
from chainrule.circuit.text import from_text, to_text
from chainrule.errors import InputError, OutputError, TextError, TraceError


@cr.group
def logistic(x):
    return 1 / (1 + np.exp(-x))


@cr.group(local=lambda x, out: (out * (1 - out),))
def ruled(x):
    e = np.exp(-x)
    return 1 / (1 + e)


@cr.group
def neuron(w, x, b):
    d = w * x + b
    return ruled(d)


def groups(w, field="name"):
    return [g.gate.name for g in w.circuit.groups if g.is_closed]


def same_rows(a, b):
    return all(getattr(a, n) == getattr(b, n) for n in ("kind", "operand", "inputs", "outputs"))


FORMS = {
    "four gates": lambda x: 1 / (1 + np.exp(-x)),
    "a group": logistic,
    "a group with a rule": ruled,
    "a gate": cr.gate(lambda x: 1 / (1 + np.exp(-x)), local=lambda x, out: out * (1 - out)),
}


class TestOneFunctionInManyForms:
    """N4: the same function as one gate, as four, as a group, as a user's gate."""

    @pytest.mark.parametrize("form", FORMS)
    def test_equal_gradients(self, form):
        wanted = pytest.approx(0.19661193324148185, abs=1e-15, rel=0)
        w = cr.circuit(FORMS[form])(1.0)
        for _ in range(3):
            assert cr.grad(FORMS[form])(1.0) == wanted
        assert w["x"].grad == wanted and w.ungroup()["x"].grad == wanted
        assert cr.jvp(FORMS[form], (1.0,), (1.0,))[1] == wanted
        assert w.check() and w.ungroup().check()

    def test_ungroup_restores_the_circuit_of_the_plain_function(self):
        plain = cr.circuit(FORMS["four gates"])(1.0).ungroup()
        for f in (logistic, ruled):
            w = cr.circuit(f)(1.0)
            assert same_rows(w.ungroup().circuit, plain.circuit)
            assert w.ungroup().circuit.groups == plain.circuit.groups == ()
            assert w.ungroup().group().circuit.groups == w.circuit.groups

    def test_a_recognised_gate_keeps_its_digits_inside_a_group_without_a_rule(self):
        with np.errstate(all="ignore"):
            assert cr.grad(logistic)(-1000.0) == 0.0


class TestNested:
    def f(self, w, x, b):
        return neuron(w, x, b) * logistic(x)

    def test_all_levels_are_kept(self):
        w = cr.circuit(self.f)(1.0, 2.0, 3.0)
        assert groups(w) == ["ruled", "neuron", "logistic", "sigmoid"]
        assert groups(w.ungroup("neuron")) == ["ruled", "logistic", "sigmoid"]
        assert w.gradients == pytest.approx(w.ungroup().gradients, rel=1e-12)
        cr.check_grads(self.f, (1.0, 2.0, 3.0), order=2)

    def test_inside_a_closed_group_with_a_rule_others_have_no_say(self):
        twice = cr.group(lambda x: ruled(x) * 2, local=lambda x, out: 7.0, name="twice")
        w = cr.circuit(lambda x: twice(x))(1.0)
        assert groups(w) == ["twice"] and w["x"].grad == 7.0 == cr.grad(twice)(1.0)
        assert groups(w.ungroup("twice")) == ["ruled"]
        assert w.ungroup("twice")["x"].grad == pytest.approx(2 * 0.19661193324148185)

    def test_its_rule_rules_in_every_path(self):
        def f(x):
            return x * 2.0 + 1.0

        ruled = cr.group(f, local=lambda x, out: 7.0)
        for g in (f, ruled, f, ruled):  # the same stages, remembered apart
            assert cr.grad(g)(1.0) == (2.0 if g is f else 7.0)
        assert cr.jvp(ruled, (1.0,), (1.0,)) == (3.0, 7.0)
        assert cr.jacobian(lambda v: ruled(v).sum() * np.ones(9))(np.ones(2))[0, 0] == 7.0
        assert cr.vjp(ruled, np.ones(2))[1](np.ones(2))[0].tolist() == [7.0, 7.0]
        assert "dx = 7.0" in cr.circuit(ruled)(1.0).code()
        assert not cr.circuit(ruled)(1.0).check()

    def test_the_picture_draws_the_outermost(self):
        drawn = cr.circuit(self.f)(1.0, 2.0, 3.0).draw()
        assert "neuron" in drawn and "logistic" in drawn and "ruled" not in drawn
        boxed = cr.circuit(self.f)(1.0, 2.0, 3.0).draw(boxed=True)
        assert "Gate 3" in boxed and "Gate 4" not in boxed  # neuron, logistic, *


class TestGroupingWhatIsThere:
    def f(self, x, y):
        def square(v):
            return v * v

        self.square = square
        a = square(x) + square(y)
        b = np.exp(a)
        c = b + 1
        return c * x

    def test_lines(self):
        w = cr.circuit(self.f)(0.1, 0.2).group("b", "c")
        (made,) = w.circuit.groups
        assert made.gate.name == "c" and len(made.stages) == 2
        assert w.gradients == cr.circuit(self.f)(0.1, 0.2).gradients
        assert "exp, +1 together are one c" in w.explain()
        assert w.ungroup().circuit.groups == () and groups(w.ungroup().group()) == ["c"]

    def test_each_call_of_a_function(self):
        w = cr.circuit(self.f)(0.1, 0.2)
        assert groups(w.group(self.square)) == ["square", "square"]
        assert groups(w.promote(c="+1").group(self.square)) == ["square", "square"]

    def test_calls_of_another_function_of_that_name_are_not_its_own(self):
        def square(v):
            return v * v

        w = cr.circuit(lambda x, y: square(x) + self.f(x, y))(0.1, 0.2)
        assert len(w.group(square).circuit.groups) == 1
        assert len(w.group(self.square).circuit.groups) == 2

    def test_calls_within_calls_are_one_group(self):
        def power(v, n):
            return v if n == 1 else [v * power(v, n - 1)][0]

        w = cr.circuit(lambda x: power(x, 4) + 1)(2.0).group(power)
        (made,) = w.circuit.groups
        assert len(made.stages) == 3 and w["x"].grad == 32.0

    def test_each_call_of_an_object(self):
        class Double:
            def __call__(self, x):
                return np.exp(x) * 2

        double = Double()
        w = cr.circuit(lambda x: double(double(x)))(0.5).group(double)
        assert groups(w) == ["Double", "Double"]

    def test_a_recognised_gate_by_name(self):
        w = cr.circuit(lambda x: 1 / (1 + np.exp(-x)))(1.0).ungroup()
        assert groups(w.group("sigmoid")) == ["sigmoid"]

    def test_what_cannot_be_grouped_says_why(self):
        w = cr.circuit(self.f)(0.1, 0.2)
        with pytest.raises(InputError, match=r"but a .*line \d+\), c .* would lead out"):
            w.group("a", "c")
        with pytest.raises(InputError, match="the groups b and c share stages, and neither lies"):
            w.group("a", "b").group("b", "c")
        with pytest.raises(InputError, match="no group 'q'; groups here: none; lines: a, b, c"):
            w.group("q")
        with pytest.raises(InputError, match="abs was not called while f was recorded"):
            w.group(abs)

    def test_text(self):
        w = cr.circuit(self.f)(0.1, 0.2).group("b", "c")
        text = to_text(w.circuit)
        assert 'group "c"(' in text and to_text(from_text(text)) == text
        with pytest.raises(TextError, match="the group ruled has a rule of its own"):
            to_text(cr.circuit(ruled)(1.0).circuit)


class TestRefused:
    def test_more_than_one_output(self):
        with pytest.raises(OutputError, match="the group both returned a tuple of 2 items"):
            cr.grad(lambda x: cr.group(lambda x: (x, x * 2), name="both")(x)[0])(1.0)

    def test_a_rule_that_does_not_know_what_is_read(self):
        box = SimpleNamespace()
        scaled = cr.group(lambda x: box.k * x, local=lambda x, out: 1.0, name="scaled")

        def f(x, k):
            box.k = k
            return scaled(x)

        assert cr.grad(f)(1.0, 2.0) == 1.0  # a number read from outside does no harm
        with pytest.raises(InputError, match="group scaled is about its arguments, but its func"):
            cr.grad(f, (0, 1))(1.0, 2.0)

    def test_a_value_kept_from_inside_of_a_group_with_a_rule(self):
        box = SimpleNamespace()

        def inner(x):
            box.kept = x * 3.0
            return box.kept * x

        squared = cr.group(inner, local=lambda x, out: 6 * x, name="squared")
        with pytest.raises(InputError, match="computed inside the group squared, is read outside"):
            cr.grad(lambda x: squared(x) + box.kept)(2.0)

    def test_a_traced_value_in_a_closure(self):
        def f(x, k):
            return cr.group(lambda x: k * x, local=lambda x, out: 1.0, name="scaled")(x)

        with pytest.raises(TraceError, match="reads the traced value k from outside"):
            cr.grad(f, (0, 1))(1.0, 2.0)

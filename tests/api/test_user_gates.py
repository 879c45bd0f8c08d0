"""Gates made by users: rules in plain NumPy, settings, what they print as, and what is refused."""

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule.circuit.text import from_text, to_text
from chainrule.errors import (
    GradientError,
    InputError,
    OutputError,
    ShapeError,
    TextError,
    TraceError,
    UnsupportedError,
)

TWO_OVER_ROOT_PI = 1.1283791670955126
RATE = 2.0


@cr.gate(local=lambda x, out: 2 / np.sqrt(np.pi) * np.exp(-x * x), samples=[0.5, -1.0])
def erf(x):
    return math.erf(x)


@cr.gate(vjp=lambda dout, x, out: (-dout,))
def reverse(x):
    return x


@cr.gate
def swish(x):
    return x / (1 + np.exp(-x))


@cr.gate(local=lambda x, out, n: (n * x ** (n - 1),))
def nth(x, *, n=2):
    return x**n


def run_alone(code, **given):
    space = {}
    exec(compile(str(code), "<printed>", "exec"), space)
    return space


class TestRules:
    def test_a_function_that_cannot_be_recorded_needs_only_its_local_gradient(self):
        slope = TWO_OVER_ROOT_PI * math.exp(-0.09)
        for _ in range(3):
            assert cr.grad(erf)(0.3) == pytest.approx(slope, rel=1e-15)
        assert cr.grad(cr.grad(erf))(0.3) == pytest.approx(-0.6 * slope, rel=1e-15)
        cr.check_gate(erf)

    def test_without_a_rule_the_stages_are_differentiated(self):
        s = 1 / (1 + math.exp(-0.3))
        for _ in range(3):
            assert cr.grad(swish)(0.3) == pytest.approx(s + 0.3 * s * (1 - s), rel=1e-15)
        cr.check_grads(swish, (0.3,), order=2)

    def test_a_rule_may_send_what_it_likes(self):
        assert cr.grad(lambda x: reverse(x * x))(3.0) == -6.0
        assert cr.circuit(lambda x: reverse(x * x))(3.0)["x"].grad == -6.0

    def test_none_sends_nothing(self):
        keep = cr.gate(lambda x, y: x * y, local=lambda x, y, out: (y, None), name="keep")
        assert cr.grad(keep, (0, 1))(2.0, 3.0) == (3.0, 0.0)

    def test_a_scalar_of_arrays_has_partials_of_their_shapes(self):
        dot = cr.gate(lambda w, x: np.dot(w, x), local=lambda w, x, out: (x, w), name="dot")
        w, x = np.array([1.0, 2.0]), np.array([3.0, 5.0])
        for found in (cr.grad(dot)(w, x), cr.circuit(dot)(w, x)["w"].grad):
            np.testing.assert_array_equal(found, x)
        assert cr.jvp(dot, (w, x), (x, w)) == (13.0, 39.0)

    def test_rules_keep_float32(self):
        x = np.ones(2, np.float32)
        assert cr.grad(lambda x: swish(x).sum())(x).dtype == np.float32
        scaled = cr.gate(lambda x: 3 * x, local=lambda x, out: (np.sqrt(9.0),), name="scaled")
        assert cr.grad(lambda x: scaled(x).sum())(x).dtype == np.float32

    def test_numbers_of_rules_are_plain(self):
        w = cr.circuit(erf)(0.3)
        assert "dx = 1.1283791670955126 * math.exp(-x * x)" in w.code()
        assert type(w["x"].grad) is float

    def test_a_wrong_local_gradient_is_found_by_name(self):
        area = cr.gate(lambda x, y: x * y, local=lambda x, y, out: (y, 2 * x), name="area")
        verdict = cr.circuit(lambda x, y: area(x, y) + x)(2.0, 3.0).check()
        assert {f.subject for f in verdict.wrong if f.kind == "gate"} == {"area"}
        assert "area sends y the gradient 4, but central differences give 2" in str(verdict)
        with pytest.raises(GradientError, match=r"area\(2.0, 3.0\): the gradient by y .* 2 times"):
            cr.check_gate(area, [(2.0, 3.0)])


class TestSettings:
    def test_keyword_only_parameters(self):
        assert cr.grad(lambda x: nth(x, n=3))(2.0) == 12.0
        assert cr.grad(nth)(2.0) == 4.0
        assert "nth(x, n=3)" in cr.circuit(lambda x: nth(x, n=3))(2.0).code()

    def test_what_is_no_setting_is_refused(self):
        with pytest.raises(InputError, match="n= of the gate nth is a setting, and cannot be a li"):
            cr.grad(lambda x: nth(x, n=[3]))(2.0)
        with pytest.raises(InputError, match="is an input: put it before the \\*"):
            cr.grad(lambda x: nth(x, n=x))(2.0)


class TestDefinedAgain:
    """As in a notebook, where a cell is run again after a change."""

    def make(self, k):
        @cr.gate(local=lambda x, out: (k,))
        def scale(x):
            return k * x

        return scale

    def test_each_is_its_own_gate_and_old_circuits_stay(self):
        first = cr.circuit(self.make(2.0))(1.0)
        second = cr.circuit(self.make(3.0))(1.0)
        assert (first["x"].grad, second["x"].grad) == (2.0, 3.0)
        assert (first.at(x=5.0).value, second.at(x=5.0).value) == (10.0, 15.0)

    def test_both_in_one_program(self):
        two, three = self.make(2.0), self.make(3.0)
        w = cr.circuit(lambda x: two(x) * three(x))(1.0)
        assert run_alone(w.code())["f_grad"](1.0) == (6.0, 12.0)

    def test_a_number_read_from_outside_is_read_at_each_call(self, monkeypatch):
        rated = cr.gate(lambda x: RATE * x, name="rated")
        assert cr.grad(rated)(1.0) == 2.0
        monkeypatch.setitem(globals(), "RATE", 7.0)
        assert cr.grad(rated)(1.0) == 7.0


class TestPrinted:
    def test_a_definition_brings_what_it_reads(self):
        @cr.gate(local=lambda x, out: (RATE,))
        def rated(x):
            return RATE * x

        code = cr.circuit(lambda x: rated(erf(x)))(0.3).code()
        assert code.startswith("import math\n")
        assert "RATE = 2.0\n" in code and "def rated(x):\n    return RATE * x\n" in code
        assert run_alone(code)["f_grad"](0.3)[1] == cr.grad(lambda x: rated(erf(x)))(0.3)

    def test_what_cannot_stand_alone_is_written_out_with_its_own_rule(self):
        thrice = cr.gate(lambda x: x * 3, local=lambda x, out: (5,), name="thrice")
        w = cr.circuit(lambda x: thrice(x) + x)(2.0)
        assert "f = x * 3 + x" in w.code()
        assert run_alone(w.code())["f_grad"](2.0) == (8.0, 6.0)

    def test_what_cannot_be_written_out_either_is_an_argument(self):
        helper = {"erf": math.erf}.get("erf")
        erf2 = cr.gate(lambda x: helper(x), local=lambda x, out: np.exp(-x * x), name="erf2")
        code = cr.circuit(lambda x: erf2(x))(0.5).code()
        assert "def f_grad(x, *, erf2):" in code
        assert run_alone(code)["f_grad"](0.5, erf2=helper)[0] == math.erf(0.5)

    def test_text_carries_the_stages(self):
        w = cr.circuit(lambda x: swish(x) * 2)(0.3)
        again = from_text(to_text(w.circuit))
        assert "swish" not in to_text(w.circuit) and len(again.forward_rows()) == 5
        with pytest.raises(TextError, match="the gate erf cannot be taken apart"):
            to_text(cr.circuit(erf)(0.3).circuit)

    def test_machine_code_takes_the_stages_or_says_why_not(self):
        fast = cr.jit(cr.grad(swish))
        fast.compile(0.3)
        assert fast(0.3) == pytest.approx(cr.grad(swish)(0.3), rel=1e-15)
        with pytest.raises(UnsupportedError, match="the gate erf cannot be taken apart"):
            cr.jit(erf).compile(0.3)


class TestRefused:
    def test_the_number_of_partials(self):
        area = cr.gate(lambda x, y: x * y, local=lambda x, y, out: (y,), name="area")
        with pytest.raises(InputError, match="gave 1 partial, but the gate has 2 inputs: x, y"):
            cr.grad(area)(2.0, 3.0)

    def test_the_shape_of_a_partial(self):
        sums = cr.gate(lambda x: 2 * x, local=lambda x, out: (np.ones(3),), name="sums")
        with pytest.raises(ShapeError, match=r"shape \[3\], but x has shape \[2\] and the output"):
            cr.grad(lambda x: sums(x).sum())(np.ones(2))

    def test_a_partial_that_is_no_number(self):
        bad = cr.gate(lambda x: 2 * x, local=lambda x, out: ("two",), name="bad")
        with pytest.raises(OutputError, match="gives x the str 'two', not a number or an array"):
            cr.grad(bad)(1.0)

    def test_an_output_that_is_no_array(self):
        split = cr.gate(lambda x: (x, x), local=lambda x, out: (1,), name="split")
        with pytest.raises(OutputError, match="the gate split returned a tuple of 2 items: a gate "
                                              "has one output"):
            cr.grad(lambda x: split(x))(1.0)

    def test_a_decision_in_a_rule(self):
        bend = cr.gate(lambda x: abs(x), local=lambda x, out: 1.0 if x > 0 else -1.0, name="bend")
        with pytest.raises(UnsupportedError, match=r"decision on a value.*line") as caught:
            cr.grad(bend)(1.0)
        assert "np.where" in str(caught.value)

    def test_math_in_a_rule(self):
        bad = cr.gate(lambda x: x, local=lambda x, out: math.exp(x), name="bad")
        with pytest.raises(UnsupportedError, match="local= of the gate bad cannot be recorded"):
            cr.grad(bad)(1.0)

    def test_arrays_read_from_outside(self):
        W = np.ones(3)
        with pytest.raises(TraceError, match="reads the ndarray W from outside"):
            cr.grad(cr.gate(lambda x: (W * x).sum(), name="scored"))(1.0)

    def test_the_signature(self):
        with pytest.raises(InputError, match=r"local\(x, y, out\), but it takes \(x\)"):
            cr.gate(lambda x, y: x * y, local=lambda x: x)
        with pytest.raises(InputError, match="needs a fixed number of inputs"):
            cr.gate(lambda *xs: xs[0])
        with pytest.raises(InputError, match=r"name \{z\}"):
            cr.gate(lambda x: x, words="sends {z}")
        with pytest.raises(InputError, match="was given local= and vjp="):
            cr.gate(lambda x: x, local=lambda x, out: 1, vjp=lambda dout, x, out: dout)

    def test_plain_values_are_just_computed(self):
        assert erf(0.5) == math.erf(0.5) and repr(erf) == "<gate erf(x)>"
        assert erf.__name__ == "erf"

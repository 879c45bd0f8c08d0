"""Every worked number of the note on backpropagation, by the labels of its check list."""

import math
import re

import numpy as np
import pytest

import chainrule as cr
from chainrule.api.eager import forget
from chainrule.api.sources import expression, script
from chainrule.check.differences import central
from chainrule.circuit.record import BY_NAME
from chainrule.code.staged import line_map

NEURON = """\
w = [2,-3,-3] # assume some random weights and data
x = [-1, -2]

# forward pass
dot = w[0]*x[0] + w[1]*x[1] + w[2]
f = 1.0 / (1 + math.exp(-dot)) # sigmoid function
"""
STAGED = """\
x = 3 # example values
y = -4

# forward pass
sigy = 1.0 / (1 + math.exp(-y)) # sigmoid in numerator   #(1)
num = x + sigy # numerator                               #(2)
sigx = 1.0 / (1 + math.exp(-x)) # sigmoid in denominator #(3)
xpy = x + y                                              #(4)
xpysqr = xpy**2                                          #(5)
den = sigx + xpysqr # denominator                        #(6)
invden = 1.0 / den                                       #(7)
f = num * invden # done!                                 #(8)
"""


def staged(x, y):
    sigy = 1.0 / (1 + np.exp(-y))
    num = x + sigy
    sigx = 1.0 / (1 + np.exp(-x))
    xpy = x + y
    xpysqr = xpy**2
    den = sigx + xpysqr
    invden = 1.0 / den
    f = num * invden
    return f


FORWARD = {
    "sigy": 0.01798620996209156, "num": 3.0179862099620918, "sigx": 0.9525741268224334,
    "xpy": -1, "xpysqr": 1, "den": 1.9525741268224333, "invden": 0.5121444488396316,
    "f": 1.5456448841066441,
}
BACKWARD = {
    "dnum": 0.5121444488396316, "dinvden": 3.0179862099620918, "dden": -0.7915934472725935,
    "dsigx": -0.7915934472725935, "dxpysqr": -0.7915934472725935, "dxpy": 1.583186894545187,
    "dsigy": 0.5121444488396316, "dx": 2.0595697955721652, "dy": 1.5922327514838093,
}


def close(value, wanted):
    return value == pytest.approx(wanted, abs=1e-15, rel=0)


def run_alone(code):
    """The variables a printed program leaves, with no import but those it writes itself."""
    space = {}
    exec(compile(str(code), "<printed>", "exec"), space)
    return space


def imports(code):
    return set(re.findall(r"^import (\w+)|^from (\w+)", str(code), re.MULTILINE))


class TestC1:
    def setup_method(self):
        self.w = expression("q = x + y; f = q * z", {"x": -2, "y": 5, "z": -4})

    def test_values_and_gradients(self):
        assert [self.w[n].value for n in "qf"] == [3, -12]
        assert [self.w[n].grad for n in "xyzqf"] == [-4, -4, 3, -4, 1]

    def test_three_inputs_and_two_gates(self):
        assert len(self.w.circuit.inputs) == 3
        assert [s.gate.symbol for s in self.w.circuit.stages()] == ["+", "*"]

    def test_the_function_gives_the_same(self):
        f = lambda x, y, z: (x + y) * z  # as a user would write it
        assert cr.value_and_grad(f, (0, 1, 2))(-2, 5, -4) == (-12, (-4, -4, 3))

    def test_gates_are_local(self):
        q = self.w["q"]
        assert (q.value, q.local, q.grad) == (3, (1, 1), -4)
        assert self.w["f"].local == (-4, 3)


class TestC2:
    def test_printed_code_uses_d_names_and_runs_alone(self):
        code = expression("q = x + y; f = q * z", {"x": -2, "y": 5, "z": -4}).code()
        found = run_alone(code)
        assert [found[n] for n in ("dq", "dx", "dy", "dz")] == [-4, -4, -4, 3]

    def test_dfdx_names_on_request(self):
        code = expression("q = x + y; f = q * z", {"x": -2, "y": 5, "z": -4}).code("df")
        found = run_alone(code)
        assert [found[n] for n in ("dfdq", "dfdx", "dfdy", "dfdz")] == [-4, -4, -4, 3]


def neuron_by_gates():
    values = {"w0": 2, "x0": -1, "w1": -3, "x1": -2, "w2": -3}
    return expression("1/(1+exp(-(w0*x0 + w1*x1 + w2)))", values)


class TestN1:
    forward = (-2, 6, 4, 1, -1, 0.36787944117144233, 1.3678794411714423, 0.7310585786300049)
    backward = (0.19661193324148188,) * 4 + (
        -0.19661193324148188, -0.534446645388523, -0.534446645388523, 1,
    )

    def test_forward_values_of_the_eight_gates(self):
        w = neuron_by_gates()
        rows = w.circuit.forward_rows()
        assert len(rows) == 8
        assert [w.readings.value(r) for r in rows] == list(self.forward)

    def test_gradients_of_the_eight_gates(self):
        w = neuron_by_gates()
        found = [w.readings.gradient(w.part, r) for r in w.circuit.forward_rows()]
        assert found == pytest.approx(list(self.backward), abs=1e-15, rel=0)

    def test_gradients_of_the_inputs(self):
        w = neuron_by_gates()
        wanted = {
            "w0": -0.19661193324148188, "x0": 0.39322386648296376, "w1": -0.39322386648296376,
            "x1": -0.5898357997244457, "w2": 0.19661193324148188,
        }
        assert w.gradients == pytest.approx(wanted, abs=1e-15, rel=0)


class TestG2:
    def test_constants_have_no_gradient(self):
        w = neuron_by_gates()
        constants = w.circuit.constant_rows
        assert constants and all(w.readings.gradient(w.part, r) is None for r in constants)

    def test_promoted_to_inputs_they_have(self):
        w = neuron_by_gates().promote(c="+1", a="*-1")
        assert w["c"].grad == pytest.approx(-0.534446645388523, abs=1e-15, rel=0)
        assert w["a"].grad == pytest.approx(-0.19661193324148188, abs=1e-15, rel=0)


class TestN6:
    dx = (0.3932238664829637, -0.5898357997244456)
    dw = (-0.19661193324148185, -0.3932238664829637, 0.19661193324148185)

    def test_the_printed_script(self):
        code = script(NEURON).code()
        found = run_alone(code)
        assert found["ddot"] == 0.19661193324148185
        assert tuple(found["dx"]) == self.dx and tuple(found["dw"]) == self.dw
        assert {line.target for line in code.lines} == {"dot", "f", "ddot", "dx", "dw"}
        assert imports(code) == {("math", "")}

    def test_the_function(self):
        def neuron(w, x):
            dot = w[0] * x[0] + w[1] * x[1] + w[2]
            return 1.0 / (1 + np.exp(-dot))

        dw, dx = cr.grad(neuron, (0, 1))([2, -3, -3], [-1, -2])
        assert dx == pytest.approx(list(self.dx), abs=1e-15, rel=0)
        assert dw == pytest.approx(list(self.dw), abs=1e-15, rel=0)

    def test_the_sigmoid_prints_as_the_note_has_it(self):
        assert "ddot = (1 - f) * f " in script(NEURON).code()


class TestP:
    def test_p1_forward(self):
        w = script(STAGED)
        for name, wanted in FORWARD.items():
            assert close(w[name].value, wanted), name

    def test_p2_backward(self):
        w = script(STAGED)
        for name, wanted in BACKWARD.items():
            assert close(w[name[1:]].grad, wanted), name

    def test_p3_each_name_once_and_forks_add(self):
        code = script(STAGED).code()
        assigned = [re.match(r"(\w+) (\+?=)", line.text).groups() for line in code.backward]
        for name in ("dnum", "dinvden", "dden", "dsigx", "dxpysqr", "dxpy", "dsigy"):
            assert assigned.count((name, "=")) == 1 and (name, "+=") not in assigned
        assert [how for n, how in assigned if n == "dx"] == ["=", "+=", "+="]
        assert [how for n, how in assigned if n == "dy"] == ["=", "+="]
        assert len(code.backward) == 12  # as many as the note's own

    @pytest.mark.parametrize("kind", ["script", "function"])
    def test_p3_runs_alone_to_the_same_numbers(self, kind):
        if kind == "script":
            found = run_alone(script(STAGED).code())
            for name, wanted in (FORWARD | BACKWARD).items():
                assert close(found[name], wanted), name
        else:
            code = cr.circuit(staged)(3, -4).code()
            value, (dx, dy) = run_alone(code)["staged_grad"](3, -4)
            assert close(value, FORWARD["f"])
            assert close(dx, BACKWARD["dx"]) and close(dy, BACKWARD["dy"])

    def test_p3_the_function_prints_at_most_18_backward_lines(self):
        code = cr.circuit(staged)(3, -4).code()
        assert len(code.backward) <= 18
        assert {line.target for line in code.backward} == set(BACKWARD)
        assert any("+=" in line.text for line in code.backward)
        assert imports(code) == {("numpy", "")}

    def test_p4_backward_lines_point_at_forward_lines(self):
        assert line_map(script(STAGED).code()) == {
            8: ["dnum", "dinvden"], 7: ["dden"], 6: ["dsigx", "dxpysqr"], 5: ["dxpy"],
            4: ["dx", "dy"], 3: ["dx"], 2: ["dx", "dsigy"], 1: ["dy"],
        }

    def test_p4_forward_lines_are_numbered_as_the_note_numbers_them(self):
        code = script(STAGED).code()
        assert [line.target for line in code.forward] == list(FORWARD)
        assert [line.number for line in code.forward] == list(range(1, 9))

    def test_p5_backward_evaluates_no_exp(self):
        assert not any("exp" in line.text for line in script(STAGED).code().backward)

    def test_p5_backward_reads_only_what_is_there(self):
        code = cr.circuit(staged)(3, -4).code()
        assert "np.exp" not in "".join(line.text for line in code.backward)
        known = {"x", "y"} | {line.target for line in code.forward}
        for line in code.backward:
            target, how, source = re.match(r"(\w+) (\+?=) (.*)", line.text).groups()
            assert set(re.findall(r"[a-z]\w*", source)) <= known
            assert how == "=" or target in known
            known.add(target)

    @pytest.mark.parametrize("make", [lambda: script(STAGED), lambda: cr.circuit(staged)(3, -4)])
    def test_p5_recompute_keeps_fewer_values_and_gives_equal_gradients(self, make):
        w = make()
        code = w.code(recompute=True)
        assert code.most_held < w.code().most_held
        found = run_alone(code)
        if w.prelude is None:
            _, (dx, dy) = found["staged_grad"](3, -4)
        else:
            dx, dy = found["dx"], found["dy"]
        assert close(dx, BACKWARD["dx"]) and close(dy, BACKWARD["dy"])
        assert w.check(code=code)

    def test_p6_the_trail_of_gradients_that_add_up(self):
        trails = {"dx": [], "dy": []}
        space = {"math": math}
        for line in script(STAGED).code().splitlines():
            exec(line, space)
            for name, trail in trails.items():
                if line.startswith(name + " "):
                    trail.append(space[name])
        wanted = {
            "dx": [1.583186894545187, 1.5474253467325334, 2.0595697955721652],
            "dy": [1.583186894545187, 1.5922327514838093],
        }
        assert trails["dx"] == pytest.approx(wanted["dx"], abs=1e-15, rel=0)
        assert trails["dy"] == pytest.approx(wanted["dy"], abs=1e-15, rel=0)

    def test_p6_with_assignment_for_addition_the_check_names_the_forks(self):
        w = script(STAGED)
        wrong = w.code().replace("+=", "=")
        found = run_alone(wrong)
        assert found["dx"] == pytest.approx(0.5121444488396316, abs=1e-15, rel=0)
        assert found["dy"] == pytest.approx(0.009045856938622317, abs=1e-15, rel=0)
        verdict = w.check(code=wrong)
        assert not verdict
        assert {f.subject for f in verdict.wrong} == {"x", "y"}
        assert {f.kind for f in verdict.wrong} == {"fork"}
        assert w.check(code=w.code())

    def test_eager_gradients(self):
        for _ in range(3):  # by rules, then by the compiled program
            dx, dy = cr.grad(staged, (0, 1))(3, -4)
            assert close(dx, BACKWARD["dx"]) and close(dy, BACKWARD["dy"])


class TestF1:
    def test_values_and_gradients(self):
        w = expression("2*(x*y + max(z, w))", {"x": 3, "y": -4, "z": 2, "w": -1})
        assert [w[n].grad for n in "xyzw"] == [-8, 6, 2, 0]
        rows = w.circuit.forward_rows()
        assert [w.readings.value(r) for r in rows] == [-12, 2, -10, -20]
        assert [w.readings.gradient(w.part, r) for r in rows] == [2, 2, 2, 1]

    def test_as_a_function(self):
        f = lambda x, y, z, w: 2 * (x * y + np.maximum(z, w))
        assert cr.grad(f, (0, 1, 2, 3))(3, -4, 2, -1) == (-8, 6, 2, 0)


class TestV1:
    @pytest.mark.parametrize("seed", range(20))
    def test_matrix_times_matrix(self, seed):
        rng = np.random.default_rng(seed)
        W, X, dD = rng.normal(size=(5, 10)), rng.normal(size=(10, 3)), rng.normal(size=(5, 3))
        D, pullback = cr.vjp(lambda W, X: W.dot(X), W, X)
        dW, dX = pullback(dD)
        assert dW.shape == (5, 10) and dX.shape == (10, 3)
        np.testing.assert_array_equal(D, W @ X)
        np.testing.assert_allclose(dW, dD @ X.T, rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(dX, W.T @ dD, rtol=1e-13, atol=1e-13)

    @pytest.mark.parametrize("seed", range(20))
    @pytest.mark.parametrize("shapes", [((5, 10), (10, 3)), ((4, 3), (3,)), ((3,), (3, 4)),
                                        ((3,), (3,))])
    def test_against_differences(self, seed, shapes):
        rng = np.random.default_rng(seed)
        x, y = (rng.normal(size=s) for s in shapes)
        dout = rng.normal(size=np.shape(x @ y))
        _, pullback = cr.vjp(lambda x, y: x @ y, x, y)
        found = pullback(dout)
        for index, given in enumerate((x, y)):
            direction, h = rng.normal(size=given.shape), 1e-6
            ends = [[x, y], [x, y]]
            ends[0][index], ends[1][index] = given + h * direction, given - h * direction
            slope = np.sum(dout * (ends[0][0] @ ends[0][1] - ends[1][0] @ ends[1][1])) / (2 * h)
            assert found[index].shape == given.shape
            assert np.sum(found[index] * direction) == pytest.approx(slope, rel=1e-6, abs=1e-8)

    def test_the_printed_code(self):
        def product(W, X):
            D = W.dot(X)
            return D

        W, X, dD = np.ones((5, 10)), np.ones((10, 3)), np.ones((5, 3))
        code = cr.circuit(product)(W, X, output_grad=dD).code()
        assert [line.text for line in code.backward] == ["dW = dD @ X.T", "dX = W.T @ dD"]
        _D, (dW, dX) = run_alone(code)["product_grad"](W, X, dD)
        assert dW.shape == W.shape and dX.shape == X.shape


class TestV3:
    def test_two_by_two_in_scalar_gates(self):
        def product(W, X):
            D = W.dot(X)
            return D

        W, X, dD = np.random.default_rng(0).normal(size=(3, 2, 2))
        w = cr.circuit(product)(W, X, output_grad=dD)
        scalar = w.expand()
        for found in (scalar.gradients, dict(zip("WX", run_alone(scalar.code())["product_grad"](
                W, X)[1], strict=True))):
            np.testing.assert_allclose(found["W"], dD @ X.T, rtol=1e-14)
            np.testing.assert_allclose(found["X"], W.T @ dD, rtol=1e-14)
        assert "D01 = W[0][0] * X[0][1] + W[0][1] * X[1][1]" in scalar.code()


def test_closures_are_differentiated_through():
    assert cr.grad(lambda x: x * cr.grad(lambda y: x + y)(1.0))(2.0) == 1.0


def test_accumulating_does_not_corrupt_an_aliased_gradient():
    def f(x, y):
        q = x + y
        r = x * 3.0
        return (q * q + r * r).sum()

    x, y = np.array([1.0, 2.0]), np.array([5.0, 7.0])
    q, r = x + y, 3 * x
    for _ in range(3):
        dx, dy = cr.grad(f, (0, 1))(x, y)
        np.testing.assert_array_equal(dy, 2 * q)
        np.testing.assert_array_equal(dx, 2 * q + 6 * r)
    _value, (dx, dy) = run_alone(cr.circuit(f)(x, y).code())["f_grad"](x, y)
    np.testing.assert_array_equal(dy, 2 * q)
    np.testing.assert_array_equal(dx, 2 * q + 6 * r)


class TestN4:
    """One sigmoid as one gate, as four gates, as a recognised group: equal gradients."""

    def test_one_gate_four_gates_and_a_group(self):
        four = expression("1/(1+exp(-x))", {"x": 1.0})
        one = expression("sigmoid(x)", {"x": 1.0})
        gradients = [w.gradients["x"] for w in (four, four.ungroup(), one)]
        assert gradients == pytest.approx([0.19661193324148185] * 3, abs=1e-15, rel=0)

    def test_ungroup_and_group_restore_the_circuit(self):
        w = expression("1/(1+exp(-x))", {"x": 1.0})
        assert len(w.circuit.groups) == 1 and w.ungroup().circuit.groups == ()
        assert w.ungroup().group().circuit.groups == w.circuit.groups

    def test_ungrouped_code_goes_gate_by_gate(self):
        w = expression("f = 1/(1+exp(-x))", {"x": 1.0})
        assert "dx = (1 - f) * f" in w.code()
        found = run_alone(w.ungroup().code())
        assert found["dx"] == pytest.approx(0.19661193324148185, abs=1e-15)
        assert "(1 - f)" not in w.ungroup().code()


class TestN5:
    def test_the_gate_and_the_group_have_gradient_zero_and_the_four_gates_nan(self):
        with np.errstate(all="ignore"):
            four = expression("1/(1+exp(-x))", {"x": -1000.0})
            assert four.gradients["x"] == 0.0
            assert math.isnan(four.ungroup().gradients["x"])
        one = expression("sigmoid(x)", {"x": -1000.0})  # and no warning
        assert (one.value, one.gradients["x"]) == (0.0, 0.0)


class TestS:
    def test_s1_a_product(self):
        f = lambda x, y: x * y
        assert cr.value_and_grad(f, (0, 1))(4, -3) == (-12, (-3, 4))
        h = 1e-3
        assert f(4 + h, -3) == pytest.approx(-12 - 3 * h, abs=1e-12)
        assert f(4, -3 + h) == pytest.approx(-12 + 4 * h, abs=1e-12)

    def test_s2_a_derivative_is_a_slope(self):
        f = lambda x, y: x * y
        dx, dy = cr.grad(f, (0, 1))(4, -3)
        assert central(lambda x: f(x, -3), 4.0, h=1e-4) == pytest.approx(dx, abs=1e-8)
        assert central(lambda y: f(4, y), -3.0, h=1e-4) == pytest.approx(dy, abs=1e-8)
        h = 1e-4  # from one side, the limit's own quotient
        assert (f(4 + h, -3) - f(4, -3)) / h == pytest.approx(-3, abs=1e-8)
        assert (f(4, -3 + h) - f(4, -3)) / h == pytest.approx(4, abs=1e-8)

    def test_s4_a_sum_has_gradients_one(self):
        rng = np.random.default_rng(0)
        for x, y in rng.normal(size=(10, 2)).tolist():
            assert cr.grad(lambda x, y: x + y, (0, 1))(x, y) == (1.0, 1.0)

    def test_s5_a_maximum(self):
        assert cr.value_and_grad(np.maximum, (0, 1))(4, 2) == (4, (1, 0))

    def test_s6_a_tie_lies_in_the_subdifferential(self):
        weights = cr.grad(lambda x, y: np.maximum(x, y), (0, 1))(2.0, 2.0)
        assert weights == (0.5, 0.5)


POINTS = (-2.5, -0.75, 0.3, 1.0, 3.25)
UNARY = {
    "exp": (np.exp, np.exp),
    "1/x": (lambda x: 1 / x, lambda x: -1 / x**2),
    "+c": (lambda x: x + 7.0, lambda x: 1.0),
    "*a": (lambda x: -4.0 * x, lambda x: -4.0),
}


class TestG1:
    @pytest.mark.parametrize("x", POINTS)
    @pytest.mark.parametrize("name", UNARY)
    def test_the_new_gates_at_five_points(self, name, x):
        f, derivative = UNARY[name]
        found = cr.grad(f)(x)
        assert found == pytest.approx(derivative(x), rel=1e-15, abs=0)
        assert found == pytest.approx(central(f, x), rel=1e-7, abs=1e-7)


class TestM1:
    """The circuits against differences are in check/test_circuits; a wrong gate has a name here."""

    def test_a_wrong_gate_is_found_by_name(self):
        exp = BY_NAME["exp"]
        right = exp.local
        object.__setattr__(exp, "local", lambda x, out: (1.01 * out,))
        try:
            wrong = script(STAGED).ungroup().check().wrong
        finally:
            object.__setattr__(exp, "local", right)
        assert {f.subject for f in wrong if f.kind == "gate"} == {"exp"}
        assert {f.where.line for f in wrong if f.kind == "gate"} == {5, 7}  # sigy and sigx


def hinge(W, b, X, labels):
    """The note's SVM loss: every wrong class within 1 of the right one costs its margin."""
    scores = X @ W + b  # [examples, classes]
    right = np.sum(scores * labels, axis=1, keepdims=True)
    return np.sum(np.maximum(0, scores - right + 1) * (1 - labels)) / 4


class TestL1:
    """The data are fixed: what nobody asks the gradient of is not worked out."""

    def setup_method(self):
        rng = np.random.default_rng(1)
        self.W, self.b = rng.normal(size=(3, 2)), rng.normal(size=2)
        self.X = rng.normal(size=(4, 3))
        self.labels = np.eye(2)[[0, 1, 1, 0]]

    def asked(self, argnums):
        """The gradients, and how often each operand of the product had its own worked out."""
        counts = [0, 0]
        matmul = BY_NAME["matmul"]
        right = matmul.vjp

        def counting(*args):
            def worked_out(i, entry):
                counts[i] += 1
                return entry()

            return [lambda i=i, e=e: worked_out(i, e) for i, e in enumerate(right(*args))]

        forget()
        object.__setattr__(matmul, "vjp", counting)
        try:
            found = cr.grad(hinge, argnums)(self.W, self.b, self.X, self.labels)
        finally:
            object.__setattr__(matmul, "vjp", right)
            forget()
        return found, counts

    def test_the_data_get_no_gradient_unless_asked(self):
        (dW, db), counts = self.asked((0, 1))
        assert counts == [0, 1] and dW.shape == (3, 2) and db.shape == (2,)

    def test_when_asked_it_is_right(self):
        (*_, dX), counts = self.asked((0, 1, 2))
        assert counts == [1, 1] and dX.shape == (4, 3)
        cr.check_grads(
            lambda W, b, X: hinge(W, b, X, self.labels), (self.W, self.b, self.X),
            modes=("rev",), tolerance=1e-6,
        )

    def test_code_with_the_data_outside_has_one_product_each_way(self):
        X, labels = self.X, self.labels
        code = cr.circuit(lambda W, b: hinge(W, b, X, labels))(self.W, self.b).code()
        assert code.count("@") == 2 and "dX" not in code


class TestF34:
    def test_f3_the_small_input_gets_the_big_gradient(self):
        assert cr.grad(lambda x, y: x * y, (0, 1))(1e-3, 1e3) == (1e3, 1e-3)

    def test_f4_data_times_1000_makes_gradients_times_1000(self):
        rng = np.random.default_rng(0)
        w, x = rng.normal(size=5), rng.normal(size=5)
        score = lambda w, x: w @ x
        np.testing.assert_allclose(
            cr.grad(score)(w, 1000 * x), 1000 * cr.grad(score)(w, x), rtol=1e-12
        )

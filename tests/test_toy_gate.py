"""A gate defined here goes through everything that exists, as any gate of the catalogue does."""


import numpy as np
import pytest

import chainrule as cr
from chainrule.circuit.record import catalogue
from chainrule.circuit.text import from_text, to_text


@pytest.fixture
def hypotenuse():
    @cr.gate(
        local=lambda x, y, out: (x / out, y / out), symbol="hyp", samples=((3.0, 4.0),),
        words="shares {dout} by length: {x} gets {x} / {out} * {dout}, and {y} its like",
    )
    def hypotenuse(x, y):
        return np.sqrt(x * x + y * y)

    return hypotenuse


@pytest.fixture
def f(hypotenuse):
    def f(x, y):
        h = hypotenuse(x, y)
        return h * x

    return f


def test_it_computes(hypotenuse):
    assert hypotenuse(3.0, 4.0) == 5.0
    np.testing.assert_array_equal(hypotenuse(np.array([3.0, 6.0]), np.array([4.0, 8.0])), [5, 10])


@pytest.mark.parametrize("turn", range(3))  # by rules, then by the compiled program
def test_gradient(f, turn):
    assert cr.grad(f, (0, 1))(3.0, 4.0) == pytest.approx((3 * 3 / 5 + 5, 3 * 4 / 5), rel=1e-15)


def test_gradient_of_arrays_sums_over_what_was_spread(hypotenuse):
    x, y = np.array([[3.0], [6.0]]), np.array([4.0, 8.0])
    h = np.sqrt(x * x + y * y)
    dx, dy = cr.grad(lambda x, y: hypotenuse(x, y).sum(), (0, 1))(x, y)
    np.testing.assert_allclose(dx, (x / h).sum(axis=1, keepdims=True), rtol=1e-15)
    np.testing.assert_allclose(dy, (y / h).sum(axis=0), rtol=1e-15)


def test_a_branch_not_taken_gives_zero_behind_it(hypotenuse):
    g = cr.grad(lambda x: np.where(x > 1, hypotenuse(x, 0.0 * x), x).sum())
    np.testing.assert_array_equal(g(np.array([0.0, 2.0])), [1.0, 1.0])  # 0 / 0 at the first


def test_the_same_without_a_rule():
    root = cr.gate(lambda x: np.sqrt(x), name="root")
    g = cr.grad(lambda x: np.where(x > 0, root(np.maximum(x, 0)), x).sum())
    np.testing.assert_array_equal(g(np.array([-1.0, 4.0])), [1.0, 0.25])


def test_code_runs_alone(f):
    w = cr.circuit(f)(3.0, 4.0)
    space = {}
    exec(compile(w.code(), "<printed>", "exec"), space)
    assert "def hypotenuse(x, y):\n    return np.sqrt(x * x + y * y)\n" in w.code()
    assert "h = hypotenuse(x, y)" in w.code()
    assert space["f_grad"](3.0, 4.0) == (w.value, tuple(w.gradients.values()))


def test_picture_and_words(f):
    w = cr.circuit(f)(3.0, 4.0)
    assert "hyp" in w.draw() and "shares dh by length: x gets x / h * dh" in " ".join(
        str(w).split()
    )
    assert "The hyp gate shares dout by length" not in w.explain()
    assert "x gets 0.60 x 3.00 = 1.80, y gets 0.80 x 3.00 = 2.40" in w.explain()


def test_check(f):
    assert cr.circuit(f)(3.0, 4.0).check()
    cr.check_grads(f, (3.0, 4.0), order=3)


def test_forward_mode_and_second_derivatives(f, hypotenuse):
    assert cr.jvp(hypotenuse, (3.0, 4.0), (1.0, 0.0)) == (5.0, pytest.approx(0.6, rel=1e-15))
    found = cr.hessian(lambda v: hypotenuse(v[0], v[1]))(np.array([3.0, 4.0]))
    np.testing.assert_allclose(found, np.array([[16, -12], [-12, 9]]) / 125, rtol=1e-14)


def test_many_at_once(f, hypotenuse):
    x, y = np.array([3.0, 6.0, 5.0]), np.array([4.0, 8.0, 12.0])
    np.testing.assert_array_equal(cr.vmap(hypotenuse)(x, y), [5, 10, 13])
    gradient = cr.grad(f, (0, 1))
    each = [gradient(a, b) for a, b in zip(x, y, strict=True)]
    np.testing.assert_array_equal(cr.vmap(gradient)(x, y), np.transpose(each))
    dx = cr.grad(lambda x: np.sum(cr.vmap(f)(x, y)))(x)
    np.testing.assert_array_equal(dx, [first for first, _ in each])
    w = cr.circuit(lambda x: np.sum(cr.vmap(hypotenuse)(x, y)))(x)
    assert [s.gate.name for s in w.circuit.stages()] == ["hypotenuse", "sum"]  # one call for all


def test_decomposition(f):
    w = cr.circuit(f)(3.0, 4.0)
    again = from_text(to_text(w.circuit))
    assert [s.gate.name for s in again.stages()] == [
        "multiply", "multiply", "add", "sqrt", "multiply",
    ]


def test_machine_code(f):
    gradient = cr.jit(cr.grad(f))
    gradient.compile(3.0, 4.0)
    assert gradient(3.0, 4.0) == pytest.approx(6.8, rel=1e-15)


def test_the_contract(hypotenuse):
    cr.check_gate(hypotenuse)


def test_the_catalogue_is_left_alone(hypotenuse):
    before = len(catalogue())
    for _ in range(5):
        cr.grad(hypotenuse)(3.0, 4.0)
    assert len(catalogue()) - before <= 1  # entered once, when it is first recorded

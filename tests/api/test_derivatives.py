"""Forward mode, Jacobians, Hessians and products with them, against numbers worked by hand."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.circuit.record import differentiable_gates
from chainrule.errors import InputError, ShapeError

A = np.arange(6.0).reshape(2, 3)
X = np.array([1.0, 2.0, 3.0])
V = np.array([0.5, -1.0, 2.0])


def quartic(x):
    return (x * x * x * x).sum() + x.sum() ** 2


def test_jvp_of_numbers():
    assert cr.jvp(lambda x, y: x * y + x, (2.0, 5.0), (1.0, 10.0)) == (12.0, 26.0)


def test_hvp_is_exact_on_a_quartic():
    np.testing.assert_allclose(
        cr.hvp(quartic, (X,), (V,)), 12 * X * X * V + 2 * V.sum(), rtol=1e-12
    )


def test_hvp_of_two_arguments_mixes_their_tangents():
    f = lambda x, y: x * x * y  # H = [[2y, 2x], [2x, 0]]
    assert cr.hvp(f, (3.0, 5.0), (1.0, 2.0)) == (10.0 + 12.0, 6.0)


def test_hessian_of_a_quartic():
    np.testing.assert_allclose(cr.hessian(quartic)(X), np.diag(12 * X * X) + 2, rtol=1e-12)


@pytest.mark.parametrize("argument", [X, X[:2]], ids=["by rows", "by columns"])
def test_jacobian_of_a_linear_map_is_its_matrix(argument):
    M = A if argument.size == 3 else A.T
    np.testing.assert_array_equal(cr.jacobian(lambda x: M @ x)(argument), M)


def test_jacobian_shapes():
    assert cr.jacobian(lambda x: x * 2)(2.0) == 2.0
    assert cr.jacobian(lambda x: x * np.ones((2, 3)))(2.0).shape == (2, 3)
    assert cr.jacobian(lambda w: w.sum(axis=0))(A).shape == (3, 2, 3)
    both = cr.jacobian(lambda x, y: x * y, argnums=(0, 1))(X, V)
    np.testing.assert_array_equal(both[0], np.diag(V))
    assert cr.jacobian(lambda p: p["a"] * X)({"a": 2.0})["a"].shape == (3,)


@pytest.mark.parametrize("argument", [X, X[:2]], ids=["by rows", "by columns"])
def test_partials_that_are_infinite_stay_in_their_row(argument):
    f = lambda x: np.stack([np.exp(1000 * x[0]), x[1], 2 * x[1]])[: x.size]
    with np.errstate(over="ignore", invalid="ignore"):  # 0 * inf, of what x[0] gives x[1]'s row
        eager = cr.jacobian(f)(argument)
        batched = cr.vmap(cr.jacobian(f))(argument[None])[0]
    assert eager[0, 0] == np.inf and eager[1, 1] == 1
    np.testing.assert_array_equal(batched, eager)


def test_a_jacobian_of_single_precision_stays_there():
    for f in (cr.jacobian(np.square), cr.jit(cr.jacobian(np.square))):
        for _ in range(3):
            assert f(X.astype(np.float32)).dtype == np.float32


def test_a_jacobian_of_nothing_is_empty():
    assert cr.jacobian(lambda x: x[:0])(X).shape == (0, 3)


def test_a_linear_map_can_be_used_again():
    value, along = cr.linearize(lambda x: (x * x).sum(), X)
    assert value == 14.0
    assert along(V) == 2 * X @ V and along(2 * V) == 4 * X @ V


def test_derivatives_nest_in_any_order():
    f = lambda x: x * x * x
    forward_over_reverse = cr.jvp(cr.grad(f), (2.0,), (1.0,))[1]
    reverse_over_forward = cr.grad(lambda x: cr.jvp(f, (x,), (1.0,))[1])(2.0)
    forward_over_forward = cr.jvp(lambda x: cr.jvp(f, (x,), (1.0,))[1], (2.0,), (1.0,))[1]
    assert forward_over_reverse == reverse_over_forward == forward_over_forward == 12.0
    g = cr.grad(lambda x: cr.jacobian(lambda y: y * y * x)(x).sum())(X)
    np.testing.assert_array_equal(g, 4 * X)


@pytest.mark.parametrize("gate", list(differentiable_gates()), ids=lambda g: g.name)
def test_forward_and_reverse_mode_agree_for_every_gate(gate):
    rng = np.random.default_rng(5)
    for attrs in gate.sample_attrs:
        for sample in gate.samples:
            floats = [float(x) if x.__class__ is int else x for x in sample]
            places = [i for i, x in enumerate(floats)
                      if x.__class__ is float or getattr(x, "dtype", np.dtype(bool)).kind == "f"]

            def f(*chosen, floats=floats, places=places, attrs=attrs):
                operands = list(floats)
                for place, x in zip(places, chosen, strict=True):
                    operands[place] = x
                return gate(*operands, **attrs)

            given = [floats[i] for i in places]
            tangents = [rng.normal(size=np.shape(x))[()] for x in given]
            value, pullback = cr.vjp(f, *given)
            dout = rng.normal(size=np.shape(value))[()]
            _, along = cr.jvp(f, given, tangents)
            back = pullback(dout)
            dots = sum(np.sum(g * t) for g, t in zip(back, tangents, strict=True))
            assert np.sum(dout * along) == pytest.approx(dots, rel=1e-12, abs=1e-12)


def test_arguments_by_name():
    f = lambda x, y, z=1.0: x * y * z
    assert cr.grad(f, argnums="y")(2.0, 3.0) == 2.0
    assert cr.grad(f, argnums=("z", "x"))(2.0, 3.0, z=5.0) == (6.0, 15.0)
    with pytest.raises(InputError, match="argnums='q', but <lambda> was called with x, y"):
        cr.grad(f, argnums="q")(2.0, 3.0)


def test_tangents_of_the_wrong_kind():
    with pytest.raises(ShapeError, match=r"\[3\], not \[2\]"):
        cr.jvp(quartic, (X,), (V[:2],))
    with pytest.raises(InputError, match="1 arguments need as many tangents, got 2"):
        cr.jvp(quartic, (X,), (V, V))

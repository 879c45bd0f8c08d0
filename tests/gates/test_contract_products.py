"""Products: NumPy's values in every combination of ranks, and gradients of the inputs' shapes."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.errors import ShapeError, UnsupportedError


def normal(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape)


def assert_product(f, x, y, printed=True):
    """Value, shape and dtype are NumPy's; bilinear: <dx, x> = <dy, y> = <dout, f(x, y)>."""
    value, pullback = cr.vjp(f, x, y)
    wanted = np.asarray(f(x, y))[()]
    assert (np.shape(value), value.dtype) == (np.shape(wanted), wanted.dtype)
    np.testing.assert_array_equal(value, wanted)
    dout = normal(*np.shape(value), seed=5) if np.shape(value) else 0.7
    for _ in range(3):
        dx, dy = pullback(dout)
        assert (dx.shape, dy.shape) == (x.shape, y.shape)
        v, w = normal(*x.shape, seed=6), normal(*y.shape, seed=7)
        near = {"rel": 1e-11, "abs": 1e-11}
        assert np.sum(dx * v) == pytest.approx(np.sum(dout * f(v, y)), **near)
        assert np.sum(dy * w) == pytest.approx(np.sum(dout * f(x, w)), **near)
    if printed:
        g = lambda x, y: np.sum(f(x, y) * f(x, y))
        space = {}
        exec(str(cr.circuit(g)(x, y).code()), space)
        for found, other in zip(space["f_grad"](x, y)[1], cr.grad(g, (0, 1))(x, y), strict=True):
            np.testing.assert_array_equal(found, other)


BATCHES = [(), (5,), (1,), (2, 5), (2, 1)]
MATMULS = [
    ((*a, *m), (*b, *n))
    for (a, m), (b, n) in itertools.product(
        [((), (4,)), *((batch, (3, 4)) for batch in BATCHES)],
        [((), (4,)), *((batch, (4, 2)) for batch in BATCHES)],
    )
]


@pytest.mark.parametrize(("x", "y"), MATMULS, ids=str)
def test_matmul_of_vectors_matrices_and_stacks(x, y):
    assert_product(np.matmul, normal(*x), normal(*y, seed=1))
    assert_product(lambda x, y: x @ y, normal(*x), normal(*y, seed=1), printed=False)


def test_matmul_of_nothing():
    for x, y in (((0, 4), (4, 2)), ((3, 0), (0, 2)), ((0,), (0, 2)), ((5, 0, 4), (4,))):
        assert_product(np.matmul, normal(*x), normal(*y), printed=False)


PRODUCTS = {
    "dot": (np.dot, (3, 4), (4,)),
    "outer": (np.outer, (3,), (4,)),
    "outer of matrices": (np.outer, (3, 2), (2, 2)),
    "inner of vectors": (np.inner, (3,), (3,)),
    "inner of matrices": (np.inner, (2, 3), (4, 3)),
    "inner of stacks": (np.inner, (2, 5, 3), (4, 1, 3)),
    "inner with a vector": (np.inner, (3,), (4, 2, 3)),
    "vdot": (np.vdot, (2, 3), (2, 3)),
    "vdot of other shapes": (np.vdot, (2, 3), (6,)),
    "tensordot": (np.tensordot, (2, 3, 4), (3, 4, 5)),
    "tensordot 1": (lambda x, y: np.tensordot(x, y, 1), (2, 3), (3, 4)),
    "tensordot 0": (lambda x, y: np.tensordot(x, y, axes=0), (2,), (3,)),
    "tensordot axes": (lambda x, y: np.tensordot(x, y, ((0, -1), (2, 0))), (2, 3, 4), (4, 5, 2)),
    "tensordot one axis": (lambda x, y: np.tensordot(x, y, (1, 0)), (2, 3), (3, 4)),
    "tensordot all": (lambda x, y: np.tensordot(x, y, ((1, 0), (0, 1))), (2, 3), (3, 2)),
    "kron": (np.kron, (2, 3), (4, 1)),
    "kron of other ranks": (np.kron, (3,), (2, 2)),
}


@pytest.mark.parametrize(("f", "x", "y"), PRODUCTS.values(), ids=PRODUCTS)
def test_other_products(f, x, y):
    assert_product(f, normal(*x), normal(*y, seed=1))


EINSUMS = [
    ("ij,jk->ik", (2, 3), (3, 4)), ("ij,jk", (2, 3), (3, 4)), ("ij,jk->", (2, 3), (3, 4)),
    ("i,j->ji", (2,), (3,)), ("ij,ij->i", (2, 3), (2, 3)), ("ij,kl->il", (2, 3), (4, 5)),
    ("...ij,...jk->...ik", (5, 2, 3), (3, 4)), ("...i,...i", (5, 3), (2, 1, 3)),
    ("b...,b...->...", (2, 3), (2, 3)), ("ii,i->i", (3, 3), (3,)), ("ii,jj->", (3, 3), (2, 2)),
    ("iij,ji->j", (2, 2, 3), (3, 2)), ("ij, jk -> ki", (2, 3), (3, 4)), ("i,->i", (3,), ()),
    ("ij,jk->ik", (2, 1), (3, 4)), ("aab,b", (2, 2, 3), (3,)), ("iii,i", (2, 2, 2), (2,)),
    ("ba,Ab", (2, 3), (4, 2)),
]


@pytest.mark.parametrize(("subscripts", "x", "y"), EINSUMS, ids=str)
def test_einsum_of_two(subscripts, x, y):
    f = lambda x, y: np.einsum(subscripts, x, y)
    x, y = normal(*x), normal(*y, seed=1)
    value, pullback = cr.vjp(f, x, y)
    np.testing.assert_allclose(value, f(x, y), rtol=1e-13)
    dout = normal(*np.shape(value), seed=5) if np.shape(value) else 0.7
    dx, dy = pullback(dout)
    v, w = normal(*x.shape, seed=6), normal(*np.shape(y), seed=7)
    assert (np.shape(dx), np.shape(dy)) == (x.shape, np.shape(y))
    assert np.sum(dx * v) == pytest.approx(np.sum(dout * f(v, y)), rel=1e-11, abs=1e-11)
    assert np.sum(dy * w) == pytest.approx(np.sum(dout * f(x, w)), rel=1e-11, abs=1e-11)


ONE = [("ij->ji", (2, 3)), ("ij->", (2, 3)), ("ij->j", (2, 3)), ("ii", (3, 3)), ("ii->i", (3, 3)),
       ("ijk->ki", (2, 3, 4)), ("...j->j...", (2, 3, 4)), ("iji->j", (2, 3, 2)), ("ba", (2, 3))]


@pytest.mark.parametrize(("subscripts", "shape"), ONE, ids=str)
def test_einsum_of_one(subscripts, shape):
    f = lambda x: np.einsum(subscripts, x)
    x, v = normal(*shape), normal(*shape, seed=1)
    value, pullback = cr.vjp(f, x)
    np.testing.assert_allclose(value, f(x), rtol=1e-14)
    dout = normal(*np.shape(value), seed=5) if np.shape(value) else 0.7
    (dx,) = pullback(dout)
    assert dx.shape == shape
    assert np.sum(dx * v) == pytest.approx(np.sum(dout * f(v)), rel=1e-11, abs=1e-11)


SIZES = dict(zip("abcd", (1, 2, 3, 2), strict=True))
terms = st.lists(st.sampled_from("abcd"), max_size=3, unique=True).map("".join)


@settings(max_examples=80, deadline=None)
@given(st.lists(terms, min_size=1, max_size=4), st.data())
def test_any_einsum(inputs, data):
    letters = sorted(set("".join(inputs)))
    result = "".join(data.draw(st.permutations(letters)))[: data.draw(st.integers(0, 4))]
    subscripts = ",".join(inputs) + "->" + result
    arrays = [normal(*(SIZES[c] for c in t), seed=i) for i, t in enumerate(inputs)]
    f = lambda *xs: np.einsum(subscripts, *xs)
    value, pullback = cr.vjp(f, *arrays)
    np.testing.assert_allclose(value, f(*arrays), rtol=1e-13)
    dout = normal(*np.shape(value), seed=9)[()]
    for i, (x, dx) in enumerate(zip(arrays, pullback(dout), strict=True)):
        v = normal(*np.shape(x), seed=8)
        moved = f(*(v if j == i else a for j, a in enumerate(arrays)))
        assert np.shape(dx) == np.shape(x)
        assert np.sum(dx * v) == pytest.approx(np.sum(dout * moved), rel=1e-10, abs=1e-10)


def test_the_same_operand_twice():
    x = normal(3, 3)
    np.testing.assert_allclose(cr.grad(lambda x: np.einsum("ij,ij->", x, x))(x), 2 * x)
    np.testing.assert_allclose(
        cr.grad(lambda x: np.einsum("ij,jk->", x, x))(x), x.sum(1) + x.sum(0)[:, None]
    )


def test_the_second_derivative_of_a_quadratic_form():
    x, m = normal(3), normal(3, 3)
    f = lambda x: np.einsum("i,ij,j->", x, m, x)
    for v in np.eye(3):
        hv = cr.grad(lambda x: np.sum(cr.grad(f)(x) * v))(x)  # noqa: B023  # at once
        np.testing.assert_allclose(hv, (m + m.T) @ v, rtol=1e-12)


def test_einsum_can_be_optimised_and_says_so():
    arrays = normal(2, 3), normal(3, 4), normal(4, 5)
    f = lambda a, b, c: np.sum(np.einsum("ij,jk,kl->il", a, b, c, optimize=True))
    code = cr.circuit(f)(*arrays).code()
    assert "np.einsum('ij,jk,kl->il', a, b, c, optimize=True)" in code
    for found, shape in zip(cr.grad(f, (0, 1, 2))(*arrays), arrays, strict=True):
        assert found.shape == shape.shape


def test_the_gradient_of_einsum_prints_as_an_einsum():
    code = cr.circuit(lambda w, x: np.sum(np.einsum("ij,jk->ik", w, x) ** 2))(
        normal(2, 3), normal(3, 4)).code()
    assert "np.einsum('ik,jk->ij', " in code and "np.einsum('ik,ij->jk', " in code


X = normal(2, 3)
REFUSED = [
    (lambda x: np.einsum("ij,jk", x, X), ShapeError, "'j' has sizes 3 and 2 in ij,jk: got"),
    (lambda x: np.einsum("ijk->i", x), ShapeError, r"'ijk' has 3 letters, but its array is \[2, 3"),
    (lambda x: np.einsum("ii->i", x), ShapeError, "'i' has sizes 2 and 3"),
    (lambda x: np.einsum("ij,jk", x), UnsupportedError, "for 2 arrays, 1 given"),
    (lambda x: np.einsum("ij->ijj", x), UnsupportedError, "each once"),
    (lambda x: np.einsum("ij->k", x), UnsupportedError, "must name letters"),
    (lambda x: np.einsum("i1->i", x), UnsupportedError, "subscripts are letters"),
    (lambda x: np.einsum(x, [0, 1]), UnsupportedError, "as a string"),
    (lambda x: np.einsum("ij", x, dtype=float), UnsupportedError, "optimize=True only"),
    (lambda x: np.tensordot(x, X, 1), ShapeError, r"x is \[2, 3\] and y is \[2, 3\]"),
    (lambda x: np.tensordot(x, X, ((0, 1), (0,))), ShapeError, "as many axes"),
    (lambda x: np.inner(x, X.T), ShapeError, r"x is \[2, 3\] and y is \[3, 2\]"),
    (lambda x: np.inner(x, 2.0), UnsupportedError, "write"),
    (lambda x: np.vdot(x, X[0]), ShapeError, r"\[2, 3\] and y is \[3\]"),
    (lambda x: np.outer(x, X, out=np.zeros((6, 6))), UnsupportedError, "out="),
]


@pytest.mark.parametrize(("f", "error", "says"), REFUSED, ids=[r[2] for r in REFUSED])
def test_what_does_not_fit_is_refused_with_the_line(f, error, says):
    with pytest.raises(error, match=says) as caught:
        cr.grad(lambda x: np.sum(f(x)))(X)
    assert "test_contract_products.py line" in str(caught.value)

"""Gates that move numbers: values, shapes and dtypes are NumPy's, and gradients move back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.errors import ShapeError, UnsupportedError
from chainrule.gates.move import stop_gradient

CUBE = np.arange(24.0).reshape(2, 3, 4)
MOVES = {
    "ravel": lambda x: np.ravel(x),
    "flatten": lambda x: x.flatten(),
    "reshape": lambda x: x.reshape(4, -1),
    "to one number": lambda x: np.reshape(x[0, 0, :1], ()),
    "squeeze": lambda x: np.squeeze(x[:, :1]),
    "squeeze one": lambda x: x[:1, :, :1].squeeze(axis=-1),
    "expand_dims": lambda x: np.expand_dims(x, (0, -1)),
    "atleast_1d": lambda x: np.atleast_1d(x[0, 1, 2]),
    "atleast_2d": lambda x: np.atleast_2d(x[0, 1]),
    "transpose": lambda x: x.transpose(2, 0, 1),
    "transpose negative": lambda x: np.transpose(x, (-1, 0, 1)),
    "swapaxes": lambda x: x.swapaxes(0, -1),
    "moveaxis": lambda x: np.moveaxis(x, -1, 0),
    "moveaxis two": lambda x: np.moveaxis(x, (0, 1), (-1, 0)),
    "flip": lambda x: np.flip(x),
    "flip axis": lambda x: np.flip(x, -1),
    "roll": lambda x: np.roll(x, 5),
    "roll axis": lambda x: np.roll(x, -1, axis=1),
    "roll axes": lambda x: np.roll(x, (1, 2), axis=(0, -1)),
    "roll one shift on two axes": lambda x: np.roll(x, 1, axis=(0, 1)),
    "rot90": lambda x: np.rot90(x),
    "rot90 back": lambda x: np.rot90(x, -1, axes=(1, 2)),
    "tril": lambda x: np.tril(x, 1),
    "triu": lambda x: np.triu(x, -1),
    "broadcast_to": lambda x: np.broadcast_to(x[:, :1], (5, 2, 3, 4)),
    "pad": lambda x: np.pad(x, ((1, 0), (0, 2), (3, 1))),
    "pad all": lambda x: np.pad(x, 1, constant_values=2.5),
    "tile": lambda x: np.tile(x, (2, 1, 3)),
    "tile more axes": lambda x: np.tile(x, (2, 1, 1, 2)),
    "tile once": lambda x: np.tile(x, 2),
    "repeat": lambda x: np.repeat(x, 2),
    "repeat axis": lambda x: x.repeat(3, axis=-1),
    "repeat each": lambda x: np.repeat(x, [2, 0, 1], axis=1),
    "diagonal": lambda x: np.diagonal(x, 1, 1, 2),
    "diagonal below": lambda x: x.diagonal(-1, 2, 0),
    "trace": lambda x: np.trace(x, axis1=-2, axis2=-1),
    "diag of a vector": lambda x: np.diag(x[0, 0], 1),
    "diag of a matrix": lambda x: np.diag(x[0], -1),
}


def pulled(f, x, seed=0):
    """f's value as traced, and the gradient of its product with fixed numbers."""
    value, pullback = cr.vjp(f, x)
    dout = np.random.default_rng(seed).normal(size=np.shape(value)).astype(value.dtype)[()]
    return value, dout, pullback(dout)[0]


def same(found, wanted):
    assert (np.shape(found), found.dtype) == (np.shape(wanted), wanted.dtype)
    np.testing.assert_array_equal(found, wanted)


def printed_gradient(f, x):
    space = {}
    exec(str(cr.circuit(lambda x: np.sum(f(x) * f(x)))(x).code()), space)
    return space["f_grad"](x)[1]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("f", MOVES.values(), ids=MOVES)
def test_a_move_is_numpys_and_its_gradient_is_its_transpose(f, dtype):
    x = CUBE.astype(dtype)
    value, dout, dx = pulled(f, x)
    same(value, np.asarray(f(x))[()])
    assert (dx.shape, dx.dtype) == (x.shape, x.dtype)
    # A move is linear up to the constants it pads with: <dout, f(x + v) - f(x)> = <dx, v>.
    v = np.random.default_rng(1).normal(size=x.shape).astype(dtype)
    near = 1e-12 if dtype is np.float64 else 2e-4
    assert np.sum(dout * (f(x + v) - f(x))) == pytest.approx(np.sum(dx * v), rel=near, abs=near)


@pytest.mark.parametrize("f", MOVES.values(), ids=MOVES)
def test_printed_code_gives_the_same_gradient(f):
    wanted = cr.grad(lambda x: np.sum(f(x) * f(x)))(CUBE)
    np.testing.assert_array_equal(printed_gradient(f, CUBE), wanted)


shapes = st.lists(st.integers(1, 3), min_size=1, max_size=4).map(tuple)


@settings(max_examples=60, deadline=None)
@given(shapes, st.data())
def test_moves_one_after_another(shape, data):
    x = np.arange(np.prod(shape), dtype=float).reshape(shape)
    axis = st.integers(-len(shape), len(shape) - 1)
    a, b, k = data.draw(axis), data.draw(axis), data.draw(st.integers(-4, 4))
    f = lambda x: np.flip(np.moveaxis(np.roll(np.swapaxes(x, a, b), k, a), a, b), b)
    value, dout, dx = pulled(f, x)
    same(value, f(x))
    moved = f(np.arange(x.size).reshape(shape))  # where each number came from
    np.testing.assert_array_equal(dx.ravel()[moved.ravel()], dout.ravel())


def test_stop_gradient_lets_the_value_through_and_nothing_back():
    assert cr.grad(lambda x: stop_gradient(x) * x)(3.0) == 3.0
    assert cr.grad(lambda x: stop_gradient(x * x))(3.0) == 0.0
    assert stop_gradient(3.0) == 3.0
    assert cr.grad(cr.grad(lambda x: x * x * stop_gradient(x)))(3.0) == 6.0


REFUSED = [
    (lambda x: np.reshape(x, (5, 5)), ShapeError, r"\[2, 3, 4\] has 24, \[5, 5\] has 25"),
    (lambda x: x.reshape(24, order="F"), UnsupportedError, "order='F'"),
    (lambda x: x.flatten("F"), UnsupportedError, "C order only"),
    (lambda x: np.swapaxes(x, 0, 3), ShapeError, r"axis 3 is out of range for shape \[2, 3, 4\]"),
    (lambda x: np.squeeze(x, 1), ShapeError, r"axis 1 of \[2, 3, 4\]"),
    (lambda x: np.transpose(x, (0, 1)), ShapeError, "every axis once"),
    (lambda x: np.transpose(x, (0, 1, 1)), ShapeError, "one axis twice"),
    (lambda x: np.flip(x, 3), ShapeError, "flip: axis 3"),
    (lambda x: np.tril(x[0, 0]), ShapeError, "a triangle is of a matrix"),
    (lambda x: np.pad(x, 1, mode="edge"), UnsupportedError, "mode='constant'"),
    (lambda x: np.pad(x, -1), ShapeError, "whole numbers from 0"),
    (lambda x: np.repeat(x, [1, 2]), ShapeError, "one count for each of 24"),
    (lambda x: np.diagonal(x[0, 0]), ShapeError, r"not of shape \[4\]"),
    (lambda x: np.broadcast_to(x, (2, 3)), ShapeError, r"\[2, 3, 4\] to \[2, 3\]"),
]


@pytest.mark.parametrize(("f", "error", "says"), REFUSED, ids=[r[2] for r in REFUSED])
def test_what_does_not_fit_is_refused_with_the_line(f, error, says):
    with pytest.raises(error, match=says) as caught:
        cr.grad(lambda x: np.sum(f(x)))(CUBE)
    assert "test_move.py line" in str(caught.value)

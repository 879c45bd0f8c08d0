"""Groups along axes: found in plain NumPy as people write it, and never taken for more."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.circuit.text import from_text, to_text
from chainrule.gates.move import stop_gradient

X = np.random.default_rng(3).normal(size=(3, 4))
CUBE = np.random.default_rng(4).normal(size=(2, 3, 4))
VECTOR = X[0]


def groups_of(f, x):
    """(name, settings) of every group in f(x)."""
    found = cr.circuit(f)(x, output_grad=np.ones_like(f(x))).circuit.groups
    return [(g.gate.name, dict(g.attrs)) for g in found]


def agrees(f, x):
    """f weighted and added up: the gradient by groups is that by gates, called once or again."""
    weights = np.random.default_rng(5).normal(size=np.shape(f(x)))
    total = lambda x: np.sum(f(x) * weights)
    w = cr.circuit(total)(x)
    one_by_one = w.ungroup()["x"].grad
    first, again = cr.grad(total)(x), cr.grad(total)(x)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first, w["x"].grad)
    np.testing.assert_allclose(first, one_by_one, rtol=1e-12, atol=1e-14)
    v = np.random.default_rng(6).normal(size=np.shape(x))
    curve = cr.hvp(total, (x,), (v,))
    along = lambda t: cr.circuit(total)(x + t * v).ungroup()["x"].grad
    np.testing.assert_allclose(curve, (along(1e-5) - along(-1e-5)) / 2e-5, rtol=1e-6, atol=1e-8)
    assert w.check()


def softmax_named(s):
    e = np.exp(s - s.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return p


def softmax_by_functions(s):
    e = np.exp(s - np.max(s, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def softmax_by_columns(s):
    e = np.exp(s - s.max(axis=0))
    return e / e.sum(axis=0)


def softmax_with_newaxis(s):
    e = np.exp(s - s.max(axis=1)[:, None])
    return e / e.sum(axis=1)[:, np.newaxis]


def softmax_with_reshape(s):
    e = np.exp(s - np.expand_dims(s.max(1), 1))
    return e / e.sum(1).reshape(-1, 1)


def softmax_by_the_largest_of_all(s):
    e = np.exp(s - np.max(s))
    return e / np.sum(e, axis=1, keepdims=True)


ROWS, COLUMNS = {"axis": (1,)}, {"axis": (0,)}


@pytest.mark.parametrize(
    ("f", "settings"),
    [
        (softmax_named, ROWS), (softmax_by_functions, ROWS), (softmax_by_columns, COLUMNS),
        (softmax_with_newaxis, ROWS), (softmax_with_reshape, ROWS),
        (softmax_by_the_largest_of_all, ROWS),
        (lambda s: np.exp(s) / np.exp(s).sum(axis=1, keepdims=True), ROWS),
        (lambda s: np.exp(s) / np.exp(s).sum(axis=0), COLUMNS),
        (lambda s: np.exp(s) / np.exp(s).sum(), {"axis": None}),
    ],
)
def test_softmax_of_a_table(f, settings):
    assert groups_of(f, X) == [("softmax", settings)]
    agrees(f, X)


@pytest.mark.parametrize(
    "f",
    [
        lambda s: np.exp(s) / np.exp(s).sum(),
        lambda s: np.exp(s - s.max()) / np.exp(s - s.max()).sum(),
        lambda s: np.exp(s - s.max(axis=0)) / np.sum(np.exp(s - s.max()), axis=-1),
    ],
)
def test_softmax_of_a_vector(f):
    ((name, _),) = groups_of(f, VECTOR)
    assert name == "softmax"
    agrees(f, VECTOR)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, (0, 2), None])
def test_softmax_of_a_cube(axis):
    def f(s):
        e = np.exp(s - s.max(axis=axis, keepdims=True))
        return e / e.sum(axis=axis, keepdims=True)

    assert [name for name, _ in groups_of(f, CUBE)] == ["softmax"]
    agrees(f, CUBE)


def log_softmax_named(s):
    z = s - s.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def log_softmax_by_logsumexp(s):
    m = s.max(axis=1, keepdims=True)
    lse = m + np.log(np.exp(s - m).sum(axis=1, keepdims=True))
    return s - lse


@pytest.mark.parametrize(
    "f",
    [
        log_softmax_named, log_softmax_by_logsumexp,
        lambda z: z - np.log(np.exp(z).sum(axis=1, keepdims=True)),
        lambda z: z - np.log(np.sum(np.exp(z), axis=1))[:, None],
        lambda z: np.log(np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)),
        lambda z: np.log(softmax_named(z)),
    ],
)
def test_log_softmax(f):
    assert groups_of(f, X) == [("log_softmax", ROWS)]
    agrees(f, X)


def logsumexp_named(x):
    m = x.max(axis=1, keepdims=True)
    return m + np.log(np.exp(x - m).sum(axis=1, keepdims=True))


def logsumexp_squeezed(x):
    m = x.max(axis=1, keepdims=True)
    return np.log(np.exp(x - m).sum(axis=1)) + m[:, 0]


@pytest.mark.parametrize(
    ("f", "keepdims"),
    [
        (logsumexp_named, True), (logsumexp_squeezed, False),
        (lambda x: np.log(np.exp(x).sum(axis=1)), False),
        (lambda x: np.log(np.sum(np.exp(x), axis=-1, keepdims=True)), True),
        (lambda x: x.max() + np.log(np.exp(x - x.max()).sum(axis=1)), False),
    ],
)
def test_logsumexp(f, keepdims):
    assert groups_of(f, X) == [("logsumexp", {"axis": (1,), "keepdims": keepdims})]
    agrees(f, X)


def test_logsumexp_of_a_vector():
    def f(x):
        m = x.max()
        return m + np.log(np.exp(x - m).sum())

    assert groups_of(f, VECTOR) == [("logsumexp", {"axis": None, "keepdims": False})]
    agrees(f, VECTOR)


@pytest.mark.parametrize("settings", [{"axis": 1}, {"axis": 0, "keepdims": True}, {}])
@pytest.mark.parametrize("squared", [lambda x: x * x, lambda x: x**2, np.square])
def test_norm(settings, squared):
    f = lambda x: np.sqrt(squared(x).sum(**settings))
    assert [name for name, _ in groups_of(f, X)] == ["norm"]
    agrees(f, X)
    agrees(lambda x: np.sum(squared(x), **settings) ** 0.5, X)


# ---- what only looks alike


SQUARE = X[:, :3]


@pytest.mark.parametrize(
    "f",
    [
        lambda s: np.exp(s) / np.exp(s).sum(axis=1),  # rows divided by other rows' sums
        lambda s: np.exp(s - s.max(axis=1)) / np.exp(s - s.max(axis=1)).sum(axis=0),
        lambda s: np.exp(s) / np.exp(s).sum(axis=0, keepdims=True).T,
        lambda s: np.exp(s) / np.exp(2 * s).sum(axis=1, keepdims=True),
        lambda s: s - np.log(np.exp(s).sum(axis=1)),
        lambda s: s.max(axis=0) + np.log(np.exp(s - s.max(axis=1, keepdims=True)).sum(axis=1)),
        lambda s: np.sqrt(np.sum(np.abs(s) * np.abs(s[::-1]))),
    ],
)
def test_near_misses_go_gate_by_gate(f):
    names = [name for name, _ in groups_of(f, SQUARE)]
    assert "softmax" not in names and "log_softmax" not in names and "norm" not in names
    agrees(f, SQUARE)


def test_a_total_that_is_stopped_is_no_softmax():
    f = lambda s: np.exp(s) / stop_gradient(np.exp(s).sum())
    assert groups_of(f, X) == []
    (gradient,) = cr.vjp(f, X)[1](np.ones_like(X))
    np.testing.assert_allclose(gradient, f(X), rtol=1e-15)


def test_an_inner_wire_that_is_read_opens_the_group():
    def f(s):
        e = np.exp(s - s.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True) + 0.1 * e

    assert groups_of(f, X) == []
    agrees(f, X)


def test_a_shift_that_is_read_stays_outside():
    def f(s):
        m = s.max(axis=1, keepdims=True)
        e = np.exp(s - m)
        return m * (e / e.sum(axis=1, keepdims=True))

    assert groups_of(f, X) == [("softmax", ROWS)]
    agrees(f, X)


def test_a_branch_not_taken_through_a_group():
    agrees(lambda s: np.where(s > 0, softmax_named(s), s), X)
    agrees(lambda s: softmax_named(np.where(s > 0, s, 2 * s)), X)


# ---- digits


def test_far_out():
    far = np.array([[1000.0, 0.0], [-1000.0, -1000.0]])
    dout = np.array([[1.0, 2.0], [3.0, 5.0]])
    value, back = cr.vjp(softmax_named, far)
    assert value.tolist() == [[1, 0], [0.5, 0.5]]
    assert back(dout)[0].tolist() == [[0, 0], [-0.5, 0.5]]
    value, back = cr.vjp(logsumexp_named, far)
    assert value.ravel().tolist() == [1000, -1000 + np.log(2)]
    assert back(np.ones((2, 1)))[0].tolist() == [[1, 0], [0.5, 0.5]]
    with np.errstate(over="ignore", divide="ignore"):
        _, back = cr.vjp(lambda z: np.log(np.exp(z).sum(axis=1)), far)
        assert back(np.ones(2))[0].tolist() == [[1, 0], [0.5, 0.5]]
        _, back = cr.vjp(lambda z: z - np.log(np.exp(z).sum(axis=1, keepdims=True)), far)
        assert back(dout)[0].tolist() == [[-2, 2], [-1, 1]]
        _, back = cr.vjp(lambda z: np.log(softmax_named(z)), far)
        assert back(dout)[0].tolist() == [[-2, 2], [-1, 1]]


def test_the_norm_of_zeros_sends_zeros():
    rows = np.array([[0.0, 0.0], [3.0, 4.0]])
    found = cr.grad(lambda x: np.sqrt((x**2).sum(axis=1)).sum())(rows)
    assert found.tolist() == [[0, 0], [0.6, 0.8]]


def test_single_precision_stays_single():
    (gradient,) = cr.vjp(softmax_named, X.astype(np.float32))[1](np.ones((3, 4), np.float32))
    assert gradient.dtype == np.float32
    np.testing.assert_allclose(gradient, 0, atol=1e-7)


# ---- what is shown


def test_the_code_of_a_softmax_with_cross_entropy():
    def loss(s):
        e = np.exp(s - s.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        return -np.log(p[np.arange(3), [0, 2, 1]]).mean()

    w = cr.circuit(loss)(X)
    code = str(w.code())
    assert "    e = np.exp(s - np.max(s, axis=1, keepdims=True))  # (1)" in code
    assert "    ds = p * (dp - np.sum(dp * p, axis=1, keepdims=True))" in code
    assert w.check(code=code)
    one_hot = np.eye(3, 4)[[0, 2, 1]]
    np.testing.assert_allclose(w["s"].grad, (w["p"].value - one_hot) / 3, atol=1e-16)


def test_the_code_of_a_group_uses_what_the_forward_pass_has():
    def f(s):
        z = s - s.max(axis=1, keepdims=True)
        logp = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        return logp

    assert str(cr.circuit(f)(X, output_grad=X).code()) == """\
import numpy as np


def f_grad(s, dlogp):
    z = s - np.max(s, axis=1, keepdims=True)  # (1)
    t1 = np.exp(z)                            # (2)
    t2 = np.sum(t1, axis=1, keepdims=True)    # (3)
    logp = z - np.log(t2)                     # (4)

    # backward pass
    ds = dlogp - t1 / t2 * np.sum(dlogp, axis=1, keepdims=True)  # (4)
    return logp, ds
"""


def test_every_spelling_of_the_sigmoid_has_one_backward_text():
    spellings = [
        lambda x: 1 / (1 + np.exp(-x)), lambda x: np.exp(x) / (1 + np.exp(x)),
        lambda x: (1 + np.exp(-x)) ** -1, lambda x: 1.0 / (1.0 + np.exp(-x)),
        lambda x: np.reciprocal(1 + np.exp(-x)),
    ]

    def backward(sigmoid):
        def f(x):
            s = sigmoid(x)
            return s * s

        return [line.text for line in cr.circuit(f)(0.7).code().backward]

    for sigmoid in spellings:
        assert backward(sigmoid) == ["ds = s", "ds += s", "dx = (1 - s) * s * ds"]


def test_a_group_keeps_its_settings_in_text():
    w = cr.circuit(logsumexp_squeezed)(X, output_grad=np.ones(3))
    text = to_text(w.circuit)
    assert "group logsumexp(%0) -> " in text and " {axis: (1,), keepdims: false} stages " in text
    assert from_text(text).groups == w.circuit.groups


def test_words_and_pictures_name_the_group():
    w = cr.circuit(softmax_named)(X, output_grad=X)
    assert "together are one softmax" in w.explain()
    assert ">softmax<" in w.draw() and w.text()

"""Arrays taken apart: the same gradients from scalar gates."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import UnsupportedError

RNG = np.random.default_rng(5)
TABLE, VECTOR = RNG.normal(size=(2, 3)), RNG.normal(size=3)
FUNCTIONS = {
    "elementwise": lambda x: np.sum(np.exp(x) * x + 1),
    "spread": lambda x: np.sum(x * x[0] + x[:, :1]),
    "moves": lambda x: np.sum(x.T[1] * x[0, 1] + np.roll(x, 1)[:, 2] * np.flip(x)[:, 0]),
    "joins": lambda x: np.sum(np.concatenate([x, np.pad(2 * x, ((0, 0), (1, 0)))[:, :3]]) ** 2),
    "positions": lambda x: np.sum(x[[0, 1, 1]] ** 2) + np.sum(x[x > 0] ** 3),
    "triangle": lambda x: np.sum(np.tril(x) * x) + np.trace(x),
    "sums": lambda x: np.sum(np.cumsum(x, axis=1)[:, 2] * x.sum(axis=1)),
    "folds": lambda x: np.max(x, axis=0).sum() * np.min(x) + np.prod(x),
    "compounds": lambda x: x.mean() * x.std() + np.linalg.norm(x) + x.var(axis=1).sum(),
    "choices": lambda x: np.sum(np.where(x > 0, x, 0.1 * x) + np.maximum(x, 0.2)),
    "products": lambda x: np.sum(np.einsum("ij,kj->ik", x, x) @ x) + x[0] @ x[1],
    "sigmoids": lambda x: np.sum(1 / (1 + np.exp(-x))),
    "stopped": lambda x: np.sum(cr.stop_gradient(x) * x),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_scalar_gates_give_the_same_gradient(name):
    w = cr.circuit(FUNCTIONS[name])(TABLE)
    e = w.expand()
    assert all(not s.output.shape for s in e.circuit.stages())
    assert e.value == pytest.approx(w.value, rel=1e-13)
    np.testing.assert_allclose(e.gradients["x"], w.gradients["x"], rtol=1e-12, atol=1e-14)
    assert e.check() or name == "stopped"


def test_every_number_has_a_name_a_line_and_a_place_in_the_picture():
    def product(W, v):
        h = W @ v
        return np.sum(h * h)

    e = cr.circuit(product)(TABLE, VECTOR).expand()
    assert e["W02"].value == TABLE[0, 2] and e["v1"].value == VECTOR[1]
    assert "h1 = W[1][0] * v[0] + W[1][1] * v[1] + W[1][2] * v[2]" in e.code()
    assert "W02" in e.draw() and "Raising W02 a little" in e.explain()
    space = {}
    exec(compile(str(e.code()), "<printed>", "exec"), space)
    assert space["product_grad"](TABLE, VECTOR)[0] == e.value
    assert e.at(v=np.zeros(3)).value == 0.0


def test_float32_stays_float32():
    e = cr.circuit(lambda x: np.sum(x * x))(VECTOR.astype(np.float32)).expand()
    assert e["x0"].grad.dtype == np.float32


def test_users_gates_and_groups_are_opened():
    swish = cr.gate(lambda x: x / (1 + np.exp(-x)), name="swish")
    e = cr.circuit(lambda x: np.sum(swish(x)))(VECTOR).expand()
    assert "swish" not in {s.gate.name for s in e.circuit.stages()} and e.check()
    kept = cr.gate(lambda x: float(x), local=lambda x, out: 1, name="kept")
    with pytest.raises(UnsupportedError, match="the gate kept cannot be taken apart"):
        cr.circuit(lambda x: kept(x) * 2)(1.0).expand()


def test_too_large_is_refused_with_the_number():
    f = lambda x: np.exp(x).sum()
    with pytest.raises(UnsupportedError, match="takes 4,999 scalar gates or more, and at most 1,0"):
        cr.circuit(f)(np.ones((50, 50))).expand()
    w = cr.circuit(lambda x: (x @ x).sum())(np.ones((8, 8)))
    with pytest.raises(UnsupportedError, match="takes 127 scalar gates or more"):
        w.expand(most=100)
    with pytest.raises(UnsupportedError, match="960 up to matmul"):
        w.expand(most=200)

"""check_grads finds a wrong derivative in either mode, at any order, and accepts right ones."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.api.eager import forget
from chainrule.errors import GradientError, InputError
from chainrule.gates.elementwise import exp, maximum


def f(w, x):
    return np.exp(x @ w) / (1 + np.exp(x @ w) ** 2)


W = np.array([[0.3, -0.2], [0.1, 0.5], [-0.4, 0.2]])
X = np.array([[1.0, 2.0, 3.0], [0.5, -1.0, 2.0]])


@pytest.mark.parametrize("order", [1, 2, 3])
def test_right_gradients_pass(order):
    cr.check_grads(f, (W, X), order=order)
    cr.check_grads(lambda p: p["a"] * np.exp(p["b"][0]), ({"a": 2.0, "b": [0.5]},), order=order)


def test_a_kink_is_no_failure():
    cr.check_grads(lambda x: np.maximum(x, 1.0) * 3, (1.0,))


@pytest.fixture
def wrong_exp():
    kept = exp.local
    forget()
    object.__setattr__(exp, "local", lambda x, out: (out * 1.001,))
    yield
    object.__setattr__(exp, "local", kept)
    forget()


@pytest.mark.usefixtures("wrong_exp")
def test_a_wrong_gradient_is_named():
    with pytest.raises(GradientError, match=r"the gradient by x is .*, but central differences"):
        cr.check_grads(lambda x: np.exp(x) * 2, (1.0,), modes=("rev",))
    with pytest.raises(GradientError, match=r"by p\['a'\]\[1\] is"):
        cr.check_grads(lambda p: p["a"][0] + np.exp(p["a"][1]), ({"a": [1.0, 2.0]},))


def test_modes_that_disagree_are_told(monkeypatch):
    from chainrule.api import checking

    monkeypatch.setattr(checking, "jvp", lambda f, p, t: (0.0, 7.0))
    with pytest.raises(GradientError, match="forward mode gives 7"):
        cr.check_grads(lambda x: x * x, (3.0,), modes=("fwd",))


def test_unknown_modes_and_orders():
    with pytest.raises(InputError, match='modes are "rev" and "fwd"'):
        cr.check_grads(f, (W, X), modes=("reverse",))
    with pytest.raises(InputError):
        cr.check_grads(f, (W, X), order=0)


def test_the_rules_are_as_they_were():
    assert maximum.vjp is not None and exp.local(0.0, 2.0) == (2.0,)

"""A diagnosis names the gate where trouble began, and what to do about it."""

import numpy as np

import chainrule as cr
from chainrule.api.sources import expression


def test_n5_names_the_exp_gate_and_proposes_the_group():
    with np.errstate(all="ignore"):
        w = expression("1/(1+exp(-x))", {"x": -1000.0})
        found = w.ungroup().diagnose()
        assert not [s for s in w.diagnose().symptoms if s.kind == "0 * inf"]
    (lost,) = [s for s in found.symptoms if s.kind == "0 * inf"]
    assert lost.gate == "exp"
    assert "These stages are one sigmoid" in str(lost) and "w.group()" in str(lost)
    assert "overflow: exp(1000) is inf" in str(found)


def test_f3_an_imbalance_at_a_product():
    (found,) = expression("x * y", {"x": 1e-3, "y": 1e3}).diagnose().symptoms
    assert found.kind == "imbalance"
    assert "x = 0.001 and y = 1e+03" in str(found) and "1e+06 times" in str(found)


def test_dead_branches():
    (found,) = expression("max(x, y)", {"x": 4, "y": 2}).diagnose().symptoms
    assert (found.kind, found.gate) == ("dead", "maximum") and "nothing to y" in str(found)
    w = cr.circuit(lambda x, y: np.where(x > 0, x * 3, y * 2))(1.0, 2.0)
    assert "where sends nothing to the output of multiply" in str(w.diagnose())


def test_a_genuine_zero_times_infinity_says_where():
    def f(x):
        y = np.log(x)
        return y * 0

    with np.errstate(all="ignore"):
        text = str(cr.circuit(f)(0.0).diagnose())
    assert "overflow: log(0) is -inf" in text and "test_diagnosis.py line" in text


def test_nothing_odd():
    found = expression("x * y", {"x": 2, "y": 3}).diagnose()
    assert not found and str(found) == "nothing odd: every gradient is finite"

"""Families of gates load when one of their names is first asked for, in whatever way."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import chainrule.gates
from chainrule.circuit.record import catalogue
from chainrule.circuit.registry import FAMILIES

BEGIN = """
import json, sys, threading, warnings
import numpy as np
import chainrule as cr
from chainrule.circuit import record, registry
loaded = lambda: sorted(x.split(".")[-1] for x in registry.FAMILIES[1:] if x in sys.modules)
matrix = np.arange(6.0).reshape(2, 3)
"""


def told(code):
    """The value of the last line, in a new interpreter to which nothing is a warning."""
    *before, last = code.splitlines()
    code = "\n".join([BEGIN, *before, f"print(json.dumps({last}))"])
    answer = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert answer.stderr == ""
    return json.loads(answer.stdout)


def test_common_gradients_load_no_further_family():
    assert told("""
def f(x, w):
    h = np.tanh(w @ x)
    return np.sum(np.maximum(h, 0.1)) / np.sqrt(np.sum(1 / (1 + np.exp(-x)))) + np.mean(x.T)
cr.grad(f)(np.ones(3), matrix)
loaded()""") == []


@pytest.mark.parametrize(
    ("asked", "family"),
    [
        ("cr.grad(lambda x: x[0, 1])(matrix)", "index"),
        ("cr.grad(lambda x: np.sum(np.fabs(x)))(matrix)", "composed"),
        ("cr.grad(lambda x: np.concatenate([x, x]).sum())(matrix)", "join"),
        ("cr.grad(lambda x: x.take([1], axis=1).sum())(matrix)", "along"),
        ("cr.grad(lambda x: x.diagonal().sum())(matrix)", "diagonal"),
        ("cr.grad(lambda x: np.einsum('ij,ij->', x, x))(matrix)", "einsum"),
        ("import scipy.special as s; cr.grad(lambda x: s.erf(x))(0.5)", "special"),
        ("record.gate_named('stack_4')", "join"),
        ("record.gate_named('kron')", "tensordot"),
    ],
)
def test_what_is_asked_for_loads_it(asked, family):
    assert family in told(f"{asked}\nloaded()")


@pytest.mark.parametrize(
    "other", ["grad()", "cr.circuit(np.tanh)(0.5)", "cr.checkpoint(np.tanh)",
              "cr.vmap(np.tanh)(matrix).all()", "record.gate_named('einsum_4')",
              "import_module('chainrule.gates.einsum')", "import_module('chainrule.trace.write')"]
)
def test_threads_that_use_a_family_first_all_succeed(other):
    assert told(f"""
from importlib import import_module
sys.setswitchinterval(1e-6)
ready, found = threading.Barrier(4), []
def grad():
    return cr.grad(lambda x: np.einsum('ij,kj->', x, np.stack([x[0], x[1]])))(matrix).tolist()
def run(work):
    ready.wait()
    found.append(work())
ways = [grad, lambda: {other} and None] * 2
threads = [threading.Thread(target=run, args=(way,)) for way in ways]
for t in threads: t.start()
for t in threads: t.join()
[x for x in found if x]""") == 2 * [[[6.0, 10.0, 14.0]] * 2]


def test_an_unknown_function_is_told_of_with_all_that_are_known():
    message = told("""
try: cr.grad(lambda x: np.sinc(np.fft.rfft(x)))(matrix)
except cr.errors.UnsupportedError as error: message = str(error)
message""")
    assert "np.fft.rfft has no gate" in message
    assert all(name in message for name in ("einsum", "take_along_axis", "tril", "tanh"))


def test_every_module_here_is_a_family_or_loads_with_one():
    folder = Path(chainrule.gates.__file__).parent
    catalogue()
    names = {f"chainrule.gates.{path.stem}" for path in folder.glob("*.py")}
    outside = {"chainrule.gates.__init__", "chainrule.gates.quick"}  # quick's is in no catalogue
    assert names - outside <= sys.modules.keys()
    assert set(FAMILIES[1:]) <= names


def test_what_is_recognised_loads_with_the_common_ones():
    assert told("""
record.gate_named("add")
[g.name for g in record.SPELLED]""") == [g.name for g in catalogue() if g.spellings]

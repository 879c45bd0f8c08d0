"""The functions of the benches that promise machine code compile, and give what eager calls give.

Nothing is timed here: `make bench` does that, and ends with 1 where one of them falls back.
"""

from functools import partial

import numpy as np
import optree
import pytest

import chainrule as cr
from bench import __main__ as command
from bench import arrays, bundle, harness, machine, rosenbrock

PROBLEM = bundle.problem(5, 20, 64)
IMAGES = arrays.network((20, 12, 8, 4), 16, np.float32)
X = np.linspace(-1.2, 1.4, 300)
ROWS = {
    "neuron": (cr.value_and_grad(machine.neuron, (0, 1, 2, 3, 4)), machine.NEURON),
    "staged": (
        cr.value_and_grad(partial(machine.staged, exp=np.exp), (0, 1)), machine.STAGED,
    ),
    "arithmetic": (cr.value_and_grad(arrays.arithmetic), (X,)),
    "chain": (cr.value_and_grad(arrays.chain), (X,)),
    "network": (cr.value_and_grad(arrays.layers), IMAGES),
    **{f"Rosenbrock {name}": (cr.value_and_grad(f), (rosenbrock.point(),))
       for name, f in rosenbrock.ROWS.items()},
    **{f"bundle {name}": (bundle.jacobians(f), PROBLEM) for name, f in bundle.ROWS.items()},
}


@pytest.mark.parametrize("name", ROWS)
def test_named_rows_compile(name):
    f, args = ROWS[name]
    run = cr.jit(f)
    run.compile(*args)
    single = name == "network"
    for x, y in zip(*map(optree.tree_leaves, (run(*args), f(*args))), strict=True):
        np.testing.assert_allclose(x, y, *((1e-4, 1e-6) if single else (1e-9, 1e-12)))
    assert run.is_compiled


def test_a_row_that_falls_back_ends_with_1(monkeypatch, capsys):
    def module(name):
        run = cr.jit(lambda x: x * x)
        run(2.0)
        return type("Bench", (), {"TITLE": name, "run": lambda quick: harness.headed(name, run)})

    monkeypatch.setattr(command.importlib, "import_module", module)
    monkeypatch.setattr(command.sys, "argv", ["bench", "imports"])
    monkeypatch.setattr(harness, "fell_back", fallen := [])
    monkeypatch.setattr(command, "fell_back", fallen)
    assert command.main() == 1
    assert "bench.imports: NOT COMPILED" in capsys.readouterr().out

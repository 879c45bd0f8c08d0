"""Importing chainrule is light, and its public names are a sorted list that resolves."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import chainrule

COMPILING = ("chainrule.backends.llvm.compiled", "chainrule.backends.llvm.entry", "hashlib")
WITHOUT = {  # what does not load by then
    "import chainrule as cr": ("numpy", "optree", "rich", "scipy", "llvmlite", "chainrule.api"),
    "import chainrule as cr; cr.grad(lambda x: x * x)(3.0)": (
        *("optree", "rich", "scipy", "llvmlite", "pathlib", "threading"),
        *("chainrule.code", "chainrule.backends", "chainrule.views", "chainrule.check"),
        *("chainrule.api.program", "chainrule.api.jit", "chainrule.api.worked"),
        *("chainrule.trace.write", "chainrule.gates.index", "dataclasses"),
        *("chainrule.transform.groups", "chainrule.transform.recompute"),
    ),
    "import chainrule as cr; cr.jit(cr.value_and_grad(lambda x, y: x * y, (0, 1)))(3.0, 2.0)": (
        *("optree", "rich", "scipy", "llvmlite", "chainrule.views", *COMPILING),
        *("chainrule.trace.names", "chainrule.trace.places"),
    ),
}


def printed(code):
    """What a new interpreter prints, to which nothing is a warning."""
    answer = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert answer.stderr == ""
    return answer.stdout


@pytest.mark.parametrize("code", WITHOUT)
def test_it_loads_no_more_than_it_needs(code):
    loaded = printed(f"{code}\nimport sys; print(*sys.modules)").split()
    assert [name for name in WITHOUT[code] if name in loaded] == []


def test_public_names_are_sorted_and_listed_once():
    assert list(chainrule.__all__) == sorted(set(chainrule.__all__))


def test_every_public_name_is_there_before_and_after_it_is_loaded():
    code = (
        "import chainrule; shown = set(dir(chainrule)); from chainrule import *; "
        "print({*chainrule.__all__} <= shown, {*chainrule.__all__} - {*globals()}, "
        "all(globals()[name] is getattr(chainrule, name) for name in chainrule.__all__))"
    )
    assert printed(code) == "True set() True\n"


def test_circuit_stays_the_function_when_the_modules_of_circuits_load():
    code = (
        "import chainrule as cr; before = cr.circuit; import chainrule.circuit.circuit; "
        "cr.grad; print(cr.circuit is before, callable(before))"
    )
    assert printed(code) == "True True\n"


def test_what_type_checkers_read_is_what_is_loaded():
    tree = ast.parse(Path(chainrule.__file__).read_text(encoding="utf-8"))
    read = {
        name.name: node.module
        for branch in tree.body if isinstance(branch, ast.If)
        for node in branch.body if isinstance(node, ast.ImportFrom)
        for name in node.names if name.name in chainrule.__all__
    }
    assert read == {k: f"chainrule.{home}" for k, home in chainrule._HOMES.items()}


def test_a_name_it_does_not_have_is_said():
    with pytest.raises(AttributeError, match="module 'chainrule' has no attribute 'gradd'"):
        chainrule.gradd  # noqa: B018  # the reading is what raises

"""Gates without instructions are called in Python, between parts of machine code."""

import warnings
from types import ModuleType

import numpy as np
import pytest

import chainrule as cr
from chainrule.api.jit import jit
from chainrule.api.recorded import numbers_for_numbers
from chainrule.backends.llvm.host import CompiledParts
from chainrule.errors import ChainruleWarning, PlaceError


def cubes(x):
    """No NumPy code that a trace could follow."""
    found = [float(v) ** 3 for v in np.ravel(x)]
    return np.reshape(found, np.shape(x)) if np.shape(x) else found[0]


cube = cr.gate(cubes, local=lambda x, out: (3 * x**2,))
itself = cr.gate(lambda x: x if float(np.max(x)) < 1e9 else -x, local=lambda x, out: (1.0,))
bell = cr.gate(lambda x: np.exp(-cube(x)))


def between(p, x):
    h = np.tanh(x @ p["W"] + p["b"])
    return np.sum(cube(h) * np.exp(h)) * p["s"]


FUNCTIONS = {
    "a number": (lambda x: np.exp(cube(2 * x)) + x, (0.5,)),
    "first": (lambda x: cube(x) * 2, (np.arange(3.0),)),
    "last": (lambda x: cube(x * 2), (np.arange(3.0),)),
    "one after the other": (lambda x: cube(np.sin(cube(np.sin(x)))) + cube(x), (np.ones(3),)),
    "of the same": (lambda x: cube(x) * cube(x), (np.arange(3.0),)),
    "several results": (lambda x: (x * 2, [cube(x), {"x": x}], cube(x), 3.0), (np.arange(3.0),)),
    "single": (lambda x: np.sum(itself(x * 2)), (np.array([3, 1, 2], np.float32),)),
    "within a gate": (lambda x: np.sum(bell(x * x)) + x[0], (np.array([3.0, -1.0, 2.0]),)),
    "gradient": (cr.value_and_grad(lambda x: np.sum(cube(x) * x)), (np.arange(3.0),)),
    "net": (
        cr.value_and_grad(between),
        ({"W": np.ones((3, 2)), "b": np.arange(2.0), "s": 0.5}, np.arange(12.0).reshape(4, 3) / 9),
    ),
}


def quiet(f, *args):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ChainruleWarning)
        return f(*args)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_parts_and_host_calls_give_what_the_function_gives(name):
    f, args = FUNCTIONS[name]
    run = jit(f)
    for _ in range(4):
        wanted = cr_leaves(numbers_for_numbers(f(*args), args))
        found = cr_leaves(quiet(run, *args))
        assert [type(x) for x in found] == [type(x) for x in wanted]
        for x, y in zip(found, wanted, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-6 if x.__class__ is np.float32 else 1e-12)
    (entry,) = run._entries.values()
    assert isinstance(entry.compiled[0].code, CompiledParts)


def cr_leaves(x):
    if isinstance(x, dict):
        x = list(x.values())
    return [y for z in x for y in cr_leaves(z)] if isinstance(x, list | tuple) else [x]


def test_a_warning_names_the_call_once():
    run, x = jit(lambda x: cube(x * 2) + 1), np.arange(3.0)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for _ in range(4):
            run(x)
    (only,) = said
    assert "calls Python between its machine code: cubes in <lambda>" in str(only.message)
    assert only.filename == __file__


def test_the_plan_shows_parts_and_calls():
    def f(x):
        y = x * 2
        z = cube(y)
        return np.exp(z) * x

    run, x = jit(f), np.arange(3.0)
    quiet(run, x), quiet(run, x)
    (entry,) = run._entries.values()
    text = str(entry.compiled[0].code.plan)
    lines = [line.split(" line ")[0].strip() for line in text.split("\n")]
    assert [line for line in lines if "(" in line] == [
        "y = multiply(x.l1, 2)", "host call z = cubes(y)", "w_4 = exp(z.l1)",
        "w_5 = multiply(w_4, x.l2)",
    ]


def test_results_never_share_memory_with_what_a_host_call_saw():
    run, x = jit(lambda x: (itself(x), itself(x + 1), x)), np.arange(3.0)
    for _ in range(4):
        found = quiet(run, x)
        assert not any(np.shares_memory(y, x) for y in found)
        assert [y.tolist() for y in found] == [[0, 1, 2], [1, 2, 3], [0, 1, 2]]


def test_a_host_call_cannot_write_to_its_inputs():
    def spoil(x):
        if float(x[0]) > 5:
            x[0] = 5
        return x * 1.0

    spoiling = cr.gate(spoil, local=lambda x, out: (1.0,))
    run, x = jit(lambda x: spoiling(x) + 1), np.array([6.0, 1.0])
    quiet(run, x[1:]), quiet(run, x[1:])
    with pytest.raises(ValueError, match="read-only"):
        quiet(run, x[:1])
    assert x[0] == 6.0


def test_a_call_that_gives_another_shape_is_run_as_plain_python():
    positive = cr.gate(lambda x: x[[float(v) > 0 for v in x]], local=lambda x, out: (1.0,))
    run = jit(lambda x: np.sum(positive(x * 2)))
    for _ in range(3):
        assert quiet(run, np.array([1.0, -1.0, 2.0])) == 6.0
    said = r"(?s)plain Python.*gave float64\[1\], and float64\[2\]"
    with pytest.warns(ChainruleWarning, match=said):
        assert run(np.array([-1.0, -1.0, 2.0])) == 4.0
    assert run(np.array([1.0, 1.0, 2.0])) == 8.0


CALLED = ModuleType("called")  # a gate may read modules from outside, and no lists
CALLED.log = []


def roots(x):
    CALLED.log.append(float(x))
    return float(x) ** 0.5 if float(x) >= 0 else 1 / 0


root = cr.gate(roots, local=lambda x, out: (0.5 / out,))


def test_host_calls_wait_for_the_decisions_before_them():
    def f(x):
        y = x * 2
        if x > 0:
            z = root(y)
            return z * 3 if z > 4 else np.exp(z)
        return y

    run = jit(cr.value_and_grad(f))
    for x in (2.0, 2.0, 18.0, 18.0, -1.0, -1.0, 2.0, 18.0, -1.0, 18.0):
        assert quiet(run, x) == pytest.approx(cr.value_and_grad(f)(x), rel=1e-12)
    assert run.is_compiled
    CALLED.log.clear()
    assert run(-1.0) == (-2.0, 2.0) and CALLED.log == []  # by way of root(-2.0)


def test_a_loop_may_ask_a_host_call():
    def f(x):
        while cube(x) < 100:
            x = x * 1.5
        return x

    run = jit(f)
    for x in (4.0, 4.0, 5.0, 5.0, 1.0, 1.0, 4.0, 1.0):
        assert quiet(run, x) == f(x)
    assert run.is_compiled


def test_an_index_on_a_way_not_taken_is_no_fault():
    run = jit(lambda x, i: x[i] * 2 if cube(i.sum() * 1.0) < 10 else x[:1])
    x = np.arange(3.0)
    for i, wanted in (([1, 1], [2, 2]), ([5, 1], [0]), ([1, 1], [2, 2]), ([5, 1], [0])) * 3:
        assert quiet(run, x, np.array(i)).tolist() == wanted
    assert run.is_compiled
    with pytest.raises(PlaceError, match="-7"):
        run(x, np.array([-7, 0]))


def test_out_and_donated_arguments():
    f, x = jit(lambda x: cube(x) * 0.5, donate=0), np.arange(3.0)
    for _ in range(3):
        x[...] = [0.0, 1.0, 2.0]
        assert quiet(f, x) is x
        assert x.tolist() == [0.0, 0.5, 4.0]

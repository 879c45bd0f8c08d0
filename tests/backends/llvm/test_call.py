"""Calling compiled circuits: types in and out, wrong inputs, threads."""

import gc
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

from chainrule.backends.llvm.call import CompiledNumbers
from chainrule.circuit.builder import Builder
from chainrule.circuit.types import FLOAT, TYPES, Type
from chainrule.errors import InputError
from chainrule.gates.elementwise import exp
from chainrule.gates.handle import Handle

STRONG = Type((), np.dtype(np.float64))


def product(*kinds):
    b = Builder("product")
    x, y = (Handle(b, b.input(t, n)) for t, n in zip(kinds, "xy", strict=True))
    return CompiledNumbers(b.build([(x * y).wire, (x > y).wire]))


def test_outputs_are_of_the_circuits_types():
    weak, strong = product(TYPES[FLOAT], TYPES[FLOAT]), product(STRONG, TYPES[FLOAT])
    assert list(map(type, weak(2.0, 3.0))) == [float, bool]
    assert list(map(type, strong(2.0, 3.0))) == [np.float64, np.bool_]
    assert weak(2.0, 3.0) == strong(2.0, 3.0) == [6.0, False]


def test_whole_numbers_are_taken_as_real_ones():
    assert product(TYPES[FLOAT], TYPES[FLOAT])(2, np.float64(3)) == [6.0, False]


@pytest.mark.parametrize("inputs", [(1.0,), (1.0, 2.0, 3.0), (1.0, "2"), (1.0, None)])
def test_wrong_inputs_are_refused_with_what_is_wanted(inputs):
    run = product(TYPES[FLOAT], TYPES[FLOAT])
    with pytest.raises(InputError, match=r"takes x \(a real number\), y \(a real number\); got"):
        run(*inputs)


def test_an_output_may_be_an_input_or_a_constant():
    b = Builder("f")
    x = b.input(TYPES[FLOAT], "x")
    constants = [b.constant(v) for v in (2, True, np.float64(0.5), float("inf"))]
    got = CompiledNumbers(b.build([x, x, *constants]))(1.5)
    assert got == [1.5, 1.5, 2, True, 0.5, float("inf")]
    assert list(map(type, got)) == [float, float, int, bool, np.float64, float]


def test_a_circuit_without_inputs():
    b = Builder("f")
    assert CompiledNumbers(b.build([b.constant(2.0)]))() == [2.0]


@pytest.fixture
def quick_switches():
    """Threads take turns after every few instructions."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("quick_switches")
def test_eight_threads_call_the_same_code():
    b = Builder("f")
    x, y = (Handle(b, b.input(TYPES[FLOAT], n)) for n in "xy")
    run = CompiledNumbers(b.build([(exp(x) * y).wire, (x - y).wire, x.wire]))
    inputs = [(i / 100, i + 0.5) for i in range(500)]
    alone = [run(*i) for i in inputs]
    start = Barrier(8)

    def work(_):
        start.wait()
        return [run(*i) for _ in range(10) for i in inputs]

    with ThreadPoolExecutor(8) as pool:
        assert all(found == alone * 10 for found in pool.map(work, range(8)))


def test_the_code_lives_as_long_as_a_callable_made_from_it():
    run = product(TYPES[FLOAT], TYPES[FLOAT]).delivering(tuple)
    gc.collect()
    for _ in range(20):  # new code would take the place of code that was freed
        product(STRONG, STRONG)
    assert run(2.0, 3.0) == (6.0, 0)

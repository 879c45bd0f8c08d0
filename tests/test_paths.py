"""Every way to a gradient gives the same bits: rules, compiled program, stepwise, printed code."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.api.eager import forget
from scripts.random_circuits import made

number = st.floats(-3, 3).map(lambda v: round(v, 3))
choice = st.integers(0, 10**6)
programs = st.lists(st.tuples(choice, choice, choice), min_size=1, max_size=25)
traps = st.booleans()


def test_gradients_of_branches_not_taken_have_the_dtype_of_the_input():
    f = lambda x: np.maximum(x[0], 5.0) * 2.0
    gradients = [cr.grad(f)(np.ones(2)) for _ in range(3)]  # by rules, then by the program
    assert [g.dtype for g in gradients] == [np.float64] * 3
    assert not np.any(gradients)


def printed(f, x, y, **settings):
    code = cr.circuit(f)(x, y).code(**settings)
    space = {}
    exec(compile(str(code), "<printed>", "exec"), space)
    try:
        return space["f_grad"](x, y)
    except ArithmeticError:  # code for people divides as Python does; NumPy's numbers give inf
        return space["f_grad"](np.float64(x), np.float64(y))


def assert_all_paths_equal(f, x, y):
    with np.errstate(all="ignore"):
        forget()
        g = cr.value_and_grad(f, (0, 1))
        value, gradients = g(x, y)
        for _ in range(2):
            again, same = g(x, y)
            same_bits((again, *same), (value, *gradients))
        w = cr.circuit(f)(x, y)
        same_bits((w.value, *w.gradients.values()), (value, *gradients))
        for recompute in (False, True):
            alone, told = printed(f, x, y, recompute=recompute)
            told = [  # code for people says 0
                type(wanted)(g) if type(g) is int else g
                for g, wanted in zip(told, gradients, strict=True)
            ]
            same_bits((alone, *told), (value, *gradients))


def same_bits(found, wanted):
    for a, b in zip(found, wanted, strict=True):
        assert np.shape(a) == np.shape(b)
        assert np.result_type(a) == np.result_type(b)
        np.testing.assert_array_equal(a, b)


@settings(max_examples=200, deadline=None)
@given(programs, number, number, traps)
def test_numbers(program, x, y, traps):
    assert_all_paths_equal(made(program, traps=traps), x, y)


shapes = st.sampled_from([((3,), (3,)), ((2, 3), (3,)), ((3,), (2, 1)), ((2, 3), ()), ((1,), (4,))])


@settings(max_examples=250, deadline=None)
@given(programs, shapes, st.integers(0, 99), traps, st.sampled_from([np.float64, np.float32]))
def test_arrays(program, shape, seed, traps, dtype):
    rng = np.random.default_rng(seed)
    x, y = (rng.normal(size=s).astype(dtype)[()] for s in shape)
    assert_all_paths_equal(made(program, traps=traps), x, y)


@settings(max_examples=50, deadline=None)
@given(programs, shapes, st.integers(0, 99))
def test_a_float32_and_a_float64_each_keep_their_dtype(program, shape, seed):
    rng = np.random.default_rng(seed)
    x, y = (rng.normal(size=s)[()] for s in shape)
    x = np.float32(x)
    assert_all_paths_equal(made(program), x, y)
    with np.errstate(all="ignore"):
        gradients = cr.grad(made(program), (0, 1))(x, y)
    assert [g.dtype for g in gradients] == [np.float32, np.float64]


@settings(max_examples=20, deadline=None)
@given(programs, number, number)
def test_machine_code_agrees_to_a_few_units_in_the_last_place(program, x, y):
    g = cr.value_and_grad(made(program), (0, 1))
    compiled = cr.jit(g)
    compiled.compile(x, y)
    (value, gradients), (found, told) = g(x, y), compiled(x, y)
    np.testing.assert_allclose((found, *told), (value, *gradients), rtol=1e-10, atol=1e-10)


def test_literals_that_change_from_call_to_call():
    forget()
    for t in (1.0, 2.0, 2.0, -0.0, 0.0, math.inf, 3.0):
        for power in (2, 3):
            got = cr.grad(lambda x, t=t, power=power: x * t + x**power)(2.0)
            assert got == t + power * 2.0 ** (power - 1) or (math.isinf(t) and math.isinf(got))


def test_a_literal_one_that_changes_is_no_sigmoid():
    for c in (1.0, 3.0, 1.0, 3.0):
        got = cr.grad(lambda x, c=c: c / (1 + np.exp(-x)))(0.5)
        s = 1 / (1 + math.exp(-0.5))
        assert got == pytest.approx(c * s * (1 - s), rel=1e-15)


def test_captured_arrays_are_read_at_each_call():
    data = np.array([1.0, 2.0])
    g = cr.grad(lambda w: (w * data).sum())
    for scale in (1.0, 2.0, 3.0):
        data[:] = scale * np.array([1.0, 2.0])
        np.testing.assert_array_equal(g(np.ones(2)), data)


def test_division_by_zero_is_infinite_as_in_numpy():
    with np.errstate(all="ignore"):
        for _ in range(3):
            assert cr.grad(lambda x: 1 / x)(0.0) == -math.inf
            assert math.isnan(cr.grad(lambda x: 0.0 * (1 / x))(0.0))


def test_backward_overflow_falls_back_to_infinity():
    for _ in range(3):
        assert cr.grad(lambda x: (1e200 * x) * (1e-200 * x) * 1e300)(1e8) > 1e307
        assert cr.grad(lambda x: x / 1e-200)(1e-300) == pytest.approx(1e200)


@pytest.mark.parametrize("n", [1, 10, 1000])
def test_a_chain_prints_linearly(n):
    def chain(x):
        for _ in range(n):
            x = x * 0.5
            y = x + 1
        return y

    code = cr.circuit(chain)(1.0).code()
    assert len(code.splitlines()) <= 5 * n + 20
    assert max(map(len, code.splitlines())) <= 120

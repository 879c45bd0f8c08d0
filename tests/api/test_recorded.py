"""A call recorded for compiling: its trace holds no arrays that nobody computes on any more."""

import gc
import tracemalloc

import numpy as np
import pytest

import chainrule as cr
from chainrule.api.recorded import record
from chainrule.errors import TraceError

X = np.linspace(-1.0, 1.0, 100_000)


def peak(call):
    """The most memory that a call takes at once, in arrays of X's size."""
    gc.collect()
    tracemalloc.start()
    call()
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found / X.nbytes


def steps(x):
    for _ in range(40):
        x = np.tanh(x * 0.9)
    return x.sum()


def test_a_function_is_traced_in_the_memory_of_a_few_steps():
    assert peak(lambda: record(steps, (X,), {})) < 5


def test_a_gradient_is_compiled_in_little_more_memory_than_it_takes_at_once():
    both = cr.value_and_grad(steps)
    run = cr.jit(both)
    at_once = peak(lambda: both(X))
    assert at_once > 80  # the backward pass reads every step
    first, second = (peak(lambda: run(X)) for _ in range(2))
    assert run.is_compiled and max(first, second) < at_once + 10


def test_what_is_written_may_be_an_array_from_long_before():
    def f(x):
        y, places = x * 2, np.arange(3) * (x > 0)
        z = np.sqrt(y * y + 1) + 1
        z[places] = y
        return z

    x = np.array([1.0, -2.0, 3.0])
    assert record(f, (x,), {}).result.tolist() == f(x).tolist()


def test_a_view_of_an_argument_is_known_though_the_views_between_are_gone():
    def f(x):
        v = x[1:][1:][1:]
        v[0] = 5.0
        return v

    with pytest.raises(TraceError, match="a view of an argument, x, was written to"):
        record(f, (np.arange(5.0),), {})

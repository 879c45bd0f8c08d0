"""jit: what compiles and agrees with eager, and what runs as plain Python and says so."""

import random
import subprocess
import sys
import time
import warnings
import weakref
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import optree
import pytest

import chainrule as cr
from chainrule.api.jit import jit
from chainrule.errors import ChainruleWarning, TraceError, UnsupportedError
from chainrule.trace import numpys


def staged(x, y):
    sigy = 1.0 / (1 + np.exp(-y))
    num = x + sigy
    sigx = 1.0 / (1 + np.exp(-x))
    xpy = x + y
    xpysqr = xpy**2
    den = sigx + xpysqr
    invden = 1.0 / den
    f = num * invden
    return f


def neuron(w, x):
    dot = w[0] * x[0] + w[1] * x[1] + w[2]
    return 1 / (1 + np.exp(-dot))


def chain(x, y, z):
    q = x + y
    return q * z


def is_compiled(jitted):
    return any(entry.run is not None for entry in jitted._entries.values())


def assert_close(found, wanted):
    """Equal in structure, and within 2e-15 of each number."""
    found, wanted = optree.tree_flatten(found), optree.tree_flatten(wanted)
    assert found[1] == wanted[1]
    np.testing.assert_allclose(found[0], wanted[0], rtol=2e-15, atol=0)


@pytest.mark.parametrize(
    ("f", "argnums", "args"),
    [
        (chain, (0, 1, 2), (-2.0, 5.0, -4.0)),
        (staged, (0, 1), (3.0, -4.0)),
        (neuron, (0, 1), ([2.0, -3.0, -3.0], [-1.0, -2.0])),
        (lambda x: np.maximum(x, 0.5 * x) ** 1.5, 0, (2.0,)),
        (lambda p: np.log(p["a"]) * p["b"][0], 0, ({"a": 2.0, "b": (3.0,)},)),
    ],
)
def test_value_and_gradient_compile_as_one_and_agree_with_eager(f, argnums, args):
    eager = cr.value_and_grad(f, argnums)
    compiled = jit(eager)
    for scale in (1.0, 0.75, 1.25):
        at = optree.tree_map(lambda v, s=scale: v * s, args)
        assert_close(compiled(*at), eager(*at))
    assert is_compiled(compiled)


def test_the_circuit_of_the_note():
    run = jit(cr.value_and_grad(chain, (0, 1, 2)))
    for _ in range(3):
        assert run(-2.0, 5.0, -4.0) == (-12.0, (-4.0, -4.0, 3.0))
        assert run(-2, 5, -4) == (-12.0, (-4.0, -4.0, 3.0))


def test_a_gradient_of_a_gradient_compiles():
    run = jit(cr.grad(cr.grad(lambda x: x**3 * np.exp(x))))
    wanted = cr.grad(cr.grad(lambda x: x**3 * np.exp(x)))
    run(2.0)
    assert run(1.5) == pytest.approx(wanted(1.5), rel=4e-15)
    assert is_compiled(run)


Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("f", "wanted"),
    [
        (lambda x: x * 2, 6.0),
        (lambda x: (x * 2,), (6.0,)),
        (lambda x: [x, (x + 1, {"b": x, 3: 7.5})], [3.0, (4.0, {"b": 3.0, 3: 7.5})]),
        (lambda x: {"x": x, "is": "x", "no": None}, {"x": 3.0, "is": "x", "no": None}),
        (lambda x: Point(x, x * x), Point(3.0, 9.0)),
        (lambda x: (x > 2, np.exp(x) > 0), (True, True)),
    ],
)
def test_results_keep_their_shape_and_types(f, wanted):
    run = jit(f)
    for result in (run(3.0), run(3.0), run(3.0)):
        assert result == wanted
        types = [[type(x) for x in optree.tree_leaves(t)] for t in (result, wanted)]
        assert types[0] == types[1]
    assert is_compiled(run)


HALF = np.float32(0.5) * np.ones(3, np.float32)


@pytest.mark.parametrize(
    ("f", "wanted"),
    [
        (np.exp, float),
        (cr.value_and_grad(np.tanh), (float, float)),
        (lambda x: [np.exp(x) > 0, np.float64(2.0), np.sum(x * np.ones(3))], [bool, float, float]),
        (lambda x: np.exp(x) if x > 0 else x, float),
        (lambda x: np.sum(np.sort(x * HALF)), np.float32),  # Python has no number of this kind
        (lambda x: x * np.ones(3), np.ndarray),
        (lambda x: (np.log(x), object)[0], float),
        (lambda x: np.exp(float(x)), float),  # runs as plain Python
    ],
)
@pytest.mark.filterwarnings("ignore:jit")
def test_python_numbers_give_python_numbers_and_others_what_the_function_gives(f, wanted):
    run, own = jit(f), lambda x: optree.tree_map(type, x)
    for _ in range(3):
        assert own(run(0.5)) == wanted
        assert own(run(np.float64(0.5))) == own(f(np.float64(0.5)))
        assert own(jit(lambda: np.exp(0.5))()) is np.float64  # nothing was given


def test_it_looks_like_the_function_and_works_as_a_method():
    assert (jit(chain).__name__, jit(chain).__wrapped__) == ("chain", chain)

    class Model:
        def scale(self, x):
            return x * 2

    Model.scale = jit(Model.scale)
    with pytest.warns(ChainruleWarning, match="an argument is a Model"):
        assert Model().scale(3.0) == 6.0


def test_keyword_arguments_have_signatures_of_their_own():
    run = jit(lambda x, y=2.0, *, minus=0.0: x * y - minus)
    for _ in range(3):
        assert run(3.0, y=4.0) == 12.0
        assert run(3.0, minus=1.0) == 5.0
        assert run(3.0, y=5.0, minus=1.0) == run(3.0, minus=1.0, y=5.0) == 14.0
        assert run(3.0) == 6.0


def test_other_types_are_signatures_of_their_own():
    run = jit(lambda x: x * x)
    for _ in range(3):
        assert (type(run(3.0)), run(3.0)) == (float, 9.0)
        assert (type(run(np.float64(3.0))), run(np.float64(3.0))) == (np.float64, 9.0)
        assert run(3) == 9
        assert (type(run(x=np.float64(3.0))), type(run(x=3.0))) == (np.float64, float)
    assert len(run._entries) == 5


def test_what_is_no_number_counts_by_its_value():
    def f(x, how, twice=False):
        y = np.exp(x) if how == "exp" else x
        return 2 * y if twice else y

    run = jit(f)
    for _ in range(3):
        assert run(0.0, "exp") == 1.0
        assert run(5.0, "same") == 5.0
        assert run(5.0, "same", True) == 10.0


def test_inside_another_trace_it_is_the_function():
    run = jit(staged)
    assert cr.grad(run, (0, 1))(3.0, -4.0) == cr.grad(staged, (0, 1))(3.0, -4.0)
    assert not run._entries  # nothing was traced for it
    run(1.0, 2.0), run(1.0, 2.0)
    assert cr.grad(run, (0, 1))(3.0, -4.0) == cr.grad(staged, (0, 1))(3.0, -4.0)


def test_a_value_of_another_trace_may_come_through_a_closure():
    def outer(x):
        inner = jit(lambda y: x * y)
        return inner(3.0) + inner(3.0) + inner(3.0)

    assert cr.grad(outer)(2.0) == 9.0


# ---- when it compiles

FIRST_CALL = """
import sys
from chainrule.api.jit import jit
f = jit(lambda x: x * 2)
for _ in range(2):
    f(1.0)
    print("llvmlite" in sys.modules)
"""


def test_the_first_call_loads_no_compiler_and_the_second_does():
    answer = subprocess.run(
        [sys.executable, "-W", "error", "-c", FIRST_CALL],
        capture_output=True, text=True, check=False,
    )
    assert (answer.stdout, answer.stderr) == ("False\nTrue\n", "")


def test_compile_does_it_at_once():
    calls = []
    run = jit(lambda x: (calls.append(1), x * 2)[1])
    run.compile(1.0)
    traced = len(calls)
    assert is_compiled(run)
    assert run(4.0) == 8.0
    assert len(calls) == traced


def test_the_function_runs_twice_and_then_never_again():
    calls = []
    run = jit(lambda x: (calls.append(1), x * 2)[1])
    for x in range(5):
        assert run(float(x)) == 2.0 * x
    assert len(calls) == 2


def test_arrays_in_between_are_let_go_of_after_the_first_call():
    made = []

    def f(x):
        y = x * 2.0
        made.append(weakref.ref(y.value))
        return (y * y).sum()

    run = jit(f)
    run(np.ones(3))
    assert made[0]() is None, run


def test_eight_threads_share_one_function():
    run = jit(cr.value_and_grad(staged, (0, 1)))
    inputs = [(i / 10, -i / 20) for i in range(1, 50)]
    wanted = [cr.value_and_grad(staged, (0, 1))(*i) for i in inputs]
    start = Barrier(8)

    def work(_):
        start.wait()
        return [run(*i) for i in inputs]

    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(work, range(8)):
            assert_close(found, wanted)


# ---- what cannot be compiled


@pytest.mark.parametrize(
    "number", [random.random, time.perf_counter_ns, np.random.default_rng(1).normal]
)
def test_a_number_that_differs_between_calls_is_refused_with_its_line(number):
    def f(x):
        noise = number() % 2**53
        return x + noise

    line = f.__code__.co_firstlineno + 2
    run = jit(f)
    run(1.0)
    with pytest.raises(TraceError, match=rf"a constant was .* in f, .*test_jit.py line {line}\n"):
        run(1.0)
    with pytest.raises(TraceError, match="Pass it in as an argument"):
        jit(f).compile(1.0)


def counting(f):
    """f, and a list with an entry for each time Python runs it."""
    seen = []

    def counted(*args):
        seen.append(args)
        return f(*args)

    return counted, seen


def test_each_way_through_the_decisions_is_compiled():
    def f(x):
        if x > 0:
            return x * x
        return -x

    counted, seen = counting(f)
    run = jit(counted)
    for _ in range(3):
        assert (run(3.0), run(-3.0)) == (9.0, 3.0)
    assert len(seen) == 4  # two ways, each traced twice
    assert (run(0.5), run(-0.5), run(0.0)) == (0.25, 0.5, -0.0)
    assert len(seen) == 4


def test_a_loop_goes_a_way_for_each_length():
    def halvings(x):
        count = 0
        while x > 1:
            x, count = x / 2, count + 1
        return x, count

    counted, seen = counting(halvings)
    run = jit(counted)
    for start in (9.0, 3.0, 9.0, 3.0, 100.0, 100.0):
        assert run(start) == halvings(start)
    traced = len(seen)
    for start in (65.0, 8.5, 2.5, 127.0):
        assert run(start) == halvings(start)
    assert len(seen) == traced


def test_a_decision_inside_a_gradient_is_seen_too():
    run = jit(cr.grad(lambda x: x * x if x > 0 else -x))
    for _ in range(3):
        assert (run(3.0), run(-3.0)) == (6.0, -1.0)


def test_builtin_max_is_a_decision():
    run = jit(lambda x: max(x, 0.0))
    for _ in range(3):
        assert (run(3.0), run(-3.0)) == (3.0, 0.0)


def test_a_decision_on_an_array_and_an_index_out_of_range_on_the_way_not_taken():
    def f(x, i):
        if (i < 3).all():
            return x[i].sum()
        return -x.sum()

    run = jit(f)
    for _ in range(3):
        assert run(np.arange(3.0), np.array([2, 2])) == 4.0
    for _ in range(3):
        assert run(np.arange(3.0), np.array([2, 7])) == -3.0


def test_ways_without_end_run_as_plain_python_and_say_so():
    def f(x):
        total = 0.0
        while x > 0:
            x, total = x - 1, total + x
        return total

    line = f.__code__.co_firstlineno + 2
    run = jit(f)
    with pytest.warns(ChainruleWarning, match=r"(?s)64 ways.*length.*"):
        for n in range(70):
            assert run(float(n)) == n * (n + 1) / 2
    with pytest.warns(ChainruleWarning, match=rf"new way .* line {line}"):
        again = jit(f)
        for n in range(65):
            again(float(n))


@pytest.mark.parametrize(
    ("f", "args", "reason"),
    [
        (lambda x: x * 2, (np.float16(2),), r"float16"),
        (lambda x: x[np.nonzero(x > 1)], (np.ones(3),), r"nonzero"),
        (lambda x: [x, {1}], (2.0,), r"returned a set"),
        (lambda x: [x] * int(x), (2.0,), r"int\(x\)"),
        (lambda x: {1} and x, ({2},), r"an argument is a set"),
    ],
)
def test_what_has_no_machine_code_runs_as_plain_python_and_says_why_once(f, args, reason):
    run = jit(f)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for _ in range(4):
            np.testing.assert_equal(run(*args), f(*args))
    assert len(said) == 1
    assert said[0].filename == __file__
    with pytest.warns(ChainruleWarning, match=rf"(?s)runs as plain Python.*{reason}"):
        again = jit(f)
        again(*args), again(*args)


def test_arrays_that_never_change_are_returned_as_copies():
    run = jit(cr.grad(lambda x, y: (x * x).sum(), (0, 1)))  # zeros for y
    for _ in range(3):
        dx, dy = run(np.ones(2), np.ones(3))
        assert dx.tolist() == [2, 2] and dy.tolist() == [0, 0, 0]
        dy += 1


def test_other_steps_in_the_second_call_are_not_compiled():
    seen = []

    def f(x):
        seen.append(1)
        return x * 2 if len(seen) == 1 else x * 2 + 1

    run = jit(f)
    run(1.0)
    with pytest.warns(ChainruleWarning, match="took different steps"):
        assert run(1.0) == 3.0


def test_without_the_compiler_everything_still_runs(monkeypatch):
    from chainrule.backends.llvm.targets import cpu

    monkeypatch.setitem(sys.modules, "llvmlite.binding", None)
    cpu._library.cache_clear()
    run = jit(chain)
    run(1.0, 2.0, 3.0)
    with pytest.warns(ChainruleWarning, match="pip install llvmlite"):
        assert run(-2.0, 5.0, -4.0) == -12.0
    cpu._library.cache_clear()


def test_errors_of_the_function_pass_through():
    def f(x):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        jit(f)(1.0)


def test_compile_says_what_is_unsupported():
    with pytest.raises(UnsupportedError, match="float16"):
        jit(lambda x: x * 2).compile(np.ones(3, np.float16))


def test_a_ufunc_used_for_the_first_time_is_recorded_as_ever(monkeypatch):
    monkeypatch.setattr(numpys, "_TWO", {})
    run = cr.jit(cr.value_and_grad(lambda x: np.maximum(x, 0).sum()))
    x = np.array([1.0, -2.0])
    for _ in range(3):
        value, gradient = run(x)
        assert (value, gradient.tolist()) == (1.0, [1.0, 0.0])
    assert run.is_compiled

"""One program for every extent n gives the bits of a program for each."""

import ctypes
import mmap

import numpy as np
import optree
import pytest

import chainrule as cr
from chainrule.api.recorded import record
from chainrule.backends.llvm import arrays
from chainrule.backends.llvm.compiled import compiled
from chainrule.backends.llvm.nests import Blocks
from chainrule.backends.llvm.programs import Programs
from chainrule.backends.llvm.shared import Seen
from chainrule.trace.names import with_names

PAGE = mmap.PAGESIZE
NOTHING = 0  # may be done to memory: C's PROT_NONE
EXTENTS = (64, 37, 5, 16, 33, 130)  # lanes are 16 doubles or 32 singles; blocks have 7 or 8 rows
rng = np.random.default_rng(0)


def doubles(*shape):
    return rng.normal(size=shape)


def singles(*shape):
    return rng.normal(size=shape).astype(np.float32)


def network(W, b, V, x, y):
    scores = np.maximum(x @ W + b, 0) @ V
    scores = scores - scores.max(axis=1, keepdims=True)
    log_p = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    return -log_p[np.arange(len(y)), y].mean()


def step(make):
    return lambda n: (make(12, 9), make(9), make(9, 5), make(n, 12), rng.integers(0, 5, n))


FUNCTIONS = {
    "chain": (cr.value_and_grad(lambda x: (np.exp(x) * np.tanh(x)).mean()), doubles),
    "chain of singles": (cr.value_and_grad(lambda x: (x * np.tanh(x)).mean()), singles),
    "rows": (lambda x: (x - x.mean(0)) / x.std(0), lambda n: doubles(n, 5)),
    "columns": (lambda x: (x - x.mean(0)) / x.std(0), lambda n: doubles(5, n)),
    "both axes": (lambda x, y: x[:, None] * y - y, lambda n: (doubles(n), doubles(n))),
    "bias": (cr.grad(lambda b, x: np.maximum(x + b, 0).sum()),
             lambda n: (doubles(7), doubles(n, 7))),
    "transposed": (lambda x: x.T @ x + x.T.sum(1), lambda n: doubles(n, 30)),
    "long sums": (lambda x: x.T @ x, lambda n: doubles(n * 100, 8)),
    "reversed": (lambda x: x[::-1] * x - x[:, ::-1], lambda n: doubles(n, 3)),
    "differences": (lambda x: x[1:] - x[:-1], lambda n: doubles(n, 3)),
    "totals": (lambda x: np.cumsum(x, axis=0) + x.cumsum(1), lambda n: doubles(n, 3)),
    "joined": (lambda x: np.concatenate([x, x * 2]), lambda n: doubles(n, 3)),
    "each with each": (cr.grad(lambda q: (np.exp(q @ q.T / 8) @ q).sum()), lambda n: doubles(n, 8)),
    "stacks": (lambda x, w: x @ w, lambda n: (doubles(n, 6, 5), doubles(5, 4))),
    "columns of a product": (lambda w, x: w @ x, lambda n: (doubles(20, 30), doubles(30, n))),
    "large product": (lambda x, w: x @ w, lambda n: (singles(n, 700), singles(700, 800))),
    "added at places": (cr.grad(lambda x, y: (x[y] ** 2).sum()),
                        lambda n: (doubles(n), rng.integers(0, n, n))),
    "network": (cr.value_and_grad(network, (0, 1, 2)), step(doubles)),
    "network of singles": (cr.value_and_grad(network, (0, 1, 2)), step(singles)),
}
CASES = pytest.mark.parametrize(("f", "given"), FUNCTIONS.values(), ids=FUNCTIONS)


def circuit_of(f, args):
    done = record(f, args, {})
    return with_names(done.circuit, done.trace)


def arguments(given, n):
    args = given(n)
    return args if isinstance(args, tuple) else (args,)


def same_bits(found, wanted):
    pairs = zip(optree.tree_leaves(found), optree.tree_leaves(wanted), strict=True)
    return all(np.asarray(x).tobytes() == np.asarray(y).tobytes() for x, y in pairs)


@pytest.mark.parametrize("level", [0, 1])
@CASES
def test_a_program_for_every_n_gives_the_bits_of_one_for_each(f, given, level):
    programs = Programs()
    for n in EXTENTS:
        args = arguments(given, n)
        circuit = circuit_of(f, args)
        shared = compiled(circuit, level, programs)
        assert same_bits(shared(*args), compiled(circuit, level)(*args))
    without_blocks = [  # those have a program for each extent
        x for x in programs.seen if not any(isinstance(item, Blocks) for item in x.plan.items)
    ]
    assert [len(without_blocks), len(programs.common)] == [1, 1]


def beside_a_wall(shape, dtype=float):
    """An array of bytes 255 that ends where memory that cannot be touched begins."""
    dtype, size = np.dtype(dtype), int(np.prod(shape, dtype=int))
    length = -(-size * dtype.itemsize // PAGE) * PAGE
    memory = mmap.mmap(-1, length + PAGE)
    begin = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    assert not ctypes.CDLL(None).mprotect(ctypes.c_void_p(begin + length), PAGE, NOTHING)
    memory[:length] = b"\xff" * length
    offset = length - size * dtype.itemsize
    return np.frombuffer(memory, dtype, size, offset).reshape(shape)


@CASES
def test_nothing_is_read_before_it_is_written_nor_beyond_an_end(f, given, monkeypatch):
    programs = Programs()
    for n in EXTENTS:
        args = arguments(given, n)
        circuit = circuit_of(f, args)
        wanted = compiled(circuit)(*args)
        code = compiled(circuit, 1, programs)
        walled = [beside_a_wall(x.shape, x.dtype) for x in args]
        for x, y in zip(walled, args, strict=True):
            x[...] = y
        with monkeypatch.context() as patch:
            patch.setattr(arrays.np, "empty", beside_a_wall)
            found = code(*walled)
        assert same_bits(found, wanted)


def test_a_plan_for_every_n_shows_it():
    f = cr.value_and_grad(lambda x: (x * np.tanh(x)).mean())
    programs = Programs()
    for n in (4, 7):
        compiled(circuit_of(f, (doubles(n, 3),)), 1, programs)
    text = str(programs.common[0][0].plan)
    assert "plan <lambda>: x -> w.5, w.13.b2; any n" in text
    assert "nest [n, 3]" in text and "load x[3*i + j]" in text


def made_by(f, extents, given=doubles):
    """How many programs a function takes for one extent, and for any."""
    programs = Programs()
    for n in extents:
        args = arguments(given, n)
        circuit = circuit_of(f, args)
        assert same_bits(compiled(circuit, 1, programs)(*args), compiled(circuit)(*args))
    return len(programs.seen), len(programs.common)


def test_an_axis_of_one_number_or_none_has_a_program_of_its_own():
    assert made_by(lambda x: x + x.T, (8, 3, 1, 0, 5, 1), lambda n: doubles(n, n)) == (4, 1)
    assert made_by(lambda x: x * 2, (1, 8, 3, 5), lambda n: doubles(n, 7)) == (2, 1)
    none_at_2 = lambda x: (x[0] * np.ones((len(x) - 2, 3))).sum()
    assert made_by(none_at_2, (9, 5, 4, 2), lambda n: doubles(n, 3)) == (2, 1)


def test_what_python_or_the_planner_decide_by_n_is_planned_again():
    assert made_by(lambda x: x * 2 if len(x) > 50 else x + 1, (64, 60, 5, 70, 7, 9)) == (2, 2)
    assert made_by(lambda x: x * np.sqrt(len(x)), (9, 3, 7)) == (1, 1)
    assert made_by(lambda x: x ** len(x), (2, 3, 4, 5, 3)) == (5, 0)  # other instructions for each
    assert made_by(lambda x: x * len(x) - min(len(x), 50), (9, 7, 60, 8)) == (1, 2)
    few = lambda n: (doubles(n, 5), doubles(5, 4))
    assert made_by(lambda x, y: x @ y, (2, 9, 3, 8), few) == (2, 2)  # few rows are no product


def test_an_extent_equal_to_another_one_by_chance_is_not_taken_for_it():
    f = lambda x, w: (x * 2, w * 3, (x @ w) @ w)
    given = lambda n: (doubles(n, 6), doubles(6, 6))
    assert made_by(f, (6, 9, 11, 6, 30), given) == (3, 1)
    assert made_by(f, (9, 11, 6, 30), given)[1] == 1


def test_a_common_plan_is_no_plan_of_another_function():
    plans = {}
    for name, f in (("once", lambda x: x * 2), ("twice", lambda x: x * 2 + x)):
        for n in (5, 6):
            plans[name, n] = compiled(circuit_of(f, (doubles(n),))).plan
    seen = Seen(plans["once", 5], ((5,),))
    assert seen.with_other(plans["twice", 6], [(6,)]) is None
    common = seen.with_other(plans["once", 6], [(6,)])
    assert common.at(plans["once", 6], [(6,)]) is not None
    assert common.at(plans["twice", 6], [(6,)]) is None
    assert common.at(plans["once", 6], [(5,)]) is None

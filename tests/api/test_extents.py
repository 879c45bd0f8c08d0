"""jit at one batch size after another: the third compiles nothing, and each is right."""

import numpy as np
import optree
import pytest

import chainrule as cr
from chainrule.backends.llvm.targets import cpu
from chainrule.errors import PlaceError, TraceError

rng = np.random.default_rng(0)


@pytest.fixture
def texts(monkeypatch):
    """What is compiled, as text: cores, and the wrappers of generated calls."""
    found = []
    compile_text = cpu.compile_text
    monkeypatch.setattr(
        cpu, "compile_text", lambda text, *level: found.append(text) or compile_text(text, *level)
    )
    return found


def cores(texts):
    return sum("define i32 @core" in text for text in texts)


def same(found, wanted, rtol=1e-12):
    found, wanted = optree.tree_flatten(found), optree.tree_flatten(wanted)
    assert found[1] == wanted[1]
    for x, y in zip(found[0], wanted[0], strict=True):
        assert np.shape(x) == np.shape(y)
        np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol)


def loss(p, x, y):
    W, b, V = p
    scores = np.maximum(x @ W + b, 0) @ V
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p = p / p.sum(axis=1, keepdims=True)
    return -np.log(p[np.arange(len(y)), y]).mean()


def batch(n):
    return rng.normal(size=(n, 20)), rng.integers(0, 5, n)


def test_a_step_of_training_compiles_nothing_at_the_third_batch_size(texts):
    p = [rng.normal(size=s) for s in ((20, 30), (30,), (30, 5))]
    step = cr.value_and_grad(loss)
    run = cr.jit(step)
    for n in (64, 37):
        for _ in range(3):
            x, y = batch(n)
            same(run(p, x, y), step(p, x, y))
    assert cores(texts) == 2
    for n in (50, 64, 4, 37, 129, 50):
        for _ in range(3):
            x, y = batch(n)
            same(run(p, x, y), step(p, x, y))
    assert cores(texts) == 2


def test_generated_calls_take_the_same_program_at_each_size(texts):
    f = cr.value_and_grad(lambda x: (np.cumsum(x) * np.tanh(x)).mean())
    run = cr.jit(f)
    for n in (64, 37):
        for _ in range(3):
            run(np.linspace(0, 1, n))
    made = len(texts)  # the wrappers too
    for n in (50, 37, 90, 50):
        for _ in range(4):
            x = rng.normal(size=n)
            same(run(x), f(x))
    assert len(texts) == made


def test_each_way_through_the_decisions_has_a_program_for_every_size(texts):
    f = lambda x: (x * x).sum() if x.sum() > 0 else x.sum()
    run = cr.jit(f)
    for n in (8, 9, 10, 11):
        for x in (np.ones(n), -np.ones(n)) * 3:
            same(run(x), f(x))
    assert cores(texts) == 4


def test_captured_arrays_are_read_at_each_call_of_each_size():
    scale = np.ones(3)
    run = cr.jit(lambda x: (x * scale).sum())
    for n in (4, 5, 6):
        for _ in range(3):
            scale += 1
            assert run(np.ones((n, 3))) == n * scale.sum()


def test_a_number_that_differs_between_calls_is_refused_at_each_size():
    steady = True
    run = cr.jit(lambda x: (x * (len(x) if steady else rng.normal())).sum())
    for n in (4, 5):
        for _ in range(3):
            assert run(np.ones(n)) == n * n
    steady = False
    run(np.ones(6))
    with pytest.raises(TraceError, match="a constant was"):
        run(np.ones(6))


def test_messages_give_the_numbers_of_the_call():
    run = cr.jit(lambda x, y: x[y].sum())
    for n in (4, 5, 6):
        for _ in range(3):
            assert run(np.ones((n, 2)), np.array([0, 1])) == 4
        wanted = rf"does not fit x of shape \[{n}, 2\]: index {n} is out of bounds"
        with pytest.raises(PlaceError, match=wanted):
            run(np.ones((n, 2)), np.array([0, n]))


def test_bound_calls_are_of_one_size():
    f = cr.grad(lambda x: (x**3).sum())
    run = cr.jit(f)
    for n in (4, 5, 6, 7):
        x, out = rng.normal(size=n), np.empty(n)
        call = run.bind(x, out=out)
        x += 1
        call()
        same(out, f(x))

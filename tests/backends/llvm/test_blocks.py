"""Nests over blocks of an extent: when, in what order, and that nothing of a block is lost."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.api.recorded import record
from chainrule.backends.llvm import arrays, blocks, panels
from chainrule.backends.llvm.compiled import compiled
from chainrule.backends.llvm.nests import Blocks, Dots, Kernel, Nest
from chainrule.trace.names import with_names


def compiled_call(f, *args):
    done = record(f, args, {})
    return compiled(with_names(done.circuit, done.trace))


def blocks_of(plan):
    return [item for item in plan.items if isinstance(item, Blocks)]


@pytest.fixture
def eager_blocks(monkeypatch):
    """Blocks of 32 places wherever they are possible."""
    for name, number in (("WORTH", 1), ("LEAST_SAVED", 0), ("SHORT", 1000), ("LARGEST", 32)):
        monkeypatch.setattr(blocks, name, number)
    monkeypatch.setattr(panels, "WORTH", 1)


def mixture(means, x):
    inner = -((x[:, None] - means) ** 2)
    top = inner.max(axis=1)
    return (np.log(np.exp(inner - top[:, None]).sum(axis=1)) + top).sum()


def test_a_plan_of_blocks_reads_as_text():
    plan = compiled_call(mixture, np.zeros(25), np.ones(1000)).plan
    assert [x.split("  line ")[0].rstrip() for x in str(plan).splitlines()] == [
        "plan mixture: means, x -> w.14; 55,360 bytes between",
        "  nest [1]",
        "    store -0.0 w.14.total[0]",
        "  blocks of 256 of 1,000; each place moves x' by 1",
        "    nest [25, 256]",
        "        x.l1 = load x'[j]",
        "        means.l2 = load means[i]",
        "        w.3 = subtract(x.l1, means.l2)",
        "        w.5 = power(w.3, 2)",
        "        inner = negate(w.5)",
        "        store inner inner.b4.block[256*i + j]",
        "        fold max inner -> top.b3.block[j]",
        "    nest [25, 256]",
        "        inner.b4.l5 = load inner.b4.block[256*i + j]",
        "        top.b3.l6 = load top.b3.block[j]",
        "        w.9 = subtract(inner.b4.l5, top.b3.l6)",
        "        w.10 = exp(w.9)",
        "        fold sum w.10 -> w.11.b7.block[j]",
        "    nest [256]",
        "        w.11.b7.l8 = load w.11.b7.block[i]",
        "        top.b3.l9 = load top.b3.block[i]",
        "        w.12 = log(w.11.b7.l8)",
        "        w.13 = add(w.12, top.b3.l9)",
        "        fold sum w.13 ->> w.14.total[0]",
        "  w.14 = fetch w.14.total[0]",
    ]


def gaussians(logs, lower, means, x):
    """d = 3, K = 4: the products of ADBench's mixture, small enough to see."""
    apart = x[:, None, :] - means
    scaled = np.exp(logs) * apart + np.einsum("kij,nkj->nki", lower, apart)
    inner = logs.sum(axis=1) - 0.5 * (scaled**2).sum(axis=2)
    top = inner.max(axis=1)
    return (np.log(np.exp(inner - top[:, None]).sum(axis=1)) + top).sum()


def shapes_of_gaussians(count):
    rng = np.random.default_rng(0)
    return [rng.normal(size=s) for s in ((4, 3), (4, 3, 3), (4, 3), (count, 3))]


@pytest.mark.parametrize("count", [64, 65, 95, 96, 97, 111, 112, 113, 500])
def test_extents_around_multiples_of_a_block(count, eager_blocks):
    args = shapes_of_gaussians(count)
    both = cr.value_and_grad(gaussians, (0, 1, 2, 3))
    value, gradients = both(*args)
    code = compiled_call(both, *args)
    (found,) = blocks_of(code.plan)
    assert (found.extent, found.size, bool(found.rest)) == (count, 32, count % 32 > 0)
    for x, y in zip(code(*args), [value, *gradients], strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-13 * np.abs(y).max())


def test_small_products_run_in_registers_within_a_block(eager_blocks):
    both = cr.value_and_grad(gaussians, (0, 1, 2))
    (found,) = blocks_of(compiled_call(both, *shapes_of_gaussians(100)).plan)
    kinds = {type(item) for item in found.items}
    assert kinds == {Nest, Kernel, Dots}


def test_a_block_needs_little_memory_however_long_its_extent():
    few, many = (compiled_call(mixture, np.zeros(25), np.ones(n)).plan for n in (10**3, 10**6))
    assert few.arena == many.arena < 10**5


def test_short_arrays_and_long_rows_are_left_alone():
    softmax = lambda x: (np.exp(x) / np.exp(x).sum(axis=1, keepdims=True) * x).sum()
    for shape in ((70, 10), (100, 1000)):
        assert not blocks_of(compiled_call(cr.value_and_grad(softmax), np.ones(shape)).plan)


def test_one_block_of_all_places_is_made_where_it_fills_the_lanes():
    def turned(means, x):
        inner = -((x - means[:, None]) ** 2)
        top = inner.max(axis=0)
        return (np.log(np.exp(inner - top).sum(axis=0)) + top).sum()

    def count(f, places):
        return len(blocks_of(compiled_call(f, np.zeros(40), np.ones(places)).plan))

    assert [count(mixture, n) for n in (250, 1000)] == [1, 1]
    assert [count(turned, n) for n in (250, 1000)] == [0, 1]  # rows of 250 fill the lanes already


def test_what_waits_for_a_sum_over_all_places_comes_after(eager_blocks):
    def f(x):
        y = np.exp(x - x.max(axis=1, keepdims=True))
        y = y / y.sum(axis=1, keepdims=True)
        z = y - y.mean(axis=0)
        return (z * np.exp(z).max(axis=1, keepdims=True)).sum()

    x = np.random.default_rng(1).normal(size=(100, 5))
    code = compiled_call(f, x)
    assert len(blocks_of(code.plan)) == 2
    np.testing.assert_allclose(code(x)[0], f(x), atol=1e-13)


def test_bits_do_not_depend_on_the_level_or_on_what_memory_held(eager_blocks, monkeypatch):
    args = shapes_of_gaussians(107)
    done = record(cr.value_and_grad(gaussians, (0, 1, 2, 3)), tuple(args), {})
    wanted = [np.asarray(x).tobytes() for x in compiled(done.circuit)(*args)]
    make = np.empty

    def poisoned(*given, **settings):
        made = make(*given, **settings)
        made.view(np.uint8).fill(255)
        return made

    other = compiled(done.circuit, level=0)
    monkeypatch.setattr(arrays.np, "empty", poisoned)
    assert [np.asarray(x).tobytes() for x in other(*args)] == wanted


def test_the_same_numbers_along_the_same_axes_are_joined_once():
    def f(x):
        return (x - x.max(axis=1)[:, None]).sum() + (x * x.max(axis=1, keepdims=True)).sum()

    plan = compiled_call(f, np.ones((3, 4))).plan
    folds = [fold.how for nest in plan.items if isinstance(nest, Nest) for fold in nest.folds]
    assert folds.count("max") == 1


# ---- panels of a product


def layer(X, W, b):
    return np.maximum(X @ W + b, 0)


def test_bias_and_activation_join_the_product_before_them():
    rng = np.random.default_rng(2)
    args = rng.normal(size=(64, 20)), rng.normal(size=(20, 100)), rng.normal(size=100)
    code = compiled_call(layer, *args)
    (found,) = code.plan.items
    assert (found.extent, found.size) == (100, 16) and code.plan.arena == 64 * 16 * 8
    assert [type(item) for item in found.items] == [Kernel, Nest]
    np.testing.assert_allclose(code(*args)[0], layer(*args), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("columns", [32, 33, 47, 48, 100])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_panels_give_the_bits_of_nests_apart(columns, dtype, monkeypatch):
    rng = np.random.default_rng(3)
    shapes = (9, 7), (7, columns), (columns,)
    args = [rng.normal(size=s).astype(dtype) for s in shapes]
    V = rng.normal(size=(columns, 5)).astype(dtype)
    both = cr.value_and_grad(lambda X, W, b: (np.tanh(layer(X, W, b)) @ V).sum(), (0, 1, 2))
    apart = compiled_call(both, *args)(*args)
    monkeypatch.setattr(panels, "WORTH", 1)
    together = compiled_call(both, *args)
    if columns >= 2 * (16 if dtype is np.float64 else 32):
        assert blocks_of(together.plan)
    for x, y in zip(apart, together(*args), strict=True):
        assert np.asarray(x).tobytes() == np.asarray(y).tobytes()

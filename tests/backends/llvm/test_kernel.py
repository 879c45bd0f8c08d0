"""Products in registers: every number is the same sum, however it and the matrices are parted."""

import numpy as np
import pytest

from chainrule.api.recorded import record
from chainrule.backends.llvm import kernel, panels
from chainrule.backends.llvm.compiled import compiled
from chainrule.backends.llvm.nests import Blocks, Kernel, Nest


def multiply(x, y):
    return x @ y


def across(x, y):
    return x.T @ y


def code_of(f, *args, level=1):
    return compiled(record(f, args, {}).circuit, level)


def operands(rows, depth, columns, dtype=np.float64):
    rng = np.random.default_rng(0)
    return [rng.normal(size=s).astype(dtype) for s in ((rows, depth), (depth, columns))]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("depth", [8, 9, 15, 16, 17, 40])
def test_a_long_sum_in_turn_gives_the_bits_of_one_at_once(depth, dtype, monkeypatch):
    x, y = operands(19, depth, 75, dtype)
    for f, left in ((multiply, x), (across, np.ascontiguousarray(x.T))):
        (at_once,) = code_of(f, left, y)(left, y)
        with monkeypatch.context() as patch:
            patch.setattr(kernel, "DEPTH", 8)
            for level in (0, 1):
                code = code_of(f, left, y, level=level)
                assert code(left, y)[0].tobytes() == at_once.tobytes()
    error = 1e-5 if dtype is np.float32 else 1e-13
    np.testing.assert_allclose(at_once, x @ y, rtol=error, atol=error)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_last_columns_take_as_few_lanes_as_hold_them(dtype):
    x, y = operands(9, 7, 32, dtype)
    (whole,) = code_of(multiply, x, y)(x, y)
    for columns in (4, 5, 8, 10, 16, 17, 31):
        few = np.ascontiguousarray(y[:, :columns])
        code = code_of(multiply, x, few)
        assert code(x, few)[0].tobytes() == whole[:, :columns].tobytes()
    assert "<8 x " in code_of(multiply, x, y[:, :5]).text


@pytest.mark.parametrize("columns", [64, 75])
def test_panels_laid_side_by_side_give_the_same_bits(columns, monkeypatch):
    x, y = operands(256, 30, columns, np.float32)
    packed = code_of(multiply, x, y)
    (blocks,) = packed.plan.items
    copy, product = blocks.items
    assert isinstance(blocks, Blocks) and copy.shape == (30, 1, 32)
    assert isinstance(product, Kernel) and product.y.strides == (32, 1)
    monkeypatch.setattr(panels, "OFTEN", 257)
    apart = code_of(multiply, x, y)
    assert [type(item) for item in apart.plan.items] == [Kernel]
    assert packed(x, y)[0].tobytes() == apart(x, y)[0].tobytes()


def test_one_matrix_of_many_is_not_copied_with_all_of_them():
    x, y = operands(256, 30, 64)
    many = np.stack([y, y])
    plan = code_of(lambda x, many: x @ many[1], x, many).plan
    assert [type(item) for item in plan.items] == [Kernel]


@pytest.mark.parametrize("columns", [64, 75])
def test_a_transposed_right_operand_is_laid_out_panel_by_panel(columns, monkeypatch):
    x, y = operands(200, 30, columns, np.float32)
    w = np.ascontiguousarray(y.T)
    by_panels = code_of(lambda x, w: x @ w.T, x, w)
    assert [type(item) for item in by_panels.plan.items] == [Blocks]
    assert by_panels.plan.arena <= 2 * 30 * 32 * 4  # room for a panel, as it lies and laid out
    monkeypatch.setattr(panels, "WORTH", 1 << 30)
    apart = code_of(lambda x, w: x @ w.T, x, w)
    assert [type(item) for item in apart.plan.items] == [Nest, Kernel]
    assert by_panels(x, w)[0].tobytes() == apart(x, w)[0].tobytes()

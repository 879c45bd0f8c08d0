"""Dimension analysis says which product it must be, and says honestly where shapes cannot."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import InputError, ShapeError


def test_v2_distinct_sizes_leave_one_product_each():
    found = cr.dimensions(W=(5, 10), X=(10, 3))
    assert found["W"].products == ("dD @ X.T",) and found["W"].decides
    assert found["X"].products == ("W.T @ dD",) and found["X"].decides
    assert "dD @ X.T is the only product that has it" in str(found)


def test_v2_square_matrices_need_numbers():
    found = cr.dimensions(W=np.ones((3, 3)), X=np.ones((3, 3)))
    for name, right in (("W", "dD @ X.T"), ("X", "W.T @ dD")):
        assert len(found[name].products) == 8 and found[name].right == right
    assert "shapes do not decide, 8 products have it" in str(found)


def test_products_that_do_not_exist():
    with pytest.raises(ShapeError, match=r"\[5, 10\] and \[3, 10\]"):
        cr.dimensions(W=(5, 10), X=(3, 10))
    with pytest.raises(ShapeError, match="two sizes"):
        cr.dimensions(W=(5,), X=(3, 10))
    with pytest.raises(InputError, match="two named shapes"):
        cr.dimensions(W=(5, 10))

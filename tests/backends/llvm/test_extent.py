"""Sizes: whole numbers that depend on an extent n, and questions with one answer for every n."""

from math import prod

import pytest

from chainrule.backends.llvm.extent import Size, Unsettled, explained

n = Size((0, 1))


def test_sizes_are_polynomials():
    assert str(prod((n, 3, 4))) == "n*12" and str((n - 1) * n) == "n*-1 + n*n"
    assert (n + 1) * (n - 1) == n * n - 1
    assert n - n == 0 and (n + 5) - n == 5
    assert (n * n + 2 * n + 7).at(10) == 127


def test_a_size_is_divided_where_that_leaves_nothing_for_every_n():
    assert divmod(n * 32 + 16, 16) == (n * 2 + 1, 0)
    with pytest.raises(Unsettled):
        n * 24 // 16


def test_questions_have_one_answer_for_every_n_from_2_on():
    assert n > 1 and n * 256 >= 512 and n * n > n and -n < 0 and n * 3 - 5 and not n < 2
    assert max(n, n * 3, 1) == n * 3
    assert n != 64 and 0 not in (n, 3)
    for ask in (lambda: n > 2, lambda: n * n < 3 * n, lambda: n - 2 > 0, lambda: bool(n - 5)):
        with pytest.raises(Unsettled):
            ask()


def test_a_size_is_no_number_and_goes_into_no_text_unnoticed():
    for use in (lambda: range(n), lambda: [1, 2][n], lambda: f"add i64 {n}, 1"):
        with pytest.raises(Unsettled):
            use()


def test_two_numbers_are_explained_by_the_extents_they_stand_at():
    assert explained(10, 64, 10, 37) == 10
    assert explained(64 * 256, 64, 37 * 256, 37) == n * 256
    assert explained(64 * 64, 64, 37 * 37, 37) == n * n
    assert explained(63 * 5, 64, 36 * 5, 37) == 5 * n - 5
    with pytest.raises(Unsettled):
        explained(8, 64, 7, 37)

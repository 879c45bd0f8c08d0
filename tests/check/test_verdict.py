import math

import numpy as np

from chainrule.check.compare import agree, how_they_differ, tolerance_for
from chainrule.check.judge import judge
from chainrule.check.verdict import Finding, Verdict, numbers


def finding(verdict="good", error=0.0, kind="gate", row=0, note=""):
    return Finding("multiply", kind, None, 2.0, 3.0, error, verdict, note, "x", row)


def test_a_verdict_is_true_when_something_agrees_and_nothing_is_wrong():
    assert Verdict((finding(), finding("unchecked"), finding("kink")))
    assert not Verdict((finding(), finding("wrong")))
    assert not Verdict((finding("unchecked"),))
    assert not Verdict(())


def test_the_worst_is_the_gravest_then_the_largest():
    good, wrong = finding(error=5e-7), finding("wrong", error=1e-5)
    assert Verdict((good, wrong, finding())).worst is wrong
    assert Verdict((finding(), good)).worst is good
    assert Verdict(()).worst is None


def test_a_gate_counts_once_and_only_when_all_its_edges_agree():
    edges = finding(), finding(), finding(row=1), finding("unchecked", row=1)
    assert str(Verdict(edges)).startswith("good: 1 gate agrees with central differences")
    inputs = tuple(finding(kind="input", row=r) for r in (2, 3))
    assert str(Verdict((*edges, *inputs))).startswith("good: 1 gate and 2 inputs agree")


def test_nothing_checked_says_so():
    note = "cannot be checked: its value is inf"
    assert str(Verdict((finding("unchecked", note=note),))) == (
        f"nothing could be checked; 1 not checked, such as multiply to x: {note}"
    )


def test_a_sum_at_a_fork_alone_is_no_proof():
    verdict = Verdict((finding(kind="fork"), finding("unchecked", row=1, note="its value is nan")))
    assert not verdict and str(verdict).startswith("nothing could be checked; 1 not checked")


def test_numbers_show_as_many_digits_as_tell_them_apart():
    assert numbers(-4.0, 3.0) == ("-4", "3")
    assert numbers(1.0, 1.0 + 1e-8) == ("1", "1.00000001")
    assert numbers(2.0, 2.0) == ("2", "2")


def test_how_they_differ():
    assert how_they_differ(-4.0, 4.0) == "the sign is flipped"
    assert how_they_differ(6.0, 2.0) == "3 times too large"
    assert how_they_differ(-2.0, 6.0) == "3 times too small and of the other sign"
    assert how_they_differ(0.0, 6.0) == "nothing is sent"
    assert how_they_differ(6.0, 0.0) == "nothing should be sent"
    assert how_they_differ(1.5, 1.25) == "off by 0.25"


def test_small_gradients_are_held_to_their_own_digits():
    f = lambda x: 1e-9 * x * x  # the derivative at 3 is 6e-9
    assert judge(f, 3.0, 6e-9, 1.0).verdict == "good"
    assert judge(f, 3.0, 6.1e-9, 1.0).verdict == "wrong"


def test_rounding_in_large_sums_is_no_error():
    f = lambda x: 1e12 + x  # its last digit is 1e-4: a slope of 1 can be seen only roughly
    assert judge(f, 3.0, 1.0, 1.0).verdict in ("good", "unchecked")


def test_what_rounding_leaves_of_terms_that_cancel_is_no_error():
    assert judge(lambda x: x / x, 3e-3, 5e-14, 1.0).verdict == "good"  # 1 / x - x / x**2
    assert judge(lambda x: x / (2 + x * x), 2**0.5, -4e-17, 1.0).verdict == "good"
    assert judge(lambda x: x / (2 + x * x), 2**0.5, -4e-9, 1.0).verdict == "wrong"


def test_missing_gradients_count_as_zero():
    assert judge(lambda x: 5.0, 3.0, None, 1.0).verdict == "good"
    assert judge(lambda x: 5.0 * x, 3.0, None, 1.0).verdict == "wrong"


def test_two_gradients_agree_up_to_rounding_of_what_was_added():
    assert agree(0.0, 1e-9, 1e-6, terms=(1.0, -1.0)).verdict == "good"
    assert agree(0.0, 1e-9, 1e-6).verdict == "wrong"
    assert agree(math.nan, math.nan, 1e-6).verdict == "good"
    assert agree(math.nan, 1.0, 1e-6).verdict == "wrong"


def test_large_arrays_fall_back_to_single_elements():
    rng = np.random.default_rng(3)
    x = np.where(np.arange(100) % 4 == 0, 0.0, rng.normal(size=100))
    dout = rng.normal(size=100)
    relu = lambda x: np.where(x > 0, x, 0.0)  # 0 at 0: within the slopes, though not their mean
    found = judge(relu, x, np.where(x > 0, dout, 0.0), dout)
    assert found.verdict == "kink" and "of 32 elements" in found.note
    broken = np.where(np.arange(100) == 57, np.nan, np.where(x > 0, dout, 0.0))
    found = judge(relu, x, broken, dout)
    assert found.verdict == "wrong" and found.note.startswith("at element [57]")


def test_elements_of_very_different_sizes_each_move_by_their_own():
    x = np.geomspace(1e-9, 1e20, 60)
    assert judge(lambda x: 1 / x, x, -1 / x**2, np.ones(60)).verdict == "good"
    assert judge(lambda x: 1 / x, x, -1.001 / x**2, np.ones(60)).verdict == "wrong"


def test_wide_steps_out_of_a_domain_are_not_held_against_a_gradient():
    x = np.linspace(1e-6, 2e-6, 50)  # a step of 1e-3 leaves the domain of log
    assert judge(np.log, x, 1 / x, np.ones(50)).verdict == "good"
    assert judge(np.log, x, 1.001 / x, np.ones(50)).verdict == "wrong"


def test_the_least_precise_dtype_sets_the_tolerance():
    double, single, half = (np.dtype(f"float{n}") for n in (64, 32, 16))
    assert tolerance_for([double, np.dtype(int)], 1e-6) == 1e-6
    assert tolerance_for([double, single], 1e-6) == 1000 * 2.0**-23
    assert tolerance_for([half], 1e-6) == 0.05

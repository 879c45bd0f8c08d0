"""Printed code made wrong, one line at a time: the check fails, and what it names is wrong."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.api.sources import script
from chainrule.errors import ExpressionError

STAGED = """\
x = 3
y = -4
sigy = 1.0 / (1 + math.exp(-y))
num = x + sigy
sigx = 1.0 / (1 + math.exp(-x))
xpy = x + y
xpysqr = xpy**2
den = sigx + xpysqr
invden = 1.0 / den
f = num * invden
"""
PATTERN = """\
x = 3.0
y = -4.0
z = 2.0
w = -1.0
product = x * y
largest = max(z, w)
total = product + largest
f = 2 * total
"""
FORKS = """\
x = 1.5
y = -0.5
q = x * y
r = q + x
s = q * r
t = s * s - q * y
q = t + s
f = q * r + t * x
"""


def matrices(W, b):
    h = W @ b + b
    g = h * b
    return np.sum(h * g + W) + np.sum(np.maximum(g, h))


def lists(w, x):
    dot = w[0] * x[0] + w[1] * x[1]
    return dot * dot * w[0] + x[1]


def staged(x, y):
    sigy = 1.0 / (1 + np.exp(-y))
    num = x + sigy
    return num * (x + y) ** 2 + num / sigy


WORKED = {
    "the note's staged code": lambda: script(STAGED),
    "the pattern circuit": lambda: script(PATTERN),
    "forks in forks": lambda: script(FORKS),
    "a function": lambda: cr.circuit(staged)(3.0, -4.0),
    "arrays": lambda: cr.circuit(matrices)(np.array([[0.5, -1.0], [2.0, 0.25]]), np.array([1., 2])),
    "lists": lambda: cr.circuit(lists)([1.0, 2.0], [3.0, 4.0]),
}
LINE = re.compile(r"(\s*)(\w+) (\+?=) (.*?)(\s+# \(\d+\))?")


def backward_lines(code):
    """(number, indent, variable, = or +=, right side) of each line of the backward pass."""
    lines = code.splitlines()
    begin = next(i for i, line in enumerate(lines) if "# backward pass" in line)
    for number, line in enumerate(lines[begin + 1 :], begin + 1):
        match = LINE.fullmatch(line)
        if match:
            yield (number, *match.groups()[:4])


def with_line(code, number, text):
    lines = code.splitlines()
    lines[number : number + 1] = [] if text is None else [text]
    return "\n".join(lines) + "\n"


def gradients(w, code):
    """Every gradient that a program computes, by wire."""
    return w._claims(code).gradients


def assert_found(w, changed, variable):
    """The check fails, and all it names differs from what the right code computes."""
    right = gradients(w, w.code())
    try:
        given = gradients(w, changed)
    except ExpressionError as stopped:
        assert variable in str(stopped) or "for unary -: 'list'" in str(stopped)
        with pytest.raises(ExpressionError, match="the code to check stopped"):
            w.check(code=changed)
        return None
    verdict = w.check(code=changed)
    wrong = verdict.wrong
    fair = {f.row for f in verdict.findings if f.kind in ("wire", "input") and f.verdict == "kink"}
    spoilt = {k for k in right if k not in given or not np.array_equal(right[k], given[k])}
    assert {f.row for f in wrong} <= spoilt
    assert wrong or not any(is_seen(w, k, right[k], given.get(k)) for k in spoilt - fair)
    return wrong


def is_seen(w, wire, right, given):
    """True for a change that is not lost in rounding, nor in a gradient that nobody reads."""
    if given is None:
        return wire in w.circuit.inputs
    return np.shape(given) != np.shape(right) or not np.allclose(given, right, 1e-4, 1e-4)


def assert_each_fork_is_named(w):
    code = str(w.code())
    assert w.check(code=code)
    for number, indent, variable, how, right in backward_lines(code):
        adds = right.startswith(f"{variable} + ")
        if how == "+=" or adds:
            right = right.removeprefix(f"{variable} + ")
            changed = with_line(code, number, f"{indent}{variable} = {right}")
            wrong = assert_found(w, changed, variable)
            forks = [f"d{f.subject}" for f in wrong if f.kind == "fork"]
            assert not wrong or variable == forks[0] or (is_array(w) and variable in forks)


def is_array(w):
    """True where a changed `=` may make two names of one array, which `+=` then spoils."""
    return any(np.shape(x) for x in w.inputs)


@pytest.mark.parametrize("name", WORKED)
def test_each_sum_replaced_by_its_last_term_names_the_fork(name):
    assert_each_fork_is_named(WORKED[name]())


def assert_each_line_matters(w):
    code = str(w.code())
    for number, indent, variable, how, right in backward_lines(code):
        assert_found(w, with_line(code, number, None), variable)
        negated = f"{indent}{variable} {how} -({right})"
        assert_found(w, with_line(code, number, negated), variable)


@pytest.mark.parametrize("name", WORKED)
def test_each_line_left_out_or_negated_is_found(name):
    assert_each_line_matters(WORKED[name]())


def test_an_input_whose_gradient_is_not_computed_is_named():
    w = script(STAGED)
    changed = re.sub(r"^dy .*\n", "", str(w.code()), flags=re.MULTILINE)
    (found,) = w.check(code=changed).wrong
    assert str(found).startswith("y: the code to check computes no dy")


def test_a_wrong_inner_gradient_of_a_function_is_named_first():
    w = cr.circuit(lists)([1.0, 2.0], [3.0, 4.0])
    changed = str(w.code()).replace("ddot += ", "ddot = ")
    wrong = w.check(code=changed).wrong
    assert wrong[0].subject == "dot"
    assert "dot is read in 2 places" in str(wrong[0])


def test_a_wire_without_a_name_goes_by_the_one_printed():
    def f(x):
        return (lambda q: q * q + q)(x * 3.0)

    w = cr.circuit(f)(2.0)
    changed = str(w.code()).replace("dt1 += ", "dt1 = ")
    assert "t1 is read in 3 places" in str(w.check(code=changed).wrong[0])


BETWEEN = [(-0.5, False), (0.0, True), (1.0, True), (1.5, False)]


@pytest.mark.parametrize(("slope", "is_fair"), BETWEEN)
def test_at_a_tie_any_gradient_between_the_two_slopes_is_fair(slope, is_fair):
    w = script("v = 1.0\nf = max(v, 1.0) + v\n")
    changed = re.sub(r"dv \+= .*", f"dv += {slope}", str(w.code()))
    verdict = w.check(code=changed)
    assert bool(verdict) == is_fair
    assert "not differentiable here" in str(verdict)


# ---- random scripts, full of forks

OPERATIONS = ("{a} + {b}", "{a} * {b}", "{a} - {b}", "{a} / (2 + {b} * {b})", "max({a}, {b})",
              "1.0 / (1 + math.exp(-{a}))", "{a} * {a}")
STEP = st.tuples(st.integers(0, len(OPERATIONS) - 1), st.integers(0, 9), st.integers(0, 9))


def written(steps):
    """A script in which each line reads one or two of the variables above it."""
    names = ["x", "y"]
    lines = ["x = 1.25", "y = -0.75"]
    for n, (operation, i, j) in enumerate(steps):
        a, b = names[-1 - i % len(names)], names[-1 - j % len(names)]
        lines.append(f"v{n} = " + OPERATIONS[operation].format(a=a, b=b))
        names.append(f"v{n}")
    return "\n".join([*lines, f"f = {names[-1]} * x + {names[-1]} * y + {names[-2]}"]) + "\n"


@settings(max_examples=8, deadline=None)
@given(st.lists(STEP, min_size=2, max_size=8))
def test_random_scripts(steps):
    w = script(written(steps))
    assert_each_fork_is_named(w)
    assert_each_line_matters(w)

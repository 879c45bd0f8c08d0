"""Printed code that keeps fewer values: the same gradients, lines printed again, names deleted."""

import math
import re

import numpy as np
import pytest

import chainrule as cr
from chainrule.circuit.notes import Region
from chainrule.code.forward import Line
from chainrule.code.recompute import most_held, names_in, recomputing, segments_of
from chainrule.errors import InputError


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


STAGED = """\
import numpy as np


def staged_grad(x, y):
    sigy = 1.0 / (1 + np.exp(-y))  # (1)
    num = x + sigy                 # (2)
    sigx = 1.0 / (1 + np.exp(-x))  # (3)
    del sigy
    xpy = x + y                    # (4)
    xpysqr = xpy ** 2              # (5)
    den = sigx + xpysqr            # (6)
    del xpy, xpysqr
    invden = 1.0 / den             # (7)
    f = num * invden               # (8)

    # backward pass
    dnum = invden                    # (8)
    dinvden = num                    # (8)
    dden = -invden / den * dinvden   # (7)
    del num, den, invden, dinvden
    xpy = x + y                      # (4) again
    dsigx = dden                     # (6)
    dxpysqr = dden                   # (6)
    dxpy = 2 * xpy * dxpysqr         # (5)
    dx = dxpy                        # (4)
    dy = dxpy                        # (4)
    del dden, xpy, dxpysqr, dxpy
    sigy = 1.0 / (1 + np.exp(-y))    # (1) again
    dx += (1 - sigx) * sigx * dsigx  # (3)
    dx += dnum                       # (2)
    dsigy = dnum                     # (2)
    dy += (1 - sigy) * sigy * dsigy  # (1)
    return f, (dx, dy)
"""


def run_alone(code, name, *args):
    space = {}
    exec(compile(str(code), "<printed>", "exec"), space)
    return space[name](*args)


def test_the_notes_function():
    w = cr.circuit(staged)(3.0, -4.0)
    code = w.code(recompute=True)
    assert code == STAGED
    assert run_alone(code, "staged_grad", 3.0, -4.0) == (w.value, tuple(w.gradients.values()))
    assert w.check(code=code)
    assert (code.most_held, w.code().most_held) == (10, 17)


def test_its_lines_are_the_same_but_for_those_printed_again():
    w = cr.circuit(staged)(3.0, -4.0)
    code, plain = w.code(recompute=True), w.code()
    assert code.forward == plain.forward and code.backward == plain.backward
    assert [(line.target, line.number) for line in code.lines if line.is_again] == [
        ("xpy", 4), ("sigy", 1),
    ]


def chain(x):
    y = x
    for _ in range(50):
        a = y * 0.9
        y = np.sin(a) + x
    return y


def test_a_chain_of_a_hundred_lines():
    w = cr.circuit(chain)(0.5)
    code, plain = w.code(recompute=True), w.code()
    assert len(plain.forward) == 100
    assert run_alone(code, "chain_grad", 0.5) == run_alone(plain, "chain_grad", 0.5)
    assert (code.most_held, plain.most_held) == (30, 200)
    again = [line.number for line in code.lines if line.is_again]
    assert len(again) == len(set(again)) <= 90  # each at most once; the last segment never
    assert max(map(len, code.splitlines())) <= 120


def test_a_wrong_line_printed_again_is_found():
    w = cr.circuit(staged)(3.0, -4.0)
    wrong = w.code(recompute=True).replace("xpy = x + y                      #", "xpy = x - y  #")
    assert not w.check(code=wrong)


def test_checkpointed_calls_are_the_segments():
    @cr.checkpoint
    def block(h):
        a = np.tanh(h)
        return a * h

    def f(x):
        y = x * 2
        p = block(y)
        shifted = y + 1.0  # read by no backward line; deleted when the next call is over
        z = p * y + shifted
        q = block(z)
        return (q * p).sum()

    x = np.linspace(0.1, 1.0, 3)
    w = cr.circuit(f)(x)
    code = w.code(recompute=True)
    assert [line.text for line in code.lines if line.deletes and not line.is_backward] == [
        "del a", "del shifted, a_2",
    ]
    assert [line.text for line in code.lines if line.is_again] == [
        "a_2 = np.tanh(z)", "a = np.tanh(y)",
    ]
    value, dx = run_alone(code, "f_grad", x)
    assert value == w.value
    np.testing.assert_array_equal(dx, w.gradients["x"])
    assert w.check(code=code)


def lines_of(*wires):
    return [Line(f"v{w} = 1", n, False, f"v{w}", w) for n, w in enumerate(wires, 1)]


@pytest.mark.parametrize(
    ("count", "sizes"), [(0, []), (1, [1]), (2, [2]), (3, [2, 1]), (9, [3, 3, 3]), (10, [4, 4, 2])]
)
def test_segments_without_regions(count, sizes):
    found = [segment for segment, _ in segments_of(lines_of(*range(count)), ())]
    assert [found.count(s) for s in dict.fromkeys(found)] == sizes


def test_segments_of_nested_regions_are_their_pieces():
    lines = lines_of(1, 3, 4, 6, 8, 9)
    regions = (Region(4, 6), Region(3, 8), Region(8, 9))
    assert segments_of(lines, regions) == [
        (0, True), (1, False), (2, False), (3, False), (4, False), (5, True),
    ]


@pytest.mark.parametrize(
    ("statement", "read", "assigned"),
    [
        ("a = b = np.exp(x, axis=c.T[i])", {"np", "x", "c", "i"}, {"a", "b"}),
        ("dx += y", {"dx", "y"}, {"dx"}),
        ("dx = [y, {'k': z}]", {"y", "z"}, {"dx"}),
        ("a = np.stack([b[i] for i in c])", {"np", "b", "i", "c"}, {"a"}),
        ("del x", set(), set()),
    ],
)
def test_names_in_a_statement(statement, read, assigned):
    assert names_in(statement) == (read, assigned)


def test_most_held():
    lines = [
        Line("a = x", 1, False, "a"), Line("b = a", 2, False, "b"),
        Line("del a", 0, False, "", deletes=("a",)), Line("c = b", 3, False, "c"),
    ]
    assert most_held(lines) == 2
    assert most_held(lines[:2] + lines[3:]) == 3


def test_a_program_of_one_segment_stays_as_it_is():
    w = cr.circuit(lambda x: x * x)(2.0)
    assert w.code(recompute=True) == w.code()
    assert recomputing((), (), ()) == ()


def test_what_is_returned_is_never_deleted():
    def f(x, data):
        g = data["w"] * x
        h = np.exp(g)
        q = h * 2.0
        r = q + g
        return r

    for args in ((0.5, {"w": 2.0, "v": 1.0}), (0.5, {"w": 2.0})):
        w = cr.circuit(f)(*args)
        found = run_alone(w.code(recompute=True), "f_grad", *args)
        assert found == run_alone(w.code(), "f_grad", *args)
        assert math.isfinite(found[0])


def test_a_stage_written_in_a_later_line_is_differentiated_where_it_stands():
    def helper(x):
        a = x * 2.0
        b = a * x
        c = b * a
        d = c * b
        e = d * c
        g = e * d
        return g

    def f(x):
        return np.sin(x) + helper(x)  # the sine is recorded first, and written in the last line

    w = cr.circuit(f)(0.5)
    code = w.code(recompute=True)
    numbers = [line.number for line in code.backward]
    assert numbers[-1] == max(numbers) == len(code.forward) == 7  # segments of 3, 3 and 1
    assert len([line for line in code.lines if line.is_backward and line.deletes]) == 2
    assert run_alone(code, "f_grad", 0.5) == run_alone(w.code(), "f_grad", 0.5)


def test_other_styles_and_scripts():
    w = cr.circuit(staged)(3.0, -4.0)
    code = w.code("df", recompute=True)
    assert run_alone(code, "staged_grad", 3.0, -4.0) == run_alone(STAGED, "staged_grad", 3.0, -4.0)
    assert "del dfdden, xpy, dfdxpysqr, dfdxpy\n" in code
    with pytest.raises(InputError, match="style is"):
        w.code("dd", recompute=True)
    assert re.search(r"# \(4\) again$", code, re.MULTILINE)

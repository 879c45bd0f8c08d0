"""What the terminal shows. The texts in golden/ are compared byte for byte; to write them anew:

    CHAINRULE_GOLDEN=write python -m pytest tests/views/test_terminal.py

then read the difference before committing it.
"""

import os
import re
import subprocess
import sys
from collections import Counter
from io import BytesIO, TextIOWrapper
from pathlib import Path

import numpy as np
import pytest

from chainrule.code.arguments import Argument
from chainrule.code.staged import staged_function
from chainrule.transform.recorder import with_backward
from chainrule.transform.simplify import simplify
from chainrule.views.sheet import sheet
from chainrule.views.terminal import render

GOLDEN = Path(__file__).parent / "golden"
TITLES = {
    "c1": "(x + y) * z",
    "n1": "1 / (1 + exp(-(w0*x0 + w1*x1 + w2)))",
    "p1": "staged(x, y)",
    "f1": "2 * (x*y + max(z, w))",
}


class Stream(TextIOWrapper):
    def __init__(self, encoding="utf-8", tty=False):
        super().__init__(BytesIO(), encoding)
        self.tty = tty

    def isatty(self):
        return self.tty


def shown(example, title="f", encoding="utf-8", **settings):
    settings = {"width": 100, "stream": Stream(encoding), **settings}
    return render(*example, title=title, **settings)


def without_color(text):
    return re.sub(r"\x1b\[[\d;]*m", "", text)


@pytest.mark.parametrize("name", TITLES)
@pytest.mark.parametrize(
    ("suffix", "settings"),
    [
        ("", {}),
        ("_width40", {"width": 40}),
        ("_ascii", {"encoding": "ascii"}),
        ("_decimals2", {"decimals": 2}),
    ],
)
def test_the_notes_circuits_print_as_in_golden(note, name, suffix, settings):
    text = shown(getattr(note, name), TITLES[name], **settings)
    path = GOLDEN / f"{name}{suffix}.txt"
    if os.environ.get("CHAINRULE_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_golden_has_no_file_that_nothing_prints():
    kinds = ("", "_width40", "_ascii", "_decimals2")
    assert {p.stem for p in GOLDEN.glob("*")} == {n + k for n in TITLES for k in kinds}


def test_colour_adds_green_and_red_and_changes_no_word(note):
    for name in TITLES:
        plain, coloured = (shown(getattr(note, name), color=c) for c in (False, True))
        assert "\x1b" not in plain
        assert "\x1b[32m" in coloured and "\x1b[31m" in coloured
        assert without_color(coloured).split() == plain.split()


@pytest.mark.parametrize(
    ("tty", "environment", "coloured"),
    [
        (True, {"TERM": "xterm"}, True),
        (False, {"TERM": "xterm"}, False),
        (True, {"TERM": "dumb"}, False),
        (True, {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (True, {"TERM": "xterm", "NO_COLOR": ""}, True),
    ],
)
def test_the_stream_decides_about_colour(note, monkeypatch, tty, environment, coloured):
    monkeypatch.delenv("NO_COLOR", raising=False)
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    assert ("\x1b[" in shown(note.c1, stream=Stream(tty=tty))) is coloured


def test_color_can_be_demanded_against_the_environment(note, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[32m" in shown(note.c1, color=True)


def test_the_encoding_decides_about_signs(note):
    assert "├── q +" in shown(note.c1) and "←" in shown(note.c1)
    dos = shown(note.c1, encoding="cp437")  # has boxes, but no arrow
    assert "├── q +" in dos and "<- -4" in dos
    ascii_only = shown(note.c1, encoding="ascii")
    assert ascii_only.isascii() and "|-- q +" in ascii_only and "<- -4" in ascii_only


def test_names_that_the_encoding_lacks_are_escaped(worked):
    example = worked(lambda α: α * 2, 3.0)
    assert "α" in shown(example)
    assert shown(example, encoding="ascii").isascii()


@pytest.mark.parametrize("name", TITLES)
@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_lines_keep_to_the_width(note, name, width):
    text = shown(getattr(note, name), TITLES[name], width=width)
    assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("name", ["c1", "n1", "f1"])
def test_a_narrow_tree_loses_nothing(note, name):
    wide, narrow = (shown(getattr(note, name), width=w) for w in (120, 40))
    drop = str.maketrans("", "", "├└│─ \n")
    assert Counter(wide.translate(drop)) == Counter(narrow.translate(drop))


def test_a_narrow_table_loses_nothing(note):
    narrow = " ".join(shown(note.p1, width=40).split())
    for words in (
        "1.58 - 0.0358 + 0.51 (3 readers add up)", "den gets -invden / den * dinvden",
        "swaps its inputs: num gets invden * df, and invden gets num * df",
    ):  # fmt: skip
        assert words in narrow


def test_wide_arrays_on_a_narrow_terminal_are_told_one_below_the_other(worked):
    def f(W):
        h = W * W
        s = np.sum(h * h)
        return s

    text = shown(worked(f, np.full((5, 10), 2.0)), width=40)
    assert max(map(len, text.splitlines())) <= 40
    assert "1  h = W * W\n      value [5,10] norm 28.28\n" in text
    assert "      ← gradient [5,10] norm 56.57\n" in text


def test_without_forks_a_tree_with_forks_a_table(note, worked):
    assert "├──" in shown(note.c1)
    assert "#   stage" in shown(note.p1)
    assert "#   stage" in shown(worked(lambda x: x * x, 3.0))


def test_a_tree_holds_forty_gates(worked):
    def chain(n):
        def f(x):
            for _ in range(n):
                x = -x
            return x

        return worked(f, 1.0)

    assert "#   stage" not in shown(chain(40))
    assert "#   stage" in shown(chain(41))


def test_both_uses_by_one_gate_are_told(worked):
    assert "3 + 3 (2 uses add up)" in shown(worked(lambda x: x * x, 3.0))


def test_a_tie_is_called_a_tie(worked):
    tie = worked(lambda x, y: np.maximum(x, y), 2.0, 2.0)
    assert "local 0.50, times upstream 1.00: a tie shares it equally" in shown(tie)
    assert "tie" not in shown(worked(lambda x, y: np.maximum(x, y), 2.0, 1.0))


def test_an_input_that_nothing_depends_on_is_told_from_one_nobody_asked_about(worked):
    text = shown(worked(lambda x, y, z: x * y, 2.0, 3.0, 4.0, wrt=["x"]))
    assert re.search(r"y +3 +none   no gradient asked for", text)
    assert re.search(r"z +4 +none   no gradient: f does not depend on it", text)


def test_what_a_push_does(worked):
    text = shown(worked(lambda x, y, z: 2 * x - y + 0 * z, 1.0, 1.0, 1.0))
    rows = text[text.index("input ") :].splitlines()[2:5]
    assert [row.split("   ")[-1].strip() for row in rows] == [
        "goes up by about 2", "goes down by about 1", "does not move",
    ]  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_group_keeps_its_digits_where_its_gates_have_none(worked):
    text = shown(worked(lambda x: 1 / (1 + np.exp(-x)), -1000.0))
    assert "*-1      1000   ←  nan   local inf, times upstream 0.00" in text
    assert "x       -1000   ← 0.00   as one sigmoid: local 0.00, times upstream 1.00" in text


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_an_infinite_slope_jumps(worked):
    text = shown(worked(lambda x, y: x / y, 1.0, 0.0))
    assert re.search(r"x .* jumps up: the slope is infinite", text)
    assert re.search(r"y .* jumps down: the slope is infinite", text)


def test_a_constant_operand_gets_no_words(worked):
    def f(x):
        y = 1 - x
        z = x * 3 + y
        return z

    text = shown(worked(f, 2.0))
    assert re.search(r"y = 1 - x +-1 +1   x gets -1 \* dy", text)


def test_one_hearer_gets_and_two_get(worked):
    def f(x):
        y = x + 1
        z = y + x
        return z

    text = shown(worked(f, 2.0))
    assert "distributes: x gets dy unchanged" in text
    assert "distributes: y and x get dz unchanged" in text


def test_stages_are_numbered_as_the_printed_code(note):
    circuit, part, _ = note.p1
    forward = sheet(*note.p1).lines
    plain = simplify(with_backward(before(circuit, part), part.output, circuit.inputs))
    code = staged_function(plain, [Argument("x", 0), Argument("y", 1)], "staged")
    assert [(x.number, x.text) for x in forward] == [(x.number, x.text) for x in code.forward]


def before(circuit, part):
    """The circuit without its backward part."""
    n = len(part.gradient)
    return circuit.with_(
        kind=circuit.kind[:n], start=circuit.start[: n + 1], origin=circuit.origin[:n],
        operand=circuit.operand[: circuit.start[n]], parts=(),
        constant_rows=circuit.constant_rows[: sum(r < n for r in circuit.constant_rows)],
        constants=circuit.constants[: sum(r < n for r in circuit.constant_rows)],
    )  # fmt: skip


def test_matrices_are_explained_by_the_words_of_their_gate(worked):
    text = shown(worked(lambda W, X: np.sum(W @ X), np.ones((2, 3)), np.ones((3, 4))))
    assert "W gets upstream @ X.T" in text
    assert re.search(r"W +\[1?.*\[?.*goes up by about 24, if every number grows by 1", text)


def test_rich_loads_when_something_is_rendered():
    code = "import sys, chainrule.views.terminal; print('rich' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout == "False\n"


# ---- large circuits


def cell(h, W):
    a = W @ h
    return np.tanh(a) + h


def link(x):
    return np.sin(x) * 2


def test_above_forty_gates_a_call_is_a_row(worked):
    def f(x):
        for _ in range(21):
            x = link(x)
        return x

    text = shown(worked(f, 1.0))
    assert "42 gates, by the calls they are in" in text
    assert re.search(r"link 1 +2 +x 1.00 +f_\d|link 1 +2 +x 1.00 +x", text)
    assert len(re.findall(r"^link \d", text, re.M)) == 21
    assert "#   stage" in shown(worked(f, 1.0), full=True)


def test_a_row_has_values_in_and_out_and_gradient_norms(worked):
    def f(W, h):
        for _ in range(14):
            h = cell(h, W)
        loss = np.sum(h)
        return loss

    lines = shown(worked(f, np.eye(2), np.zeros(2))).splitlines()
    row = next(line.split() for line in lines if line.startswith("cell 14"))
    assert row == ["cell", "14", "3", "W", "1.41,", "h_14", "0", "h_15", "0", "1.41", "2.83"]


def test_many_calls_are_folded_in_the_middle(worked):
    def f(x):
        for _ in range(100):
            x = link(x)
        return x

    text = shown(worked(f, 1.0))
    assert len(re.findall(r"^link \d", text, re.M)) == 20
    assert re.search(r"^\.\.\. 80 more of link +160 ", text, re.M)
    narrow = shown(worked(f, 1.0), width=40)
    assert "... 80 more of link, 160 gates" in narrow
    assert max(map(len, narrow.splitlines())) <= 40


def test_a_long_table_without_calls_says_what_it_leaves_out(worked):
    def f(x):
        for _ in range(100):
            x = np.sin(x) * 2
            x = x + 1
        return x

    text = shown(worked(f, 1.0))
    assert "... lines 21 to 180 are left out; full=True or --all prints them." in text
    numbers = [int(n) for n in re.findall(r"^ *(\d+)   x_", text, re.M)]
    assert numbers == [*range(1, 21), *range(181, 201)]
    assert len(re.findall(r"^ *(\d+)   x_", shown(worked(f, 1.0), full=True), re.M)) == 200


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp437"])
@pytest.mark.parametrize("width", [40, 100])
def test_large_tables_keep_to_what_the_stream_can_show(worked, encoding, width):
    def f(θ):
        for _ in range(30):
            θ = link(θ)
        return θ

    text = shown(worked(f, 1.0), encoding=encoding, width=width)
    assert max(map(len, text.splitlines())) <= width
    assert text.encode(encoding) and "\x1b" not in text


def test_names_of_a_long_loop_are_numbered_in_order(worked):
    def f(x):
        for _ in range(3000):
            x = x + 1
        return x

    assert [line.text for line in sheet(*worked(f, 1.0)).lines[-2:]] == [
        "x_3000 = x_2999 + 1", "x_3001 = x_3000 + 1",
    ]  # fmt: skip

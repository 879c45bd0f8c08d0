"""The command line as a newcomer uses it: output, exit codes, and errors without a traceback."""

import os
import subprocess
import sys

import pytest

from chainrule.cli import main

SCRIPT = """\
import math
x = 3
y = -4
sigy = 1.0 / (1 + math.exp(-y))
num = x + sigy
f = num * x
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "staged.py"
    path.write_text(SCRIPT)
    return str(path)


def run(capsys, *arguments):
    code = main(arguments)
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err


def test_an_expression(capsys):
    code, out, _ = run(capsys, "(x + y) * z", "x=-2", "y=5", "z=-4")
    assert code == 0
    assert "-12" in out and "goes up by about 3" in out


def test_an_expression_may_begin_with_a_minus(capsys):
    code, out, _ = run(capsys, "-x * y", "x=2", "y=3")
    assert code == 0 and "goes down by about 3" in out


def test_code_of_a_script_runs_alone(capsys, script):
    code, out, _ = run(capsys, "code", script, "--wrt", "x,y", "--of", "f")
    assert code == 0
    space = {}
    exec(out, space)
    assert space["dx"] == pytest.approx(6.01798620996209156)


def test_code_that_keeps_fewer_values(capsys, script):
    code, out, _ = run(capsys, "code", script, "--recompute")
    assert code == 0 and "del sigy\n" in out and "# (1) again" in out
    space = {}
    exec(out, space)
    assert space["dx"] == pytest.approx(6.01798620996209156)


def test_code_only_by_the_names_asked_for(capsys, script):
    code, out, _ = run(capsys, "code", script, "--wrt", "y")
    assert code == 0 and "dy = " in out and "dx" not in out


def test_code_in_plan_style_shows_what_machine_code_does(capsys):
    words = ["code", "q = x + y; f = q * z", "x=1", "y=2", "z=3", "--style", "plan"]
    code, out, _ = run(capsys, *words)
    assert code == 0
    assert out.splitlines() == [
        "plan f: x, y, z -> f, z, z, q", "  q = add(x, y)", "  f = multiply(q, z)",
    ]


def test_code_of_an_expression_in_df_style(capsys):
    code, out, _ = run(capsys, "code", "q = x + y; f = q * z", "x=1", "y=2", "z=3", "--style", "df")
    assert code == 0 and "dfdq = z" in out


def test_a_function_in_a_file(capsys, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("def f(x, y):\n    q = x * y\n    return q + x\n")
    code, out, _ = run(capsys, f"{path}:f", "x=3", "y=4")
    assert code == 0 and "goes up by about 5" in out
    code, out, _ = run(capsys, "code", f"{path}:f", "x=3", "y=4")
    assert code == 0 and "def f_grad(x, y):" in out


def test_check_is_good(capsys, script):
    code, out, _ = run(capsys, "check", script)
    assert code == 0 and out.startswith("good")


def test_check_fails_with_exit_code_1_and_names_the_fork(capsys, script, tmp_path):
    _, out, _ = run(capsys, "code", script)
    claimed = tmp_path / "claimed.py"
    claimed.write_text(out.replace("+=", "="))
    code, out, _ = run(capsys, "check", script, "--claimed", str(claimed))
    assert code == 1 and "x is read in 2 places" in out
    claimed.write_text(out.replace("+=", "+="))


def test_the_demo(capsys):
    code, out, _ = run(capsys, "demo")
    assert code == 0
    assert out.count("check: good") == 5
    assert "dden = -invden / den * dinvden" in out and "dfdq" not in out


def test_version_and_help(capsys):
    assert run(capsys, "--version")[:2] == (0, "chainrule 0.1.0\n")
    code, out, _ = run(capsys, "--help")
    assert code == 0 and len(out.splitlines()) < 40


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["x * y", "x=1"], "no value for y: write y=1.5"),
        (["x", "x=1", "y=2"], "y is not in the expression, which reads x"),
        (["x +", "x=1"], "cannot read the expression"),
        (["x.real", "x=1"], "not 'x.real'"),
        (["foo(x)", "x=1"], "no function 'foo' in expressions; known: "),
        (["exp(x, x)", "x=1"], "exp takes 1 value, 2 given"),
        (["__import__('os')", "x=1"], "no function '__import__'"),
        (["x", "x=one"], "is not a number"),
        (["x", "x"], "expected name=value"),
        (["x", "x=1", "x=2"], "x is given twice"),
        (["code", "absent.py"], "cannot read absent.py: No such file"),
        (["code", "absent.py:f", "x=1"], "no such file"),
        (["code"], "needs an expression"),
        (["x", "x=1", "--nonsense"], "unrecognized arguments"),
        (["x", "x=1", "--of", "f"], "--wrt and --of are for scripts"),
        (["", "x=1"], "the expression is empty"),
        (["x" + " + x" * 2000, "x=1"], "4096 bytes"),
        (["(" * 70 + "x" + ")" * 70 + "+" + "-" * 70 + "x", "x=1"], "60 deep"),
    ],
)
def test_wrong_usage_is_told_with_exit_code_2(capsys, arguments, says):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert says in err and err.startswith("chainrule: ")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1\ny = x +\n", "line 2 is not Python"),
        ("x = 1.0\ny = x * z\n", "line 2: NameError"),
        ("x = 1\nprint(x)\n", "assigns no variable computed from x"),
        ("name = 'a'\n", "assigns no numbers"),
        ("x = 1.0\nimport math\ny = math.ulp(x)\n", "math.ulp has no gate yet"),
    ],
)
def test_scripts_that_stop_name_their_line(capsys, tmp_path, text, says):
    path = tmp_path / "s.py"
    path.write_text(text)
    code, _, err = run(capsys, "code", str(path))
    assert code == 2 and says in err


def test_unknown_names_of_a_script(capsys, script):
    code, _, err = run(capsys, "code", script, "--wrt", "q")
    assert code == 2 and "does not assign q; it assigns x, y, sigy, num, f" in err
    code, _, err = run(capsys, "code", script, "--of", "q")
    assert code == 2 and "q is not computed from x, y" in err and "sigy, num, f" in err


def test_the_module_runs_as_the_command_does():
    done = subprocess.run(
        [sys.executable, "-m", "chainrule", "x * y", "x=2", "y=3", "--plain"],
        capture_output=True, text=True, check=False,
    )
    assert done.returncode == 0 and "goes up by about 3" in done.stdout


def test_a_closed_pipe_is_no_error():
    done = subprocess.run(
        f"{sys.executable} -m chainrule demo | head -1", shell=True, capture_output=True, text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr and "Error" not in done.stderr


def test_draw_writes_an_svg(capsys, tmp_path):
    path = tmp_path / "c.svg"
    code, out, _ = run(capsys, "draw", "(x + y) * z", "x=-2", "y=5", "z=-4", "-o", str(path))
    assert code == 0 and out == f"drew {path}\n"
    assert 'data-label="x -2/-4"' in path.read_text(encoding="utf-8")
    code, _, err = run(capsys, "draw", "x * x", "x=1", "-o", "c.png")
    assert code == 2 and "drawings are .svg files" in err


def test_explain_and_diagnose(capsys):
    code, out, _ = run(capsys, "explain", "x * y", "x=4", "y=-3")
    assert code == 0 and "lowers f, three times as fast" in out
    code, out, _ = run(capsys, "diagnose", "x * y", "x=1e-3", "y=1e3")
    assert code == 0 and out.startswith("imbalance: multiply swaps x")


def test_lists_come_to_functions_as_arrays(capsys, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("import numpy as np\ndef f(w, x):\n    return np.maximum(w @ x, 0)\n")
    code, out, _ = run(capsys, f"{path}:f", "w=[1,2]", "x=[3,4]")
    assert (code == 0 and "[3.00 4.00]" in out) or "[3 4]" in out


def test_expressions_know_functions_and_not_what_serves_rules(capsys):
    _, _, err = run(capsys, "foo(x)", "x=1")
    assert "tanh" in err and "accumulate" not in err and "polygamma" not in err


@pytest.mark.parametrize("verb", [[], ["explain"], ["code"], ["draw"], ["check"], ["diagnose"]])
def test_a_terminal_without_the_letters_of_a_name_gets_escapes(verb):
    answer = subprocess.run(
        [sys.executable, "-m", "chainrule", *verb, "θ * exp(-θ)", "θ=2"], capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "latin-1"}, check=True,
    )  # fmt: skip
    assert b"\xce\xb8" not in answer.stdout and answer.stderr == b""
    assert (b"&#952;" if verb == ["draw"] else b"\\u03b8") in answer.stdout or \
        verb in (["check"], ["diagnose"])

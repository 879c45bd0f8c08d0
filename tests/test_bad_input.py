"""What is wrong with an input is told: the numbers, the user's line, and what to write instead.

Every message is one of ours (a ChainruleError); on the command line the exit code is 2, and a
traceback never shows. The tables are to be read as a newcomer reads the messages.
"""

import math
import os
import subprocess
import sys
import time

import numpy as np
import pytest

import chainrule as cr
from chainrule.api.sources import expression
from chainrule.cli import main
from chainrule.errors import ChainruleError, ExpressionError
from chainrule.trace.expression import MOST_BYTES, MOST_ELEMENTS, MOST_NODES

X = np.array([1.0, 2.0, 3.0])
W = np.ones((2, 4))
kept = []


def keeps(x):
    kept.append(x * 2)
    return x * x


def branches(x):
    return x.sum() if x > 0 else -x.sum()


API = {  # what is done -> (call, what the message holds, whether the user's line is in it)
    "shapes that do not multiply": (
        lambda: cr.grad(lambda x: (W @ x).sum())(X),
        "matmul needs x's last size to equal y's first: x is [2, 4] and y is [3]", True),
    "shapes that do not broadcast": (
        lambda: cr.grad(lambda x: (x + np.ones(2)).sum())(X), "got [3] and [2]", True),
    "a shape of another size": (
        lambda: cr.grad(lambda x: x.reshape(2, 2).sum())(X), "[3] has 3, [2, 2] has 4", True),
    "arrays that do not join": (
        lambda: cr.grad(lambda x: np.concatenate([x, W]).sum())(X), "got [3], [2, 4]", True),
    "an axis there is not": (
        lambda: cr.grad(lambda x: x.sum(axis=3).sum())(X),
        "axis 3 is out of range for shape [3]", True),
    "an index there is not": (
        lambda: cr.grad(lambda x: x[7])(X), "index 7 is out of bounds for axis 0 with size 3",
        True),
    "nothing to take the largest of": (
        lambda: cr.grad(lambda x: x.max())(np.zeros(0)), "at least one number: the shape is [0]",
        True),
    "an integer array": (
        lambda: cr.grad(lambda x: (x * x).sum())(np.array([1, 2, 3])),
        "x is an integer array of shape [3] (dtype int64), which has no gradient.\n"
        "  Write x.astype(float)", False),
    "an array of truth values": (
        lambda: cr.grad(lambda x: x.sum())(np.array([True])), "x is a bool array", False),
    "an array of objects": (
        lambda: cr.grad(lambda x: x.sum())(np.array([1.0, None])), "x is an object array", False),
    "complex numbers": (
        lambda: cr.grad(lambda x: (x * x).sum())(X + 1j), "x is a complex array of shape [3]",
        False),
    "a string": (lambda: cr.grad(lambda x: x)("abc"), "x is str 'abc'", False),
    "no number at all": (lambda: cr.grad(lambda x: x)(None), "x is NoneType None", False),
    "an array for an output": (
        lambda: cr.grad(lambda x: x * 2)(X),
        "returned an array of shape [3]: the gradient is of one number.\n  Return its sum", False),
    "no output": (
        lambda: cr.grad(lambda x: None)(1.0), "Did the function forget to return", False),
    "two outputs": (
        lambda: cr.grad(lambda x: (x, x))(1.0), "returned a tuple of 2 items", False),
    "words for an output": (lambda: cr.grad(lambda x: "a")(1.0), "returned a str", False),
    "an array output of a circuit": (
        lambda: cr.circuit(lambda x: x * 2)(X), "give output_grad= an array of that shape", False),
    "an output that depends on nothing": (
        lambda: cr.circuit(lambda x: 3.0)(1.0), "3.0, which does not depend on its arguments",
        False),
    "aux that is not there": (
        lambda: cr.grad(lambda x: x, has_aux=True)(1.0),
        "must return (value, aux), but it returned one number", False),
    "an argument there is not": (
        lambda: cr.grad(lambda x: x, argnums=3)(1.0), "argnums=3, but", False),
    "a parameter there is not": (
        lambda: cr.grad(lambda x: x, argnums="q")(1.0), "argnums='q', but", False),
    "argnums that are neither": (
        lambda: cr.grad(lambda x: x, argnums=1.5)(1.0),
        "argnums=1.5: give a position, a parameter's name, or a tuple of them", False),
    "no function": (lambda: cr.grad(3)(1.0), "a gradient is of a function, and 3 is none", False),
    "a value kept from inside": (
        lambda: (cr.grad(keeps)(2.0), kept[-1] + 1), "Instead: return it (has_aux=True", True),
    "an array in an if": (
        lambda: cr.grad(branches)(X),
        "a decision needs one number, and this has shape [3]", True),
    "math for np": (
        lambda: cr.grad(lambda x: math.exp(x))(2.0), "write np.exp(x) instead of math.exp(x)",
        True),
    "float()": (lambda: cr.grad(lambda x: float(x))(2.0), "would lose its gradient", True),
    "an array made of traced values": (
        lambda: cr.grad(lambda x: np.array([x, x]).sum())(2.0), "would lose its gradient", True),
    "a function without a gate": (
        lambda: cr.grad(lambda x: np.fft.fft(x).sum())(X), "np.fft.fft has no gate", True),
    "a method there is not": (
        lambda: cr.grad(lambda x: x.tolist())(X), "no attribute or method 'tolist'", True),
    "the items of one number": (
        lambda: cr.grad(lambda x: sum(v for v in x))(2.0), "one number: it has no length", True),
    "a setting that does not go": (
        lambda: cr.grad(lambda x: np.sum(x, out=np.zeros(())))(X), "not by dtype= or out=", True),
    "an argument written to": (
        lambda: cr.grad(lambda x: x.__setitem__(0, 1.0))(X), "an argument was written to", True),
    "a wire there is not": (
        lambda: cr.circuit(lambda x: x * x)(1.0)["q"], "no wire named 'q'; named wires: x, f",
        False),
    "another shape": (
        lambda: cr.circuit(lambda x: (x * x).sum())(X).at(x=np.ones(2)),
        "x has shape [2], but the circuit was traced with [3]", False),
    "an output gradient of another shape": (
        lambda: cr.vjp(lambda x: x * x, X)[1](np.ones(2)),
        "the output has shape [3], but its gradient was given with shape [2]", False),
    "an output gradient of words": (
        lambda: cr.vjp(lambda x: x * x, 2.0)[1]("a"), "the output's gradient is str 'a'", False),
    "tangents of another shape": (
        lambda: cr.jvp(lambda x: x, (X,), (np.ones(2),)), "[3], not [2]", False),
    "a picture of another kind": (
        lambda: cr.circuit(lambda x: x * x)(1.0).save("x.png"),
        "cannot save as '.png': write .svg", False),
    "code that is none": (
        lambda: cr.circuit(lambda x: x * x)(1.0).check(code="x = ="), "SyntaxError", False),
    "code without the function": (
        lambda: cr.circuit(lambda x: x * x)(1.0).check(code="x = 1"),
        "the code to check defines no function f_grad", False),
}


@pytest.mark.parametrize("what", API)
def test_it_is_told(what):
    call, says, in_a_line = API[what]
    with pytest.raises(ChainruleError) as caught:
        call()
    text = str(caught.value)
    assert says in text
    if in_a_line:
        assert f"{__file__} line " in text
    assert "Traced(" not in text and "<lambda>.<locals>" not in text


RIGHT = {
    "nan": (lambda: cr.value_and_grad(lambda x: x * x)(math.nan), (math.nan, math.nan)),
    "inf": (lambda: cr.value_and_grad(lambda x: x * x)(math.inf), (math.inf, math.inf)),
    "inf gradient": (lambda: cr.value_and_grad(lambda x: 1 / x)(0.0), (math.inf, -math.inf)),
    "empty": (lambda: cr.value_and_grad(lambda x: (x * x).sum())(np.zeros(0)), (0.0, np.zeros(0))),
    "empty rows": (
        lambda: cr.value_and_grad(lambda x: np.sum(x @ W))(np.zeros((0, 2))),
        (0.0, np.zeros((0, 2)))),
    "no leaves": (lambda: cr.grad(lambda x: 1.0)([]), []),
    "an unused input": (lambda: cr.grad(lambda x: 3.0)(2.0), 0.0),
    "the input itself": (lambda: cr.grad(lambda x: x)(2.0), 1.0),
}


@pytest.mark.parametrize("what", RIGHT)
def test_or_the_answer_is_right(what):
    call, wanted = RIGHT[what]
    with np.errstate(all="ignore"):
        for _ in range(2):
            found = call()
    for a, b in zip(*((r if isinstance(r, tuple) else (r,)) for r in (found, wanted)), strict=True):
        np.testing.assert_array_equal(a, b)
        assert np.shape(a) == np.shape(b)


# ---- the command line


FILES = {
    "mine.py": "import numpy as np\n\ndef product(x, y):\n    return x @ y\n\n"
               "def nothing(x):\n    x * 2\n\ndef array(x):\n    return x * 2\n\n"
               "def breaks(x):\n    return {}['key'] * x\n\nz = 3\n",
    "wrong.py": "x = 3\ny = x +\n",
    "alone.py": "x = 1.0\n",
    "whole.py": "import numpy as np\nx = np.array([1, 2])\ny = x * x\n",
    "stops.py": "x = 2.0\ny = x * {}['key']\n",
    "leaves.py": "import sys\nx = 2.0\nsys.exit(3)\n",
    "vector.py": "import numpy as np\nx = np.ones(3)\ny = x * 2\n",
    "words.py": "x = 2.0\ny = x + 'a'\n",
}
COMMANDS = [
    (("x @ y", "x=[1,2]", "y=[1,2,3]"), "x is [2] and y is [3]"),
    (("x * y", "x=1"), "no value for y: write y=1.5"),
    (("x + foo", "x=1"), "no value for foo"),
    (("x", "x=1", "y=2"), "y is not in the expression, which reads x"),
    (("x+", "x=1"), "cannot read the expression"),
    (("exp()",), "exp takes 1 value, 0 given"),
    (("max(x)", "x=1"), "max takes 2 values, 1 given"),
    (("foo(x)", "x=1"), "no function 'foo'"),
    (("x < 3", "x=1"), "not 'x < 3'"),
    (("'a'",), "not \"'a'\""),
    (("x", "x=one"), "x='one' is not a number or a list of numbers"),
    (("x", "x=[[1,2],[3]]"), "x must be a number or a list of numbers"),
    (("x", "x=True"), "x must be a number"),
    (("x", "x="), "x='' is not a number"),
    (("x", "=1"), "expected name=value, such as x=1.5; got '=1'"),
    (("x*x", "x=1", "--decimals", "-3"), "--decimals is 0 to 17; got -3"),
    (("x*x", "x=1", "--decimals", "q"), "--decimals"),
    (("code", "x*x", "x=1", "--style", "q"), "not 'q'"),
    (("check", "x*x", "x=1", "--claimed", "none.txt"), "cannot read none.txt: No such file"),
    (("draw", "x*x", "x=1", "-o", "none/a.svg"), "cannot write none/a.svg: No such file"),
    (("code",), "needs an expression"),
    (("mine.py:product", "x=[1,2]", "y=[1,2,3]"), "mine.py line 4:  return x @ y"),
    (("mine.py:product", "x=1", "y=2"), "in product, mine.py line 4:  return x @ y"),
    (("mine.py:product", "x=1"), "missing 1 required positional argument: 'y'"),
    (("mine.py:product", "x=1", "y=2", "w=3"), "unexpected keyword argument 'w'"),
    (("mine.py:nothing", "x=1"), "Did the function forget to return its result?"),
    (("mine.py:array", "x=[1,2]"), "shape [2]: the gradient is of one number.\n  Return its sum"),
    (("mine.py:breaks", "x=1"), "KeyError: 'key'\n  in breaks, mine.py line 13:"),
    (("mine.py:z", "x=1"), "mine.py has no function 'z'; it has product"),
    (("none.py:f", "x=1"), "cannot read none.py: no such file"),
    (("none.py",), "cannot read none.py: No such file"),
    (("wrong.py",), "wrong.py line 2 is not Python: invalid syntax\n  y = x +"),
    (("wrong.py:f", "x=1"), "wrong.py cannot be imported: SyntaxError"),
    (("leaves.py:f", "x=1"), "leaves.py cannot be imported: SystemExit"),
    (("alone.py",), "assigns no variable computed from x\n  Assign the output"),
    (("alone.py", "x=2"), "a script assigns its own values; x=2 is not needed"),
    (("alone.py", "--wrt", "q"), "alone.py does not assign q; it assigns x"),
    (("whole.py",), "x is an integer array of shape [2]"),
    (("stops.py",), "stops.py line 2: KeyError: 'key'\n  y = x * {}['key']"),
    (("leaves.py",), "leaves.py line 3: SystemExit: 3"),
    (("vector.py",), "y gives an array of shape [3]"),
    (("words.py",), "words.py line 2: TypeError"),
    (("x", "x=1", "--of", "f"), "--wrt and --of are for scripts"),
    (("x", "x=1", "--nonsense"), "unrecognized arguments: --nonsense"),
]


@pytest.fixture
def files(tmp_path, monkeypatch):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(("arguments", "says"), COMMANDS, ids=[" ".join(c) for c, _ in COMMANDS])
def test_the_command_line_tells_it_with_exit_code_2(capsys, arguments, says):
    code = main(arguments)
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert err.startswith("chainrule: ") and says in err and "Traceback" not in err


@pytest.mark.parametrize(("arguments", "value"), [
    (("x", "x=nan"), "nan"), (("1/x", "x=0"), "inf"), (("log(x)", "x=-1"), "nan"),
    (("exp(x)", "x=1000"), "inf"), (("x", "x=1e999"), "inf"), (("x + x", "x=[]"), "[0]"),
    (("3 + 4",), "7"),
])
def test_numbers_that_are_none_and_empty_ones_are_no_errors(capsys, arguments, value):
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert value in out and err == ""


def test_a_file_that_is_no_text(capsys, files, tmp_path):
    (tmp_path / "bytes.py").write_bytes(b"\xff\xfe")
    assert main(["bytes.py"]) == 2
    assert "bytes.py is not text in UTF-8" in capsys.readouterr().err


# ---- expressions from outside: bounded in bytes, parts, depth, numbers, sizes and time


LIMITS = {
    "bytes": ("x" + " + x" * (MOST_BYTES // 4), f"{MOST_BYTES} bytes at most"),
    "parts": ("+".join("x" * (MOST_NODES // 2)), f"{MOST_NODES} parts"),
    "depth": ("-" * 100 + "x", "60 deep"),
    "parentheses": ("(" * 300 + "x" + ")" * 300, "cannot read the expression: too"),
    "minus signs": ("-" * 4000 + "x", "deep"),
    "no text": ("x + \udcff", "cannot read the expression: it is not text"),
    "a null": ("x\0", "cannot read the expression"),
    "attributes": ("().__class__.__bases__[0]", "not '"),
    "a lambda": ("(lambda: x)()", "not '"),
    "a comprehension": ("[x for x in (1, 2)]", "not '"),
    "a walrus": ("(y := x)", "not '"),
    "an f-string": ("f'{x}'", "not \"f'{x}'\""),
    "bytes in it": ("b'x' + x", "not \"b'x'\""),
    "await": ("await x", "not '"),
    "a starred call": ("max(*x, x)", "not '"),
    "a keyword": ("exp(x=x)", "not '"),
    "a statement": ("import os; x", "not 'import os'"),
    "an item": ("x[0]", "not 'x[0]'"),
    "eval": ("eval('x')", "no function 'eval'"),
}


@pytest.mark.parametrize("what", LIMITS)
def test_an_expression_beyond_a_limit_is_refused_at_once(what):
    source, says = LIMITS[what]
    began = time.perf_counter()
    with pytest.raises(ExpressionError) as caught:
        expression(source, {"x": 2.0})
    assert says in str(caught.value)
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize("source", ["9**9**9 * x", "x * 10**400", "x ** 9**9**9", "2**2**2**2**9*x",
                                    "x + " + "*".join(["9" * 300] * 12), "max(9**9**9, 1) * x"])
def test_huge_numbers_are_infinite_and_not_huge_integers(source):
    began = time.perf_counter()
    with np.errstate(all="ignore"):
        assert expression(source, {"x": 2.0}).value == math.inf
    assert time.perf_counter() - began < 2


def test_the_largest_expression_allowed_is_worked_out():
    long, deep = "; ".join(["y = x + x"] * 54), "-" * 50 + "x"
    assert expression(f"{long}; y", {"x": 1.0}).gradients["x"] == 2.0
    assert expression(deep, {"x": 1.0}).gradients["x"] == 1.0


def test_a_result_may_have_so_many_elements():
    tall, wide = np.ones((1001, 1)), np.ones((1, 1000))
    with pytest.raises(ExpressionError, match=rf"1001000 numbers.*\[1001, 1000\].*{MOST_ELEMENTS}"):
        expression("x * y", {"x": tall, "y": wide})
    assert expression("x * y", {"x": tall[:1000], "y": wide}).value.size == MOST_ELEMENTS


def test_whole_program_has_no_traceback_either(tmp_path):
    environment = {**os.environ, "PYTHONUTF8": "1"}
    done = subprocess.run([sys.executable, "-m", "chainrule", "x @", "x=1"], capture_output=True,
                          text=True, check=False, env=environment, cwd=tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr

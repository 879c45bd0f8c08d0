"""The text of a circuit gives back the circuit, bit for bit, or an error that names its line."""

import struct
import textwrap
from array import array
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import chainrule.gates  # noqa: F401  # the catalogue
from chainrule.circuit import text
from chainrule.circuit.builder import Builder
from chainrule.circuit.circuit import NOTHING, Circuit
from chainrule.circuit.notes import Origin, Part, Region
from chainrule.circuit.record import BY_NAME, Gate
from chainrule.circuit.text import constant_arrays, from_text, to_text
from chainrule.circuit.types import TYPES, WEAK, Type
from chainrule.errors import TextError
from chainrule.gates.handle import Handle
from chainrule.transform.grouping import with_groups
from chainrule.transform.recorder import with_backward

FLOATS = Type((), np.dtype(np.float64), weak=True)


def matrix(*shape, dtype="float64"):
    return Type(shape, np.dtype(dtype))


def bits(value):
    """Class, dtype, shape and bytes of a constant."""
    if isinstance(value, np.ndarray | np.generic):
        return value.__class__, value.dtype, value.shape, value.tobytes()
    return value.__class__, struct.pack("d", value) if value.__class__ is float else value


def contents(c: Circuit):
    """Everything a circuit holds, as plain values that compare."""
    parts = [
        (p.kind, p.output, p.output_gradient, list(p.gradient), list(p.terms)) for p in c.parts
    ]
    columns = [c.kind, c.start, c.operand, c.origin, c.constant_rows]
    return (
        *columns, c.inputs, c.outputs, [bits(v) for v in c.constants], dict(c.names), c.origins,
        parts, c.groups, [contents(body) for body in c.bodies], c.title, c.regions,
    )


def assert_round_trip(c: Circuit):
    text = to_text(c)
    back = from_text(text, constant_arrays(c))
    assert contents(back) == contents(c)
    assert to_text(back) == text


def note_circuit():
    """f = (x + y) * z with its backward pass, named as in the note."""
    b = Builder("f")
    x, y, z = (Handle(b, b.input(FLOATS, name)) for name in "xyz")
    q = x + y
    f = q * z
    b.names[q.wire], b.names[f.wire] = ("q",), ("f",)
    return with_backward(b.build([f.wire]), f.wire, [x.wire, y.wire, z.wire])


NOTE = """\
circuit "f" version 1
input %0 x : float
input %1 y : float
input %2 z : float
%3 q = add(%0, %1) : float
%4 f = multiply(%3, %2) : float
%5 = constant 1.0 : float ~ %4
outputs %4
part backward output %4 output_gradient %5 rows 5 edges 4
  %0 <- %2
  %1 <- %2
  %2 <- %3
  %3 <- %2
  %4 <- %5
  edge %3.0 <- %2
  edge %3.1 <- %2
  edge %4.0 <- %2
  edge %4.1 <- %3
"""


def test_note():
    assert to_text(note_circuit()) == NOTE
    assert_round_trip(note_circuit())


def everything():
    """One of each thing the text can say."""
    b = Builder('a "title"')
    b.origins += [
        Origin("f.py", 6, 7, 11, 30, "staged", "sigy"),
        Origin("jürgen\n.py", None, None, None, None, "<lambda>", None, (("step", 4), ("<l>", 7))),
    ]
    b.origin = 0
    w = Handle(b, b.input(matrix(3, 4), "W"))
    x = Handle(b, b.input(FLOATS, "two words"))
    s = w + np.arange(12.0).reshape(3, 4)
    big = s * np.arange(24.0).reshape(2, 3, 4)
    b.origin = 1
    total = BY_NAME["sum"](big, axis=(0, 2), keepdims=False)
    f = 1 / (1 + BY_NAME["exp"](-x))
    b.names[f.wire] = ("σ", "f")
    c = with_groups(b.build([f.wire, total.wire]))
    c = with_backward(c, f.wire, [x.wire], gradient_is_input=True)
    inner = note_circuit()
    c = c.with_(regions=(Region(6, 9), Region(3, 10)))
    return c.with_(inputs=c.inputs[::-1], bodies=(inner.with_(bodies=(inner,)), inner))


EVERYTHING = """\
circuit "a \\"title\\"" version 1
input %0 W : float64[3,4] @ o0
input %1 "two words" : float @ o0
%2 = constant [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0] : float64[3,4] @ o0
%3 = add(%0, %2) : float64[3,4] @ o0
%4 = constant sha256:HASH : float64[2,3,4] @ o0
%5 = multiply(%3, %4) : float64[2,3,4] @ o0
%6 = sum(%5) : float64[3] {axis: (0, 2), keepdims: false} @ o1
%7 = negate(%1) : float @ o1
%8 = exp(%7) : float @ o1
%9 = constant 1 : int @ o1
%10 = add(%9, %8) : float @ o1
%11 = constant 1 : int @ o1
%12 σ = f = divide(%11, %10) : float @ o1
input %13 "dσ" : float ~ %12
"""


def test_everything_is_readable():
    c = everything()
    (found,) = constant_arrays(c)
    text = to_text(c)
    assert text.startswith(EVERYTHING.replace("sha256:HASH", found).replace('"dσ"', "dσ"))
    assert "\ninputs %13 %1 %0\noutputs %12 %6\n" in text
    assert '\norigin o0 "f.py" line 6:11-7:30 in staged to sigy\n' in text
    assert '\norigin o1 "j\\u00fcrgen\\n.py" line ?:?-?:? in "<lambda>" calls ' in text
    assert "\ngroup sigmoid(%1) -> %12 stages %7 %8 %10 %12 closed\n" in text
    assert "\nregion %6 %8\nregion %3 %9\n" in text
    assert '\nbody "f"\n  input %0 x : float\n' in text
    assert_round_trip(c)


def test_the_example_of_the_docstring():
    example = textwrap.dedent(text.__doc__.split("\n\n")[1]) + "\n"
    assert to_text(from_text(example)) == example


def test_comments_indents_and_blank_lines_do_not_matter():
    loose = NOTE.replace("\n", "   # and so on\r\n\r\n\t ").replace("(", " ( ")
    assert contents(from_text(loose)) == contents(note_circuit())


@pytest.mark.parametrize("value, text", [
    (2, "2 : int"),
    (-(10**30), f"{-(10**30)} : int"),
    (True, "true : bool"),
    (2.0, "2.0 : float"),
    (-0.0, "-0.0 : float"),
    (1e-5, "1e-05 : float"),
    (float("nan"), "nan : float"),
    (float("-inf"), "-inf : float"),
    (struct.unpack("<d", bytes.fromhex("000000000000f8ff"))[0], "0xfff8000000000000 : float"),
    (np.float64(2), "2.0 : float64[]"),
    (np.float32(0.1), "0.1 : float32[]"),
    (np.float16(65504), "6.55e+04 : float16[]"),
    (np.uint8(255), "255 : uint8[]"),
    (np.bool_(False), "false : bool[]"),
    (np.array(2.0), "[2.0] : float64[]"),
    (np.array([1, -2], np.int16), "[1, -2] : int16[2]"),
    (np.array([[1.0], [np.inf]], ">f8"), "[1.0, inf] : >f8[2,1]"),
    (np.array([0xFFC00001], np.uint32).view(np.float32), "[0xffc00001] : float32[1]"),
    (np.zeros((0, 3)), "[] : float64[0,3]"),
    (np.arange(6.0).reshape(2, 3).T, "[0.0, 3.0, 1.0, 4.0, 2.0, 5.0] : float64[3,2]"),
])
def test_constants(value, text):
    b = Builder()
    c = b.build([b.constant(value)])
    assert to_text(c).splitlines()[1] == f"%0 = constant {text}"
    assert_round_trip(c)


def test_large_constants_go_by_content():
    b = Builder()
    b.constant(np.arange(16.0))
    b.constant(np.arange(17.0))
    b.constant(np.arange(34.0)[::2] / 2)  # the same content
    b.constant(np.arange(17.0, dtype=">f8"))  # another type
    c = b.build([])
    assert [a.dtype.str for a in constant_arrays(c).values()] == ["<f8", ">f8"]
    assert_round_trip(c)


# Any settings go with it. Not registered: the catalogue is for all tests, and this one is ours.
ANYTHING = Gate(
    "takes_anything", ("x",), "toy", "", abs, abs, lambda types, **_: types[0], "", "", id=-1000
)


@pytest.fixture
def anything(monkeypatch):
    monkeypatch.setitem(BY_NAME, ANYTHING.name, ANYTHING)


def with_settings(**attrs):
    b = Builder()
    b.apply(ANYTHING, [b.input(FLOATS)], attrs)
    return b.build([])


@pytest.mark.parametrize("value, text", [
    (None, "none"),
    (True, "true"),
    (-3, "-3"),
    (2.5, "2.5"),
    (float("-inf"), "-inf"),
    ('a"\n\ud800', '"a\\"\\n\\ud800"'),
    ((), "()"),
    ((7,), "(7,)"),
    ((0, (0.5, "x")), '(0, (0.5, "x"))'),
])
def test_settings(value, text, anything):
    c = with_settings(**{"a": value, "b c": 9})
    line = f'%1 = takes_anything(%0) : float {{a: {text}, "b c": 9}}'
    assert to_text(c).splitlines()[2] == line
    assert_round_trip(c)


def nested(depth):
    value = ()
    for _ in range(depth):
        value = (value,)
    return value


@pytest.mark.parametrize("circuit, message", [
    (lambda: with_settings(a=np.int64(77)), r"setting cannot be np.int64\(77\) \(int64\): only"),
    (lambda: with_settings(a=float("nan")), r"setting cannot be nan \(float\): only .* but nan"),
    (lambda: with_settings(a=1j), r"setting cannot be 1j \(complex\)"),
    (lambda: with_settings(a=nested(16)), r"setting cannot be \(\) .* nested up to 16 deep"),
    (lambda: constant(np.ma.array([1.0])), "a constant of class MaskedArray has no text form"),
    (lambda: constant(np.longdouble(1)), "dtype float128 has no text form"),
    (lambda: constant(10**5000), "an integer of 16610 bits is too long"),
    (lambda: odd_number(), "dtype float16 as a Python number has no text form"),
    (lambda: long_part(), "a part has terms for 3 edges of 0"),
])
def test_what_has_no_text(circuit, message):
    with pytest.raises(TextError, match=message):
        to_text(circuit())


def constant(value):
    b = Builder()
    return b.build([b.constant(value)])


def odd_number():
    b = Builder()
    return b.build([b.input(Type((), np.dtype(np.float16), weak=True))])


def long_part():
    b = Builder()
    b.parts.append(Part("backward", b.input(FLOATS), NOTHING, array("i"), array("i", [0, 0, 0])))
    return b.build([])


HEAD = 'circuit "f" version 1'
X = "input %0 x : float"
W = "input %0 W : float64[2,3]"
OUT = "outputs %0"
PART = "part backward output %0 rows 1 edges 0"


@pytest.mark.parametrize("lines, message", [
    ([], 'line 1: expected circuit "title" version 1, found the end of the line'),
    ([X], "line 1: expected circuit, found input"),
    (["circuit f version 1"], "line 1: expected the circuit's title in quotes, found f"),
    (['circuit "f" version 2'],
     "line 1: the text is of version 2, and this reads version 1"),
    (['circuit "f" version 12345678901'], "line 1: 12345678901 is no number of the version"),
    ([HEAD, X], 'line 1: circuit "f" has no line of outputs'),
    ([HEAD, X, OUT, OUT], "line 4: there is a line of outputs already"),
    ([HEAD, X, "outputs %1"], "line 3: there is no row %1 above (there are 1 rows so far)"),
    ([HEAD, "row %0"], "line 2: expected a row such as %3, input, inputs, outputs, origin, part, "
     "edge, group, region, body or end, found row"),
    ([HEAD, "end"], "line 2: expected a row such as %3, input, inputs, outputs, origin, part, "
     "edge, group, region, body or end, found end"),
    ([HEAD, "input %1 : float"], "line 2: rows are numbered in order: expected %0, found %1"),
    ([HEAD, "input %0 x y : float"], "line 2: expected :, found y"),
    ([HEAD, "input %0 x : double"], "line 2: no type double; there are float, int, bool, and "
     "arrays of bool, int8, int16, int32, int64, uint8, uint16, uint32, uint64, float16, "
     "float32, float64"),
    ([HEAD, "input %0 x :"],
     "line 2: expected a type such as float or float64[3,4], found the end of the line"),
    ([HEAD, X + " twice"], "line 2: expected the end of the line, found twice"),
    ([HEAD, "input %0 x! : float"], "line 2: cannot read '! : float'"),
    ([HEAD, r'input %0 "\q" : float'], r'line 2: "\q" is not a string as JSON writes it '
     r"(Invalid \escape: line 1 column 2 (char 1))"),
    ([HEAD, X + " @ 2"], "line 2: expected an origin such as o2, found 2"),
    ([HEAD, X + " @ p2"], "line 2: expected an origin such as o2, found p2"),
    ([HEAD, X + " @ o2", OUT], 'line 2: there is no origin o2; "f" has 0'),
    ([HEAD, X + " ~ %0"], "line 2: there is no row %0 above (there are 0 rows so far)"),
    ([HEAD, X, "%1 = foo(%0) : float"], 'line 3: no gate named "foo"'),
    ([HEAD, X, "%1 = input() : float"], 'line 3: no gate named "input"'),
    ([HEAD, X, "%1 = = exp(%0) : float"], "line 3: expected a gate, found ="),
    ([HEAD, X, "%1 = exp(%0 : float"], "line 3: expected ), found :"),
    ([HEAD, X, "%1 = exp(x) : float"], "line 3: expected a row such as %3, found x"),
    ([HEAD, X, "%1 = exp(%1) : float"],
     "line 3: there is no row %1 above (there are 1 rows so far)"),
    ([HEAD, X, "%1 = multiply(%0) : float"],
     "line 3: multiply(x, y) needs a wire for each input, 2: found 1"),
    ([HEAD, X, "%1 = exp(%0) : int"], "line 3: this exp gives float, not int"),
    ([HEAD, W, "%1 = exp(%0) : float"], "line 3: this exp gives float64[2,3], not float"),
    ([HEAD, W, "%1 = matmul(%0, %0) : float64[2,2]"],
     "line 3: matmul refuses its inputs or settings: matmul needs x's last size to equal y's "
     "first: x is [2, 3] and y is [2, 3]\n  Perhaps x @ y.T, which gives [2, 2]."),
    ([HEAD, W, "%1 = transpose(%0) : float64[3,2] {axes: (1, 5)}"],
     "line 3: transpose refuses its inputs or settings: tuple index out of range"),
    ([HEAD, W, "%1 = transpose(%0) : float64[3,2] {axes: (1, 0), axes: (1, 0)}"],
     "line 3: the setting axes is given twice"),
    ([HEAD, W, "%1 = transpose(%0) : float64[3,2] {axes: nan}"], "line 3: expected a setting "
     "(none, true, false, a number, a string or a tuple), found nan"),
    ([HEAD, W, "%1 = transpose(%0) : float64[3,2] {axes: " + "(" * 99],
     "line 3: tuples are nested more than 16 deep"),
    ([HEAD, W, "%1 = transpose(%0) : float64[3,2] {axes: 1.0e999}"],
     "line 3: 1.0e999 does not fit float64"),
    ([HEAD, "%0 = constant : float"],
     "line 2: expected a number, [ or sha256:..., found :"),
    ([HEAD, "%0 = constant 2 : float"], "line 2: expected a float such as 2.0, found 2"),
    ([HEAD, "%0 = constant inf : int"], "line 2: expected an integer, found inf"),
    ([HEAD, "%0 = constant 1 : bool"], "line 2: expected true or false, found 1"),
    ([HEAD, "%0 = constant -1 : uint8[]"], "line 2: -1 does not fit uint8"),
    ([HEAD, "%0 = constant 1e39 : float32[]"], "line 2: 1e39 does not fit float32"),
    ([HEAD, "%0 = constant 0x7fc0 : float32[]"],
     "line 2: float32 has 8 digits of bits, not 0x7fc0"),
    ([HEAD, f"%0 = constant {'9' * 5000} : int"],
     "line 2: an integer of 5000 digits is too long"),
    ([HEAD, "%0 = constant 1.0 : float64[1]"],
     "line 2: expected [ elements ] for float64[1], found 1.0"),
    ([HEAD, "%0 = constant [1.0] : float"],
     "line 2: expected a type such as float64[3] for an array, found float"),
    ([HEAD, "%0 = constant [1.0, 2.0] : float64[3]"],
     "line 2: float64[3] has 3 elements, found 2"),
    ([HEAD, "%0 = constant [1.0 2.0] : float64[2]"], "line 2: expected ], found 2.0"),
    ([HEAD, "%0 = constant [(] : float64[2]"], "line 2: expected a number or ], found ("),
    ([HEAD, X, "inputs"],
     "line 3: the line of inputs names each input row once, after the last of them"),
    ([HEAD, "origin o1"], "line 2: origins are numbered in order: expected o0"),
    ([HEAD, "origin o0 f"], "line 2: expected the file's name in quotes, found f"),
    ([HEAD, 'origin o0 "f" line 6'],
     "line 2: expected line:column-line:column, as 6:11-6:30 or 6:?-?:?, found 6"),
    ([HEAD, 'origin o0 "f" line 6:?-?:? in 7'],
     "line 2: expected the function's name, found 7"),
    ([HEAD, X, "part backward output %0 rows 2 edges 0"],
     "line 3: a part of 2 rows, where the circuit has 1 so far"),
    ([HEAD, X, "part backward output %0 rows 1 edges x"],
     "line 3: expected the number of edges, found x"),
    ([HEAD, X, "%0 <- %0"],
     "line 3: gradients stand below the line of their part, and there is none above"),
    ([HEAD, X, PART, "%0 <- %0", "%0 <- %0"],
     "line 5: the part has a gradient for this row already"),
    ([HEAD, X, PART, X.replace("0", "1"), "%1 <- %0"],
     "line 5: the part has 1 rows, and this is row 1"),
    ([HEAD, X, PART, "edge %0.0 <- %0"], "line 4: there is no operand 0 of a row %0 above"),
    ([HEAD, X, W.replace("0", "1"), "outputs %1", PART, "%0 <- %1"],
     'line 1: circuit "f" breaks a rule: the gradient of wire 0 has shape (2, 3), not ()'),
    ([HEAD, X, "group foo(%0) -> %0 stages %0 closed"], 'line 3: no gate named "foo"'),
    ([HEAD, X, "group sigmoid() -> %0 stages %0 closed"],
     "line 3: sigmoid(x) needs a wire for each input, 1: found 0"),
    ([HEAD, X, "group sigmoid(%0) -> %0 stages %0 ajar"], "line 3: expected open, found ajar"),
    ([HEAD, X, "group sigmoid(%0) -> %0 stages closed", OUT],
     'line 1: circuit "f" breaks a rule: group sigmoid lacks its output row'),
    ([HEAD, X, X.replace("0", "1"), "region %1 %0"],
     "line 4: a region's first row comes first: %1 is above %0"),
    ([HEAD, X, OUT, 'body "g"', OUT], "line 5: there is no row %0 above (there are 0 rows so far)"),
    ([HEAD, X, OUT, 'body "g"', "outputs"], 'line 4: the body "g" has no end'),
    ([HEAD, X, OUT, 'body "g"', "end"], 'line 4: circuit "g" has no line of outputs'),
])
def test_errors(lines, message):
    with pytest.raises(TextError) as error:
        from_text("\n".join(lines))
    assert str(error.value) == message


def test_errors_of_large_constants():
    c = constant(np.arange(17.0))
    text = to_text(c)
    ((key, value),) = constant_arrays(c).items()
    changed = value + 1
    other = next(iter(constant_arrays(constant(changed))))
    for arrays, message in [
        (None, f"line 2: {key} is missing among the 0 arrays given"),
        ({key: changed}, f"line 2: the array given as {key} has other content: {other}"),
        ({key: value[:16]}, f"line 2: {key} is not the plain array float64[17] but float64[16]"),
        ({key: list(value)}, f"line 2: {key} is not the plain array float64[17] but a list"),
    ]:
        with pytest.raises(TextError) as error:
            from_text(text, arrays)
        assert str(error.value) == message


def test_long_chains():
    b = Builder()
    x = y = Handle(b, b.input(FLOATS, "x"))
    for _ in range(5000):
        y = y * x
    assert_round_trip(with_backward(b.build([y.wire]), y.wire, [x.wire]))


NUMBER_TYPES = [TYPES[i] for i in WEAK.values()]
NAMES = st.sampled_from(["x", "σ_1", "input", "constant", "inf", "o2", "two words", "", "\n", '"'])
DTYPES = st.sampled_from(["float64", "float32", "float16", "int64", "int8", "uint16", "bool"])
ARRAYS = st.builds(
    lambda dtype, shape, start: (np.arange(24).reshape(2, 3, 4)[shape] + start).astype(dtype),
    DTYPES,
    st.sampled_from([(), 0, (0, 0), (slice(1), 1), (0, slice(0)), (0, 0, slice(1))]),
    st.sampled_from([0, 0.1, 3]),
)
NUMBERS = st.one_of(st.integers(), st.floats(), st.booleans())
SCALARS = st.one_of(
    st.floats(width=32, allow_nan=False).map(np.float32),
    st.floats(width=16, allow_nan=False).map(np.float16),
    st.floats().map(np.float64),
    st.integers(-128, 127).map(np.int8),
    st.booleans().map(np.bool_),
)
STAGES = [
    *((name, {}) for name in ("add", "multiply", "divide", "matmul", "maximum", "greater")),
    *((name, {}) for name in ("negate", "exp", "log", "alias", "where", "power", "sigmoid")),
    ("sum", {"axis": None, "keepdims": False}),
    ("sum", {"axis": (0,), "keepdims": True}),
    ("reshape", {"shape": (3, 1, 4)}),
    ("broadcast_to", {"shape": (5, 4)}),
    ("expand_dims", {"axis": (0, 2)}),
    ("transpose", {"axes": (1, 0)}),
    ("cast", {"dtype": "float32"}),
]


@st.composite
def circuits(draw):
    b = Builder(draw(NAMES))
    b.origins += [Origin("f.py", draw(st.none() | st.just(3)), 3, 0, 9, "f", draw(NAMES))]
    for value in draw(st.lists(st.one_of(NUMBERS, ARRAYS, SCALARS), max_size=6)):
        b.constant(value)
    for dtype, shape in draw(st.lists(st.tuples(DTYPES, st.sampled_from([(), (4,), (3, 4)])))):
        b.input(matrix(*shape, dtype=dtype), draw(st.none() | NAMES))
    x = Handle(b, b.input(FLOATS, "x"))
    for name, attrs in draw(st.lists(st.sampled_from(STAGES), max_size=12)):
        b.origin = draw(st.integers(-1, 0))
        gate = BY_NAME[name]
        wires = [draw(st.integers(0, len(b) - 1)) for _ in gate.inputs]
        with suppress(Exception):  # operands that do not fit the gate
            wire = b.apply(gate, wires, attrs)
            b.names[wire] = tuple(draw(st.lists(NAMES, min_size=1, max_size=2)))
    f = 1 / (1 + BY_NAME["exp"](-(x * draw(st.floats(allow_nan=False)))))
    c = b.build(draw(st.lists(st.integers(0, len(b) - 1), max_size=3)))
    c = c.with_(inputs=tuple(draw(st.permutations(c.inputs))))
    c = with_groups(c) if draw(st.booleans()) else c
    c = with_backward(c, f.wire, [x.wire], inside=draw(st.booleans()))
    real = [w for w in range(len(c)) if c.type_of(w).is_inexact]
    wrt = [w for w in c.inputs if w in real]
    c = with_backward(c, draw(st.sampled_from(real)), wrt, gradient_is_input=True)
    # exp(True) is float16 as a Python number, so far: a type that neither has nor needs a text
    assume(all(c.type_of(w) in NUMBER_TYPES for w in range(len(c)) if c.type_of(w).weak))
    return c.with_(bodies=draw(st.sampled_from([(), (c,), (note_circuit(), c)])))


@given(circuits())
def test_round_trip(circuit):
    assert_round_trip(circuit)


SEEDS = [NOTE, to_text(everything())]
PIECES = st.sampled_from(
    [*SEEDS[1].split(), *"%0123456789().,:{}[]\"\\\n -><~@?#", "%99", "1e999", "\x00", "é", "((("]
)
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["delete", "insert", "repeat", "line", "word", "word"]),
        st.floats(0, 1), st.integers(1, 12), PIECES,
    ),
    min_size=1, max_size=3,
)


def edited(text, edits):
    for what, place, length, piece in edits:
        at = int(place * len(text))
        end = at + length
        if what == "word":  # exchanged for one nearby
            words = text.split(" ")
            i = int(place * (len(words) - 1))
            words[i] = words[max(0, i - length)]
            text = " ".join(words)
        elif what == "line":  # a copy of the line here, at another place
            line = text[text.rfind("\n", 0, at) + 1 : text.find("\n", at) + 1]
            text = line + text if length % 2 else text.replace(line, "", 1) + line
        else:
            new = {"delete": "", "insert": piece, "repeat": text[at:end] * 2}[what]
            text = text[:at] + new + text[at if what == "insert" else end :]
    return text


@settings(max_examples=400)
@given(st.sampled_from(SEEDS), EDITS)
def test_any_text_gives_a_circuit_or_a_text_error(seed, edits):
    try:
        circuit = from_text(edited(seed, edits), constant_arrays(everything()))
    except TextError as error:
        assert str(error).startswith("line ")
    else:
        assert_round_trip(circuit)

"""The writer of instructions: each method appends one line of IR and gives the result's name.

A value is a name or a constant as text. Four types carry a circuit's numbers:

    real     double   Python float, float64
    single   float    float32
    whole    i64      Python int, int64
    flag     i1       bool

In functions of singles (single.py) whole numbers are i32, as long as the bits of a single.

A writer with lanes writes each instruction for that many numbers at once: its types are vectors and
its constants are spread over all lanes. Within `in_single`, instructions on reals are on singles.
No instruction carries a fast-math flag, so each rounds as written; fma stands where it is meant.
"""

import itertools
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

Loop = tuple[str, str, str, int | str]  # the labels of its head and end, its place, its count
REAL, SINGLE, WHOLE, SHORT, FLAG = "double", "float", "i64", "i32", "i1"
OF_SINGLES = ".singles"  # ends the name of a function's own form for singles
# The functions that have one, in single.py.
IN_SINGLES = frozenset((
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "tanh", "sech", "sinh", "cosh",
    "sigmoid", "softplus", "sin", "cos", "tan",
))
MIRRORED = {"ogt": "olt", "olt": "ogt", "oge": "ole", "ole": "oge"}  # x > y as y < x
SUFFIX = {REAL: "f64", SINGLE: "f32"}
LANES = {REAL: 16, SINGLE: 32}  # of a vector, whatever the processor has


class Lines:
    """Instructions of one function, in order, and the functions they call."""

    def __init__(self, lanes: int = 0, at_once: int = 1) -> None:
        self.lanes = lanes  # 0: one number at a time
        self.at_once = at_once  # vectors that a loop over many takes in one go
        self.real_type = REAL
        self.whole_type = WHOLE
        self.text: list[str] = []
        self.called: dict[tuple[str, int], int] = {}  # name and lanes -> reals it takes
        self.inlined: Mapping[str, Callable[..., str]] = {}  # functions written out where called
        self.intrinsics: set[str] = set()
        self.sizes: dict[Any, str] = {}  # what depends on the extent -> its name in the text
        self._numbers = itertools.count(1)

    def with_lanes(self, lanes: int, inlined: Mapping[str, Callable[..., str]]) -> "Lines":
        """A writer of the same text, for so many numbers at once."""
        other = Lines(lanes, self.at_once)
        other.text, other.called, other.intrinsics = self.text, self.called, self.intrinsics
        other.inlined, other._numbers, other.sizes = inlined, self._numbers, self.sizes
        return other

    def line(self, instruction: str) -> str:
        """Append an instruction; the name of its result."""
        name = f"%.{next(self._numbers)}"
        self.text.append(f"  {name} = {instruction}")
        return name

    def named(self, value: str, name: str, note: str = "") -> str:
        """Give a value a better name, where the last instruction made it and it has none yet."""
        head = f"  {value} ="
        if not value.startswith("%.") or not self.text or not self.text[-1].startswith(head):
            return value
        self.text[-1] = f"  {name} ={self.text[-1][len(head):]}{note}"
        return name

    def label(self, stem: str) -> str:
        """A label not used before."""
        return f"{stem}.{next(self._numbers)}"

    @contextmanager
    def in_single(self) -> Iterator[None]:
        """Reals are singles here."""
        self.real_type = SINGLE
        yield
        self.real_type = REAL

    @contextmanager
    def in_double(self) -> Iterator[None]:
        """Reals are doubles here, and whole numbers as long, in a function of singles."""
        before = self.real_type, self.whole_type
        self.real_type, self.whole_type = REAL, WHOLE
        yield
        self.real_type, self.whole_type = before

    @contextmanager
    def in_short(self) -> Iterator[None]:
        """Whole numbers are as long as singles here."""
        self.whole_type = SHORT
        yield
        self.whole_type = WHOLE

    def many(self, element: str) -> str:
        """The type of an element in every lane."""
        return f"<{self.lanes} x {element}>" if self.lanes else element

    def spread(self, element: str, constant: str) -> str:
        """A constant in every lane."""
        return f"splat ({element} {constant})" if self.lanes else constant

    def spread_one(self, element: str, name: str) -> str:
        """One number in every lane."""
        t = self.many(element)
        one = self.line(f"insertelement {t} poison, {element} {name}, i32 0")
        return self.line(
            f"shufflevector {t} {one}, {t} poison, <{self.lanes} x i32> zeroinitializer"
        )

    def lanes_of(self, element: str, x: str, lanes: range) -> str:
        """Some of the lanes of a vector."""
        t, places = self.many(element), ", ".join(f"i32 {k}" for k in lanes)
        return self.line(f"shufflevector {t} {x}, {t} poison, <{len(lanes)} x i32> <{places}>")

    def joined(self, element: str, x: str, y: str) -> str:
        """The lanes of two vectors as one."""
        t, places = self.many(element), ", ".join(f"i32 {k}" for k in range(2 * self.lanes))
        return self.line(f"shufflevector {t} {x}, {t} {y}, <{2 * self.lanes} x i32> <{places}>")

    def size(self, n: Any) -> str:
        """A whole number of a plan as text; the name of one that depends on the extent."""
        if isinstance(n, int | str):
            return str(n)
        return self.sizes.setdefault(n, f"%.n.{len(self.sizes)}")

    def first_lanes(self, count: str) -> str:
        """Flags that hold in the first so many lanes."""
        t = f"<{self.lanes} x i32>"
        short = self.line(f"trunc i64 {count} to i32")
        places = ", ".join(f"i32 {lane}" for lane in range(self.lanes))
        return self.line(f"icmp ult {t} <{places}>, {self.spread_one('i32', short)}")

    @contextmanager
    def where(self, condition: str) -> Iterator[tuple[str, str]]:
        """Instructions run only where a flag holds; the labels that may come before what follows:
        of the block before, and of the end of these."""
        before, some, end, done = map(self.label, ("before", "some", "end", "done"))
        self.text += [f"  br label %{before}", f"{before}:",
                      f"  br i1 {condition}, label %{some}, label %{done}", f"{some}:"]
        yield before, end
        self.text += [f"  br label %{end}", f"{end}:", f"  br label %{done}", f"{done}:"]

    def open_loop(self, count: int | str, places: list[str]) -> Loop:
        """Begin a loop over so many places; its place joins `places`. Close it with the result."""
        before, head, following = self.label("before"), self.label("loop"), self.label("next")
        place, step = f"%.{head}", f"%.{following}"
        self.text += [f"  br label %{before}", f"{before}:", f"  br label %{head}", f"{head}:",
                      f"  {place} = phi i64 [ 0, %{before} ], [ {step}, %{following} ]"]
        places.append(place)
        return head, place, following, count

    def close_loop(self, loop: Loop) -> None:
        """End a loop."""
        head, place, following, count = loop
        step, done = f"%.{following}", self.label("done")
        self.text += [f"  br label %{following}", f"{following}:",
                      f"  {step} = add nuw nsw i64 {place}, 1"]
        more = self.line(f"icmp ult i64 {step}, {self.size(count)}")
        self.text += [f"  br i1 {more}, label %{head}, label %{done}", f"{done}:"]

    # ---- reals

    def number(self, x: float) -> str:
        """A real constant, by its bits."""
        if self.real_type is SINGLE:
            (x,) = struct.unpack("<f", _single_bytes(x))
        return self.spread(self.real_type, f"0x{struct.unpack('<Q', struct.pack('<d', x))[0]:016X}")

    def real(self, operation: str, *operands: str | float) -> str:
        """An instruction on reals: fadd, fsub, fmul, fdiv, fneg."""
        return self.line(
            f"{operation} {self.many(self.real_type)} {', '.join(self._texts(operands))}"
        )

    def add(self, x: str | float, y: str | float) -> str:
        return self.real("fadd", x, y)

    def sub(self, x: str | float, y: str | float) -> str:
        return self.real("fsub", x, y)

    def mul(self, x: str | float, y: str | float) -> str:
        return self.real("fmul", x, y)

    def div(self, x: str | float, y: str | float) -> str:
        return self.real("fdiv", x, y)

    def neg(self, x: str) -> str:
        return self.real("fneg", x)

    def fma(self, x: str | float, y: str | float, z: str | float) -> str:
        """x * y + z, rounded once."""
        return self.intrinsic("fma", x, y, z)

    def intrinsic(self, name: str, *operands: str | float) -> str:
        """One of LLVM's own functions on reals: fma, fabs, floor, copysign."""
        t = self.many(self.real_type)
        suffix = (f"v{self.lanes}" if self.lanes else "") + SUFFIX[self.real_type]
        self.intrinsics.add(f"declare {t} @llvm.{name}.{suffix}({', '.join([t] * len(operands))})")
        return self._call(f"llvm.{name}.{suffix}", self._texts(operands))

    def call(self, name: str, *operands: str) -> str:
        """One of our functions of reals (see functions.py).

        Of singles, where it has no form of its own for them, computed in doubles.
        """
        if self.real_type is SINGLE:
            return self._call_of_singles(name, operands)
        if name in self.inlined:
            return self.inlined[name](self, *operands)
        self.called[name, self.lanes] = len(operands)
        return self._call(function_name(name, self.lanes), operands)

    def _call_of_singles(self, name: str, operands: Sequence[str]) -> str:
        own = name + OF_SINGLES
        if name not in IN_SINGLES:
            return self.through_doubles(name, *operands)
        if own in self.inlined:
            with self.in_short():
                return self.inlined[own](self, *operands)
        self.called[own, self.lanes] = len(operands)
        return self._call(function_name(own, self.lanes), operands)

    def through_doubles(self, name: str, *operands: str) -> str:
        """One of our functions, of singles made doubles."""
        wide = [self.convert("fpext", x, SINGLE, REAL) for x in operands]
        with self.in_double():
            value = self.call(name, *wide)
        return self.convert("fptrunc", value, REAL, SINGLE)

    def library(self, name: str, x: str) -> str:
        """A function of a real that the C library has, found in the running process."""
        self.intrinsics.add(f"declare {REAL} @{name}({REAL})")
        return self.line(f"call {REAL} @{name}({REAL} {x})")

    def _call(self, name: str, operands: Sequence[str]) -> str:
        t = self.many(self.real_type)
        return self.line(f"call {t} @{name}({', '.join(f'{t} {x}' for x in operands)})")

    def _texts(self, operands: Sequence[str | float]) -> list[str]:
        return [x if isinstance(x, str) else self.number(x) for x in operands]

    # ---- whole numbers, flags, choices

    def whole(self, operation: str, x: str | int, y: str | int) -> str:
        """An instruction on whole numbers: add, sub, mul, and, shl, ashr."""
        t = self.many(self.whole_type)
        return self.line(f"{operation} {t} {self._whole(x)}, {self._whole(y)}")

    def _whole(self, x: str | int) -> str:
        if isinstance(x, str):
            return x
        t = self.whole_type
        return self.spread(t, str(x)) if isinstance(x, int) else self._spread_size(x)

    def _spread_size(self, x: Any) -> str:
        return self.spread_one(WHOLE, self.size(x)) if self.lanes else self.size(x)

    def flag(self, operation: str, x: str, y: str) -> str:
        """An instruction on flags: and, or, xor."""
        return self.line(f"{operation} {self.many(FLAG)} {x}, {y}")

    def opposite(self, x: str) -> str:
        """The other flag."""
        return self.flag("xor", x, self.spread(FLAG, "true"))

    def compare(self, how: str, x: str | float, y: str | float) -> str:
        """A flag: ordered comparisons such as ogt are false for nan, une and uno are true.

        Of two names the earlier comes first, so that code generation sees what was compared before.
        """
        if isinstance(x, str) and isinstance(y, str) and (len(x), x) > (len(y), y):
            how, x, y = MIRRORED.get(how, how), y, x
        operands = ", ".join(self._texts((x, y)))
        return self.line(f"fcmp {how} {self.many(self.real_type)} {operands}")

    def compare_whole(self, how: str, x: str | int, y: str | int) -> str:
        t = self.many(self.whole_type)
        return self.line(f"icmp {how} {t} {self._whole(x)}, {self._whole(y)}")

    def select(
        self, condition: str, x: str | float, y: str | float, kind: str | None = None
    ) -> str:
        """x where the condition holds, else y; neither is computed again, and no nan leaks.

        kind: their type where they are no reals.
        """
        if kind is None:
            kind, (x, y) = self.real_type, self._texts((x, y))
        t = self.many(kind)
        return self.line(f"select {self.many(FLAG)} {condition}, {t} {x}, {t} {y}")

    def select_whole(self, condition: str, x: str | int, y: str | int) -> str:
        return self.select(condition, self._whole(x), self._whole(y), self.whole_type)

    def reals(self, count: int) -> str:
        """The type of one real or a pair of them."""
        t = self.many(self.real_type)
        return t if count == 1 else f"{{ {t}, {t} }}"

    def pair(self, x: str, y: str | None = None) -> str:
        """Two reals as one value; one by itself."""
        if y is None:
            return x
        t, both = self.many(self.real_type), self.reals(2)
        first = self.line(f"insertvalue {both} poison, {t} {x}, 0")
        return self.line(f"insertvalue {both} {first}, {t} {y}, 1")

    def either(
        self, condition: str, near: Callable[[], str], far: Callable[[], str], count: int = 1
    ) -> str:
        """A real, or a pair, by one of two ways, each written by a call; only the one taken is
        computed.

        For functions of one number that branch once: neither way may branch itself.
        """
        ways = [self.label(stem) for stem in ("near", "far", "end")]
        self.text += [f"  br {FLAG} {condition}, label %{ways[0]}, label %{ways[1]}", f"{ways[0]}:"]
        first = near()
        self.text += [f"  br label %{ways[2]}", f"{ways[1]}:"]
        second = far()
        self.text += [f"  br label %{ways[2]}", f"{ways[2]}:"]
        return self.line(
            f"phi {self.reals(count)} [ {first}, %{ways[0]} ], [ {second}, %{ways[1]} ]"
        )

    def holds_for_all(self, flags: str) -> str:
        """One flag: whether all lanes hold."""
        t = self.many(FLAG)
        self.intrinsics.add(f"declare {FLAG} @llvm.vector.reduce.and.v{self.lanes}i1({t})")
        return self.line(f"call {FLAG} @llvm.vector.reduce.and.v{self.lanes}i1({t} {flags})")

    def one_by_one(self, name: str, x: str) -> str:
        """One of our functions of a real, called for each lane by itself."""
        t, value = self.many(REAL), "poison"
        self.called[name, 0] = 1
        for lane in range(self.lanes):
            one = self.line(f"extractelement {t} {x}, i32 {lane}")
            got = self.line(f"call {REAL} @{function_name(name, 0)}({REAL} {one})")
            value = self.line(f"insertelement {t} {value}, {REAL} {got}, i32 {lane}")
        return value

    def bits(self, x: str) -> str:
        """A real's bits as a whole number."""
        return self.convert("bitcast", x, self.real_type, self.whole_type)

    def from_bits(self, n: str) -> str:
        return self.convert("bitcast", n, self.whole_type, self.real_type)

    def convert(self, how: str, x: str, from_: str, to: str) -> str:
        """sitofp, uitofp, zext, fpext, fptrunc, bitcast: between the types."""
        return self.line(f"{how} {self.many(from_)} {x} to {self.many(to)}")


def function_name(name: str, lanes: int) -> str:
    """The name of one of our functions, for so many numbers at once."""
    return f"chainrule.{name}.x{lanes}" if lanes else f"chainrule.{name}"


def _single_bytes(x: float) -> bytes:
    try:
        return struct.pack("<f", x)
    except OverflowError:  # rounds to infinity
        return struct.pack("<f", float("inf") if x > 0 else float("-inf"))

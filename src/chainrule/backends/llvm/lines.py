"""The writer of instructions: each method appends one line of IR and gives the result's name.

A value is a name or a constant as text. Three types carry a circuit's numbers:

    real   double   Python float, float64
    whole  i64      Python int, int64
    flag   i1       bool

No instruction carries a fast-math flag, so each rounds as written; fma stands where it is meant.
"""

import struct
from collections.abc import Callable, Sequence

REAL, WHOLE, FLAG = "double", "i64", "i1"


class Lines:
    """Instructions of one function, in order, and the functions they call."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.called: dict[str, int] = {}  # name -> number of reals it takes
        self.intrinsics: set[str] = set()
        self._count = 0

    def line(self, instruction: str) -> str:
        """Append an instruction; the name of its result."""
        self._count += 1
        self.text.append(f"  %.{self._count} = {instruction}")
        return f"%.{self._count}"

    def named(self, value: str, name: str, note: str = "") -> str:
        """Give a value a better name, where the last instruction made it and it has none yet."""
        head = f"  {value} ="
        if not value.startswith("%.") or not self.text or not self.text[-1].startswith(head):
            return value
        self.text[-1] = f"  {name} ={self.text[-1][len(head):]}{note}"
        return name

    # ---- reals

    def number(self, x: float) -> str:
        """A real constant, by its bits."""
        return f"0x{struct.unpack('<Q', struct.pack('<d', x))[0]:016X}"

    def real(self, operation: str, *operands: str | float) -> str:
        """An instruction on reals: fadd, fsub, fmul, fdiv, fneg."""
        return self.line(f"{operation} {REAL} {', '.join(self._texts(operands))}")

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
        types = ", ".join([REAL] * len(operands))
        self.intrinsics.add(f"declare {REAL} @llvm.{name}.f64({types})")
        return self._call(f"llvm.{name}.f64", self._texts(operands))

    def call(self, name: str, *operands: str) -> str:
        """One of our functions of reals (see math.py)."""
        self.called[name] = len(operands)
        return self._call(f"chainrule.{name}", operands)

    def library(self, name: str, x: str) -> str:
        """A function of a real that the C library has, found in the running process."""
        self.intrinsics.add(f"declare {REAL} @{name}({REAL})")
        return self._call(name, [x])

    def _call(self, name: str, operands: Sequence[str]) -> str:
        return self.line(f"call {REAL} @{name}({', '.join(f'{REAL} {x}' for x in operands)})")

    def _texts(self, operands: Sequence[str | float]) -> list[str]:
        return [x if isinstance(x, str) else self.number(x) for x in operands]

    # ---- whole numbers, flags, choices

    def whole(self, operation: str, x: str | int, y: str | int) -> str:
        """An instruction on whole numbers: add, sub, mul, and, shl, ashr."""
        return self.line(f"{operation} {WHOLE} {x}, {y}")

    def flag(self, operation: str, x: str, y: str) -> str:
        """An instruction on flags: and, or, xor."""
        return self.line(f"{operation} {FLAG} {x}, {y}")

    def compare(self, how: str, x: str | float, y: str | float) -> str:
        """A flag: ordered comparisons such as ogt are false for nan, une and uno are true."""
        return self.line(f"fcmp {how} {REAL} {', '.join(self._texts((x, y)))}")

    def compare_whole(self, how: str, x: str | int, y: str | int) -> str:
        return self.line(f"icmp {how} {WHOLE} {x}, {y}")

    def select(self, condition: str, x: str | float, y: str | float, kind: str = REAL) -> str:
        """x where the condition holds, else y; neither is computed again, and no nan leaks."""
        x, y = self._texts((x, y))
        return self.line(f"select {FLAG} {condition}, {kind} {x}, {kind} {y}")

    def either(self, condition: str, near: Callable[[], str], far: Callable[[], str]) -> str:
        """A real by one of two ways, each written by a call; only the one taken is computed.

        For functions of our own that branch once, at their end: neither way may branch itself.
        """
        self.text += [f"  br {FLAG} {condition}, label %near, label %far", "near:"]
        first = near()
        self.text += ["  br label %end", "far:"]
        second = far()
        self.text += ["  br label %end", "end:"]
        return self.line(f"phi {REAL} [ {first}, %near ], [ {second}, %far ]")

    def bits(self, x: str) -> str:
        """A real's bits as a whole number."""
        return self.line(f"bitcast {REAL} {x} to {WHOLE}")

    def from_bits(self, n: str) -> str:
        return self.line(f"bitcast {WHOLE} {n} to {REAL}")

    def convert(self, how: str, x: str, from_: str, to: str) -> str:
        """sitofp, uitofp, zext: between the three types."""
        return self.line(f"{how} {from_} {x} to {to}")

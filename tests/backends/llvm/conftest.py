"""Helpers of the machine code tests: one gate compiled, distances in units in the last place."""

import struct

import numpy as np
import pytest

from chainrule.backends.llvm.call import CompiledNumbers
from chainrule.circuit.builder import Builder
from chainrule.circuit.types import FLOAT, TYPES
from chainrule.gates.handle import Handle


def gate_circuit(gate, types, attrs):
    b = Builder(gate.name)
    operands = [Handle(b, b.input(t, f"x{i}")) for i, t in enumerate(types)]
    return b.build([gate(*operands, **attrs).wire])


def compiled_gate(gate, *, count=None, level=1, attrs=None):
    """The gate on Python floats as machine code: numbers -> number."""
    types = [TYPES[FLOAT]] * (count or len(gate.inputs))
    compiled = CompiledNumbers(gate_circuit(gate, types, attrs or {}), level)
    return lambda *operands: compiled(*operands)[0]


def place(x):
    """Where a double stands in the order of all doubles; inf follows the largest."""
    (bits,) = struct.unpack("<q", struct.pack("<d", x))
    return bits if bits >= 0 else -(bits & 0x7FFF_FFFF_FFFF_FFFF)


def ulps_apart(x, y):
    """0 for equal values, nan to nan included; -0.0 and 0.0 are not equal here."""
    if x != x or y != y:
        return 0 if x != x and y != y else float("inf")
    if x == y == 0:
        return 0 if np.signbit(x) == np.signbit(y) else float("inf")
    return abs(place(float(x)) - place(float(y)))


@pytest.fixture(scope="session")
def machine():
    """The helpers above, for tests that cannot import from here."""
    class Helpers:
        gate = staticmethod(compiled_gate)
        circuit = staticmethod(gate_circuit)
        ulps_apart = staticmethod(ulps_apart)

    return Helpers

"""Where CPython and NumPy keep what generated calls read, checked in the running interpreter.

    object     type 8
    float      object, value; numpy.float64 too
    tuple      object, length, (from 3.14 on: hash,) items
    list       object, length, address of the items
    type       ..., flags 168, which is written in Python 3.11
    ndarray    object, data, nd, dims, strides, base, descr, flags      (NumPy's public ABI)

Generated calls are for the interpreters in ALLOWED, whose layouts were tried, and only where each
offset reads back the right thing. Everywhere else calls take the plain path, and so they do where
the user asks for it: CHAINRULE_CALL=plain, or generated.
"""

import ctypes
import os
import platform
import sys
from functools import lru_cache

import numpy as np

from chainrule.backends.llvm.targets.c_api import array_table
from chainrule.errors import InputError

ALLOWED = {
    "versions": ((3, 11), (3, 12), (3, 13), (3, 14)), "machines": ("x86_64",),
    "systems": ("linux",),
}
NUMPY_ABI = 0x2000000
PATHS = ("plain", "generated")
DEFAULT = "generated"

HEAD = object.__basicsize__
TYPE = 8
FLOAT_VALUE = HEAD
LENGTH = HEAD
TUPLE_ITEMS = tuple.__basicsize__
LIST_ITEMS = HEAD + 8
DATA, ND, DIMS, DESCR, FLAGS = (HEAD + step for step in (0, 8, 16, 40, 48))
VECTORCALL, ENTRY, FALLBACK = HEAD, HEAD + 8, HEAD + 16  # of a callable; see python_calls.py
BLOCK = HEAD  # of its entry
TYPE_FLAGS = 168
READY = 0x1 | 0x100  # flags: row-major without gaps, aligned
WRITEABLE = 0x400


def is_wanted() -> bool:
    """True where CHAINRULE_CALL, or else the default, asks for generated calls."""
    wish = os.environ.get("CHAINRULE_CALL") or DEFAULT
    if wish not in PATHS:
        raise InputError(f"CHAINRULE_CALL is {wish!r}; it may be {' or '.join(PATHS)}")
    return wish == "generated"


def is_allowed() -> bool:
    """True for an interpreter of a kind that was tried."""
    return (
        sys.implementation.name == "cpython"
        and sys.version_info[:2] in ALLOWED["versions"]
        and sys.platform in ALLOWED["systems"]
        and platform.machine() in ALLOWED["machines"]
        and "t" not in sys.abiflags  # built without the global lock
        and not hasattr(sys, "gettotalrefcount")  # objects of a debug build may have longer heads
        and ctypes.sizeof(ctypes.c_void_p) == 8
        and sys.byteorder == "little"
    )


@lru_cache(maxsize=1)
def objects_hold() -> bool:
    """True where floats, tuples and lists lie as generated calls read and write them."""
    number, pair = 1234.5, (object(), object())
    row, places = [*pair], [id(x) for x in pair]
    return (
        HEAD == 16
        and word(id(number) + TYPE) == id(float)
        and ctypes.c_double.from_address(id(number) + FLOAT_VALUE).value == number
        and float.__basicsize__ == FLOAT_VALUE + 8
        and word(id(pair) + TYPE) == id(tuple)
        and word(id(row) + TYPE) == id(list)
        and [word(id(x) + LENGTH) for x in (pair, row, ())] == [2, 2, 0]
        and [word(id(pair) + TUPLE_ITEMS + 8 * k) for k in (0, 1)] == places
        and [word(word(id(row) + LIST_ITEMS) + 8 * k) for k in (0, 1)] == places
    )


@lru_cache(maxsize=1)
def arrays_hold() -> bool:
    """True where NumPy's arrays and scalars lie as generated calls read and make them."""
    table = array_table()
    if ctypes.PYFUNCTYPE(ctypes.c_uint)(table[0])() != NUMPY_ABI or table[2] != id(np.ndarray):
        return False
    number = np.float64(1234.5)
    if np.float64.__basicsize__ != FLOAT_VALUE + 8 or word(id(number) + TYPE) != id(np.float64):
        return False
    if ctypes.c_double.from_address(id(number) + FLOAT_VALUE).value != number:
        return False
    rows, flags = np.arange(6.0).reshape(2, 3), np.ones(4, bool)
    flags.flags.writeable = False
    return all(_holds(x) for x in (rows, rows.T, rows.astype("f4"), rows[:, 1], flags))


def _holds(x: np.ndarray) -> bool:
    at = id(x)
    dims = word(at + DIMS)
    flags = ctypes.c_int.from_address(at + FLAGS).value
    return (
        word(at + TYPE) == id(np.ndarray)
        and word(at + DATA) == x.__array_interface__["data"][0]
        and ctypes.c_int.from_address(at + ND).value == x.ndim
        and tuple(word(dims + 8 * k) for k in range(x.ndim)) == x.shape
        and word(at + DESCR) == id(np.dtype(x.dtype.str))
        and (flags & READY == READY) == (x.flags.c_contiguous and x.flags.aligned)
        and bool(flags & WRITEABLE) == x.flags.writeable
    )


def word(address: int) -> int:
    """The eight bytes at an address."""
    return ctypes.c_uint64.from_address(address).value

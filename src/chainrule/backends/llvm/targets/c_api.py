"""The C functions that generated calls use: what each takes, gives, and may do.

    gives     "new": a reference the caller must give away; "raw": no object; "": nothing;
              "status": a number, which is not 0 where it failed
    steals    places of the arguments whose references it takes over; all others it only borrows
    fails     it may return null, or a status, and has then set an exception
    runs      other code may run meanwhile: by the garbage collector, or where an object ends
    lock      it needs the interpreter's lock
    effect    "raises": sets an exception; "adds", "drops": one reference of its argument;
              "leaves", "returns": gives the lock up, takes it back; "sets": one item of a dict;
              "steps": to the next item of a dict; "compares": two exact strings

proof.py proves from this table, and from it alone, that a wrapper's references balance.
"""

import ctypes
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy._core import _multiarray_umath  # type: ignore[attr-defined]  # has no stubs


@dataclass(frozen=True, slots=True)
class CCall:
    """One function of CPython's or NumPy's C interface."""

    name: str
    takes: tuple[str, ...]  # types of the IR
    result: str = "ptr"
    gives: str = "new"
    steals: tuple[int, ...] = ()
    fails: bool = True
    runs: bool = True
    lock: bool = True
    effect: str = ""
    slot: int | None = None  # in NumPy's table; None: a function of CPython


def _quiet(name: str, takes: tuple[str, ...], effect: str, **more: Any) -> CCall:
    return CCall(name, takes, **{"result": "void", "gives": "", "fails": False, **more},
                 effect=effect)


FLOAT64_NEW = "numpy.float64.tp_alloc"  # how its type makes an object, to be filled; see layout.py
EQUAL = 2  # how PyUnicode_RichCompare is asked for ==
_TP_ALLOC = 47  # its number in the stable interface
_ARRAY_NEW = ("ptr", "i32", "ptr", "i32", "ptr", "ptr", "i32", "i32", "ptr")
CALLS = {
    row.name: row
    for row in (
        CCall("PyFloat_FromDouble", ("double",)),
        CCall("PyLong_FromLongLong", ("i64",)),
        CCall("PyBool_FromLong", ("i64",)),
        CCall("PyTuple_New", ("i64",)),
        CCall("PyList_New", ("i64",)),
        CCall("PyDict_New", ()),
        CCall("PyDict_SetItem", ("ptr", "ptr", "ptr"), "i32", gives="status", effect="sets"),
        CCall("PyDict_Next", ("ptr", "ptr", "ptr", "ptr"), "i32", gives="raw", fails=False,
              runs=False, effect="steps"),
        CCall("PyUnicode_RichCompare", ("ptr", "ptr", "i32"), runs=False, effect="compares"),
        CCall(FLOAT64_NEW, ("ptr", "i64")),
        CCall("PyObject_Vectorcall", ("ptr", "ptr", "i64", "ptr")),
        _quiet("Py_IncRef", ("ptr",), "adds", runs=False),
        _quiet("Py_DecRef", ("ptr",), "drops"),
        _quiet("PyErr_SetString", ("ptr", "ptr"), "raises"),
        _quiet("PyEval_SaveThread", (), "leaves", result="ptr", gives="raw"),
        _quiet("PyEval_RestoreThread", ("ptr",), "returns", lock=False),
        CCall("PyArray_New", _ARRAY_NEW, slot=93),
        CCall("PyArray_Scalar", ("ptr", "ptr", "ptr"), slot=60),
    )
}


def declaration(name: str) -> str:
    """The line of IR that makes a function known to a module."""
    row = CALLS[name]
    return f"declare {row.result} @{symbol(name)}({', '.join(row.takes)})"


def symbol(name: str) -> str:
    """What a C function or object is called in IR; no library has names like it."""
    return f"chainrule.py.{name}"


def address(name: str) -> int:
    """Where a C function begins."""
    row = CALLS[name]
    if name == FLOAT64_NEW:
        slot_of = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_int)(
            ("PyType_GetSlot", ctypes.pythonapi)
        )
        return int(slot_of(np.float64, _TP_ALLOC))
    if row.slot is not None:
        return int(array_table()[row.slot])
    found = ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value
    assert found
    return found


@lru_cache(maxsize=1)
def array_table() -> Any:
    """NumPy's table of C functions."""
    pointer_of = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
        ("PyCapsule_GetPointer", ctypes.pythonapi)
    )
    return ctypes.cast(
        pointer_of(_multiarray_umath._ARRAY_API, None), ctypes.POINTER(ctypes.c_void_p)
    )

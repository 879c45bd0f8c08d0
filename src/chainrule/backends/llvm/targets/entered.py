"""Objects whose call slot is generated code.

    Entered   an object with: vectorcall (an address), entry, fallback (objects, or nothing)
    Entry     what a wrapper reads: the address of its block; it keeps alive what the block tells of

A call reads one word, the entry, to find all the rest; so another entry takes its place in one
step. An entry is no container to the garbage collector: its memory and machine code stay until the
last reference to it is dropped, even while a cycle it belongs to is being taken apart. Wrappers are
never freed. So no address is read after what it points to is gone, whatever the order of things.

Where layout.py does not know the interpreter, Entered is a plain class and nothing is generated.
A function is such an object before anything is compiled, so nothing that compiles is loaded here.
"""

import ctypes
import sys
from collections.abc import Callable
from typing import Any

from chainrule.backends.llvm.targets import layout

_VOID = ctypes.c_void_p


class _Slot(ctypes.Structure):
    _fields_ = (("slot", ctypes.c_int), ("pfunc", _VOID))


class _Member(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p), ("type", ctypes.c_int), ("offset", ctypes.c_ssize_t),
        ("flags", ctypes.c_int), ("doc", ctypes.c_char_p),
    )


class _Spec(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p), ("basicsize", ctypes.c_int), ("itemsize", ctypes.c_int),
        ("flags", ctypes.c_uint), ("slots", ctypes.POINTER(_Slot)),
    )


_TP_CALL, _TP_MEMBERS = 50, 72  # numbers of the stable interface
_SSIZE, _READONLY = 19, 1
_DEFAULT, _VECTORCALL, _BASETYPE = 1 << 18, 1 << 11, 1 << 10


def _raw_type(name: bytes, size: int, slots: Any, flags: int) -> Any:
    """A type whose objects hold words that are no objects."""
    make = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.POINTER(_Spec))(
        ("PyType_FromSpec", ctypes.pythonapi)
    )
    spec = _Spec(name, size, 0, _DEFAULT | _BASETYPE | flags, slots)
    made = make(ctypes.byref(spec))
    _KEPT.append((spec, slots))  # the type keeps pointers into them
    return made


_KEPT: list[Any] = []


def _callable_type() -> Any:
    call = ctypes.cast(ctypes.pythonapi.PyVectorcall_Call, _VOID).value
    members = (_Member * 2)(
        _Member(b"__vectorcalloffset__", _SSIZE, layout.VECTORCALL, _READONLY, None)
    )
    _KEPT.append(members)
    slots = (_Slot * 3)(_Slot(_TP_CALL, call), _Slot(_TP_MEMBERS, ctypes.addressof(members)))
    return _raw_type(b"chainrule.Callable", layout.HEAD + 8, slots, _VECTORCALL)


def _words_type() -> Any:
    return _raw_type(b"chainrule.Words", layout.HEAD + 8, (_Slot * 1)(), 0)


IS_ALLOWED = layout.is_allowed() and layout.objects_hold()
"""True where calls may be generated."""

_Callable: Any = _callable_type() if IS_ALLOWED else object
_Words: Any = _words_type() if IS_ALLOWED else object

HELD: dict[int, Any] = {}  # entries, by address -> what their blocks tell of
if IS_ALLOWED:  # the end of the interpreter does not clear it
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(HELD))


class Entry(_Words):  # type: ignore[misc]  # made at run time
    """A block of words for a wrapper, and what it needs alive."""

    __slots__ = ()

    def __del__(self, _held: dict[int, Any] = HELD) -> None:
        _held.pop(id(self), None)


class Entered(_Callable):  # type: ignore[misc]  # made at run time
    """An object to be called by generated code, once it was entered."""

    __slots__ = ("_entry", "_otherwise")


def called_through_slot(cls: type) -> type:
    """A class under Entered that has its call slot; from 3.12 on, Python hands it down itself."""
    flags = id(cls) + layout.TYPE_FLAGS
    if IS_ALLOWED and sys.version_info < (3, 12) and layout.word(flags) == cls.__flags__:
        ctypes.c_uint64.from_address(flags).value |= _VECTORCALL
    return cls


ENTRY, FALLBACK = Entered.__dict__["_entry"], Entered.__dict__["_otherwise"]
del Entered._entry, Entered._otherwise  # their descriptors stay here, and nobody else sets them


def enter(target: Entered, entry: Entry, fallback: Callable[..., Any]) -> None:
    """From now on generated code answers calls of target, all others the fallback.

    Safe while target is being called: a wrapper that finds another's block takes the fallback.
    """
    address = HELD[id(entry)][0][0]
    FALLBACK.__set__(target, fallback)
    ctypes.c_uint64.from_address(id(target) + layout.VECTORCALL).value = address
    ENTRY.__set__(target, entry)

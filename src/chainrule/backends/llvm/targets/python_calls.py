"""Callables whose call slot is generated code.

    Entered   an object with: vectorcall (an address), entry, fallback (objects, or nothing)
    Entry     what a wrapper reads: the address of its block; it keeps alive what the block tells of

A call reads one word, the entry, to find all the rest; so another entry takes its place in one
step. An entry is no container to the garbage collector: its memory and machine code stay until the
last reference to it is dropped, even while a cycle it belongs to is being taken apart. Wrappers are
never freed. So no address is read after what it points to is gone, whatever the order of things.

Where layout.py does not know the interpreter, Entered is a plain class and nothing is generated.
"""

import ctypes
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from chainrule.backends.llvm.nests import DTYPE_OF
from chainrule.backends.llvm.targets import c_api, cpu, layout
from chainrule.backends.llvm.targets.forms import Form
from chainrule.backends.llvm.targets.known import Unproved
from chainrule.backends.llvm.targets.proof import prove
from chainrule.backends.llvm.targets.wrapper import NAME, wrapper

WIDEST = 128  # inputs, outputs, keys, decisions and fixed arrays of one form
FORMS = 512  # wrappers in one process

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

_HELD: dict[int, Any] = {}  # entries, by address -> what their blocks tell of
if IS_ALLOWED:  # the end of the interpreter does not clear it
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(_HELD))


class Entry(_Words):  # type: ignore[misc]  # made at run time
    """A block of words for a wrapper, and what it needs alive."""

    __slots__ = ()

    def __del__(self, _held: dict[int, Any] = _HELD) -> None:
        _held.pop(id(self), None)


class Entered(_Callable):  # type: ignore[misc]  # made at run time
    """An object to be called by generated code, once it was entered."""

    __slots__ = ("_entry", "_otherwise")


_ENTRY, _FALLBACK = Entered.__dict__["_entry"], Entered.__dict__["_otherwise"]
del Entered._entry, Entered._otherwise  # their descriptors stay here, and nobody else sets them


def entry_of(form: Form, block: dict[Any, int], alive: Any) -> Entry | None:
    """What calls of a form need; None where they are not generated.

    block: the words that `form.places` names, "core" and all after it. alive: what they point to.
    """
    if not can_enter(form):
        return None
    words = (ctypes.c_uint64 * len(form.places))()
    for key, at in form.places.items():
        words[at // 8] = _MADE[form] if key == "wrapper" else block.get(key, 0)
    entry = Entry()
    _HELD[id(entry)] = (words, alive)
    ctypes.c_uint64.from_address(id(entry) + layout.BLOCK).value = ctypes.addressof(words)
    return entry


def enter(target: Entered, entry: Entry, fallback: Callable[..., Any]) -> None:
    """From now on generated code answers calls of target, all others the fallback.

    Safe while target is being called: a wrapper that finds another's block takes the fallback.
    """
    address = _HELD[id(entry)][0][0]
    _FALLBACK.__set__(target, fallback)
    ctypes.c_uint64.from_address(id(target) + layout.VECTORCALL).value = address
    _ENTRY.__set__(target, entry)


def can_enter(form: Form) -> bool:
    """True where there is a wrapper of this form now."""
    items = (*form.inputs, *form.outputs)
    return (
        IS_ALLOWED
        and layout.is_wanted()
        and _slots_hold()
        and len(items) + form.fixed + form.decisions + form.keys <= WIDEST
        and (_is_of_python(form) or layout.arrays_hold())
        and bool(_wrapper_address(form))
    )


def _is_of_python(form: Form) -> bool:
    """True where nothing of NumPy is touched."""
    items = (*form.inputs, *form.outputs)
    return form.is_bound or all(x.is_python and not x.is_array for x in items)


@lru_cache(maxsize=1)
def _slots_hold() -> bool:
    """True where the objects of Entered and Entry lie as wrappers read them."""
    x, entry, fallback = Entered(), Entry(), object()
    _ENTRY.__set__(x, entry)
    _FALLBACK.__set__(x, fallback)
    return (
        [layout.word(id(x) + at) for at in (layout.VECTORCALL, layout.ENTRY, layout.FALLBACK)]
        == [0, id(entry), id(fallback)]
        and layout.word(id(entry) + layout.TYPE) == id(Entry)
        and layout.word(id(entry) + layout.BLOCK) == 0
        and Entry.__basicsize__ == layout.BLOCK + 8
        and Entered.__basicsize__ == layout.FALLBACK + 8
    )


# ---- wrappers

_MADE: dict[Form, int] = {}


def _wrapper_address(form: Form) -> int:
    """Where the wrapper of a form begins; 0 for one that cannot be proved safe."""
    if form not in _MADE and len(_MADE) < FORMS:
        text = wrapper(form)
        try:
            prove(text, form)
        except Unproved:
            return 0
        cpu.name_symbols(_symbols())
        code = cpu.compile_text(text)
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(code))  # never freed, for it may be running
        _MADE[form] = code.address(NAME)
    return _MADE.get(form, 0)


@lru_cache(maxsize=1)
def _symbols() -> dict[str, int]:
    functions = {name: c_api.address(name) for name in c_api.CALLS}
    types = (float, str, tuple, list, dict, np.float64, np.ndarray, ReferenceError)
    objects: dict[str, Any] = {x.__name__: x for x in types} | {"None": None, "True": True}
    objects |= DTYPE_OF
    return {c_api.symbol(k): v for k, v in functions.items()} | {
        c_api.symbol(k): id(x) for k, x in objects.items()
    }

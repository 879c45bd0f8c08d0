"""Entries for calls of a form, where a wrapper for it can be generated and proved safe.

See entered.py for the objects that are called.
"""

import ctypes
from functools import lru_cache
from typing import Any

import numpy as np

from chainrule.backends.llvm.nests import DTYPE_OF
from chainrule.backends.llvm.targets import c_api, cpu, layout
from chainrule.backends.llvm.targets.entered import (
    ENTRY,
    FALLBACK,
    HELD,
    IS_ALLOWED,
    Entered,
    Entry,
)
from chainrule.backends.llvm.targets.forms import Form
from chainrule.backends.llvm.targets.known import Unproved
from chainrule.backends.llvm.targets.proof import prove
from chainrule.backends.llvm.targets.wrapper import NAME, wrapper

WIDEST = 128  # inputs, outputs, keys, decisions and fixed arrays of one form
FORMS = 512  # wrappers in one process


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
    HELD[id(entry)] = (words, alive)
    ctypes.c_uint64.from_address(id(entry) + layout.BLOCK).value = ctypes.addressof(words)
    return entry


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
    ENTRY.__set__(x, entry)
    FALLBACK.__set__(x, fallback)
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

"""Circuits of arrays as one module of machine code, and runs of it between unreadable pages.

Compiling many small circuits as one module costs less than one by one. A guarded run puts every
input, every output, each buffer of the arena and the slots that point to them into pages of their
own, between two that cannot be touched:

    low     begins right after an unreadable page
    high    ends right before one
    odd     begins one number after an unreadable page

Inputs can only be read. Whatever reads or writes outside ends the process; so run it in another.
"""

import ctypes
import mmap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chainrule.backends.llvm.arrays import runner
from chainrule.backends.llvm.emit import CORE
from chainrule.backends.llvm.fuse import array_plan
from chainrule.backends.llvm.nests import BYTES, DTYPE_OF, ArrayPlan, Buffer, View, views_of
from chainrule.backends.llvm.program import emit_program
from chainrule.backends.llvm.targets import cpu
from chainrule.circuit.circuit import Circuit

PAGE = mmap.PAGESIZE
ENDS = ("low", "high", "odd")
NONE, READ, BOTH = 0, 1, 3
_protect = ctypes.CDLL(None, use_errno=True).mprotect
_protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


@dataclass(frozen=True)
class Core:
    """One circuit of a module; called with its inputs it gives its outputs."""

    circuit: Circuit
    plan: ArrayPlan
    engine: Any
    name: str

    def address(self, _: str = CORE) -> int:
        """Where its machine code begins."""
        return int(self.engine.address(self.name))

    def __call__(self, *inputs: Any) -> list[Any]:
        weak = [self.circuit.type_of(w).weak for w in self.circuit.outputs]
        return list(runner(self.plan, self, weak)(inputs, list))


def together(
    circuits: Sequence[Circuit], level: int = 1, *, apart: bool = False, at_once: int = 1
) -> list[Core]:
    """The circuits as one module; `apart`: each buffer of their arenas in pages of its own;
    `at_once`: vectors in one go of a loop."""
    plans = [array_plan(c) for c in circuits]
    if apart:
        plans = [_apart(plan, k) for k, plan in enumerate(plans)]
    parts: dict[str, None] = {}  # functions and declarations that several need, once
    for k, plan in enumerate(plans):
        text = emit_program(plan, at_once)
        named = text.replace(f"define i32 @{CORE}(", f"define i32 @{CORE}.{k}(")
        parts |= dict.fromkeys(named.rstrip().split("\n\n"))
    code = cpu.compile_text("\n\n".join(parts) + "\n", level)
    return [Core(c, plan, code, f"{CORE}.{k}")
            for k, (c, plan) in enumerate(zip(circuits, plans, strict=True))]


# ---- memory between unreadable pages


def _pages(size: int) -> int:
    return -(-size // PAGE) * PAGE


def _in_between(plan: ArrayPlan) -> list[Buffer]:
    """The buffers of the arena."""
    found = (v.buffer for item in plan.items for v in views_of(item))
    return list(dict.fromkeys(b for b in found if b.role == "arena"))


def _apart(plan: ArrayPlan, turn: int) -> ArrayPlan:
    """The plan with an unreadable page on both sides of each buffer, which touches one of them."""
    at = PAGE
    for k, b in enumerate(_in_between(plan)):
        at += _pages(b.bytes) + PAGE
        b.place = at - PAGE - (b.bytes if (k + turn) % 2 else _pages(b.bytes))
    return replace(plan, arena=at + PAGE)


class Room:
    """Memory of whole pages, an unreadable one on each side."""

    def __init__(self, size: int) -> None:
        self.size = _pages(size)
        self.map = mmap.mmap(-1, self.size + 2 * PAGE)
        self.begin = ctypes.addressof(ctypes.c_char.from_buffer(self.map)) + PAGE
        for at in (self.begin - PAGE, self.begin + self.size):
            assert not _protect(at, PAGE, NONE)

    def allow(self, how: int) -> None:
        """What may be done with it."""
        assert not self.size or not _protect(self.begin, self.size, how)

    def place(self, size: int, unit: int, end: str) -> int:
        """Where something of a size stands."""
        if end == "high":
            return self.begin + self.size - size
        return self.begin + (unit if end == "odd" and size + unit <= self.size else 0)


_FREE: dict[int, list[Room]] = {}


@contextmanager
def _borrowed() -> Iterator[Any]:
    """Gives rooms, and takes them back."""
    lent: list[Room] = []

    def room(size: int) -> Room:
        free = _FREE.setdefault(_pages(size), [])
        lent.append(free.pop() if free else Room(size))
        lent[-1].allow(BOTH)
        return lent[-1]

    yield room
    for r in lent:
        _FREE[r.size].append(r)


def run_guarded(core: Core, inputs: Sequence[Any], end: str) -> tuple[int, list[Any]]:
    """The program's result, and its outputs."""
    plan = core.plan
    with _borrowed() as room:
        fixed = [np.asarray(x, DTYPE_OF[b.kind]) for b, x in plan.constants]
        given = [_put(room, x, b, end) for x, b in
                 zip([*inputs, *fixed], [*plan.inputs, *(b for b, _ in plan.constants)],
                     strict=True)]
        places = [_made(room, out, end) for out in plan.outputs]
        slots = [_slots(room, x, end) for x in (given, places)]
        arena = mmap.mmap(-1, max(plan.arena, PAGE) + PAGE)
        view = ctypes.c_char.from_buffer(arena)
        begin = ctypes.addressof(view)
        _guard_arena(plan, begin)
        run = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 3)(core.address())
        status = run(slots[0], slots[1], begin)
        del view
        got = np.frombuffer(ctypes.string_at(slots[1], 8 * len(places)), np.int64)
        return status, [_got(out, at, got[k]) for k, (out, at) in
                        enumerate(zip(plan.outputs, places, strict=True))]


def _put(room: Any, x: Any, what: Any, end: str) -> int:
    """An input as its slot holds it; arrays in memory that can only be read."""
    if not isinstance(what, Buffer):
        wide = np.float64(x) if what.kind in "fs" else np.int64(x)
        return int(wide.view(np.int64))
    data = np.ascontiguousarray(x, DTYPE_OF[what.kind]).tobytes()
    own = room(len(data))
    at = own.place(len(data), BYTES[what.kind], end)
    ctypes.memmove(at, data, len(data))
    own.allow(READ)
    return at


def _made(room: Any, out: Any, end: str) -> int:
    """Memory for an output array, none of it a number yet."""
    if not isinstance(out, View):
        return 0
    own = room(out.buffer.bytes)
    ctypes.memset(own.begin, 0xFF, own.size)
    return own.place(out.buffer.bytes, BYTES[out.buffer.kind], end)


def _slots(room: Any, values: Sequence[int], end: str) -> int:
    own = room(8 * len(values))
    at = own.place(8 * len(values), 8, end)
    ctypes.memmove(at, np.array(values, np.int64).tobytes(), 8 * len(values))
    return at


def _guard_arena(plan: ArrayPlan, begin: int) -> None:
    """Only the pages of its buffers, and the last one for faults, can be touched."""
    ctypes.memset(begin, 0xFF, plan.arena)
    assert not _protect(begin, _pages(plan.arena), NONE)
    for b in _in_between(plan):
        if b.bytes:
            assert not _protect(begin + b.place // PAGE * PAGE, _pages(b.bytes), BOTH)
    assert not _protect(begin + plan.arena - PAGE, PAGE, BOTH)
    assert not _protect(begin + plan.arena, PAGE, NONE)


def _got(out: Any, at: int, slot: Any) -> Any:
    if isinstance(out, View):
        kind = DTYPE_OF[out.buffer.kind]
        return np.frombuffer(ctypes.string_at(at, out.buffer.bytes), kind).reshape(out.shape)
    return slot.view(np.float64) if out.kind in "fs" else DTYPE_OF[out.kind].type(slot)

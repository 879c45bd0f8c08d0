"""A compiled circuit of arrays as a Python callable, entered through ctypes.

Each call gives its slots as bytes of its own and fills new arrays, so calls may nest and run in any
number of threads; memory for what stands in between is kept for the next call.
"""

import ctypes
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.backends.llvm.emit import CORE
from chainrule.backends.llvm.fuse import array_plan
from chainrule.backends.llvm.nests import DTYPE_OF, ArrayPlan, Buffer, View, views_of
from chainrule.backends.llvm.overlap import may_replace
from chainrule.backends.llvm.programs import Programs
from chainrule.backends.llvm.values import Value
from chainrule.circuit.circuit import Circuit

LONG = 50_000  # numbers read and written; above, other threads may run meanwhile


class CompiledArrays:
    """Inputs in the circuit's order -> the list of its outputs, arrays and numbers.

    Arrays must have the shapes the circuit was traced with; those without row-major order are
    copied first.
    """

    __slots__ = (
        "_code", "_replaceable", "_run", "boxes", "level", "plan", "program", "text", "weak",
    )

    def __init__(
        self, circuit: Circuit, level: int = 1, programs: Programs | None = None
    ) -> None:
        """programs: those of the same function, whose machine code may serve this circuit too."""
        self.level = level
        shapes = [circuit.type_of(w).shape for w in circuit.inputs]
        self.plan: ArrayPlan
        self.plan, self.program = (programs or Programs()).program(
            array_plan(circuit), shapes, level
        )
        self.text, self._code = self.program.text, self.program.code
        self.weak = [circuit.type_of(w).weak for w in circuit.outputs]
        self.boxes = [None] * len(self.weak)  # outputs are of their own class already
        self._replaceable: dict[tuple[int, int], bool] = {}
        self._run = runner(self.plan, self._code, self.weak)

    def __call__(self, *inputs: Any) -> list[Any]:
        """The outputs, as computed by the machine code."""
        return self._run(inputs, list)  # type: ignore[no-any-return]  # a list

    def fill(self, inputs: Sequence[Any], into: Sequence[Any]) -> list[Any]:
        """The outputs, some of them in arrays of the caller; None stands for a new one.

        An array of `into` is row-major, of its output's shape and dtype. Where it shares memory
        with one that is read, `may_replace` has to allow it.
        """
        return self._run(inputs, list, into)  # type: ignore[no-any-return]  # a list

    def may_replace(self, output: int, source: int) -> bool:
        """True where an output may lie just where an array that is read does: an input, or, counted
        after them, a constant."""
        if (output, source) not in self._replaceable:
            read = [*self.plan.inputs, *(buffer for buffer, _ in self.plan.constants)][source]
            self._replaceable[output, source] = isinstance(read, Value) or may_replace(
                self.plan, output, read
            )
        return self._replaceable[output, source]

    @property
    def is_for_every_n(self) -> bool:
        """True where the machine code serves other extents too."""
        return self.program.plan.varying is not None

    @property
    def address(self) -> int:
        """Where the machine code begins."""
        return int(self._code.address(CORE))

    def delivering(self, deliver: Callable[[Sequence[Any]], Any]) -> Callable[..., Any]:
        """A callable: inputs -> deliver(outputs)."""
        run = self._run
        return lambda *inputs: run(inputs, deliver)


def runner(plan: ArrayPlan, code: Any, weak: list[bool]) -> Callable[..., Any]:
    """A callable: inputs, deliver -> deliver(outputs). weak: which of them are Python's."""
    kinds = [x.kind for x in plan.inputs]
    is_array = [isinstance(x, Buffer) for x in plan.inputs]
    constants = [(array, b.kind) for b, array in plan.constants]
    held = [ready(*x) for x in constants]
    begins, strays = [*map(address, held)], [k for k, x in enumerate(constants) if is_stray(*x)]
    slots = "".join("q" if a else _GIVEN[k] for a, k in zip(is_array, kinds, strict=True))
    pack = struct.Struct("=" + slots + "q" * len(held)).pack
    makers = [_maker(x, w) for x, w in zip(plan.outputs, weak, strict=True)]
    count, size = len(makers), plan.arena
    make = ctypes.CFUNCTYPE if is_long(plan) else ctypes.PYFUNCTYPE
    core = make(ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p)(
        code.address(CORE)
    )
    spare: list[Any] = []

    def run(
        inputs: Sequence[Any],
        deliver: Callable[[Sequence[Any]], Any],
        into: Sequence[Any] = (None,) * count,
        _alive: Any = (code, held),
    ) -> Any:
        kept = [
            ready(x, k) if a else x for x, a, k in zip(inputs, is_array, kinds, strict=True)
        ]
        given = [address(x) if a else x for x, a in zip(kept, is_array, strict=True)]
        outputs = np.empty(count, np.int64)
        arrays = []
        for slot, (maker, there) in enumerate(zip(makers, into, strict=True)):
            arrays.append(maker.array() if there is None else there)
            if arrays[-1] is not None:
                outputs[slot] = address(arrays[-1])
        arena = spare.pop() if spare else np.empty(size + 64, np.uint8)
        begin = -(-address(arena) // 64) * 64
        copies = {k: ready(*constants[k]) for k in strays}
        fixed = [address(copies[k]) if k in copies else x for k, x in enumerate(begins)]
        slots = pack(*given, *fixed)
        try:
            fault = core(slots, address(outputs), begin)
        except ctypes.ArgumentError:  # bytes and addresses are good: there was no room to pass them
            raise MemoryError from None
        wrong = ctypes.c_int64.from_address(begin).value if fault else 0
        spare.append(arena)
        filled = enumerate(zip(makers, arrays, strict=True))
        result = deliver([m.result(outputs, slot, a) for slot, (m, a) in filled])
        if fault:  # after `deliver`, which may find that these are not the outputs wanted
            raise plan.faults[fault - 1].error(wrong)
        return result

    return run


_GIVEN = {"f": "d", "s": "d", "i": "q", "b": "?7x"}


def ready(x: Any, kind: str) -> Any:
    """An array in row-major order, of the dtype the code reads."""
    return np.ascontiguousarray(x, DTYPE_OF[kind])


def is_stray(x: Any, kind: str) -> bool:
    """True for an array that is not read where it lies; what it holds is copied at each call."""
    return x.size > 0 and not np.may_share_memory(ready(x, kind), x)


def address(x: Any) -> int:
    """Where the numbers of an array begin."""
    try:  # a sixth of the time of what follows
        return ctypes.addressof(ctypes.c_char.from_buffer(x))
    except (TypeError, ValueError, BufferError):  # read-only, empty, or with gaps
        return int(x.ctypes.data)  # __array_interface__ takes no notice of memory that runs out


def is_long(plan: ArrayPlan) -> bool:
    """True where other threads should run meanwhile."""
    return sum(v.buffer.size for item in plan.items for v in views_of(item)) >= LONG


class _Maker:
    """How one output is made: an array to fill, or a number to read."""

    def __init__(self, kind: str, shape: tuple[int, ...] | None, weak: bool) -> None:
        self.dtype = DTYPE_OF[kind]
        self.shape = shape
        self.box: Callable[[Any], Any] = _PYTHON[kind] if weak else self.dtype.type
        self.is_real = kind in "fs"

    def array(self) -> Any:
        return None if self.shape is None else np.empty(self.shape, self.dtype)

    def result(self, outputs: Any, slot: int, array: Any) -> Any:
        if array is not None:
            return array
        number = outputs.view(np.float64)[slot] if self.is_real else outputs[slot]
        return self.box(number)


_PYTHON = {"f": float, "s": float, "i": int, "b": bool}


def _maker(x: Any, weak: bool) -> _Maker:
    if isinstance(x, View):
        return _Maker(x.buffer.kind, x.shape, weak)
    return _Maker(x.kind, None, weak)

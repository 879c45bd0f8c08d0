"""A compiled circuit as a Python callable, entered through ctypes.

Each call packs its inputs into bytes of its own and gets its outputs in a buffer of its own, so
calls may nest and run in any number of threads.
"""

import ctypes
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.backends.llvm.emit import CORE, emit
from chainrule.backends.llvm.plan import Plan, plan_of
from chainrule.backends.llvm.targets import cpu
from chainrule.circuit.circuit import Circuit
from chainrule.errors import InputError

_BOX: dict[tuple[str, bool], Callable[[Any], Any]] = {
    ("f", True): float, ("i", True): int, ("b", True): bool,
    ("f", False): np.float64, ("i", False): np.int64, ("b", False): np.bool_,
}


class CompiledNumbers:
    """Inputs in the circuit's order -> the list of its outputs.

    Outputs are Python numbers where the circuit's are, else NumPy scalars.
    """

    __slots__ = ("_code", "_numbers", "boxes", "level", "plan", "text", "weak")

    def __init__(self, circuit: Circuit, level: int = 1) -> None:
        self.level = level
        self.plan: Plan = plan_of(circuit)
        self.text = emit(self.plan)
        self._code = cpu.compile_text(self.text, level)
        self.weak = [circuit.type_of(w).weak for w in circuit.outputs]
        self.boxes = [_BOX[x.kind, w] for x, w in zip(self.plan.outputs, self.weak, strict=True)]
        self._numbers = self.delivering(_boxing(self.boxes))

    def __call__(self, *inputs: Any) -> list[Any]:
        """The outputs, as computed by the machine code."""
        try:
            return self._numbers(*inputs)  # type: ignore[no-any-return]  # a list, boxed
        except (struct.error, TypeError) as error:
            raise self._refused(inputs, error) from None

    def fill(self, inputs: Sequence[Any], into: Sequence[Any]) -> list[Any]:
        """The outputs; numbers, none of which goes into an array."""
        return self(*inputs)

    @property
    def address(self) -> int:
        """Where the machine code begins."""
        return self._code.address(CORE)

    def delivering(self, deliver: Callable[[tuple[Any, ...]], Any]) -> Callable[..., Any]:
        """A quicker callable: inputs -> deliver(outputs), the outputs as Python numbers."""
        pack = struct.Struct("=" + "".join(_GIVEN[x.kind] for x in self.plan.inputs)).pack
        unpack = struct.Struct("=" + "".join(_GOT[x.kind] for x in self.plan.outputs)).unpack
        buffer = ctypes.c_double * len(self.plan.outputs)
        # PYFUNCTYPE keeps the interpreter's lock: these calls are short
        core = ctypes.PYFUNCTYPE(None, ctypes.c_char_p, buffer)(self._code.address(CORE))
        code = self._code  # its memory holds the function

        def run(*inputs: Any, _alive: Any = code) -> Any:
            out = buffer()
            try:
                core(pack(*inputs), out)
            except ctypes.ArgumentError:  # bytes are good: there was no room to pass them
                raise MemoryError from None
            return deliver(unpack(out))

        return run

    def _refused(self, inputs: Sequence[Any], error: Exception) -> InputError:
        wanted = ", ".join(f"{x} ({_SAID[x.kind]})" for x in self.plan.inputs)
        got = ", ".join(type(x).__name__ for x in inputs)
        return InputError(
            f"machine code takes {wanted or 'no inputs'}; got {got or 'none'}: {error}"
        )


_SAID = {"f": "a real number", "i": "a whole number", "b": "true or false"}
# The slots of 8 bytes as struct writes them; a flag is true where its slot is not 0.
_GIVEN = {"f": "d", "i": "q", "b": "?7x"}
_GOT = {"f": "d", "i": "q", "b": "q"}


def _boxing(boxes: Sequence[Callable[[Any], Any]]) -> Callable[[tuple[Any, ...]], list[Any]]:
    """What makes a list of the outputs, each of its own type."""
    if all(box is float for box in boxes):
        return list
    return lambda values: [box(x) for box, x in zip(boxes, values, strict=True)]

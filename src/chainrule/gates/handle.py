"""Handle: what rules compute with. A wire in a builder, with Python's operators."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.circuit.builder import Builder
from chainrule.circuit.record import BY_NAME, BY_NUMPY, Gate
from chainrule.circuit.types import Type


class Carrier:
    """Anything that turns gates applied to it into stages: operators and shape for rules."""

    __slots__ = ()
    __array_priority__ = 1000

    birth: int

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        gate = BY_NUMPY.get(ufunc)
        return NotImplemented if gate is None or method != "__call__" or settings else gate(*inputs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        gate = BY_NUMPY.get(function)
        if gate is None or gate.bind is None:
            return NotImplemented
        bound = gate.bind(*args, **kwargs)
        gate, operands, attrs = bound if len(bound) == 3 else (gate, *bound)
        return gate(*operands, **attrs)

    __hash__ = object.__hash__  # == records a stage, so identity hashes

    def apply(self, gate: Gate, operands: Sequence[Any], attrs: Mapping[str, Any]) -> Any:
        """Record one stage."""
        raise NotImplementedError

    @property
    def type(self) -> Type:
        """Shape, dtype and weakness of the wire."""
        raise NotImplementedError

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return self.type.shape

    @property
    def dtype(self) -> "np.dtype[Any]":
        """NumPy dtype."""
        return self.type.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.type.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.type.size


def _unary(gate_name: str) -> Callable[[Any], Any]:
    return lambda self: self.apply(BY_NAME[gate_name], (self,), {})


def _operator(gate_name: str, reflected: bool) -> Callable[..., Any]:
    def forward(self: Any, other: Any) -> Any:
        return self.apply(BY_NAME[gate_name], (self, other), {})

    def backward(self: Any, other: Any) -> Any:
        return self.apply(BY_NAME[gate_name], (other, self), {})

    return backward if reflected else forward


# Python's binary operators and the gates they mean; filled once, used by Handle and Traced alike.
BINARY = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "pow": "power",
    "matmul": "matmul", "mod": "remainder", "floordiv": "floor_divide", "and": "bitwise_and",
    "or": "bitwise_or",
}
COMPARE = {
    "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal",
    "ne": "not_equal",
}
UNARY = {"neg": "negate", "abs": "abs", "invert": "invert"}
for _python, _gate in UNARY.items():
    setattr(Carrier, f"__{_python}__", _unary(_gate))
for _python, _gate in BINARY.items():
    setattr(Carrier, f"__{_python}__", _operator(_gate, reflected=False))
    setattr(Carrier, f"__r{_python}__", _operator(_gate, reflected=True))
for _python, _gate in COMPARE.items():
    setattr(Carrier, f"__{_python}__", _operator(_gate, reflected=False))


class Handle(Carrier):
    """A wire in a builder. Gates applied to it append rows there."""

    __slots__ = ("builder", "wire")
    birth = -1  # older than every trace: a traced value never meets one

    def __init__(self, builder: Builder, wire: int) -> None:
        self.builder = builder
        self.wire = wire

    def apply(self, gate: Gate, operands: Sequence[Any], attrs: Mapping[str, Any]) -> "Handle":
        """Append one stage; plain numbers among the operands become constants."""
        b = self.builder
        wires = [x.wire if isinstance(x, Handle) else b.constant(x) for x in operands]
        return Handle(b, b.apply(gate, wires, attrs))

    @property
    def type(self) -> Type:
        """Shape, dtype and weakness of the wire."""
        return self.builder.type_of(self.wire)

    def __repr__(self) -> str:
        return f"<handle {self.wire}: {self.type}>"

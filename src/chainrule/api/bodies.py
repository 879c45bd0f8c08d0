"""Bodies: a user's plain function as a circuit, recorded once for inputs of given types.

The function is called on traced stand-ins of those types. What it records is a small circuit, and
that is applied again wherever the function is wanted: to numbers, handles or traced values. So a
rule in plain NumPy can be drawn, printed, compiled and differentiated again like any other.
A body must not depend on the numbers, so decisions on them are refused.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.circuit.circuit import Circuit
from chainrule.circuit.record import CONSTANT, kind_id
from chainrule.circuit.types import FLOAT, TYPES, Type, is_number, type_id
from chainrule.errors import TraceError
from chainrule.trace.places import span
from chainrule.trace.trace import Trace
from chainrule.trace.traced import Traced, traced

Samples = Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Body:
    """What a function recorded: per result a wire of the circuit, or a value that is always so."""

    circuit: Circuit
    results: tuple[Any, ...]  # _Wire or a plain value
    is_tuple: bool = True

    @classmethod
    def of(cls, circuit: Circuit, wires: Sequence[int | None]) -> "Body":
        """The body whose results are these wires, None where there is none."""
        return cls(circuit, tuple(None if w is None else _Wire(w) for w in wires))

    def kinds(self) -> list[Any]:
        """Per result its type; None, and what is no number or array, as it is."""
        def kind(result: Any) -> Any:
            if isinstance(result, _Wire):
                return self.circuit.type_of(result.wire)
            return TYPES[type_id(result)] if is_number(result) else result

        return [kind(result) for result in self.results]

    def with_plain_floats(self) -> "Body":
        """NumPy's numbers as Python's, which leave the dtype of what they meet as it is."""
        c = self.circuit
        kinds = c.kind[:]
        for row, value in zip(c.constant_rows, c.constants, strict=True):
            if value.__class__ is np.float64:
                kinds[row] = kind_id(CONSTANT, (), FLOAT)
        constants = tuple(map(_plain, c.constants))
        return Body(c.with_(kind=kinds, constants=constants), tuple(map(_plain, self.results)),
                    self.is_tuple)

    def entries(self, given: Sequence[Any]) -> tuple[Any, ...]:
        """The results for these inputs; those computed are left uncalled until they are wanted."""
        values: dict[int, Any] = dict(zip(self.circuit.inputs, given, strict=True))

        def entry(result: Any) -> Any:
            return (lambda: self._value(result.wire, values)) if isinstance(result, _Wire) \
                else result

        return tuple(map(entry, self.results))

    def _value(self, wire: int, values: dict[int, Any]) -> Any:
        """The value of a wire; what it needs is computed once for all results."""
        c = self.circuit
        waiting = [wire]
        while waiting:
            row = waiting[-1]
            missing = [w for w in c.operands(row) if w not in values]
            if missing and row not in values:
                waiting.extend(missing)
                continue
            waiting.pop()
            kind = c.kind_of(row)
            if kind.gate is CONSTANT:
                values[row] = c.constant(row)
            elif row not in values:
                values[row] = kind.gate(*(values[w] for w in c.operands(row)), **kind.attrs)
        return values[wire]


def _plain(value: Any) -> Any:
    return float(value) if value.__class__ is np.float64 else value


@dataclass(frozen=True)
class _Wire:
    """A result that is computed."""

    wire: int


def body_of(
    f: Callable[..., Any], types: Sequence[Type], attrs: Mapping[str, Any], samples: Samples = ()
) -> Body:
    """The body of f for inputs of these types.

    Raises TraceError for decisions on values, and whatever f raises on every stand-in.
    """
    trace, out = _recorded(f, types, attrs, samples)
    if trace.decisions:
        _, outcome, code, lasti = trace.decisions[0]
        raise TraceError(
            f"it takes a decision on a value, which was {outcome}, in {code.co_name}, "
            f"{code.co_filename} line {span(code, lasti).line}\n"
            "  Instead: write np.where(condition, x, y), or np.maximum(x, y) for max(x, y)."
        )
    several = isinstance(out, tuple | list)
    results = tuple(
        _Wire(x.wire) if isinstance(x, Traced) and x.trace is trace else x
        for x in (out if several else (out,))
    )
    wires = [r.wire for r in results if isinstance(r, _Wire)]
    return Body(trace.circuit(wires, getattr(f, "__name__", "f")), results, several)


def _recorded(
    f: Callable[..., Any], types: Sequence[Type], attrs: Mapping[str, Any], samples: Samples
) -> tuple[Trace, Any]:
    first: Exception | None = None
    for values in stand_ins(types, samples):
        trace = Trace()
        inputs = [traced(trace, trace.input(v), v) for v in values]
        try:
            with np.errstate(all="ignore"):
                return trace, f(*inputs, **attrs)
        except Exception as error:  # the next stand-ins may suit the function better
            first = first or error
        finally:
            trace.close()
    assert first is not None  # there are always stand-ins
    raise first


def stand_ins(types: Sequence[Type], samples: Samples = ()) -> Iterator[list[Any]]:
    """Values of these types: a user's samples where they fit, then ones, halves, twos."""
    for sample in samples:
        if [TYPES[type_id(x)] for x in sample] == list(types):
            yield list(sample)
    for level in (1.0, 0.5, 2.0):
        yield [_stand_in(t, level) for t in types]


def _stand_in(t: Type, level: float) -> Any:
    if t.weak:
        return {"f": level, "i": max(int(level), 1), "b": True}[t.dtype.kind]
    if t.dtype.kind != "f":
        return np.full(t.shape, level == 2.0, t.dtype)[()]  # positions: the first is always there
    made = np.full(t.shape, level, t.dtype)
    if level == 2.0 and len(t.shape) > 1:
        square = np.eye(t.shape[-2], t.shape[-1])
        made = (0.5 + 2 * square * np.ones(t.shape)).astype(t.dtype)  # invertible
    return made[()]

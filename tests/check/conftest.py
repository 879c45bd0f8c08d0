"""What the tests of checks share: a function taken to a circuit with a backward part."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from chainrule.backends.stepwise import run
from chainrule.check.circuits import check
from chainrule.check.verdict import Verdict
from chainrule.circuit.circuit import Circuit
from chainrule.circuit.notes import Part
from chainrule.circuit.readings import Readings
from chainrule.circuit.record import KINDS, Gate
from chainrule.trace.names import with_names
from chainrule.trace.trace import Trace
from chainrule.trace.traced import traced
from chainrule.transform.fit import called
from chainrule.transform.grouping import with_groups
from chainrule.transform.recorder import with_backward


@dataclass(frozen=True)
class Worked:
    circuit: Circuit
    part: Part
    readings: Readings

    @property
    def inputs(self) -> tuple[int, ...]:
        return self.circuit.inputs[:-1]  # the last is the output's gradient

    def gradient(self, wire: int) -> Any:
        return self.readings.gradient(self.part, wire)

    def check(self, **settings: Any) -> Verdict:
        return check(self.circuit, self.part, self.readings, run, **settings)


def worked(f: Callable[..., Any], *args: Any, grouped: bool = True, dout: Any = 1.0) -> Worked:
    t = Trace()
    names = f.__code__.co_varnames
    inputs = [traced(t, t.input(a, name), a) for a, name in zip(args, names, strict=False)]
    with np.errstate(all="ignore"):
        out = f(*inputs)
    t.close()
    c = with_names(t.circuit([out.wire]), t)
    c = with_groups(c) if grouped else c
    c = with_backward(c, out.wire, c.inputs, inside=True, gradient_is_input=True)
    t_out = c.type_of(out.wire)
    dout = dout if t_out.weak else np.asarray(dout, t_out.dtype)[()]
    with np.errstate(all="ignore"):
        return Worked(c, c.parts[-1], run(c, [*args, dout], None))


@pytest.fixture(scope="session")
def work() -> Callable[..., Worked]:
    return worked


@pytest.fixture
def spoil() -> Iterator[Callable[..., None]]:
    """Make a gate's rule wrong for one operand, until the test ends."""
    undo: list[tuple[Any, str, Any]] = []

    def change(record: Any, field: str, value: Any) -> None:
        undo.append((record, field, getattr(record, field)))
        object.__setattr__(record, field, value)

    def spoil(gate: Gate, wrong: Callable[[Any], Any], index: int = 0, field: str = "") -> None:
        field = field or ("vjp" if gate.vjp else "local")
        right = getattr(gate, field)

        def rule(*operands: Any, **attrs: Any) -> list[Any]:
            entries = list(right(*operands, **attrs))
            entry = entries[index]
            entries[index] = lambda: wrong(called(entry))
            return entries

        change(gate, field, rule)
        for kind in KINDS:  # a kind keeps the rule its engine goes by
            if kind.gate is gate and getattr(kind, "partials", None) is right:
                change(kind, "partials", rule)

    yield spoil
    for record, field, value in reversed(undo):
        object.__setattr__(record, field, value)

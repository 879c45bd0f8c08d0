"""The catalogue's contract over one user's gate: what every gate must be, at the gate's samples.

    type           the type of the output is as foretold
    derivative     agrees with central differences, in both modes, and so does the second
    stages         the function's own stages, if it can be recorded, give the same value
"""

from collections.abc import Iterator, Sequence
from functools import partial, wraps
from typing import Any

import numpy as np

from chainrule.api.checking import check_grads
from chainrule.api.user_gates import UserGate
from chainrule.circuit.record import Gate
from chainrule.circuit.types import TYPES, type_id
from chainrule.errors import GradientError, InputError, UnsupportedError
from chainrule.transform.forward import replay

TOLERANCE = 1e-12  # between a function and its stages: a few roundings apart


def check_gate(gate: UserGate, samples: Sequence[Any] | None = None, **settings: Any) -> None:
    """What chainrule.check_gate does."""
    if not isinstance(gate, UserGate):
        raise InputError(f"check_gate is for gates made with chainrule.gate, not {gate!r:.60}")
    _, record = gate.record()
    given = record.samples if samples is None else tuple(map(tuple, samples))
    if not given:
        raise InputError(
            f"the gate {gate.name} has no samples to be checked at: give samples= to cr.gate, or "
            f"here: [({', '.join('1.5' for _ in record.inputs)},), ...]"
        )
    _, attrs = gate.bound(given[0], settings)
    wrong = [f"{gate.name}{_shown(s)}: {fault}" for s in given
             for fault in _faults(gate, record, s, attrs)]
    if wrong:
        raise GradientError("\n".join(wrong))


def _faults(
    gate: UserGate, record: Gate, sample: tuple[Any, ...], attrs: dict[str, Any]
) -> Iterator[str]:
    value = record.compute(sample, attrs)
    wanted = record.infer([TYPES[type_id(x)] for x in sample], **attrs)
    found = TYPES[type_id(value)]
    if (found.shape, found.dtype) != (wanted.shape, wanted.dtype):
        yield f"its output is {found}, but from inputs like these it was {wanted} before"
    at_kink = record.kinks is not None and record.kinks(*sample)
    if not at_kink:
        try:
            check_grads(wraps(gate)(partial(gate, **attrs)), sample, order=2)
        except GradientError as error:
            yield from str(error).splitlines()
    try:
        stages = record.body(tuple(TYPES[type_id(x)] for x in sample), attrs)  # type: ignore[misc]  # a user's gate has one
    except UnsupportedError:
        return
    again = replay(stages, sample)
    if not np.allclose(again, value, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
        yield f"its stages give {again}, but the function {value}"


def _shown(sample: tuple[Any, ...]) -> str:
    return f"({', '.join(f'{x!r:.30}' for x in sample)})"

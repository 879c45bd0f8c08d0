"""Functions drawn and differentiated as one gate, their stages kept: what chainrule.group makes."""

from collections.abc import Callable, Mapping, Sequence
from functools import update_wrapper
from types import MethodType
from typing import Any

from chainrule.api.gate_rules import Rule, described
from chainrule.api.inputs import is_leaf
from chainrule.api.outside import fingerprint
from chainrule.api.user_gates import maker_of, settings_of
from chainrule.circuit.notes import Mark
from chainrule.circuit.record import Attrs, Gate, admit, attrs_key, stages_gate
from chainrule.circuit.types import is_number
from chainrule.errors import InputError, OutputError
from chainrule.trace.trace import Trace
from chainrule.trace.traced import Traced


class UserGroup:
    """A function whose stages are one gate in meaning: call it like the function."""

    def __init__(
        self, f: Callable[..., Any], *, local: Rule | None = None, name: str | None = None,
        symbol: str = "", words: str = "",
    ) -> None:
        if not callable(f):
            raise InputError(f"a group is made from a function, not from {described(f)}")
        update_wrapper(self, f)
        own = getattr(f, "__name__", type(f).__name__)
        self._f = f
        self.name = name or ("group" if own == "<lambda>" else own)
        self._maker = None if local is None else maker_of(
            f, local=local, name=self.name, symbol=symbol, words=words
        )
        self._plain = stages_gate(self.name, symbol)
        self._gates: dict[Any, Gate] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the function gives; from traced values, its stages are recorded as one group."""
        traces = _traces([*args, *kwargs.values()])
        if not traces:
            return self._f(*args, **kwargs)
        gate, operands, attrs = self._gate_for(args, kwargs)
        begins = [(t, _wires(t, operands), len(t)) for t in traces]
        out = self._f(*args, **kwargs)
        if not (isinstance(out, Traced) or is_number(out)):
            raise OutputError(f"the group {self.name} returned {described(out)}: a group has one "
                              "output, a number or an array")
        for trace, inputs, begin in begins:
            end = _in(trace, out)
            if end is not None and end.wire >= begin:
                trace.marks.append(Mark(gate, begin, len(trace), inputs, end.wire, attrs))
        return out

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<group {self.name}>"

    def _gate_for(
        self, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[Gate, list[Any], Attrs]:
        """The gate, the operands its rule is about, and its settings."""
        maker = self._maker
        if maker is None or maker.local is None:
            return self._plain, [], ()
        operands, attrs = settings_of(maker, args, kwargs)
        key = fingerprint(self.name, (maker.f, maker.local))
        if key not in self._gates:
            self._gates[key] = admit(maker.again().gate())
        return self._gates[key], operands, attrs_key(attrs)


def _traces(values: Sequence[Any]) -> list[Trace]:
    """Every open trace that records one of the values, lists and dicts of them included."""
    leaves: Any = values
    if not all(is_leaf(v) for v in values):
        import optree

        nest: Any = list(values)
        leaves = optree.tree_leaves(nest, none_is_leaf=True)
    found: dict[Trace, None] = {}
    for leaf in leaves:
        while isinstance(leaf, Traced):
            if leaf.trace.is_open:
                found[leaf.trace] = None
            leaf = leaf.value
    return list(found)


def _in(trace: Trace, value: Any) -> Traced | None:
    """What a value is in a trace, where it is something there."""
    while isinstance(value, Traced) and value.trace is not trace:
        value = value.value
    return value if isinstance(value, Traced) else None


def _wires(trace: Trace, operands: Sequence[Any]) -> tuple[int, ...]:
    """The operands' wires in a trace, plain ones as new constants."""
    wires = []
    for operand in operands:
        found = _in(trace, operand)
        if found is None and isinstance(operand, Traced):
            operand = _plain(operand)
        wires.append(trace.constant(operand) if found is None else found.wire)
    return tuple(wires)


def _plain(value: Any) -> Any:
    while isinstance(value, Traced):
        value = value.value
    return value

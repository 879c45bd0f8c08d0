"""Every way to get one entry of one rule wrong, for every gate of the catalogue.

    entries      -p   2 p   1.001 p   p + 1   nothing   the entry of another operand
    arguments    one operand in another's place: x for y, x for out, dout for x
    settings     another axis, keepdims and flags turned, tuples reversed
    masks        alive everywhere or nowhere, turned round, the arriving mask forgotten

A mutant whose rule writes the same stages as the right one is no mutant (x for y in x + y: both
get 1), nor is one whose rule does not run at all: everything notices that.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.api.eager import forget
from chainrule.circuit.builder import Builder
from chainrule.circuit.record import Gate
from chainrule.circuit.types import TYPES, Type, type_id
from chainrule.gates.choose import logical_and, logical_not, logical_or
from chainrule.gates.handle import Handle
from chainrule.transform.fit import called
from chainrule.transform.forward import _transposed_rule

Rule = Callable[..., Any]
Change = Callable[[Any], Any]

ENTRIES: dict[str, Change] = {
    "the sign flipped": lambda p: None if p is None else -1 * p,
    "twice as much": lambda p: None if p is None else 2 * p,
    "a thousandth more": lambda p: None if p is None else 1.001 * p,
    "one more": lambda p: 1 if p is None else p + 1,
    "nothing sent": lambda p: None,
}
MASKS: dict[str, Change] = {
    "turned round": lambda flags: logical_not(flags),
    "alive everywhere": lambda flags: logical_or(flags, logical_not(flags)),
    "alive nowhere": lambda flags: logical_and(flags, logical_not(flags)),
}
FIRST = {"vjp": ("dout",), "mask": ("live",)}  # what a rule takes before the operands


def next_one(setting: Any) -> Any:
    """Another axis, the other flag; for subscripts, the first operand's turned round."""
    if isinstance(setting, bool):
        return not setting
    if setting is None:
        return (0,)
    if isinstance(setting, int):
        return setting + 1
    if isinstance(setting, tuple):
        return tuple(next_one(s) for s in setting)
    if isinstance(setting, str) and "->" in setting:
        first = re.match(r"\w*", setting)[0]
        return first[::-1] + setting[len(first) :]
    return setting


def one_before(setting: Any) -> Any:
    """As `next_one`, in the other direction; all axes for some."""
    if isinstance(setting, bool) or not isinstance(setting, int | tuple):
        return setting
    return setting - 1 if isinstance(setting, int) else None


def reversed_order(setting: Any) -> Any:
    """A tuple turned round, and the tuples in it."""
    return tuple(map(reversed_order, setting[::-1])) if isinstance(setting, tuple) else setting


SETTINGS: dict[str, Change] = {
    "the next": next_one, "the one before": one_before, "turned round": reversed_order,
}


@dataclass(frozen=True)
class Mutant:
    """One rule of one gate made wrong in one entry."""

    gate: Gate
    field: str  # of the gate's record
    index: int  # of the operand whose gradient is wrong
    how: str
    rule: Rule

    @property
    def key(self) -> tuple[str, str, str, str]:
        """(gate, field, operand, how): what the list of equivalent mutants goes by."""
        return self.gate.name, self.field, self.gate.inputs[self.index], self.how

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The library with this one rule wrong, for as long as the block lasts."""
        right = getattr(self.gate, self.field)
        try:
            _put(self.gate, self.field, self.rule)
            yield
        finally:
            _put(self.gate, self.field, right)

    def __str__(self) -> str:
        name, field, operand, how = self.key
        return f"{name}.{field} by {operand}: {how}"


def _put(gate: Gate, field: str, rule: Rule) -> None:
    object.__setattr__(gate, field, rule)
    forget()  # programs compiled from the other rule
    _transposed_rule.cache_clear()


def cases(gate: Gate) -> Iterator[tuple[list[Any], Mapping[str, Any]]]:
    """(operands, settings) for every sample of a gate's record, whole numbers as floats."""
    for attrs in gate.sample_attrs:
        for sample in gate.samples:
            yield [float(x) if type(x) is int else x for x in sample], attrs


def real(sample: list[Any]) -> list[int]:
    """Positions of the operands that can have a gradient."""
    return [i for i, x in enumerate(sample) if np.asarray(x).dtype.kind == "f"]


def mutants_of(gate: Gate) -> Iterator[Mutant]:
    """Every mutant of a gate's rules that says something else than the rule does."""
    fields = ["local", "vjp", "mask"]
    if gate.sample_attrs == ({},):
        fields.append("recognised_local")  # a group found in the user's code has no settings
    operands = sorted({i for sample, _ in cases(gate) for i in real(sample)})
    for field in fields:
        rule = getattr(gate, field)
        for index in operands if rule is not None else ():
            right = _written(gate, rule, field, index)
            for how, wrong in _ways(gate, rule, field, index):
                written = _written(gate, wrong, field, index)
                runs = any(w is not None for w in written)
                if runs and written != right:
                    yield Mutant(gate, field, index, how, wrong)


def _ways(gate: Gate, rule: Rule, field: str, index: int) -> Iterator[tuple[str, Rule]]:
    for how, change in (MASKS if field == "mask" else ENTRIES).items():
        yield how, _with_entry(
            rule, index, lambda entries, i, change=change: change(called(entries[i]))
        )
    for other, name in enumerate(gate.inputs):
        if other != index:
            how = f"what {name} should get"
            yield how, _with_entry(rule, index, lambda entries, i, o=other: called(entries[o]))
    if field == "mask":
        yield "live forgotten", lambda live, *args, **attrs: rule(None, *args, **attrs)
    names = (*FIRST.get(field, ()), *gate.inputs, "out")
    for place, name in enumerate(names):
        for other, given in enumerate(names):
            if other != place:
                yield f"{given} for {name}", _with_argument(rule, index, place, other)
    for a in range(len(names)):
        for b in range(a):
            yield f"{names[b]} and {names[a]} exchanged", _with_exchanged(rule, index, a, b)
    for name in gate.sample_attrs[0]:
        for word, change in SETTINGS.items():
            yield f"{name}: {word}", _with_setting(rule, index, name, change)


def _with_entry(rule: Rule, index: int, entry: Callable[[list[Any], int], Any]) -> Rule:
    def wrong(*args: Any, **attrs: Any) -> list[Any]:
        entries = list(rule(*args, **attrs))
        return [*entries[:index], lambda: entry(entries, index), *entries[index + 1 :]]

    return wrong


def _mixed(
    rule: Rule, index: int, args: tuple[Any, ...], changed: list[Any], attrs: Mapping[str, Any],
    changed_attrs: Mapping[str, Any],
) -> list[Any]:
    """The rule's entries, the one at `index` worked out from changed arguments."""
    entries = list(rule(*args, **attrs))
    entries[index] = lambda: called(list(rule(*changed, **changed_attrs))[index])
    return entries


def _with_argument(rule: Rule, index: int, place: int, other: int) -> Rule:
    def wrong(*args: Any, **attrs: Any) -> list[Any]:
        changed = list(args)
        changed[place] = args[other]
        return _mixed(rule, index, args, changed, attrs, attrs)

    return wrong


def _with_exchanged(rule: Rule, index: int, a: int, b: int) -> Rule:
    def wrong(*args: Any, **attrs: Any) -> list[Any]:
        changed = list(args)
        changed[a], changed[b] = args[b], args[a]
        return _mixed(rule, index, args, changed, attrs, attrs)

    return wrong


def _with_setting(rule: Rule, index: int, name: str, change: Change) -> Rule:
    def wrong(*args: Any, **attrs: Any) -> list[Any]:
        return _mixed(rule, index, args, list(args), attrs, {**attrs, name: change(attrs[name])})

    return wrong


def _written(gate: Gate, rule: Rule, field: str, index: int) -> list[str | None]:
    """Per sample, the stages that the rule writes for one entry; None where it does not run."""
    return [
        _stages(gate, rule, field, index, sample, attrs) if index in real(sample) else None
        for sample, attrs in cases(gate)
    ]


def _stages(
    gate: Gate, rule: Rule, field: str, index: int, sample: list[Any], attrs: Mapping[str, Any]
) -> str | None:
    b = Builder()
    inputs = [Handle(b, b.input(TYPES[type_id(x)])) for x in sample]
    out = Handle(b, b.input(gate.infer([h.type for h in inputs], **attrs)))
    flags = Handle(b, b.input(Type(out.shape, np.dtype(bool))))
    first = {"vjp": [Handle(b, b.input(out.type))], "mask": [lambda: flags]}.get(field, [])
    try:
        entry = called(list(rule(*first, *inputs, out, **attrs))[index])
    except Exception:  # a wrong rule may fail in any way
        return None
    if entry is not None and not isinstance(entry, Handle):
        return repr(entry)
    return "nothing" if entry is None else _text(b, entry.wire)


def _text(b: Builder, wire: int) -> str:
    """The stages that a wire is computed by, and nothing else."""
    c = b.build([wire])
    needed, waiting = set(), [wire]
    while waiting:
        at = waiting.pop()
        if at not in needed:
            needed.add(at)
            waiting += c.operands(at)
    place = {w: n for n, w in enumerate(sorted(needed))}
    lines = []
    for w in sorted(needed):
        kind = c.kind_of(w)
        what = repr(c.constant(w)) if c.is_constant(w) else f"{kind.gate.name}{kind.key}"
        what += f" input {w}" if w in c.inputs else ""
        lines.append(f"{what} {[place[o] for o in c.operands(w)]} {kind.type}")
    return "\n".join([*lines, str(place[wire])])

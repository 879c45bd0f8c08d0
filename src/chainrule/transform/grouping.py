"""Grouping: find runs of the user's stages that mean one gate, in any of its spellings.

Groups are annotations: no stage goes away. Along axes a spelling says what is folded, and shapes
say how: in e / s the folded s must lie beside e as if its axes had been kept, whether the user
wrote keepdims=True, s[:, None], s.reshape(-1, 1), or folded leading axes, which need neither. So
reshapings of folded numbers are looked through, and then every shape is compared with x's.
"""

from collections import Counter
from collections.abc import Container
from functools import lru_cache
from math import prod
from typing import Final

import numpy as np

from chainrule.circuit.circuit import Circuit, Group
from chainrule.circuit.record import CONSTANT, INPUT, KINDS, Attrs, attrs_key
from chainrule.gates.reduce import Axis, max_, reduced_shape
from chainrule.transform.spellings import Pattern, is_fold, patterns_among, settings_of

Shape = tuple[int, ...]


def find_groups(circuit: Circuit, varying: Container[int] = ()) -> tuple[Group, ...]:
    """Closed groups for every spelling found whose inner wires nobody else reads.

    varying: constants whose number may change from call to call; they match no pattern.
    """
    kinds = set(circuit.kind)
    patterns = patterns_among(kinds)
    ends = {k for k in kinds if KINDS[k].gate.id in patterns}
    if not ends:
        return ()
    groups: list[Group] = []
    taken: set[int] = set()
    uses: list[int] | None = None
    rows = [row for row, kind in enumerate(circuit.kind) if kind in ends]
    for row in reversed(rows):  # what ends last is largest: log(sum(exp(x))) is inside log_softmax
        if row in taken:
            continue
        for pattern in patterns[circuit.kind_of(row).gate.id]:
            match = _match(pattern, circuit, row)
            group = None if match is None else _group(match, varying)
            if group is None or not taken.isdisjoint(group.stages):
                continue
            if uses is None:
                uses = np.bincount(circuit.operand, minlength=len(circuit)).tolist()
            if _is_private(group, circuit, uses):
                groups.append(group)
                taken.update(group.stages)
                break
    return tuple(reversed(groups))


def with_groups(circuit: Circuit) -> Circuit:
    """The circuit with its recognised groups annotated."""
    return circuit.with_(groups=find_groups(circuit))


# ---- does a run of stages have the gates of a pattern


class Match:
    """Which wires of a circuit stand for those of a pattern; one may be written out twice."""

    def __init__(self, pattern: Pattern, circuit: Circuit, row: int) -> None:
        self.pattern: Final = pattern
        self.circuit: Final = circuit
        self.row: Final = row
        self.inputs: dict[int, int] = {}
        self.wires: set[tuple[int, int]] = set()  # (pattern wire, wire)
        self.folds: list[tuple[int, int]] = []  # the same, of stages that fold
        self.stages: set[int] = set()  # reshapings among them


def _match(pattern: Pattern, circuit: Circuit, row: int) -> Match | None:
    """The match of a pattern with the stages up to `row`, gate by gate; None if there is none."""
    match = Match(pattern, circuit, row)
    c = pattern.circuit
    waiting = [(pattern.root, row)]
    while waiting:
        p, w = waiting.pop()
        wanted = KINDS[c.kind[p]]
        if wanted.gate is INPUT:
            if match.inputs.setdefault(p, w) != w:
                return None
            continue
        if (p, w) in match.wires:
            continue
        match.wires.add((p, w))
        if wanted.type.shape != c.type_of(c.inputs[0]).shape:
            w = _looked_through(match, w)
        found = KINDS[circuit.kind[w]]
        if wanted.gate is not found.gate:
            return None
        if wanted.gate is CONSTANT and not _same_number(c.constant(p), circuit.constant(w)):
            return None
        if is_fold(wanted):
            match.folds.append((p, w))
        elif wanted.key != found.key:
            return None
        if wanted.gate is not CONSTANT:
            match.stages.add(w)
        waiting.extend(zip(c.operands(p), circuit.operands(w), strict=True))
    return match


def _same_number(wanted: float, found: object) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool) and found == wanted


def _looked_through(match: Match, wire: int) -> int:
    """The wire before any stages that only change its shape."""
    circuit = match.circuit
    while True:
        operands = circuit.operands(wire)
        if len(operands) != 1 or not _keeps_order(circuit.kind[wire], circuit.kind[operands[0]]):
            return wire
        match.stages.add(wire)
        wire = operands[0]


@lru_cache(maxsize=1024)
def _keeps_order(kind_id: int, operand_kind_id: int) -> bool:
    """True for stages that give the same numbers in the same order, such as m[:, None]."""
    kind, t = KINDS[kind_id], KINDS[operand_kind_id].type
    moves = kind.gate.family == "move" and kind.gate.is_differentiable
    if not moves or kind.type.size != t.size or kind.type.dtype != t.dtype:
        return False
    places = np.arange(t.size).reshape(t.shape)
    return np.array_equal(np.ravel(kind.gate.evaluate(places, **kind.attrs)), np.ravel(places))


# ---- do its shapes fit


def _group(match: Match, varying: Container[int]) -> Group | None:
    """The group a match makes, when it means the gate: shapes fit, and numbers stay."""
    pattern, c = match.pattern, match.pattern.circuit
    if any(w in varying for p, w in match.wires if c.is_constant(p)):
        return None
    attrs: Attrs | None = _folded_alike(match) if match.folds else ()
    if attrs is None:
        return None
    inputs = tuple(match.inputs[p] for p in c.inputs)
    return Group(pattern.gate, tuple(sorted(match.stages)), inputs, match.row, attrs=attrs)


def _folded_alike(match: Match) -> Attrs | None:
    """The settings of the one gate, when all folds are over its axes and all shapes fit."""
    c, circuit = match.pattern.circuit, match.circuit
    x = circuit.type_of(match.inputs[c.inputs[0]])
    axis = next(_axis(match, w) for p, w in match.folds if not _is_shift(match, p))
    if not (x.shape and _same_axes(match, axis, len(x.shape))):
        return None
    kept = reduced_shape(x.shape, axis, keepdims=True)
    if not all(_fits(match, p, w, x.shape, kept) for p, w in match.wires):
        return None
    out = circuit.type_of(match.row).shape
    if not match.pattern.is_whole(match.pattern.root) and out not in (
        kept, reduced_shape(x.shape, axis, keepdims=False)
    ):
        return None
    settings = {"axis": axis, "keepdims": out == kept}
    return attrs_key({name: settings[name] for name in settings_of(match.pattern.gate)})


def _is_shift(match: Match, p: int) -> bool:
    """True for the largest number, which a spelling takes off and which cancels."""
    return match.pattern.circuit.kind_of(p).gate is max_


def _axis(match: Match, fold: int) -> Axis:
    axis: Axis = match.circuit.kind_of(fold).attrs["axis"]
    return axis


def _same_axes(match: Match, axis: Axis, rank: int) -> bool:
    """True when every fold is over `axis`; what cancels may also be the largest number of all."""
    every = tuple(range(rank))
    wanted = every if axis is None else axis
    for p, w in match.folds:
        found = every if _axis(match, w) is None else _axis(match, w)
        if found != wanted and not (found == every and _is_shift(match, p)):
            return False
    return True


def _fits(match: Match, p: int, w: int, shape: Shape, kept: Shape) -> bool:
    """True when a wire has x's shape where it should, and what is folded lies well beside it."""
    pattern, circuit = match.pattern, match.circuit
    c = pattern.circuit
    if not pattern.is_whole(p):
        return True  # if folded ones do not fit each other, they fit nowhere else
    return circuit.type_of(w).shape == shape and all(
        pattern.is_whole(q) or c.is_constant(q) or _lies_beside(circuit.type_of(v).shape, kept)
        for q, v in zip(c.operands(p), circuit.operands(w), strict=True)
    )


def _lies_beside(folded: Shape, kept: Shape) -> bool:
    """True when folded numbers broadcast as they would with their axes kept."""
    return prod(folded) == 1 or (1,) * (len(kept) - len(folded)) + folded == kept


# ---- who else reads its wires


def _is_private(group: Group, circuit: Circuit, uses: list[int]) -> bool:
    """True when only the group itself reads its inner wires."""
    own = Counter(w for row in group.stages for w in circuit.operands(row))
    return all(
        own[wire] == uses[wire] and wire not in circuit.outputs
        for wire in group.stages if wire != group.output
    )

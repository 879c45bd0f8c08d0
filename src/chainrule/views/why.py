"""Why a gradient is what it is, in words: the chain rule at one edge, at one gate, at a fork.

    edge   local z = -4, times upstream -4
    gate   swaps its inputs: q gets z * df, and z gets q * df     (the words of the gate's record)
    fork   1.58 - 0.04 + 0.51 (3 readers add up)
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.circuit.builder import Builder
from chainrule.circuit.circuit import NOTHING, Group
from chainrule.circuit.record import Gate
from chainrule.code.expression import ATOM
from chainrule.gates.handle import Handle
from chainrule.gates.terms import whole
from chainrule.transform.backward import active_rows, group_local
from chainrule.transform.fit import called
from chainrule.views.sheet import Edge, Sheet

LONGEST = 32  # characters of an expression repeated in words; the statement beside has it all
TERMS = 6  # of a sum at a fork that are named; of more, the first ones and the last
_CLAUSE = re.compile(r"\{(\w+)\} gets [^,]+")
_ASIDE = re.compile(r"(?<=\})([^{}:;]*)[:;][^{}]*$")  # a remark after the last name: ": most at 0"


def why_edge(s: Sheet, edge: Edge) -> str:
    """The gradient one gate sends back to one of its inputs; empty where it sends none."""
    row, index = edge
    if not sends(s, row, index):
        return ""
    group = _group_entered(s, row, index)
    if not is_scalar(s, row):
        as_one = gate_words(s, group.output) if group is not None else _clause(s, row, index)
        return as_one or gate_words(s, row)
    if group is not None and not np.isfinite(s.readings.gradient(s.part, row)):
        return _group_edge(s, group, s.circuit.operands(row)[index])
    tie = _remark(s, row) if at_kink(s, row) else ""
    return f"local {_local(s, row, index)}, times upstream {s.gradient(row)}{tie}"


def why_line(s: Sheet, row: int) -> str:
    """What the gate that makes a variable does with the gradient arriving there."""
    if s.part.gradient[row] == NOTHING:
        return no_gradient(s, row)
    words = [fork_words(s, row), gate_words(s, row)]
    return "; ".join(w for w in words if w)


def why_input(s: Sheet, wire: int) -> str:
    """Where an input's gradient comes from: the edge that sends it, or several that add up."""
    if s.part.gradient[wire] == NOTHING:
        return no_gradient(s, wire)
    edges = sending(s, wire)
    return fork_words(s, wire) or (why_edge(s, edges[0]) if edges else "")


def no_gradient(s: Sheet, wire: int) -> str:
    """Why nothing arrives: the output does not depend on the wire, or nobody asked."""
    depends = active_rows(s.circuit, [wire], s.part.output)[s.part.output]
    return "no gradient asked for" if depends else f"no gradient: {s.output} does not depend on it"


def fork_words(s: Sheet, wire: int) -> str:
    """The terms that add up at a fork, last reader first; empty where there is no fork."""
    edges = sending(s, wire)
    if len(edges) < 2:
        return ""
    told = edges if len(edges) <= TERMS else [*edges[: TERMS - 2], edges[-1]]
    terms = [s.printed(s.readings.term(s.part, row, index)) for row, index in told]
    if len(told) < len(edges):
        terms.insert(-1, "...")
    total = terms[0] + "".join(
        f" - {t[1:]}" if t.startswith("-") else f" + {t}" for t in terms[1:]
    )
    noun = "readers" if len({row for row, _ in edges}) == len(edges) else "uses"
    return f"{total} ({len(edges)} {noun} add up)"


def gate_words(s: Sheet, row: int) -> str:
    """The words of a gate's record, or of the closed group it ends, with the names filled in."""
    group = closed_groups(s).get(row)
    if group is not None:
        words = _ASIDE.sub(r"\1", group.gate.words)
        return _filled(s, words, group.gate, group.inputs, row)
    gate, wires = s.circuit.kind_of(row).gate, list(s.circuit.operands(row))
    silent = {gate.inputs[i] for i in range(len(wires)) if not sends(s, row, i)}
    if not any(f"{{{name}}}" in gate.words for name in silent):
        words = gate.words if at_kink(s, row) else _ASIDE.sub(r"\1", gate.words)
        return _filled(s, words, gate, wires, row)
    heard = [i for i in range(len(wires)) if sends(s, row, i)]
    clauses = [_clause(s, row, i) or _by_number(s, row, i) for i in heard]
    return ", and ".join(clauses)


def at_kink(s: Sheet, row: int) -> bool:
    """True where the local gradient jumps, such as a tie; then the words' remark matters."""
    kinks = s.circuit.kind_of(row).gate.kinks
    return kinks is not None and kinks(*(s.readings.value(w) for w in s.circuit.operands(row)))


def _remark(s: Sheet, row: int) -> str:
    """What the words of a gate's record add at their end: `: a tie shares it equally`."""
    found = _ASIDE.search(s.circuit.kind_of(row).gate.words)
    return f": {found[0][found.end(1) - found.start() + 1:].strip()}" if found else ""


def closed_groups(s: Sheet) -> dict[int, Group]:
    """Groups differentiated as one gate, by the row that ends them."""
    return {g.output: g for g in s.circuit.groups if g.is_one}


def group_words(s: Sheet, group: Group, symbols: Sequence[str]) -> str:
    """One sentence on a closed group whose gates are drawn one by one."""
    wires = group.inputs if group.gate.inputs else ()
    words = _filled(s, group.gate.words, group.gate, wires, group.output)
    drawn = ", ".join(symbols)
    return f"{drawn} together are one {group.gate.symbol}. As one gate it {words}."


def _group_entered(s: Sheet, row: int, index: int) -> Group | None:
    """The closed group that an edge leads into from outside."""
    wire = s.circuit.operands(row)[index]
    for group in closed_groups(s).values():
        if row in group.stages and wire in group.inputs:
            return group
    return None


def _group_edge(s: Sheet, group: Group, wire: int) -> str:
    """The edge into a group that has digits where its gates one by one have none."""
    rule = group_local(group)
    if rule is None:
        return f"as one {group.gate.symbol}"
    values = [_wide(s.readings.value(w)) for w in (*group.inputs, group.output)]
    local = called(rule(*values)[group.inputs.index(wire)])
    upstream = s.gradient(group.output)
    return f"as one {group.gate.symbol}: local {s.printed(local)}, times upstream {upstream}"


def sends(s: Sheet, row: int, index: int) -> bool:
    return s.part.terms[s.circuit.start[row] + index] != NOTHING


def sending(s: Sheet, wire: int) -> list[Edge]:
    """Edges along which gradient reaches a wire, in the order of the backward pass."""
    edges = sorted(s.readers.get(wire, ()), key=lambda edge: (-edge[0], edge[1]))
    return [edge for edge in edges if sends(s, *edge)]


def is_scalar(s: Sheet, row: int) -> bool:
    return not any(s.circuit.type_of(w).shape for w in (row, *s.circuit.operands(row)))


# ---- the local gradient at one edge


def _local(s: Sheet, row: int, index: int) -> str:
    """The local gradient in numbers, and by name where it is a variable itself: z = -4."""
    number = s.printed(local_number(s, row, index))
    name = _local_name(s, row, index)
    return f"{name} = {number}" if name else number


def local_number(s: Sheet, row: int, index: int) -> Any:
    wires = (*s.circuit.operands(row), row)
    values = [_wide(s.readings.value(w)) for w in wires]
    with np.errstate(all="ignore"):
        return _partial(s, row, index, values, np.float64(1))


def _wide(value: Any) -> Any:
    """A Python number as NumPy has it: dividing by zero gives inf and does not raise."""
    return np.float64(value) if isinstance(value, float | int) else value


def _local_name(s: Sheet, row: int, index: int) -> str | None:
    """The variable that is the local gradient, found by asking the rule about mere names."""
    b = Builder()
    wires = (*s.circuit.operands(row), row)
    handles = [Handle(b, b.input(s.circuit.type_of(w))) for w in wires]
    if s.circuit.kind_of(row).gate.local is None:
        return None
    partial = _partial(s, row, index, handles, None)
    known = isinstance(partial, Handle) and partial.wire < len(wires)
    return s.variable(wires[partial.wire]) if known else None


def _partial(s: Sheet, row: int, index: int, values: Sequence[Any], one: Any) -> Any:
    """A rule's local gradient by one input, computed with whatever stands in `values`."""
    kind = s.circuit.kind_of(row)
    if kind.gate.local is not None:
        return called(kind.gate.local(*values, **kind.attrs)[index])
    return whole(called(kind.gate.vjp(one, *values, **kind.attrs)[index]))  # type: ignore[misc]  # it has no local


# ---- words of a record


def _clause(s: Sheet, row: int, index: int) -> str:
    """The part of a gate's words about one input: `{x} gets ...`; empty where it has none."""
    gate = s.circuit.kind_of(row).gate
    for match in _CLAUSE.finditer(gate.words):
        if match[1] == gate.inputs[index]:
            return _filled(s, match[0], gate, list(s.circuit.operands(row)), row)
    return ""


def _by_number(s: Sheet, row: int, index: int) -> str:
    receiver = short(s, s.circuit.operands(row)[index])
    if not is_scalar(s, row):
        return f"{receiver} gets its share of {_d(s, row)}"
    return f"{receiver} gets {_local(s, row, index)} * {_d(s, row)}"


def _filled(s: Sheet, words: str, gate: Gate, wires: Sequence[int], row: int) -> str:
    """A template of words with the names of a row's wires."""
    places: Mapping[str, str] = dict(zip(gate.inputs, (short(s, w) for w in wires), strict=True))
    heard = [w for w in wires if s.part.gradient[w] != NOTHING]
    if len(heard) == 1:
        words = words.replace("{inputs} get ", "{inputs} gets ")
    inputs = _listed([short(s, w) for w in heard])
    return words.format(**places, out=s.variable(row) or "out", dout=_d(s, row), inputs=inputs)


def _d(s: Sheet, row: int) -> str:
    """The name of the gradient arriving at a row."""
    name = s.variable(row)
    return f"d{name}" if name else "upstream"


def short(s: Sheet, wire: int) -> str:
    """A wire's source as an operand; the end of a long one left out."""
    text = s.texts[wire].within(ATOM)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 4]}...)"


def _listed(names: Sequence[str]) -> str:
    names = list(dict.fromkeys(names))
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), *names[-1:]])

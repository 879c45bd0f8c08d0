"""What `w.promote(...)` does: find the constants that are asked for, and make them inputs."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.circuit.circuit import NOTHING, Circuit, Group
from chainrule.code.arguments import Argument
from chainrule.errors import InputError
from chainrule.transform.grouping import find_groups
from chainrule.transform.groups import group_of, joined
from chainrule.transform.promote import Place, places, with_inputs
from chainrule.views.labels import symbol

EVERY = "all"


def promoted(w: Any, names: Sequence[str], chosen: Mapping[str, Any]) -> Any:
    """A worked circuit with constants as inputs; see Worked.promote, which is above this module."""
    c = w.circuit
    known = places(c)
    taken = {a.name for a in w.arguments}
    found: dict[str, Place] = {}
    for name, what in {**_by_name(c, known, names, taken), **chosen}.items():
        place = what if isinstance(what, Place) else _chosen(c, known, name, what)
        if name in taken:
            raise InputError(f"there is an input {name} already; choose another name")
        if place in found.values() or place.wire in {p.wire for p in found.values()} - {NOTHING}:
            raise InputError(f"{name} is another name for one constant:{_listed(c, [place])}")
        found[name] = place
    if not found:
        raise InputError(f"nothing to promote. Constants here:{_listed(c, known)}")
    values = [_value(c, place) for place in found.values()]
    done, wires, moved = with_inputs(c, found)
    own = {id(g): _moved_group(c, done, g, found.values(), moved) for g in w.own}
    closed = [own[id(g)] for g in w.own if any(g.stages == h.stages for h in c.groups)]
    recognised = find_groups(done) if len(c.groups) > len(closed) else ()
    groups = joined(closed, recognised)
    prelude = w.prelude
    if prelude is not None:
        prelude = (*prelude, *(f"{n} = {v!r}" for n, v in zip(found, values, strict=True)))
    new = [Argument(n, wire) for n, wire in zip(found, wires, strict=True)]
    return replace(
        w, circuit=done.with_(groups=groups), own=tuple(own.values()), prelude=prelude,
        arguments=(*(replace(a, tree=_moved(a.tree, moved)) for a in w.arguments), *new),
        inputs=(*w.inputs, *values),
        decisions=tuple(
            replace(d, wire=moved[d.wire], taken=moved.get(d.taken, NOTHING)) for d in w.decisions
        ),
    )


def _moved_group(
    c: Circuit, done: Circuit, group: Group, chosen: Collection[Place], moved: Mapping[int, int]
) -> Group:
    """A group of the user's in the new circuit. One with a rule knows nothing of new inputs."""
    inside = [p for p in chosen if p.row in group.stages]
    if inside and group.is_one:
        raise InputError(
            f"this constant lies in the group {group.gate.name}, whose local= knows nothing of it; "
            f"ungroup({group.gate.name!r}) first:{_listed(c, inside)}"
        )
    if not group.gate.is_differentiable:
        return group_of(done, [moved[r] for r in group.stages], group.gate)
    return group.with_(
        stages=tuple(moved[r] for r in group.stages),
        inputs=tuple(moved[w] for w in group.inputs), output=moved[group.output],
    )


def _moved(tree: Any, moved: Mapping[int, int]) -> Any:
    if isinstance(tree, int):
        return moved[tree]
    if isinstance(tree, dict):
        return {k: _moved(v, moved) for k, v in tree.items()}
    if isinstance(tree, tuple | list):
        return type(tree)([_moved(v, moved) for v in tree])
    return tree


def _by_name(
    c: Circuit, known: Sequence[Place], names: Sequence[str], taken: set[str]
) -> dict[str, Place]:
    """Arrays by the names they have, and every number under a new one."""
    found: dict[str, Place] = {}
    for name in names:
        if name == EVERY:
            stem = (f"c{n}" for n in range(1, 10**6) if f"c{n}" not in taken)
            numbers = {p.wire if p.wire != NOTHING else -2 - p.row: p for p in known
                       if p.wire == NOTHING or not c.type_of(p.wire).shape}
            found |= {next(stem): p for p in numbers.values()}
            continue
        place = next((p for p in known if c.name(p.wire) == name), None) if name else None
        if place is None:
            raise InputError(
                f"no constant is called {name!r}. Give a number a name: promote(c=...). "
                f"Constants here:{_listed(c, known)}"
            )
        found[name] = place
    return found


def _chosen(c: Circuit, known: Sequence[Place], name: str, what: Any) -> Place:
    """The one constant that is meant."""
    key, position = what if isinstance(what, tuple) and len(what) == 2 else (what, None)
    found = [p for p in known if _is(c, p, key)]
    if not found:
        raise InputError(f"no constant {key!r} to promote as {name}. "
                         f"Constants here:{_listed(c, known)}")
    if position is None and len(found) > 1:
        label = repr(key)
        raise InputError(
            f"{len(found)} constants are {label}; say which by its gate or its place among them, "
            f"as promote({name}=({label}, 0)):{_listed(c, found)}"
        )
    position = position or 0
    if not -len(found) <= position < len(found):
        raise InputError(f"there is no number {position} among the constants that are {key!r}:"
                         + _listed(c, found))
    return found[position]


def _is(c: Circuit, place: Place, key: Any) -> bool:
    """By the label of its gate, by the name of the line it stands in, or by its number."""
    if isinstance(key, str):
        return symbol(c, place.row) == key or key in c.names.get(place.row, ())
    value = _value(c, place)
    return np.ndim(value) == 0 and bool(value == key)


def _value(c: Circuit, place: Place) -> Any:
    if place.wire != NOTHING:
        value = c.constant(place.wire)
        return float(value) if value.__class__ is int else value
    _, number = c.kind_of(place.row).gate.hidden or ("", 0.0)
    return number


def _listed(c: Circuit, known: Sequence[Place]) -> str:
    """A line for each constant: its number, its gate, and where it stands."""
    lines = []
    for place in known:
        value, origin = _value(c, place), c.origin_of(place.row)
        shown = f"{value:g}" if np.ndim(value) == 0 else f"array of shape {list(np.shape(value))}"
        name = c.name(place.wire) if place.wire != NOTHING else None
        at = f", {origin}" if origin else ""
        lines.append(f"\n  {name or shown} in {symbol(c, place.row)!r}{at}")
    return "".join(lines) or " none"

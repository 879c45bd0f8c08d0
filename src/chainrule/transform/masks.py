"""Liveness masks: where a gradient is zero because its branch was not taken.

`where`, `maximum` and their kind send a gradient that is zero by structure on the side that lost.
There 0 * inf must be 0 and not nan: whatever the local gradients behind it are, they were not used.
So a mask travels with such a gradient. Elementwise and moving gates pass it on, and multiply under
it by a select; at a fork the masks are joined by or; every other gate drops it. A genuine 0 * inf,
on the side that was taken, still shows.

A mask is made only when a gate needs it: most are dropped before anything is multiplied. What is
written over, `x[key] = v`, is dead at its places; a chain of n such writes is one mask, made in one
go over the n keys.
"""

from collections.abc import Callable, Sequence
from typing import Any

from chainrule.circuit.record import KINDS, Kind
from chainrule.circuit.types import TYPES, Type, type_id
from chainrule.gates.choose import logical_or
from chainrule.gates.elementwise import where
from chainrule.gates.move import broadcast_to, reshape, shape_of
from chainrule.gates.reduce import any_
from chainrule.gates.terms import Places, written_flags

Masks = dict[int, "Mask"]  # wire -> where its gradient is alive; a wire without one is all alive


class Mask:
    """Where a gradient is alive: flags that broadcast with it, computed when first asked for.

    Made by a function, or from the mask before (or none) with the places of one write dead.
    """

    __slots__ = ("_before", "_made", "_make", "_places", "is_choice")

    def __init__(
        self, make: Callable[[], Any] | None, before: "Mask | None" = None,
        places: Places | None = None,
    ) -> None:
        self._make = make
        self._before = before
        self._places = places
        self._made: Any = None
        # False where all that is dead was written over
        self.is_choice: bool = make is not None or (before is not None and before.is_choice)

    def __call__(self) -> Any:
        """The flags."""
        if self._made is None:
            steps: list[Places] = []
            at: Mask | None = self
            while at is not None and at._made is None and at._places is not None:
                steps.append(at._places)
                at = at._before
            flags = at._flags() if at is not None else None
            self._made = written_flags(flags, steps[::-1]) if steps else flags
            self._make = self._before = None
        return self._made

    def _flags(self) -> Any:
        """Those of a mask that is made, or made by a function."""
        return self._make() if self._made is None and self._make is not None else self._made


def sent_masks(
    kind: Kind, live: Mask | None, inputs: Sequence[Any], out: Any
) -> Sequence[Mask | None]:
    """Per input, the mask that goes with the gradient a stage sends it."""
    gate = kind.gate
    if gate.mask is not None:
        return [_as_mask(m) for m in gate.mask(live, *inputs, out, **kind.attrs)]
    if gate.passes_mask and live is not None and gate.vjp is not None:
        return [Mask(lambda: _moved(kind, live, inputs, out))]
    passes = _acts_on_each(kind, inputs) or gate.passes_mask
    return [live if passes else None] * len(inputs)


def _as_mask(entry: Any) -> Mask | None:
    """The mask of a rule's entry: one it passes on, (the one before, places), or a function."""
    if entry is None or isinstance(entry, Mask):
        return entry
    return Mask(None, *entry) if isinstance(entry, tuple) else Mask(entry)


def _acts_on_each(kind: Kind, inputs: Sequence[Any]) -> bool:
    """True where each number of the output comes from one of every input.

    A user's gate does, if its shapes are those of such a gate, and it has a partial for each input
    or is differentiated through stages that do.
    """
    gate = kind.gate
    if gate.family != "user":
        return gate.family == "elementwise"
    if any(shape_of(x) not in ((), kind.type.shape) for x in inputs):
        return False
    if not gate.through_body or gate.body is None:
        return gate.local is not None
    types = tuple(x.type if hasattr(x, "birth") else TYPES[type_id(x)] for x in inputs)
    stages = gate.body(types, kind.attrs)
    return all(KINDS[k].gate.family in ("leaf", "elementwise") for k in set(stages.kind))


def _moved(kind: Kind, live: Mask, inputs: Sequence[Any], out: Any) -> Any:
    """A mask moved as a gradient is; first in the full shape of the output."""
    flags = live()
    if shape_of(flags) != kind.type.shape:
        flags = broadcast_to(flags, shape=kind.type.shape)
    (entry,) = kind.gate.vjp(flags, *inputs, out, **kind.attrs)  # type: ignore[misc]  # has one
    return entry()


def select(
    kind: Kind, live: Mask, term: Any, inputs: Sequence[Any], *, by_literal: bool
) -> Any:
    """A product under a mask: 0 where it is dead, whatever was multiplied.

    A choice multiplies nothing: it routes a gradient that is 0 there already. Nor is there a need
    after a write, where the gradient was set to 0, when a number of the program multiplies it.
    """
    multiplies = kind.gate.mask is None and (live.is_choice or not by_literal)
    multiplies = multiplies and _acts_on_each(kind, inputs)
    return where(live(), term, 0) if multiplies else term


def fit_mask(mask: Mask | None, out: Type, target: Type) -> Mask | None:
    """A mask in the shape of a variable that was spread: alive where any of its copies is."""
    if mask is None or out.shape == target.shape:
        return mask
    return Mask(lambda: _any_of(mask(), out.shape, target.shape))


def _any_of(flags: Any, shape: tuple[int, ...], target: tuple[int, ...]) -> Any:
    if shape_of(flags) == target:
        return flags
    if shape_of(flags) != shape:
        flags = broadcast_to(flags, shape=shape)
    lead = len(shape) - len(target)
    spread = tuple(range(lead)) + tuple(
        lead + i for i, n in enumerate(target) if n == 1 and shape[lead + i] != 1
    )
    if spread:
        flags = any_(flags, axis=spread, keepdims=False)
    return flags if shape_of(flags) == target else reshape(flags, shape=target)


def note_mask(masks: Masks, wire: int, mask: Mask | None, *, first: bool) -> None:
    """Keep a wire's mask: at a fork, alive where any reader's gradient is."""
    if first:
        if mask is not None:
            masks[wire] = mask
    elif wire in masks:
        if mask is None:
            del masks[wire]
        else:
            before = masks[wire]
            masks[wire] = Mask(lambda: logical_or(before(), mask()))

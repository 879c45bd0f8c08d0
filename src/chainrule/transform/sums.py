"""Gradients adding up at wires: what is sent along each edge, and who may follow it.

A term may speak of a few places only (gates/terms). Of plain numbers it is added in place, into an
array the engine made itself; `owned` holds the wires whose gradient is such an array, held by
nobody else. As stages it becomes one stage on the total.
"""

from typing import Any

import numpy as np

from chainrule.gates.terms import AddedAt, Lazy, Passed, blank, zeros_over


class Observer:
    """Follows a backward pass: told each row before it is differentiated, and each term sent."""

    def at(self, row: int, dout: Any) -> Any:
        """`row` is differentiated next; gives the `dout` to go on with."""
        return dout

    def sent(self, position: int, term: Any) -> None:
        """`term` goes back along the edge at an operand position."""

    def added(self, total: Any, term: Any) -> Any:
        """At a fork, the total with one more term."""
        return total + term

    def placed(self, wire: int, position: int, total: Any, term: Lazy) -> Any:
        """The total, or None, with one more term that speaks of some places."""
        made = term.whole()
        self.sent(position, made)
        return made if total is None else self.added(total, made)


def send(
    gradients: list[Any], owned: set[int], wire: int, position: int, term: Any,
    observer: Observer | None,
) -> None:
    """Add one term to a wire's gradient."""
    old = gradients[wire]
    if isinstance(term, Lazy):
        if observer is not None:
            gradients[wire] = observer.placed(wire, position, old, term)
        elif isinstance(term, AddedAt):
            gradients[wire] = _added_at(old, term, owned, wire)
        else:
            made = term.whole()
            gradients[wire] = made if old is None else old + made
            owned.discard(wire)
    elif observer is None:
        if old is None:
            gradients[wire] = term
        elif wire in owned and isinstance(term, np.ndarray):
            old += term
        else:
            gradients[wire] = old + term
            owned.discard(wire)
    else:
        observer.sent(position, term)
        gradients[wire] = term if old is None else observer.added(old, term)


def _added_at(old: Any, term: AddedAt, owned: set[int], wire: int) -> Any:
    """The gradient of a wire with a term added at its places: in place where it is owned."""
    if not term.places.is_plain(term.dout) or not (old is None or isinstance(old, np.ndarray)):
        owned.discard(wire)
        return term.places.added(zeros_over(term.places.x) if old is None else old, term.dout)
    if wire not in owned:
        old = blank(term.places.x) if old is None else np.array(old)
        owned.add(wire)
    term.places.add(old, term.dout)
    return old


def pass_on(
    gradients: list[Any], owned: set[int], row: int, is_wanted: bool, wire: int, position: int,
    term: Passed, observer: Observer | None,
) -> None:
    """Send a term that may take the memory of the gradient it is made from."""
    is_free = observer is None and gradients[wire] is None and not is_wanted
    if is_free and row in owned and term.is_plain:
        gradients[wire] = term.taken()
    else:
        send(gradients, owned, wire, position, term, observer)
        is_free = is_free and term.is_copied and isinstance(gradients[wire], np.ndarray)
    if is_free:
        owned.add(wire)

"""Every step of the engine made wrong: what it does for all gates, done badly.

    chain rule     the output gradient forgotten; a partial of -1 taken for 1
    forks          the first term kept, or the last; nothing added
    broadcasting   copies not summed, or averaged; a gradient left in another dtype
    masks          lost at a select, a fork, a broadcast, a move, a group; `and` for `or` at a fork
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.api.eager import forget
from chainrule.gates import move, reduce
from chainrule.gates.choose import logical_and
from chainrule.transform import backward, fit, masks
from chainrule.transform.masks import Mask


@dataclass(frozen=True)
class EngineMutant:
    """One function of the engine replaced by a wrong one."""

    how: str
    module: ModuleType
    name: str
    wrong: Callable[[Any], Any]  # of the right function

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The library with this one step wrong, for as long as the block lasts."""
        right = getattr(self.module, self.name)
        try:
            forget()
            setattr(self.module, self.name, self.wrong(right))
            yield
        finally:
            setattr(self.module, self.name, right)
            forget()

    def __str__(self) -> str:
        return f"{self.name.strip('_')}: {self.how}"


def _keeping(first: bool) -> Callable[[Any], Any]:
    def wrong(send: Any) -> Any:
        def keep(
            gradients: Any, owned: Any, wire: int, position: int, term: Any, observer: Any
        ) -> None:
            old = gradients[wire]
            gradients[wire] = None
            send(gradients, owned, wire, position, term, observer)
            if old is not None and first:
                gradients[wire] = old

        return keep

    return wrong


def _first_copy(sum_to: Any) -> Any:
    def wrong(term: Any, shape: tuple[int, ...], target: tuple[int, ...]) -> Any:
        total = sum_to(term, shape, target)
        smallest = sum_to(term * 0 + 1, shape, target)
        return total / smallest if total is not term else term

    return wrong


def _and_at_forks(note: Any) -> Any:
    def wrong(found: Any, wire: int, mask: Any, *, first: bool) -> None:
        before = found.get(wire)
        if first or before is None or mask is None:
            note(found, wire, mask, first=first)
        else:
            found[wire] = Mask(lambda: logical_and(before(), mask()))

    return wrong


def _first_mask_stays(note: Any) -> Any:
    def wrong(found: Any, wire: int, mask: Any, *, first: bool) -> None:
        if first:
            note(found, wire, mask, first=first)

    return wrong


def _all_of_copies(any_of: Any) -> Any:
    def wrong(flags: Any, shape: tuple[int, ...], target: tuple[int, ...]) -> Any:
        right = masks.any_
        try:
            masks.any_ = reduce.all_
            return any_of(flags, shape, target)
        finally:
            masks.any_ = right

    return wrong


ENGINE = [
    EngineMutant("the output gradient forgotten", backward, "chain",
                 lambda chain: lambda partial, dout, one: fit.called(partial)),
    EngineMutant("-1 taken for 1", backward, "chain",
                 lambda chain: lambda partial, dout, one: chain(
                     abs(p) if isinstance(p := fit.called(partial), int) else p, dout, one)),
    EngineMutant("the first term kept", backward, "send", _keeping(first=True)),
    EngineMutant("the last term kept", backward, "send", _keeping(first=False)),
    EngineMutant("the copies averaged", fit, "_sum_to", _first_copy),
    EngineMutant("one copy taken", fit, "_sum_to",
                 lambda sum_to: lambda term, shape, target: move.reshape(
                     reduce.max_(term, axis=None, keepdims=False) if not target
                     else sum_to(term, shape, target) * 0 + 1, shape=target)),
    EngineMutant("the dtype left as it is", fit, "_dtype", lambda dtype: lambda term: None),
    EngineMutant("the mask ignored", backward, "select",
                 lambda select: lambda kind, live, term, inputs, **by: term),
    EngineMutant("the mask turned round", backward, "select",
                 lambda select: lambda kind, live, term, inputs, **by: select(
                     kind, Mask(lambda: masks_not(live())), term, inputs, **by)),
    EngineMutant("the mask lost", backward, "sent_masks",
                 lambda sent: lambda kind, live, inputs, out: [None] * len(inputs)),
    EngineMutant("the arriving mask lost", backward, "sent_masks",
                 lambda sent: lambda kind, live, inputs, out: sent(kind, None, inputs, out)),
    EngineMutant("the mask not moved", masks, "_moved",
                 lambda moved: lambda kind, live, inputs, out: live()),
    EngineMutant("`and` for `or`", backward, "note_mask", _and_at_forks),
    EngineMutant("the first mask kept at a fork", backward, "note_mask", _first_mask_stays),
    EngineMutant("the mask lost over a broadcast", backward, "fit_mask",
                 lambda fit_mask: lambda mask, out, target: (
                     mask if out.shape == target.shape else None)),
    EngineMutant("alive where all copies are", masks, "_any_of", _all_of_copies),
]


def masks_not(flags: Any) -> Any:
    """The other side of a mask."""
    from chainrule.gates.choose import logical_not

    return logical_not(flags)


# ---- circuits on which each step matters

X, Y = np.array([[1.0, 0.5, -1.0], [0.25, 2.0, 1.5]]), np.array([1.5, -0.25, 0.125])
TRAP = np.array([-1.0, 0.0, 2.0, 4.0])


def _forks(x: Any, y: Any) -> Any:
    h = x * y - x  # a fork, a broadcast, and a partial of -1
    return np.sum(h * h + np.exp(h * 0.5) * y)


def _fork_of_numbers(x: Any, y: Any) -> Any:
    q = x - y
    return q * x + q / y


def _group(x: Any) -> Any:
    s = 1 / (1 + np.exp(-x))
    return np.sum(s * x)


def _log_or_nothing(x: Any) -> Any:
    return np.where(x > 0, np.log(x), 0).sum()


def _deep(x: Any) -> Any:
    return np.where(x > 0, np.exp(np.log(x) * 0.5), 0).sum()


def _two_readers(x: Any) -> Any:
    y = np.log(x)
    return (np.where(x > 3, y, 0) + np.where(x == 2, 2 * y, 0)).sum()


def _broken_reader(x: Any) -> Any:
    y = np.log(x)
    return (np.where(x > 0, y, 0) + 0 * y).sum()


def _over_rows(x: Any) -> Any:
    rows = np.array([[False, False, True], [True, False, True]])
    return np.where(rows, 1 / x, 0.0).sum()


def _moved(x: Any) -> Any:
    y = np.flip(np.log(x)).reshape(4, 1).T
    return np.where(np.flip(x) > 0, y, 0).sum()


def _single(x: Any, y: Any) -> Any:
    return np.sum(x * y)  # float32 times float64


CIRCUITS: list[tuple[Callable[..., Any], Sequence[Any]]] = [
    (_forks, (X, Y)), (_forks, (X[:, :1], Y)), (_fork_of_numbers, (1.5, -2.0)), (_group, (X,)),
    (_log_or_nothing, (TRAP,)), (_deep, (TRAP,)), (_two_readers, (TRAP,)),
    (_broken_reader, (TRAP,)), (_over_rows, (np.array([2.0, 0.0, 4.0]),)), (_moved, (TRAP,)),
    (_single, (Y.astype(np.float32), Y)),
]


def gradients() -> list[Any]:
    """The gradients of all circuits, each also seen to have its variable's shape and dtype."""
    found = []
    with np.errstate(all="ignore"):
        for f, args in CIRCUITS:
            eager = cr.grad(f, tuple(range(len(args))))(*args)
            stepwise = cr.circuit(f)(*args).gradients.values()
            for x, *pair in zip(args, eager, stepwise, strict=True):
                for g in pair:
                    assert np.shape(g) == np.shape(x) and np.result_type(g) == np.result_type(x)
                found += map(np.asarray, pair)
    return found


def verdict_fails() -> bool:
    """True when the verdict on one of the circuits is that something is wrong."""
    with np.errstate(all="ignore"):
        try:
            return any(
                bool(cr.circuit(f)(*args).check()) != (f is not _broken_reader)
                for f, args in CIRCUITS
            )
        except Exception:  # a wrong engine may fail in any way
            return True


def gradients_differ(right: list[Any]) -> bool:
    """True when a gradient of one of the circuits is not what it was."""
    try:
        found = gradients()
    except Exception:  # a wrong engine may fail in any way
        return True
    return not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(right, found, strict=True))

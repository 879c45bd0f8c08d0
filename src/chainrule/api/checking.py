"""check_grads: a function's derivatives against difference quotients, to any order, both modes."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.api.derivatives import jvp
from chainrule.api.eager import grad, vjp
from chainrule.api.inputs import is_leaf, parameter_names
from chainrule.check.compare import TOLERANCE
from chainrule.check.judge import judge
from chainrule.errors import GradientError, InputError

MODES = ("rev", "fwd")


def check_grads(
    f: Callable[..., Any], args: Sequence[Any], modes: Sequence[str] = MODES, order: int = 1,
    tolerance: float = TOLERANCE,
) -> None:
    """What chainrule.check_grads does; the steps are described in check.differences."""
    unknown = [m for m in modes if m not in MODES]
    if unknown or order < 1:
        raise InputError(f'modes are "rev" and "fwd" and order is 1 or more; got {modes}, {order}')
    wrong = list(_faults(f, args, modes, tolerance, 1))
    g, rng = f, np.random.default_rng(0)
    for n in range(2, order + 1):
        g = _contracted_gradient(g, args, rng)
        wrong += _faults(g, args, modes, tolerance, n)
    if wrong:
        raise GradientError("\n".join(wrong))


def _faults(
    f: Callable[..., Any], args: Sequence[Any], modes: Sequence[str], tolerance: float, order: int
) -> Iterator[str]:
    value, pullback = vjp(f, *args)
    dout = np.random.default_rng(1).uniform(0.5, 1.5, np.shape(value))[()]
    back = pullback(dout)
    names = parameter_names(f, len(args))
    place = "" if order == 1 else f" of order {order}"
    for n, (name, gradient) in enumerate(zip(names, back, strict=True)):
        for path, leaf, claimed in _leaves(args[n], gradient):
            if "rev" in modes:
                found = judge(_moving(f, args, n, path), leaf, claimed, dout, tolerance)
                if found.verdict == "wrong":
                    yield (f"the gradient{place} by {name}{path} is {found.analytic:.6g}, but "
                           f"central differences give {found.numeric:.6g} {found.note}".rstrip())
    if "fwd" in modes:
        yield from _forward_faults(f, args, dout, back, tolerance, place)


def _forward_faults(
    f: Callable[..., Any], args: Sequence[Any], dout: Any, back: Sequence[Any], tolerance: float,
    place: str,
) -> Iterator[str]:
    """The two modes must agree: dout . (J t) = (dout J) . t."""
    rng = np.random.default_rng(2)
    tangents = [_like(a, rng) for a in args]
    along = float(np.sum(dout * jvp(f, args, tangents)[1]))
    pairs = [
        (claimed, t) for g, t in zip(back, tangents, strict=True)
        for _, t, claimed in _leaves(t, g)
    ]
    dots = [float(np.sum(claimed * t)) for claimed, t in pairs]
    scale = max(1.0, *(abs(d) for d in dots))
    if not np.isclose(along, sum(dots), rtol=tolerance, atol=tolerance * scale, equal_nan=True):
        yield (f"forward mode{place} gives {along:.6g} along a direction, "
               f"but the gradient gives {sum(dots):.6g}")


def _contracted_gradient(
    f: Callable[..., Any], args: Sequence[Any], rng: np.random.Generator
) -> Callable[..., Any]:
    """One number that depends on all of f's gradient."""
    value, _ = vjp(f, *args)
    dout = rng.uniform(0.5, 1.5, np.shape(value))[()]
    weights = [_like(a, rng) for a in args]

    def number(*args: Any) -> Any:
        out = f(*args)
        return np.sum(out * dout) if np.shape(dout) else out * dout

    def contracted(*args: Any) -> Any:
        found = grad(number, tuple(range(len(args))))(*args)
        total: Any = 0.0
        for gradient, weight in zip(found, weights, strict=True):
            for _, w, g in _leaves(weight, gradient):
                total = total + (np.sum(g * w) if np.shape(w) else g * w)
        return total

    return contracted


def _leaves(argument: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    """(path, leaf, the other's leaf) of two arguments nested alike."""
    if is_leaf(argument):
        yield "", argument, other
        return
    import optree

    paths, leaves, _ = optree.tree_flatten_with_path(argument, none_is_leaf=True)
    others = optree.tree_leaves(other, none_is_leaf=True)
    for path, leaf, match in zip(paths, leaves, others, strict=True):
        yield "".join(f"[{key!r}]" for key in path), leaf, match


def _moving(
    f: Callable[..., Any], args: Sequence[Any], n: int, path: str
) -> Callable[[Any], Any]:
    """f as a function of one leaf of its n-th argument, on plain numbers."""
    def at(leaf: Any) -> Any:
        return vjp(f, *args[:n], _replaced(args[n], path, leaf), *args[n + 1 :])[0]

    return at


def _replaced(argument: Any, path: str, leaf: Any) -> Any:
    if not path:
        return leaf
    import optree

    paths, leaves, spec = optree.tree_flatten_with_path(argument, none_is_leaf=True)
    written = ["".join(f"[{key!r}]" for key in p) for p in paths]
    return spec.unflatten([leaf if w == path else x for w, x in zip(written, leaves, strict=True)])


def _like(argument: Any, rng: np.random.Generator) -> Any:
    """Random numbers nested as an argument."""
    def drawn(leaf: Any) -> Any:
        return rng.uniform(0.5, 1.5, np.shape(leaf))[()]

    if is_leaf(argument):
        return drawn(argument)
    import optree

    return optree.tree_map(drawn, argument, none_is_leaf=True)

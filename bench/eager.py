"""Small eager gradients beside autograd: what one gate costs when a gradient is taken again."""

from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr
from bench.harness import compare, peer

TITLE = "eager value_and_grad, the same function again and again"


def arithmetic(x: Any) -> Any:
    """100 gates of plain arithmetic."""
    y = x
    for _ in range(25):
        y = y * x
        y = y + 0.5
        y = y - x
        y = y * 0.75
    return y


def elementwise(x: Any) -> Any:
    """100 gates on an array, and the sum of it."""
    return arithmetic(x).sum()


def staged(x: Any, y: Any, exp: Callable[[Any], Any]) -> Any:
    """The note's eight-line function: 14 gates."""
    sigy = 1.0 / (1 + exp(-y))
    num = x + sigy
    sigx = 1.0 / (1 + exp(-x))
    xpy = x + y
    xpysqr = xpy**2
    den = sigx + xpysqr
    invden = 1.0 / den
    return num * invden


def run(quick: bool) -> None:
    """Print each row's time a call, the ratio to autograd, and microseconds a gate."""
    rounds = 5 if quick else 31
    autograd = peer("autograd")
    array = np.linspace(0.5, 1.0, 10)
    rows: list[tuple[str, Callable[..., Any], Any, int]] = [
        ("100 gates, Python float", arithmetic, 0.5, 100),
        ("100 gates, array of 10", elementwise, array, 101),
    ]
    for title, f, x, gates in rows:
        ours = cr.value_and_grad(f)
        theirs = autograd.value_and_grad(f) if autograd else None
        if theirs:
            np.testing.assert_allclose(ours(x)[1], theirs(x)[1], rtol=1e-12)
        _row(title, gates, {
            "chainrule": lambda ours=ours, x=x: ours(x),
            "autograd": theirs and (lambda theirs=theirs, x=x: theirs(x)),
            "the function alone": lambda f=f, x=x: f(x),
        }, rounds)
    _staged(autograd, rounds)


def _staged(autograd: Any, rounds: int) -> None:
    ours = cr.value_and_grad(lambda x, y: staged(x, y, np.exp), (0, 1))
    theirs = None
    if autograd:
        import autograd.numpy as anp

        theirs = autograd.value_and_grad(lambda x, y: staged(x, y, anp.exp), (0, 1))
        np.testing.assert_allclose(ours(3.0, -4.0)[1], theirs(3.0, -4.0)[1], rtol=1e-12)
    _row("the note's staged function, np.exp on Python floats", 14, {
        "chainrule": lambda: ours(3.0, -4.0),
        "autograd": theirs and (lambda: theirs(3.0, -4.0)),
        "the function alone": lambda: staged(3.0, -4.0, np.exp),
    }, rounds)


def _row(title: str, gates: int, candidates: dict[str, Any], rounds: int) -> None:
    print(f"{title}:")
    timings = compare(candidates, rounds=rounds, reference="autograd")
    for name, timing in timings.items():
        print(f"  {name}: {timing.seconds / gates * 1e6:.2f} us a gate")
    print()

"""Writing an array number by number, each from the one before: n writes cost n, and so back."""

from typing import Any

import numpy as np

import chainrule as cr
from bench.index import seconds

TITLE = "n writes y[i] = y[i - 1] * a + x[i] in a loop, value_and_grad"
LENGTHS = (1_000, 10_000, 100_000)


def filtered(x: Any, a: Any) -> Any:
    """The sum of the squares of an exponential filter of x."""
    y = np.zeros_like(x)
    y[0] = x[0]
    for i in range(1, len(x)):
        y[i] = y[i - 1] * a + x[i]
    return (y * y).sum()


def through_a_view(x: Any, a: Any) -> Any:
    """The same, each write through a view of the array."""
    y = np.zeros_like(x)
    y[0] = x[0]
    later = y[1:]
    for i in range(1, len(x)):
        later[i - 1] = y[i - 1] * a + x[i]
    return (y * y).sum()


def run(quick: bool) -> None:
    """Print time by length and how it grows."""
    lengths = LENGTHS[:2] if quick else LENGTHS
    print(f"{'n':>9} {'writes to':>10} {'seconds':>9} {'us/write':>9} {'ratio':>6}")
    for name, f in (("the array", filtered), ("a view", through_a_view)):
        before = float("nan")
        for n in lengths:
            x = np.linspace(0.5, 1.5, n)
            found = seconds(lambda x, f=f: cr.value_and_grad(f, (0, 1))(x, 0.9), x, 1 + 2 * quick)
            print(f"{n:>9} {name:>10} {found:>9.3f} {found / n * 1e6:>9.2f} {found / before:>6.1f}")
            before = found
    print("aimed at: a ratio of 10 for ten times the writes")

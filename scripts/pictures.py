"""The pictures of the documents, drawn anew: python scripts/pictures.py

Each is one circuit as `draw` gives it. A test holds that those in docs/pictures are current.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

import chainrule as cr

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"


def neuron(w0, x0, w1, x1, w2):
    """The note's neuron: a sum of products through a sigmoid."""
    dot = w0 * x0 + w1 * x1 + w2
    f = 1 / (1 + np.exp(-dot))
    return f


def staged(x, y):
    """The note's eight stages; x and y fork."""
    sigy = 1.0 / (1 + np.exp(-y))
    num = x + sigy
    sigx = 1.0 / (1 + np.exp(-x))
    xpy = x + y
    xpysqr = xpy**2
    den = sigx + xpysqr
    invden = 1.0 / den
    f = num * invden
    return f


def layers(X, W1, b1, W2, b2, Y):
    """Two layers on arrays, and the mean squared distance from Y."""
    h = np.maximum(X @ W1 + b1, 0)
    out = h @ W2 + b2
    loss = np.mean((out - Y) ** 2)
    return loss


def step(h, x, Wx, Wh):
    """One step of a recurrent network."""
    return np.tanh(x @ Wx + h @ Wh)


def recurrent(xs, h, Wx, Wh):
    """A recurrent network: its loop calls `step` once for each x."""
    for x in xs:
        h = step(h, x, Wx, Wh)
    loss = np.sum(h**2)
    return loss


def pictures() -> Iterator[tuple[str, str]]:
    """File names and drawings."""
    yield "neuron.svg", cr.circuit(neuron)(2, -1, -3, -2, -3).draw(decimals=2)
    yield "staged.svg", cr.circuit(staged)(3, -4).draw()
    yield "layers.svg", _layers().draw()
    yield "recurrent.svg", _recurrent().draw(collapse=True)


def _layers() -> cr.Worked:
    r = np.random.default_rng(0)
    sizes = [(5, 4), (4, 6), (6,), (6, 3), (3,), (5, 3)]
    return cr.circuit(layers)(*(r.normal(size=size).round(2) for size in sizes))


def _recurrent() -> cr.Worked:
    r = np.random.default_rng(1)
    xs = [r.normal(size=3).round(2) for _ in range(4)]
    return cr.circuit(recurrent)(xs, *(r.normal(size=n).round(2) for n in [8, (3, 8), (8, 8)]))


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, drawing in pictures():
        (FOLDER / name).write_text(drawing, encoding="utf-8")
        print(f"drew {name}")

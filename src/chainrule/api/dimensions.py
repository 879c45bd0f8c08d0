"""Dimension analysis: which products of what is at hand have the shape a gradient must have?

For D = W @ X the gradient on W has W's shape and is a product of dD and X, each perhaps transposed,
in one order or the other: eight candidates. Where the sizes differ only one fits; where they do
not, shapes alone cannot tell, and the numbers settle it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.api.eager import vjp
from chainrule.errors import InputError, ShapeError

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Candidates:
    """The products that have the shape of one input's gradient, and the one that is right."""

    variable: str
    shape: Shape
    products: tuple[str, ...]
    right: str

    @property
    def decides(self) -> bool:
        """True when shapes alone leave one product."""
        return len(self.products) == 1

    def __str__(self) -> str:
        head = f"d{self.variable} has the shape of {self.variable}, {list(self.shape)}: "
        if self.decides:
            return f"{head}{self.right} is the only product that has it"
        found = ", ".join(self.products)
        return (
            f"{head}shapes do not decide, {len(self.products)} products have it ({found}); "
            f"by numbers it is {self.right}"
        )


@dataclass(frozen=True, slots=True)
class Dimensions:
    """The analysis of one product, an entry for each input."""

    product: str
    shape: Shape
    of: dict[str, Candidates]

    def __getitem__(self, variable: str) -> Candidates:
        return self.of[variable]

    def __str__(self) -> str:
        head = f"{self.product} has shape {list(self.shape)}"
        return "\n".join([head, *map(str, self.of.values())])


def dimensions(**inputs: Any) -> Dimensions:
    """What chainrule.dimensions does. Raises ShapeError when the product itself does not exist."""
    if len(inputs) != 2:
        raise InputError("dimensions takes two named shapes, such as W=(5, 10), X=(10, 3)")
    shapes = {name: _shape(name, given) for name, given in inputs.items()}
    (x_name, x_shape), (y_name, y_shape) = shapes.items()
    if x_shape[1] != y_shape[0]:
        raise ShapeError(
            f"{x_name} @ {y_name} needs {x_name}'s last size to equal {y_name}'s first: "
            f"{list(x_shape)} and {list(y_shape)}"
        )
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=x_shape), rng.normal(size=y_shape)
    out, pullback = vjp(lambda x, y: x @ y, x, y)
    dout = rng.normal(size=out.shape)
    dx, dy = pullback(dout)
    name = "D" if "D" not in inputs else "out"
    return Dimensions(f"{name} = {x_name} @ {y_name}", out.shape, {
        x_name: _candidates(x_name, dx, {f"d{name}": dout, y_name: y}),
        y_name: _candidates(y_name, dy, {f"d{name}": dout, x_name: x}),
    })


def _shape(name: str, given: Any) -> tuple[int, int]:
    shape = given.shape if hasattr(given, "shape") else tuple(given)
    if len(shape) != 2:
        raise ShapeError(f"{name} must be a matrix, with two sizes; got {list(shape)}")
    return int(shape[0]), int(shape[1])


def _candidates(variable: str, right: Any, at_hand: dict[str, Any]) -> Candidates:
    fitting = [(text, value) for text, value in _products(at_hand) if value.shape == right.shape]
    chosen = next(text for text, value in fitting if np.allclose(value, right, rtol=1e-9))
    return Candidates(variable, right.shape, tuple(text for text, _ in fitting), chosen)


def _products(at_hand: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Both orders, each factor as it is or transposed, where the inner sizes agree."""
    (a, x), (b, y) = at_hand.items()
    for (n1, v1), (n2, v2) in (((a, x), (b, y)), ((b, y), (a, x))):
        for t1, w1 in ((n1, v1), (f"{n1}.T", v1.T)):
            for t2, w2 in ((n2, v2), (f"{n2}.T", v2.T)):
                if w1.shape[1] == w2.shape[0]:
                    yield f"{t1} @ {t2}", w1 @ w2

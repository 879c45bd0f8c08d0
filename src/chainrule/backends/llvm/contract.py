"""Products over shared axes, all as one form: letters of each operand, letters of the output.

    matmul [m, k] @ [k, n]    ik,kj->ij
    outer                     i,j->ij
    tensordot, inner, kron    as their axes say; einsum says it itself
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from chainrule.backends.llvm.nests import Shape, View
from chainrule.circuit.record import Gate, Kind
from chainrule.errors import UnsupportedError
from chainrule.gates.elementwise import multiply

SMALL = 32**3  # multiplications; above, BLAS is quicker than a plain nest


@dataclass(frozen=True, slots=True)
class Contraction:
    """A sum of products: per operand its letters, one for each axis; those of the output."""

    terms: tuple[str, ...]
    out: str
    sizes: Mapping[str, int]

    @property
    def multiply(self) -> Gate:
        """The gate of its products."""
        return multiply

    @property
    def out_shape(self) -> Shape:
        """Sizes of the output's letters."""
        return tuple(self.sizes[x] for x in self.out)

    def strides(self, view: View, term: str, order: str) -> Shape:
        """A view's strides along letters; 0 for those it lacks. A letter twice is a diagonal."""
        return tuple(
            sum(s for x, s in zip(term, view.strides, strict=True) if x == letter)
            for letter in order
        )

    def loop_order(self, views: Sequence[View]) -> str:
        """Letters from the outermost loop to the innermost, which steps by 1 in most operands."""
        summed = "".join(sorted(set("".join(self.terms)) - set(self.out)))
        letters = self.out + summed

        def badness(letter: str) -> tuple[int, int, int]:
            steps = [abs(self.strides(v, t, letter)[0])
                     for v, t in zip(views, self.terms, strict=True)]
            out = 0 if letter in summed or letter == self.out[-1:] else 2
            return sum(s > 1 for s in steps) + out, self.sizes[letter] < 4, letter in summed

        if not letters:
            return ""
        inner = min(letters, key=badness)
        rest = "".join(x for x in letters if x != inner)
        return rest + inner


def contraction(kind: Kind, shapes: Sequence[Shape]) -> Contraction:
    """The contraction a gate means."""
    make = _FORMS.get(kind.gate.name.rpartition("_")[0] or kind.gate.name)
    if make is None:
        make = _FORMS.get(kind.gate.name)
    if make is None:
        raise UnsupportedError(f"machine code has no array form of {kind.gate.name}")
    terms, out = make(shapes, **kind.attrs)
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for letter, n in zip(term, shape, strict=True):
            sizes[letter] = n if sizes.get(letter, 1) == 1 else sizes[letter]
    return Contraction(tuple(terms), out, sizes)


def is_matrix_product(c: Contraction, views: Sequence[View]) -> bool:
    """True for a large product of two matrices that BLAS can read as they lie."""
    if len(c.terms) != 2 or any(len(t) != 2 for t in (*c.terms, c.out)):
        return False
    x, y = c.terms
    is_plain = x[1] == y[0] and c.out == x[0] + y[1] and len({*x, *y}) == 3
    return is_plain and prod(c.sizes.values()) > SMALL and all(map(_has_unit_stride, views))


def _has_unit_stride(v: View) -> bool:
    rows, columns = v.strides
    return v.buffer.kind in "fs" and (
        (columns == 1 and rows >= v.shape[1]) or (rows == 1 and columns >= v.shape[0])
    )


# ---- the gates

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
Form = tuple[Sequence[str], str]


def _matmul(shapes: Sequence[Shape]) -> Form:
    x, y = map(len, shapes)
    lead = LETTERS[: max(x, y, 2) - 2]
    left = (lead[len(lead) - (x - 2):] if x > 2 else "") + ("XK" if x > 1 else "K")
    right = (lead[len(lead) - (y - 2):] if y > 2 else "") + ("KY" if y > 1 else "K")
    return (left, right), lead + "X" * (x > 1) + "Y" * (y > 1)


def _inner(shapes: Sequence[Shape]) -> Form:
    x, y = (LETTERS[: len(shapes[0]) - 1], LETTERS[26 : 26 + len(shapes[1]) - 1])
    return (x + "z", y + "z"), x + y


def _tensordot(shapes: Sequence[Shape], axes: tuple[Shape, Shape]) -> Form:
    x, y = LETTERS[: len(shapes[0])], list(LETTERS[26 : 26 + len(shapes[1])])
    for i, j in zip(*axes, strict=True):
        y[j] = x[i]
    free = "".join(a for n, a in enumerate(x) if n not in axes[0])
    return (x, "".join(y)), free + "".join(a for n, a in enumerate(y) if n not in axes[1])


def _einsum(shapes: Sequence[Shape], subscripts: str, optimize: object = False) -> Form:
    left, out = subscripts.split("->")
    return left.split(","), out


_FORMS: Mapping[str, Callable[..., Form]] = {
    "matmul": _matmul, "inner": _inner, "tensordot": _tensordot, "einsum": _einsum,
}

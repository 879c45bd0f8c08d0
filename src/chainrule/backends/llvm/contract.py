"""Products over shared axes, all as one form: letters of each operand, letters of the output.

    matmul [m, k] @ [k, n]    ik,kj->ij
    outer                     i,j->ij
    tensordot, inner, kron    as their axes say; einsum says it itself
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from chainrule.backends.llvm.nests import BYTES, Shape, View
from chainrule.circuit.record import Kind
from chainrule.errors import UnsupportedError

SMALL = 64**3  # multiplications; below, a call of BLAS is not worth it
CACHE = 1 << 21  # bytes; registers alone are quick while the right operand stays in the cache
LEAST_COPIED = 8  # rows for which the right operand may be copied
LEAST = 4  # rows and columns; with fewer, a plain nest is as quick


@dataclass(frozen=True, slots=True)
class Contraction:
    """A sum of products: per operand its letters, one for each axis; those of the output."""

    terms: tuple[str, ...]
    out: str
    sizes: Mapping[str, int]

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


def as_matrices(c: Contraction, views: Sequence[View]) -> tuple[View, View] | None:
    """The operands as matrices or stacks of them, where the contraction is such a product and a
    block of it fills the registers; else None."""
    if len(c.terms) != 2 or len(c.out) < 2:
        return None
    lead, i, j = c.out[:-2], c.out[-2], c.out[-1]
    x, y = c.terms
    summed = (set(x) & set(y)) - set(c.out)
    if len(summed) != 1 or i in y or j in x or set(c.sizes) != {*c.out, *summed}:
        return None
    (k,) = summed
    if len(set(x)) < len(x) or len(set(y)) < len(y) or c.sizes[i] < LEAST or c.sizes[j] < LEAST:
        return None
    left, right = ("".join(a for a in lead if a in term) for term in (x, y))
    orders = (left + i + k, right + k + j)
    ranked = [
        View(v.buffer, tuple(_size(v, t, a) for a in order), c.strides(v, t, order), v.offset)
        for v, t, order in zip(views, c.terms, orders, strict=True)
    ]
    return ranked[0], ranked[1]


def _size(view: View, term: str, letter: str) -> int:
    return view.shape[term.index(letter)]


def is_for_blas(x: View, y: View) -> bool:
    """True for a large product of two matrices that BLAS can read as they lie: y does not fit the
    cache, or would have to be copied for a few rows only."""
    if not len(x.shape) == len(y.shape) == 2 or prod(x.shape) * y.shape[-1] <= SMALL:
        return False
    is_large = prod(y.shape) * BYTES[y.buffer.kind] > CACHE
    is_across = y.strides[-1] != 1 and x.shape[0] < LEAST_COPIED
    return (is_large or is_across) and all(map(_has_unit_stride, (x, y)))


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

"""Sums of products by letters, and the product of blocks, whose gradient is one.

| gate      | out                                   | x gets                                       |
|-----------|---------------------------------------|----------------------------------------------|
| einsum_n  | sums over letters                     | einsum of dout and the others, to x's letters|
| kron      | x with y at the place of each number  | dout times y, summed over each block         |
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.circuit.record import BY_COUNT, Gate
from chainrule.circuit.registry import once_each
from chainrule.circuit.types import Type
from chainrule.errors import ShapeError
from chainrule.gates.batched import reshaped, shape_of_one
from chainrule.gates.contract import as_shape
from chainrule.gates.define import gate
from chainrule.gates.diagonal import diagonal
from chainrule.gates.move import (
    Bound,
    Shape,
    broadcast_to,
    chosen,
    entry,
    expand_dims,
    joined_dtype,
    names_of,
    reshape,
    shape_of,
)
from chainrule.gates.tensordot import SQUARE, Pair

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"  # of einsum's subscripts


def _split(subscripts: str) -> tuple[list[str], str]:
    left, right = subscripts.split("->")
    return left.split(","), right


def _sizes(terms: Sequence[str], shapes: Sequence[Shape]) -> dict[str, int]:
    """Size of every letter; 1 gives way to any other."""
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        if len(term) != len(shape):
            raise ShapeError(
                f"einsum: {term!r} has {len(term)} letters, but its array is {list(shape)}"
            )
        for letter, n in zip(term, shape, strict=True):
            known = sizes.setdefault(letter, n)
            if n not in (known, 1) and known != 1:
                raise ShapeError(
                    f"einsum: {letter!r} has sizes {known} and {n} in {','.join(terms)}: got "
                    + " and ".join(str(list(s)) for s in shapes)
                )
            sizes[letter] = n if known == 1 else known
    return sizes


def _einsum_type(types: Sequence[Type], *, subscripts: str, **_: Any) -> Type:
    terms, result = _split(subscripts)
    sizes = _sizes(terms, [t.shape for t in types])
    return Type(tuple(sizes[letter] for letter in result), joined_dtype(types))


def _bind_einsum(
    subscripts: Any, *operands: Any, out: Any = None, dtype: Any = None, order: Any = None,
    casting: Any = None, optimize: Any = False,
) -> Bound:
    if not isinstance(subscripts, str):
        raise TypeError("the subscripts come first, as a string such as 'ij,jk->ik'")
    if not (out is dtype is order is casting is None) or not isinstance(optimize, bool | str):
        raise TypeError("takes subscripts, arrays and optimize=True only")
    terms, result = _explicit(subscripts.replace(" ", ""), [shape_of(x) for x in operands])
    plain = [_without_repeats(x, t) for x, t in zip(operands, terms, strict=True)]
    written = ",".join(term for _, term in plain) + "->" + result
    return chosen(
        einsumming(len(plain)), [x for x, _ in plain], subscripts=written, optimize=optimize
    )


def _explicit(subscripts: str, shapes: Sequence[Shape]) -> tuple[list[str], str]:
    """The letters of each operand and of the result, with letters for each `...`."""
    left, arrow, right = subscripts.partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise TypeError(f"{left!r} is for {len(terms)} arrays, {len(shapes)} given")
    wrong = set(subscripts.replace("...", "").replace("->", "")) - set(LETTERS + ",")
    if wrong or any(t.count("...") > 1 for t in (*terms, right)):
        raise TypeError(f"subscripts are letters, commas, -> and ...: {subscripts!r}")
    free = [c for c in LETTERS if c not in subscripts]
    more = [len(s) - len(t) + 3 if "..." in t else 0 for t, s in zip(terms, shapes, strict=True)]
    rest = "".join(free[: max([0, *more])])
    ends = [rest[len(rest) - max(n, 0) :] for n in more]
    terms = [t.replace("...", end) for t, end in zip(terms, ends, strict=True)]
    if not arrow:
        once = [c for c in sorted(set(left) - set(".,")) if left.count(c) == 1]
        right = "..." + "".join(once)
    elif rest and "..." not in right:
        raise TypeError(f"the result needs the axes of ... as well: {subscripts!r}")
    result = right.replace("...", rest)
    if len(set(result)) != len(result) or set(result) - set("".join(terms)):
        raise TypeError(f"the result {right!r} must name letters of the arrays, each once")
    _sizes(terms, shapes)
    return terms, result


def _without_repeats(x: Any, term: str) -> tuple[Any, str]:
    """A letter twice in one operand means its diagonal."""
    for letter in dict.fromkeys(term):
        while term.count(letter) > 1:
            one = term.index(letter)
            two = term.index(letter, one + 1)
            x = diagonal(x, offset=0, axis1=one, axis2=two)
            term = term[:one] + term[one + 1 : two] + term[two + 1 :] + letter
    return x, term


def _einsum_back(
    dout: Any, inputs: Sequence[Any], n: int, subscripts: str, optimize: bool | str
) -> Any:
    """Gradient by operand n: dout takes its place; letters it alone had are spread again."""
    terms, result = _split(subscripts)
    wanted, others = terms[n], [t for i, t in enumerate(terms) if i != n]
    kept = "".join(c for c in wanted if c in "".join((result, *others)))
    arrays = [dout, *(x for i, x in enumerate(inputs) if i != n)]
    if others or result != kept:
        dout = einsumming(len(terms))(
            *arrays, subscripts=f"{','.join((result, *others))}->{kept}", optimize=optimize
        )
    if kept == wanted:
        return dout
    new = tuple(i for i, c in enumerate(wanted) if c not in kept)
    sizes = dict(zip(kept, shape_of(dout), strict=True))
    shape = tuple(sizes.get(c, m) for c, m in zip(wanted, shape_of(inputs[n]), strict=True))
    return broadcast_to(expand_dims(dout, axis=new) if kept else dout, shape=shape)


def _einsum_code(attrs: Mapping[str, Any], operands: Sequence[Any]) -> str:
    places = ", ".join(f"{{{name}}}" for name in names_of(len(operands)).split())
    extra = f", optimize={attrs['optimize']!r}" if attrs["optimize"] else ""
    return f"np.einsum({attrs['subscripts']!r}, {places}{extra})"


def _einsum_batch(
    gate: Gate, many: Sequence[bool], *arrays: Any, subscripts: str, optimize: bool | str
) -> Any:
    """One letter more, for the examples."""
    terms, result = _split(subscripts)
    new = next(c for c in LETTERS if c not in subscripts)
    written = ",".join(new * m + term for term, m in zip(terms, many, strict=True))
    return gate(*arrays, subscripts=f"{written}->{new}{result}", optimize=optimize)


_EINSUM_SAMPLES: dict[int, tuple[str, ...]] = {
    1: ("ij->j", "ij->ji", "ij->"),
    2: ("ij,ik->jk", "ij,kl->il", "ij,ij->", "ij,il->jil"),
    3: ("ij,ik,jk->i", "ij,kl,jl->"),
}


@once_each
def einsumming(count: int) -> Gate:
    """The gate that multiplies so many arrays and sums over the letters not in the result."""
    arrays = [SQUARE, SQUARE[:, ::-1] - 1, np.cos(np.arange(9.0)).reshape(3, 3)][:count]
    return gate(
        f"einsum_{count}", names_of(count), family="contract", symbol="einsum",
        makes_view=True,  # of one array, for a transpose or a diagonal
        evaluate=lambda *arrays, subscripts, optimize: np.einsum(
            subscripts, *arrays, optimize=optimize
        )[()],
        infer=_einsum_type, code=_einsum_code, batch=_einsum_batch,
        vjp=lambda dout, *rest, subscripts, optimize: [
            _einsum_entry(dout, rest[:-1], n, subscripts, optimize) for n in range(count)
        ],
        words="multiplies {dout} by the other inputs and sums over the letters not in its own: "
              "{inputs} get the sums",
        samples=(tuple(arrays),) if count <= 3 else (),
        sample_attrs=tuple(
            {"subscripts": s, "optimize": False} for s in _EINSUM_SAMPLES.get(count, ())
        ),
        error_samples=((np.zeros((2, 3)), np.zeros((4, 3))),) if count == 2 else (),
    )


def _einsum_entry(dout: Any, inputs: Any, n: int, subscripts: str, optimize: Any) -> Any:
    return lambda: _einsum_back(dout, inputs, n, subscripts, optimize)


einsum_1, einsum_2, einsum_3 = (einsumming(count) for count in (1, 2, 3))
entry(_bind_einsum, np.einsum)


# ---- kron


def _kron_shapes(x: Shape, y: Shape) -> Pair:
    rank = max(len(x), len(y))
    return (1,) * (rank - len(x)) + x, (1,) * (rank - len(y)) + y


def _kron_type(types: Sequence[Type]) -> Type:
    x, y = _kron_shapes(types[0].shape, types[1].shape)
    return Type(tuple(n * m for n, m in zip(x, y, strict=True)), joined_dtype(types))


def _kron_back(dout: Any, x: Any, y: Any, by_y: bool) -> Any:
    """Places of x and places in the block y as two axes each; then a sum over the others."""
    shapes = _kron_shapes(shape_of(x), shape_of(y))
    rank = len(shapes[0])
    apart = reshape(dout, shape=tuple(n for pair in zip(*shapes, strict=True) for n in pair))
    letters = LETTERS[: 2 * rank]
    own, other, seen = (1, 0, x) if by_y else (0, 1, y)
    subscripts = f"{letters},{letters[other::2]}->{letters[own::2]}"
    total = einsum_2(apart, as_shape(seen, shapes[other]), subscripts=subscripts, optimize=False)
    return as_shape(total, shape_of(y if by_y else x))


def _kron_batch(gate: Gate, many: Sequence[bool], x: Any, y: Any) -> Any:
    """Places of x and places in the block y as two axes each; then both as one."""
    shapes = _kron_shapes(*(shape_of_one(a, m) for a, m in zip((x, y), many, strict=True)))
    x = reshaped(x, many[0], tuple(n for size in shapes[0] for n in (size, 1)))
    y = reshaped(y, many[1], tuple(n for size in shapes[1] for n in (1, size)))
    return reshaped(x * y, True, tuple(n * m for n, m in zip(*shapes, strict=True)))


kron = gate(
    "kron", "x y", family="contract", evaluate=np.kron, infer=_kron_type,
    code="np.kron({x}, {y})", numpy=(np.kron,), batch=_kron_batch,
    vjp=lambda dout, x, y, out: (
        lambda: _kron_back(dout, x, y, by_y=False), lambda: _kron_back(dout, x, y, by_y=True),
    ),
    words="multiplies {dout} by the other input, block by block: {inputs} get the sums",
    samples=((SQUARE, np.array([[1.0, -2.0], [0.5, 3.0]])), (SQUARE, np.array([1.0, -2.0]))),
)

BY_COUNT["einsum"] = einsumming

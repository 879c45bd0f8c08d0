"""Products over shared axes. With D = W @ X: dW = dD @ X.T and dX = W.T @ dD.

| gate      | out                                   | x gets                                       |
|-----------|---------------------------------------|----------------------------------------------|
| matmul    | x @ y, also of vectors and of stacks  | dout @ y.T                                   |
| outer     | every number of x times every one of y| dout @ y                                     |
| inner     | sum over the last axes                | dout times y, over the axes of y in out      |
| vdot      | sum of x * y over all numbers         | dout * y                                     |
| tensordot | sum over any axes                     | dout times y, over the axes of y in out      |
| einsum_n  | sums over letters                     | einsum of dout and the others, to x's letters|
| kron      | x with y at the place of each number  | dout times y, summed over each block         |
"""

import operator
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from chainrule.circuit.record import BY_COUNT, Gate
from chainrule.circuit.types import Type, promote
from chainrule.errors import ShapeError
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
    ravel,
    reshape,
    shape_of,
    some_axes,
    transpose,
)

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"  # of einsum's subscripts


def _product(types: Sequence[Type]) -> Type:
    x, y = types
    for t in types:
        if not t.shape:
            raise ShapeError("matmul needs arrays with at least one axis; write * for numbers")
    inner = y.shape[-2] if len(y.shape) > 1 else y.shape[0]
    if x.shape[-1] != inner:
        raise ShapeError(
            f"matmul needs x's last size to equal y's first: x is {list(x.shape)} "
            f"and y is {list(y.shape)}" + _advice(x.shape, y.shape)
        )
    return Type(_product_shape(x.shape, y.shape), promote(types))


def _product_shape(x: tuple[int, ...], y: tuple[int, ...]) -> tuple[int, ...]:
    try:
        lead = np.broadcast_shapes(x[:-2], y[:-2])
    except ValueError:
        raise ShapeError(
            f"matmul needs leading sizes that broadcast: x is {list(x)} and y is {list(y)}"
        ) from None
    return lead + (x[-2:-1] if len(x) > 1 else ()) + (y[-1:] if len(y) > 1 else ())


def _advice(x: tuple[int, ...], y: tuple[int, ...]) -> str:
    if len(x) == len(y) == 2 and x[1] == y[1]:
        return f"\n  Perhaps x @ y.T, which gives {[x[0], y[0]]}."
    if len(x) == len(y) == 2 and x[0] == y[0]:
        return f"\n  Perhaps x.T @ y, which gives {[x[1], y[1]]}."
    return ""


def _swap(x: Any) -> Any:
    """Transpose of the last two axes."""
    rank = len(shape_of(x))
    return transpose(x, axes=(*range(rank - 2), rank - 1, rank - 2))


def _back_to_x(dout: Any, x: Any, y: Any) -> Any:
    """Gradient of x @ y by x; leading axes that were broadcast are the engine's to sum."""
    if len(shape_of(y)) == 1:
        if len(shape_of(x)) == 1:
            return dout * y
        return expand_dims(dout, axis=(len(shape_of(dout)),)) * y  # [..., n, 1] * [k]
    if len(shape_of(x)) == 1:
        return matmul(y, dout) if len(shape_of(y)) == 2 else _row(dout, x, y)
    return matmul(dout, _swap(y))


def _row(dout: Any, x: Any, y: Any) -> Any:
    """x [k] @ y [..., k, p]: treat x as one row of a matrix, then drop the row."""
    product = matmul(expand_dims(dout, axis=(len(shape_of(dout)) - 1,)), _swap(y))  # [..., 1, k]
    shape = shape_of(product)
    return reshape(product, shape=(*shape[:-2], shape[-1]))


def _back_to_y(dout: Any, x: Any, y: Any) -> Any:
    """Gradient of x @ y by y."""
    if len(shape_of(x)) == 1:
        if len(shape_of(y)) == 1:
            return dout * x
        column = expand_dims(x, axis=(1,))  # [k, 1]
        return column * expand_dims(dout, axis=(len(shape_of(dout)) - 1,))  # [..., k, p]
    if len(shape_of(y)) == 1:
        if len(shape_of(x)) == 2:
            return matmul(_swap(x), dout)
        column = expand_dims(dout, axis=(len(shape_of(dout)),))  # [..., n, 1]
        product = matmul(_swap(x), column)
        return reshape(product, shape=shape_of(product)[:-1])
    return matmul(_swap(x), dout)


def _bind_product(x: Any, y: Any) -> Any:
    """np.dot and ndarray.dot, where they are the same as matmul: vectors and matrices."""
    ranks = [len(shape_of(x)), len(shape_of(y))]
    if 0 in ranks:
        raise TypeError("dot of a number: write * instead")
    if max(ranks) > 2:
        raise TypeError(f"dot of arrays with {ranks[0]} and {ranks[1]} axes: write matmul or @")
    return (x, y), {}


matmul = gate(
    "matmul", "x y", family="contract", symbol="@", evaluate=operator.matmul,
    infer=_product, code="{x} @ {y}", numpy=(np.matmul, np.dot), operator="matmul",
    method="dot",
    bind=_bind_product,
    vjp=lambda dout, x, y, out: (
        lambda: _back_to_x(dout, x, y), lambda: _back_to_y(dout, x, y),
    ),
    words="multiplies by the other input, transposed: {x} gets {dout} @ {y}.T, "
          "and {y} gets {x}.T @ {dout}",
    samples=(
        (np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4) / 7),
        (np.arange(6.0).reshape(2, 3), np.array([1.0, -2.0, 0.5])),
        (np.array([1.0, -2.0]), np.arange(6.0).reshape(2, 3)),
        (np.array([1.0, -2.0]), np.array([3.0, 0.5])),
        (np.arange(12.0).reshape(2, 2, 3), np.arange(3.0)),
        (np.arange(3.0), np.arange(12.0).reshape(2, 3, 2)),
        (np.arange(12.0).reshape(2, 2, 3), np.arange(6.0).reshape(3, 2)),
    ),
    error_samples=((np.zeros((5, 10)), np.zeros((3, 10))),),
    source="docs/maths/matmul.md",
)


# ---- outer, inner, vdot


def _as_shape(x: Any, shape: Shape) -> Any:
    return x if shape_of(x) == shape else reshape(x, shape=shape)


def _flat(x: Any) -> Any:
    return x if len(shape_of(x)) == 1 else ravel(x)


def _bind_outer(a: Any, b: Any, out: Any = None) -> Bound:
    if out is not None:
        raise TypeError("takes two arrays only, not out=")
    return (a, b), {}


outer = gate(
    "outer", "x y", family="contract", evaluate=np.outer,
    infer=lambda types: Type((types[0].size, types[1].size), joined_dtype(types)),
    code="np.outer({x}, {y})", numpy=(np.outer,), bind=_bind_outer,
    vjp=lambda dout, x, y, out: (
        lambda: _as_shape(matmul(dout, _flat(y)), shape_of(x)),
        lambda: _as_shape(matmul(_flat(x), dout), shape_of(y)),
    ),
    words="multiplies by the other input: {x} gets {dout} @ {y}, and {y} gets {x} @ {dout}",
    samples=((np.array([1.0, -2.0]), np.array([3.0, 0.5, 1.0])),
             (np.arange(4.0).reshape(2, 2), np.array([3.0, 0.5, 1.0]))),
)


def _inner_type(types: Sequence[Type]) -> Type:
    x, y = (t.shape for t in types)
    if x and y and x[-1] != y[-1]:
        raise ShapeError(f"inner needs equal last sizes: x is {list(x)} and y is {list(y)}")
    return Type(x[:-1] + y[:-1], joined_dtype(types))


def _inner_back(dout: Any, x: Any, y: Any) -> Any:
    """Gradient of inner(x, y) by x, when the axes of x come first in dout."""
    lead, rest = len(shape_of(x)) - 1, len(shape_of(y)) - 1
    if not rest:
        return expand_dims(dout, axis=(lead,)) * y if lead else dout * y
    return tensordot(dout, y, axes=(tuple(range(lead, lead + rest)), tuple(range(rest))))


def _inner_back_to_y(dout: Any, x: Any, y: Any) -> Any:
    lead, rest = len(shape_of(x)) - 1, len(shape_of(y)) - 1
    if not lead:
        return expand_dims(dout, axis=(rest,)) * x if rest else dout * x
    return tensordot(dout, x, axes=(tuple(range(lead)),) * 2)


def _bind_inner(a: Any, b: Any) -> Bound:
    if not shape_of(a) or not shape_of(b):
        raise TypeError("inner of a number: write * instead")
    return (a, b), {}


_SQUARE = np.arange(6.0).reshape(2, 3) / 3
_TALL = np.arange(12.0).reshape(4, 3) - 5

inner = gate(
    "inner", "x y", family="contract", evaluate=np.inner, infer=_inner_type,
    code="np.inner({x}, {y})", numpy=(np.inner,), bind=_bind_inner,
    vjp=lambda dout, x, y, out: (
        lambda: _inner_back(dout, x, y), lambda: _inner_back_to_y(dout, x, y),
    ),
    words="sends {dout} times the other input back to {x} and {y}",
    samples=((_TALL[0], _TALL[1]), (_SQUARE, _TALL), (_SQUARE, _TALL[0]), (_TALL[1], _SQUARE)),
    error_samples=((np.zeros((2, 3)), np.zeros((3, 2))),),
)


def _vdot_type(types: Sequence[Type]) -> Type:
    if types[0].size != types[1].size:
        raise ShapeError(
            f"vdot needs as many numbers on both sides: x is {list(types[0].shape)} and y is "
            f"{list(types[1].shape)}"
        )
    return Type((), joined_dtype(types))


vdot = gate(
    "vdot", "x y", family="contract", evaluate=np.vdot, infer=_vdot_type,
    code="np.vdot({x}, {y})", numpy=(np.vdot,),
    vjp=lambda dout, x, y, out: (
        lambda: _as_shape(dout * y, shape_of(x)), lambda: _as_shape(dout * x, shape_of(y)),
    ),
    words="swaps its inputs: {x} gets {dout} * {y}, and {y} gets {dout} * {x}",
    samples=((_TALL[0], _TALL[1]), (_SQUARE, _SQUARE[::-1].ravel())),
    error_samples=((np.zeros((2, 3)), np.zeros(5)),),
)


# ---- tensordot

Pair = tuple[Shape, Shape]


def _free(rank: int, summed: Shape) -> Shape:
    return tuple(i for i in range(rank) if i not in summed)


def _tensordot_type(types: Sequence[Type], *, axes: Pair) -> Type:
    x, y = (t.shape for t in types)
    fits = all(i < len(x) and j < len(y) and x[i] == y[j] for i, j in zip(*axes, strict=True))
    if not fits:
        raise ShapeError(
            f"tensordot needs equal sizes along the axes it sums: x is {list(x)} and y is "
            f"{list(y)}, axes {axes}"
        )
    kept = [tuple(s[i] for i in _free(len(s), a)) for s, a in zip((x, y), axes, strict=True)]
    return Type(kept[0] + kept[1], joined_dtype(types))


def _bind_tensordot(a: Any, b: Any, axes: Any = 2) -> Bound:
    x, y = shape_of(a), shape_of(b)
    if isinstance(axes, int | np.integer):
        if not 0 <= axes <= min(len(x), len(y)):
            raise ShapeError(f"tensordot over {axes} axes: x is {list(x)} and y is {list(y)}")
        pair = (tuple(range(len(x) - int(axes), len(x))), tuple(range(int(axes))))
    else:
        pair = (some_axes(axes[0], x, "tensordot"), some_axes(axes[1], y, "tensordot"))
    if len(pair[0]) != len(pair[1]):
        raise ShapeError(f"tensordot needs as many axes of x as of y: {axes}")
    return (a, b), {"axes": pair}


def _tensordot_back(dout: Any, x: Any, y: Any, mine: Shape, its: Shape) -> Any:
    """Gradient by x, whose axes left free come first in dout; `mine` and `its` were summed."""
    free, free_of_y = _free(len(shape_of(x)), mine), _free(len(shape_of(y)), its)
    last = tuple(range(len(free), len(free) + len(free_of_y)))
    product = tensordot(dout, y, axes=(last, free_of_y))  # free axes, then its, in y's order
    return _ordered(product, (*free, *(m for _, m in sorted(zip(its, mine, strict=True)))))


def _tensordot_back_to_y(dout: Any, x: Any, y: Any, its: Shape, mine: Shape) -> Any:
    free, free_of_x = _free(len(shape_of(y)), mine), _free(len(shape_of(x)), its)
    first = tuple(range(len(free_of_x)))
    product = tensordot(x, dout, axes=(free_of_x, first))  # its, in x's order, then free axes
    return _ordered(product, (*(m for _, m in sorted(zip(its, mine, strict=True))), *free))


def _ordered(x: Any, names: Shape) -> Any:
    """Axes put where their names say."""
    if names == tuple(range(len(names))):
        return x
    return transpose(x, axes=tuple(names.index(i) for i in range(len(names))))


tensordot: Gate = gate(
    "tensordot", "x y", family="contract",
    evaluate=lambda x, y, axes: np.tensordot(x, y, axes)[()], infer=_tensordot_type,
    code=lambda attrs, operands: f"np.tensordot({{x}}, {{y}}, {attrs['axes']})",
    numpy=(np.tensordot,), bind=_bind_tensordot,
    vjp=lambda dout, x, y, out, axes: (
        lambda: _tensordot_back(dout, x, y, *axes), lambda: _tensordot_back_to_y(dout, x, y, *axes),
    ),
    words="sends {dout} times the other input back to {x} and {y}, over the axes in {dout}",
    samples=((np.arange(24.0).reshape(2, 3, 4) / 9, np.arange(24.0).reshape(4, 3, 2) / 7),),
    sample_attrs=({"axes": ((2, 1), (0, 1))}, {"axes": ((0,), (2,))}, {"axes": ((), ())},
                  {"axes": ((2, 0, 1), (0, 2, 1))}),
    error_samples=((np.zeros((2, 3, 4)), np.zeros((5, 3, 2))),),
)


# ---- einsum


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


_EINSUM_SAMPLES: dict[int, tuple[str, ...]] = {
    1: ("ij->j", "ij->ji", "ij->"),
    2: ("ij,ik->jk", "ij,kl->il", "ij,ij->", "ij,il->jil"),
    3: ("ij,ik,jk->i", "ij,kl,jl->"),
}


@cache
def einsumming(count: int) -> Gate:
    """The gate that multiplies so many arrays and sums over the letters not in the result."""
    arrays = [_SQUARE, _SQUARE[:, ::-1] - 1, np.cos(np.arange(9.0)).reshape(3, 3)][:count]
    return gate(
        f"einsum_{count}", names_of(count), family="contract", symbol="einsum",
        makes_view=True,  # of one array, for a transpose or a diagonal
        evaluate=lambda *arrays, subscripts, optimize: np.einsum(
            subscripts, *arrays, optimize=optimize
        )[()],
        infer=_einsum_type, code=_einsum_code,
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
    total = einsum_2(apart, _as_shape(seen, shapes[other]), subscripts=subscripts, optimize=False)
    return _as_shape(total, shape_of(y if by_y else x))


kron = gate(
    "kron", "x y", family="contract", evaluate=np.kron, infer=_kron_type,
    code="np.kron({x}, {y})", numpy=(np.kron,),
    vjp=lambda dout, x, y, out: (
        lambda: _kron_back(dout, x, y, by_y=False), lambda: _kron_back(dout, x, y, by_y=True),
    ),
    words="multiplies {dout} by the other input, block by block: {inputs} get the sums",
    samples=((_SQUARE, np.array([[1.0, -2.0], [0.5, 3.0]])), (_SQUARE, np.array([1.0, -2.0]))),
)

BY_COUNT["einsum"] = einsumming

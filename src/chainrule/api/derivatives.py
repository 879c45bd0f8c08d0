"""Forward mode, and what is built from both modes: Jacobians, Hessians, products with them."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from chainrule.api.eager import ArgNums, as_output_gradient, chosen_arguments, grad
from chainrule.api.inputs import Lifted, is_leaf
from chainrule.api.own import zero_like
from chainrule.api.remembered import pull, values_of
from chainrule.api.run import Key, Run, output_wire, run, value_of
from chainrule.errors import InputError, ShapeError
from chainrule.gates import move
from chainrule.trace.traced import Traced
from chainrule.transform.forward import push
from chainrule.transform.groups import marked_groups


def jvp(
    f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]
) -> tuple[Any, Any]:
    """f's value at `primals`, and its derivative along `tangents`, of the output's shape.

    tangents: one for each argument, of its shape, nested as it is. Raises ShapeError where they
    differ.
    """
    value, along = linearize(f, *primals)
    return value, along(*tangents)


def linearize(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """f's value, and the linear map: tangents -> tangent of the output; usable again and again."""
    done = run(f, primals, {}, range(len(primals)), copies=True)
    wire = output_wire(done, f)
    value = value_of(done.out, done.trace)
    circuit = done.trace.circuit([] if wire is None else [wire])
    groups = marked_groups(circuit, done.trace.marks)

    def along(*tangents: Any) -> Any:
        given = _given(done, tangents)
        if wire is None:
            return zero_like(value)
        with np.errstate(all="ignore"):
            values = values_of(circuit, done.trace)
            found = push(circuit, values, given, wire, groups)[wire]
        if found is None:
            return zero_like(value)
        return found if isinstance(found, Traced) else _like(found, value)

    return (value.copy() if isinstance(value, np.ndarray) else value), along


def _like(tangent: Any, value: Any) -> Any:
    """A tangent with memory of its own, a Python number where the value is one."""
    if isinstance(tangent, np.ndarray):
        return tangent.copy()
    return float(tangent) if value.__class__ is float else tangent


def _given(done: Run, tangents: Sequence[Any]) -> dict[int, Any]:
    """Tangents by input wire, checked against the arguments."""
    if len(tangents) != len(done.lifted):
        raise InputError(f"{len(done.lifted)} arguments need as many tangents, got {len(tangents)}")
    given: dict[int, Any] = {}
    for lifted, tangent in zip(done.lifted, tangents, strict=True):
        for wire, leaf in zip(lifted.wires, _leaves(lifted, tangent), strict=True):
            value = done.trace.values[wire]
            wanted, shape = np.shape(_plain(value)), np.shape(_plain(leaf))
            if wanted != shape:
                raise ShapeError(
                    f"a tangent has the shape of its argument: {list(wanted)}, not {list(shape)}"
                )
            given[wire] = as_output_gradient(leaf, value)
    return given


def _plain(value: Any) -> Any:
    while isinstance(value, Traced):
        value = value.value
    return value


def _leaves(lifted: Lifted, tangent: Any) -> Sequence[Any]:
    if lifted.spec is None:
        return [tangent]
    import optree

    leaves, spec = optree.tree_flatten(tangent, none_is_leaf=True)
    if len(leaves) != len(lifted.wires):
        raise InputError(f"a tangent is nested as its argument: {lifted.spec}, not {spec}")
    return leaves


def jacobian(f: Callable[..., Any], argnums: ArgNums = 0) -> Callable[..., Any]:
    """A function that gives all partials of f's output by an argument: shape of the output, then
    shape of the argument.

    Works by rows (reverse mode) where the output has no more numbers than the argument, by columns
    (forward mode) otherwise.
    """

    @wraps(f)
    def all_partials(*args: Any, **kwargs: Any) -> Any:
        chosen = chosen_arguments(argnums, args, kwargs, f)
        found = tuple(_jacobian(f, args, kwargs, key) for key in chosen)
        return found[0] if isinstance(argnums, int | str) else found

    return all_partials


def _jacobian(
    f: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], key: Key
) -> Any:
    done = run(f, args, kwargs, [key], copies=True)
    wire = output_wire(done, f)
    value = value_of(done.out, done.trace)
    lifted = done.lifted[0]
    values = [done.trace.values[w] for w in lifted.wires]
    out_shape = np.shape(_plain(value))
    if wire is None:
        blocks = [np.zeros(out_shape + np.shape(_plain(v)))[()] for v in values]
    elif np.size(_plain(value)) <= sum(np.size(_plain(v)) for v in values):
        blocks = _by_rows(done, wire, value, values)
    else:
        blocks = _by_columns(done, wire, value, values)
    return lifted.rebuilt(blocks)


def _by_rows(done: Run, wire: int, value: Any, values: Sequence[Any]) -> list[Any]:
    """One pull for each number of the output."""
    shape = np.shape(_plain(value))
    rows = [_flat(done, pull(done, wire, as_output_gradient(unit, value))[0])
            for unit in _units(shape)]
    return [
        _stacked([row[i] for row in rows], shape, np.shape(_plain(v)), front=True)
        for i, v in enumerate(values)
    ]


def _flat(done: Run, gradient: Any) -> Sequence[Any]:
    lifted = done.lifted[0]
    return [gradient] if lifted.spec is None else _leaves(lifted, gradient)


def _by_columns(done: Run, wire: int, value: Any, values: Sequence[Any]) -> list[Any]:
    """One push for each number of the argument."""
    circuit = done.trace.circuit([wire])
    values_by_row = values_of(circuit, done.trace)
    groups = marked_groups(circuit, done.trace.marks)
    out_shape = np.shape(_plain(value))
    blocks = []
    for v, at in zip(values, done.lifted[0].wires, strict=True):
        shape = np.shape(_plain(v))
        columns = []
        for unit in _units(shape):
            given = {at: as_output_gradient(unit, v)}
            with np.errstate(all="ignore"):
                column = push(circuit, values_by_row, given, wire, groups)[wire]
            columns.append(zero_like(_plain(value)) if column is None else column)
        blocks.append(_stacked(columns, shape, out_shape, front=False))
    return blocks


def _units(shape: tuple[int, ...]) -> list[Any]:
    """The unit arrays of a shape, in order."""
    count = int(np.prod(shape, dtype=int))
    return [u.reshape(shape)[()] for u in np.eye(count)]


def _stacked(
    pieces: Sequence[Any], many: tuple[int, ...], each: tuple[int, ...], *, front: bool
) -> Any:
    """Pieces of shape `each`, one for each number of a shape `many`, as one array."""
    if not many:
        return pieces[0]
    shape = many + each if front else each + many
    if not pieces:
        return np.zeros(shape)
    whole = np.stack(pieces, axis=0 if front else -1)
    return np.reshape(whole, shape) if len(many) > 1 else whole


def hessian(f: Callable[..., Any], argnums: Key = 0) -> Callable[..., Any]:
    """A function that gives the second partials of f, which returns one number, by an argument:
    shape of the argument twice."""
    return jacobian(grad(f, argnums), argnums)


def stop_gradient(x: Any) -> Any:
    """What chainrule.stop_gradient does."""
    if is_leaf(x):
        return move.stop_gradient(x) if isinstance(x, Traced) else x
    import optree

    return optree.tree_map(stop_gradient, x, none_is_leaf=True)


def hvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """The Hessian of f, which returns one number, times `tangents`: forward mode over reverse.

    One argument gives its product; several give a tuple, each mixed with all tangents.
    """
    products = []
    for n in range(len(primals)):
        _, product = jvp(grad(f, n), primals, tangents)
        products.append(product)
    return products[0] if len(primals) == 1 else tuple(products)

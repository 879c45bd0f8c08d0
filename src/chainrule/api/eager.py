"""Gradients of plain functions, at once.

The function runs on traced values, which computes its value while the trace records; what is
remembered of its structure gives the gradient.
"""

from collections.abc import Callable, Collection, Sequence
from functools import wraps
from typing import Any

import numpy as np

from chainrule.api.inputs import parameter_names
from chainrule.api.remembered import forget as forget
from chainrule.api.remembered import pull
from chainrule.api.run import Key, name_of, output_wire, run, value_of
from chainrule.circuit.types import FLOAT, type_id
from chainrule.errors import InputError, OutputError, ShapeError
from chainrule.trace.traced import Traced

ArgNums = Key | Sequence[Key]


def chosen_arguments(
    argnums: ArgNums, args: Sequence[Any], kwargs: Collection[str], f: Callable[..., Any]
) -> list[Key]:
    """Where the arguments to differentiate by are: positions, or names of keyword arguments."""
    wanted = [argnums] if isinstance(argnums, int | str) else argnums
    if not isinstance(wanted, list | tuple | range) or not all(
        isinstance(key, int | str) for key in wanted
    ):
        raise InputError(
            f"argnums={argnums!r:.60}: give a position, a parameter's name, or a tuple of them"
        )
    return [_chosen(key, args, kwargs, f) for key in wanted]


def _chosen(
    key: Key, args: Sequence[Any], kwargs: Collection[str], f: Callable[..., Any]
) -> Key:
    count = len(args)
    if isinstance(key, str):
        names = parameter_names(f, count)
        if key in names:
            return names.index(key)
        if key in kwargs:
            return key
        known = ", ".join([*names, *kwargs])
        raise InputError(f"argnums={key!r}, but {name_of(f)} was called with {known or 'nothing'}")
    if not -count <= key < count:
        raise InputError(
            f"argnums={key!r}, but {name_of(f)} was called with {count} positional "
            f"argument{'s' * (count != 1)}"
        )
    return key % count


def value_and_grad(
    f: Callable[..., Any], argnums: ArgNums = 0, has_aux: bool = False
) -> Callable[..., tuple[Any, Any]]:
    """A function that gives f's value and its gradient by the arguments `argnums`.

    argnums: a position or a parameter's name, or a sequence of them.

    f returns one number. The gradient has the shape and dtype of its argument, nested as it is;
    with a sequence of argnums it is a tuple. has_aux: f returns (value, aux), and the result is
    ((value, aux), gradient). Raises OutputError when f does not return one number, DTypeError for
    integer arrays.
    """

    @wraps(f)
    def value_and_gradient(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        if argnums.__class__ is int and 0 <= argnums < len(args):
            chosen: Sequence[Key] = (argnums,)  # as most have it
        else:
            chosen = chosen_arguments(argnums, args, kwargs, f)
        done = run(f, args, kwargs, chosen, has_aux=has_aux)
        wire = output_wire(done, f)
        value = value_of(done.out, done.trace)
        if getattr(value, "shape", ()) != ():
            raise OutputError(
                f"{name_of(f)} returned an array of shape {list(value.shape)}: the gradient is of "
                f"one number.\n  Return its sum, say, or use vjp(f, ...), which takes the "
                f"gradient of the output."
            )
        gradients = pull(done, wire, None)
        gradient = gradients[0] if isinstance(argnums, int | str) else gradients
        return ((value, done.aux) if has_aux else value), gradient

    return value_and_gradient


def grad(
    f: Callable[..., Any], argnums: ArgNums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that gives f's gradient by the arguments `argnums`; see value_and_grad.

    with has_aux, the result is (gradient, aux).
    """
    both = value_and_grad(f, argnums, has_aux)

    @wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, found = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return gradient


def vjp(f: Callable[..., Any], *args: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """f's value at `args`, and the pullback: output gradient -> gradients of all arguments.

    The output may be an array of any shape; its gradient has that shape. The pullback can be called
    any number of times. Raises ShapeError when the gradient given does not have the output's shape.
    """
    done = run(f, args, {}, range(len(args)), copies=True)
    wire = output_wire(done, f)
    value = value_of(done.out, done.trace)

    def pullback(dout: Any) -> tuple[Any, ...]:
        return pull(done, wire, as_output_gradient(dout, value))

    return (value.copy() if isinstance(value, np.ndarray) else value), pullback


def as_output_gradient(dout: Any, value: Any) -> Any:
    """An output gradient checked against the output, in its dtype."""
    from_shape = getattr(dout, "shape", None)
    if from_shape is None and not isinstance(dout, float | int):
        try:
            dout = np.asarray(dout, dtype=float)[()]
        except (ValueError, TypeError):
            raise InputError(
                f"the output's gradient is {type(dout).__name__} {dout!r:.60}; "
                f"give a number, or an array of the output's shape {list(np.shape(value))}"
            ) from None
    shape, wanted = tuple(getattr(dout, "shape", ())), tuple(getattr(value, "shape", ()))
    if shape != wanted:
        raise ShapeError(
            f"the output has shape {list(wanted)}, but its gradient was given with shape "
            f"{list(shape)}; they must be equal"
        )
    if isinstance(dout, Traced) or type_id(value) == FLOAT:
        return dout if isinstance(dout, Traced) else float(dout)
    return np.asarray(dout, value.dtype)[()]

"""Gradients of plain functions, at once.

The function runs on traced values, which computes its value while the trace records. A structure
seen for the first time is differentiated by running the gates' rules on the values; seen again, its
printed backward program is compiled once and kept. Both give the same bits.
"""

from array import array
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial, wraps
from typing import Any

import numpy as np

from chainrule.api.inputs import Lifted, lift, parameter_names
from chainrule.circuit.circuit import Circuit, Group
from chainrule.circuit.types import FLOAT, WEAK, type_id
from chainrule.errors import InputError, OutputError, ShapeError
from chainrule.trace.trace import Trace, retell
from chainrule.trace.traced import Traced
from chainrule.transform.backward import backpropagate_numbers
from chainrule.transform.grouping import find_groups
from chainrule.transform.groups import as_gates, joined, marked_groups
from chainrule.transform.recompute import all_values

LARGEST = 10_000  # rows; above, a backward program is not worth compiling
KEPT = 2_000_000  # integers in the structures remembered, all together

Key = int | str  # the position of an argument, or its name
ArgNums = Key | Sequence[Key]
Program = Callable[[Sequence[Any], Any], tuple[Any, ...]]


@dataclass(eq=False, repr=False, match_args=False)
class Known:
    """What is remembered of one structure: its groups, its literals, in time its program."""

    groups: tuple[Group, ...]
    literal_rows: list[int]
    literals: bytes
    is_plain: bool  # nothing but Python floats: no NumPy warnings to silence
    varying: set[int] = field(default_factory=set)
    program: Program | None = None


_known: OrderedDict[tuple[Any, ...], Known] = OrderedDict()


@dataclass(frozen=True, eq=False, repr=False, match_args=False)
class Run:
    """One call of a function on traced values.

    code: what two functions with the same code share, so that a closure made anew is known again.
    """

    trace: Trace
    lifted: tuple[Lifted, ...]
    out: Any
    aux: Any = None
    code: Any = None


def run(
    f: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], chosen: Sequence[Key], *,
    has_aux: bool = False, copies: bool = False,
) -> Run:
    """Call f with the chosen arguments traced."""
    if not callable(f):
        raise InputError(f"a gradient is of a function, and {f!r:.60} is none")
    trace = Trace(copies=copies, is_placed=False)
    given: dict[Key, Any] = dict(enumerate(args))
    given.update(kwargs.items())
    lifted = []
    for key in chosen:
        lifted.append(lift(trace, given[key], partial(_parameter, f, len(args), key)))
        given[key] = lifted[-1].value
    try:
        out = f(*(given[n] for n in range(len(args))), **{k: given[k] for k in kwargs})
    except ValueError as error:
        retell(error)
    finally:
        trace.close()
    aux = None
    if has_aux:
        if not (isinstance(out, tuple) and len(out) == 2):
            raise OutputError(
                f"has_aux=True: {_name(f)} must return (value, aux), "
                f"but it returned {_described(out)}"
            )
        out, aux = out[0], _plain(out[1], trace)
    return Run(trace, tuple(lifted), out, aux, getattr(f, "__code__", type(f)))


def _parameter(f: Callable[..., Any], count: int, key: Key) -> str:
    return key if isinstance(key, str) else parameter_names(f, count)[key]


def _plain(aux: Any, trace: Trace) -> Any:
    """Auxiliary results with this trace's values as the numbers they hold."""
    def value(x: Any) -> Any:
        return x.value if isinstance(x, Traced) and x.trace is trace else x

    if isinstance(aux, Traced):
        return value(aux)
    import optree

    return optree.tree_map(value, aux, none_is_leaf=True)


def _name(f: Callable[..., Any]) -> str:
    return getattr(f, "__name__", type(f).__name__)


def output_wire(run: Run, f: Callable[..., Any]) -> int | None:
    """The wire of the output, None when it does not depend on the inputs; checked to be one."""
    out = run.out
    if isinstance(out, Traced):
        return out.wire if out.trace is run.trace else None
    if out.__class__ in WEAK or isinstance(out, np.ndarray | np.generic):
        return None
    raise OutputError(
        f"{_name(f)} returned {_described(out)}: a gradient needs one number or array."
        + ("\n  Did the function forget to return its result?" if out is None else "")
        + ("\n  With has_aux=True it may return (value, anything else)."
           if isinstance(out, tuple) else "")
    )


def _described(out: Any) -> str:
    if isinstance(out, Traced | np.ndarray):
        return f"an array of shape {list(out.shape)}" if out.shape else "one number"
    if isinstance(out, list | tuple):
        return f"a {type(out).__name__} of {len(out)} items"
    return "None" if out is None else f"a {type(out).__name__}"


def value_of(out: Any, trace: Trace) -> Any:
    """The plain value of an output."""
    return out.value if isinstance(out, Traced) and out.trace is trace else out


def pull(run: Run, wire: int | None, dout: Any) -> tuple[Any, ...]:
    """The gradients of every lifted argument, for an output gradient; None: of 1."""
    trace = run.trace
    if wire is None or not trace.inputs:
        found: Sequence[Any] = [None] * len(trace.inputs)
    elif trace.is_nested or trace.packed or trace.regions or len(trace) > LARGEST:
        circuit = trace.circuit([wire])
        values = values_of(circuit, trace)
        with np.errstate(all="ignore"):
            found = backpropagate_numbers(
                circuit, values, wire, dout, trace.inputs, groups_of(circuit, trace)
            )
    else:
        found = _remembered(run, wire, dout)
    return _delivered(run, found, dout)


def _remembered(run: Run, wire: int, dout: Any) -> Sequence[Any]:
    """Gradients of a structure: by its rules the first time, by its program from then on."""
    trace = run.trace
    seeded = dout is not None
    key = (trace.structure(), wire, seeded, run.code)
    known = _known.get(key)
    values = trace.values
    if known is None:
        circuit = trace.circuit([wire])
        known = _known[key] = _first_seen(circuit, trace)
        _forget_oldest()
        return _by_rules(circuit, known, values, dout)
    rows = known.literal_rows
    if rows and array("d", [values[r] for r in rows]).tobytes() != known.literals:
        _vary(known, values, trace, wire)
    if known.program is None:
        _known.move_to_end(key)
        known.program = _program(trace.circuit([wire]), known, seeded)
    if known.program is None:
        return _by_rules(trace.circuit([wire]), known, values, dout)
    try:
        if known.is_plain:
            return known.program(values, dout)
        with np.errstate(all="ignore"):
            return known.program(values, dout)
    except (ArithmeticError, ValueError):
        return _by_rules(trace.circuit([wire]), known, values, dout)


def _forget_oldest() -> None:
    """Keep the memory of structures bounded: the longest unused go first."""
    while sum(len(key[0]) for key in _known) > KEPT:
        _known.popitem(last=False)


def forget() -> None:
    """Drop every remembered structure and program."""
    _known.clear()


def values_of(circuit: Circuit, trace: Trace) -> Sequence[Any]:
    """A trace's values by row; what a checkpointed call let go is worked out again when read.

    An older trace records that again, so there a group with a rule is one stage, which keeps it.
    """
    if trace.regions and trace.is_nested and trace.marks:
        circuit = as_gates(circuit, joined(marked_groups(circuit, trace.marks), ()))
    return all_values(circuit, trace.values)


def groups_of(
    circuit: Circuit, trace: Trace, varying: Collection[int] = ()
) -> tuple[Group, ...]:
    """The groups of a traced circuit: recognised ones, and those its user marked."""
    found = find_groups(circuit, varying)
    return joined(marked_groups(circuit, trace.marks), found) if trace.marks else found


def _first_seen(circuit: Circuit, trace: Trace) -> Known:
    values = trace.values
    rows = [r for r in circuit.constant_rows if circuit.type_of(r).weak]
    literals = array("d", [values[r] for r in rows]).tobytes()
    is_plain = all(circuit.type_of(r).weak for r in range(len(circuit)))
    return Known(groups_of(circuit, trace), rows, literals, is_plain)


def _vary(known: Known, values: Sequence[Any], trace: Trace, wire: int) -> None:
    """Some literals differ from last time: from now on the program reads them at each call."""
    before = array("d")
    before.frombytes(known.literals)
    rows = known.literal_rows
    now = array("d", [values[r] for r in rows])
    same = [now[i : i + 1].tobytes() == before[i : i + 1].tobytes() for i in range(len(rows))]
    known.varying.update(r for r, kept in zip(rows, same, strict=True) if not kept)
    known.literal_rows = [r for r, kept in zip(rows, same, strict=True) if kept]
    known.literals = array("d", [values[r] for r in known.literal_rows]).tobytes()
    known.groups = groups_of(trace.circuit([wire]), trace, known.varying)
    known.program = None


def _by_rules(
    circuit: Circuit, known: Known, values: Sequence[Any], dout: Any
) -> Sequence[Any]:
    with np.errstate(all="ignore"):
        return backpropagate_numbers(
            circuit, values, circuit.outputs[0], dout, circuit.inputs, known.groups
        )


def _program(circuit: Circuit, known: Known, seeded: bool) -> Program | None:
    from chainrule.api.program import compiled  # only gradients taken again need it

    return compiled(circuit.with_(groups=known.groups), seeded, known.varying)


def _delivered(run: Run, found: Sequence[Any], dout: Any) -> tuple[Any, ...]:
    """Gradients in the shape of the arguments, each with memory of its own."""
    given = {id(dout)}
    delivered = []
    values = run.trace.values
    at = 0
    for lifted in run.lifted:
        leaves = []
        for wire in lifted.wires:
            leaves.append(_own(found[at], values[wire], given))
            at += 1
        delivered.append(lifted.rebuilt(leaves))
    return tuple(delivered)


def _own(gradient: Any, value: Any, given: set[int]) -> Any:
    """A gradient of its input's dtype that shares memory with nothing the user holds."""
    if gradient.__class__ is float:
        if value.__class__ is float:
            return gradient
    elif isinstance(gradient, np.ndarray):
        if isinstance(value, np.ndarray):  # of a branch not taken it may be made of Python's 0
            gradient = gradient.astype(value.dtype, copy=False)
        if gradient.base is not None or id(gradient) in given or not gradient.flags.writeable:
            gradient = gradient.copy()
        given.add(id(gradient))
        return gradient
    elif isinstance(gradient, Traced):
        return gradient
    if gradient is None:
        return zero_like(value)
    if value.__class__ is float or isinstance(value, Traced):
        return float(gradient) if gradient.__class__ is int else gradient
    return np.asarray(gradient, value.dtype)[()]


def zero_like(value: Any) -> Any:
    """The gradient of an input that the output does not depend on."""
    if value.__class__ is float:
        return 0.0
    return np.zeros(value.shape, value.dtype)[()]


# ---- the public functions


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
        raise InputError(f"argnums={key!r}, but {_name(f)} was called with {known or 'nothing'}")
    if not -count <= key < count:
        raise InputError(
            f"argnums={key!r}, but {_name(f)} was called with {count} positional "
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
        chosen = chosen_arguments(argnums, args, kwargs, f)
        done = run(f, args, kwargs, chosen, has_aux=has_aux)
        wire = output_wire(done, f)
        value = value_of(done.out, done.trace)
        if getattr(value, "shape", ()) != ():
            raise OutputError(
                f"{_name(f)} returned an array of shape {list(value.shape)}: the gradient is of "
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

"""Where worked circuits come from: functions, scripts and expressions."""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

import numpy as np

from chainrule.api.eager import as_output_gradient
from chainrule.api.inputs import Lifted, as_input, lift, parameter_names
from chainrule.api.outside import variables_of
from chainrule.api.run import Run, output_wire
from chainrule.api.worked import ONE, Worked
from chainrule.circuit.circuit import Circuit
from chainrule.code.arguments import Argument
from chainrule.errors import OutputError
from chainrule.trace.expression import expression_circuit
from chainrule.trace.names import decisions, with_names
from chainrule.trace.script import run_script
from chainrule.trace.trace import Trace, retell
from chainrule.trace.traced import Traced
from chainrule.transform.grouping import find_groups, with_groups
from chainrule.transform.groups import joined, marked_groups


def circuit(f: Callable[..., Any]) -> Callable[..., Worked]:
    """What chainrule.circuit does."""

    @wraps(f)
    def worked(*args: Any, output_grad: Any = None, **kwargs: Any) -> Worked:
        trace = Trace(copies=True)
        names = [*parameter_names(f, len(args)), *kwargs]
        given = [*args, *kwargs.values()]
        lifted = [_lift_if_real(trace, v, n) for v, n in zip(given, names, strict=True)]
        called_with = [x.value if isinstance(x, Lifted) else x for x in lifted]
        try:
            out = f(*called_with[: len(args)],
                    **dict(zip(kwargs, called_with[len(args):], strict=True)))
        except ValueError as error:
            retell(error)
        finally:
            trace.close()
        name = getattr(f, "__name__", "f")
        wire = output_wire(Run(trace, (), out), f)
        arguments = [
            Argument(n, _tree(x)) for n, x in zip(names, lifted, strict=True)
            if isinstance(x, Lifted)
        ]
        if wire is None:
            raise OutputError(
                f"{name} returned {out!r:.60}, which does not depend on its arguments"
            )
        name = "f" if name == "<lambda>" else name
        return _worked(out, arguments, name, output_grad, outside=variables_of(f))

    return worked


def _lift_if_real(trace: Trace, value: Any, name: str) -> Any:
    """Inputs of the real numbers in an argument; arguments without any stay as they are."""
    if isinstance(value, str | bytes | bool | np.bool_) or value is None:
        return value
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind != "f":
        return value
    return lift(trace, value, name, lenient=True)


def _tree(lifted: Lifted) -> Any:
    if lifted.spec is None:
        return lifted.wires[0]
    return lifted.spec.unflatten([None if w < 0 else w for w in lifted.wires])


def _worked(
    out: Traced, arguments: Sequence[Argument], name: str, output_grad: Any,
    prelude: tuple[str, ...] | None = None, outside: Mapping[str, Any] | None = None,
) -> Worked:
    trace, wire = out.trace, out.wire
    plain = with_names(trace.circuit([wire], title=name), trace)
    plain = plain.with_(names={**_captured_names(trace, outside or {}), **plain.names})
    if not plain.name(wire):
        plain = plain.with_(names={**plain.names, wire: (_output_name(plain, name),)})
    inputs = tuple(trace.values[w] for w in trace.inputs)
    dout = _output_gradient(output_grad, out.value, name)
    own = marked_groups(plain, trace.marks)
    grouped = plain.with_(groups=joined(own, find_groups(plain)))
    return Worked(
        grouped, tuple(arguments), inputs, dout, prelude, name, own=own,
        decisions=decisions(trace),
    )


def _captured_names(trace: Trace, outside: Mapping[str, Any]) -> dict[int, tuple[str, ...]]:
    """The user's names for arrays that a function read from outside."""
    names = {id(value): name for name, value in outside.items()}
    return {w: (names[id(a)],) for w, a in trace.captured.items() if id(a) in names}


def _output_name(plain: Circuit, name: str) -> str:
    """The function's own name for an output that has none, unless a variable has it."""
    taken = {n for names in plain.names.values() for n in names}
    return name if name not in taken else f"{name}_out"


def _output_gradient(given: Any, value: Any, name: str) -> Any:
    if given is not None:
        return as_output_gradient(given, value)
    if getattr(value, "shape", ()) != ():
        raise OutputError(
            f"{name} gives an array of shape {list(value.shape)}: the gradient is of one number.\n"
            f"  Return its sum, say, or give output_grad= an array of that shape."
        )
    return ONE


def script(
    source: str, filename: str = "<script>", wrt: Sequence[str] | None = None, of: str | None = None
) -> Worked:
    """Work out a script of plain staged code; see the command `chainrule code script.py`."""
    found: dict[str, Lifted] = {}

    def make_input(trace: Trace, value: Any, name: str) -> Any:
        found[name] = lift(trace, value, name)
        return found[name].value

    done = run_script(source, filename, make_input, wrt, of)
    arguments = [Argument(n, _tree(x)) for n, x in found.items()]
    return _worked(done.out, arguments, done.of, None, done.prelude)


def expression(source: str, values: Mapping[str, Any]) -> Worked:
    """Work out an expression of numbers, names, operators and functions."""
    inputs = {n: as_input(v, n) for n, v in values.items()}
    plain = expression_circuit(source, inputs)
    names = [plain.name(w) or "x" for w in plain.inputs]
    arguments = tuple(Argument(n, w) for n, w in zip(names, plain.inputs, strict=True))
    given = tuple(inputs[n] for n in names)
    prelude = tuple(f"{n} = {values[n]!r}" for n in names)
    return Worked(with_groups(plain), arguments, given, ONE, prelude, plain.title, source.strip())

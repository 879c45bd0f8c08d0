"""What a program claims of gradients: printed code, perhaps changed, run alone and read off.

A script leaves its variables behind; of a function its variables are taken as it returns. A
variable named as the printed code names a gradient is a claim of that gradient.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

from chainrule.backends.numpy import run_source
from chainrule.code.arguments import Argument, leaves
from chainrule.code.staged import Staged
from chainrule.errors import ChainruleError, ExpressionError, InputError


@dataclass(frozen=True, slots=True)
class Claims:
    """Gradients by wire, in the order of the backward pass: what spoils others comes before them.

    names: what the program calls wires that have no name of the user's. missing: inputs whose
    gradient it does not compute, with the name it should have.
    """

    gradients: dict[int, Any]
    names: dict[int, tuple[str, ...]]
    missing: dict[int, str]


def claims(
    code: str, printed: Staged, arguments: Sequence[Argument], function: str | None = None,
    given: Sequence[Any] = (),
) -> Claims:
    """The gradients that a program computes, by the names that `printed` has for them.

    function: the one to call with the values given; None for a script. Raises ExpressionError when
    the program stops, InputError when it computes none of the gradients.
    """
    try:
        space = run_source(code)
        if function is not None and function not in space:
            raise InputError(f"the code to check defines no function {function}")
        if function is not None:
            (_, found), space = _called(space[function], given)
            gradients = found if len(arguments) > 1 else (found,)
            space |= {f"d{a.name}": g for a, g in zip(arguments, gradients, strict=True)}
    except ChainruleError:
        raise
    except Exception as error:
        raise ExpressionError(
            f"the code to check stopped: {type(error).__name__}: {error}"
        ) from error
    lines = [line for line in printed.backward if line.wire >= 0]
    claimed = {line.wire: space[line.target] for line in lines if line.target in space}
    missing = {}
    for argument in arguments:
        whole, wires = space.get(f"d{argument.name}"), list(leaves(argument.tree))
        if whole is not None:
            claimed |= {wire: _at(whole, path) for path, wire in wires}
        for _, wire in wires:
            if wire not in claimed:
                missing[wire] = f"d{argument.name}"
    if not claimed:
        raise InputError(
            "the code to check assigns none of the gradients "
            + ", ".join(dict.fromkeys(line.target for line in printed.backward))
        )
    names: dict[int, tuple[str, ...]] = {
        line.wire: (line.target.removeprefix("d"),) for line in lines
    }
    return Claims(dict(sorted(claimed.items(), reverse=True)), names, missing)


def _called(function: Callable[..., Any], given: Sequence[Any]) -> tuple[Any, dict[str, Any]]:
    """What a function returns, and its variables as it does."""
    kept: dict[str, Any] = {}

    def watch(frame: FrameType, event: str, _: Any) -> None:
        if event == "return" and frame.f_code is function.__code__:
            kept.update(frame.f_locals)

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        return function(*given), kept
    finally:
        sys.setprofile(before)


def _at(nested: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        nested = nested[key]
    return nested

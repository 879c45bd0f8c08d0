"""Gates made by users: a function, and its local gradient in plain NumPy.

    @cr.gate(local=lambda x, y, out: (y, x))
    def area(x, y):
        return x * y

The function computes, and from traced values records one stage; `gate_rules` has what its record
does. Called on plain values the function is just called.
"""

import inspect
import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import update_wrapper
from types import MethodType
from typing import Any

import numpy as np

from chainrule.api.gate_rules import Maker, Rule, described, signature, types_of
from chainrule.api.outside import fingerprint
from chainrule.circuit.record import Gate, admit
from chainrule.errors import InputError, TraceError

TAKEN = ("out", "dout", "inputs")  # words and rules mean something else by them


class UserGate:
    """A gate made by a user: call it like the function it was made from."""

    def __init__(self, maker: Maker) -> None:
        update_wrapper(self, maker.f)
        self.name = maker.name
        self._maker = maker
        self._made: dict[Any, tuple[Maker, Gate]] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The output: computed from plain values, recorded as one stage from traced ones."""
        if not any(hasattr(x, "birth") for x in args) and \
                not any(hasattr(x, "birth") for x in kwargs.values()):
            self._refuse_hidden(args)
            return self._maker.f(*args, **kwargs)
        operands, attrs = self.bound(args, kwargs)
        maker, gate = self.record()
        out = gate(*operands, **attrs)
        if hasattr(out, "type"):
            types = types_of([operand if hasattr(operand, "type") else _as_value(operand)
                            for operand in operands])
            maker.seen.setdefault(signature(types, attrs), out.type)
        return out

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<gate {self.name}({', '.join(self._maker.inputs)})>"

    def bound(
        self, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        """Inputs in order, and settings by name, defaults filled in."""
        return settings_of(self._maker, args, kwargs)

    def record(self) -> tuple[Maker, Gate]:
        """The gate's record, another one when a number its functions read has changed."""
        m = self._maker
        given = tuple(f for f in (m.f, m.local, m.vjp) if f is not None)
        key = fingerprint(m.name, given)
        if key not in self._made:
            maker = m.again()
            self._made[key] = maker, admit(maker.gate())
        return self._made[key]

    def _refuse_hidden(self, args: Sequence[Any]) -> None:
        for name, value in zip(self._maker.inputs, args, strict=False):
            if isinstance(value, list | tuple) and any(hasattr(x, "birth") for x in value):
                raise TraceError(
                    f"the gate {self.name} was given a {type(value).__name__} of traced values as "
                    f"{name}: an input of a gate is one number or array.\n  Instead: np.stack them."
                )


def settings_of(
    maker: Maker, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """The inputs of a call in order, and its settings by name, defaults filled in."""
    if not kwargs and not maker.settings and len(args) == len(maker.inputs):
        return list(args), {}
    found = inspect.signature(maker.f).bind(*args, **kwargs)
    found.apply_defaults()
    attrs = {n: _setting(maker.name, n, found.arguments[n]) for n in maker.settings}
    return [found.arguments[name] for name in maker.inputs], attrs


def make_gate(f: Callable[..., Any], **said: Any) -> UserGate:
    """The gate of a function; what chainrule.gate does once it has the function."""
    return UserGate(maker_of(f, **said))


def maker_of(
    f: Callable[..., Any], *, local: Rule | None = None, vjp: Rule | None = None,
    name: str | None = None, symbol: str = "", words: str = "", samples: Sequence[Any] = (),
    kinks: Callable[..., bool] | None = None,
) -> Maker:
    """What was said about a gate, checked."""
    if not callable(f):
        raise InputError(f"a gate is made from a function, not from {described(f)}")
    own = getattr(f, "__name__", type(f).__name__)
    name = name or ("gate" if own == "<lambda>" else own)
    if local is not None and vjp is not None:
        raise InputError(f"the gate {name} was given local= and vjp=: give one, the other follows")
    inputs, settings = _parameters(f, name)
    for which, rule, first in (("local", local, ()), ("vjp", vjp, ("dout",))):
        if rule is not None:
            _check_rule(name, which, rule, (*first, *inputs, "out"), settings)
    _check_words(name, words, inputs)
    if kinks is not None and not callable(kinks):
        raise InputError(f"kinks= of the gate {name} is a function of its inputs that says whether "
                         f"the partial jumps there, not {described(kinks)}")
    return Maker(f, name, inputs, settings, local, vjp, symbol, words,
                 tuple(_sample(name, s, inputs) for s in samples), kinks)


def _parameters(f: Callable[..., Any], name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Inputs and settings, from the signature."""
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        raise InputError(
            f"the gate {name} cannot be made: its function does not tell its parameters.\n"
            "  Wrap it: def f(x): return ..."
        ) from None
    kinds = inspect.Parameter
    starred = [p for p in parameters if p.kind in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD)]
    settings = tuple(p.name for p in parameters if p.kind is kinds.KEYWORD_ONLY)
    inputs = tuple(p.name for p in parameters if p not in starred and p.name not in settings)
    if starred or not inputs:
        why = f"its function takes {starred[0]}" if starred else "its function takes none"
        raise InputError(
            f"the gate {name} needs a fixed number of inputs, one or more, and {why}.\n"
            "  Name each input; keyword-only parameters are settings."
        )
    wrong = [n for n in inputs if n in TAKEN]
    if wrong:
        raise InputError(f"an input of the gate {name} cannot be called {wrong[0]!r}: its rules "
                         "have that name.\n  A NumPy function is wrapped: lambda x: np.exp(x)")
    return inputs, settings


def _check_rule(
    name: str, which: str, rule: Rule, given: Sequence[str], settings: Sequence[str]
) -> None:
    try:
        inspect.signature(rule).bind(*given, **dict.fromkeys(settings))
    except TypeError:
        called = ", ".join([*given, *(f"{s}={s}" for s in settings)])
        raise InputError(
            f"{which}= of the gate {name} is called as {which}({called}), but it takes "
            f"{inspect.signature(rule)}"
        ) from None
    except ValueError:
        return  # built in: it does not tell


def _check_words(name: str, words: str, inputs: Sequence[str]) -> None:
    known = {*inputs, *TAKEN}
    unknown = [n for n in re.findall(r"{(.*?)}", words) if n not in known]
    if unknown:
        raise InputError(f"words= of the gate {name} name {{{unknown[0]}}}; there are "
                         + ", ".join(f"{{{n}}}" for n in sorted(known)))


def _sample(name: str, sample: Any, inputs: Sequence[str]) -> tuple[Any, ...]:
    values = tuple(sample) if isinstance(sample, tuple | list) else (sample,)
    if len(values) != len(inputs):
        raise InputError(f"a sample of the gate {name} has {len(values)} values, and the gate has "
                         f"{len(inputs)} inputs: {', '.join(inputs)}")
    return tuple(float(v) if v.__class__ is int else v for v in values)


def _setting(gate: str, name: str, value: Any) -> Any:
    """A keyword-only argument in the closed grammar of attrs."""
    if isinstance(value, np.bool_ | np.integer | np.floating):
        value = value.item()
    if isinstance(value, tuple):
        return tuple(_setting(gate, name, v) for v in value)
    if value is None or value.__class__ in (bool, int, str) or (
        value.__class__ is float and not math.isnan(value)
    ):
        return value
    raise InputError(
        f"{name}= of the gate {gate} is a setting, and cannot be {described(value)}: "
        "settings are None, bool, int, float but nan, str, and tuples of these.\n  What has a "
        "gradient, or is an array, is an input: put it before the * in the function's parameters."
    )


def _as_value(operand: Any) -> Any:
    """A plain operand as the constant that it became."""
    return np.asarray(operand) if isinstance(operand, list | tuple) else operand

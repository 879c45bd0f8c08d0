"""What a user said of a gate, as the rules of its record.

A rule is recorded once for inputs of given types (see `bodies`) and is from then on a circuit like
any other. A gate without a rule is differentiated through its function's own stages.
"""

import re
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from chainrule.api.bodies import Body, body_of, stand_ins
from chainrule.api.definition import definition
from chainrule.circuit.builder import Builder
from chainrule.circuit.circuit import NOTHING, Circuit
from chainrule.circuit.record import KINDS, Gate, attrs_key, kind_id
from chainrule.circuit.types import TYPES, WEAK, Type, intern_type, is_number, type_id
from chainrule.errors import ChainruleError, InputError, OutputError, ShapeError, UnsupportedError
from chainrule.gates.elementwise import accumulate, add
from chainrule.gates.move import alias
from chainrule.transform.forward import replay
from chainrule.transform.grouping import with_groups
from chainrule.transform.recorder import with_backward
from chainrule.transform.simplify import simplify

WORDS = "multiplies by its own local gradients: {inputs} get them times {dout}"
Types = tuple[Type, ...]
Rule = Callable[..., Any]


@dataclass(frozen=True, eq=False)
class Maker:
    """Everything a user said about a gate."""

    f: Callable[..., Any]
    name: str
    inputs: tuple[str, ...]
    settings: tuple[str, ...]
    local: Rule | None = None
    vjp: Rule | None = None
    symbol: str = ""
    words: str = ""
    samples: tuple[tuple[Any, ...], ...] = ()
    kinks: Callable[..., bool] | None = None
    seen: dict[Any, Type] = field(default_factory=dict)  # types and settings -> type of the output
    _kept: dict[Any, Any] = field(default_factory=dict)

    # ---- what the record of the gate asks

    def evaluate(self, *operands: Any, **attrs: Any) -> Any:
        """The function on plain values, checked to give one number or array."""
        return self.checked(self.f(*operands, **attrs), all(x.__class__ in WEAK for x in operands))

    def checked(self, out: Any, weak: bool) -> Any:
        """An output a wire can carry: Python's number for Python's numbers."""
        if isinstance(out, np.ndarray) and not out.shape:
            out = out[()]
        if not is_number(out):
            raise OutputError(
                f"the gate {self.name} returned {described(out)}: a gate has one output, a real "
                "number or a NumPy array of them"
            )
        return out.item() if weak and isinstance(out, np.generic) else out

    def infer(self, types: Sequence[Type], **attrs: Any) -> Type:
        """The type of the output: seen before, or found by applying the function to stand-ins."""
        key = signature(types, attrs)
        if key not in self.seen:
            self.seen[key] = self._tried(types, attrs)
        return self.seen[key]

    def _tried(self, types: Sequence[Type], attrs: Mapping[str, Any]) -> Type:
        first: Exception | None = None
        for values in stand_ins(types, self.samples):
            try:
                with np.errstate(all="ignore"):
                    return TYPES[type_id(self.evaluate(*values, **attrs))]
            except Exception as error:  # the next stand-ins may suit the function better
                first = first or error
        shapes = ", ".join(map(str, types))
        raise UnsupportedError(
            f"the gate {self.name} cannot be applied to inputs of types {shapes}: "
            f"{type(first).__name__}: {first}\n  If it can with other numbers, give samples="
        ) from first

    def local_rule(self, *given: Any, **attrs: Any) -> tuple[Any, ...]:
        """One partial per input."""
        return self._rule("local", given, attrs).entries(given)

    def vjp_rule(self, *given: Any, **attrs: Any) -> tuple[Any, ...]:
        """One gradient per input, for dout, the inputs and out."""
        return self._rule("vjp", given, attrs).entries(given)

    def through_stages(self, dout: Any, *given: Any, **attrs: Any) -> tuple[Any, ...]:
        """One gradient per input, by the chain rule through the function's own stages."""
        types = types_of(given[:-1])
        body: Body = self._once("back", types, attrs, lambda: self._backward(types, attrs))
        return body.entries((*given[:-1], dout))

    def decompose(self, *given: Any, **attrs: Any) -> Any:
        """The function's own stages, on handles; its value, on plain values."""
        if all(is_number(x) for x in given):
            return self.evaluate(*given, **attrs)
        return replay(self.body(types_of(given), attrs), given)

    def body(self, types: Types, attrs: Mapping[str, Any]) -> Circuit:
        """The function's own stages as a circuit. UnsupportedError where it has none."""
        return self._once("body", types, attrs, lambda: self._stages(types, attrs))  # type: ignore[no-any-return]  # a Circuit

    # ---- recorded once for each

    def _once(
        self, what: str, types: Types, attrs: Mapping[str, Any], make: Callable[[], Any]
    ) -> Any:
        key = what, *signature(types, attrs)
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

    def _stages(self, types: Types, attrs: Mapping[str, Any]) -> Circuit:
        try:
            found = body_of(self.f, types, attrs, self.samples)
        except ChainruleError as error:
            raise UnsupportedError(self._without_stages(error)) from error
        c = found.circuit
        if found.is_tuple or (not c.outputs and not is_number(found.results[0])):
            self.checked(found.results, weak=False)
        return with_groups(_one_stage_at_least(c, found.results[0]))

    def _without_stages(self, error: Exception) -> str:
        needs = "Its own stages were asked for" if self.local or self.vjp else \
            "It has no local= or vjp=, so its gradient comes from its own stages"
        return f"the gate {self.name} cannot be taken apart. {needs}, and {_uncapitalised(error)}"

    def _backward(self, types: Types, attrs: Mapping[str, Any]) -> Body:
        c = self.body(types, attrs)
        wrt = [w for w in c.inputs if c.type_of(w).is_inexact]
        done = with_backward(c, c.outputs[0], wrt, gradient_is_input=True)
        gradient = done.parts[0].gradient
        sent = [gradient[w] if w < len(gradient) else NOTHING for w in c.inputs]
        outputs = [w for w in sent if w != NOTHING]
        short = simplify(done, outputs=outputs, parts=False, prune_forward=True)
        ends = iter(short.outputs)
        return Body.of(_readable(short), [None if w == NOTHING else next(ends) for w in sent])

    def _rule(self, which: str, given: Sequence[Any], attrs: Mapping[str, Any]) -> Body:
        types = types_of(given)
        return self._once(which, types, attrs, lambda: self._recorded(which, types, attrs))  # type: ignore[no-any-return]  # a Body

    def _recorded(self, which: str, types: Types, attrs: Mapping[str, Any]) -> Body:
        rule = self.local if which == "local" else self.vjp
        assert rule is not None  # only asked of gates that have it
        own = types[1:-1] if which == "vjp" else types[:-1]
        samples = [(*([1.0] if which == "vjp" else []), *s, self._out(s, attrs))
                   for s in self.samples]
        try:
            found = body_of(rule, types, attrs, samples).with_plain_floats()
        except ChainruleError as error:
            raise UnsupportedError(
                f"{which}= of the gate {self.name} cannot be recorded: {_uncapitalised(error)}"
            ) from error
        self._check_count(which, found)
        for name, t, result in zip(self.inputs, own, found.kinds(), strict=True):
            self._check_entry(which, name, t, result, types[-1])
        return found

    def _out(self, sample: Sequence[Any], attrs: Mapping[str, Any]) -> Any:
        try:
            with np.errstate(all="ignore"):
                return self.evaluate(*sample, **attrs)
        except Exception:  # a sample for other types or settings
            return None

    def _check_count(self, which: str, found: Body) -> None:
        if len(found.results) != len(self.inputs) or not (found.is_tuple or len(self.inputs) == 1):
            what = "partial" if which == "local" else "gradient"
            count = f"{len(found.results)} {what}{'s' * (len(found.results) != 1)}"
            raise InputError(
                f"{which}= of the gate {self.name} gave {count}"
                f"{'' if found.is_tuple else ', not in a tuple'}, but the gate has "
                f"{len(self.inputs)} input{'s' * (len(self.inputs) != 1)}: "
                f"{', '.join(self.inputs)}.\n  Write a tuple with one for each, None for what "
                "gets no gradient."
            )

    def _check_entry(self, which: str, name: str, t: Type, found: Any, out: Type) -> None:
        """An entry must come out in the shape of its input once the engine has added it up."""
        if found is None:
            return
        if isinstance(found, Type):
            try:
                sent = np.broadcast_shapes(found.shape, out.shape) if which == "local" \
                    else found.shape
                if np.broadcast_shapes(sent, t.shape) in (sent, t.shape):
                    return
            except ValueError:
                pass
            what = "a partial" if which == "local" else "a gradient"
            raise ShapeError(
                f"{which}= of the gate {self.name} gives {name} {what} of shape "
                f"{list(found.shape)}, but {name} has shape {list(t.shape)} and the output "
                f"{list(out.shape)}"
            )
        raise OutputError(
            f"{which}= of the gate {self.name} gives {name} {described(found)}, not a number or "
            "an array"
        )

    # ---- the record

    def again(self) -> "Maker":
        """The same words, with nothing recorded yet."""
        return replace(self, seen={}, _kept={})

    def gate(self) -> Gate:
        """The gate's record."""
        template = self._code
        rules: dict[str, Any] = {"vjp": self.through_stages, "through_body": True}
        if self.local is not None:
            rules = {"local": self.local_rule}
        elif self.vjp is not None:
            rules = {"vjp": self.vjp_rule}
        return Gate(
            self.name, self.inputs, "user", self.symbol or self.name, self.evaluate, self.evaluate,
            self.infer, template, template, decompose=self.decompose, body=self.body,
            words=self.words or WORDS, kinks=self.kinks, samples=self.samples,
            definition=definition(self.f), **rules,
        )

    def _code(self, attrs: Mapping[str, Any], operands: Any) -> str:
        """The call as it is printed: area({x}, {y}, n=2)."""
        places = [f"{{{name}}}" for name in self.inputs]
        given = [f"{k}={v!r}".replace("{", "{{").replace("}", "}}") for k, v in attrs.items()]
        return f"{printed_name(self.f, self.name)}({', '.join([*places, *given])})"


def printed_name(f: Callable[..., Any], name: str) -> str:
    """How a program calls the function of a gate."""
    own = getattr(f, "__name__", name)
    return own if own.isidentifier() else re.sub(r"\W", "_", name)


def _one_stage_at_least(c: Circuit, result: Any) -> Circuit:
    """The body of a function that computes nothing gets a stage: another name for what it gives."""
    if c.outputs and not c.is_leaf(c.outputs[0]):
        return c
    b = Builder.extending(c)
    wire = c.outputs[0] if c.outputs else b.constant(result)
    return b.build([b.apply(alias, (wire,), {})])


def _readable(c: Circuit) -> Circuit:
    """A backward pass as stages of its own: what added up at its forks is plain addition."""
    plain = {k: kind_id(add, (), KINDS[k].type_id) for k in c.kind if KINDS[k].gate is accumulate}
    return c.with_(kind=array("i", [plain.get(k, k) for k in c.kind]))


def signature(types: Sequence[Type], attrs: Mapping[str, Any]) -> tuple[Any, ...]:
    """A key for inputs of these types and these settings."""
    settings = repr(attrs_key(attrs)) if attrs else ""  # repr tells True from 1
    return (*map(intern_type, types), settings)


def types_of(values: Sequence[Any]) -> Types:
    """The types of plain values, handles or traced values."""
    return tuple(x.type if hasattr(x, "birth") else TYPES[type_id(x)] for x in values)


def described(value: Any) -> str:
    """What a value is, in a few words."""
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)} items"
    if isinstance(value, np.ndarray):
        return f"an array of dtype {value.dtype}"
    return "None" if value is None else f"the {type(value).__name__} {value!r:.40}"


def _uncapitalised(error: Exception) -> str:
    text = str(error)
    return text[:1].lower() + text[1:]

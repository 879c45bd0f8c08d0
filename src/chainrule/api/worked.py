"""Worked: a circuit with its readings. What was computed, ready to be read in every form."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.api.claims import Claims, claims
from chainrule.api.expand import expand
from chainrule.api.grouped import grouped, ungrouped
from chainrule.api.inputs import as_input
from chainrule.api.printable import printable
from chainrule.api.promote import promoted
from chainrule.api.shown import display, in_notebook, open_page
from chainrule.backends import stepwise
from chainrule.backends.llvm.compiled import plan as machine_plan
from chainrule.check.circuits import check, check_gradients, fork_terms
from chainrule.check.diagnosis import Diagnosis, diagnose
from chainrule.check.verdict import Verdict, missing
from chainrule.circuit.circuit import Circuit, Group
from chainrule.circuit.notes import Decision, Part
from chainrule.circuit.readings import Readings
from chainrule.circuit.types import WEAK
from chainrule.code.arguments import Argument
from chainrule.code.staged import Staged, staged_function, staged_script
from chainrule.code.wanted import gets_a_line
from chainrule.errors import InputError
from chainrule.transform.fit import unit
from chainrule.transform.grouping import find_groups
from chainrule.transform.numbers import local_gradients
from chainrule.transform.recorder import with_backward
from chainrule.transform.simplify import simplify
from chainrule.views.explain import explain
from chainrule.views.html import html
from chainrule.views.picture import picture
from chainrule.views.record import record, to_json
from chainrule.views.sections import Collapse
from chainrule.views.sheet import sheet
from chainrule.views.svg import Theme
from chainrule.views.terminal import render

ONE = 1.0  # this very object stands for "the output's gradient is 1, nobody gave another"


class Drawing(str):
    """An SVG drawing: a str that notebooks show as a picture."""

    def _repr_svg_(self) -> str:
        return str(self)


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of one wire: its value, the gradient of the output by it, and, for a gate
    that works on numbers one by one, its local gradient by each of its inputs."""

    name: str
    value: Any
    grad: Any
    local: tuple[Any, ...] | None

    def __str__(self) -> str:
        return f"{self.name} = {self.value}, gradient {self.grad}"


@dataclass(frozen=True, eq=False)
class Worked:
    """A circuit at one input: values, gradients, staged code, verdict.

    circuit: the user's stages, with recognised groups annotated. inputs: the value of each input.
    """

    circuit: Circuit
    arguments: tuple[Argument, ...]
    inputs: tuple[Any, ...]
    output_gradient: Any = ONE
    prelude: tuple[str, ...] | None = None  # a script's plain statements; None for a function
    name: str = "f"
    source: str = ""  # of an expression
    own: tuple[Group, ...] = ()  # every group the user made, closed now or not
    decisions: tuple[Decision, ...] = ()  # branches Python took while tracing

    # ---- readings

    @cached_property
    def _backward(self) -> Circuit:
        """The circuit with the gradient of every wire, inside groups too."""
        c = self.circuit
        return with_backward(c, c.outputs[0], c.inputs, inside=True, gradient_is_input=True)

    @cached_property
    def readings(self) -> Readings:
        """Values and gradients on all wires."""
        dout = self.output_gradient
        if dout is ONE:
            dout = unit(self.circuit.type_of(self.circuit.outputs[0]))
        with np.errstate(all="ignore"):
            return stepwise.run(self._backward, (*self.inputs, dout))

    @property
    def part(self) -> Part:
        """Which wire holds which gradient."""
        return self._backward.parts[-1]

    @property
    def value(self) -> Any:
        """The output's value."""
        return self.readings.value(self.circuit.outputs[0])

    @property
    def gradients(self) -> dict[str, Any]:
        """The gradient by each argument, in the shape it was given in."""
        return {a.name: _filled(a.tree, self._gradient) for a in self.arguments}

    def _gradient(self, wire: int) -> Any:
        found, t = self.readings.gradient(self.part, wire), self.circuit.type_of(wire)
        if found is None:
            found = self.readings.value(wire) * 0
        is_literal = found.__class__ in WEAK and not t.weak  # a sum of the output's own 1
        return np.asarray(found, t.dtype)[()] if is_literal else found

    def __getitem__(self, key: str | tuple[str, int]) -> Reading:
        """The reading of a named wire, w["q"]; of a repeated name the last, w["h", 0] the first."""
        name, index = key if isinstance(key, tuple) else (key, -1)
        wires = [w for w, names in self.circuit.names.items() if name in names]
        if not wires:
            known = ", ".join(n for names in self.circuit.names.values() for n in names)
            raise InputError(f"no wire named {name!r}; named wires: {known}")
        if not -len(wires) <= index < len(wires):
            raise InputError(f"{name!r} names {len(wires)} wires; there is no number {index}")
        return self._reading(sorted(wires)[index])

    def _reading(self, wire: int) -> Reading:
        c, values = self.circuit, self.readings.values
        name = c.name(wire) or f"wire {wire}"
        local = local_gradients(c, wire, values)
        return Reading(name, values[wire], self.readings.gradient(self.part, wire), local)

    def at(self, **values: Any) -> "Worked":
        """The same circuit at other inputs, by argument name; not traced again.

        Branches that Python took while tracing stay taken.
        """
        inputs = dict(zip(self.circuit.inputs, self.inputs, strict=True))
        known = {a.name: a.tree for a in self.arguments}
        for name, value in values.items():
            if name not in known:
                raise InputError(f"no argument {name!r}; arguments: {', '.join(known)}")
            _fill_inputs(known[name], value, name, inputs)
        changed = replace(self, inputs=tuple(inputs[w] for w in self.circuit.inputs))
        for wire, value in inputs.items():
            wanted = self.circuit.type_of(wire).shape
            if np.shape(value) != wanted:
                raise InputError(
                    f"{self.circuit.name(wire)} has shape {list(np.shape(value))}, "
                    f"but the circuit was traced with {list(wanted)}"
                )
        return changed

    def ungroup(self, *names: str) -> "Worked":
        """The same circuit differentiated gate by gate; of the groups named, or of all."""
        groups = ungrouped(self.circuit, self.own, names)
        return replace(self, circuit=self.circuit.with_(groups=groups))

    def group(self, *wanted: str | Callable[..., Any]) -> "Worked":
        """The same circuit with more of it as one gate each, drawn with a hull around it.

        wanted: names of gates, `"sigmoid"`; names of lines that are to be one gate together,
        `"den", "invden"`; functions, each call of which is to be one. Without any: every group that
        is recognised or was made, which is what a worked circuit starts as.
        """
        groups, own = grouped(self.circuit, self.own, wanted)
        return replace(self, circuit=self.circuit.with_(groups=groups), own=own)

    def promote(self, *names: str, **chosen: Any) -> "Worked":
        """The same circuit with constants as inputs, which get gradients like any other.

        Each keyword names a new input and says which constant it is: by its number, `c=1.0`; by the
        gate it is written into, as the picture has it, `c="+1"`, `a="*-1"`; or, where that names
        several, by their order too, `c=("+1", 0)`. Positional names are arrays read from outside,
        by their own names; "all" promotes every number, as c1, c2 ...
        Raises InputError with the list of constants where there is no such one, or several.
        """
        return promoted(self, names, chosen)  # type: ignore[no-any-return]  # another Worked

    def expand(self, most: int = 1000) -> "Worked":
        """The same function in scalar gates: one wire for every number of every array.

        X of shape [2, 2] becomes X00, X01, X10, X11; compound gates become the gates they are made
        of. An array output is added up, each number times its output gradient. Groups of the user's
        are opened. Raises UnsupportedError for more than `most` gates, or one without such a form.
        """
        return expand(self, most)  # type: ignore[no-any-return]  # another Worked

    # ---- forms

    def code(self, style: str = "d", *, recompute: bool = False) -> Staged:
        """The staged code of the forward and backward pass; a str with its lines as `.lines`.

        style: "d" names the gradient of x `dx`; "df" names it `dfdx`, after the output.
        recompute: keep fewer values. Those inside a segment of the forward lines (a call of a
        checkpointed function; without any, about sqrt(lines) lines) are deleted after it and
        worked out again in the backward pass; the gradients keep every bit.
        """
        if style not in ("d", "df"):
            raise InputError(f'style is "d" (dx) or "df" (dfdx), not {style!r}')
        c = printable(self.circuit)
        output = c.outputs[0]
        seeded = self.output_gradient is not ONE
        full = with_backward(
            c, output, c.inputs, gradient_is_input=seeded, named=gets_a_line(c) - {output}
        )
        of = (c.name(output) or c.title) if style == "df" else None
        short = simplify(full)
        if self.prelude is not None:
            return staged_script(short, self.arguments, self.prelude, of, recompute)
        return staged_function(short, self.arguments, self.name, of, recompute)

    def plan(self) -> str:
        """What machine code does for the value and the gradients, as one program: its loop nests,
        with loads, steps, stores and sums, and the memory in between.

        Raises UnsupportedError naming a gate that machine code has no form of.
        """
        c, seeded = self.circuit, self.output_gradient is not ONE
        full = with_backward(c, c.outputs[0], c.inputs, gradient_is_input=seeded)
        gradients = [full.parts[-1].gradient[w] for w in c.inputs]
        outputs = [c.outputs[0], *(g for g in gradients if g >= 0)]
        return str(machine_plan(simplify(full, outputs=outputs, parts=False))) + "\n"

    def check(self, code: str | None = None) -> Verdict:
        """The verdict: every gate, fork, group and input against central differences.

        code: a printed program such as `code()` gives, run alone; the gradients it computes are
        checked too, and one that misses a term of a sum is named with the fork.
        """
        verdict = self._verdict
        if code is None:
            return verdict
        with np.errstate(all="ignore"):
            claimed = self._claims(code)
            named = self._backward.with_(names={**claimed.names, **self._backward.names})
            found = check_gradients(
                named, self.circuit.outputs[0], self.output_gradient, self.readings,
                stepwise.run, claimed.gradients, fork_terms(named, self.part, self.readings),
            )
            lost = [missing(named, wire, name) for wire, name in claimed.missing.items()]
        return Verdict((*verdict.findings, *found, *lost))

    @cached_property
    def _verdict(self) -> Verdict:
        with np.errstate(all="ignore"):
            return check(self._backward, self.part, self.readings, stepwise.run, self._real)

    @property
    def _real(self) -> list[int]:
        """Every input that can have a gradient, so that a gradient that got lost is noticed."""
        return [w for w in self.circuit.inputs if self.circuit.type_of(w).is_inexact]

    def diagnose(self) -> Diagnosis:
        """What is odd about the backward pass: overflow, 0 * inf, imbalance, dead branches; where
        each began, and what to do. False when there is nothing."""
        known = find_groups(self.circuit)
        return diagnose(self._backward, self.part, self.readings, known)

    def _claims(self, code: str) -> Claims:
        """The gradients that a printed program computes."""
        if self.prelude is not None:
            return claims(code, self.code(), self.arguments)
        given = [_filled(a.tree, self._input) for a in self.arguments]
        if self.output_gradient is not ONE:
            given.append(self.output_gradient)
        return claims(code, self.code(), self.arguments, f"{self.name}_grad", given)

    def _input(self, wire: int) -> Any:
        return self.inputs[self.circuit.inputs.index(wire)]

    def text(
        self, *, decimals: int | None = None, color: bool | None = None, width: int | None = None,
        full: bool = False,
    ) -> str:
        """The circuit as a tree, or with forks as a table of stages, with values and gradients.

        decimals: how many for every number, instead of as many as read well. color: by default
        only on a terminal, and not under NO_COLOR. width: columns, by default the terminal's.
        full: every stage of a large circuit, instead of a row for each call of a function.
        """
        return render(
            self._backward, self.part, self.readings, title=self.title, decimals=decimals,
            color=color, width=width, full=full,
        )

    def draw(
        self, *, theme: Theme = "auto", decimals: int | None = None, boxed: bool = False,
        collapse: Collapse = None,
    ) -> "Drawing":
        """The circuit as SVG: values in green above the wires, gradients in red below.

        theme: "light", "dark", or "auto" to follow the reader's. boxed: closed groups as one box
        each, instead of a hull round their gates. collapse: True draws each call of a function as
        one box, 2 only calls within calls, "step" or a list of names those of these functions;
        None collapses above 150 gates, and False never. Notebooks show it; `save` writes it.
        """
        title = self.title
        return Drawing(
            picture(self._backward, self.part, self.readings, title=title, decimals=decimals,
                    theme=theme, boxed=boxed, collapse=collapse)
        )

    def save(self, path: str | Path, **settings: Any) -> None:
        """Write the circuit to a file: .svg the drawing, .html a page with drawing, code, words and
        numbers, .json all that is known of it, .txt the text, .py the staged code.

        settings: those of `draw`, `html`, `json`, `text` and `code`.
        """
        path = Path(path)
        forms: dict[str, Callable[..., str]] = {
            ".svg": self.draw, ".html": self.html, ".json": self.json,
            ".txt": partial(self.text, color=False), ".py": self.code,
        }
        if path.suffix not in forms:
            name = path.suffix or path.name
            *others, last = forms
            raise InputError(f"cannot save as {name!r}: write {', '.join(others)} or {last}")
        path.write_text(forms[path.suffix](**settings), encoding="utf-8")

    def html(
        self, *, decimals: int | None = None, boxed: bool = False, collapse: Collapse = None
    ) -> str:
        """One page that stands alone: drawing, staged code, words, and the table of values and
        gradients; light or dark as the reader prefers. Settings as `draw` has."""
        return html(
            sheet(self._backward, self.part, self.readings, decimals=decimals), title=self.title,
            drawing=self.draw(decimals=decimals, boxed=boxed, collapse=collapse), code=self.code(),
            words=self.explain(decimals=decimals),
        )

    def json(self, *, decimals: int | None = None) -> str:
        """All that is known of the circuit, for programs: see docs/json.md. decimals: of labels."""
        return to_json(
            record(self._backward, self.part, self.readings, title=self.title,
                   text_of=self.circuit, decimals=decimals)
        )

    def show(self, *, browser: bool = False, **settings: Any) -> None:
        """Show the circuit: its drawing in a notebook, its text in a terminal.

        browser: its page (as `html` has it) in a new tab, from a temporary file. settings: those
        of `draw`, `text` or `html`, whichever is shown.
        """
        if browser:
            open_page(self.html(**settings), self.name)
        elif in_notebook():
            display(self.draw(**settings) if settings else self)
        else:
            print(self.text(**settings), end="")

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What notebooks show: the drawing, and the text where there are no pictures."""
        return {"image/svg+xml": self.draw(), "text/plain": self.text(color=False)}

    def explain(self, *, decimals: int | None = None, full: bool = False) -> str:
        """The backward pass in words: what each gate did with the gradient that reached it, what
        the output wants of each wire, which branches Python took on the way, and what a small push
        on each input would do.

        full: every gate of a circuit of more than 40, instead of a word on each function called
        and on what matters: the largest gradients, and what no gradient reaches.
        """
        return explain(
            self._backward, self.part, self.readings, decimals=decimals,
            decisions=self.decisions, full=full,
        )

    @property
    def title(self) -> str:
        """The expression, or the function or script variable as one of its arguments."""
        return self.source or f"{self.name}({', '.join(a.name for a in self.arguments)})"

    def __str__(self) -> str:
        return self.text(color=False)

    def __repr__(self) -> str:
        return f"<worked {self.name}: {len(self.circuit.forward_rows())} gates, value {self.value}>"


def _filled(tree: Any, value: Callable[[int], Any]) -> Any:
    """A tree of wires with something of each wire in its place."""
    if isinstance(tree, int):
        return value(tree)
    if isinstance(tree, dict):
        return {k: _filled(v, value) for k, v in tree.items()}
    if isinstance(tree, tuple):
        return tuple(_filled(v, value) for v in tree)
    return [_filled(v, value) for v in tree]


def _fill_inputs(tree: Any, value: Any, name: str, inputs: dict[int, Any]) -> None:
    if isinstance(tree, int):
        inputs[tree] = as_input(value, name)
        return
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, child in items:
        _fill_inputs(child, value[key], f"{name}[{key!r}]", inputs)

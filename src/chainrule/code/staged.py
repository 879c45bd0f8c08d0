"""Staged code: the circuit and its backward pass as a careful person would write them.

One line per variable of the user's; each wire the user named gets a line for its gradient, tagged
with the number of the forward line it differentiates. Unnamed wires that are read once are written
inside the line that reads them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.circuit.circuit import Circuit
from chainrule.code.arguments import Argument, leaves
from chainrule.code.backward import backward_lines
from chainrule.code.definitions import called_names, definitions
from chainrule.code.expression import ATOM, Text
from chainrule.code.forward import Line, forward_lines
from chainrule.code.inplace import InPlace, in_place
from chainrule.code.names import Namer
from chainrule.code.recompute import most_held, recomputing
from chainrule.code.sources import Sources
from chainrule.code.wanted import Wanted, wanted


class Staged(str):
    """A printed program: a str, with the lines it is made of."""

    lines: tuple[Line, ...]

    def __new__(cls, text: str, lines: tuple[Line, ...]) -> "Staged":
        """The text, carrying its lines."""
        made = super().__new__(cls, text)
        made.lines = lines
        return made

    @property
    def backward(self) -> tuple[Line, ...]:
        """The lines that work out gradients, in order."""
        return tuple(
            line for line in self.lines
            if line.is_backward and not line.is_again and not line.deletes
        )

    @property
    def forward(self) -> tuple[Line, ...]:
        """The lines of the forward pass, in order."""
        return tuple(line for line in self.lines if not line.is_backward and not line.deletes)

    @property
    def most_held(self) -> int:
        """The most variables held at once, arguments not counted."""
        return most_held(self.lines)


@dataclass(frozen=True, slots=True)
class _Program:
    """Lines, and how the function around them is written.

    taken: names of the parameters; captured: those of arrays the function holds.
    """

    forward: list[Line]
    backward: list[Line]
    output: str
    gradients: list[str]
    taken: list[str]
    captured: list[str]

    @property
    def lines(self) -> tuple[Line, ...]:
        return (*self.forward, *self.backward)


def _program(
    circuit: Circuit, arguments: Sequence[Argument], of: str | None, recompute: bool
) -> _Program:
    """The forward pass, and the backward pass that computes a gradient for each argument."""
    part = circuit.parts[-1]
    rows = wanted(circuit, part)
    namer = Namer(called_names(circuit))
    inputs = _inputs(arguments, namer)
    taken = [a.name for a in arguments]
    if part.output_gradient in circuit.inputs:
        taken.append(namer.free(circuit.name(part.output_gradient) or "dout"))
        inputs[part.output_gradient] = Text(taken[-1], ATOM)
    plan = _plan(circuit, rows)
    printed = rows.printed | plan.settled
    forward = forward_lines(circuit, rows.stop, part.output, printed, inputs, namer, plan)
    sources = Sources(circuit, rows, forward, of)
    gradients = backward_lines(circuit, rows, sources, arguments)
    lines = sources.lines
    output = sources.texts[part.output].source
    if recompute:
        lines = [*recomputing(lines, circuit.regions, {*gradients, output})]
    return _Program(
        [line for line in lines if not line.is_backward],
        [line for line in lines if line.is_backward],
        output, gradients, taken, [*forward.captured.values()],
    )


def _inputs(arguments: Sequence[Argument], namer: Namer) -> dict[int, Text]:
    """How each wire of the arguments is written: x, or params['W'][0]."""
    found = {}
    for argument in arguments:
        base = namer.again(argument.name)
        for path, wire in leaves(argument.tree):
            found[wire] = Text(base + "".join(f"[{k!r}]" for k in path), ATOM)
    return found


def _plan(circuit: Circuit, rows: Wanted) -> InPlace:
    """What the forward pass changes in place, the backward pass reading what it reads."""
    stages = [row for row in range(len(circuit)) if not circuit.is_leaf(row)]
    if not any(circuit.kind_of(row).gate.statement for row in stages if row < rows.stop):
        return InPlace()
    return in_place(
        circuit, stages, has_line=lambda row: row in rows.printed or row >= rows.stop,
        is_own=lambda row: row in rows.printed, kept=(),
    )


def _laid_out(lines: Sequence[Line], indent: str) -> list[str]:
    """Lines with their tags in one column."""
    width = min(max((len(line.text) for line in lines if not line.deletes), default=0), 60)
    return [
        f"{indent}{line.text:<{width}}  {line.tag}" if line.tag else indent + line.text
        for line in lines
    ]


def _imports(text: str) -> list[str]:
    known = {"math": "import math", "np": "import numpy as np",
             "special": "from scipy import special"}
    found = [line for name, line in known.items() if re.search(rf"\b{name}\.", text)]
    return [*found, ""] if found else []


def staged_script(
    circuit: Circuit, arguments: Sequence[Argument], prelude: Sequence[str],
    of: str | None = None, recompute: bool = False,
) -> Staged:
    """A flat script: inputs, forward pass, `# backward pass`, and its lines."""
    program = _program(circuit, arguments, of, recompute)
    body = [*prelude, "", *_laid_out(program.forward, ""), "", "# backward pass",
            *_laid_out(program.backward, "")]
    text = "\n".join(body)
    above, missing = definitions(circuit, text)
    above += [f"# {name} is a function of yours, to be defined here" for name in missing]
    text = "\n".join([*above, *([""] if above else []), text])
    return Staged("\n".join([*_imports(text), text]) + "\n", program.lines)


def staged_function(
    circuit: Circuit, arguments: Sequence[Argument], name: str, of: str | None = None,
    recompute: bool = False,
) -> Staged:
    """A `def` that returns the value and the gradients (one, or a tuple of them)."""
    program = _program(circuit, arguments, of, recompute)
    above, missing = definitions(circuit, "\n".join(line.text for line in program.lines))
    taken, gradients = program.taken, program.gradients
    if program.captured or missing:
        taken = [*taken, "*", *program.captured, *missing]
    returned = gradients[0] if len(gradients) == 1 else f"({', '.join(gradients)})"
    indent = "    "
    body = [
        f"def {name}_grad({', '.join(taken)}):",
        *_laid_out(program.forward, indent),
        "",
        f"{indent}# backward pass",
        *_laid_out(program.backward, indent),
        f"{indent}return {program.output}, {returned}",
    ]
    text = "\n".join([*above, *([""] * 2 if above else []), *body])
    spaced = _imports(text)
    if above and above[0]:
        spaced = spaced[:-1]  # more imports follow
    elif above:
        text = text.lstrip("\n")
    spaced += [""] if spaced and not spaced[-1] else []
    return Staged("\n".join([*spaced, text]) + "\n", program.lines)


def line_map(staged: Staged) -> Mapping[int, list[str]]:
    """Forward line number -> the gradients its backward lines assign."""
    found: dict[int, list[str]] = {}
    for line in staged.backward:
        found.setdefault(line.number, []).append(line.target)
    return found

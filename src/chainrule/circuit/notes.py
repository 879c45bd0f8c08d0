"""What is noted beside the rows of a circuit: where they were written, what they differentiate.

A module by itself, as a gradient taken at once notes none of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.circuit.record import Attrs, Gate


@dataclass(frozen=True, repr=False, match_args=False)
class Origin:
    """Where the user wrote a stage: file, line, column, target name, enclosing function.

    calls: from the traced function in, the calls that led there (the outermost few), each as
    (function, number); the number tells one call of a function from another.
    """

    file: str
    line: int | None
    end_line: int | None
    column: int | None
    end_column: int | None
    function: str
    target: str | None = None
    calls: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        return f"{self.file} line {self.line}"


@dataclass(frozen=True, repr=False, match_args=False)
class Part:
    """A derivative that belongs to a circuit: which wire holds which gradient.

    gradient: per row, the wire of its gradient, or -1; terms: per operand position, the wire of
    the gradient sent back along that edge, or -1.
    """

    kind: str
    output: int
    output_gradient: int
    gradient: Sequence[int]
    terms: Sequence[int]


@dataclass(frozen=True, repr=False, match_args=False)
class Mark:
    """A user's word that the rows from `begin` to before `end` are one gate, noted while tracing.

    inputs: the wires its own rule is about, in order; empty where it has no rule.
    """

    gate: Gate
    begin: int
    end: int
    inputs: tuple[int, ...]
    output: int
    attrs: Attrs = ()


@dataclass(frozen=True, repr=False, match_args=False)
class Decision:
    """A branch that Python took on a wire's value while a circuit was traced.

    call: the builtin that picked by it, "max"; empty for `if`, `while` and the like. Then taken is
    the wire it picked, and instead what to write for a gate in its place.
    """

    wire: int
    outcome: bool
    line: int | None
    call: str = ""
    taken: int = -1
    instead: str = ""


@dataclass(frozen=True, repr=False, match_args=False)
class Region:
    """The rows from `first` up to before `stop`, recorded in one call of a checkpointed function:
    their inner values are worked out again for the backward pass. An annotation."""

    first: int
    stop: int

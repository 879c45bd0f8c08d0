"""Findings and the verdict they add up to, as records and as plain text.

    good        the gradient agrees with differences: complex-step ones where every gate allows
                them (to about 1e-15), else central ones (to about 1e-9)
    kink        not differentiable there, and the gradient lies between the slopes on either side
    unchecked   central differences say nothing: a value is not finite, or too rough to tell
    wrong       it disagrees
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from chainrule.check.compare import SEVERITY, Judgement, Word
from chainrule.check.differences import ARRIVING, Method
from chainrule.circuit.circuit import Circuit
from chainrule.circuit.notes import Origin

Subject = Literal["gate", "input", "wire", "fork", "group"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One gradient compared with one measurement.

    kind says of what: what a gate sends back to one of its operands, the gradient of an input or
    of an inner wire, the sum at a fork, or what a closed group sends back. `subject` is the name
    of the gate, group, input or wire at `row`, `variable` the wire the gradient is of. For an
    array the numbers are those of the element, or direction, that agrees least.
    """

    subject: str
    kind: Subject
    where: Origin | None
    analytic: float
    numeric: float
    error: float
    verdict: Word
    note: str = ""
    variable: str = ""
    row: int = -1
    by: Method = ""

    @property
    def claim(self) -> str:
        """What is compared, in one clause with both numbers."""
        a, n = numbers(self.analytic, self.numeric)
        measured = f"but {self.by or 'central'} differences give"
        if self.kind == "gate":
            return f"{self.subject} sends {self.variable} the gradient {a}, {measured} {n}"
        if self.kind == "group":
            return (
                f"the group {self.subject} sends {self.variable} the gradient {a}, "
                f"but its stages one by one send {n}"
            )
        if self.kind == "fork":
            return f"the gradient of {self.variable} is {a}, but should be {n}"
        return f"the gradient of {self.variable} is {a}, {measured} {n}"

    def __str__(self) -> str:
        text = f"{self.subject}: {self.note}" if math.isnan(self.numeric) else self.claim
        if self.note and not math.isnan(self.numeric):
            text += f" ({self.note})"
        return text + (f"\n  in {self.where}" if self.where else "")


@dataclass(frozen=True, slots=True)
class Verdict:
    """All findings of a check. True when nothing is wrong and something was seen to be right."""

    findings: tuple[Finding, ...]

    @property
    def wrong(self) -> tuple[Finding, ...]:
        """The findings that disagree, gates first: a wrong gate spoils the gradients behind it."""
        return self._with("wrong")

    @property
    def is_good(self) -> bool:
        """True when nothing is wrong and at least one gradient was seen to be right.

        That what a fork was sent adds up says nothing of whether it was right.
        """
        return not self.wrong and any(f.kind != "fork" for f in self._agreeing())

    @property
    def worst(self) -> Finding | None:
        """The gravest finding; of equals, the one with the largest error."""
        rank = lambda f: (SEVERITY.index(f.verdict), f.error)  # noqa: E731  # used once, below
        return max(self.findings, key=rank, default=None)

    def __bool__(self) -> bool:
        return self.is_good

    def __str__(self) -> str:
        paragraphs = [f"wrong: {finding}" for finding in self.wrong]
        return "\n\n".join([*paragraphs, self._summary()])

    def _summary(self) -> str:
        agreeing = self._agreeing()
        if not self.is_good and not self.wrong:
            return "; ".join(["nothing could be checked", *self._reasons("unchecked")])
        worst = max((f.error for f in agreeing), default=0.0)
        lead = "good: " if self.is_good else ""
        seen = {(f.kind, f.row) for f in self._whole() or agreeing}
        verb = "agrees" if len(seen) < 2 else "agree"
        counted = _counted(self._whole()) or _gradients(len(agreeing))
        ways = sorted({f.by for f in agreeing if f.by}, reverse=True) or ["central"]
        text = f"{lead}{counted} {verb} with {' and '.join(ways)} differences"
        text += f", worst relative error {worst:.2g}" if agreeing else ""
        notes = [f"{_described(f)}: {f.note}" for f in self._with("good") if f.note]
        return "; ".join([text, *notes, *self._reasons("kink"), *self._reasons("unchecked")])

    def _agreeing(self) -> list[Finding]:
        return [f for f in self.findings if f.verdict in ("good", "kink")]

    def _whole(self) -> list[Finding]:
        """Findings of the subjects about which nothing is wrong or unchecked."""
        spoilt = {(f.kind, f.row) for f in self.findings if f.verdict in ("wrong", "unchecked")}
        return [f for f in self.findings if (f.kind, f.row) not in spoilt]

    def _reasons(self, word: Word) -> Iterator[str]:
        """One clause on the findings with this verdict, naming one that is at the root of it."""
        found = self._with(word)
        if found:
            what = "at a kink" if word == "kink" else "not checked"
            root = next((f for f in found if ARRIVING not in f.note), found[0])
            yield f"{len(found)} {what}, such as {_described(root)}: {root.note}"

    def _with(self, word: Word) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.verdict == word)


def _described(f: Finding) -> str:
    place = f" in {f.where}" if f.where else ""
    edge = "" if f.subject == f.variable else f" to {f.variable}"
    return f"{f.subject}{edge}{place}"


def _counted(findings: Sequence[Finding]) -> str:
    """`12 gates, 1 group and 2 inputs`."""
    counts: dict[str, set[int]] = {"gate": set(), "group": set(), "wire": set(), "input": set()}
    for f in findings:
        counts.get(f.kind, set()).add(f.row)
    words = [f"{len(rows)} {kind}{'s' * (len(rows) != 1)}" for kind, rows in counts.items() if rows]
    return " and ".join(", ".join(words).rsplit(", ", 1))


def _gradients(count: int) -> str:
    """Where no gate or input agrees in all of its gradients, how many gradients do."""
    return f"{count} gradient{'s' * (count != 1)}" if count else "nothing"


def numbers(a: float, b: float) -> tuple[str, str]:
    """Two numbers with 6 digits, or with as many as it takes to tell them apart."""
    for digits in (6, 9, 12, 17):
        texts = f"{a:.{digits}g}", f"{b:.{digits}g}"
        if texts[0] != texts[1]:
            return texts
    return f"{a:.6g}", f"{b:.6g}"


def finding(
    circuit: Circuit, row: int, subject: str, kind: Subject, found: Judgement, variable: str = ""
) -> Finding:
    """A judgement as a finding about a row."""
    return Finding(
        subject, kind, circuit.origin_of(row), found.analytic, found.numeric, found.error,
        found.verdict, found.note, variable or subject, row, found.by,
    )


def missing(circuit: Circuit, wire: int, gradient: str) -> Finding:
    """The finding that a program does not compute the gradient of an input."""
    note = f"the code to check computes no {gradient}"
    judged = Judgement(math.nan, math.nan, math.inf, "wrong", note)
    return finding(circuit, wire, wire_name(circuit, wire), "input", judged)


def wire_name(circuit: Circuit, wire: int) -> str:
    """The user's name for a wire, or which gate makes it."""
    return circuit.name(wire) or f"wire {wire} ({circuit.kind_of(wire).gate.name})"

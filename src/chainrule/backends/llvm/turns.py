"""Sines and cosines of the same number, as a sine and its gradient want them: one reduction and one
pair of polynomials serve both. Each has the bits it has by itself."""

from collections.abc import Sequence

from chainrule.backends.llvm.lines import LANES, OF_SINGLES, SINGLE, Lines, function_name
from chainrule.backends.llvm.plan import Step
from chainrule.backends.llvm.trig import BOTH

WAVES = ("sin", "cos")
Turn = tuple[str, str]  # what a step turns by, and in which precision


def turn(step: Step) -> Turn:
    return step.operands[0].name, step.real


def turns(steps: Sequence[Step]) -> set[Turn]:
    """Those of which steps want both the sine and the cosine."""
    sines, cosines = ({turn(s) for s in steps if s.gate.name == name} for name in WAVES)
    return sines & cosines


def both_waves(w: Lines, x: str) -> list[str]:
    """The sine and the cosine of a real.

    Two chains of steps keep a processor busy: the halves of a longer vector come one by one.
    """
    t = w.real_type
    if w.lanes > LANES[t]:
        half = w.with_lanes(w.lanes // 2, w.inlined)
        half.real_type = t
        parts = range(half.lanes), range(half.lanes, w.lanes)
        found = [both_waves(half, w.lanes_of(t, x, lanes)) for lanes in parts]
        return [half.joined(t, *two) for two in zip(*found, strict=True)]
    own = BOTH + (OF_SINGLES if t is SINGLE else "")
    w.called[own, w.lanes] = 1
    both = w.line(f"call {w.reals(2)} @{function_name(own, w.lanes)}({w.many(t)} {x})")
    return [w.line(f"extractvalue {w.reals(2)} {both}, {k}") for k in range(2)]

"""One way of a jitted function as machine code: what is loaded when a signature is seen again."""

from collections.abc import Sequence
from typing import Any

from chainrule.api.into import written_over
from chainrule.api.paths import Path, agreeing, guarded, like
from chainrule.api.recorded import Recorded, is_input
from chainrule.api.results import Slot, deliverer, slots_of
from chainrule.backends.llvm.compiled import Compiled, compiled
from chainrule.backends.llvm.entry import direct_entry
from chainrule.backends.llvm.host import CompiledParts, Way
from chainrule.backends.llvm.programs import Programs as Programs
from chainrule.backends.llvm.targets.entered import Entry
from chainrule.trace.names import with_names


def compiled_way(
    recorded: Recorded, given: tuple[Any, ...] | None, donated: Sequence[int], programs: Programs
) -> Path:
    """The way that a recorded call took, compiled. given: its arguments, all by place.

    Raises UnsupportedError naming a gate that stands in the way.
    """
    outcomes = recorded.outcomes
    named = with_names(recorded.circuit, recorded.trace)
    code = compiled(named, programs=programs, way=Way(len(outcomes), agreeing(outcomes)))
    slots, count = slots_of(recorded, code), len(code.boxes) - len(outcomes)
    run = code.delivering(guarded(deliverer(recorded.spec, slots), outcomes, count))
    likes = tuple(map(like, recorded.leaves))
    direct = None
    if given is not None:
        over = written_over(code, given, donated, slots, likes)
        if over is not None and not (over and outcomes):
            direct = _direct(code, given, recorded, slots, over)
    return Path(outcomes, run, code, recorded.spec, slots, likes, direct)


def host_calls(path: Path) -> str:
    """The gates that a way calls in Python, and where the user's lines are; empty for none."""
    return path.code.calls if isinstance(path.code, CompiledParts) else ""


def _direct(
    code: Compiled,
    given: tuple[Any, ...],
    recorded: Recorded,
    slots: Sequence[Any],
    over: Sequence[tuple[int, int]],
) -> Entry | None:
    """What lets calls enter the code; None where the arguments or the result are of other kinds."""
    import optree

    tree: Any = given
    leaves, spec = optree.tree_flatten(tree, none_is_leaf=True)
    places = [x.index if isinstance(x, Slot) else None for x in slots]
    if None in places or not all(map(is_input, leaves)):
        return None
    arguments: Any = spec.unflatten(range(len(leaves)))
    result = recorded.spec.unflatten(places)
    weak = [recorded.gives_numbers or x for x in code.weak]
    return direct_entry(code, leaves, arguments, result, weak, recorded.outcomes, over)

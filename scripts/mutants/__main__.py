"""Puts every mutant in place in turn and prints who noticed: `python -m scripts.mutants [gate]`.

Exit code 1 where a mutant survives that is not in the list of equivalent ones.
"""

import sys
from collections import Counter
from collections.abc import Sequence
from time import perf_counter

import chainrule.gates
from chainrule.circuit.record import differentiable_gates
from scripts.mutants.engine import ENGINE, gradients, gradients_differ, verdict_fails
from scripts.mutants.equivalent import reason
from scripts.mutants.judges import noticed
from scripts.mutants.rules import Mutant, mutants_of

assert chainrule.gates  # the whole catalogue


def kind_of(mutant: Mutant) -> str:
    """What kind of mistake a mutant is, for the rows of the table."""
    how = mutant.how
    if mutant.field == "mask":
        is_other = any(word in how for word in (" for ", "exchanged", "what "))
        return "mask: " + ("another operand" if is_other else how)
    if mutant.field == "recognised_local":
        return "rule of a recognised group"
    if how.startswith("what "):
        return "the entry of another operand"
    if "exchanged" in how:
        return "two operands exchanged"
    if " for " in how:
        return "one operand in another's place"
    return "a setting, such as the axis" if ":" in how else how


def rules_table(names: Sequence[str]) -> list[str]:
    """Print how many mutants of the rules each judge noticed; gives the survivors."""
    counts: Counter[tuple[str, str]] = Counter()
    excused: Counter[str] = Counter()
    survivors = []
    for gate in list(differentiable_gates()):
        for mutant in mutants_of(gate) if not names or gate.name in names else ():
            seen, why = noticed(mutant), reason(mutant)
            found = Counter({"mutants": 1})
            if all(seen.values()) or why is None:
                found.update({judge: int(seen[judge]) for judge in seen})
                found.update({f"{judge} asked": 1 for judge in seen})
            else:
                excused[why] += 1
                found = Counter({"equivalent": 1})
            if not all(seen.values()) and why is None:
                survivors.append(f"{mutant} {seen}")
            counts.update({(kind, what): n for kind in (kind_of(mutant), "all")
                           for what, n in found.items()})
    _print_counts(counts, excused)
    return survivors


def _print_counts(counts: Counter[tuple[str, str]], excused: Counter[str]) -> None:
    print(f"{'rules':34} {'mutants':>8} {'contract':>12} {'verdict':>12} {'equivalent':>11}")
    for kind in sorted({kind for kind, _ in counts}, key=lambda k: counts[k, "mutants"]):
        of = [_share(counts[kind, j], counts[kind, f"{j} asked"]) for j in ("contract", "verdict")]
        print(f"{kind:34} {counts[kind, 'mutants']:>8} {of[0]:>12} {of[1]:>12} "
              f"{counts[kind, 'equivalent']:>11}")
    if excused:
        print("\nequivalent, or of no concern to a judge:")
    for why, count in excused.most_common():
        print(f"{count:5}  {why}")


def _share(found: int, asked: int) -> str:
    return f"{found} {100 * found / asked:.1f}%" if asked else "-"


def engine_table() -> list[str]:
    """Print for each mutant of the engine who noticed; gives the survivors."""
    right = gradients()
    survivors = []
    print(f"\n{'engine':48} {'gradients':>10} {'verdict':>8}")
    for mutant in ENGINE:
        with mutant.in_place():
            found = gradients_differ(right), verdict_fails()
        print(f"{mutant!s:48} {'found' if found[0] else '-':>10} {'found' if found[1] else '-':>8}")
        if not found[0] or (not found[1] and reason(mutant) is None):
            survivors.append(str(mutant))
    return survivors


def main(names: Sequence[str]) -> int:
    """Print both tables and the survivors; gives the exit code."""
    began = perf_counter()
    survivors = rules_table(names)
    survivors += [] if names else engine_table()
    print(f"\n{perf_counter() - began:.0f} s; survivors: {len(survivors) or 'none'}")
    for survivor in survivors:
        print(f"  {survivor}")
    return bool(survivors)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

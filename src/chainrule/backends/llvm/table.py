"""What a call gives a program for every extent n: a table of n, further numbers, and places.

Sizes are computed from n once, where the program begins.
"""

from itertools import count

from chainrule.backends.llvm.extent import Given
from chainrule.backends.llvm.lines import REAL, SINGLE, WHOLE, Lines
from chainrule.backends.llvm.memory import Memory
from chainrule.backends.llvm.nests import Varying
from chainrule.backends.llvm.steps import Held
from chainrule.backends.llvm.values import Value


def numbers_of_table(w: Lines, varying: Varying, memory: Memory) -> Held:
    """The numbers of a table, read."""
    pointer, held = memory.pointers[varying.table], {}
    for row, x in enumerate(varying.numbers, 1):
        at = w.line(f"getelementptr i64, ptr {pointer}, i64 {row}")
        made = w.line(f"load {WHOLE if x.kind == 'i' else REAL}, ptr {at}, align 8")
        if x.kind == "s":
            made = w.convert("fptrunc", made, REAL, SINGLE)
        held[x.name] = Value(x.kind, w.named(made, f"%{x.name}"))
    return held


def sizes_of_table(w: Lines, varying: Varying, memory: Memory) -> list[str]:
    """The instructions that compute each size a text names."""
    pointer = memory.pointers[varying.table]
    text = [f"  %.n = load i64, ptr {pointer}, align 8"]
    for size, name in w.sizes.items():
        if isinstance(size, Given):
            row = 1 + len(varying.numbers) + size.place
            text += [f"  {name}.at = getelementptr i64, ptr {pointer}, i64 {row}",
                     f"  {name} = load i64, ptr {name}.at, align 8"]
        else:
            text += _polynomial(name, size.coefficients)
    return text


def _polynomial(name: str, coefficients: tuple[int, ...]) -> list[str]:
    """Horner's rule."""
    *rest, top = coefficients
    steps, total, number = [], str(top), count()
    for c in reversed(rest):
        times, plus = f"{name}.{next(number)}", f"{name}.{next(number)}"
        steps += [f"  {times} = mul nsw i64 {total}, %.n", f"  {plus} = add nsw i64 {times}, {c}"]
        total = plus
    return [*steps[:-1], steps[-1].replace(total, name, 1)]

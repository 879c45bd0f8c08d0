"""Running totals: one row after another, each the row before plus its own numbers.

A row is what lies across the axis. The first is copied, so cumsum is a copy and n - 1 additions.
"""

from dataclasses import replace

from chainrule.backends.llvm.lines import Lines
from chainrule.backends.llvm.loops import emit_nest
from chainrule.backends.llvm.memory import Memory
from chainrule.backends.llvm.nests import Load, Nest, Scan, Shape, Store, View
from chainrule.backends.llvm.plan import Step
from chainrule.backends.llvm.values import Value
from chainrule.gates.elementwise import add


def emit_scan(w: Lines, scan: Scan, memory: Memory) -> None:
    """The loops of a scan: the rows in order, each as a nest."""
    count = scan.x.shape[scan.axis]
    if not count:
        return
    x, out, step = scan.x.strides[scan.axis], scan.out.strides[scan.axis], -1 if scan.reverse else 1
    first = count - 1 if scan.reverse else 0
    a, b = _across(scan.x, scan.axis, first * x), _across(scan.out, scan.axis, first * out)
    kind = scan.out.buffer.kind
    value, total, before = Value(kind, "x"), Value(kind, "total"), Value(kind, "before")
    emit_nest(w, Nest(a.shape, [Load(value, a)], [], [Store(value, b)]), {}, memory)
    with memory.moving(w, {scan.x.buffer: x * step, scan.out.buffer: out * step}, count - 1):
        a, b = (replace(v, offset=v.offset + d * step) for v, d in ((a, x), (b, out)))
        nest = Nest(
            a.shape, [Load(value, a), Load(before, replace(b, offset=b.offset - out * step))],
            [Step(total, add, (before, value), None, kind if kind == "s" else "f")],
            [Store(total, b)],
        )
        emit_nest(w, nest, {}, memory)


def _across(view: View, axis: int, offset: int) -> View:
    """One row of a view."""
    def without(numbers: Shape) -> Shape:
        return numbers[:axis] + numbers[axis + 1 :]

    return View(view.buffer, without(view.shape), without(view.strides), view.offset + offset)

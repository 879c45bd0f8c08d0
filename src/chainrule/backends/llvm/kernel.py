"""Small products of matrices, in registers: a block of rows by as many columns as there are lanes.

    for each panel of columns, for each block of ROWS rows:
        total[r] = total[r] + x[row + r, k] * y[k, columns]      for all k in order, by fma

y is read along its columns, which must lie side by side; x as it lies. Stacks of matrices are loops
outside. Every number is a sum in the order of k, whatever the blocks.
"""

from collections.abc import Sequence
from dataclasses import replace

from chainrule.backends.llvm.functions import STRAIGHT
from chainrule.backends.llvm.lines import REAL, SINGLE, Lines
from chainrule.backends.llvm.memory import IN_MEMORY, Memory, Place
from chainrule.backends.llvm.nests import Kernel, View

ROWS = 8  # totals held at once, each as long as the lanes
LANES = {"f": 16, "s": 32}


def emit_kernel(w: Lines, kernel: Kernel, memory: Memory) -> None:
    """The loops of a product."""
    *stack, rows, depth = kernel.x.shape
    columns = kernel.y.shape[-1]
    views = (kernel.x, kernel.y, kernel.out)
    places: list[str] = []
    ends = [w.open_loop(n, places) for n in stack]
    x, y, out = (memory.place(w, v, places) for v in views)
    block = _Block(w, memory, views, (x, y, out), depth)
    full, rest = divmod(columns, block.lanes)
    for count, width in ((full, block.lanes), (1 if rest else 0, rest)):
        if count:
            begin = 0 if width == block.lanes else full * block.lanes
            block.panels(begin, count, width, rows)
    for end in reversed(ends):
        w.close_loop(end)


class _Block:
    """What every block of a product shares."""

    def __init__(
        self, w: Lines, memory: Memory, views: Sequence[View], places: Sequence[Place], depth: int
    ) -> None:
        self.w, self.memory, self.depth = w, memory, depth
        self.kind = views[2].buffer.kind
        self.element = IN_MEMORY[self.kind]
        self.lanes = LANES[self.kind]
        self.v = w.with_lanes(self.lanes, STRAIGHT)
        self.v.real_type = SINGLE if self.kind == "s" else REAL
        self.x, self.y, self.out = places
        self.x_steps, self.y_steps, self.out_steps = (v.strides[-2:] for v in views)

    def panels(self, begin: int, count: int, width: int, rows: int) -> None:
        """Panels of so many columns, from a column on."""
        places: list[str] = []
        end = self.w.open_loop(count, places)
        column = self.moved(str(begin), places[0], self.lanes)
        most = -(-rows // -(-rows // ROWS)) if rows else 1
        full, rest = divmod(rows, most)
        for blocks, height, first in ((full, most, 0), (min(rest, 1), rest, full * most)):
            if blocks:
                inner: list[str] = []
                inner_end = self.w.open_loop(blocks, inner)
                row = self.moved(str(first), inner[0], most)
                self.block(row, height, column, width)
                self.w.close_loop(inner_end)
        self.w.close_loop(end)

    def moved(self, start: str, place: str, step: int) -> str:
        """start + place * step."""
        ahead = place if step == 1 else self.w.line(f"mul nsw i64 {place}, {step}")
        return ahead if start == "0" else self.w.line(f"add nsw i64 {start}, {ahead}")

    def block(self, row: str, height: int, column: str, width: int) -> None:
        """One block: totals in registers over all k, then stored."""
        w, v = self.w, self.v
        mask = None
        if width < self.lanes:
            flags = ", ".join(f"i1 {str(n < width).lower()}" for n in range(self.lanes))
            mask = f"<{flags}>"
        x_at = [self.moved(self.x.offset, self.moved("0", self.row(row, r), self.x_steps[0]), 1)
                for r in range(height)]
        y_at = self.moved(self.y.offset, column, 1)
        zero = v.number(-0.0)
        before, head, done = w.label("before"), w.label("depth"), w.label("done")
        k, following = f"%.{head}", f"%.next.{head}"
        totals = [f"%.total{r}.{head}" for r in range(height)]
        w.text += [f"  br label %{before}", f"{before}:", f"  br label %{head}", f"{head}:"]
        mark = len(w.text)
        y = replace(self.y, offset=self.moved(y_at, self.moved("0", k, self.y_steps[0]), 1),
                    stride=1)
        line = self.memory.load(v, y, "0", mask).name
        new = []
        for r in range(height):
            offset = self.moved(x_at[r], self.moved("0", k, self.x_steps[1]), 1)
            one = self.memory.load_one(w, replace(self.x, offset=offset))
            new.append(v.fma(v.spread_one(self.element, one), line, totals[r]))
        w.text.append(f"  {following} = add nuw nsw i64 {k}, 1")
        more = w.line(f"icmp ult i64 {following}, {self.depth}")
        w.text += [f"  br i1 {more}, label %{head}, label %{done}", f"{done}:"]
        t = v.many(self.element)
        w.text[mark:mark] = [
            f"  {k} = phi i64 [ 0, %{before} ], [ {following}, %{head} ]",
            *(f"  {name} = phi {t} [ {zero}, %{before} ], [ {made}, %{head} ]"
              for name, made in zip(totals, new, strict=True)),
        ]
        for r in range(height):
            offset = self.moved("0", self.row(row, r), self.out_steps[0])
            offset = self.moved(self.moved(self.out.offset, offset, 1), column, 1)
            self.memory.store(v, replace(self.out, offset=offset, stride=1), "0", new[r], mask)

    def row(self, row: str, r: int) -> str:
        return row if r == 0 else self.w.line(f"add nsw i64 {row}, {r}")

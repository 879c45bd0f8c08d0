"""Small products of matrices, in registers: a block of rows by as many columns as there are lanes.

    for each DEPTH of k, for each panel of columns, for each block of ROWS rows:
        total[r] = total[r] + x[row + r, k] * y[k, columns]      for all k in order, by fma

y is read along its columns, which must lie side by side; x as it lies. Stacks of matrices are loops
outside. A long sum is taken in turn, DEPTH of it for all columns, so that what is read again of x
and y is still in the cache. Every number is a sum in the order of k, whatever the blocks.
"""

from collections.abc import Sequence
from dataclasses import replace

from chainrule.backends.llvm.extent import Size
from chainrule.backends.llvm.functions import STRAIGHT
from chainrule.backends.llvm.lines import REAL, SINGLE, Lines, Loop
from chainrule.backends.llvm.memory import IN_MEMORY, Memory, Place
from chainrule.backends.llvm.nests import Kernel, View

ROWS = 8  # totals held at once, each as long as the lanes
LANES = {"f": 16, "s": 32}
DEPTH = 512  # rows of y at once: a panel of them takes 64 KiB


def emit_kernel(w: Lines, kernel: Kernel, memory: Memory) -> None:
    """The loops of a product."""
    *stack, rows, depth = kernel.x.shape
    columns = kernel.y.shape[-1]
    views = (kernel.x, kernel.y, kernel.out)
    places: list[str] = []
    ends = [w.open_loop(n, places) for n in stack]
    x, y, out = (memory.place(w, v, places) for v in views)
    block = _Block(w, memory, views, (x, y, out), depth)
    if not isinstance(depth, int) or depth > DEPTH:
        ends.append(block.in_turn(depth))
    if isinstance(columns, int):
        full, rest = divmod(columns, block.lanes)
        if full:
            block.panels("0", full, None, rows)
        if rest:
            block.last_panel(str(full * block.lanes), rest, rows)
    else:
        block.panels_at_run_time(columns, rows)
    for end in reversed(ends):
        w.close_loop(end)


class _Block:
    """What every block of a product shares."""

    def __init__(
        self, w: Lines, memory: Memory, views: Sequence[View], places: Sequence[Place],
        depth: Size | int,
    ) -> None:
        self.w, self.memory, self.depth = w, memory, w.size(depth)
        self.is_first = ""  # a flag, where the depth is taken in turn
        self.kind = views[2].buffer.kind
        self.element = IN_MEMORY[self.kind]
        self.take(LANES[self.kind])
        self.x, self.y, self.out = places
        self.x_steps, self.y_steps, self.out_steps = (v.strides[-2:] for v in views)

    def take(self, lanes: int) -> None:
        """So many columns at once from now on."""
        self.lanes = lanes
        self.v = self.w.with_lanes(lanes, STRAIGHT)
        self.v.real_type = SINGLE if self.kind == "s" else REAL

    def in_turn(self, depth: Size | int) -> Loop:
        """A loop over DEPTH of the depth after another; what is left is the last."""
        w = self.w
        places: list[str] = []
        more = w.line(f"add nsw i64 {w.size(depth)}, {DEPTH - 1}")
        loop = w.open_loop(w.line(f"sdiv i64 {more}, {DEPTH}"), places)
        begin = self.moved("0", places[0], DEPTH)
        left = w.line(f"sub nsw i64 {w.size(depth)}, {begin}")
        is_last = w.line(f"icmp slt i64 {left}, {DEPTH}")
        self.depth = w.line(f"select i1 {is_last}, i64 {left}, i64 {DEPTH}")
        self.is_first = w.line(f"icmp eq i64 {places[0]}, 0")
        self.x = replace(self.x, offset=self.moved(self.x.offset, begin, self.x_steps[1]))
        self.y = replace(self.y, offset=self.moved(self.y.offset, begin, self.y_steps[0]))
        return loop

    def panels_at_run_time(self, columns: Size, rows: int) -> None:
        """Panels of all columns, where a call says how many there are."""
        w, lanes = self.w, self.lanes
        if columns.is_multiple_of(lanes):
            return self.panels("0", columns // lanes, None, rows)
        size = w.size(columns)
        full = w.line(f"sdiv i64 {size}, {lanes}")
        with w.where(w.line(f"icmp ne i64 {full}, 0")):
            self.panels("0", full, None, rows)
        rest = w.line(f"and i64 {size}, {lanes - 1}")
        with w.where(w.line(f"icmp ne i64 {rest}, 0")):
            begin = w.line(f"and i64 {size}, {-lanes}")
            self.panels(begin, 1, self.v.first_lanes(rest), rows)

    def last_panel(self, begin: str, columns: int, rows: int) -> None:
        """A panel of fewer columns than there are lanes, in as few lanes as hold them."""
        self.take(1 << (columns - 1).bit_length())
        flags = ", ".join(f"i1 {str(n < columns).lower()}" for n in range(self.lanes))
        self.panels(begin, 1, f"<{flags}>" if columns < self.lanes else None, rows)

    def panels(self, begin: str, count: int | str, mask: str | None, rows: int) -> None:
        """So many panels of columns, from a column on; the mask says which of them there are."""
        places: list[str] = []
        end = self.w.open_loop(count, places)
        column = self.moved(begin, places[0], self.lanes)
        if isinstance(rows, int):
            most = -(-rows // -(-rows // ROWS)) if rows else 1
            full, rest = divmod(rows, most)
            self.blocks("0", full, most, column, mask)
            self.blocks(str(full * most), 1 if rest else 0, rest, column, mask)
        else:
            self.blocks_at_run_time(rows, column, mask)
        self.w.close_loop(end)

    def blocks_at_run_time(self, rows: Size, column: str, mask: str | None) -> None:
        """Blocks over all rows, where a call says how many there are: of 8 and of 7, which add up
        to any number from 42 on. Below, the last row may be computed more than once."""
        w = self.w
        if rows.is_multiple_of(ROWS):
            return self.blocks("0", rows // ROWS, ROWS, column, mask)
        size = w.size(rows)
        count = w.line(f"sdiv i64 {w.line(f'add nsw i64 {size}, {ROWS - 1}')}, {ROWS}")
        spare = w.line(f"sub nsw i64 {w.line(f'mul nsw i64 {count}, {ROWS}')}, {size}")
        fewer = w.line(f"icmp slt i64 {spare}, {count}")
        short = w.line(f"select i1 {fewer}, i64 {spare}, i64 {count}")
        long = w.line(f"sub nsw i64 {count}, {short}")
        with w.where(w.line(f"icmp ne i64 {long}, 0")):
            self.blocks("0", long, ROWS, column, mask)
        with w.where(w.line(f"icmp ne i64 {short}, 0")):
            begin = w.line(f"mul nsw i64 {long}, {ROWS}")
            self.blocks(begin, short, ROWS - 1, column, mask, w.line(f"sub nsw i64 {size}, 1"))

    def blocks(
        self, begin: str, count: int | str, height: int, column: str, mask: str | None,
        last: str | None = None,
    ) -> None:
        """So many blocks of rows, from a row on. last: the last row, where there may be fewer."""
        if count == 0:
            return
        places: list[str] = []
        end = self.w.open_loop(count, places)
        row = self.moved(begin, places[0], height)
        rows = [self.row(row, r) for r in range(height)]
        self.block(rows if last is None else [self.up_to(last, x) for x in rows], column, mask)
        self.w.close_loop(end)

    def up_to(self, last: str, row: str) -> str:
        """A row, or the last one where it lies beyond that."""
        inside = self.w.line(f"icmp slt i64 {row}, {last}")
        return self.w.line(f"select i1 {inside}, i64 {row}, i64 {last}")

    def moved(self, start: str, place: str, step: int) -> str:
        """start + place * step."""
        ahead = place if step == 1 else self.w.line(f"mul nsw i64 {place}, {self.w.size(step)}")
        return ahead if start == "0" else self.w.line(f"add nsw i64 {start}, {ahead}")

    def block(self, rows: Sequence[str], column: str, mask: str | None) -> None:
        """One block: totals in registers over all k, then stored."""
        w, v, height = self.w, self.v, len(rows)
        x_at = [self.moved(self.x.offset, self.moved("0", row, self.x_steps[0]), 1)
                for row in rows]
        y_at = self.moved(self.y.offset, column, 1)
        outs = [self.out_at(row, column) for row in rows]
        starts = [self.start(out, mask) for out in outs]
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
            *(f"  {name} = phi {t} [ {start}, %{before} ], [ {made}, %{head} ]"
              for name, start, made in zip(totals, starts, new, strict=True)),
        ]
        for out, total in zip(outs, new, strict=True):
            self.memory.store(v, out, "0", total, mask)

    def out_at(self, row: str, column: str) -> Place:
        """Where a row's numbers of a panel stand."""
        offset = self.moved("0", row, self.out_steps[0])
        offset = self.moved(self.moved(self.out.offset, offset, 1), column, 1)
        return replace(self.out, offset=offset, stride=1)

    def start(self, out: Place, mask: str | None) -> str:
        """The totals of a row before what is added now: 0 at first, then what there is."""
        zero, t = self.v.number(-0.0), self.v.many(self.element)
        if not self.is_first:
            return zero
        before = self.memory.load(self.v, out, "0", mask).name
        return self.w.line(f"select i1 {self.is_first}, {t} {zero}, {t} {before}")

    def row(self, row: str, r: int) -> str:
        return row if r == 0 else self.w.line(f"add nsw i64 {row}, {r}")

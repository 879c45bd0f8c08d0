"""Products that add up over the lanes: one row of x by as many rows of y as registers hold.

    total[c] = total[c] + x[row, lanes] * y[column + c, lanes]    for all chunks in order, by fma

At the end the lanes of each total are joined by halves, as those of a fold, two totals at a time: a
vector of low halves and one of high halves are added, until each total is one lane. That vector is
added to out.
"""

from dataclasses import replace

from chainrule.backends.llvm.functions import STRAIGHT
from chainrule.backends.llvm.kernel import LANES
from chainrule.backends.llvm.lines import REAL, SINGLE, Lines
from chainrule.backends.llvm.memory import IN_MEMORY, Memory, Place
from chainrule.backends.llvm.nests import Dots

COLUMNS = 12  # totals held at once, each as long as the lanes


def emit_dots(w: Lines, dots: Dots, memory: Memory) -> None:
    """The loops of a product that adds up over the lanes."""
    *stack, rows, depth = dots.x.shape
    columns, step = dots.y.shape[-2], dots.y.strides[-2]
    places: list[str] = []
    ends = [w.open_loop(n, places) for n in (*stack, rows)]
    *outer, row = places
    x, out = (memory.place(w, v, outer) for v in (dots.x, dots.out))
    x, out = (_on(w, at, row, v.strides[-2]) for at, v in ((x, dots.x), (out, dots.out)))
    y = memory.place(w, dots.y, outer)
    tile = _Tile(w, memory, dots.out.buffer.kind, step, depth)
    height = -(-columns // -(-columns // COLUMNS))
    full, rest = divmod(columns, height)
    panels: list[str] = []
    end = w.open_loop(full, panels)
    tile.emit(x, _on(w, y, panels[0], height * step), _on(w, out, panels[0], height), height)
    w.close_loop(end)
    if rest:
        done = str(full * height)
        tile.emit(x, _on(w, y, done, step), _on(w, out, done, 1), rest)
    for end in reversed(ends):
        w.close_loop(end)


def _on(w: Lines, at: Place, count: str, step: int) -> Place:
    """A place that many steps further."""
    moved = w.line(f"mul nsw i64 {count}, {step}")
    return replace(at, offset=w.line(f"add nsw i64 {at.offset}, {moved}"))


class _Tile:
    """What the tiles of a product share."""

    def __init__(self, w: Lines, memory: Memory, kind: str, step: int, depth: int) -> None:
        self.w, self.memory, self.kind, self.step, self.depth = w, memory, kind, step, depth
        self.lanes, self.element = LANES[kind], IN_MEMORY[kind]
        self.v = self.writer(self.lanes)

    def writer(self, lanes: int) -> Lines:
        """A writer of reals of this kind."""
        v = self.w.with_lanes(lanes, STRAIGHT)
        v.real_type = SINGLE if self.kind == "s" else REAL
        return v

    def emit(self, x: Place, y: Place, out: Place, height: int) -> None:
        """One row of x by so many rows of y."""
        columns = [_on(self.w, y, str(c), self.step) for c in range(height)]
        totals = [self.v.number(-0.0)] * height
        full, rest = divmod(self.depth, self.lanes)
        if full:
            totals = self._loop(x, columns, totals, full)
        if rest:
            done = str(full * self.lanes)
            totals = self._chunk(x, columns, totals, done, _mask(rest, self.lanes))
        sums, lanes = self._joined(totals)
        v, mask = self.writer(lanes), None if height == lanes else _mask(height, lanes)
        target = replace(out, stride=1)
        before = self.memory.load(v, target, "0", mask).name
        self.memory.store(v, target, "0", v.add(before, sums), mask)

    def _loop(self, x: Place, columns: list[Place], starts: list[str], full: int) -> list[str]:
        """The full chunks: totals carried round."""
        w = self.w
        before, head, done = w.label("before"), w.label("depth"), w.label("done")
        place, following = f"%.{head}", f"%.next.{head}"
        totals = [f"%.total{c}.{head}" for c in range(len(starts))]
        w.text += [f"  br label %{before}", f"{before}:", f"  br label %{head}", f"{head}:"]
        mark = len(w.text)
        new = self._chunk(x, columns, totals, place, None)
        w.text.append(f"  {following} = add nuw nsw i64 {place}, {self.lanes}")
        more = w.line(f"icmp ult i64 {following}, {full * self.lanes}")
        w.text += [f"  br i1 {more}, label %{head}, label %{done}", f"{done}:"]
        t = self.v.many(self.element)
        w.text[mark:mark] = [
            f"  {place} = phi i64 [ 0, %{before} ], [ {following}, %{head} ]",
            *(f"  {name} = phi {t} [ {start}, %{before} ], [ {made}, %{head} ]"
              for name, start, made in zip(totals, starts, new, strict=True)),
        ]
        return new

    def _chunk(
        self, x: Place, columns: list[Place], totals: list[str], place: str, mask: str | None
    ) -> list[str]:
        line = self.memory.load(self.v, x, place, mask).name
        return [
            self.v.fma(line, self.memory.load(self.v, at, place, mask).name, total)
            for at, total in zip(columns, totals, strict=True)
        ]

    # ---- lanes joined by halves

    def _joined(self, totals: list[str]) -> tuple[str, int]:
        """One vector of the sums of all totals, in order, and its lanes."""
        lanes, each = self.lanes, self.lanes  # of a vector; of one total in it
        while each > 1:
            pairs = [(a, b) for a, b in zip(totals[::2], [*totals[1::2], totals[-1]], strict=False)]
            is_one = len(totals) == 1
            totals = [self._halved(a, None if is_one else b, lanes, each) for a, b in pairs]
            each //= 2
            lanes = lanes // 2 if is_one else lanes
        return totals[0], lanes

    def _halved(self, a: str, b: str | None, lanes: int, each: int) -> str:
        """The low half of each total added to its high half: all of a, then all of b."""
        t = f"<{lanes} x {self.element}>"
        starts = range(0, lanes if b is None else 2 * lanes, each)
        low = [k for start in starts for k in range(start, start + each // 2)]
        parts = [
            self.w.line(
                f"shufflevector {t} {a}, {t} {b or 'poison'}, <{len(low)} x i32> "
                f"<{', '.join(f'i32 {k + ahead}' for k in low)}>"
            )
            for ahead in (0, each // 2)
        ]
        return self.writer(len(low)).add(*parts)


def _mask(count: int, lanes: int) -> str:
    """The first so many lanes."""
    return f"<{', '.join(f'i1 {str(n < count).lower()}' for n in range(lanes))}>"

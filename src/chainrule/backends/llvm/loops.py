"""A loop nest as instructions: scalar loops outside, the innermost axis many numbers at a time.

The lanes are 16 doubles or 32 singles on every machine: a processor with shorter vectors takes
several instructions for each, and sums have the same partial sums everywhere. Where 16 doubles are
only two registers, long rows take two such vectors at once (Lines.at_once): the steps of a chain
wait for each other, and others fill the time. Folds take in one after the other, so no bit differs.
A last chunk that is not full is computed under a mask. Axes that lie one after the other are joined
first.

    folds of the innermost axis    one partial result a lane, joined by halves at its end
    folds of the others            joined with memory, in the order of the loops
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace

from chainrule.backends.llvm.extent import Size
from chainrule.backends.llvm.folds import Off, identity, join, taken_in, taken_in_turn
from chainrule.backends.llvm.functions import STRAIGHT
from chainrule.backends.llvm.lines import FLAG, LANES, REAL, SINGLE, Lines
from chainrule.backends.llvm.memory import Memory, Place
from chainrule.backends.llvm.nests import TURN, Buffer, Fold, Nest, Shape, Store, View
from chainrule.backends.llvm.plan import Step
from chainrule.backends.llvm.shapes import collapsed
from chainrule.backends.llvm.steps import Held, apply, text_of
from chainrule.backends.llvm.turns import WAVES, Turn, both_waves, turn, turns
from chainrule.backends.llvm.values import IR_TYPE, Value

LONG = 4096  # numbers in a row that is worth longer code, and compiling it


def emit_nest(w: Lines, nest: Nest, held: Held, memory: Memory) -> None:
    """The loops of a nest; numbers it folds to are held from here on."""
    loops = _Loops(w, nest, held, memory)
    loops.begin()
    if 0 not in nest.shape:
        loops.run()
    loops.end()


class _Loops:
    """One nest being written."""

    def __init__(self, w: Lines, nest: Nest, held: Held, memory: Memory) -> None:
        self.w, self.nest, self.held, self.memory = w, nest, held, memory
        views = [f.into or _nowhere(nest.shape) for f in nest.folds]
        every = [*(x.view for x in nest.loads), *(x.view for x in nest.stores), *views]
        self.shape, flat = collapsed(nest.shape, every)
        loads, stores = len(nest.loads), len(nest.stores)
        self.reads = flat[:loads]
        self.writes = flat[loads : loads + stores]
        self.targets = flat[loads + stores :]
        self.parts = LANES[SINGLE if self._is_single() else REAL]  # lanes of a total
        if nest.in_turn or not self.shape:
            self.parts = 0
        self.lanes = self.parts * (w.at_once if self.parts and self._is_worth_more() else 1)
        self.turns = turns(nest.steps)
        self.slots: dict[int, str] = {}  # of folds to a number, where loops stand outside

    def _is_single(self) -> bool:
        n = self.nest
        kinds = {x.value.kind for x in n.loads} | {s.value.kind for s in n.steps}
        kinds |= {x.value.kind for x in n.stores} | {f.value.kind for f in n.folds}
        return kinds <= {"s", "b"} and all(s.real == "s" for s in n.steps)

    def _is_worth_more(self) -> bool:
        """True for long rows, or those whose length a call gives, of numbers that lie side by side:
        where each has a place of its own to go to, nothing waits for steps."""
        n, loads, stores = self.shape[-1], self.nest.loads, self.nest.stores
        views = (*self.reads, *self.writes, *self.targets)
        picks = any(x.picks or x.table is not None for x in loads) or any(s.picks for s in stores)
        is_long = not isinstance(n, int) or n >= LONG
        return is_long and not picks and all(v.strides[-1] in (0, 1) for v in views)

    # ---- around the loops

    def begin(self) -> None:
        """Set what folds join with memory to their identity."""
        for index, fold in enumerate(self.nest.folds):
            if fold.goes_on:
                continue
            if fold.into is not None:
                if self._joins_memory(index) or 0 in self.nest.shape:
                    place = _each_once(fold.into)
                    fill = Nest(place.shape, stores=[Store(identity(fold), place)])
                    emit_nest(self.w, fill, self.held, self.memory)
            elif len(self.shape) > 1:
                t = IR_TYPE[fold.value.kind]
                self.slots[index] = self.w.line(f"alloca {t}, align 8")
                start = text_of(self.w, fold.value.kind, identity(fold), {})
                self.w.text.append(f"  store {t} {start}, ptr {self.slots[index]}, align 8")

    def _joins_memory(self, index: int) -> bool:
        """True where several places of the loops go into one of the target."""
        strides = self.targets[index].strides
        is_shared = 0 in strides[:-1] or (bool(strides) and strides[-1] != 0)
        return is_shared or self.nest.folds[index].goes_on

    def end(self) -> None:
        """Hold the numbers that folds gave."""
        for index, fold in enumerate(self.nest.folds):
            if fold.into is not None:
                continue
            kind = fold.value.kind
            if index in self.slots:
                made = self.w.line(f"load {IR_TYPE[kind]}, ptr {self.slots[index]}, align 8")
                self.held[fold.value.name] = Value(kind, made)
            elif 0 in self.nest.shape:
                self.held[fold.value.name] = identity(fold)

    # ---- the loops

    def run(self) -> None:
        """Loops over the outer axes, then the innermost."""
        self.v = self.w.with_lanes(self.lanes, STRAIGHT) if self.lanes else self.w
        self.part = self.w.with_lanes(self.parts, STRAIGHT) if self.lanes else self.w
        self.inside = self._spread_numbers() if self.lanes else dict(self.held)
        places: list[str] = []
        outer = self.shape if self.nest.in_turn else self.shape[:-1]
        ends = [self.w.open_loop(n, places) for n in outer]
        self._innermost(places)
        for end in reversed(ends):
            self.w.close_loop(end)

    def _spread_numbers(self) -> Held:
        """Numbers made outside, in every lane."""
        made = {x.value.name for x in self.nest.loads} | {s.value.name for s in self.nest.steps}
        used = [x for s in self.nest.steps for x in s.operands]
        used += [x.value for x in self.nest.stores]
        used += [x for s in self.nest.stores for x, *_ in s.picks]
        used += [x for s in self.nest.loads for x, *_ in s.picks]
        used += [x for f in self.nest.folds for x in f.sources[f.how == TURN :]]
        found: Held = {}
        for x in used:
            if x.number is None and x.name not in made and x.name not in found:
                found[x.name] = self._spread(self.held[x.name])
        return found

    def _spread(self, x: Value) -> Value:
        if x.number is not None:
            return x
        return Value(x.kind, self.v.spread_one(IR_TYPE[x.kind], x.name))

    def _innermost(self, places: Sequence[str]) -> None:
        """The innermost axis: full chunks in a loop, then what is left under a mask."""
        every = (*self.reads, *self.writes, *self.targets)
        at = [self.memory.place(self.w, v, places) for v in every]
        self.read_at = at[: len(self.reads)]
        self.write_at = at[len(self.reads) : len(self.reads) + len(self.writes)]
        self.target_at = at[len(self.reads) + len(self.writes) :]
        if not self.lanes:
            totals = self._chunk(None, "0", Off(), self._starts())
        else:
            steady = {
                i: Value(x.value.kind, self.v.spread_one(
                    IR_TYPE[x.value.kind], self.memory.load_one(self.w, self.read_at[i])))
                for i, x in enumerate(self.nest.loads)
                if self.reads[i].strides[-1] == 0 and x.table is None and not x.picks
            }
            totals = self._chunks(steady)
        self._deliver(totals)

    def _starts(self) -> dict[int, str]:
        """What the folds that are kept in registers begin with."""
        return {
            i: text_of(self.w, f.value.kind, f.sources[0], self.held) if f.how == TURN
            else text_of(self.part, f.value.kind, identity(f), {})
            for i, f in enumerate(self.nest.folds) if self._in_register(i)
        }

    def _total_type(self, index: int) -> str:
        fold = self.nest.folds[index]
        return (self.w if fold.how == TURN else self.part).many(IR_TYPE[fold.value.kind])

    def _in_register(self, index: int) -> bool:
        strides = self.targets[index].strides
        return not strides or strides[-1] == 0

    def _chunks(self, steady: dict[int, Value]) -> dict[int, str]:
        n = self.shape[-1]
        if not isinstance(n, int):
            return self._chunks_at_run_time(steady, n)
        full, rest = divmod(n, self.lanes)
        totals = self._starts()
        if full == 1:
            totals = self._chunk(steady, "0", Off(), totals)
        elif full:
            totals = self._loop(steady, str(full * self.lanes), totals)
        if rest:
            flags = ", ".join(f"i1 {str(lane < rest).lower()}" for lane in range(self.lanes))
            mask = Off(f"<{flags}>", rest)
            totals = self._chunk(steady, str(full * self.lanes), mask, totals)
        return totals

    def _chunks_at_run_time(self, steady: dict[int, Value], n: Size) -> dict[int, str]:
        """The same chunks, and the same partial results, where a call says how many there are."""
        w, totals = self.w, self._starts()
        if n.is_multiple_of(self.lanes):
            return self._loop(steady, w.size(n), totals)
        full = w.line(f"and i64 {w.size(n)}, {-self.lanes}")
        rest = w.line(f"and i64 {w.size(n)}, {self.lanes - 1}")
        with w.where(w.line(f"icmp ne i64 {full}, 0")) as ends:
            made = self._loop(steady, full, totals)
        totals = self._either(ends, totals, made)
        with w.where(w.line(f"icmp ne i64 {rest}, 0")) as ends:
            made = self._chunk(steady, full, Off(self.v.first_lanes(rest)), totals)
        return self._either(ends, totals, made)

    def _either(
        self, ends: tuple[str, str], before: dict[int, str], after: dict[int, str]
    ) -> dict[int, str]:
        """Totals of one of two blocks."""
        return {
            i: self.w.line(
                f"phi {self._total_type(i)} [ {before[i]}, %{ends[0]} ], [ {after[i]}, %{ends[1]} ]"
            )
            for i in before
        }

    def _loop(self, steady: dict[int, Value], end: str, starts: dict[int, str]) -> dict[int, str]:
        """Full chunks up to an end: one body, its totals carried round."""
        w = self.w
        before, head, done = w.label("before"), w.label("chunk"), w.label("done")
        place, step = f"%.{head}", f"%.next.{head}"
        w.text += [f"  br label %{before}", f"{before}:", f"  br label %{head}", f"{head}:"]
        mark = len(w.text)
        carried = {i: f"%.total{i}.{head}" for i in starts}
        totals = self._chunk(steady, place, Off(), carried)
        last = self._current_block(mark, head)
        w.text.append(f"  {step} = add nuw nsw i64 {place}, {self.lanes}")
        more = w.line(f"icmp ult i64 {step}, {end}")
        w.text += [f"  br i1 {more}, label %{head}, label %{done}", f"{done}:"]
        phis = [f"  {place} = phi i64 [ 0, %{before} ], [ {step}, %{last} ]"]
        for i, name in carried.items():
            t = self._total_type(i)
            phis.append(f"  {name} = phi {t} [ {starts[i]}, %{before} ], [ {totals[i]}, %{last} ]")
        w.text[mark:mark] = phis
        return totals

    def _current_block(self, mark: int, head: str) -> str:
        """The label of the block that the text ends in."""
        for line in reversed(self.w.text[mark:]):
            if line.endswith(":") and not line.startswith(" "):
                return line[:-1]
        return head

    def _chunk(
        self, steady: dict[int, Value] | None, place: str, off: Off, totals: dict[int, str]
    ) -> dict[int, str]:
        """One chunk: loads, steps, stores, folds."""
        w, held, memory = self.v, dict(self.inside), self.memory
        turned: dict[Turn, list[str]] = {}
        for i, x in enumerate(self.nest.loads):
            if steady is not None and i in steady:
                held[x.value.name] = steady[i]
            elif x.table is not None:
                table = text_of(w, "i", x.table, held)
                filling = text_of(w, x.value.kind, Value(x.value.kind, "", x.filling), {})
                held[x.value.name] = memory.load_by_table(
                    w, self.read_at[i], table, filling, off.mask
                )
            elif x.picks:
                picks = [(text_of(w, "i", v, held), step, n) for v, step, n in x.picks]
                held[x.value.name] = memory.load_picked(
                    w, self.read_at[i], place, picks, off.mask, x.fault
                )
            else:
                held[x.value.name] = memory.load(w, self.read_at[i], place, off.mask)
        for s in self.nest.steps:
            held[s.value.name] = self._applied(s, held, turned)
        for store, at in zip(self.nest.stores, self.write_at, strict=True):
            self._write(store, at, place, held, off)
        new = dict(totals)
        for i, f in enumerate(self.nest.folds):
            sources = f.sources[f.how == TURN :]
            terms = [text_of(w, f.value.kind, x, held) for x in sources]
            if f.how == TURN:
                new[i] = taken_in_turn(w, f, totals[i], terms, off)
            elif i in totals:
                new[i] = self._folded(f, totals[i], terms, off)
            else:
                at = self.target_at[i]
                before = memory.load(w, at, place, off.mask)
                made = taken_in(w, f, before.name, terms, Off())
                memory.store(w, at, place, made, off.mask)
        return new

    def _applied(self, s: Step, held: Held, turned: dict[Turn, list[str]]) -> Value:
        """A step; the first of a sine and a cosine computes both."""
        if not self.lanes or s.gate.name not in WAVES or turn(s) not in self.turns:
            return apply(self.v, s, held)
        if turn(s) not in turned:
            x = text_of(self.v, s.real, s.operands[0], held)
            with self.v.in_single() if s.real == "s" else nullcontext():
                turned[turn(s)] = both_waves(self.v, x)
        return Value(s.value.kind, turned[turn(s)][WAVES.index(s.gate.name)])

    def _folded(self, f: Fold, total: str, terms: Sequence[str], off: Off) -> str:
        """A total with the terms of a chunk: the lanes of a total at a time, in order."""
        for first in range(0, self.lanes or 1, self.parts or 1):
            some = [self._some(IR_TYPE[f.value.kind], x, first) for x in terms]
            mask = None if off.mask is None else self._some(FLAG, off.mask, first)
            total = taken_in(self.part, f, total, some, Off(mask))
        return total

    def _some(self, element: str, x: str, first: int) -> str:
        """The lanes of a chunk from one on that go into a total at once."""
        if self.lanes == self.parts:
            return x
        return self.v.lanes_of(element, x, range(first, first + self.parts))

    def _write(self, s: Store, at: Place, place: str, held: Held, off: Off) -> None:
        w, memory = self.v, self.memory
        value = text_of(w, at.kind, s.value, held)
        if s.picks:
            picks = [(text_of(w, "i", v, held), step, n) for v, step, n in s.picks]
            at = memory.picked(w, at, picks, s.fault)
        if s.adds:
            before = memory.load(w, at, place, off.mask)
            value = join(w, "sum", at.kind, before.name, value)
        memory.store(w, at, place, value, off.mask)

    # ---- results of folds

    def _deliver(self, totals: dict[int, str]) -> None:
        """Partial results joined by halves, then with memory or as a number."""
        for i, total in totals.items():
            f = self.nest.folds[i]
            kind, t = f.value.kind, IR_TYPE[f.value.kind]
            number = self._joined(f, total) if self.lanes and f.how != TURN else total
            if f.into is not None:
                at = self.target_at[i]
                if self._joins_memory(i):
                    number = join(self.w, f.how, kind, self.memory.load_one(self.w, at), number)
                self.memory.store_one(self.w, at, number)
            elif i in self.slots:
                before = self.w.line(f"load {t}, ptr {self.slots[i]}, align 8")
                number = join(self.w, f.how, kind, before, number)
                self.w.text.append(f"  store {t} {number}, ptr {self.slots[i]}, align 8")
            else:
                self.held[f.value.name] = Value(kind, number)

    def _joined(self, fold: Fold, total: str) -> str:
        """All lanes of a total as one, by halves."""
        kind, element, lanes = fold.value.kind, IR_TYPE[fold.value.kind], self.parts
        while lanes > 1:
            half, whole = lanes // 2, self.w.with_lanes(lanes, STRAIGHT)
            low, high = (
                whole.lanes_of(element, total, range(first, first + half)) for first in (0, half)
            )
            total = join(self.w.with_lanes(half, STRAIGHT), fold.how, kind, low, high)
            lanes = half
        return self.w.line(f"extractelement <1 x {element}> {total}, i32 0")


def _each_once(target: View) -> View:
    """The numbers of a target, each once."""
    axes = [a for a, s in enumerate(target.strides) if s]
    return replace(target, shape=tuple(target.shape[a] for a in axes),
                   strides=tuple(target.strides[a] for a in axes))


def _nowhere(shape: Shape) -> View:
    """Stands for the target of a fold to a number."""
    return View(_NO_BUFFER, shape, (0,) * len(shape))


_NO_BUFFER = Buffer("", "f", 0, "arena")

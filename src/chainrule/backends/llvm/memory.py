"""Reading and writing the numbers of views: whole vectors where they lie side by side, else one
place a lane. Flags take a byte each."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from chainrule.backends.llvm.lines import FLAG, REAL, SINGLE, WHOLE, Lines
from chainrule.backends.llvm.nests import BYTES, COUNT, Buffer, View
from chainrule.backends.llvm.values import IR_TYPE, Value

IN_MEMORY = {"f": REAL, "s": SINGLE, "i": WHOLE, "b": "i8"}
NOWHERE = "null"  # the pointer of places that are no memory
_SUFFIX = {"f": "f64", "s": "f32", "i": "i64", "b": "i8"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the innermost axis of a view begins, and the step from each number to the next."""

    kind: str
    pointer: str  # of the buffer
    offset: str  # in elements
    stride: int


class Memory:
    """The buffers of a plan, as the pointers the text has for them."""

    def __init__(self) -> None:
        self.pointers: dict[Buffer, str] = {}

    def place(self, w: Lines, view: View, places: Sequence[str]) -> Place:
        """Where a view stands at the places of the outer loops."""
        if not view.buffer.name:  # the target of a fold to a number
            return Place("f", NOWHERE, "0", 0)
        offset = w.size(view.offset)
        for at, stride in zip(places, view.strides, strict=False):
            if stride:
                moved = at if stride == 1 else w.line(f"mul nsw i64 {at}, {w.size(stride)}")
                offset = moved if offset == "0" else w.line(f"add nsw i64 {offset}, {moved}")
        stride = view.strides[-1] if view.strides else 0
        pointer = NOWHERE if view.buffer is COUNT else self.pointers[view.buffer]
        return Place(view.buffer.kind, pointer, offset, stride)

    @contextmanager
    def moving(self, w: Lines, steps: Mapping[Buffer, int], count: int) -> Iterator[None]:
        """A loop of so many rounds; in each, the pointers of these buffers have moved on by a step
        more."""
        before, head, done = w.label("before"), w.label("row"), w.label("done")
        end, place, step = w.label("end"), f"%.{head}", f"%.next.{head}"
        w.text += [f"  br label %{before}", f"{before}:",
                   f"  br i1 {'true' if count else 'false'}, label %{head}, label %{done}",
                   f"{head}:", f"  {place} = phi i64 [ 0, %{before} ], [ {step}, %{end} ]"]
        outside = dict(self.pointers)
        for buffer, distance in steps.items():
            ahead = w.line(f"mul nsw i64 {place}, {w.size(distance)}")
            t = IN_MEMORY[buffer.kind]
            pointer = self.pointers[buffer]
            self.pointers[buffer] = w.line(f"getelementptr {t}, ptr {pointer}, i64 {ahead}")
        yield
        self.pointers = outside
        w.text += [f"  br label %{end}", f"{end}:", f"  {step} = add nsw i64 {place}, 1"]
        more = w.line(f"icmp slt i64 {step}, {w.size(count)}")
        w.text += [f"  br i1 {more}, label %{head}, label %{done}", f"{done}:"]

    # ---- one number

    def load_one(self, w: Lines, at: Place) -> str:
        """The first number of a place; of those that count, how far it stands."""
        if at.pointer == NOWHERE:
            return at.offset
        t = IN_MEMORY[at.kind]
        pointer = w.line(f"getelementptr {t}, ptr {at.pointer}, i64 {at.offset}")
        value = w.line(f"load {t}, ptr {pointer}, align {BYTES[at.kind]}")
        return w.line(f"icmp ne i8 {value}, 0") if at.kind == "b" else value

    def store_one(self, w: Lines, at: Place, value: str) -> None:
        """Set the first number of a place."""
        t = IN_MEMORY[at.kind]
        if at.kind == "b":
            value = w.line(f"zext i1 {value} to i8")
        pointer = w.line(f"getelementptr {t}, ptr {at.pointer}, i64 {at.offset}")
        w.text.append(f"  store {t} {value}, ptr {pointer}, align {BYTES[at.kind]}")

    # ---- a chunk of them

    def load(self, w: Lines, at: Place, place: str, mask: str | None) -> Value:
        """The numbers at a place of the innermost axis, one a lane."""
        if not w.lanes:
            return Value(at.kind, self.load_one(w, at))
        if at.pointer == NOWHERE:
            return Value(at.kind, self._indices(w, at, place))
        if at.stride == 1:
            made = self._load_side_by_side(w, at, place, mask)
        elif at.stride == -1:
            made = self._load_backwards(w, at, place, mask)
        else:
            made = self._gather(w, at, self._indices(w, at, place), mask)
        return Value(at.kind, _as_flags(w, made) if at.kind == "b" else made)

    def _load_side_by_side(self, w: Lines, at: Place, place: str, mask: str | None) -> str:
        pointer, t = self._pointer(w, at, place), w.many(IN_MEMORY[at.kind])
        if mask is None:
            return w.line(f"load {t}, ptr {pointer}, align {BYTES[at.kind]}")
        name = f"llvm.masked.load.v{w.lanes}{_SUFFIX[at.kind]}.p0"
        flags = w.many(FLAG)
        w.intrinsics.add(f"declare {t} @{name}(ptr, i32, {flags}, {t})")
        return w.line(
            f"call {t} @{name}(ptr {pointer}, i32 {BYTES[at.kind]}, {flags} {mask}, "
            f"{t} zeroinitializer)"
        )

    def _load_backwards(self, w: Lines, at: Place, place: str, mask: str | None) -> str:
        """Numbers that lie side by side in the other order."""
        last = w.line(f"add nsw i64 {place}, {w.lanes - 1}")
        begin = w.line(f"sub nsw i64 {at.offset}, {last}")
        turned = None if mask is None else _turned(w, FLAG, mask)
        made = self._load_side_by_side(w, replace(at, offset=begin, stride=1), "0", turned)
        return _turned(w, IN_MEMORY[at.kind], made)

    def load_by_table(
        self, w: Lines, at: Place, table: str, filling: str, mask: str | None
    ) -> Value:
        """Numbers at the places of a buffer that a table counts from 1; else the filling."""
        wanted = w.compare_whole("ne", table, 0)
        index = w.whole("sub", table, 1)
        if w.lanes:
            there = wanted if mask is None else w.flag("and", wanted, mask)
            made = self._gather(w, at, index, there)
            made = _as_flags(w, made) if at.kind == "b" else made
            return Value(at.kind, w.select(wanted, made, filling, IR_TYPE[at.kind]))
        safe = w.select_whole(wanted, index, 0)
        one = self.load_one(w, Place(at.kind, at.pointer, safe, 0))
        return Value(at.kind, w.select(wanted, one, filling, IR_TYPE[at.kind]))

    def load_picked(
        self, w: Lines, at: Place, place: str, picks: Sequence[tuple[str, int, int]],
        mask: str | None, fault: int,
    ) -> Value:
        """Numbers at places that whole numbers pick; one out of range is noted, and read as 0."""
        index = self._picked_place(w, at, place, picks, mask, fault)
        if w.lanes:
            made = self._gather(w, at, index, mask)
            return Value(at.kind, _as_flags(w, made) if at.kind == "b" else made)
        return Value(at.kind, self.load_one(w, Place(at.kind, at.pointer, index, 0)))

    def picked(
        self, w: Lines, at: Place, picks: Sequence[tuple[str, int, int]], fault: int
    ) -> Place:
        """The place of one number that whole numbers pick."""
        index = self._picked_place(w, at, "0", picks, None, fault)
        return Place(at.kind, at.pointer, index, 0)

    def _picked_place(
        self, w: Lines, at: Place, place: str, picks: Sequence[tuple[str, int, int]],
        mask: str | None, fault: int,
    ) -> str:
        """How far from the buffer's begin."""
        total = self._indices(w, at, place) if w.lanes else at.offset
        for k, (name, stride, size) in enumerate(picks):
            from_end = w.compare_whole("slt", name, 0)
            index = w.select_whole(from_end, w.whole("add", name, size), name)
            outside = w.compare_whole("uge", index, size)
            self._note(w, outside, name, mask, fault + k)
            index = w.select_whole(outside, 0, index)
            total = w.whole("add", total, w.whole("mul", index, stride))
        return total

    def _note(self, w: Lines, wrong: str, index: str, mask: str | None, fault: int) -> None:
        """Remember the first fault, and the first index for which the flag holds."""
        if mask is not None:
            wrong = w.flag("and", wrong, mask)
        found, lanes = wrong, f"i{w.lanes}"
        if w.lanes:
            found = w.line(f"bitcast {w.many(FLAG)} {wrong} to {lanes}")
            found = w.line(f"icmp ne {lanes} {found}, 0")
        note, on = w.label("fault"), w.label("on")
        w.text += [f"  br i1 {found}, label %{note}, label %{on}", f"{note}:"]
        if w.lanes:
            w.intrinsics.add(f"declare {lanes} @llvm.cttz.{lanes}({lanes}, i1)")
            flags = w.line(f"bitcast {w.many(FLAG)} {wrong} to {lanes}")
            lane = w.line(f"call {lanes} @llvm.cttz.{lanes}({lanes} {flags}, i1 true)")
            index = w.line(f"extractelement {w.many(WHOLE)} {index}, {lanes} {lane}")
        status = w.line("load i32, ptr %.status, align 4")
        before = w.line(f"load {WHOLE}, ptr %.arena, align 8")
        is_first = w.line(f"icmp eq i32 {status}, 0")
        now = w.line(f"select i1 {is_first}, i32 {fault}, i32 {status}")
        kept = w.line(f"select i1 {is_first}, {WHOLE} {index}, {WHOLE} {before}")
        w.text += [f"  store i32 {now}, ptr %.status, align 4",
                   f"  store {WHOLE} {kept}, ptr %.arena, align 8"]
        w.text += [f"  br label %{on}", f"{on}:"]

    def store(self, w: Lines, at: Place, place: str, value: str, mask: str | None) -> None:
        """Set the numbers at a place of the innermost axis."""
        if not w.lanes:
            return self.store_one(w, at, value)
        t = w.many(IN_MEMORY[at.kind])
        if at.kind == "b":
            value = w.line(f"zext {w.many(FLAG)} {value} to {t}")
        if at.stride != 1:
            return self._scatter(w, at, self._indices(w, at, place), value, mask)
        pointer, flags = self._pointer(w, at, place), w.many(FLAG)
        if mask is None:
            w.text.append(f"  store {t} {value}, ptr {pointer}, align {BYTES[at.kind]}")
            return None
        name = f"llvm.masked.store.v{w.lanes}{_SUFFIX[at.kind]}.p0"
        w.intrinsics.add(f"declare void @{name}({t}, ptr, i32, {flags})")
        w.text.append(
            f"  call void @{name}({t} {value}, ptr {pointer}, i32 {BYTES[at.kind]}, {flags} {mask})"
        )
        return None

    def _pointer(self, w: Lines, at: Place, place: str) -> str:
        offset = at.offset
        if place != "0":
            offset = place if offset == "0" else w.line(f"add nsw i64 {offset}, {place}")
        return w.line(f"getelementptr {IN_MEMORY[at.kind]}, ptr {at.pointer}, i64 {offset}")

    # ---- one place a lane

    def _indices(self, w: Lines, at: Place, place: str) -> str:
        """Elements to go from the buffer's begin, for each lane."""
        start = at.offset
        if place != "0":
            ahead = w.line(f"mul nsw i64 {place}, {w.size(at.stride)}")
            start = w.line(f"add nsw i64 {start}, {ahead}")
        return w.whole("add", w.spread_one(WHOLE, start), self._steps(w, at.stride))

    def _steps(self, w: Lines, stride: Any) -> str:
        """How far each lane is from the first."""
        step = stride if isinstance(stride, int) else 1
        steps = f"<{', '.join(f'i64 {lane * step}' for lane in range(w.lanes))}>"
        return steps if isinstance(stride, int) else w.whole("mul", steps, stride)

    def _pointers(self, w: Lines, at: Place, indices: str) -> str:
        return w.line(
            f"getelementptr {IN_MEMORY[at.kind]}, ptr {at.pointer}, {w.many(WHOLE)} {indices}"
        )

    def _gather(self, w: Lines, at: Place, indices: str, mask: str | None) -> str:
        t, flags, pointers = w.many(IN_MEMORY[at.kind]), w.many(FLAG), w.many("ptr")
        name = f"llvm.masked.gather.v{w.lanes}{_SUFFIX[at.kind]}.v{w.lanes}p0"
        w.intrinsics.add(f"declare {t} @{name}({pointers}, i32, {flags}, {t})")
        where, mask = self._pointers(w, at, indices), mask or w.spread(FLAG, "true")
        return w.line(
            f"call {t} @{name}({pointers} {where}, i32 {BYTES[at.kind]}, {flags} {mask}, "
            f"{t} zeroinitializer)"
        )

    def _scatter(self, w: Lines, at: Place, indices: str, value: str, mask: str | None) -> None:
        t, flags, pointers = w.many(IN_MEMORY[at.kind]), w.many(FLAG), w.many("ptr")
        name = f"llvm.masked.scatter.v{w.lanes}{_SUFFIX[at.kind]}.v{w.lanes}p0"
        w.intrinsics.add(f"declare void @{name}({t}, {pointers}, i32, {flags})")
        where, mask = self._pointers(w, at, indices), mask or w.spread(FLAG, "true")
        w.text.append(
            f"  call void @{name}({t} {value}, {pointers} {where}, i32 {BYTES[at.kind]}, "
            f"{flags} {mask})"
        )


def _turned(w: Lines, element: str, made: str) -> str:
    """The last lane first."""
    lanes = ", ".join(f"i32 {lane}" for lane in reversed(range(w.lanes)))
    t = w.many(element)
    return w.line(f"shufflevector {t} {made}, {t} poison, <{w.lanes} x i32> <{lanes}>")


def _as_flags(w: Lines, made: str) -> str:
    return w.line(f"icmp ne {w.many('i8')} {made}, zeroinitializer")

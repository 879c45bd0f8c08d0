"""Places that put the numbers of an axis in order; equal numbers stay in the order they are in.

Each number gets a key, a whole number of 64 bits without sign that compares as the numbers do:

    real     its bits, turned below 0, the sign alone from 0 on; -0.0 as 0.0, nan after all others
    whole    the sign turned
    flag     0 or 1

A short axis is ordered by rank: each key is counted against all others. A longer one is ordered
digit by digit from the lowest: keys are counted by digit, and moved to where their digit begins. A
digit that all keys share moves nothing.
"""

from dataclasses import replace

from chainrule.backends.llvm.lines import FLAG, REAL, SINGLE, WHOLE, Lines
from chainrule.backends.llvm.memory import Memory, Place
from chainrule.backends.llvm.nests import Shape, Sort, View

SHORT = 64  # numbers ordered by rank
MANY = 4096  # numbers that are worth larger digits
BESIDE = 7  # keys after those of a short axis, so that eight can be read from any
SIGN = -(2**63)


def spare_size(count: int) -> int:
    """How many whole numbers ordering so many needs room for."""
    return 2 * count + BESIDE if count <= SHORT else 4 * count + (1 << _width(count))


def _width(count: int) -> int:
    """The bits of a digit."""
    return 8 if count < MANY else 11


def emit_sort(w: Lines, sort: Sort, memory: Memory) -> None:
    """The loops of a sort: over all other axes, and in them one axis put in order."""
    if 0 in sort.x.shape:
        return
    axis, count = sort.axis, sort.x.shape[sort.axis]
    outer = [n for i, n in enumerate(sort.x.shape) if i != axis]
    places: list[str] = []
    parts = _parts(w, memory.pointers[sort.spare.buffer], count)
    ends = [w.open_loop(n, places) for n in outer]
    x, out = (memory.place(w, _with_axis_last(v, axis), places) for v in (sort.x, sort.out))
    inner: list[str] = []
    end = w.open_loop(count, inner)
    key = _key(w, x.kind, memory.load_one(w, _at(w, x, inner[0])))
    memory.store_one(w, _at(w, Place("i", parts[0], "0", 1), inner[0]), key)
    memory.store_one(w, _at(w, Place("i", parts[1], "0", 1), inner[0]), inner[0])
    w.close_loop(end)
    found = _ordered(w, parts, count)
    end = w.open_loop(count, inner)
    place = memory.load_one(w, _at(w, Place("i", found, "0", 1), inner[1]))
    memory.store_one(w, _at(w, out, inner[1]), place)
    w.close_loop(end)
    for end in reversed(ends):
        w.close_loop(end)


def _parts(w: Lines, spare: str, count: int) -> list[str]:
    """Where keys and places go; for a longer axis twice, and the counts of digits."""
    begins = [n * count for n in range(5)] if count > SHORT else [0, count + BESIDE]
    parts = [w.line(f"getelementptr {WHOLE}, ptr {spare}, i64 {n}") for n in begins]
    if count <= SHORT:
        beside = w.line(f"getelementptr {WHOLE}, ptr {spare}, i64 {count}")
        w.text.append(f"  store <{BESIDE} x i64> splat (i64 -1), ptr {beside}, align 8")
    return parts


def _with_axis_last(view: View, axis: int) -> View:
    def turned(numbers: Shape) -> Shape:
        return (*numbers[:axis], *numbers[axis + 1 :], numbers[axis])

    return replace(view, shape=turned(view.shape), strides=turned(view.strides))


def _at(w: Lines, at: Place, place: str) -> Place:
    """The same axis, from a place on."""
    ahead = place if at.stride == 1 else w.line(f"mul nsw i64 {place}, {at.stride}")
    offset = ahead if at.offset == "0" else w.line(f"add nsw i64 {at.offset}, {ahead}")
    return replace(at, offset=offset)


def _key(w: Lines, kind: str, x: str) -> str:
    if kind == "b":
        return w.convert("zext", x, FLAG, WHOLE)
    if kind == "i":
        return w.whole("xor", x, SIGN)
    if kind == "s":
        x = w.convert("fpext", x, SINGLE, REAL)
    bits = w.bits(w.add(x, 0.0))
    turned = w.whole("xor", bits, w.whole("or", w.whole("ashr", bits, 63), SIGN))
    return w.select_whole(w.compare("uno", x, x), -1, turned)


def _ordered(w: Lines, parts: list[str], count: int) -> str:
    """Where the places stand in order, of keys and places in these parts of the spare room."""
    if count <= SHORT:
        w.intrinsics |= {BY_RANK, "declare i64 @llvm.vector.reduce.add.v8i64(<8 x i64>)"}
        w.text.append(f"  call void @chainrule.rank(ptr {parts[0]}, ptr {parts[1]}, i64 {count})")
        return parts[1]
    width = _width(count)
    bins = 1 << width
    w.intrinsics.add(BY_DIGIT.format(width=width, bins=bins, last=bins - 1, bytes=8 * bins))
    w.intrinsics.add("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
    given = ", ".join(f"ptr {p}" for p in parts)
    return w.line(f"call ptr @chainrule.digits.{width}({given}, i64 {count})")


# Eight keys are counted at once; the keys are followed by seven that come after all others.
BY_RANK = """\
define private void @chainrule.rank(ptr %key, ptr %order, i64 %n) {
begin:
  br label %each
each:
  %i = phi i64 [ 0, %begin ], [ %i.next, %place ]
  %key.i = getelementptr i64, ptr %key, i64 %i
  %one = load i64, ptr %key.i, align 8
  %one.first = insertelement <8 x i64> poison, i64 %one, i32 0
  %ones = shufflevector <8 x i64> %one.first, <8 x i64> poison, <8 x i32> zeroinitializer
  %i.first = insertelement <8 x i64> poison, i64 %i, i32 0
  %i.all = shufflevector <8 x i64> %i.first, <8 x i64> poison, <8 x i32> zeroinitializer
  br label %count
count:
  %j = phi i64 [ 0, %each ], [ %j.next, %count ]
  %js = phi <8 x i64> [ <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7>, %each ],
                      [ %js.next, %count ]
  %ranks = phi <8 x i64> [ zeroinitializer, %each ], [ %ranks.next, %count ]
  %key.j = getelementptr i64, ptr %key, i64 %j
  %others = load <8 x i64>, ptr %key.j, align 8
  %less = icmp ult <8 x i64> %others, %ones
  %same = icmp eq <8 x i64> %others, %ones
  %before = icmp ult <8 x i64> %js, %i.all
  %first = and <8 x i1> %same, %before
  %is = or <8 x i1> %less, %first
  %more = zext <8 x i1> %is to <8 x i64>
  %ranks.next = add <8 x i64> %ranks, %more
  %js.next = add <8 x i64> %js, splat (i64 8)
  %j.next = add i64 %j, 8
  %again = icmp ult i64 %j.next, %n
  br i1 %again, label %count, label %place
place:
  %rank = call i64 @llvm.vector.reduce.add.v8i64(<8 x i64> %ranks.next)
  %at = getelementptr i64, ptr %order, i64 %rank
  store i64 %i, ptr %at, align 8
  %i.next = add i64 %i, 1
  %go = icmp ult i64 %i.next, %n
  br i1 %go, label %each, label %end
end:
  ret void
}"""

BY_DIGIT = """\
define private ptr @chainrule.digits.{width}(
    ptr %key.a, ptr %order.a, ptr %key.b, ptr %order.b, ptr %count, i64 %n
) {{
begin:
  br label %digit
digit:
  %shift = phi i64 [ 0, %begin ], [ %shift.next, %turn ]
  %key = phi ptr [ %key.a, %begin ], [ %key.next, %turn ]
  %order = phi ptr [ %order.a, %begin ], [ %order.next, %turn ]
  %key.to = phi ptr [ %key.b, %begin ], [ %key.free, %turn ]
  %order.to = phi ptr [ %order.b, %begin ], [ %order.free, %turn ]
  call void @llvm.memset.p0.i64(ptr %count, i8 0, i64 {bytes}, i1 false)
  br label %tally
tally:
  %i = phi i64 [ 0, %digit ], [ %i.next, %tally ]
  %key.i = getelementptr i64, ptr %key, i64 %i
  %x = load i64, ptr %key.i, align 8
  %x.low = lshr i64 %x, %shift
  %x.digit = and i64 %x.low, {last}
  %x.count = getelementptr i64, ptr %count, i64 %x.digit
  %x.before = load i64, ptr %x.count, align 8
  %x.now = add i64 %x.before, 1
  store i64 %x.now, ptr %x.count, align 8
  %i.next = add i64 %i, 1
  %i.more = icmp ult i64 %i.next, %n
  br i1 %i.more, label %tally, label %look
look:
  %shared = icmp eq i64 %x.now, %n
  br i1 %shared, label %turn, label %sum
sum:
  %d = phi i64 [ 0, %look ], [ %d.next, %sum ]
  %start = phi i64 [ 0, %look ], [ %start.next, %sum ]
  %d.count = getelementptr i64, ptr %count, i64 %d
  %many = load i64, ptr %d.count, align 8
  store i64 %start, ptr %d.count, align 8
  %start.next = add i64 %start, %many
  %d.next = add i64 %d, 1
  %d.more = icmp ult i64 %d.next, {bins}
  br i1 %d.more, label %sum, label %move
move:
  %j = phi i64 [ 0, %sum ], [ %j.next, %move ]
  %key.j = getelementptr i64, ptr %key, i64 %j
  %order.j = getelementptr i64, ptr %order, i64 %j
  %y = load i64, ptr %key.j, align 8
  %place = load i64, ptr %order.j, align 8
  %y.low = lshr i64 %y, %shift
  %y.digit = and i64 %y.low, {last}
  %y.count = getelementptr i64, ptr %count, i64 %y.digit
  %at = load i64, ptr %y.count, align 8
  %at.next = add i64 %at, 1
  store i64 %at.next, ptr %y.count, align 8
  %key.at = getelementptr i64, ptr %key.to, i64 %at
  %order.at = getelementptr i64, ptr %order.to, i64 %at
  store i64 %y, ptr %key.at, align 8
  store i64 %place, ptr %order.at, align 8
  %j.next = add i64 %j, 1
  %j.more = icmp ult i64 %j.next, %n
  br i1 %j.more, label %move, label %turn
turn:
  %key.next = phi ptr [ %key, %look ], [ %key.to, %move ]
  %order.next = phi ptr [ %order, %look ], [ %order.to, %move ]
  %key.free = phi ptr [ %key.to, %look ], [ %key, %move ]
  %order.free = phi ptr [ %order.to, %look ], [ %order, %move ]
  %shift.next = add i64 %shift, {width}
  %more = icmp ult i64 %shift.next, 64
  br i1 %more, label %digit, label %end
end:
  ret ptr %order.next
}}"""

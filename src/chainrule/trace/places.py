"""Where a value goes, read from the code object alone; no source text is needed.

The tracer keeps for each gate only its place: a code object and `f_lasti`, the offset of the
instruction that made the value. Right after that instruction the value is on top of the stack, so
we walk down the straight line of instructions that follow and watch where it moves:

    c = x * y                  a, b = x * y, x + y         for the multiply
    BINARY_OP     [xy]         BINARY_OP       [xy]
    STORE_FAST c  names c      LOAD x, LOAD y  [xy x y]
                               BINARY_OP       [xy x+y]
                               SWAP 2          [x+y xy]
                               STORE_FAST a    names a

A slot of the simulated stack holds None, or the path at which the value lies in that object:
() is the value itself, (1,) a tuple whose item 1 it is. BUILD_TUPLE lengthens a path and
UNPACK_SEQUENCE shortens it; COPY, SWAP and STORE_* move it; RETURN_VALUE ends it; every other
instruction swallows what it pops. The walk ends when no slot holds a path, or at an instruction
not listed here: then the value gets no further name, which is always a safe answer.
"""

import dis
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import CodeType, MappingProxyType
from typing import Any

Path = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a value goes.

    names: the variables it is stored to, in order of storing; `a = b = x * y` gives ("a", "b").
    returned: () when the frame returns the value itself, (k,) when it is item k of the returned
    tuple or list, (k, j) when it is item j of that item; None when it is not returned.
    """

    names: tuple[str, ...]
    returned: Path | None


@dataclass(frozen=True, slots=True)
class Span:
    """The source text of an instruction: lines from 1, columns in bytes of UTF-8 from 0.

    The end column is one past the last byte. Python run with `-X no_debug_ranges` has no columns.
    """

    line: int | None
    end_line: int | None
    column: int | None
    end_column: int | None


NOWHERE = Destination((), None)
NO_SPAN = Span(None, None, None, None)


def destination(code: CodeType, lasti: int, path: Path = ()) -> Destination:
    """Where the value just made by the instruction at `lasti` goes.

    path: the value is not what the instruction made but lies in it, at this path: after
    `a, b = helper(x)` the path (0,) of the call gives ("a",), and the same path of
    `t = helper(x)` gives no name. Unpacking `a, b = x` calls x's `__iter__`; path (k,) is what it
    gave k-th. A `lasti` at no instruction gives NOWHERE.
    """
    decoded = _decode(code)
    key = (lasti, path)
    if key not in decoded.destinations:
        decoded.destinations[key] = _find(decoded, lasti, path)
    return decoded.destinations[key]


def span(code: CodeType, lasti: int) -> Span:
    """The source text of the expression whose instruction is at `lasti`."""
    decoded = _decode(code)
    return decoded.spans[lasti // 2] if lasti in decoded.index_at else NO_SPAN


def lines_of(code: CodeType) -> range:
    """The lines a function was written on."""
    first = code.co_firstlineno
    ends = (end or line or first for line, end, _, _ in code.co_positions())
    return range(first, max(ends, default=first) + 1)


def returned_names(code: CodeType) -> Mapping[str, Path]:
    """The local variables that return statements return directly, each with its path.

    `return r` gives {"r": ()} and `return a, b` gives {"a": (0,), "b": (1,)}. Where several
    statements disagree the first holds.
    """
    return _decode(code).returned


# How many slots an instruction takes, or how many it leaves; `dis.stack_effect` knows the
# difference of the two on every version of Python, so one number is enough. On 3.11 PRECALL takes
# the arguments and CALL the two slots of the function; later CALL takes both.
_POPS = {
    name: count
    for count, names in {
        0: """NOP RESUME CACHE EXTENDED_ARG KW_NAMES NOT_TAKEN JUMP_FORWARD PUSH_NULL
           LOAD_CONST LOAD_SMALL_INT LOAD_COMMON_CONSTANT LOAD_FAST LOAD_FAST_CHECK LOAD_FAST_BORROW
           LOAD_FAST_AND_CLEAR LOAD_NAME LOAD_GLOBAL LOAD_DEREF LOAD_CLASSDEREF LOAD_CLOSURE
           LOAD_LOCALS LOAD_BUILD_CLASS LOAD_ASSERTION_ERROR
           DELETE_FAST DELETE_NAME DELETE_GLOBAL DELETE_DEREF""",
        1: """LOAD_ATTR LOAD_METHOD LOAD_SPECIAL LOAD_FROM_DICT_OR_GLOBALS LOAD_FROM_DICT_OR_DEREF
           FOR_ITER""",
        3: "LOAD_SUPER_ATTR",
    }.items()
    for name in names.split()
}
_PUSHES = {
    name: count
    for count, names in {
        0: """POP_TOP POP_EXCEPT POP_ITER END_FOR PRECALL JUMP_IF_TRUE_OR_POP JUMP_IF_FALSE_OR_POP
           STORE_FAST STORE_NAME STORE_GLOBAL STORE_DEREF
           STORE_ATTR STORE_SUBSCR STORE_SLICE DELETE_ATTR DELETE_SUBSCR
           LIST_APPEND LIST_EXTEND SET_ADD SET_UPDATE MAP_ADD DICT_UPDATE DICT_MERGE""",
        1: """BINARY_OP BINARY_SUBSCR BINARY_SLICE COMPARE_OP CONTAINS_OP IS_OP TO_BOOL
           UNARY_NEGATIVE UNARY_POSITIVE UNARY_NOT UNARY_INVERT GET_ITER YIELD_VALUE
           CALL CALL_KW CALL_FUNCTION_EX CALL_INTRINSIC_1 CALL_INTRINSIC_2
           BUILD_SET BUILD_MAP BUILD_CONST_KEY_MAP BUILD_SLICE BUILD_STRING LIST_TO_TUPLE
           FORMAT_VALUE FORMAT_SIMPLE FORMAT_WITH_SPEC CONVERT_VALUE
           MAKE_FUNCTION SET_FUNCTION_ATTRIBUTE""",
    }.items()
    for name in names.split()
} | {
    f"POP_JUMP_{way}IF_{test}": 0
    for way in ("", "FORWARD_", "BACKWARD_")
    for test in ("TRUE", "FALSE", "NONE", "NOT_NONE")
}
_STORES = frozenset({"STORE_FAST", "STORE_NAME", "STORE_GLOBAL", "STORE_DEREF"})
_UNPACKS = frozenset({"UNPACK_SEQUENCE", "UNPACK_EX"})
_JUMPS = frozenset({"JUMP_FORWARD", "FOR_ITER"})  # taken: a loop on the way is skipped
_PAIRS = {  # two instructions fused into one, from 3.13 on
    "LOAD_FAST_LOAD_FAST": ("LOAD_FAST", "LOAD_FAST"),
    "LOAD_FAST_BORROW_LOAD_FAST_BORROW": ("LOAD_FAST_BORROW", "LOAD_FAST_BORROW"),
    "STORE_FAST_LOAD_FAST": ("STORE_FAST", "LOAD_FAST"),
    "STORE_FAST_STORE_FAST": ("STORE_FAST", "STORE_FAST"),
}


@dataclass(frozen=True, slots=True)
class _Step:
    """An instruction of a code object, or one half of a fused pair.

    target: the variable's name or the offset jumped to, where the instruction has one.
    """

    name: str
    arg: int | None
    target: Any

    @property
    def effect(self) -> int:
        """How much higher the stack is after it."""
        return dis.stack_effect(dis.opmap[self.name], self.arg, jump=self.name in _JUMPS)


@dataclass(frozen=True)
class _Decoded:
    """A code object read once. Holding `code` keeps its id, our key, from being given to another.

    index_at: the step at each offset; an instruction's inline cache slots count as the instruction,
    for `f_lasti` points into them while a call runs.
    """

    code: CodeType
    steps: tuple[_Step, ...]
    index_at: Mapping[int, int]
    spans: tuple[Span, ...]
    destinations: dict[tuple[int, Path], Destination] = field(default_factory=dict)

    @cached_property
    def returned(self) -> Mapping[str, Path]:
        names: dict[str, Path] = {}
        for index, step in enumerate(self.steps):
            if _loads_local(self.code, step):
                path = _follow(self, index + 1, ()).returned
                if path is not None:
                    names.setdefault(step.target, path)
        return MappingProxyType(names)


_cache: dict[int, _Decoded] = {}  # by id: hashing a code object hashes its bytes and constants
_CACHE_SIZE = 2048


def _decode(code: CodeType) -> _Decoded:
    decoded = _cache.get(id(code))
    if decoded is None:
        if len(_cache) >= _CACHE_SIZE:
            _cache.clear()
        decoded = _cache[id(code)] = _read(code)
    return decoded


def _read(code: CodeType) -> _Decoded:
    steps: list[_Step] = []
    index_at: dict[int, int] = {}
    instructions = list(dis.get_instructions(code))
    ends = [following.offset for following in instructions[1:]] + [len(code.co_code)]
    for instruction, end in zip(instructions, ends, strict=True):
        index_at.update(dict.fromkeys(range(instruction.offset, end, 2), len(steps)))
        steps.extend(_split(instruction))
    spans = tuple(Span(*position) for position in code.co_positions())
    return _Decoded(code, tuple(steps), index_at, spans)


def _split(instruction: dis.Instruction) -> Iterator[_Step]:
    if instruction.opname in _PAIRS:
        for name, target in zip(_PAIRS[instruction.opname], instruction.argval, strict=True):
            yield _Step(name, 0, target)
    else:
        yield _Step(instruction.opname, instruction.arg, instruction.argval)


def _loads_local(code: CodeType, step: _Step) -> bool:
    is_cell = step.name == "LOAD_DEREF" and step.target in code.co_cellvars
    return is_cell or step.name in ("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_BORROW")


def _find(decoded: _Decoded, lasti: int, path: Path) -> Destination:
    index = decoded.index_at.get(lasti)
    if index is None:
        return NOWHERE
    if decoded.steps[index].name == "PRECALL":  # on 3.11 a built-in may be called here already,
        index += 1  # in code that has run a few times; CALL is next
    name = decoded.steps[index].name
    if name in _UNPACKS:  # the items made here are what it is about to unpack
        return _follow(decoded, index, path)
    if _PUSHES.get(name) == 0:  # `x[0] = y` calls x's __setitem__ and leaves nothing on the stack
        return NOWHERE
    return _follow(decoded, index + 1, path)


def _follow(decoded: _Decoded, index: int, path: Path) -> Destination:
    """Walk from step `index` on, with the value at `path` in the top of the stack."""
    names: list[str] = []
    stack: list[Path | None] = [None] * decoded.code.co_stacksize + [path]
    while index < len(decoded.steps) and any(slot is not None for slot in stack):
        step = decoded.steps[index]
        if step.name == "RETURN_VALUE":
            return Destination(tuple(names), stack[-1])
        if step.name in _STORES and stack[-1] == ():
            names.append(step.target)
        if not _move(stack, step):
            break
        index = decoded.index_at[step.target] if step.name in _JUMPS else index + 1
    return Destination(tuple(names), None)


def _move(stack: list[Path | None], step: _Step) -> bool:
    """Do to the stack what `step` does, if it is an instruction listed here."""
    count = step.arg or 0
    if step.name == "COPY":
        stack.append(stack[-count])
    elif step.name == "SWAP":
        stack[-count], stack[-1] = stack[-1], stack[-count]
    elif step.name in ("BUILD_TUPLE", "BUILD_LIST"):
        _build(stack, count)
    elif step.name in _UNPACKS:
        _unpack(stack, step)
    elif step.name in _POPS or step.name in _PUSHES:
        _swallow(stack, step)
    else:
        return False
    return True


def _build(stack: list[Path | None], count: int) -> None:
    items = [stack.pop() for _ in range(count)][::-1]
    inside = ((k, *path) for k, path in enumerate(items) if path is not None)
    stack.append(next(inside, None))


def _unpack(stack: list[Path | None], step: _Step) -> None:
    path = stack.pop()
    items: list[Path | None] = [None] * (step.effect + 1)
    before_star = (step.arg or 0) & 0xFF if step.name == "UNPACK_EX" else len(items)
    if path and path[0] < before_star:  # further on, the place depends on the length at run time
        items[path[0]] = path[1:]
    stack.extend(reversed(items))  # the first target is stored first, so it goes on top


def _swallow(stack: list[Path | None], step: _Step) -> None:
    effect = step.effect
    pops = _POPS[step.name] if step.name in _POPS else _PUSHES[step.name] - effect
    del stack[len(stack) - pops :]
    stack.extend([None] * (pops + effect))

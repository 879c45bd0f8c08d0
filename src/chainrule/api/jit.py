"""jit: a function's machine code.

    first call     runs the function while a trace records it; no compiler is loaded
    second call    traces again, compares the two traces, compiles, and runs the machine code
    later calls    run the machine code, one compiled form per signature

A signature is the nesting of the arguments, the type of each real number in them, and the value of
everything else (None, bool, str, ...); for arrays their shape and dtype. Signatures that differ in
one extent, such as the size of a batch, are traced each by itself, but share machine code from the
second extent on, where their plans say the same (backends/llvm/shared.py). Each way through the
function's decisions is compiled by itself (see paths.py). What the trace cannot hold, such as
`range(int(x))`, is never compiled in silence: the function then runs as it stands, and one warning
says why and where. A gate without instructions is called in Python between parts of machine code,
which a warning says, too. Arrays read from outside the function are read at each call; numbers read
from there are compiled in, as they were.

Python numbers in give Python numbers out, though NumPy's functions give their own eagerly: so a
step `x = x - 0.1 * df(x)` keeps its signature, and no call makes an object nobody asked for.
"""

import sys
import threading
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cached_property, partial, update_wrapper
from types import MethodType
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.api.paths import PATHS, Elsewhere, Like, Path, Paths, like
from chainrule.api.recorded import (
    FIXED,
    NUMBERS,
    Recorded,
    is_input,
    numbers_for_numbers,
    obstacle,
    record,
)
from chainrule.backends.llvm.targets.entered import Entered, Entry, called_through_slot, enter
from chainrule.errors import (
    ChainruleWarning,
    HostCallError,
    InputError,
    TraceError,
    UnsupportedError,
)
from chainrule.trace.traced import Traced

if TYPE_CHECKING:
    from chainrule.api.bound import Bound
    from chainrule.backends.llvm.programs import Programs

KEPT = 128  # signatures of one function; the oldest is forgotten


@called_through_slot
class Jitted(Entered):
    """A function that runs as machine code from its second call on.

    Objects of this class itself are called by generated code; those of Plain by Python.
    """

    if TYPE_CHECKING:

        def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

    def __init__(self, f: Callable[..., Any], donate: Sequence[int] = ()) -> None:
        update_wrapper(self, f)
        self._f = f
        self._donate = donate
        self._name = getattr(f, "__name__", type(f).__name__)
        self._entries: OrderedDict[Any, Paths] = OrderedDict()
        self._programs: Programs | None = None  # until something is compiled
        self._said: set[str] = set()
        self._lock = threading.Lock()
        self._entered: Entry | None = None
        self._fallback = partial(_plainly, weakref.ref(self))

    def _plainly(self, /, *args: Any, **kwargs: Any) -> Any:
        """What f returns for these arguments."""
        if self._donate or ("out" in kwargs and not self._has_out):
            return self._into_place(args, kwargs)
        if not kwargs:  # the short way, for plain numbers and arrays
            entry = self._entries.get(tuple(map(_leaf_key, args)))
            if entry is not None and entry.run is not None:
                try:
                    result = entry.run(*args)
                except (Elsewhere, HostCallError):
                    pass
                else:
                    self._prefer(entry.compiled[0])
                    return result
        return self._call(args, kwargs)

    def __copy__(self) -> "Jitted":
        return self  # as functions do

    def __deepcopy__(self, memo: object) -> "Jitted":
        return self

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile for the signature of these arguments now.

        Raises UnsupportedError where machine code cannot run the function, TraceError where it
        needs a plain number of a traced value, or a number of its own that differs from call to
        call. Of the function's decisions, the way that these arguments take is compiled.
        """
        _, key, why = _signature(args, kwargs)
        for _ in range(2):
            why = why or self._trace(self._entry(key), args, kwargs)[1]
        if why is not None:
            raise why

    def bind(self, *args: Any, out: Any) -> "Bound":
        """A function without arguments that computes between arrays of the caller, again and again.

        args: float arrays as f takes them; an array without axes stands for a number. out: arrays
        for the result, nested as it is. Each call reads and fills them anew: nothing is converted
        or made. Raises InputError where an array is not of the kind, or shares memory with one of
        `out`; and as `compile` does.
        """
        from chainrule.api.bound import as_buffer, bound, value_of

        inputs = [as_buffer(x, k) for k, x in enumerate(args)]
        given = tuple(map(value_of, inputs))
        result = self._call(given, {})
        entry = self._entry(_signature(given, {})[1])
        if entry.run is None:
            self.compile(*given)
            result = self._call(given, {})
        return bound(self, inputs, result, out, entry.compiled[0])

    @property
    def is_compiled(self) -> bool:
        """True when machine code runs for every signature called so far, at least one."""
        entries = self._entries.values()
        return bool(entries) and all(e.run is not None for e in entries)

    # ---- the way of one call

    @cached_property
    def _has_out(self) -> bool:
        from chainrule.api.into import takes_out

        return takes_out(self._f)

    def _into_place(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What f returns, in the arrays of `out`, or in donated ones."""
        import optree

        from chainrule.api.into import computed_into, delivered, targets_among, targets_in

        out = None if self._has_out else kwargs.pop("out", None)
        if out is None and not self._donate:
            return self._call(args, kwargs)
        if out is not None and self._donate:
            raise InputError("out was given, but results already go into the donated arguments")
        leaves, key, why = _signature(args, kwargs)
        if any(isinstance(x, Traced) for x in leaves):
            if out is not None:
                raise InputError("out cannot take traced values: inside a gradient, use the result")
            return self._f(*args, **kwargs)

        def targets(spec: Any, likes: Sequence[Like | None]) -> Sequence[Any]:
            if self._donate:
                return targets_among(args, self._donate, likes)
            return targets_in(out, spec, likes)

        path = self._entry(key).path if why is None else None
        if path is not None:
            inputs = [x for x in leaves if is_input(x)]
            found = computed_into(path, inputs, targets(path.spec, path.likes))
            self._prefer(path)
            return path.spec.unflatten(found)
        result, spec = optree.tree_flatten(self._call(args, kwargs), none_is_leaf=True)
        return spec.unflatten(delivered(result, targets(spec, [*map(like, result)])))

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        leaves, key, why = _signature(args, kwargs)
        if any(isinstance(x, Traced) for x in leaves):
            return self._f(*args, **kwargs)  # another trace is at work
        if why is not None:
            return self._eagerly(None, why, args, kwargs, leaves)
        entry = self._entry(key)
        if entry.is_eager:
            return numbers_for_numbers(self._f(*args, **kwargs), leaves)
        inputs = [x for x in leaves if is_input(x)]
        if entry.run is not None:
            try:
                result = entry.run(*inputs)
            except Elsewhere:
                pass
            except HostCallError as error:
                return self._eagerly(entry, error, args, kwargs, leaves)
            else:
                self._prefer(entry.compiled[0])
                return result
        recorded, why = self._trace(entry, args, kwargs)
        if why is not None:
            return self._eagerly(entry, why, args, kwargs, leaves)
        assert recorded is not None
        is_new = entry.run is None or recorded.outcomes in entry.firsts
        return recorded.result if is_new else entry.run(*inputs)  # type: ignore[misc]  # there is one

    def _entry(self, key: Any) -> Paths:
        with self._lock:
            entry = self._entries.setdefault(key, Paths())
            if len(self._entries) > KEPT:
                self._entries.popitem(last=False)
            return entry

    def _trace(
        self, entry: Paths, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Recorded | None, Exception | None]:
        """Trace a call, and compile its way when it is seen the second time; or what stands in
        the way of it. Raises where a constant differs."""
        try:
            recorded = record(self._f, args, kwargs)
        except (TraceError, UnsupportedError) as error:
            return None, error
        if recorded.trace.is_nested:
            return recorded, None  # it read a value of an older trace: nothing to keep
        why = obstacle(recorded)
        if why is not None:
            return None, why
        try:
            self._keep(entry, recorded, None if kwargs else args)
        except UnsupportedError as error:
            return None, error
        return recorded, None

    def _keep(
        self, entry: Paths, recorded: Recorded, given: tuple[Any, ...] | None
    ) -> None:
        """Remember a way, or compile it when it was seen before. given: arguments by place."""
        outcomes = recorded.outcomes
        first = entry.firsts.get(outcomes)
        if first is None:
            if any(path.outcomes == outcomes for path in entry.compiled):
                return
            if entry.is_full:
                from chainrule.api.compared import too_many_ways

                raise too_many_ways(recorded, PATHS)
            entry.firsts[outcomes] = recorded
            return
        from chainrule.api.compared import check_same
        from chainrule.api.compiling import Programs, compiled_way, host_calls

        check_same(first, recorded, self._name)
        self._programs = self._programs or Programs()
        path = compiled_way(recorded, given, self._donate, self._programs)
        if calls := host_calls(path):
            self._say(f"jit({self._name}) calls Python between its machine code: {calls}")
        entry.add(path)
        entry.firsts.pop(outcomes, None)
        self._prefer(path)

    def _prefer(self, path: Path) -> None:
        """Let the next call enter the way that was taken last, without any Python."""
        if path.entry is not None and path.entry is not self._entered:
            with self._lock:
                enter(self, path.entry, self._fallback)
                self._entered = path.entry
                self.__class__ = Jitted

    def _eagerly(
        self, entry: Paths | None, why: Exception, args: tuple[Any, ...], kwargs: dict[str, Any],
        leaves: Sequence[Any],
    ) -> Any:
        """Run f as it stands, from now on; say so once. leaves: of the arguments."""
        result = numbers_for_numbers(self._f(*args, **kwargs), leaves)
        if entry is not None:
            entry.is_eager = True
            entry.firsts.clear()
        self._say(f"jit({self._name}) runs as plain Python, not as machine code:\n  {why}")
        return result

    def _say(self, text: str) -> None:
        """A warning at the line that called; once."""
        if text not in self._said:
            self._said.add(text)
            warnings.warn(text, ChainruleWarning, stacklevel=_callers_level())


def jit(f: Callable[..., Any], donate: int | Sequence[int] = ()) -> Jitted:
    """f as machine code, compiled at the second call with the same kinds of arguments.

    f takes numbers and arrays, nested as they may be, and returns such: jit(value_and_grad(f))
    compiles value and gradient as one. Each shape and dtype is compiled by itself, and so is each
    way through Python's decisions on traced values; but where only the size of a batch differs, the
    code compiled at the second size serves further ones. Results differ from eager ones by a few
    units in the last place; where all numbers given are Python's, so are those that it gives.
    Raises TraceError when a number that f makes up by itself (random, a clock) differs between the
    first two calls. What cannot be compiled runs as plain Python; a warning says so once.

    A call with `out=` puts the result into arrays nested as it is, and returns them; they may be
    arguments. donate: positions of arguments whose arrays take results: the first of the same shape
    and dtype, which is then that very array; what it held is gone. Where f has an argument `out`
    of its own, that one is meant.
    """
    return Plain(f, (donate,) if isinstance(donate, int) else tuple(donate))


class Plain(Jitted):
    """A jitted function before it can be called by generated code."""

    __call__ = Jitted._plainly


def _plainly(jitted: "weakref.ref[Jitted]", /, *args: Any, **kwargs: Any) -> Any:
    """The plain path, for calls that generated code does not answer."""
    found = jitted()
    assert found is not None  # its caller holds it
    return found._plainly(*args, **kwargs)


def _callers_level() -> int:
    """How many frames up the code stands that called a jitted function; 1 is our caller."""
    frame, level = sys._getframe(1), 1
    while frame.f_code.co_filename == __file__ and frame.f_back is not None:
        frame, level = frame.f_back, level + 1
    return level


# ---- signatures


def _signature(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Sequence[Any], Any, Exception | None]:
    """The leaves of the arguments, the key they give, and why they cannot be compiled for."""
    if not kwargs and _is_flat(args):
        return args, tuple(map(_leaf_key, args)), None
    import optree

    given: Any = (args, kwargs)
    leaves, spec = optree.tree_flatten(given, none_is_leaf=True)
    for x in leaves:
        if not (is_input(x) or isinstance(x, FIXED)):
            return leaves, None, UnsupportedError(
                f"an argument is a {type(x).__name__}, whose contents may change between calls"
            )
    kinds = ((_leaf_key(x), None if is_input(x) else x) for x in leaves)
    return leaves, (spec, _orders(given), *kinds), None


def _orders(x: Any) -> Any:
    """The order of the keys in all dicts, which a function may go by, and optree does not."""
    if isinstance(x, dict):
        return (*x, *map(_orders, x.values()))
    return tuple(map(_orders, x)) if isinstance(x, list | tuple) else None


def _is_flat(args: tuple[Any, ...]) -> bool:
    """True where every argument is a number or an array itself."""
    return all(x.__class__ in NUMBERS or x.__class__ is np.ndarray for x in args)


def _leaf_key(x: Any) -> Any:
    """What compiled code depends on in an argument: its class, for arrays their shape and dtype."""
    return (x.shape, x.dtype) if isinstance(x, np.ndarray) else x.__class__

"""The gate record: everything there is to know about one kind of gate, in one place.

The registries below are the only process-wide tables: gates by name and by NumPy callable, and
*kinds*, the interned triples (gate, attrs, output type). A row of a circuit stores one kind id.
"""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import Any, Final

import numpy as np

from chainrule.circuit.registry import LOCK, Registry, load_all
from chainrule.circuit.types import TYPES, WEAK, Type, intern_type, type_id
from chainrule.errors import UnsupportedError

Attrs = tuple[tuple[str, Any], ...]
Rule = Callable[..., Any]
Sample = tuple[Any, ...]


class Gate:
    """One kind of gate. Rules are written with gates on handles, so they can be drawn again.

    `local(*inputs, out, **attrs)` gives one partial per input; `vjp(dout, *inputs, out, **attrs)`
    gives one gradient per input where no single partial exists. An entry may be a function of no
    arguments, called only when that input's gradient is wanted. The engine multiplies by the
    arriving gradient, sums over broadcast axes, and adds at forks; rules never do.
    """

    name: str
    inputs: tuple[str, ...]
    family: str
    symbol: str
    evaluate: Callable[..., Any]  # on NumPy values
    scalar: Callable[..., Any]  # on Python numbers
    infer: Callable[..., Type]  # (types, **attrs) -> type of the output
    code: str | Callable[..., str]  # template over the input names, for NumPy values
    scalar_code: str | Callable[..., str]  # the same for Python numbers
    quick_code: str | Callable[..., str] | None = None  # the bits of `code`, sooner, to be run only
    number_code: str | None = None  # for NumPy scalars, where `code` would make a 0-d array
    statement: str | Callable[..., str] = ""  # template that changes {x} in place, for no `code`
    change: Callable[..., None] | None = None  # does so to an array; `evaluate` changes a copy
    reads_shape: bool = False  # of its inputs it reads the shape alone, never the numbers
    local: Rule | None = None
    vjp: Rule | None = None
    recognised_local: Rule | None = None  # used instead of `local` for a group found in user code
    recognised_vjp: Rule | None = None  # the same for `vjp`: terms that user code has computed too
    # mask(live, *inputs, out, **attrs): per input, where what is sent is alive: None, `live`, a
    # function that gives flags, or (live, places written over); see transform/masks
    mask: Rule | None = None
    passes_mask: bool = False  # a move whose vjp moves a mask as it moves a gradient
    batch: Rule | None = None  # the gate for many examples at once; see gates/batched
    decompose: Rule | None = None
    spellings: tuple[Rule, ...] = ()  # ways a user writes this gate with others
    numpy: tuple[Callable[..., Any], ...] = ()
    scipy: tuple[str, ...] = ()  # names in scipy.special that mean it too
    written: str = ""  # how to write it in NumPy where such a function cannot be traced
    # NumPy's arguments -> (operands, attrs), or (another gate, operands, attrs)
    bind: Callable[..., tuple[Any, ...]] | None = None
    operator: str | None = None  # Python's name for it: "mul" gives __mul__ and __rmul__
    method: str | None = None  # the ndarray method that means it: "sum"
    makes_view: bool = False  # the output may share memory with an input
    commutes: bool = False
    fold: str = ""  # for a reduction, the gate of two inputs that it applies again and again
    # the builtin that picks as this gate does, by asking, and the name of the gate it asks by
    builtin: tuple[str, str] | None = None
    hidden: tuple[str, float] | None = None  # the gate and number this one is short for: x * -1
    words: str = ""  # what its backward pass does to the gradient
    kinks: Callable[..., bool] | None = None  # inputs at which the partial jumps
    samples: tuple[Sample, ...] = ()
    sample_attrs: tuple[Mapping[str, Any], ...] = ({},)
    error_samples: tuple[Sample, ...] = ()
    source: str = ""
    # of a gate made by a user, family "user": its stages as a circuit, (types of inputs, attrs) ->
    body: Callable[..., Any] | None = None
    through_body: bool = False  # its vjp is the chain rule through the body
    definition: str = ""  # source to print above a program that calls it
    id: int

    def __init__(
        self, name: str, inputs: tuple[str, ...], family: str, symbol: str,
        evaluate: Callable[..., Any], scalar: Callable[..., Any], infer: Callable[..., Type],
        code: str | Callable[..., str], scalar_code: str | Callable[..., str], **more: Any,
    ) -> None:
        if not more.keys() <= _FIELDS:
            raise TypeError(f"a gate has no {', '.join(sorted(more.keys() - _FIELDS))}")
        vars(self).update(
            _DEFAULTS, name=name, inputs=inputs, family=family, symbol=symbol, evaluate=evaluate,
            scalar=scalar, infer=infer, code=code, scalar_code=scalar_code, **more,
        )
        vars(self).setdefault("id", next(_numbers))

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a gate's record does not change: {name} of {self}")

    @property
    def is_differentiable(self) -> bool:
        """True when the record holds a derivative."""
        return self.local is not None or self.vjp is not None

    def __call__(self, *operands: Any, **attrs: Any) -> Any:
        """Apply to handles (records a stage), or to plain numbers (computes)."""
        carrier = None
        for operand in operands:
            birth = getattr(operand, "birth", None)
            if birth is not None and (carrier is None or birth > carrier.birth):
                carrier = operand
        if carrier is None:
            return self.compute(operands, attrs)
        return carrier.apply(self, operands, attrs)

    def compute(self, operands: Sequence[Any], attrs: Mapping[str, Any]) -> Any:
        """The output for plain values. Python numbers give what float64 scalars would."""
        for operand in operands:
            if operand.__class__ not in WEAK:
                return self.evaluate(*operands, **attrs)
        try:
            return self.scalar(*operands, **attrs)
        except (ArithmeticError, ValueError):
            return self._as_float64(operands, attrs)

    def _as_float64(self, operands: Sequence[Any], attrs: Mapping[str, Any]) -> Any:
        """IEEE's answer where Python raises: 1 / 0 is inf, exp(1000) is inf, with a warning."""
        return float(self.evaluate(*map(np.float64, operands), **attrs))

    def __repr__(self) -> str:
        return f"<gate {self.name}>"


_FIELDS = Gate.__annotations__.keys()
_DEFAULTS = {name: vars(Gate)[name] for name in _FIELDS if name in vars(Gate)}
_numbers = count()


BY_NAME: Registry[str, Gate] = Registry()
BY_NUMPY: Registry[Callable[..., Any], Gate] = Registry()
BY_SCIPY: Registry[str, Gate] = Registry()
BY_OPERATOR: Registry[str, Gate] = Registry()
BY_METHOD: Registry[str, Gate] = Registry()
# gates of any number of inputs: name_<count>
BY_COUNT: Registry[str, Callable[[int], Gate]] = Registry()
SPELLED: list[Gate] = []  # those recognised where a user writes them with others
_gates: list[Gate] = []


def register(gate: Gate) -> Gate:
    """Enter a gate in the registries. A name belongs to one gate."""
    if BY_NAME.loaded.setdefault(gate.name, gate) is not gate:
        raise UnsupportedError(f"a gate named {gate.name!r} exists already; choose another name")
    _gates.append(gate)
    for function in gate.numpy:
        BY_NUMPY[function] = gate
    for name in gate.scipy:
        BY_SCIPY[name] = gate
    if gate.method:
        BY_METHOD[gate.method] = gate
    if gate.operator:
        BY_OPERATOR[gate.operator] = gate
    if gate.spellings:
        SPELLED.append(gate)
    return gate


def admit(gate: Gate) -> Gate:
    """Let a user's gate into circuits. Its name stays the user's: two gates may share one."""
    _gates.append(gate)
    return gate


def stages_gate(name: str, symbol: str = "") -> Gate:
    """A name for a group that is differentiated through its own stages. It is never a row."""
    def never(*_: Any, **__: Any) -> Any:
        raise UnsupportedError(f"{name} is a group of stages; it is not computed by itself")

    return Gate(name, (), "user", symbol or name, never, never, never, "", "", words=(
        "multiplies the local gradients of its gates along each way, and adds the ways up"
    ), id=-1)


def gate_named(name: str) -> Gate | None:
    """The gate of a name; one for so many inputs, such as stack_3, is made when first asked for."""
    stem, _, digits = name.rpartition("_")
    if name not in BY_NAME.loaded and digits.isdecimal():
        make = BY_COUNT.get(stem)
        if make is not None and 0 < int(digits) <= MOST_INPUTS:
            return make(int(digits))
    return BY_NAME.get(name)


MOST_INPUTS = 10_000


_MEANT: dict[Callable[..., Any], Gate] = {}


def gate_of(function: Callable[..., Any]) -> Gate | None:
    """The gate that a function of NumPy or SciPy means."""
    return _MEANT.get(function) or _gate_meant(function)


def _gate_meant(function: Callable[..., Any]) -> Gate | None:
    special = sys.modules.get("scipy.special")  # who calls its functions has loaded it
    name, found = function.__name__, None
    if special is not None and getattr(special, name, None) is function:
        found = BY_SCIPY.get(name)
    found = found or BY_NUMPY.get(function)
    if found is not None:
        _MEANT[function] = found
    return found


def catalogue() -> Sequence[Gate]:
    """Every gate there is, of all families."""
    load_all()
    return tuple(_gates)


def differentiable_gates() -> Iterable[Gate]:
    """Every gate of the catalogue that holds a derivative."""
    return (gate for gate in catalogue() if gate.is_differentiable)


class Kind:
    """A gate with its settings and the type of its output: what a row of a circuit is.

    is_differentiable: it has a derivative and real-valued output. by_partials: the engine goes by
    the gate's `local`, as it has no `vjp` and no attrs.
    """

    def __init__(self, gate: Gate, key: Attrs, type_id: int) -> None:
        self.gate: Final = gate
        self.attrs: Final[Mapping[str, Any]] = dict(key)
        self.type: Final = TYPES[type_id]
        self.type_id: Final = type_id
        self.key: Final = key
        self.is_differentiable: Final = gate.is_differentiable and self.type.is_inexact
        self.by_partials: Final = gate.vjp is None and not key

    def compute(self, operands: Sequence[Any]) -> Any:
        """The output value, of this kind's type: NumPy's bits for arrays, Python's for numbers."""
        if self.type.weak:
            return self.gate.compute(operands, self.attrs)
        if self.gate.numpy and all(x.__class__ in WEAK for x in operands):
            return self.gate.numpy[0](*operands, **self.attrs)  # np.add(1.0, 2.0) is a float64
        return self.gate.evaluate(*operands, **self.attrs)


KINDS: list[Kind] = []
_KIND_IDS: dict[tuple[int, str, int], int] = {}


def kind_id(gate: Gate, attrs: Attrs, type_id: int) -> int:
    """The interned id of (gate, attrs, output type)."""
    key = (gate.id, repr(attrs) if attrs else "", type_id)  # repr tells True from 1, 0.0 from -0.0
    found = _KIND_IDS.get(key)
    return _new_kind(gate, attrs, type_id, key) if found is None else found


def _new_kind(gate: Gate, attrs: Attrs, type_id: int, key: tuple[int, str, int]) -> int:
    kind = Kind(gate, attrs, type_id)
    with LOCK:
        if key not in _KIND_IDS:
            KINDS.append(kind)
            _KIND_IDS[key] = len(KINDS) - 1  # last, as others read it without the lock
        return _KIND_IDS[key]


_KIND_OF: dict[tuple[Any, ...], int] = {}
_OF_ONE_TYPE = {*WEAK, np.float64, np.float32}  # classes whose values all have the same type


def kind_of(gate: Gate, attrs: Mapping[str, Any], value: Any) -> int:
    """The kind of a gate with these attrs that gave this value."""
    cls = value.__class__
    settings = repr(attrs) if attrs else ""  # as they came: sorting them costs more than the rest
    key: tuple[Any, ...]
    if cls is np.ndarray:
        key = (gate.id, settings, value.shape, value.dtype)
    elif cls in _OF_ONE_TYPE:
        key = (gate.id, settings, cls)
    else:
        return kind_id(gate, attrs_key(attrs), type_id(value))
    found = _KIND_OF.get(key)
    if found is None:
        found = _KIND_OF[key] = kind_id(gate, attrs_key(attrs), type_id(value))
    return found


_INFERRED: dict[tuple[int, str, tuple[int, ...]], int] = {}


def inferred_kind(gate: Gate, attrs: Mapping[str, Any], type_ids: tuple[int, ...]) -> int:
    """The kind of a gate applied to wires of these types, by the gate's own type rule."""
    settings = attrs_key(attrs) if attrs else ()
    key = (gate.id, repr(settings) if settings else "", type_ids)
    found = _INFERRED.get(key)
    if found is None:
        out = gate.infer([TYPES[t] for t in type_ids], **attrs)
        found = _INFERRED[key] = kind_id(gate, settings, intern_type(out))
    return found


def attrs_key(attrs: Mapping[str, Any]) -> Attrs:
    """Settings in their closed, hashable form: sorted pairs of str, number, None or tuples."""
    return tuple(sorted(attrs.items()))


def _leaf(name: str) -> Gate:
    def never(*_: Any, **__: Any) -> Any:
        raise UnsupportedError(f"an {name} row has a value of its own; it is not computed")

    return register(
        Gate(name, (), "leaf", name, never, never, never, "", "")
    )


INPUT = _leaf("input")
CONSTANT = _leaf("constant")

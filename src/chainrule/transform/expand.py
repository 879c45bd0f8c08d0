"""Expand: arrays taken apart into numbers, array gates into scalar gates.

Compound gates were decomposed before. Each gate goes by its family:

    elementwise              one gate for each number
    move, gather, scatter    none, or sums: linear, so arrays with one 1 tell what goes where
    reduce                   its fold, again and again: the sum is additions, the max maxima
    contract                 products and sums, found as for linear gates, operand by operand

Whole numbers and flags that are computed, such as positions, stay as they were at the inputs given.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.circuit.builder import Builder
from chainrule.circuit.circuit import Circuit
from chainrule.circuit.record import BY_NAME, CONSTANT, INPUT, Kind
from chainrule.circuit.types import FLOAT, TYPES, Type
from chainrule.errors import UnsupportedError
from chainrule.gates.elementwise import add, multiply
from chainrule.gates.handle import Handle
from chainrule.gates.reduce import sum_

TRIES = 100_000  # times a product is tried out on unit arrays to see what it multiplies
Elements = npt.NDArray[Any]  # of handles, in the shape of the wire


@dataclass(frozen=True)
class Expanded:
    """A circuit of scalars, and for each wire it came from the wires of its numbers."""

    circuit: Circuit
    wires: Mapping[int, npt.NDArray[np.intp]]


def expanded(circuit: Circuit, values: Sequence[Any], dout: Any, most: int) -> Expanded:
    """A circuit of core gates in scalar gates, its output one number.

    values: on every wire. dout: the output's gradient, by which the numbers of an array output are
    weighted. Raises UnsupportedError for more than `most` gates.
    """
    _check_size(circuit, most)
    e = _Expansion(circuit, values)
    for row in range(len(circuit)):
        e.row(row)
        made = e.stages()
        if made > most:
            raise UnsupportedError(
                f"expanding takes more than {most:,} scalar gates: {made:,} up to "
                f"{_place(circuit, row)}, row {row + 1} of {len(circuit)}{_ADVICE}"
            )
    output = circuit.outputs[0]
    wire = e.total(output, dout)
    done = e.b.build([wire])
    wires = {w: np.vectorize(lambda h: h.wire, otypes=[np.intp])(x) for w, x in e.elements.items()}
    return Expanded(done, wires)


_ADVICE = ".\n  Give smaller arrays, or allow more: expand(most=...)."


def _check_size(circuit: Circuit, most: int) -> None:
    """Refuse what is plainly too large before work is spent on it."""
    least = 0
    for row in range(len(circuit)):
        size = circuit.type_of(row).size
        kind = circuit.kind_of(row)
        if size > 10 * most:
            raise UnsupportedError(
                f"{_place(circuit, row)} has {size:,} numbers, and each would be a wire: at most "
                f"{10 * most:,}{_ADVICE}"
            )
        if kind.gate.family in ("elementwise", "contract"):
            least += size
        elif kind.gate.fold:
            least += circuit.type_of(circuit.operands(row)[0]).size - size
    if least > most:
        raise UnsupportedError(
            f"expanding takes {least:,} scalar gates or more, and at most {most:,} are made"
            + _ADVICE
        )


def _place(circuit: Circuit, row: int) -> str:
    origin = circuit.origin_of(row)
    name = circuit.name(row) or circuit.kind_of(row).gate.name
    return f"{name} ({origin})" if origin else name


class _Expansion:
    """A builder of scalar gates, and the handles that stand for the numbers of each wire."""

    def __init__(self, circuit: Circuit, values: Sequence[Any]) -> None:
        self.circuit, self.values = circuit, values
        self.b = Builder(circuit.title)
        self.b.origins = list(circuit.origins)
        self.elements: dict[int, Elements] = {}
        arrays = {t.dtype for t in map(circuit.type_of, range(len(circuit))) if t.is_inexact}
        self.is_plain = arrays <= {np.dtype(np.float64)}  # then Python's numbers do

    def stages(self) -> int:
        """How many rows apply a gate, so far."""
        return len(self.b) - len(self.b.inputs) - len(self.b.constants)

    def row(self, row: int) -> None:
        """The numbers of one more wire."""
        c = self.circuit
        self.b.origin = c.origin[row]
        self.elements[row] = made = self._made(row, c.kind_of(row))
        for name in c.names.get(row, ()):
            for place in np.ndindex(made.shape):
                handle: Any = made[place]
                self.b.names.setdefault(handle.wire, (_numbered(name, place, made.shape),))

    def _made(self, row: int, kind: Kind) -> Elements:
        c, gate = self.circuit, kind.gate
        if gate is INPUT:
            return _filled(kind.type.shape, lambda _: self._input(kind.type))
        if gate is CONSTANT:
            return self._constants(c.constant(row))
        operands = [self.elements[w] for w in c.operands(row)]
        if gate.family == "elementwise" or self._is_one_by_one(kind, operands):
            wide = [np.broadcast_to(x, kind.type.shape) for x in operands]
            return _filled(kind.type.shape, lambda at: gate(*(x[at] for x in wide), **kind.attrs))
        if not kind.type.is_inexact:
            return self._constants(self.values[row])
        if gate.fold:
            return self._folded(kind, operands[0])
        if gate.family in ("move", "gather", "scatter", "reduce"):
            return self._linear(row, kind, operands)
        if gate.family == "contract":
            return self._multilinear(kind, operands)
        raise UnsupportedError(
            f"{gate.name} has no form in scalar gates: {_place(c, row)}\n"
            "  Expand a part of the function without it."
        )

    @staticmethod
    def _is_one_by_one(kind: Kind, operands: Sequence[Elements]) -> bool:
        """A gate that leaves numbers where they are, under another name, dtype or no gradient."""
        if kind.gate.family != "move" or [x.shape for x in operands] != [kind.type.shape]:
            return False
        casts = operands[0].size > 0 and operands[0].flat[0].type.dtype != kind.type.dtype
        return not kind.attrs or not kind.gate.is_differentiable or casts

    def _input(self, t: Type) -> Handle:
        return Handle(self.b, self.b.input(TYPES[FLOAT] if self.is_plain else Type((), t.dtype)))

    def _constants(self, value: Any) -> Elements:
        array = np.asarray(value)
        if self.is_plain or array.dtype.kind != "f" or not hasattr(value, "dtype"):
            return _filled(array.shape, lambda at: self._constant(array[at].item()))
        return _filled(array.shape, lambda at: self._constant(array[at]))

    def _constant(self, number: Any) -> Handle:
        return Handle(self.b, self.b.constant(number))

    def _folded(self, kind: Kind, x: Elements) -> Elements:
        gate = BY_NAME[kind.gate.fold]
        found: list[Any] = [None] * kind.type.size
        for place, unit in _units(x.shape):
            for at in np.flatnonzero(sum_.evaluate(unit, **kind.attrs)).tolist():
                found[at] = x[place] if found[at] is None else gate(found[at], x[place])
        made = _filled(kind.type.shape, lambda _: None)
        for at, handle in enumerate(found):
            empty = kind.gate.evaluate(np.zeros(0), axis=None, keepdims=False) \
                if handle is None else 0.0
            made.flat[at] = self._constant(float(empty)) if handle is None else handle
        return made

    def _linear(self, row: int, kind: Kind, operands: Sequence[Elements]) -> Elements:
        """out = sum of coefficient * x, each coefficient found by asking about a unit array."""
        wires = self.circuit.operands(row)
        given = [
            np.zeros(x.shape) if self.circuit.type_of(w).is_inexact else self.values[w]
            for w, x in zip(wires, operands, strict=True)
        ]
        constant = np.asarray(kind.gate.evaluate(*given, **kind.attrs), float)
        terms: list[list[tuple[float, Sequence[Handle]]]] = [[] for _ in range(kind.type.size)]
        for k, (w, x) in enumerate(zip(wires, operands, strict=True)):
            if not self.circuit.type_of(w).is_inexact:
                continue
            for place, unit in _units(x.shape):
                asked = [*given[:k], unit, *given[k + 1 :]]
                answer = np.asarray(kind.gate.evaluate(*asked, **kind.attrs), float)
                for at in np.flatnonzero(answer != constant):
                    if np.isfinite(constant.flat[at]):
                        terms[at].append((answer.flat[at] - constant.flat[at], (x[place],)))
        return self._sums(kind.type.shape, terms, constant.ravel())

    def _multilinear(self, kind: Kind, operands: Sequence[Elements]) -> Elements:
        """out = sum of coefficient * x * y, found by asking about pairs of unit arrays."""
        tries = 1
        for x in operands:
            tries *= x.size
        if tries > TRIES:
            shapes = " and ".join(str(list(x.shape)) for x in operands)
            raise UnsupportedError(
                f"{kind.gate.name} of {shapes} multiplies up to {tries:,} pairs of numbers, too "
                f"many to take apart{_ADVICE}"
            )
        terms: list[list[tuple[float, Sequence[Handle]]]] = [[] for _ in range(kind.type.size)]
        for units in product(*(list(_units(x.shape)) for x in operands)):
            answer = np.ravel(kind.gate.evaluate(*(unit for _, unit in units), **kind.attrs))
            for at in np.flatnonzero(answer):
                factors = [x[place] for x, (place, _) in zip(operands, units, strict=True)]
                terms[at].append((float(answer[at]), factors))
        return self._sums(kind.type.shape, terms, np.zeros(kind.type.size))

    def _sums(
        self, shape: tuple[int, ...], terms: Sequence[Sequence[tuple[float, Sequence[Handle]]]],
        constants: npt.NDArray[Any],
    ) -> Elements:
        made = _filled(shape, lambda _: None)
        for at, (found, constant) in enumerate(zip(terms, constants, strict=True)):
            total = None if found and constant == 0 else self._constant(float(constant))
            for coefficient, factors in found:
                term: Any = factors[0]
                for factor in factors[1:]:
                    term = multiply(term, factor)
                term = term if coefficient == 1 else multiply(term, coefficient)
                total = term if total is None else add(total, term)
            made.flat[at] = total
        return made

    def total(self, output: int, dout: Any) -> int:
        """One number to differentiate: the output, or its numbers weighted by their gradients."""
        made = self.elements[output]
        if not made.shape:
            return int(made.item().wire)
        total: Any = None
        weights = np.ravel(np.broadcast_to(dout, made.shape))
        for handle, weight in zip(made.flat, weights, strict=True):
            term = handle if weight == 1 else multiply(handle, float(weight))
            total = term if total is None else add(total, term)
        names = {n for names in self.b.names.values() for n in names}
        title = self.circuit.title
        self.b.names.setdefault(total.wire, (title if title not in names else f"{title}_sum",))
        return int(total.wire)


def _filled(shape: tuple[int, ...], make: Callable[[Any], Any]) -> Elements:
    made = np.empty(shape, object)
    for place in np.ndindex(shape):
        made[place] = make(place)
    return made


def _units(shape: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], npt.NDArray[Any]]]:
    """Each place, and the array that is 1 there and 0 elsewhere."""
    for place in np.ndindex(shape):
        unit = np.zeros(shape)
        unit[place] = 1.0
        yield place, unit


def _numbered(name: str, place: tuple[int, ...], shape: tuple[int, ...]) -> str:
    """X01 for the number at [0, 1]; X_0_12 where an axis has more than ten."""
    if max(shape, default=0) > 10:
        return "_".join([name, *map(str, place)])
    glue = "_" if place and name[-1:].isdigit() else ""
    return name + glue + "".join(map(str, place))

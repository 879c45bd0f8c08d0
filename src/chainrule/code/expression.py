"""One stage as a Python expression, with the parentheses it needs and no others.

How tightly a template binds, and how tightly each placeholder must, is read off the template
itself by Python's own parser.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.circuit.record import Kind

if TYPE_CHECKING:
    import ast

CHOICE, COMPARE, SUM, PRODUCT, UNARY, POWER, ATOM = 1, 5, 10, 11, 12, 13, 18
_BINARY = {
    "Add": SUM, "Sub": SUM, "Mult": PRODUCT, "Div": PRODUCT, "MatMult": PRODUCT, "Pow": POWER,
    "Mod": PRODUCT, "FloorDiv": PRODUCT,
}


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of source and how tightly its outermost operator binds."""

    source: str
    binds: int
    depth: int = 0

    def within(self, needed: int) -> str:
        """The source, in parentheses where its place needs a tighter binding."""
        return self.source if self.binds >= needed else f"({self.source})"


def literal(value: Any) -> Text:
    """A Python number, or a small array, as source."""
    if isinstance(value, np.ndarray):
        numbers = np.array2string(value, separator=", ", threshold=10**6, floatmode="unique")
        dtype = "" if value.dtype in (np.float64, np.int64) else f", np.{value.dtype.name}"
        return Text(f"np.array({' '.join(numbers.split())}{dtype})", ATOM)
    if isinstance(value, np.generic):
        digits = str(value) if np.isfinite(value) else literal(value.item()).source
        return Text(f"np.{value.dtype.name}({digits})", ATOM)
    if isinstance(value, float) and not math.isfinite(value):
        name = "nan" if value != value else "inf"
        return Text(f"-np.{name}" if value < 0 else f"np.{name}", UNARY if value < 0 else ATOM)
    negative = not isinstance(value, bool) and math.copysign(1, value) < 0
    return Text(repr(value), UNARY if negative else ATOM)


def apply(
    kind: Kind, operands: Sequence[Text], constants: Sequence[Any], *, quick: bool = False
) -> Text:
    """The source of a stage over the sources of its operands.

    constants: per operand its number where it is a literal, else None; some templates depend on it.
    quick: source that nobody will read.
    """
    gate, t = kind.gate, kind.type
    template = gate.scalar_code if t.weak else gate.code
    if quick and gate.quick_code is not None and not t.weak:
        template = gate.quick_code
    if gate.number_code is not None and not t.shape:
        template = gate.number_code
    if callable(template):
        template = template(kind.attrs, constants)
    binds, needed = _bindings(template, kind.gate.inputs)
    places = {
        name: text.within(needed[name])
        for name, text in zip(kind.gate.inputs, operands, strict=True)
    }
    source = operands[0].source if template == "{x}" else template.format(**places)
    return Text(source, operands[0].binds if template == "{x}" else binds,
                1 + max((t.depth for t in operands), default=0))


def change(kind: Kind, operands: Sequence[Text]) -> str:
    """The statement that changes a stage's first operand into its output."""
    template = kind.gate.statement
    if callable(template):
        template = template(kind.attrs, ())
    sources = (text.source for text in operands)
    places = dict(zip(kind.gate.inputs, sources, strict=True))
    return template.format(**places)


@lru_cache(maxsize=2048)
def _bindings(template: str, inputs: tuple[str, ...]) -> tuple[int, dict[str, int]]:
    """How tightly a template binds, and per placeholder how tightly its text must."""
    import ast  # costs a fifth of importing this package; only printing needs it

    tree = ast.parse(template.format(**{name: f"_{name}_" for name in inputs}), mode="eval").body
    needed = {name: 0 for name in inputs}
    for parent in ast.walk(tree):
        for child, strength in _children(parent):
            if isinstance(child, ast.Name) and child.id.strip("_") in needed:
                name = child.id.strip("_")
                needed[name] = max(needed[name], strength)
    return _strength(tree), needed


def _strength(node: "ast.expr") -> int:
    import ast

    match node:
        case ast.BinOp():
            return _BINARY[type(node.op).__name__]
        case ast.UnaryOp():
            return UNARY
        case ast.Compare():
            return COMPARE
        case ast.IfExp():
            return CHOICE
    return ATOM


def _children(node: "ast.AST") -> "list[tuple[ast.expr, int]]":
    """Sub-expressions that stand bare beside an operator, with the binding they must have."""
    import ast

    match node:
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return [(left, POWER + 1), (right, UNARY)]
        case ast.BinOp(left=left, op=op, right=right):
            strength = _BINARY[type(op).__name__]
            return [(left, strength), (right, strength + 1)]
        case ast.UnaryOp(operand=operand):
            return [(operand, UNARY)]
        case ast.Compare(left=left, comparators=[right]):
            return [(left, COMPARE + 1), (right, COMPARE + 1)]
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return [(test, CHOICE + 1), (body, CHOICE + 1), (orelse, CHOICE)]
        case ast.Attribute(value=value) | ast.Subscript(value=value):
            return [(value, ATOM)]
    return []

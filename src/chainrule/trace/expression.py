"""Expressions from the command line: parsed to a whitelisted tree, never evaluated by Python.

    program    = { name "=" expression ";" } ( expression | name "=" expression )
    expression = number | name | expression op expression | - expression | f ( expression, ... )
    op         = + - * / ** @
    f          = exp log sigmoid maximum max ...: the elementwise gates of the catalogue
"""

import ast
from collections.abc import Iterator
from typing import Any

from chainrule.circuit.builder import Builder
from chainrule.circuit.circuit import Circuit
from chainrule.circuit.record import BY_NAME, BY_OPERATOR, Gate, catalogue
from chainrule.circuit.types import TYPES, type_id
from chainrule.errors import ExpressionError, InputError
from chainrule.gates.handle import Handle

MOST_BYTES = 4096
MOST_NODES = 500
DEEPEST = 60
LARGEST_INT = 2**53
MOST_ELEMENTS = 10**6  # in any one value

_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "truediv", ast.Pow: "pow",
    ast.MatMult: "matmul",
}
_OTHER_NAMES = {"max": "maximum", "pow": "power"}


def parse(source: str) -> ast.Module:
    """The tree of an expression, with nothing in it but what the grammar allows."""
    if len(source.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        raise ExpressionError(
            f"an expression may have {MOST_BYTES} bytes at most; write it as a script instead"
        )
    try:
        tree = ast.parse(source.strip(), "<expression>")
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ExpressionError(_unreadable(source, error)) from None
    if not tree.body:
        raise ExpressionError("the expression is empty")
    _check_size(source, tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.expr):
            _parts(node)  # refuses what the grammar does not have
    return tree


def _unreadable(source: str, error: Exception) -> str:
    column = getattr(error, "offset", None)
    too_deep = isinstance(error, MemoryError | RecursionError)
    not_text = isinstance(error, UnicodeError)
    what = "too deeply nested" if too_deep else "it is not text" if not_text else \
        getattr(error, "msg", None) or str(error)
    shown = source if len(source) <= 100 else source[:97] + "..."
    pointer = f"\n  {' ' * (column - 1)}^" if column and column <= 100 else ""
    return f"cannot read the expression: {what}\n  {shown}{pointer}"


def _check_size(source: str, tree: ast.AST) -> None:
    waiting: list[tuple[ast.AST, int]] = [(tree, 0)]
    count = 0
    while waiting:
        node, depth = waiting.pop()
        count += 1
        if count > MOST_NODES or depth > DEEPEST:
            raise ExpressionError(
                f"an expression may have {MOST_NODES} parts and nest {DEEPEST} deep at most; "
                "write it as a script instead"
            )
        waiting.extend((child, depth + 1) for child in ast.iter_child_nodes(node))


def variables(tree: ast.Module) -> list[str]:
    """Names the expression reads before it assigns them, in order of first use."""
    found: list[str] = []
    assigned: set[str] = set()
    for statement in tree.body:
        value = statement.value if isinstance(statement, ast.Assign | ast.Expr) else statement
        for name in _names(value):
            if name not in assigned and name not in found:
                found.append(name)
        if isinstance(statement, ast.Assign):
            assigned.update(t.id for t in statement.targets if isinstance(t, ast.Name))
    return found


def _names(node: ast.AST) -> Iterator[str]:
    """Variables in source order, called functions left out."""
    waiting = [node]
    while waiting:
        at = waiting.pop()
        if isinstance(at, ast.Name):
            yield at.id
        children = at.args if isinstance(at, ast.Call) else list(ast.iter_child_nodes(at))
        waiting.extend(list(children)[::-1])


def expression_circuit(source: str, values: dict[str, Any]) -> Circuit:
    """The circuit of an expression, its inputs typed as the values given, in order of first use."""
    tree = parse(source)
    names = variables(tree)
    _check_values(names, values)
    b = Builder("f")
    space = {n: Handle(b, b.input(TYPES[type_id(values[n])], n)) for n in names}
    out: Handle | None = None
    for statement in tree.body:
        out = _statement(b, statement, space)
    assert out is not None  # parse refuses an empty body
    if out.wire not in b.names:
        b.names[out.wire] = ("f" if "f" not in space else "out",)
    b.title = b.names[out.wire][0]
    return b.build([out.wire])


def _check_values(names: list[str], values: dict[str, Any]) -> None:
    missing = [n for n in names if n not in values]
    if missing:
        raise InputError(
            f"no value for {', '.join(missing)}: write {' '.join(f'{n}=1.5' for n in missing)} "
            "after the expression"
        )
    unknown = [n for n in values if n not in names]
    if unknown:
        raise InputError(
            f"{', '.join(unknown)} {'is' if len(unknown) == 1 else 'are'} not in the expression, "
            f"which reads {', '.join(names) or 'no variables'}"
        )


def _statement(b: Builder, statement: ast.stmt, space: dict[str, Handle]) -> Handle:
    if isinstance(statement, ast.Expr):
        return _value(b, statement.value, space)
    if isinstance(statement, ast.Assign) and all(
        isinstance(t, ast.Name) for t in statement.targets
    ):
        out = _value(b, statement.value, space)
        names = tuple(t.id for t in statement.targets if isinstance(t, ast.Name))
        if out.wire not in b.names:
            b.names[out.wire] = names
        space.update(dict.fromkeys(names, out))
        return out
    raise _refused(statement)


def _value(b: Builder, root: ast.expr, space: dict[str, Handle]) -> Handle:
    """The wire of an expression; operands before the gates that read them, with no recursion."""
    done: dict[ast.expr, Handle] = {}
    fixed = _without_names(root)
    waiting: list[ast.expr] = [root]
    while waiting:
        node = waiting[-1]
        children, gate = _parts(node)
        missing = [c for c in children if c not in done]
        if missing:
            waiting.extend(missing[::-1])
            continue
        waiting.pop()
        if node not in done:
            operands = [done[c] for c in children]
            done[node] = _applied(gate, operands) if gate else _leaf(b, node, space, node in fixed)
    return done[root]


def _without_names(root: ast.expr) -> set[ast.AST]:
    """The numbers in parts such as 9**9 that read no name, found from the leaves up."""
    order: list[ast.AST] = [root]
    for node in order:
        order.extend(ast.iter_child_nodes(node))
    named = set()
    for node in order[::-1]:
        operands = node.args if isinstance(node, ast.Call) else list(ast.iter_child_nodes(node))
        if isinstance(node, ast.Name) or any(o in named for o in operands):
            named.add(node)
    return {
        operand for node in order if node not in named and isinstance(node, ast.BinOp | ast.Call)
        for operand in ast.walk(node)
    }


def _applied(gate: Gate, operands: list[Handle]) -> Handle:
    out = operands[0]
    if len(operands) > len(gate.inputs):  # max(a, b, c)
        for other in operands[1:]:
            out = gate(out, other)
    else:
        out = gate(*operands)
    if out.type.size > MOST_ELEMENTS:
        raise ExpressionError(
            f"{gate.name} would give {out.type.size} numbers, of shape {list(out.shape)}; "
            f"an expression may make {MOST_ELEMENTS} at most: write it as a function instead"
        )
    return out


def _parts(node: ast.expr) -> tuple[list[ast.expr], Gate | None]:
    """Operands and gate of a node; no gate for numbers and names."""
    match node:
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return [left, right], BY_OPERATOR[_OPERATORS[type(op)]]
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant()):
            return [], None
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return [operand], BY_NAME["negate"]
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            return list(args), _function(name, len(args))
        case ast.Constant() | ast.Name():
            return [], None
    raise _refused(node)


def _function(name: str, count: int) -> Gate:
    known = {g.name: g for g in catalogue() if _is_function(g)}
    gate = known.get(_OTHER_NAMES.get(name, name))
    if gate is None:
        names = sorted({*known, *_OTHER_NAMES} - {"where"})
        raise ExpressionError(f"no function {name!r} in expressions; known: {', '.join(names)}")
    folds = gate.commutes and len(gate.inputs) == 2
    if count != len(gate.inputs) and not (folds and count > 2):
        wanted = len(gate.inputs)
        raise ExpressionError(f"{name} takes {wanted} value{'s' * (wanted != 1)}, {count} given")
    return gate


def _is_function(gate: Gate) -> bool:
    """True for elementwise gates that users know by name; some serve only in others' rules."""
    is_known = bool(gate.numpy or gate.scipy or gate.decompose) and gate.sample_attrs == ({},)
    return gate.family == "elementwise" and gate.is_differentiable and is_known


def _leaf(b: Builder, node: ast.expr, space: dict[str, Handle], is_fixed: bool) -> Handle:
    """A name's wire or a number; as a float where Python would make ever larger integers of it."""
    sign = 1
    if isinstance(node, ast.UnaryOp):
        sign, node = -1, node.operand
    if isinstance(node, ast.Name):
        return space[node.id]
    value = node.value if isinstance(node, ast.Constant) else None
    if value.__class__ is int and (is_fixed or abs(value) > LARGEST_INT):
        value = float(value) if value.bit_length() < 1024 else float("inf")
    if value.__class__ not in (int, float):
        raise _refused(node)
    return Handle(b, b.constant(sign * value))


def _refused(node: ast.AST) -> ExpressionError:
    try:
        shown = ast.unparse(node)
    except (ValueError, RecursionError):
        shown = type(node).__name__
    return ExpressionError(
        f"expressions hold numbers, names, + - * / ** @ and functions; not {shown[:60]!r}"
    )

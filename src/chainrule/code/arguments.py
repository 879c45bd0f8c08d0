"""Arguments of a printed function: names, and the wires of their leaves."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of the function: its name, and its wires in the shape it was given in.

    tree is one wire, or a list, tuple or dict of trees.
    """

    name: str
    tree: Any


def leaves(tree: Any) -> Iterator[tuple[tuple[Any, ...], int]]:
    """(path, wire) of every leaf of an argument's tree."""
    waiting: list[tuple[tuple[Any, ...], Any]] = [((), tree)]
    while waiting:
        path, node = waiting.pop()
        if isinstance(node, int):
            yield path, node
        elif node is not None:
            items = node.items() if isinstance(node, dict) else enumerate(node)
            waiting.extend([((*path, key), child) for key, child in items][::-1])

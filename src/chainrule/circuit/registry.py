"""Registries: tables of gates that fill family by family.

A family of gates is a module. Whoever asks a registry for something it does not have makes it load
the FAMILIES, one after the other, until one brings it: first all that are common, as one, then the
others. So a family costs nothing until it is needed, and a gate is still defined in one place:
nothing but its own module says which family it is of.
"""

from _thread import RLock  # as functools has it: the module threading would cost as much as we do
from collections.abc import Callable, Iterator, MutableMapping
from functools import wraps
from importlib import import_module
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")

FAMILIES: list[str] = []  # modules, the likeliest first; one that loads may list others after it
LOCK = RLock()  # held while something that all threads share gets its number; nothing loads then
_LOADING = RLock()  # held while families load; they ask no registry before they are whole
_loading = 0


class Registry(MutableMapping[K, V]):
    """What a name means, in families loaded and not loaded yet. To go through it loads them all."""

    def __init__(self) -> None:
        self.loaded: dict[K, V] = {}

    def __getitem__(self, key: K) -> V:
        if key not in self.loaded or _loading:  # in this order: a family may begin to load between
            with _LOADING:  # one that another thread is loading is whole once it lets go
                for family in FAMILIES:
                    if key in self.loaded:
                        break
                    _load(family)
        return self.loaded[key]

    def __setitem__(self, key: K, value: V) -> None:
        self.loaded[key] = value

    def __delitem__(self, key: K) -> None:
        del self.loaded[key]

    def __iter__(self) -> Iterator[K]:
        load_all()
        return iter(self.loaded)

    def __len__(self) -> int:
        load_all()
        return len(self.loaded)


def load_all() -> None:
    """Load every family."""
    with _LOADING:
        for family in FAMILIES:
            _load(family)


def _load(family: str) -> None:
    """Load a family; at once where it is loaded. The lock is held."""
    global _loading
    _loading += 1
    try:
        import_module(family)
    finally:
        _loading -= 1


def once_each(make: Callable[[int], V]) -> Callable[[int], V]:
    """`make` called once for each number, whoever asks."""
    made: dict[int, V] = {}

    @wraps(make)
    def found(count: int) -> V:
        if count not in made:
            with LOCK:
                if count not in made:
                    made[count] = make(count)
        return made[count]

    return found

"""Names for printed code: the user's own, made unique, never a keyword or a name already used."""

import keyword
from collections.abc import Iterable

RESERVED = frozenset(keyword.kwlist) | {"np", "math", "max", "min", "abs"}


class Namer:
    """Hands out unique names. A repeated variable is numbered; a colliding gradient gets `_`."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.taken = set(taken) | RESERVED

    def again(self, name: str) -> str:
        """A name for one more value of a variable: h, h_2, h_3 ..."""
        wanted, count = self._clean(name), 1
        while wanted in self.taken:
            count += 1
            wanted = f"{self._clean(name)}_{count}"
        self.taken.add(wanted)
        return wanted

    def free(self, name: str) -> str:
        """This name, with as many trailing underscores as it takes."""
        wanted = self._clean(name)
        while wanted in self.taken:
            wanted += "_"
        self.taken.add(wanted)
        return wanted

    def counted(self, stem: str) -> str:
        """The first of t1, t2, t3 ... that is free."""
        count = 1
        while f"{stem}{count}" in self.taken:
            count += 1
        self.taken.add(f"{stem}{count}")
        return f"{stem}{count}"

    @staticmethod
    def _clean(name: str) -> str:
        kept = "".join(c if c.isidentifier() or c.isdigit() else "_" for c in name)
        return kept if kept and not kept[0].isdigit() else f"_{kept}"

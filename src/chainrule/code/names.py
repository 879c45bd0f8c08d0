"""Names for printed code: the user's own, made unique, never a keyword or a name already used."""

import keyword
from collections.abc import Iterable

BUILTINS = {"max", "min", "abs", "float", "all", "any"}  # that templates of code call
RESERVED = frozenset(keyword.kwlist) | {"np", "math", "special", *BUILTINS}


class Namer:
    """Hands out unique names. A repeated variable is numbered; a colliding gradient gets `_`."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.taken = set(taken) | RESERVED
        self._counts: dict[str, int] = {}  # all smaller numbers of a name are taken
        self._counts_of_stems: dict[str, int] = {}

    def again(self, name: str) -> str:
        """A name for one more value of a variable: h, h_2, h_3 ..."""
        clean = self._clean(name)
        count = self._counts.get(clean, 1)
        wanted = clean if count == 1 else f"{clean}_{count}"
        while wanted in self.taken:
            count += 1
            wanted = f"{clean}_{count}"
        self._counts[clean] = count
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
        count = self._counts_of_stems.get(stem, 1)
        while f"{stem}{count}" in self.taken:
            count += 1
        self._counts_of_stems[stem] = count
        self.taken.add(f"{stem}{count}")
        return f"{stem}{count}"

    @staticmethod
    def _clean(name: str) -> str:
        kept = "".join(c if c.isidentifier() or c.isdigit() else "_" for c in name)
        return kept if kept and not kept[0].isdigit() else f"_{kept}"

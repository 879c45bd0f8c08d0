"""A branch Python took on one example: is it right for all of them?"""

from dataclasses import dataclass
from types import CodeType
from typing import Any

import numpy as np

from chainrule.errors import TraceError
from chainrule.gates.elementwise import not_equal
from chainrule.gates.reduce import all_, any_
from chainrule.trace.cells import plain as plain_number
from chainrule.trace.frames import where_in
from chainrule.trace.places import span
from chainrule.trace.traced import Traced


@dataclass(frozen=True, slots=True)
class SameBranch:
    """A branch Python took on the first example, which must be right for all of them."""

    who: str
    outcome: bool
    code: CodeType
    lasti: int

    def __call__(self, value: Any) -> None:
        plain = np.asarray(plain_number(value)) != 0
        if np.any(plain != self.outcome):
            raise self._both_ways(plain)
        if isinstance(value, Traced):
            fold = all_ if self.outcome else any_
            self._note(fold(not_equal(value, 0), axis=None, keepdims=False))

    def _note(self, flag: Any) -> None:
        """Tell the older traces, for which it is a decision as well."""
        while isinstance(flag, Traced):
            flag.trace.decisions.append((flag.wire, self.outcome, self.code, self.lasti))
            flag = flag.value

    def _both_ways(self, plain: Any) -> TraceError:
        count, true = plain.size, int(np.sum(plain))
        code = self.code
        line = span(code, self.lasti).line or code.co_firstlineno
        place = where_in(code.co_name, code.co_filename, line)
        return TraceError(
            f"{self.who}: a decision on a traced value goes both ways: of {count} examples it is "
            f"True for {true} and False for {count - true}{place}\n"
            "  All examples take one branch. Instead: write np.where(condition, x, y), which "
            "takes one for each."
        )

"""Where the user is: the frame a value was used in, and the line of it that errors name.

NumPy's functions are called by the user or by a library on the user's behalf, which counts as the
user's call; an operator belongs to the function it is written in, a library's too.
"""

import sys
from collections.abc import Callable
from types import FrameType

from chainrule.errors import TraceError

Find = Callable[[], FrameType]  # tells where; called only by who needs to know

_frame = sys._getframe
_PACKAGE = __name__.split(".")[0]
_LIBRARY = (_PACKAGE, "numpy", "scipy")
_TRACE = __name__.rpartition(".")[0]


def caller() -> FrameType:
    """The nearest frame outside of what records."""
    start = _frame(3)  # who asks, and who calls that, are of what records
    found: FrameType | None = start
    while found is not None and _module(found).startswith(_TRACE):
        found = found.f_back
    return found or start


def user_frame() -> FrameType:
    """The nearest frame outside this package, NumPy and SciPy."""
    start = _frame(1)
    found: FrameType | None = start
    while found is not None and _is_library(_module(found)):
        found = found.f_back
    return found or start


def _module(frame: FrameType) -> str:
    name = frame.f_globals.get("__name__")
    return name if isinstance(name, str) else ""


def _is_library(module: str) -> bool:
    # the first is the quick answer for most
    return module.startswith(_LIBRARY) and module.split(".")[0] in _LIBRARY


def scipy_function() -> str:
    """The name of the SciPy function the user called, if that is how we came here; else ""."""
    name = ""
    frame: FrameType | None = _frame(1)
    while frame is not None and _is_library(module := _module(frame)):
        if module.startswith("scipy."):
            name = frame.f_code.co_name
        frame = frame.f_back
    return name


def where(find: Find) -> str:
    """One line naming the function, file and line of the frame that `find` tells."""
    frame = find()
    code = frame.f_code
    return where_in(code.co_name, code.co_filename, frame.f_lineno)


def where_in(function: str, file: str, line: int) -> str:
    """The same, of a place known by its names."""
    import linecache  # costs a tenth of importing this package, and only errors need it

    text = linecache.getline(file, line).strip()
    return f"\n  in {function}, {file} line {line}" + (f":  {text}" if text else "")


def cannot(what: str, instead: str) -> TraceError:
    """The error for what the user did, and what to write instead."""
    return TraceError(f"{what}{where(user_frame)}\n  Instead: {instead}.")

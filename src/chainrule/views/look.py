"""What a stream can show: colours, how wide it is, and which signs its encoding has."""

import os
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.box import Box
    from rich.console import RenderableType

VALUE, GRADIENT, STRONG = "green", "red", "bold"  # colours of the user's own theme
BOXES, ASCII = ("├── ", "└── ", "│   ", "─"), ("|-- ", "`-- ", "|   ", "-")
WIDTH = 100  # columns of a stream that has no width of its own


@dataclass(frozen=True, slots=True)
class Look:
    """Signs for drawing, whether to colour, and how many columns there are."""

    arrow: str
    branch: str  # to a child that has siblings below
    corner: str  # to the last child
    trunk: str  # past the children of an earlier sibling
    rule: str
    color: bool
    width: int
    encoding: str


def look(
    color: bool | None = None, width: int | None = None, stream: TextIO | None = None
) -> Look:
    """The look that suits a stream (stdout by default); colour and width can be demanded."""
    stream = sys.stdout if stream is None else stream
    encoding = getattr(stream, "encoding", None) or "utf-8"
    lines = BOXES if _has("├└│─", encoding) else ASCII
    return Look(
        "←" if _has("←", encoding) else "<-", *lines,
        _colors(stream) if color is None else color, max(width or _width(), 20), encoding,
    )


def _has(signs: str, encoding: str) -> bool:
    try:
        signs.encode(encoding)
    except (UnicodeError, LookupError):
        return False
    return True


def _colors(stream: TextIO | None) -> bool:
    """no-color.org: any text in NO_COLOR asks for none."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return not plain and stream is not None and stream.isatty()


def _width() -> int:
    return shutil.get_terminal_size((WIDTH, 24)).columns


def to_text(renderables: Iterable["RenderableType"], k: Look) -> str:
    """What the terminal gets for these, without trailing blanks."""
    from rich.console import Console

    out = StringIO()
    console = Console(
        file=out, width=k.width, force_terminal=k.color, no_color=not k.color,
        color_system="standard" if k.color else None, highlight=False, markup=False, emoji=False,
        legacy_windows=False, force_interactive=False,
    )
    for renderable in renderables:
        console.print(renderable)
    lines = (_shown(line.rstrip(), k) for line in out.getvalue().splitlines())
    return "\n".join(lines) + "\n"


def _shown(line: str, k: Look) -> str:
    """A line in the stream's encoding; folded where escapes of what it lacks made it too long."""
    escaped = line.encode(k.encoding, "backslashreplace").decode(k.encoding)
    if len(escaped) == len(line):
        return line
    return "\n".join(escaped[i : i + k.width] for i in range(0, len(escaped), k.width))


def head_rule(k: Look) -> "Box":
    """The lines of a table: one rule under its head."""
    from rich.box import SIMPLE_HEAD, Box

    return Box(str(SIMPLE_HEAD).replace("─", k.rule), ascii=k.rule.isascii())

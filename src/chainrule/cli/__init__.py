"""The command line: `chainrule EXPR name=value ...` and its verbs.

Exit codes: 0 good, 1 a check failed, 2 wrong usage or bad input, 130 Ctrl+C.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence

import numpy as np

from chainrule import __version__
from chainrule.api.worked import Worked
from chainrule.cli.demo import demo
from chainrule.cli.target import Target, load
from chainrule.errors import ChainruleError, InputError

VERBS = ("show", "code", "explain", "check", "diagnose", "draw", "demo")

MOST_DECIMALS = 17  # more than a float64 has

USAGE = """\
usage: chainrule EXPR name=value ...            values and gradients on every wire
       chainrule code|explain|check|diagnose TARGET ...
                                                staged code, the pass in words, a verdict, or
                                                what is odd and where it began
       chainrule draw TARGET -o FILE.svg        the circuit as a picture
       chainrule demo                           the note's circuits and programs

a TARGET is an expression, a script, or a function:
  chainrule "(x + y) * z" x=-2 y=5 z=-4
  chainrule code script.py --wrt x,y --of f
  chainrule check file.py:function x=3 y=-4     (a list, w=[1,2], comes as an array)

options:
  --wrt NAMES      a script's variables to differentiate by, with commas (default: all numbers)
  --of NAME        a script's output (default: the last variable assigned)
  --style d|df     code: name the gradient of x dx, or dfdx (default: d); --style plan shows
                   what machine code does instead
  --recompute      code: keep fewer values; work them out again in the backward pass
  --claimed FILE   check: also check the gradients that this Python file computes, such as
                   the saved output of `chainrule code`
  -o FILE          draw: the SVG file to write
  --decimals N     print every number with N decimals
  --plain          no colours
  --all            every stage of a large circuit in the table and in words, not only each call
  --debug          tracebacks for errors
  --version        the version
  -h, --help       this text
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]  # ends in SystemExit there
        raise InputError(message)


def _parser() -> _Parser:
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--wrt")
    parser.add_argument("--of")
    parser.add_argument("--style", default="d")
    parser.add_argument("--recompute", action="store_true")
    parser.add_argument("--claimed")
    parser.add_argument("-o", "--output")
    parser.add_argument("--decimals", type=int)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--debug", action="store_true")
    parser.add_argument("--version", action="store_true")
    parser.add_argument("-h", "--help", action="store_true")
    return parser


def _protected(arguments: Sequence[str]) -> list[str]:
    """Expressions that begin with a minus, kept from being read as options."""
    return [
        f" {a}" if a.startswith("-") and not a.startswith("--") and a not in ("-h", "-o") else a
        for a in arguments
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name the terminal has no letters for
    try:
        code = _run(_parser().parse_intermixed_args(_protected(given)))
        sys.stdout.flush()
        return code
    except ChainruleError as error:
        if "--debug" in given:
            raise
        print(f"chainrule: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("chainrule: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # the reader of a pipe has gone, and Python would say so once more at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(options: argparse.Namespace) -> int:
    if options.version:
        print(f"chainrule {__version__}")
        return 0
    if options.help or not options.words:
        print(USAGE, end="")
        return 0 if options.help else 2
    if options.decimals is not None and not 0 <= options.decimals <= MOST_DECIMALS:
        raise InputError(f"--decimals is 0 to {MOST_DECIMALS}; got {options.decimals}")
    verb, words = "show", options.words
    if words[0] in VERBS:
        verb, words = words[0], words[1:]
    color = False if options.plain else None
    if verb == "demo":
        return demo(color)
    if not words:
        raise InputError(f"chainrule {verb} needs an expression, a script or file.py:function")
    target = Target(words[0].strip(), tuple(words[1:]), _names(options.wrt), options.of)
    with np.errstate(all="ignore"):  # what overflows is shown, and diagnosed
        worked = load(target)
    if verb == "code":
        if options.style == "plan":
            print(worked.plan(), end="")
        else:
            print(worked.code(options.style, recompute=options.recompute), end="")
        return 0
    if verb == "draw":
        return _draw(worked, options)
    if verb == "diagnose":
        print(worked.diagnose())
        return 0
    if verb == "explain":
        print(worked.explain(decimals=options.decimals, full=options.all), end="")
        return 0
    if verb == "check":
        claimed = None if options.claimed is None else _text_of(options.claimed)
        verdict = worked.check(code=claimed)
        print(verdict)
        return 0 if verdict else 1
    print(worked.text(decimals=options.decimals, color=color, full=options.all), end="")
    return 0


def _draw(worked: Worked, options: argparse.Namespace) -> int:
    """The SVG to a file, or to the output where that is not a terminal."""
    drawing = worked.draw(decimals=options.decimals)
    if options.output is None:
        if sys.stdout.isatty():
            raise InputError("say where to draw: chainrule draw TARGET ... -o circuit.svg")
        encoding = sys.stdout.encoding or "utf-8"
        print(drawing.encode(encoding, "xmlcharrefreplace").decode(encoding))
        return 0
    if not options.output.endswith(".svg"):
        raise InputError(f"drawings are .svg files; got {options.output}")
    try:
        with open(options.output, "w", encoding="utf-8") as file:
            file.write(drawing)
    except OSError as error:
        raise InputError(f"cannot write {options.output}: {error.strerror}") from None
    print(f"drew {options.output}")
    return 0


def _text_of(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not text in UTF-8") from None


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(n.strip() for n in text.split(",") if n.strip())

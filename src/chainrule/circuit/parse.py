"""The reader of a circuit's text, line by line, with a draft for each circuit that is still open.

Every error is a TextError with the line's number; `text` has the grammar.
"""

from chainrule.circuit.builder import Builder
from chainrule.circuit.circuit import Circuit
from chainrule.circuit.statements import STATEMENTS, Arrays, Draft, row_or_gradient
from chainrule.circuit.tokens import Line, quoted
from chainrule.circuit.verify import verify

VERSION = 1
KEYWORDS = f"a row such as %3, {', '.join(STATEMENTS)}, body or end"


def from_text(text: str, arrays: Arrays | None = None) -> Circuit:
    """The circuit a text stands for.

    arrays: large constants by content hash, as `constant_arrays` gives them. Gates are found by
    name, so their families must have been imported. Raises TextError with the line and what was
    expected there.
    """
    arrays = {} if arrays is None else arrays
    open_drafts: list[Draft] = []
    line = Line(1, "")
    for number, content in enumerate(text.split("\n"), 1):
        line = Line(number, content)
        if line:
            _statement(open_drafts, line, arrays)
            line.end()
    if not open_drafts:
        raise line.expected('circuit "title" version 1')
    if len(open_drafts) > 1:
        inner = open_drafts[-1]
        raise inner.line.error(f"the body {quoted(inner.builder.title)} has no end")
    return _finished(open_drafts[0])


def _statement(open_drafts: list[Draft], line: Line, arrays: Arrays) -> None:
    kind, word = line.next
    if not open_drafts:
        open_drafts.append(Draft(Builder(_header(line)), line, arrays))
    elif kind == "wire":
        row_or_gradient(open_drafts[-1], line)
    elif word == "body":
        line.expect("body")
        open_drafts.append(Draft(Builder(line.string("the body's title in quotes")), line, arrays))
    elif word == "end" and len(open_drafts) > 1:
        line.expect("end")
        body = _finished(open_drafts.pop())
        open_drafts[-1].bodies.append(body)
    elif word in STATEMENTS:
        line.expect(word)
        STATEMENTS[word](open_drafts[-1], line)
    else:
        raise line.expected(KEYWORDS)


def _header(line: Line) -> str:
    line.expect("circuit")
    title = line.string("the circuit's title in quotes")
    line.expect("version")
    version = line.count("the version")
    if version != VERSION:
        raise line.error(f"the text is of version {version}, and this reads version {VERSION}")
    return title


def _finished(draft: Draft) -> Circuit:
    title = quoted(draft.builder.title)
    if draft.outputs is None:
        raise draft.line.error(f"circuit {title} has no line of outputs")
    origin, line = draft.last_origin
    if line is not None and origin >= len(draft.builder.origins):
        raise line.error(f"there is no origin o{origin}; {title} has {len(draft.builder.origins)}")
    circuit = draft.builder.build(draft.outputs).with_(bodies=tuple(draft.bodies))
    try:
        return verify(circuit)
    except Exception as error:  # gates' rules raise what they like
        raise draft.line.error(f"circuit {title} breaks a rule: {error}") from error

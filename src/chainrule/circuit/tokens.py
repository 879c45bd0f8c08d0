"""One line of a circuit's text, cut into tokens and taken from the left.

| token  | example            | what it is                                        |
|--------|--------------------|---------------------------------------------------|
| wire   | %12                | a row                                             |
| edge   | %12.0              | a row and the index of one of its operands        |
| string | "a \\"b\\" \\u03c3"  | JSON's                                            |
| name   | sigy               | letters, digits, _; the same as the string "sigy" |
| int    | -12                |                                                   |
| float  | -1.5e-05, -inf     | always with a point or an exponent (inf: a name)  |
| bits   | 0xfff8000000000000 | a float by its bits: nan with a sign or a payload |
| hash   | sha256:2c26b4...   | an array by its content                           |
| type   | float64[3,4]       | dtype and shape (Python numbers: a name)          |
| span   | 6:11-6:30          | line:column of both ends, ? where unknown         |

Symbols are <- -> = ( ) { } [ ] , : @ ~ and a comment runs from # to the end of its line.
"""

import json
import re

from chainrule.errors import TextError

Token = tuple[str, str]  # kind, text

_NAME = r"[^\W\d]\w*"
_NUMBER_OR_UNKNOWN = r"(?:[0-9]{1,9}|\?)"
_TOKEN = re.compile(
    rf"""[ \t\r]*(?:
      (?P<comment>\#.*)
    | (?P<edge>%[0-9]{{1,9}}\.[0-9]{{1,9}}(?![\w.]))
    | (?P<wire>%[0-9]{{1,9}}(?![\w.]))
    | (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<hash>sha256:[0-9a-f]{{64}}(?!\w))
    | (?P<span>{_NUMBER_OR_UNKNOWN}(?::{_NUMBER_OR_UNKNOWN}-{_NUMBER_OR_UNKNOWN}:)
               {_NUMBER_OR_UNKNOWN}(?!\w))
    | (?P<type>[<>]?[A-Za-z]\w*\[(?:[0-9]{{1,18}}(?:,[0-9]{{1,18}})*)?\])
    | (?P<bits>0x[0-9a-f]{{1,16}}(?!\w))
    | (?P<float>-?[0-9]+(?:\.[0-9]+(?:e[+-]?[0-9]+)?|e[+-]?[0-9]+)(?![\w.])|-inf(?!\w))
    | (?P<int>-?[0-9]+(?![\w.]))
    | (?P<name>{_NAME})
    | (?P<symbol><-|->|[=(){{}}\[\],:@~])
    )""",
    re.VERBOSE,
)
_WHOLE_NAME = re.compile(_NAME)
END: Token = ("end", "the end of the line")


def quoted(text: str) -> str:
    """A string as JSON writes it, in ASCII."""
    return json.dumps(text)


def name_text(name: str) -> str:
    """A name as it is, or quoted where it would not read back as one token."""
    return name if _WHOLE_NAME.fullmatch(name) else quoted(name)


class Line:
    """The tokens of one line. Each method takes what it reads, or raises TextError."""

    __slots__ = ("_at", "_tokens", "number")

    def __init__(self, number: int, text: str) -> None:
        self.number = number
        self._tokens: list[Token] = []
        self._at = 0
        at, text = 0, text.rstrip(" \t\r")
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise self.error(f"cannot read {text[at:].strip()[:40]!r}")
            kind: str = found.lastgroup  # type: ignore[assignment]  # one of them matched
            if kind != "comment":
                self._tokens.append((kind, found[kind]))
            at = found.end()

    def __bool__(self) -> bool:
        return self._at < len(self._tokens)

    def error(self, message: str) -> TextError:
        """A TextError at this line."""
        return TextError(f"line {self.number}: {message}")

    def expected(self, what: str) -> TextError:
        """A TextError that names what should stand at this place, and what does."""
        return self.error(f"expected {what}, found {self.next[1][:60]}")

    @property
    def next(self) -> Token:
        """The next token, not taken."""
        return self._tokens[self._at] if self._at < len(self._tokens) else END

    def take(self, kind: str, what: str) -> str:
        """The text of the next token, which must be of this kind."""
        found, text = self.next
        if found != kind:
            raise self.expected(what)
        self._at += 1
        return text

    def token(self, kinds: tuple[str, ...], what: str) -> Token:
        """The next token, which must be of one of these kinds."""
        found = self.next
        if found[0] not in kinds:
            raise self.expected(what)
        self._at += 1
        return found

    def accept(self, word: str) -> bool:
        """Take this symbol or keyword if it is next."""
        if self.next[1] != word:
            return False
        self._at += 1
        return True

    def expect(self, word: str) -> None:
        """Take this symbol or keyword."""
        if not self.accept(word):
            raise self.expected(word)

    def end(self) -> None:
        """Nothing may be left."""
        if self:
            raise self.expected(END[1])

    def wire(self) -> int:
        """%12 as 12."""
        return int(self.take("wire", "a row such as %3")[1:])

    def count(self, what: str) -> int:
        """A number of things, below a thousand million."""
        text = self.take("int", f"the number of {what}")
        if not 0 < len(text) < 10 or text[0] == "-":
            raise self.error(f"{text[:20]} is no number of {what}")
        return int(text)

    def name(self, what: str) -> str:
        """A name, plain or quoted."""
        return self.take("name", what) if self.next[0] != "string" else self.string(what)

    def string(self, what: str) -> str:
        """A quoted string."""
        text = self.take("string", what)
        try:
            return json.loads(text)  # type: ignore[no-any-return]  # a str: the token is quoted
        except ValueError as error:
            raise self.error(f"{text[:40]} is not a string as JSON writes it ({error})") from None

    def names(self) -> tuple[str, ...]:
        """`a = b = ` before something that is not followed by `=`."""
        found = []
        while self.next[0] in ("name", "string") and self.second == "=":
            found.append(self.name("a name"))
            self.expect("=")
        return tuple(found)

    @property
    def second(self) -> str:
        return self._tokens[self._at + 1][1] if self._at + 1 < len(self._tokens) else END[1]

"""One HTML page of a worked circuit: the drawing, the staged code, the words, and every number.

The page needs nothing but itself: no script, no font, nothing from a network. It is light or dark
as the reader prefers, and printed light.
"""

import re
from collections.abc import Iterator, Sequence
from html import escape

from chainrule.views.sheet import Sheet
from chainrule.views.svg import DARK, FONT, LIGHT
from chainrule.views.table import gradient_text, stage_rows

HEADS = ("#", "stage", "value", "gradient", "why")


def html(s: Sheet, *, title: str, drawing: str, code: str, words: str) -> str:
    """The page. drawing: an SVG that follows the reader's preference."""
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title>",
        f"<style>{_style()}</style>",
        "</head>",
        "<body>",
        f"<h1>{escape(title)}</h1>",
        '<p class="legend"><span class="value">values</span> above the wires, '
        '<span class="gradient">← gradients</span> below them</p>',
        f'<figure tabindex="0" style="--width:{_width(drawing)}px">{drawing}</figure>',
        '<section class="side">',
        *_section("Code", [f"<pre><code>{escape(code.strip())}</code></pre>"]),
        *_section("Words", [f"<p>{_paragraph(p)}</p>" for p in words.strip().split("\n\n")]),
        "</section>",
        *_section("Values and gradients", _table(s)),
        "</body>",
        "</html>",
    ]
    return "\n".join(lines) + "\n"


def _width(drawing: str) -> str:
    found = re.search(r' width="([\d.]+)"', drawing)
    return found[1] if found else "0"


def _section(head: str, body: Sequence[str] | Iterator[str]) -> Iterator[str]:
    yield f"<section><h2>{escape(head)}</h2>"
    yield from body
    yield "</section>"


def _paragraph(text: str) -> str:
    """Sentences, each on a line of its own as in the text, but not cut at its width."""
    lines = escape("\n".join(line.strip() for line in text.split("\n")))
    return re.sub(r"([.:])\n", r"\1<br>", lines).replace("\n", " ")


def _table(s: Sheet) -> Iterator[str]:
    yield '<div class="scroll"><table><thead><tr>'
    yield "".join(f'<th scope="col">{head}</th>' for head in HEADS)
    yield "</tr></thead><tbody>"
    for row in stage_rows(s):
        yield (
            f"<tr><td>{row.number}</td><td><code>{escape(row.stage)}</code></td>"
            f'<td class="value">{escape(s.value(row.wire))}</td>'
            f'<td class="gradient">{escape(gradient_text(s, row.wire))}</td>'
            f"<td>{escape(row.why)}</td></tr>"
        )
    yield "</tbody></table></div>"


def _style() -> str:
    light, dark = (
        "".join(f"--{role}:{color};" for role, color in colors.items()) for colors in (LIGHT, DARK)
    )
    return (
        f":root{{color-scheme:light dark;{light}}}"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"
        f"body{{margin:2rem auto;max-width:84rem;padding:0 1.5rem;font:17px/1.5 {FONT};"
        "background:var(--back);color:var(--ink)}"
        "h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:0 0 .5rem}"
        ".legend{color:var(--muted);margin:.25rem 0 1rem}"
        ".value{color:var(--value);font-weight:600}.gradient{color:var(--gradient);font-weight:600}"
        "figure{margin:0 0 1.5rem;overflow-x:auto}"  # shrinks by a third before it scrolls
        "figure svg{max-width:100%;height:auto;min-width:calc(var(--width)*.67)}"
        ".side{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(26rem,100%),1fr));"
        "gap:1.5rem;margin-bottom:1.5rem;align-items:start}"
        "section section,.side>section{background:var(--panel);border-radius:10px;"
        "padding:1rem 1.25rem;min-width:0}"
        "pre{overflow-x:auto;margin:0;font-size:.875rem;line-height:1.45}"
        "p{margin:0 0 .75rem}.scroll{overflow-x:auto}"
        "table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9375rem}"
        "th{text-align:left;color:var(--muted);font-weight:600}"
        "td.value,td.gradient,th:nth-child(3),th:nth-child(4){text-align:right;white-space:nowrap}"
        "td,th{padding:.3rem .9rem .3rem 0;vertical-align:top;border-bottom:1px solid "
        "color-mix(in srgb,var(--wire) 30%,transparent)}"
        "@media print{figure,.scroll,pre{overflow:visible}svg{max-width:100%;height:auto}}"
    )

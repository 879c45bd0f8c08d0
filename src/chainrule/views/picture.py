"""The picture of a circuit: inputs as names, gates as circles, values in green, gradients in red.

    circuit, part, readings -> things (what is drawn, and the words at it) -> scene -> SVG
"""

from chainrule.circuit.circuit import Circuit
from chainrule.circuit.notes import Part
from chainrule.circuit.readings import Readings
from chainrule.views.scene import scene
from chainrule.views.sections import Collapse
from chainrule.views.svg import Theme, to_svg
from chainrule.views.things import describe, things


def picture(
    circuit: Circuit,
    part: Part,
    readings: Readings,
    *,
    title: str,
    decimals: int | None = None,
    theme: Theme = "auto",
    boxed: bool = False,
    collapse: Collapse = None,
) -> str:
    """The SVG text of one part of a circuit at one input.

    decimals: for every number, instead of as many as read well. theme: "auto" follows the reader's
    preference, "light" and "dark" need no style sheet. boxed: a closed group is one box, instead
    of a hull around its gates. collapse: which calls of functions are one box each, as `sections`
    has it; None for as few as leave the picture readable. What is collapsed, the title says.
    Raises UnsupportedError for more than 1500 gates and boxes.
    """
    drawn = things(circuit, part, readings, decimals=decimals, boxed=boxed, collapse=collapse)
    title = f"{title}: {drawn.caption}" if drawn.caption else title
    found = scene(drawn.things, drawn.closed, drawn.flow, drawn.caption)
    return to_svg(found, title=title, description=describe(title, drawn.things), theme=theme)

"""The picture: what the note's figures say, what every SVG must hold, and that nothing touches."""

import sys
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.errors import UnsupportedError
from chainrule.views.flow import Flow
from chainrule.views.labels import labels
from chainrule.views.layout.measure import text_width
from chainrule.views.picture import picture
from chainrule.views.plots import plot
from chainrule.views.printing import signs
from chainrule.views.scene import Closed, Thing, scene
from chainrule.views.svg import LIGHT, path, to_svg
from chainrule.views.things import things

GOLDEN = Path(__file__).parent / "golden"
SVG = "{http://www.w3.org/2000/svg}"


def drawn(example, **options):
    return ET.fromstring(picture(*example, title="f", **options))


def data_labels(example, **options):
    return [g.get("data-label") for g in drawn(example, **options).iter(f"{SVG}g")
            if g.get("data-label")]


def words(root):
    return ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]


# ---- the note's figures


def test_n2_has_the_13_labels_of_the_figure(note):
    assert data_labels(note.n1, decimals=2) == [
        "w0 2.00/-0.20", "x0 -1.00/0.39", "w1 -3.00/-0.39", "x1 -2.00/-0.59", "w2 -3.00/0.20",
        "* -2.00/0.20", "* 6.00/0.20", "+ 4.00/0.20", "+ 1.00/0.20", "*-1 -1.00/-0.20",
        "exp 0.37/-0.53", "+1 1.37/-0.53", "1/x 0.73/1.00",
    ]  # fmt: skip


def test_c1_and_f1_have_the_labels_of_the_note(note):
    assert data_labels(note.c1) == [
        "x -2/-4", "y 5/-4", "z -4/3", "q(+) 3/-4", "f(*) -12/1",
    ]  # fmt: skip
    assert data_labels(note.f1) == [
        "x 3/-8", "y -4/6", "z 2/2", "w -1/0", "* -12/2", "max 2/2", "+ -10/2", "*2 -20/1",
    ]  # fmt: skip


def test_c1_draws_its_labels_with_true_signs(note):
    assert words(drawn(note.c1)) == [
        "x", "−2", "← −4", "y", "5", "← −4", "z", "−4", "← 3",
        "+", "q 3", "← −4", "×", "f −12", "← 1",
    ]  # fmt: skip


def test_forks_show_the_gradient_of_each_branch(note):
    small = [t for t in drawn(note.p1).iter(f"{SVG}text") if t.get("font-size") == "11.5"]
    said = sorted("".join(t.itertext()) for t in small)
    assert said == ["← 0.00905", "← 0.51", "← 1.58", "← 1.58", "← −0.0358"]


@pytest.mark.parametrize("name", ["c1", "n1", "p1", "f1"])
def test_pictures_of_the_note(note, name):
    """To make them again: rm tests/views/golden/*.svg, run twice, and look at each."""
    file = GOLDEN / f"{name}.svg"
    found = picture(*getattr(note, name), title=name)
    if not file.exists():
        file.write_text(found, encoding="utf-8")
        pytest.fail(f"wrote {file}: look at it")
    assert found == file.read_text(encoding="utf-8")


def test_closed_groups_have_a_hull_or_are_one_box(note):
    hulls = [r for r in drawn(note.p1).iter(f"{SVG}rect") if r.get("stroke-dasharray")]
    assert len(hulls) == 2
    assert words(drawn(note.p1)).count("sigmoid") == 2
    boxed = data_labels(note.n1, boxed=True)
    assert boxed[5:] == [
        "* -2.00/0.20", "* 6.00/0.20", "+ 4.00/0.20", "+ 1.00/0.20", "sigmoid 0.73/1.00",
    ]  # fmt: skip


def test_a_boxed_group_says_what_it_sends_back_at_a_fork(worked):
    """x s(x) at 1: the product sends s(1) = 0.73, the group 1 (1 - 0.73) 0.73."""
    found = things(*worked(lambda x: x * (1 / (1 + np.exp(-x))), 1.0), boxed=True).things
    assert [(t.label, t.terms) for t in found] == [
        ("x 1.00/0.93", ()), ("sigmoid 0.73/1.00", ("0.20",)), ("* 0.73/1.00", ("0.73", "")),
    ]  # fmt: skip


# ---- signs, arrays, words


@pytest.mark.parametrize(
    ("ascii", "sign"),
    [
        ("*", "×"), ("*-1", "×−1"), ("-3", "−3"), ("1-x", "1−x"), ("**2", "x²"), ("2**x", "2ˣ"),
        ("**", "xʸ"), ("**-0.5", "x⁻⁰·⁵"), ("1/x", "1/x"), ("1.66e-4", "1.66e−4"), ("max", "max"),
    ],
)  # fmt: skip
def test_signs(ascii, sign):
    assert signs(ascii) == sign


def test_arrays_show_shape_and_norm_in_boxes(worked):
    root = drawn(worked(lambda x, w: np.sum(x @ w), np.ones((4, 2)), np.ones((2, 4))))
    assert words(root)[:6] == [
        "x", "4×2 norm 2.83", "← norm 11.31", "w", "2×4 norm 2.83", "← norm 11.31",
    ]  # fmt: skip
    boxes = [r for r in root.iter(f"{SVG}rect") if r.get("rx")]
    assert {(r.get("height"), r.get("rx")) for r in boxes} == {("46", "12")}


def test_dead_wires_are_dashed_and_say_so(worked):
    root = drawn(worked(lambda x, y: np.where(y > 0, x, -x), 2.0, 1.0, wrt=["x"]))
    dashed = [p for p in root.iter(f"{SVG}path") if p.get("stroke-dasharray")]
    assert len(dashed) == 2  # y into >0, and >0 into where
    assert words(root).count("no gradient") == 2


def test_nan_and_inf_are_badges(worked):
    with np.errstate(all="ignore"):
        root = drawn(worked(lambda x: np.exp(x) / np.exp(x), 1000.0), theme="light")
    badge = next(t for t in root.iter(f"{SVG}text") if t.text == "inf")
    assert badge.get("fill") == LIGHT["back"]
    assert "nan" in words(root)


def test_the_text_alternative_says_every_value_and_gradient(note):
    root = drawn(note.c1)
    assert root.findtext(f"{SVG}title") == "f"
    assert root.findtext(f"{SVG}desc") == (
        "f: a circuit of 2 gates, with values and gradients.\n"
        "x: value −2, gradient −4.\ny: value 5, gradient −4.\nz: value −4, gradient 3.\n"
        "Gate 1 q (+ of x, y): value 3, gradient −4.\n"
        "Gate 2 f (× of q, z): value −12, gradient 1."
    )


# ---- the file


HOSTILE = "<script>alert('&\"')</script>\x00"


def test_hostile_names_are_escaped():
    thing = Thing(HOSTILE, HOSTILE, "1", "2")
    gate = Thing(HOSTILE, HOSTILE, "1", "2", HOSTILE, (0,), (HOSTILE,), (False,))
    text = to_svg(scene([thing, gate], [Closed(HOSTILE, (1,))]), title=HOSTILE, description=HOSTILE)
    root = ET.fromstring(text)
    seen = HOSTILE.replace("\x00", "\ufffd")
    assert "<script" not in text
    assert root.findtext(f"{SVG}title") == seen
    assert [g.get("data-label") for g in root.iter(f"{SVG}g") if g.get("data-label")] == [seen] * 2


def test_colours_stand_on_the_elements_and_auto_adds_dark_ones(note):
    light, dark, auto = (
        picture(*note.c1, title="f", theme=theme) for theme in ("light", "dark", "auto")
    )
    assert "var(" not in light + dark
    assert "#006b5e" in light and "#8eebd2" not in light
    assert "#8eebd2" in dark and "#006b5e" not in dark
    assert "prefers-color-scheme:dark" in auto
    assert elements(light) == elements(auto) != elements(dark)


def elements(text):
    """All but the style sheet and the class it goes by."""
    return [line for line in text.split("\n") if not line.startswith(("<svg", "<style"))]


def test_the_halo_is_only_for_readers_that_paint_it_behind_the_words(note):
    """CairoSVG paints every stroke over the words; it passes @supports by."""
    text = picture(*note.c1, title="f", theme="light")
    assert "@supports (paint-order:stroke){.chainrule-light text:not(.f-back)" in text
    assert text.count("paint-order") == 2 and "paint-order" not in str(elements(text))


def test_a_number_of_many_decimals_is_printed_whole(note):
    assert "f −12." + "0" * 30 in words(drawn(note.c1, decimals=30))


def test_widths_are_at_least_those_of_the_widest_font():
    """DejaVu Sans Bold: a digit 0.696, ← 0.838, W 1.103 em; none known to be wider."""
    assert text_width("0", 100) >= 69.6
    assert text_width("←", 100) >= 83.8
    assert text_width("W", 100) >= 110.3


def test_size_and_view_box_agree(note):
    root = drawn(note.n1)
    assert root.get("viewBox") == f"0 0 {root.get('width')} {root.get('height')}"


def test_the_same_circuit_gives_the_same_bytes(worked, note):
    again = worked(lambda w0, x0, w1, x1, w2: 1 / (1 + np.exp(-(w0 * x0 + w1 * x1 + w2))),
                   2.0, -1.0, -3.0, -2.0, -3.0)
    assert picture(*again, title="f") == picture(*note.n1, title="f")


def test_a_path_has_round_corners_that_fit():
    assert path([(0, 0), (40, 0), (40, 8), (60, 8)]) == "M0 0L36 0Q40 0 40 4L40 4Q40 8 44 8L60 8"


def test_a_chain_of_1000_gates_is_drawn_without_recursion(worked):
    def chain(x):
        for _ in range(1000):
            x = np.sin(x)
        return x

    example = worked(chain, 1.0)
    depth, frame = 0, sys._getframe()
    while frame:
        depth, frame = depth + 1, frame.f_back
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(depth + 80)
    try:
        text = picture(*example, title="chain")
    finally:
        sys.setrecursionlimit(limit)
    assert text.count("data-label") == len(labels(*example)) == 1001


def test_a_picture_that_tells_nothing_is_refused(worked):
    def chain(x):
        for _ in range(1501):
            x = -x
        return x

    with pytest.raises(UnsupportedError, match="1501 gates"):
        picture(*worked(chain, 1.0), title="chain")


# ---- nothing touches


def box_of(text):
    width = text_width(f"{text.name} {text.words}" if text.name else text.words, text.size)
    left = text.x - {"start": 0, "middle": width / 2, "end": width}[text.anchor]
    return left, text.y - 0.72 * text.size, left + width, text.y


def meet(a, b):
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def touching(found):
    """Texts and plots that meet another one, a gate, a wire or the edge."""
    texts = [t for item in found.items for t in item.texts]
    texts += [hull.caption for hull in found.hulls if hull.caption]
    gates = [i.shape for i in found.items if i.shape]
    gates = [(s.x, s.y, s.x + s.width, s.y + s.height) for s in gates]
    for hull in (h.shape for h in found.hulls):  # its left and right edge, for their height
        for x in (hull.x, hull.x + hull.width):
            gates.append((x, hull.y, x, hull.y + hull.height))
    wires = [
        (min(a[0], b[0]) - w, min(a[1], b[1]) - w, max(a[0], b[0]) + w, max(a[1], b[1]) + w)
        for line in found.lines for w in [line.width / 2] for a, b in pairwise(line.points)
    ]
    for i, text in enumerate(texts):
        box = box_of(text)
        yield from ((text.words, t.words) for t in texts[:i] if meet(box, box_of(t)))
        if text.anchor != "middle":  # all but symbols, which stand in their gates
            yield from ((text.words, other) for other in (*gates, *wires) if meet(box, other))
        if min(box[:2]) < 0 or box[2] > found.width or box[3] > found.height:
            yield text.words, "edge"
    plots = [p for item in found.items if item.label for p in item.plots]
    plots = [(p.x, p.y, p.x + p.plot.width, p.y + p.plot.height) for p in plots]
    edges = [  # top and bottom of hulls: what stands on the wires inside is inside
        (h.x, y, h.x + h.width, y)
        for h in (hull.shape for hull in found.hulls) for y in (h.y, h.y + h.height)
    ]
    others = [*gates, *wires, *edges, *map(box_of, texts)]
    for i, box in enumerate(plots):
        yield from (("plot", other) for other in (*plots[:i], *others) if meet(box, other))
        if min(box[:2]) < 0 or box[2] > found.width or box[3] > found.height:
            yield "plot", "edge"


@pytest.mark.parametrize("boxed", [False, True])
@pytest.mark.parametrize("name", ["c1", "n1", "p1", "f1"])
def test_nothing_touches_in_the_pictures_of_the_note(note, name, boxed):
    found = things(*getattr(note, name), boxed=boxed)
    assert list(touching(scene(found.things, found.closed))) == []


def softmax_net(X, W, b):
    s = np.maximum(X @ W + b, 0)
    e = np.exp(s - np.max(s, axis=1, keepdims=True))
    p = e / np.sum(e, axis=1, keepdims=True)
    return -np.mean(np.log(p[np.arange(5), np.array([0, 1, 2, 0, 1])]))


def gated(X, w):
    s = X @ w
    p = 1 / (1 + np.exp(-s))
    return np.mean(p * s)


@pytest.mark.parametrize(
    ("f", "shapes"),
    [
        (softmax_net, [(5, 4), (4, 3), (3,)]), (gated, [(200, 40), (40,)]),
        (gated, [(7, 7), (7,)]), (lambda x: np.sum(x * x * x), [(3, 4, 5)]),
        (lambda x, y: np.sum(x * y), [(2, 0), (1, 0)]),
        (lambda x: np.sum(np.log(x) * x), [(6, 6)]),  # nan: half of the numbers are below zero
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_nothing_touches_in_pictures_of_arrays(worked, f, shapes):
    r = np.random.default_rng(0)
    found = things(*worked(f, *(r.normal(size=shape) for shape in shapes)))
    drawn = scene(found.things, found.closed, found.flow, found.caption)
    assert list(touching(drawn)) == []


def test_arrays_are_drawn_in_one_type_and_its_colour(worked):
    found = things(*worked(lambda x: np.sum(x * x), np.arange(40.0).astype(np.float32))).things
    assert [t.value for t in found[:2]] == ["40 float32 norm 143.32", "40 float32 norm 4384"]
    assert [layer.role for layer in found[0].gradient_plot.layers] == ["wire", "gradient"]


def test_a_wire_is_as_wide_as_its_gradient_is_large(worked):
    found = things(*worked(lambda x, y: np.sum(100 * x + y), np.ones(20), np.ones(20)))
    widths = {t.text: t.width for t in found.things if t.is_leaf}
    assert widths == {"x": 3.6, "y": 1.6}  # a hundred times the gradient, two pixels more


@st.composite
def circuits(draw):
    """Things with forks, long numbers and dead wires."""
    numbers = st.sampled_from(["1", "−0.53", "1.66e−4", "64×16 norm 43.32", "nan"])
    plots = st.sampled_from([
        None, None, plot(np.ones((16, 16)), "value"), plot(np.ones(32), "value"),
        plot(np.arange(50.0), "value"),
    ])  # fmt: skip
    widths = st.sampled_from([1.6, 3.2, 4.6])
    found = [
        Thing("x", draw(st.sampled_from(["x", "weights", "W1[0,0]"])), draw(numbers), draw(numbers),
              value_plot=draw(plots), gradient_plot=draw(plots))
        for _ in range(draw(st.integers(1, 6)))
    ]
    for _ in range(draw(st.integers(1, 20))):
        inputs = draw(st.lists(st.integers(0, len(found) - 1), min_size=1, max_size=4))
        found.append(Thing(
            "g", draw(st.sampled_from(["×", "exp", "sigmoid"])), draw(numbers), draw(numbers),
            draw(st.sampled_from(["", "q", "scores"])), tuple(inputs),
            tuple(draw(numbers) for _ in inputs), tuple(draw(st.booleans()) for _ in inputs),
            is_round=draw(st.booleans()), value_plot=draw(plots), gradient_plot=draw(plots),
            widths=tuple(draw(widths) for _ in inputs), width=draw(widths),
        ))  # fmt: skip
    return found


@settings(deadline=None, max_examples=60)
@given(circuits())
def test_nothing_touches_in_any_circuit(found):
    assert list(touching(scene(found, [], Flow(0.1, 20.0), "1 call of f drawn as a box"))) == []


def test_the_test_sees_what_touches():
    """A gate whose number is wider than its estimate would run into the next one."""
    wide = Thing("", "×", "1", "2", "", (0,), ("",), (False,))
    good = scene([Thing("", "x", "1", "2"), wide])
    assert list(touching(good)) == []
    moved = [t.__class__(t.x + 60, t.y + 14, t.words, t.role, t.size) for t in good.items[0].texts]
    item = good.items[0].__class__("", None, tuple(moved))
    bad = good.__class__(good.width, good.height, (), good.lines, (item, *good.items[1:]))
    assert list(touching(bad)) != []


def test_constant_arrays_are_drawn(worked):
    found = things(*worked(lambda x: np.sum(x * np.array([1.0, 2.0])), np.ones(2))).things
    assert [(t.text, t.value) for t in found if t.is_constant] == [("constant", "[1 2]")]

"""The layout: four circuits judged by counts, and what must hold for every graph."""

import json
import sys
import time
from itertools import pairwise, permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.views.layout import Drawing, Node, Spot, Wire, layout
from chainrule.views.layout.heights import isotonic
from chainrule.views.layout.judge import Counts, judge
from chainrule.views.layout.tracks import End, Trunk, assigned

CIRCUITS = Path(__file__).parent / "circuits"


def read(name):
    records = json.loads((CIRCUITS / f"{name}.json").read_text())
    return [Node(tuple(r["ins"]), 46 if r["ins"] else 9 * len(r["label"])) for r in records]


def leaves(count):
    return [Node(width=20, height=20) for _ in range(count)]


def ys(drawing):
    return [spot.y for spot in drawing.spots]


# ---- the four circuits


@pytest.mark.parametrize(
    ("name", "crossings", "inputs"),
    [
        ("neuron", 0, 0), ("staged", 3, 1),
        ("mlp", 12, 63),  # best seen with operands in order: 23
        ("rnn300", 294, 6886),  # 311 by ELK
    ],
)  # fmt: skip
def test_counts(name, crossings, inputs):
    nodes = read(name)
    found = judge(nodes, layout(nodes))
    assert found.crossings <= crossings
    assert found.inputs <= inputs
    assert found == Counts(found.crossings, 0, found.inputs, 0, 0, 0)


def test_rnn300_takes_well_under_two_seconds():
    nodes = read("rnn300")
    start = time.process_time()
    layout(nodes)
    assert time.process_time() - start < 2


def test_the_neuron_has_no_crossing_however_its_arguments_are_given():
    gates = read("neuron")[5:]
    for order in permutations(range(5)):
        place = {old: new for new, old in enumerate(order)}
        nodes = leaves(5) + [
            Node(tuple(place.get(s, s) for s in gate.inputs), gate.width) for gate in gates
        ]
        assert judge(nodes, layout(nodes)) == Counts(0, 0, 0, 0, 0, 0)


def test_the_neuron_stands_in_the_order_of_the_note():
    drawing = layout(read("neuron"))
    assert ys(drawing)[:5] == sorted(ys(drawing)[:5])
    assert {spot.x for spot in drawing.spots[:5]} == {drawing.spots[0].x}


# ---- looks


def test_a_chain_is_exactly_straight():
    nodes = read("neuron")
    drawing = layout(nodes)
    assert len(set(ys(drawing)[7:])) == 1
    into_chain = [w for w in drawing.wires if w.target > 8]
    assert all(len(w.points) == 2 and w.points[0][1] == w.points[1][1] for w in into_chain)


def test_the_main_path_of_a_network_is_one_line():
    """x @ w1 + b1, then @ w2 + b2 ...: gates of a gate and a leaf keep the height."""
    nodes = leaves(7)
    for parameter in range(1, 7):
        nodes.append(Node((len(nodes) - 1 if parameter > 1 else 0, parameter)))
    assert len(set(ys(layout(nodes))[7:])) == 1


def test_a_gate_of_two_gates_stands_halfway():
    drawing = layout(read("neuron"))
    a, b, plus = ys(drawing)[5:8]
    assert plus == (a + b) / 2


def test_a_fork_is_one_trunk():
    """Both wires of x leave along one line and part at one track."""
    drawing = layout([*leaves(2), Node((0, 1)), Node((0, 1)), Node((2, 3))])
    first, second = (w.points for w in drawing.wires if w.source == 0)
    assert first[:2] == second[:2]
    assert first[-1] != second[-1]


def test_the_gap_between_columns_is_the_widest_number_and_44():
    nodes = [*leaves(2), Node((0,), label=120), Node((1,), label=30), Node((2, 3))]
    spots = layout(nodes).spots
    assert spots[4].x - 23 - (spots[2].x + 23) == 120 + 44


def test_a_far_leaf_of_many_readers_is_drawn_again():
    nodes = leaves(2)
    for _ in range(12):
        nodes.append(Node((len(nodes) - 1 if len(nodes) > 2 else 0, 1)))
    drawing = layout(nodes)
    again = [spot.node for spot in drawing.spots if spot.is_again]
    assert again == [1] * 11  # the first reader is wired to the leaf itself
    assert judge(nodes, drawing) == Counts(0, 0, 0, 0, 0, 0)


def test_inputs_of_a_large_circuit_stand_before_their_first_reader():
    nodes = leaves(30)
    for leaf in range(1, 30):
        nodes.append(Node((len(nodes) - 1 if leaf > 1 else 0, leaf)))
    spots = layout(nodes).spots
    assert spots[28].x < spots[29].x < spots[len(nodes) - 1].x


def test_a_swap_of_two_wires_runs_on_separate_lines():
    """Both trunks would begin where the other ends: one must use two tracks."""
    first, second = Trunk(0, (End(5, 0, 100),)), Trunk(100, (End(4, 0, 0),))
    courses = assigned([first, second])
    assert sorted(len(c.tracks) for c in courses) == [1, 2]


def test_isotonic_regression_pools_violators():
    assert isotonic([1, 3, 2, 5], [1, 1, 1, 1]) == [1, 2.5, 2.5, 5]
    assert isotonic([4, 1], [3, 1]) == [3.25, 3.25]


# ---- what always holds


@st.composite
def graphs(draw):
    nodes = [
        Node(width=draw(st.integers(5, 80)), height=20, is_late=draw(st.booleans()))
        for _ in range(draw(st.integers(1, 8)))
    ]
    for _ in range(draw(st.integers(0, 45))):
        inputs = draw(st.lists(st.integers(0, len(nodes) - 1), min_size=1, max_size=5))
        nodes.append(
            Node(tuple(inputs), draw(st.sampled_from([46, 46, 90])), max(46, 14 + 16 * len(inputs)))
        )
    return nodes


@settings(deadline=None, max_examples=60)
@given(graphs())
def test_no_drawing_has_overlaps_or_wires_through_gates(nodes):
    drawing = layout(nodes)
    found = judge(nodes, drawing)
    assert found == Counts(found.crossings, 0, found.inputs, 0, 0, 0)
    assert len(drawing.wires) == sum(len(node.inputs) for node in nodes)
    points = [p for w in drawing.wires for p in w.points]
    assert all(0 <= x <= drawing.width and 0 <= y <= drawing.height for x, y in points)
    assert all(a[0] <= b[0] for w in drawing.wires for a, b in pairwise(w.points))


@settings(deadline=None, max_examples=20)
@given(graphs())
def test_the_same_graph_gives_the_same_drawing(nodes):
    assert layout(nodes) == layout(list(nodes))


def test_a_chain_of_1000_gates_needs_no_recursion():
    nodes = [*leaves(1), *(Node((i,)) for i in range(1000))]
    depth, frame = 0, sys._getframe()
    while frame:
        depth, frame = depth + 1, frame.f_back
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(depth + 60)
    try:
        drawing = layout(nodes)
    finally:
        sys.setrecursionlimit(limit)
    assert len(set(ys(drawing))) == 1


def test_nothing_gives_an_empty_drawing():
    assert layout([]) == Drawing(0, 0, (), ())


# ---- the judge sees faults


GATES = [Node(height=20), Node(height=20), Node((0, 1)), Node((0, 1))]


def drawn(*wires, at=((0, 0), (0, 100), (200, 0), (200, 100))):
    return Drawing(300, 200, tuple(Spot(i, x, y) for i, (x, y) in enumerate(at)), wires)


@pytest.mark.parametrize(
    ("fault", "drawing"),
    [
        ("crossings", drawn(
            Wire(0, 3, 0, ((0, 0), (50, 0), (50, 90), (177, 90))),
            Wire(1, 2, 1, ((0, 100), (60, 100), (60, 11), (177, 11))),
            Wire(1, 3, 1, ((0, 60), (177, 60))),
        )),
        ("operands", drawn(
            Wire(0, 2, 0, ((0, 20), (177, 20))), Wire(1, 2, 1, ((0, 10), (177, 10))),
        )),
        ("inputs", drawn(at=((0, 100), (0, 0), (200, 0), (200, 100)))),
        ("through", drawn(Wire(0, 3, 0, ((0, 0), (300, 0))))),
        ("overlaps", drawn(at=((0, 0), (0, 100), (200, 0), (210, 30)))),
        ("overlaid", drawn(
            Wire(0, 2, 0, ((0, 50), (100, 50))), Wire(1, 2, 1, ((50, 50), (177, 50))),
        )),
    ],
)  # fmt: skip
def test_the_judge_finds(fault, drawing):
    assert getattr(judge(GATES, drawing), fault) > 0
    assert getattr(judge(GATES, drawn()), fault) == 0

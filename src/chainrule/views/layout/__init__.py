"""Places for the nodes of a graph and routes for its wires, left to right, in layers.

    nodes -> layers (with bends) -> order in each layer -> heights -> routes

The steps are Sugiyama's; see `graph` for what goes in and comes out, `judge` for how good it is.
Operands enter their gate from top to bottom, wires of one source share one trunk, and a chain of
gates is exactly straight. The same nodes give the same drawing, always.
"""

from collections.abc import Sequence

from chainrule.views.layout.graph import Drawing, Node, Spot, Wire
from chainrule.views.layout.heights import heights
from chainrule.views.layout.layers import layered
from chainrule.views.layout.order import ordered
from chainrule.views.layout.route import routed

__all__ = ["Drawing", "Node", "Spot", "Wire", "layout"]


def layout(nodes: Sequence[Node]) -> Drawing:
    """Places and routes for nodes in tape order: every node comes after its inputs."""
    g = layered(nodes)
    rows = ordered(g)
    return routed(g, rows, heights(g, rows))

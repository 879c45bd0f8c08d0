"""Function, script or expression -> circuit, by running it once on traced values."""

from chainrule import gates  # as a whole, before a module of it (see chainrule.api)
from chainrule.trace import numpys, operators

__all__ = ["gates", "numpys", "operators"]

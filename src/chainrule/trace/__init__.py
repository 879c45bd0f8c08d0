"""Function, script or expression -> circuit, by running it once on traced values."""

from chainrule.trace import numpys, operators

__all__ = ["numpys", "operators"]

"""Function, script or expression -> circuit, by running it once on traced values."""

from chainrule.trace import items, make, numpys, operators, write

__all__ = ["items", "make", "numpys", "operators", "write"]

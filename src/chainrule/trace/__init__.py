"""Function, script or expression -> circuit, by running it once on traced values."""

from chainrule.trace import make, numpys, operators, write

__all__ = ["make", "numpys", "operators", "write"]

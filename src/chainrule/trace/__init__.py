"""Function, script or expression -> circuit, by running it once on traced values."""

from chainrule.trace import make, write

__all__ = ["make", "write"]

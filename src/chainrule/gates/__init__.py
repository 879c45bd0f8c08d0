"""What gates mean: one definition per gate, by family. Importing it loads the catalogue."""

from chainrule.gates import contract, elementwise, move, reduce, sigmoid

__all__ = ["contract", "elementwise", "move", "reduce", "sigmoid"]

"""Gradients to understand as well as use.

Write a function in plain NumPy; get its gradient as numbers, as staged code in your own variable
names, as a table of values and gradients, and with a verdict against finite differences.
"""

from chainrule.api.eager import grad, value_and_grad, vjp
from chainrule.api.worked import Worked, circuit

__all__ = ["Worked", "circuit", "grad", "value_and_grad", "vjp"]
__version__ = "0.1.0"

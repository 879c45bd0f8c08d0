"""What users call: gradients of functions, and worked circuits.

Packages that load their own modules are imported here, each as a whole before a module of it:
threads whose first imports are different modules of one such package would wait for one another.
"""

from chainrule import gates, trace

__all__ = ["gates", "trace"]

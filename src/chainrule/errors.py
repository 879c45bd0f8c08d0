"""Every exception chainrule raises.

    ChainruleError
      ShapeError       (ValueError)           sizes that do not fit together
        PlaceError     (IndexError)           a place that an array does not have
      DTypeError       (TypeError)            a dtype that has no gradient, or would lose digits
      TraceError       (TypeError)            a traced value where NumPy or Python cannot carry it
      UnsupportedError (NotImplementedError)  an operation without a gate, or a gate without a rule
      OutputError      (ValueError)           an output that has no single gradient
      InputError       (ValueError)           missing, unknown or unusable inputs
      GradientError    (AssertionError)       a gradient that disagrees with finite differences
      ExpressionError  (ValueError)           an expression or script that cannot be read
      TextError        (ValueError)           a circuit's text form that cannot be read
      CircuitError     (RuntimeError)         a circuit that breaks its own rules: a bug of ours

    ChainruleWarning   (UserWarning)          something works, but not in the way asked for
"""


class ChainruleWarning(UserWarning):
    """Something works, but not in the way asked for."""


class ChainruleError(Exception):
    """Base of all errors raised on purpose."""


class ShapeError(ChainruleError, ValueError):
    """Sizes that do not fit together."""


class PlaceError(ShapeError, IndexError):
    """A place that an array does not have; NumPy raises IndexError."""


class DTypeError(ChainruleError, TypeError):
    """A dtype that has no gradient, or that would lose digits."""


class TraceError(ChainruleError, TypeError):
    """A traced value where NumPy or Python cannot carry it."""


class UnsupportedError(ChainruleError, NotImplementedError):
    """An operation without a gate, or a gate without the rule asked for."""


class OutputError(ChainruleError, ValueError):
    """An output that has no single gradient."""


class InputError(ChainruleError, ValueError):
    """Missing, unknown or unusable inputs."""


class HostCallError(ChainruleError, ValueError):
    """A gate called between parts of machine code gave another shape or dtype than before."""


class GradientError(ChainruleError, AssertionError):
    """A gradient that disagrees with finite differences."""


class ExpressionError(ChainruleError, ValueError):
    """An expression or script that cannot be read."""


class TextError(ChainruleError, ValueError):
    """A circuit's text form that cannot be read."""


class CircuitError(ChainruleError, RuntimeError):
    """A circuit that breaks its own rules: a bug of ours, not the user's."""

"""Mutants that are not wrong, or that one of the two judges need not see, each with the reason.

A pattern is matched against the whole of `gate.rule by operand: what was changed`.
"""

import re

EQUIVALENT = [
    (r"divide\.vjp by y: dout and out exchanged|vdot\.vjp by (x|y): dout and (x|y) exchanged",
     "the two are factors of one product"),
    (r"(maximum|minimum|clip|relu)\.mask by .*(out for|exchanged).*",
     "which operand was chosen can be read off the output as well: x >= y where x >= max(x, y)"),
    (r"clip\.vjp by hi: x and lo exchanged|clip\.mask by hi: x and lo exchanged",
     "hi is compared with max(x, lo), which is max(lo, x)"),
    (r"copysign\.local by x: (out for y|x and y exchanged|y and out exchanged)",
     "sign(x) * sign(y) is the same in any order, and the output is signed as y is"),
    (r"heaviside\.local by [xy]: .*",
     "y counts at x = 0 only, where the step itself jumps and the sample is excused"),
    (r"index_set(_\d)?\.vjp by x: .* for x|index_set(_\d)?\.vjp by x: x and .* exchanged",
     "x is read for its shape alone, and the places are those of dout"),
    (r"relu\.vjp by x: (out for x|x and out exchanged)",
     "relu(x) is above 0 where x is"),
    (r"atleast_[12]d\.vjp by x: (dout for x|out for x|x and out exchanged)",
     "only the shape of x is read, and the engine itself takes off axes that were put on"),
    (r"concatenate_\d\.vjp by .: (dout|out) for .|concatenate_\d\.vjp by .: . and out exchanged",
     "only the length of the last operand is read, and its slice ends where the output does"),
    (r"flip\.vjp by x: axis: turned round",
     "axes are turned in any order"),
    (r"einsum_\d\.vjp by .: optimize: the next",
     "how to go about a product, not which: contract reads it for more than two operands"),
    (r"index(_add|_set|)_2\.vjp by [xv]: key: turned round",
     "the letters mark where arrays of indices stand; stepwise, which the verdict runs, takes "
     "them in order, and the contract sees the printed code break"),
    (r"dtype: the dtype left as it is",
     "the verdict compares numbers; that dtypes agree is a test of every gate's gradient"),
]


def reason(mutant: object) -> str | None:
    """Why a mutant may survive, None where it may not."""
    text = str(mutant)
    return next((why for pattern, why in EQUIVALENT if re.fullmatch(pattern, text)), None)

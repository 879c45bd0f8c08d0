"""Wrong libraries made on purpose, to see that the checks can tell them from the right one.

A mutant is one change to one rule of one gate, or to one step of the engine, of the kind that is
made by mistake: a sign, a factor, one operand for another, another axis, a sum not taken. Each is
put in place in turn, and what should notice it is asked: `python -m scripts.mutants`.
"""

"""The demo: three circuits and two programs on which backpropagation is usually taught."""

from chainrule.api.sources import expression, script
from chainrule.api.worked import Worked

NEURON = """\
w = [2, -3, -3]
x = [-1, -2]
dot = w[0]*x[0] + w[1]*x[1] + w[2]
f = 1.0 / (1 + math.exp(-dot))
"""
STAGED = """\
x = 3
y = -4
sigy = 1.0 / (1 + math.exp(-y))
num = x + sigy
sigx = 1.0 / (1 + math.exp(-x))
xpy = x + y
xpysqr = xpy**2
den = sigx + xpysqr
invden = 1.0 / den
f = num * invden
"""


def _circuits() -> list[tuple[str, str, Worked]]:
    neuron_inputs = {"w0": 2, "x0": -1, "w1": -3, "x1": -2, "w2": -3}
    return [
        ("Circuit 1: an add gate feeds a multiply gate", '"q = x + y; f = q * z" x=-2 y=5 z=-4',
         expression("q = x + y; f = q * z", {"x": -2, "y": 5, "z": -4})),
        ("Circuit 2: a neuron with a sigmoid",
         '"1/(1+exp(-(w0*x0 + w1*x1 + w2)))" w0=2 x0=-1 w1=-3 x1=-2 w2=-3',
         expression("1/(1+exp(-(w0*x0 + w1*x1 + w2)))", neuron_inputs)),
        ("Circuit 3: add distributes, max routes, multiply swaps",
         '"2*(x*y + max(z, w))" x=3 y=-4 z=2 w=-1',
         expression("2*(x*y + max(z, w))", {"x": 3, "y": -4, "z": 2, "w": -1})),
    ]


def _programs() -> list[tuple[str, Worked]]:
    return [
        ("Program 1: the neuron, in staged code", script(NEURON, "neuron.py")),
        ("Program 2: eight stages forward, twelve lines back", script(STAGED, "staged.py")),
    ]


def demo(color: bool | None) -> int:
    """Print the circuits and programs with values, gradients, code and verdict."""
    good = True
    for title, command, worked in _circuits():
        _heading(title)
        print(f"$ chainrule {command}\n")
        print(worked.text(color=color))
        good &= _verdict(worked)
    for title, worked in _programs():
        _heading(title)
        print(worked.code())
        print(worked.text(color=color))
        good &= _verdict(worked)
    print('\nNext: chainrule "x * exp(-x)" x=1.5     or: chainrule code script.py')
    return 0 if good else 1


def _heading(title: str) -> None:
    print(f"\n{title}\n{'=' * len(title)}\n")


def _verdict(worked: Worked) -> bool:
    verdict = worked.check()
    print(f"check: {verdict}")
    return bool(verdict)

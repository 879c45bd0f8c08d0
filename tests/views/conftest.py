"""The note's four circuits, each as (circuit, part, readings), and a way to make others."""

import inspect
from types import SimpleNamespace

import numpy as np
import pytest

from chainrule.backends import stepwise
from chainrule.trace.names import with_names
from chainrule.trace.trace import Trace
from chainrule.trace.traced import traced
from chainrule.transform.grouping import with_groups
from chainrule.transform.recorder import with_backward


def work_out(f, *args, wrt=None):
    """Circuit, backward part and readings of f; `wrt` names the inputs to differentiate by."""
    trace, names = Trace(), list(inspect.signature(f).parameters)
    inputs = [
        traced(trace, trace.input(x, name), x) for x, name in zip(args, names, strict=True)
    ]
    out = f(*inputs)
    trace.close()
    circuit = with_groups(with_names(trace.circuit([out.wire], title="f"), trace))
    by = [w for w in circuit.inputs if wrt is None or circuit.name(w) in wrt]
    circuit = with_backward(circuit, out.wire, by, inside=True)
    return circuit, circuit.parts[-1], stepwise.run(circuit, args)


def product(x, y, z):
    q = x + y
    f = q * z
    return f


def neuron(w0, x0, w1, x1, w2):
    return 1 / (1 + np.exp(-(w0 * x0 + w1 * x1 + w2)))


def staged(x, y):
    sigy = 1.0 / (1 + np.exp(-y))
    num = x + sigy
    sigx = 1.0 / (1 + np.exp(-x))
    xpy = x + y
    xpysqr = xpy**2
    den = sigx + xpysqr
    invden = 1.0 / den
    f = num * invden
    return f


def pattern(x, y, z, w):
    return 2 * (x * y + np.maximum(z, w))


@pytest.fixture(scope="session")
def worked():
    return work_out


@pytest.fixture(scope="session")
def note():
    """The note's circuits C1, N1 (and N2), P1 and F1, by the labels of its check list."""
    return SimpleNamespace(
        c1=work_out(product, -2.0, 5.0, -4.0),
        n1=work_out(neuron, 2.0, -1.0, -3.0, -2.0, -3.0),
        p1=work_out(staged, 3.0, -4.0),
        f1=work_out(pattern, 3.0, -4.0, 2.0, -1.0),
    )

"""Four circuits on which backpropagation is usually taught: numbers, code and words.

Each is a plain function. `cr.circuit(f)(inputs)` works it out, and what it gives back can be read
as a table of values and gradients, as code, and in words; `check` compares every gate with
central differences.
"""

import sys

import numpy as np

import chainrule as cr


def product_of_a_sum(x, y, z):
    q = x + y
    f = q * z
    return f


def neuron(w, x):
    dot = w[0] * x[0] + w[1] * x[1] + w[2]
    f = 1.0 / (1 + np.exp(-dot))
    return f


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
    f = 2 * (x * y + np.maximum(z, w))
    return f


circuits = {
    "add feeds multiply: q = -2 + 5, f = q * -4": cr.circuit(product_of_a_sum)(-2, 5, -4),
    "a neuron: the sigmoid of w0 x0 + w1 x1 + w2": cr.circuit(neuron)([2, -3, -3], [-1, -2]),
    "staged: a backward line for each forward one, += at forks": cr.circuit(staged)(3, -4),
    "the pattern: add distributes, max routes, multiply swaps": cr.circuit(pattern)(3, -4, 2, -1),
}

# ---- each as a table, as code, and in words

for title, w in circuits.items():
    print(f"\n{title}\n{'=' * len(title)}\n")
    print(w)
    print(w.code())
    print(w.explain())

# ---- check: the numbers of the lecture, and every gate beside central differences

first, second, third, fourth = (w.gradients for w in circuits.values())
s = 1 / (1 + np.exp(-1))  # the neuron's output at dot = 1
wanted = {
    "(x + y) * z": (list(first.values()), [-4, -4, 3]),
    "the neuron": (second["w"] + second["x"],
                   [(1 - s) * s * k for k in (-1, -2, 1, 2, -3)]),
    "staged": (list(third.values()), [2.0595697955721652, 1.5922327514838093]),
    "the pattern": (list(fourth.values()), [-8, 6, 2, 0]),
}
good = True
print()
for (what, (found, right)), w in zip(wanted.items(), circuits.values(), strict=True):
    holds = np.allclose(found, right, rtol=0, atol=1e-15) and bool(w.check())
    print("good:  " if holds else "WRONG: ", what, "has the gradients", *np.round(found, 4))
    good &= holds
sys.exit(0 if good else 1)

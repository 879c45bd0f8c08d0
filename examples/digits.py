"""What the pages on the digits share: the data, slopes measured without backpropagation, a report.

The data are 1,797 images of handwritten digits, 8 by 8 grey pixels each, which come with
scikit-learn (Alpaydin and Kaynak's "Optical recognition of handwritten digits").
"""

import sys

import numpy as np
from sklearn.datasets import load_digits


def load():
    """Images and labels to train on, then to test on: 1,437 and 360, shuffled, always the same."""
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    images = digits.data[order] / 16  # [1797, 64], pixels from 0 to 1
    labels = digits.target[order]     # [1797], integers from 0 to 9
    return images[:1437], labels[:1437], images[1437:], labels[1437:]


def accuracy(scores, labels):
    """The share of images whose right class has the largest score."""
    return (scores.argmax(axis=1) == labels).mean()


def error_beside_slopes(loss, weights, gradient, places=20, h=1e-6):
    """How far a gradient by `weights` is from measured slopes, relative to the largest of them.

    At some random places a weight is moved up and down by h, and the loss watched: a central
    difference, which is right but for an error of order h^2.
    """
    rng = np.random.default_rng(1)
    chosen = rng.choice(weights.size, min(places, weights.size), replace=False)
    slopes = []
    for place in chosen:
        step = np.zeros(weights.size)
        step[place] = h
        step = step.reshape(weights.shape)
        slopes.append((loss(weights + step) - loss(weights - step)) / (2 * h))
    return np.abs(gradient.flat[chosen] - slopes).max() / np.abs(slopes).max()


def report(checks):
    """Print each check and whether it holds, and end the program: exit code 1 if one does not."""
    print()
    for what, holds in checks.items():
        print("good:  " if holds else "WRONG: ", what)
    sys.exit(0 if all(checks.values()) else 1)

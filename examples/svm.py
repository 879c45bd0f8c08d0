"""A linear classifier of handwritten digits with the hinge loss: a support vector machine.

The scores of an image are `image @ W + b`, one a class. The loss asks the right class to be ahead
of each other class by a margin of 1, and counts by how much it is not. Where the margin is kept,
max(0, .) sends no gradient on: such an image has no say in the step.
"""

import numpy as np
from digits import accuracy, error_beside_slopes, load, report

import chainrule as cr


def svm_loss(W, b, images, labels):
    """Mean over the images of the margins missed, and a little of the weights' squares."""
    scores = images @ W + b                                # [images, 10]
    right = scores[np.arange(len(labels)), labels]         # [images]
    missed = np.maximum(0, scores - right[:, None] + 1)    # [images, 10]; 1 at the right class
    loss = missed.sum() / len(labels) - 1 + 1e-4 * (W * W).sum()
    return loss


images, labels, test_images, test_labels = load()

# ---- descend

W, b = np.zeros((64, 10)), np.zeros(10)
value_and_gradient = cr.value_and_grad(svm_loss, argnums=("W", "b"))

losses = []
for step in range(300):
    loss, (dW, db) = value_and_gradient(W, b, images, labels)
    W -= 0.1 * dW
    b -= 0.1 * db
    losses.append(loss)
    if step % 50 == 0:
        print(f"step {step:3}   loss {loss:.4f}")

train, test = accuracy(images @ W + b, labels), accuracy(test_images @ W + b, test_labels)
print(f"\naccuracy: {train:.1%} on the images it learned from, {test:.1%} on new ones")

# ---- look: which images still have a say, and what the backward pass computes

w = cr.circuit(svm_loss)(W, b, images, labels)  # by all arguments that are real: images too
silent = (w["scores"].grad == 0).all(axis=1)
print(f"{silent.sum()} of {len(labels)} images keep every margin and send no gradient")

by_all = w.code()
by_weights = cr.circuit(lambda W, b: svm_loss(W, b, images, labels))(W, b).code()
extra = {line.target for line in by_all.backward} - {line.target for line in by_weights.backward}
print("\nThe backward pass, by the weights only:\n")
print("\n".join(line.text for line in by_weights.backward))

# ---- check

loss, (dW, db) = value_and_gradient(W, b, images, labels)
error_W = error_beside_slopes(lambda W: svm_loss(W, b, images, labels), W, dW)
error_b = error_beside_slopes(lambda b: svm_loss(W, b, images, labels), b, db)
kept = value_and_gradient(W, b, images[~silent], labels[~silent])[1][0] - 2e-4 * W
report({
    f"the gradient agrees with measured slopes to 1e-6: {error_W:.0e}, {error_b:.0e}":
        max(error_W, error_b) <= 1e-6,
    f"the first loss is 9, a margin of 1 missed 9 times: {losses[0]}": losses[0] == 9,
    f"the loss went down, from {losses[0]:.2f} to {loss:.2f}": loss < losses[0] / 10,
    f"more than 92% of the new images are right: {test:.1%}": test > 0.92,
    "the silent images could be left out, and the sum of gradients be the same":
        np.allclose(kept * (~silent).sum(), (dW - 2e-4 * W) * len(labels), rtol=0, atol=1e-10),
    "no gradient by the images is computed, unless asked for": extra == {"dimages"},
})

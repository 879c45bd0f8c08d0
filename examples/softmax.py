"""A softmax classifier of handwritten digits: one matrix of weights, and gradient descent.

Each image is a row of 64 pixels. Its scores, one a class, are `image @ W + b`; softmax makes
probabilities of them, and the loss is the mean of -log(probability of the right class), in nats.
The data are fixed and the weights are what we vary, so the gradient is by the weights only.
"""

import numpy as np
from digits import accuracy, error_beside_slopes, load, report

import chainrule as cr


def softmax_loss(W, b, images, labels):
    """Mean cross-entropy of the right classes, and a little of the weights' squares."""
    scores = images @ W + b                                       # [images, 10]
    shifted = scores - scores.max(axis=1, keepdims=True)          # exp cannot overflow now
    logp = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    right = logp[np.arange(len(labels)), labels]                  # one of each row
    loss = -right.mean() + 1e-4 * (W * W).sum()
    return loss


images, labels, test_images, test_labels = load()

# ---- descend: from no knowledge, W = 0, each class has a probability of 1/10

W, b = np.zeros((64, 10)), np.zeros(10)
value_and_gradient = cr.value_and_grad(softmax_loss, argnums=("W", "b"))

losses = []
for step in range(300):
    loss, (dW, db) = value_and_gradient(W, b, images, labels)
    W -= 2.0 * dW
    b -= 2.0 * db
    losses.append(loss)
    if step % 50 == 0:
        print(f"step {step:3}   loss {loss:.4f}")

train, test = accuracy(images @ W + b, labels), accuracy(test_images @ W + b, test_labels)
print(f"\naccuracy: {train:.1%} on the images it learned from, {test:.1%} on new ones")

# ---- look: the backward pass as code, by the weights, and by the images too

by_weights = cr.circuit(lambda W, b: softmax_loss(W, b, images, labels))(W, b).code()
by_all = cr.circuit(softmax_loss)(W, b, images, labels).code()
print("\nThe backward pass, by the weights only:\n")
print("\n".join(line.text for line in by_weights.backward))
extra = {line.target for line in by_all.backward} - {line.target for line in by_weights.backward}
print("\nAsked for by the images too, it has also:", ", ".join(sorted(extra)))

# ---- check

loss, (dW, db) = value_and_gradient(W, b, images, labels)
error_W = error_beside_slopes(lambda W: softmax_loss(W, b, images, labels), W, dW)
error_b = error_beside_slopes(lambda b: softmax_loss(W, b, images, labels), b, db)
report({
    f"the gradient agrees with measured slopes to 1e-6: {error_W:.0e}, {error_b:.0e}":
        max(error_W, error_b) <= 1e-6,
    f"the first loss is that of guessing, log(10): {losses[0]:.6f}":
        abs(losses[0] - np.log(10)) < 1e-12,
    f"the loss went down, from {losses[0]:.2f} to {loss:.2f}": loss < losses[0] / 10,
    f"more than 93% of the new images are right: {test:.1%}": test > 0.93,
    "no gradient by the images is computed, unless asked for": extra == {"dimages"},
})

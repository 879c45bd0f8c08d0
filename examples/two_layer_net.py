"""A network of two layers that reads handwritten digits, trained on a few images at a time.

`hidden` is 100 numbers for each image, 0 where they would be negative; the second layer's scores
are linear in them. The weights live in a dictionary, and so does their gradient.
"""

import numpy as np
from digits import accuracy, error_beside_slopes, load, report

import chainrule as cr


def scores_of(weights, images):
    """One score a class: [images, 64] -> [images, 10]."""
    hidden = np.maximum(images @ weights["W1"] + weights["b1"], 0)  # [images, 100]
    return hidden @ weights["W2"] + weights["b2"]


def loss_of(weights, images, labels):
    """Mean cross-entropy of the right classes, and a little of the weights' squares."""
    scores = scores_of(weights, images)
    shifted = scores - scores.max(axis=1, keepdims=True)
    logp = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    data_loss = -logp[np.arange(len(labels)), labels].mean()
    loss = data_loss + 1e-4 * ((weights["W1"] ** 2).sum() + (weights["W2"] ** 2).sum())
    return loss


images, labels, test_images, test_labels = load()
rng = np.random.default_rng(2)
weights = {
    "W1": rng.standard_normal((64, 100)) * np.sqrt(2 / 64),  # keeps the spread through a layer
    "b1": np.zeros(100),
    "W2": rng.standard_normal((100, 10)) * np.sqrt(2 / 100),
    "b2": np.zeros(10),
}

# ---- descend: each step looks at 100 images drawn at random

value_and_gradient = cr.value_and_grad(loss_of)
first, _ = value_and_gradient(weights, images, labels)

for step in range(400):
    batch = rng.choice(len(labels), 100, replace=False)
    loss, gradient = value_and_gradient(weights, images[batch], labels[batch])
    for name in weights:
        weights[name] -= 0.3 * gradient[name]
    if step % 50 == 0:
        print(f"step {step:3}   loss {loss:.4f}")

train = accuracy(scores_of(weights, images), labels)
test = accuracy(scores_of(weights, test_images), test_labels)
print(f"\naccuracy: {train:.1%} on the images it learned from, {test:.1%} on new ones")

# ---- look: the backward pass as code

by_weights = cr.circuit(lambda weights: loss_of(weights, images, labels))(weights).code()
by_all = cr.circuit(loss_of)(weights, images, labels).code()
extra = {line.target for line in by_all.backward} - {line.target for line in by_weights.backward}
print("\nThe backward pass, by the weights only:\n")
print("\n".join(line.text for line in by_weights.backward))

# ---- check

last, _ = value_and_gradient(weights, images, labels)
few = test_images[:100], test_labels[:100]
_, gradient = value_and_gradient(weights, *few)
errors = {
    name: error_beside_slopes(
        lambda w, name=name: loss_of({**weights, name: w}, *few), weights[name], gradient[name]
    )
    for name in weights
}
report({
    "the gradient agrees with measured slopes to 1e-6: "
    + ", ".join(f"{name} {error:.0e}" for name, error in errors.items()):
        max(errors.values()) <= 1e-6,
    f"the loss went down, from {first:.2f} to {last:.2f}": last < first / 10,
    f"more than 95% of the new images are right: {test:.1%}": test > 0.95,
    "no gradient by the images is computed, unless asked for": extra == {"dimages"},
})

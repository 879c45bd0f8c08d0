"""What one image could change: the gradient of the loss by its pixels, as a picture.

While a network learns, the images are fixed and the weights vary. But a circuit has a gradient by
whatever feeds it. By the pixels it says where a little more ink would raise the loss (red) and
where it would lower it (blue).

Writes two drawings, into the folder named on the command line or else a new one.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from digits import error_beside_slopes, load, report

import chainrule as cr


def logp_of(scores):
    """Logarithms of the softmax probabilities, along the last axis."""
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


images, labels, test_images, test_labels = load()

# ---- a classifier to ask, trained for a moment

learn = cr.value_and_grad(
    lambda W, b: -logp_of(images @ W + b)[np.arange(len(labels)), labels].mean(), argnums=(0, 1)
)
W, b = np.zeros((64, 10)), np.zeros(10)
for _ in range(100):
    _, (dW, db) = learn(W, b)
    W -= 2.0 * dW
    b -= 2.0 * db

# ---- ask about the first new image it gets wrong

wrong = np.flatnonzero((test_images @ W + b).argmax(axis=1) != test_labels)[0]
pixels, label = test_images[wrong], test_labels[wrong]


def loss_of(image, W, b):
    """Minus the log-probability of the right class, in nats."""
    scores = image @ W + b
    loss = -logp_of(scores)[label]
    return loss


gradient = cr.grad(loss_of)(pixels, W, b)  # by the first argument only
w = cr.circuit(loss_of)(pixels, W, b)      # by all three, for the picture
answer = w["scores"].value.argmax()
print(w)
print(f"\nImage {wrong} is a {label}, and is read as a {answer}; the loss is {w.value:.2f}.")

# ---- draw: one square a pixel


def heat_map(image, title, left, above, below):
    """64 squares in two inks: above zero and below, as deep as the number is large."""
    depth = np.abs(image) / np.abs(image).max()
    squares = [
        f'<rect x="{left + 20 * (i % 8)}" y="{30 + 20 * (i // 8)}" width="20" height="20" '
        f'fill="{above if image[i] > 0 else below}" fill-opacity="{depth[i]:.3f}">'
        f"<title>{image[i]:.4f}</title></rect>"
        for i in range(64)
    ]
    frame = f'<rect x="{left}" y="30" width="160" height="160" fill="none" stroke="#bbb"/>'
    return [f'<text x="{left}" y="20">{title}</text>', *squares, frame]


folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="chainrule-"))
heat, circuit = folder / "one_image.svg", folder / "one_image_circuit.svg"
heat.write_text("\n".join([
    '<svg xmlns="http://www.w3.org/2000/svg" width="400" height="210" font-family="sans-serif">',
    '<rect width="400" height="210" fill="white"/>',
    *heat_map(pixels, f"a {label}, read as a {answer}", 20, "#222", "#222"),
    *heat_map(gradient, "gradient of the loss", 220, "#b2182b", "#2166ac"),
    "</svg>\n",
]), encoding="utf-8")
w.save(circuit)
print(f"wrote {heat}\nwrote {circuit}")

# ---- follow it: a small step of ink against the gradient, nothing else changed

step = pixels - 0.1 * gradient / np.abs(gradient).max()
print(f"Pixels moved by at most 0.1 against the gradient: the loss is {loss_of(step, W, b):.2f}.")

# ---- check

probabilities = np.exp(logp_of(pixels @ W + b))
by_hand = W @ (probabilities - np.eye(10)[label])  # the softmax gradient, through the scores
error = error_beside_slopes(lambda image: loss_of(image, W, b), pixels, gradient)
report({
    f"the gradient agrees with measured slopes to 1e-6: {error:.0e}": error <= 1e-6,
    "it is W @ (probabilities - one hot), as derived by hand":
        np.allclose(gradient, by_hand, rtol=0, atol=1e-12),
    "the circuit holds the same gradient": 
        np.allclose(w["image"].grad, gradient, rtol=0, atol=1e-12),
    "the step against it lowers the loss": loss_of(step, W, b) < w.value,
    f"every gate agrees with central differences: {w.check()}": bool(w.check()),
    "both drawings were written": heat.stat().st_size > 5000 and circuit.stat().st_size > 1000,
})

"""Eager value and gradient of a two-layer network, beside autograd and torch, and written by hand.

64 inputs, 100 hidden numbers, 10 classes; softmax loss with the squares of the weights; the
gradient by all weights. The function is the same one for chainrule, autograd and torch op by op;
torch is also given its own layers, as its users write it. By hand: forward and backward in plain
NumPy, as few operations as the mathematics needs, which no library on top of NumPy can beat.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import chainrule as cr
from bench.harness import compare, peer

TITLE = "eager value_and_grad of a two-layer net: 64 inputs, 100 hidden, 10 classes"
SMALL = 1e-3  # the share of the weights' squares in the loss


def net(np: Any) -> Callable[..., Any]:
    """The loss, written once for numpy and for autograd's numpy."""

    def loss(weights: Sequence[Any], images: Any, labels: Any) -> Any:
        W1, b1, W2, b2 = weights
        hidden = np.maximum(images @ W1 + b1, 0)
        scores = hidden @ W2 + b2
        shifted = scores - np.max(scores, axis=1, keepdims=True)
        logp = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
        data_loss = -np.mean(logp[np.arange(len(labels)), labels])
        return data_loss + SMALL * (np.sum(W1 * W1) + np.sum(W2 * W2))

    return loss


def by_hand(weights: Sequence[Any], images: Any, labels: Any) -> Any:
    """Value and gradients as a person writes them."""
    W1, b1, W2, b2 = weights
    count, dtype = len(labels), W1.dtype.type
    hidden = images @ W1
    hidden += b1
    alive = hidden > 0
    hidden *= alive
    scores = hidden @ W2
    scores += b2
    scores -= scores.max(axis=1, keepdims=True)
    p = np.exp(scores)
    total = p.sum(axis=1, keepdims=True)
    rows = np.arange(count)
    data_loss = (np.log(total).sum() - scores[rows, labels].sum()) / dtype(count)
    loss = data_loss + dtype(SMALL) * (np.vdot(W1, W1) + np.vdot(W2, W2))
    p /= total
    p[rows, labels] -= dtype(1)
    p /= dtype(count)
    dW2 = hidden.T @ p
    dW2 += dtype(2 * SMALL) * W2
    dhidden = p @ W2.T
    dhidden *= alive
    dW1 = images.T @ dhidden
    dW1 += dtype(2 * SMALL) * W1
    return loss, [dW1, dhidden.sum(axis=0), dW2, p.sum(axis=0)]


def torch_runs(torch: Any, weights: Any, images: Any, labels: Any) -> dict[str, Any]:
    """torch, the same operations, and with its own layers."""
    leaves = [torch.tensor(w, requires_grad=True) for w in weights]
    x, y = torch.tensor(images), torch.tensor(labels)
    rows = torch.arange(len(labels))
    functional = torch.nn.functional
    W1t, b1t, W2t, b2t = [
        torch.tensor(np.ascontiguousarray(w.T), requires_grad=True) for w in weights
    ]

    def same() -> Any:
        W1, b1, W2, b2 = leaves
        hidden = torch.clamp_min(x @ W1 + b1, 0)
        scores = hidden @ W2 + b2
        shifted = scores - torch.amax(scores, dim=1, keepdim=True)
        logp = shifted - torch.log(torch.sum(torch.exp(shifted), dim=1, keepdim=True))
        loss = -torch.mean(logp[rows, y]) + SMALL * (torch.sum(W1 * W1) + torch.sum(W2 * W2))
        return loss, torch.autograd.grad(loss, leaves)

    def layers() -> Any:
        hidden = functional.relu(functional.linear(x, W1t, b1t))
        data_loss = functional.cross_entropy(functional.linear(hidden, W2t, b2t), y)
        loss = data_loss + SMALL * (W1t.square().sum() + W2t.square().sum())
        dW1, db1, dW2, db2 = torch.autograd.grad(loss, (W1t, b1t, W2t, b2t))
        return loss, (dW1.T, db1, dW2.T, db2)

    return {"torch": same, "torch, its own layers": layers}


def run(quick: bool) -> None:
    """Print for each dtype and batch the time of a call, on one core and then on all."""
    settings: Any = {"rounds": 31 if quick else 301, "singles": 8, "reference": "chainrule"}
    for dtype in (np.float64, np.float32):
        for batch in (1, 64):
            print(f"{np.dtype(dtype).name}, batch of {batch}, one core:")
            compare(candidates(dtype, batch), **settings)
            print()
    torch = peer("torch")
    if torch is None:
        return
    torch.set_num_threads(2)
    try:
        for batch in (1, 64):
            print(f"float64, batch of {batch}, two cores, torch on 2 threads, NumPy on 1:")
            runs = {k: v for k, v in candidates(np.float64, batch).items() if k != "autograd"}
            compare(runs, **settings, pinned=False)
            print()
    finally:
        torch.set_num_threads(1)


def candidates(dtype: Any, batch: int) -> dict[str, Any]:
    """What is compared at one size, by name, after seeing that all give the same gradient."""
    rng = np.random.default_rng(0)
    W1, W2 = (rng.standard_normal(s).astype(dtype) / dtype(8) for s in ((64, 100), (100, 10)))
    weights = [W1, np.zeros(100, dtype), W2, np.zeros(10, dtype)]
    images = rng.uniform(0, 1, (batch, 64)).astype(dtype)
    labels = rng.integers(0, 10, batch)
    given = weights, images, labels
    autograd, torch = peer("autograd"), peer("torch")
    runs: dict[str, Any] = {"chainrule": _call(cr.value_and_grad(net(np)), given)}
    runs["autograd"] = None
    if autograd:
        import autograd.numpy as anp

        runs["autograd"] = _call(autograd.value_and_grad(net(anp)), given)
    runs |= torch_runs(torch, *given) if torch else {"torch": None}
    runs["NumPy by hand"] = _call(by_hand, given)
    wanted = by_hand(*given)
    for candidate in runs.values():
        if candidate:
            _, gradients = candidate()
            for found, right in zip(gradients, wanted[1], strict=True):
                tolerance = 1e-9 if dtype is np.float64 else 1e-4
                np.testing.assert_allclose(np.asarray(found), right, tolerance, tolerance)
    return runs


def _call(f: Callable[..., Any], given: tuple[Any, ...]) -> Callable[[], Any]:
    return lambda: f(*given)

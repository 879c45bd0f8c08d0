"""Random circuits beside autograd and jax: how far the gradients are apart.

The libraries sum in other orders and write other derivatives, so the last digits differ; what is
printed is the largest difference relative to the largest gradient of the circuit. Where autograd is
far off, jax is asked as a third (autograd 1.9 does not sum what its `where` has broadcast).
"""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import chainrule as cr
from bench.harness import peer
from scripts.random_circuits import drawn, made

TITLE = "random circuits, gradients against other libraries"
FAR = 1e-9  # beyond what summing in another order can do
SHAPES = [((), ()), ((3,), (3,)), ((2, 3), (3,)), ((3,), (2, 1)), ((2, 3), ()), ((1,), (4,))]

Gradients = Callable[[Any, Any, Any], Any]  # (program, x, y) -> gradients


def ours(program: Any, x: Any, y: Any) -> Any:
    return cr.grad(made(program), (0, 1))(x, y)


def autograd() -> Gradients | None:
    """The same by autograd, where it is installed."""
    library = peer("autograd")
    if library is None:
        return None
    import autograd.numpy as anp

    return lambda program, x, y: library.grad(made(program, anp), (0, 1))(x, y)


def jax() -> Gradients | None:
    """The same by jax in double precision, where it is installed."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    library = peer("jax")
    if library is None:
        return None
    library.config.update("jax_enable_x64", True)
    import jax.numpy as jnp

    return lambda program, x, y: library.grad(made(program, jnp), (0, 1))(x, y)


def run(quick: bool) -> None:
    """Print for each peer the worst and the median relative difference over the circuits."""
    third = jax()
    for name, theirs, count in (
        ("autograd", autograd(), 200 if quick else 2000), ("jax", third, 20 if quick else 200),
    ):
        if theirs is None:
            print(f"{name}: not installed, skipped")
            continue
        far = compare(name, theirs, range(count))
        if far and third is not None and theirs is not third:
            print("  those, by the third library:")
            compare("  jax", third, far)


def circuit(seed: int) -> tuple[Any, Any, Any]:
    """The program and the inputs of a seed."""
    rng = np.random.default_rng(seed)
    program = drawn(rng)
    x, y = (rng.normal(size=s)[()] for s in SHAPES[seed % len(SHAPES)])
    return program, x, y


def compare(name: str, theirs: Gradients, seeds: Sequence[int]) -> list[int]:
    """Print how far a library's gradients are from ours; gives the seeds where they are FAR."""
    apart: list[tuple[float, int]] = []  # (difference, seed)
    failed: dict[str, list[int]] = {}
    with np.errstate(all="ignore"):
        for seed in seeds:
            right = ours(*circuit(seed))
            try:
                apart.append((relative(right, theirs(*circuit(seed))), seed))
            except Exception as error:  # theirs to explain
                failed.setdefault(type(error).__name__, []).append(seed)
    near = [pair for pair in apart if pair[0] <= FAR]
    far = [seed for difference, seed in apart if difference > FAR]
    print(f"{name}: {len(near)} of {len(seeds)} circuits agree, largest relative difference "
          f"{max(near)[0]:.1e}, median {np.median([d for d, _ in near]):.1e}")
    if far:
        print(f"  {len(far)} do not, such as seed {far[0]}: {max(apart)[0]:.1e} at most")
    for error, found in failed.items():
        print(f"  {name} raised {error} in {len(found)}, such as seed {found[0]}")
    return far


def relative(a: Any, b: Any) -> float:
    """Largest |a - b| over the largest |a|; 0 where both are not finite in the same places."""
    ours, theirs = (np.concatenate([np.ravel(np.asarray(g, float)) for g in gs]) for gs in (a, b))
    if np.array_equal(ours, theirs, equal_nan=True):
        return 0.0
    return float(np.max(np.abs(ours - theirs))) / max(float(np.max(np.abs(ours))), 1e-300)

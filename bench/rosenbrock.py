"""Rosenbrock's valley in 100 numbers: written as a loop over them, and on whole arrays."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import chainrule as cr
from bench._limits import limit
from bench.harness import Absent, compare, headed, peer
from chainrule.api.jit import jit

TITLE = "Rosenbrock's function of 100 numbers, an array in and out: value and gradient"
AIM = 1.2  # times the C extension
SIZE = 100


def loop(x: Any) -> Any:
    """One number after the other."""
    total = 0.0
    for i in range(SIZE - 1):
        total = total + 100.0 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2
    return total


def vector(x: Any) -> Any:
    """All numbers at once."""
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def by_hand(x: Any) -> Any:
    """Value and gradient in NumPy, as a person writes them."""
    t, u = x[1:] - x[:-1] ** 2, 1 - x[:-1]
    dx = np.zeros_like(x)
    dx[1:] = 200 * t
    dx[:-1] -= 400 * t * x[:-1] + 2 * u
    return 100 * (t @ t) + u @ u, dx


ROWS = {"as a loop": loop, "on whole arrays": vector}


def point() -> Any:
    """A seeded start, and the only argument."""
    return np.random.default_rng(0).normal(size=SIZE)


def run(quick: bool) -> None:
    """Print each form beside its peers, after checking that they agree."""
    x = point()
    for title, f in ROWS.items():
        eager = cr.value_and_grad(f)
        compiled = jit(eager)
        runs: dict[str, Any] = {
            "chainrule jit": compiled, "chainrule eager": eager, "NumPy by hand": by_hand,
            "C extension, the limit": limit("rosenbrock"), "casadi": _casadi(f), "ddx": _ddx(f),
            "jax": _jax(f),
        }
        wanted = by_hand(x)
        for name, candidate in runs.items():
            if candidate:
                for _ in range(3):
                    value, gradient = candidate(x)
                np.testing.assert_allclose(value, wanted[0], 1e-12, err_msg=name)
                np.testing.assert_allclose(gradient, wanted[1], 1e-10, err_msg=name)
        headed(title, compiled)
        timings = compare(
            {n: c and partial(c, x) for n, c in runs.items()}, rounds=5 if quick else 31,
            reference="C extension, the limit",
        )
        if "C extension, the limit" in timings:
            ratio = timings["chainrule jit"].ratio(timings["C extension, the limit"])
            print(f"{ratio:.2f} times the C extension, aim {AIM}")
        print()


SCALARS = Absent("its graph has numbers alone, as in the loop")


def _casadi(f: Callable[..., Any]) -> Any:
    casadi = peer("casadi")
    if not casadi:
        return None
    if f is vector:
        return SCALARS
    x = casadi.SX.sym("x", SIZE)
    out = f([x[i] for i in range(SIZE)])
    both = casadi.Function("f", [x], [out, casadi.gradient(out, x)])

    def call(x: Any) -> Any:
        value, gradient = both(x)
        return float(value), gradient.full().ravel()

    return call


def _ddx(f: Callable[..., Any]) -> Any:
    ddx = peer("ddx")
    if not ddx:
        return None
    if f is vector:
        return SCALARS
    model = ddx.equation(lambda: f([ddx.var(f"x{i}") for i in range(SIZE)]))
    return model.compile().jacobian


def _jax(f: Callable[..., Any]) -> Any:
    jax = peer("jax")
    if not jax:
        return None
    jax.config.update("jax_enable_x64", True)
    both = jax.jit(jax.value_and_grad(f))

    def call(x: Any) -> Any:
        value, gradient = both(x)
        return float(value), np.asarray(gradient)

    return call

"""The log-likelihood of a mixture of Gaussians, value and gradient, beside its peers and C.

The objective is that of ADBench (Srajer, Kukelova, Fitzgibbon, 2018): d = 10 dimensions, K = 25
components, each with the logarithms of the diagonal of its inverse square root covariance and the
lower triangle below; log-sum-exp over the components; a Wishart prior. It is written here as one
writes it in NumPy, for all points and components at once. gmm.c is written by hand, value and
gradient in one pass over the points; it is built where a C compiler is found.
"""

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from math import lgamma, log, pi
from pathlib import Path
from typing import Any

import numpy as np

import chainrule as cr
from bench.harness import compare, peer

TITLE = "log-likelihood of a Gaussian mixture (ADBench), d 10, K 25: value and gradient"
GAMMA, DEGREES = 1.0, 0  # of the Wishart prior: its scale, and degrees of freedom beyond d
PARAMETERS = (0, 1, 2)  # alphas, means, icf


def below(d: int) -> tuple[Any, Any]:
    """For each place of a d x d matrix: its place among the numbers below the diagonal, column by
    column as ADBench orders them, and 1 where it is below the diagonal, else 0."""
    places, is_below = np.zeros((d, d), int), np.zeros((d, d))
    columns, rows = np.triu_indices(d, 1)
    places[rows, columns] = np.arange(len(rows))
    is_below[rows, columns] = 1.0
    return places, is_below


def gmm(alphas: Any, means: Any, icf: Any, x: Any, np: Any = np) -> Any:
    """The log-likelihood of x: [N, d]; alphas: [K]; means: [K, d]; icf: [K, d + d (d - 1) / 2]."""
    (count, d), components = x.shape, alphas.shape[0]
    places, is_below = below(d)
    logs = icf[:, :d]
    lower = icf[:, d:][:, places] * is_below  # [K, d, d]
    diagonal = np.exp(logs)
    apart = x[:, None, :] - means  # [N, K, d]
    scaled = diagonal * apart + np.einsum("kij,nkj->nki", lower, apart)
    inner = alphas + logs.sum(axis=1) - 0.5 * (scaled**2).sum(axis=2)  # [N, K]
    prior = 0.5 * GAMMA**2 * ((diagonal**2).sum() + (lower**2).sum()) - DEGREES * logs.sum()
    return (
        -0.5 * count * d * log(2 * pi) + logsumexp(inner, np).sum()
        - count * logsumexp(alphas, np) + prior - components * normaliser(d)
    )


def logsumexp(x: Any, np: Any) -> Any:
    """Along the last axis."""
    top = x.max(axis=-1)
    return top + np.log(np.exp(x - top[..., None]).sum(axis=-1))


def normaliser(d: int) -> float:
    """The logarithm of the Wishart prior's constant."""
    n = d + DEGREES + 1
    gammas = 0.25 * d * (d - 1) * log(pi) + sum(lgamma(0.5 * (n - j)) for j in range(d))
    return n * d * (log(GAMMA) - 0.5 * log(2)) - gammas


def problem(count: int, d: int = 10, components: int = 25) -> tuple[Any, ...]:
    """Seeded parameters and points."""
    rng = np.random.default_rng(0)
    below_diagonal = d * (d - 1) // 2
    return (
        rng.normal(size=components), rng.uniform(size=(components, d)),
        rng.normal(size=(components, d + below_diagonal)), rng.normal(size=(count, d)),
    )


def run(quick: bool) -> None:
    """Print 1,000 and 10,000 points, after checking that all agree."""
    for count in (1_000,) if quick else (1_000, 10_000):
        args = problem(count)
        eager = cr.value_and_grad(gmm, PARAMETERS)
        compiled = cr.jit(eager)
        runs: dict[str, Any] = {
            "chainrule jit": compiled, "C by hand": _by_hand(*args[1].shape),
            "chainrule eager": eager, "autograd": _autograd(), "jax": _jax(), "torch": _torch(),
        }
        expected = eager(*args)
        for name, candidate in runs.items():
            for _ in range(3 if candidate else 0):
                _agree(candidate(*args), expected, name)
        print(f"{count:,} points: {'compiled' if compiled.is_compiled else 'NOT COMPILED'}")
        compare(
            {n: c and partial(c, *args) for n, c in runs.items()},
            rounds=5 if quick else 15, singles=5,
        )
        print()


def _agree(found: Any, expected: Any, name: str) -> None:
    for x, y in zip([found[0], *found[1]], [expected[0], *expected[1]], strict=True):
        scale = float(np.abs(y).max())
        np.testing.assert_allclose(np.asarray(x), y, rtol=1e-9, atol=1e-11 * scale, err_msg=name)


# ---- peers


def _by_hand(components: int, d: int) -> Callable[..., Any] | None:
    """gmm.c, or None where no C compiler is found."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    source = Path(__file__).with_name("gmm.c")
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "gmm.so"
        flags = ["-O3", "-march=native", "-ffast-math", "-fno-finite-math-only", "-shared", "-fPIC"]
        flags += [f"-DD={d}", f"-DK={components}", "-o", str(library)]
        subprocess.run([compiler, *flags, str(source), "-lm"], check=True)
        code = ctypes.CDLL(str(library))
    code.gmm.restype = ctypes.c_double

    def call(alphas: Any, means: Any, icf: Any, x: Any) -> tuple[Any, Sequence[Any]]:
        gradients = [np.zeros_like(p) for p in (alphas, means, icf)]
        pointers = [ctypes.c_void_p(a.ctypes.data) for a in (alphas, means, icf, x, *gradients)]
        constant = -0.5 * len(x) * d * log(2 * pi) - components * normaliser(d)
        settings = ctypes.c_double(GAMMA), ctypes.c_int(DEGREES), ctypes.c_double(constant)
        return code.gmm(ctypes.c_int(len(x)), *settings, *pointers), gradients

    return call


def _autograd() -> Callable[..., Any] | None:
    autograd = peer("autograd")
    if not autograd:
        return None
    import autograd.numpy as anp

    made: Callable[..., Any] = autograd.value_and_grad(
        lambda p, x: gmm(*p, x, np=anp)
    )
    return lambda *args: made(args[:3], args[3])


def _jax() -> Callable[..., Any] | None:
    jax = peer("jax")
    if not jax:
        return None
    jax.config.update("jax_enable_x64", True)
    made = jax.jit(jax.value_and_grad(lambda *a: gmm(*a, np=jax.numpy), PARAMETERS))
    return lambda *args: jax.block_until_ready(made(*args))


def _torch() -> Callable[..., Any] | None:
    torch = peer("torch")
    if not torch:
        return None
    torch.set_num_threads(1)

    def call(*args: Any) -> Any:
        alphas, means, icf = leaves = [torch.from_numpy(a).requires_grad_() for a in args[:3]]
        x, d = torch.from_numpy(args[3]), args[3].shape[1]
        places, is_below = map(torch.from_numpy, below(d))
        logs, lower = icf[:, :d], icf[:, d:][:, places] * is_below
        diagonal, apart = torch.exp(logs), x[:, None, :] - means
        scaled = diagonal * apart + torch.einsum("kij,nkj->nki", lower, apart)
        inner = alphas + logs.sum(1) - 0.5 * (scaled**2).sum(2)
        prior = 0.5 * GAMMA**2 * ((diagonal**2).sum() + (lower**2).sum()) - DEGREES * logs.sum()
        out = (
            -0.5 * len(x) * d * log(2 * pi) + torch.logsumexp(inner, 1).sum()
            - len(x) * torch.logsumexp(alphas, 0) + prior - len(alphas) * normaliser(d)
        )
        return out.detach(), [g.numpy() for g in torch.autograd.grad(out, leaves)]

    return call

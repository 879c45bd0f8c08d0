"""Machine code for arrays beside the same functions in other libraries: value and gradient."""

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import chainrule as cr
from bench.harness import Absent, compare, headed, peer

TITLE = "machine code, arrays in and out: value and gradient"
Function = Callable[..., Any]


def arithmetic(x: Any, np: Any = np) -> Any:
    """Twenty steps that only add, multiply and choose."""
    a = x * 1.1
    for k in range(6):
        a = np.maximum(a * x + 0.5, a - k) * 0.3
    return (a * a + x).sum()


def chain(x: Any, np: Any = np) -> Any:
    """Twenty steps, eight of them exp, log, tanh and sin."""
    c = np.tanh(x * 1.1 + 0.3)
    g = np.log(np.exp(c * x) + 1.0)
    h = np.maximum(g, 0.5)
    i = np.sin(h * c + x) + x * 1.1
    n = np.log(np.maximum(i, -1.0) ** 2 + 0.1)
    q = np.tanh(n * g + i)
    return (np.exp(np.sin(q * h)) + q).sum()


def layers(p: Any, X: Any, y: Any, np: Any = np) -> Any:
    """Mean cross-entropy of three layers, relu between them."""
    W1, b1, W2, b2, W3, b3 = p
    h = np.maximum(X @ W1 + b1, 0.0)
    h = np.maximum(h @ W2 + b2, 0.0)
    s = h @ W3 + b3
    s = s - np.max(s, axis=1, keepdims=True)
    return (np.log(np.exp(s).sum(axis=1)) - (s * y).sum(axis=1)).mean()


def network(sizes: tuple[int, ...], batch: int, dtype: Any) -> tuple[Any, Any, Any]:
    """Seeded parameters, images and one-hot labels."""
    rng = np.random.default_rng(0)
    parameters: list[Any] = []
    for n, m in pairwise(sizes):
        parameters += [rng.normal(size=(n, m)).astype(dtype) * 0.05, np.zeros(m, dtype)]
    X = rng.normal(size=(batch, sizes[0])).astype(dtype)
    y = np.eye(sizes[-1], dtype=dtype)[rng.integers(0, sizes[-1], batch)]
    return tuple(parameters), X, y


def run(quick: bool) -> None:
    """Print each function beside its peers, after checking that they agree."""
    rounds = 5 if quick else 21
    size = 100_000 if quick else 1_000_000
    for dtype in (np.float64, np.float32):
        x = np.random.default_rng(1).normal(size=size).astype(dtype)
        name = np.dtype(dtype).name
        _row(f"20 steps of arithmetic on {size:,} {name}", arithmetic, (x,), rounds)
        _row(f"20 steps with exp, log, tanh, sin on {size:,} {name}", chain, (x,), rounds)
    for batch in (64, 1024):
        args = network((784, 256, 128, 10), batch, np.float32)
        _row(f"784-256-128-10 network, batch {batch}, float32", layers, args, rounds)
    for batch in (1, 64):
        args = network((64, 100, 100, 10), batch, np.float64)
        _row(f"64-100-100-10 network, batch {batch}, float64", layers, args, rounds)


def _row(title: str, f: Function, args: tuple[Any, ...], rounds: int) -> None:
    eager = cr.value_and_grad(f)
    compiled = cr.jit(eager)
    runs: dict[str, Any] = {"chainrule jit": compiled, "chainrule eager": eager}
    runs |= {name: route(f, args) for name, route in ROUTES.items() if name not in runs}
    value, gradient = eager(*args)
    tolerance = 1e-10 if np.asarray(args[0][0] if isinstance(args[0], tuple) else args[0]
                                    ).dtype == np.float64 else 2e-3
    for name, candidate in runs.items():
        if candidate:
            for _ in range(3):
                found, slope = candidate(*args)
            np.testing.assert_allclose(float(found), float(value), rtol=tolerance, err_msg=name)
            for x, y in zip(_leaves(slope), _leaves(gradient), strict=True):
                np.testing.assert_allclose(
                    np.asarray(x), y, rtol=tolerance, atol=tolerance * np.abs(y).max(),
                    err_msg=name,
                )
    headed(title, compiled)
    compare(
        {n: c and partial(c, *args) for n, c in runs.items()}, rounds=rounds,
        reference="chainrule jit",
    )
    print()


def _leaves(x: Any) -> list[Any]:
    return list(x) if isinstance(x, tuple | list) else [x]


def _jax(f: Function, args: Any) -> Any:
    jax = peer("jax")
    if not jax:
        return None
    jax.config.update("jax_enable_x64", True)
    both = jax.jit(jax.value_and_grad(lambda *a: f(*a, np=jax.numpy)))

    def call(*args: Any) -> Any:
        return jax.block_until_ready(both(*args))

    return call


def _torch(f: Function, args: Any, compiles: bool = False) -> Any:
    torch = peer("torch")
    if not torch:
        return None
    torch.set_num_threads(1)

    class Spelled:
        """NumPy's names of torch's functions."""

        tanh, exp, log, sin = torch.tanh, torch.exp, torch.log, torch.sin

        @staticmethod
        def max(x: Any, axis: int, keepdims: bool) -> Any:
            return torch.amax(x, axis, keepdims)

        @staticmethod
        def maximum(x: Any, y: Any) -> Any:
            if not torch.is_tensor(y):
                return torch.clamp(x, min=y)
            return torch.maximum(x, y)

    def loss(*args: Any) -> Any:
        return f(*args, np=Spelled)

    if compiles:
        torch._dynamo.reset()
        loss = torch.compile(loss, dynamic=False)

    def call(*args: Any) -> Any:
        first = args[0] if isinstance(args[0], tuple) else (args[0],)
        given = [torch.from_numpy(a).requires_grad_() for a in first]
        rest = [torch.from_numpy(a) for a in args[1:]]
        out = loss(tuple(given) if isinstance(args[0], tuple) else given[0], *rest)
        out.backward()
        return out.detach(), [g.grad.numpy() for g in given]

    return call


def _by_hand(f: Function, args: Any) -> Any:
    """A loop of steps.c, for doubles."""
    x = args[0]
    if f not in (arithmetic, chain) or x.dtype != np.float64:
        return Absent("not written for this row")
    if not shutil.which("gcc"):
        return Absent("no gcc on the path")
    with TemporaryDirectory() as folder:
        library = str(Path(folder, "steps.so"))
        source = str(Path(__file__).with_name("steps.c"))
        flags = ["-O3", "-march=native", "-ffast-math", "-fno-builtin-sin", "-fno-builtin-cos"]
        done = subprocess.run(
            ["gcc", *flags, "-shared", "-fPIC", source, "-o", library, "-lmvec", "-lm"],
            capture_output=True, text=True,
        )
        if done.returncode:
            return Absent(f"gcc failed: {done.stderr.strip().splitlines()[-1]}")
        code = getattr(ctypes.CDLL(library), f.__name__)
    code.restype = ctypes.c_double
    code.argtypes = [ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

    def call(x: Any) -> Any:
        gradient = np.empty_like(x)
        return code(x.size, x.ctypes.data, gradient.ctypes.data), gradient

    return call


def _torch_compiled(f: Function, args: Any) -> Any:
    """Its loops are C++, compiled when they are first called."""
    if not peer("torch"):
        return None
    if not any(map(shutil.which, ("g++", "clang++"))):
        return Absent("no C++ compiler on the path")
    return _torch(f, args, compiles=True)


def _pytensor(f: Function, args: Any) -> Any:
    pytensor = peer("pytensor")
    if not pytensor:
        return None
    import pytensor.tensor as pt

    arrays = [*args[0], *args[1:]] if isinstance(args[0], tuple) else list(args)
    given = [pt.TensorType(a.dtype, shape=a.shape)() for a in arrays]
    by = given[: len(args[0])] if isinstance(args[0], tuple) else given[:1]
    out = f(tuple(by), *given[len(by) :], np=pt) if isinstance(args[0], tuple) else f(*given, np=pt)
    compiled = pytensor.function(given, [out, *pytensor.grad(out, by)])
    compiled.trust_input = True

    def call(*args: Any) -> Any:
        first = args[0] if isinstance(args[0], tuple) else (args[0],)
        value, *gradients = compiled(*first, *args[1:])
        return value, gradients

    return call


ROUTES: dict[str, Callable[[Function, Any], Any]] = {
    "chainrule jit": lambda f, args: cr.jit(cr.value_and_grad(f)), "jax": _jax,
    "torch eager": _torch, "torch.compile": _torch_compiled, "pytensor": _pytensor,
    "C by hand": _by_hand,
}

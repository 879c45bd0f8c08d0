"""Machine code for numbers: what calls cost, and the errors of its functions."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import chainrule as cr
from bench._limits import limit
from bench.eager import staged
from bench.harness import compare, headed, peer
from chainrule.api.jit import jit
from chainrule.backends.llvm.call import CompiledNumbers
from chainrule.circuit.builder import Builder
from chainrule.circuit.record import BY_NAME
from chainrule.circuit.types import FLOAT, TYPES
from chainrule.gates.elementwise import exp, log, power
from chainrule.gates.handle import Handle

TITLE = "machine code, Python floats in and out: value and gradient"
NEURON = (2.0, -1.0, -3.0, -2.0, -3.0)
STAGED = (3.0, -4.0)


def neuron(w0: Any, x0: Any, w1: Any, x1: Any, w2: Any, exp: Callable[[Any], Any] = np.exp) -> Any:
    """The note's sigmoid neuron."""
    return 1 / (1 + exp(-(w0 * x0 + w1 * x1 + w2)))


def neuron_by_hand(w0: float, x0: float, w1: float, x1: float, w2: float) -> Any:
    """Value and gradients as a person writes them."""
    f = 1 / (1 + math.exp(-(w0 * x0 + w1 * x1 + w2)))
    ddot = (1 - f) * f
    return f, (x0 * ddot, w0 * ddot, x1 * ddot, w1 * ddot, ddot)


def staged_by_hand(x: float, y: float) -> Any:
    """The note's backward pass of the staged function."""
    sigy = 1.0 / (1 + math.exp(-y))
    num = x + sigy
    sigx = 1.0 / (1 + math.exp(-x))
    xpy = x + y
    den = sigx + xpy * xpy
    invden = 1.0 / den
    dden = -invden * invden * num
    dxpy = 2 * xpy * dden
    dx = invden + dxpy + (1 - sigx) * sigx * dden
    return num * invden, (dx, dxpy + (1 - sigy) * sigy * invden)


def run(quick: bool) -> None:
    """Print the time of a call beside the others, and errors."""
    rounds = 5 if quick else 31
    _row("sigmoid neuron, 8 gates", neuron, neuron_by_hand, NEURON, rounds)
    _row("the note's staged function, 14 gates", staged, staged_by_hand, STAGED, rounds)
    _array_row(rounds)
    _errors(2_000 if quick else 20_000)


# ---- calls


def _row(
    title: str, f: Callable[..., Any], by_hand: Callable[..., Any], at: tuple[float, ...],
    rounds: int,
) -> None:
    places = tuple(range(len(at)))
    eager = cr.value_and_grad(lambda *args: f(*args, exp=np.exp), places)
    compiled = jit(eager)
    wanted = flat(by_hand(*at))
    runs: dict[str, Any] = {
        "chainrule jit": compiled, "chainrule jit, plain calls": compiled._plainly,
        "chainrule eager": eager, "Python by hand": by_hand,
        "C extension, the limit": limit(f.__name__), "autograd": _autograd(f, places),
        "casadi": _casadi(f, len(at)), "ddx": _ddx(f, len(at)), "jax": _jax(f, places),
    }
    for name, candidate in runs.items():
        if candidate:
            for _ in range(3):  # the second call compiles
                found = flat(candidate(*at))
            np.testing.assert_allclose(found, wanted, rtol=1e-12, err_msg=name)
    headed(title, compiled)
    compare(
        {n: c and partial(c, *at) for n, c in runs.items()}, rounds=rounds,
        reference="Python by hand",
    )
    print()
    bound: dict[str, Any] = {
        "chainrule jit": _bound(compiled, at), "casadi": _casadi_bound(f, at),
        "ddx": _ddx_bound(f, at),
    }
    for name, candidate in bound.items():
        if candidate:
            call, read = candidate
            call()
            np.testing.assert_allclose(flat(read()), wanted, rtol=1e-12, err_msg=name)
    print("the same, bound to arrays of the caller:")
    compare({n: c and c[0] for n, c in bound.items()}, rounds=rounds)
    print()


def flat(both: Any) -> list[float]:
    """The value and the gradients of a result, one after the other."""
    value, gradients = both
    return [float(x) for x in (value, *gradients)]


def _array_row(rounds: int) -> None:
    """What a call costs that takes and gives arrays."""
    x = np.arange(16.0)
    eager = cr.value_and_grad(lambda x: np.sum(x * x))
    compiled = jit(eager)
    runs: dict[str, Any] = {
        "chainrule jit": compiled, "chainrule jit, plain calls": compiled._plainly,
        "chainrule eager": eager, "NumPy by hand": lambda x: (np.sum(x * x), 2 * x),
    }
    for candidate in runs.values():
        for _ in range(3):
            value, gradient = candidate(x)
        np.testing.assert_array_equal((value, *gradient), (1240.0, *(2 * x)))
    headed("sum of squares of 16 numbers", compiled)
    compare(
        {n: lambda c=c: c(x) for n, c in runs.items()}, rounds=rounds, reference="NumPy by hand"
    )
    print()


def _autograd(f: Callable[..., Any], places: tuple[int, ...]) -> Any:
    if not peer("autograd"):
        return None
    import autograd
    import autograd.numpy as anp

    def both(*args: float) -> Any:
        return f(*args, exp=anp.exp), gradient(*args)

    gradient = autograd.grad(lambda *args: f(*args, exp=anp.exp), places)
    return both


def _jax(f: Callable[..., Any], places: tuple[int, ...]) -> Any:
    jax = peer("jax")
    if not jax:
        return None
    jax.config.update("jax_enable_x64", True)
    both = jax.jit(jax.value_and_grad(lambda *args: f(*args, exp=jax.numpy.exp), places))

    def floats(*args: float) -> Any:
        value, gradients = both(*args)
        return float(value), tuple(map(float, gradients))

    return floats


def _casadi_function(f: Callable[..., Any], count: int) -> Any:
    casadi = peer("casadi")
    if not casadi:
        return None
    x = [casadi.SX.sym(f"x{i}") for i in range(count)]
    out = f(*x, exp=casadi.exp)
    return casadi.Function("f", x, [out, *(casadi.gradient(out, v) for v in x)])


def _casadi(f: Callable[..., Any], count: int) -> Any:
    both = _casadi_function(f, count)
    if both is None:
        return None

    def floats(*args: float) -> Any:
        value, *gradients = both(*args)
        return float(value), tuple(map(float, gradients))

    return floats


def _ddx_model(f: Callable[..., Any], count: int) -> Any:
    ddx = peer("ddx")
    if not ddx:
        return None
    return ddx.equation(lambda: f(*(ddx.var(f"x{i}") for i in range(count)), exp=ddx.exp)).compile()


def _ddx(f: Callable[..., Any], count: int) -> Any:
    model = _ddx_model(f, count)
    if model is None:
        return None

    def floats(*args: float) -> Any:
        value, gradient = model.jacobian(args)
        return value, tuple(gradient.tolist())

    return floats


# A bound candidate is a call without arguments, and what reads its value and gradients.


def _bound(compiled: Any, at: tuple[float, ...]) -> Any:
    value, gradients = np.zeros(()), tuple(np.zeros(()) for _ in at)
    call = compiled.bind(*map(np.array, at), out=(value, gradients))
    return call, lambda: (value, gradients)


def _casadi_bound(f: Callable[..., Any], at: tuple[float, ...]) -> Any:
    both = _casadi_function(f, len(at))
    if both is None:
        return None
    buffer, call = both.buffer()
    given, found = list(map(np.array, at)), [np.zeros(()) for _ in range(len(at) + 1)]
    for k, x in enumerate(given):
        buffer.set_arg(k, memoryview(x))
    for k, x in enumerate(found):
        buffer.set_res(k, memoryview(x))
    kept = buffer, given  # casadi holds neither, and reads both at each call
    return call, lambda kept=kept: (found[0], found[1:])


def _ddx_bound(f: Callable[..., Any], at: tuple[float, ...]) -> Any:
    model = _ddx_model(f, len(at))
    if model is None:
        return None
    call = model.buffer(np.array(at))
    return call, lambda: (call.value, call.jacobian)


# ---- errors


def _errors(count: int) -> None:
    mpmath = peer("mpmath")
    if not mpmath:
        print("mpmath: not installed, errors skipped")
        return
    rng = np.random.default_rng(1)
    bases = np.exp2(rng.uniform(-1073, 1024, count))
    exponents = rng.uniform(-744, 709.7, count) / np.log(bases)
    print(f"largest error in units in the last place, {count:,} points:")
    for name, gate, ours, points in (
        ("exp", exp, mpmath.exp, [(x,) for x in rng.uniform(-744, 709.7, count)]),
        ("log", log, mpmath.log, [(x,) for x in bases]),
        ("log near 1", log, mpmath.log, [(x,) for x in rng.uniform(0.5, 2, count)]),
        ("power", power, mpmath.power, list(zip(bases, exponents, strict=True))),
        *_others(mpmath, rng, count),
    ):
        b = Builder(name)
        inputs = [Handle(b, b.input(TYPES[FLOAT], n)) for n in gate.inputs]
        machine = CompiledNumbers(b.build([gate(*inputs, **gate.sample_attrs[0]).wire]))
        with mpmath.workprec(200), np.errstate(all="ignore"):
            true = [ours(*map(mpmath.mpf, map(float, p))) for p in points]
            found = [_error(machine(*p)[0], t) for p, t in zip(points, true, strict=True)]
            theirs = [gate.evaluate(*p, **gate.sample_attrs[0]) for p in points]
            numpys = [_error(y, t) for y, t in zip(theirs, true, strict=True)]
        other = "numpy" if gate.numpy else "scipy"
        print(f"  {name:10}  chainrule {max(found):.2f}   {other} {max(numpys):.2f}")


def _others(mpmath: Any, rng: Any, count: int) -> list[tuple[str, Any, Any, Any]]:
    """Name, gate, true function and points of the functions beside exp and log."""
    near, unit = rng.normal(size=count) * 4, rng.uniform(-1, 1, count)
    rows = (
        ("expm1", mpmath.expm1, near), ("log1p", mpmath.log1p, np.abs(near)),
        ("tanh", mpmath.tanh, near), ("sinh", mpmath.sinh, near), ("cosh", mpmath.cosh, near),
        ("arcsinh", mpmath.asinh, near), ("arccosh", mpmath.acosh, 1 + near**2),
        ("arctanh", mpmath.atanh, unit), ("arctan", mpmath.atan, near),
        ("arcsin", mpmath.asin, unit), ("arccos", mpmath.acos, unit),
        ("sin", mpmath.sin, near), ("cos", mpmath.cos, near), ("tan", mpmath.tan, near),
        ("erf", mpmath.erf, near), ("erfc", mpmath.erfc, near), ("ndtr", mpmath.ncdf, near * 4),
        ("log_ndtr", lambda x: mpmath.log(mpmath.ncdf(x)) if x < 0 else
         mpmath.log1p(-mpmath.ncdf(-x)), near),
        ("erfinv", mpmath.erfinv, unit[::10] * 0.999), ("gamma", mpmath.gamma, near),
        ("gammaln", mpmath.loggamma, np.abs(near)), ("digamma", mpmath.digamma, np.abs(near)),
        ("polygamma", lambda x: mpmath.zeta(2, x), np.abs(near[::10])),
        ("logit", lambda x: mpmath.log(x / (1 - x)), np.abs(unit)),
        ("log_expit", lambda x: -mpmath.log1p(mpmath.exp(-x)), near),
        ("entr", lambda x: -x * mpmath.log(x), np.abs(near)),
    )
    rows_of_two = (
        ("xlogy", lambda x, y: x * mpmath.log(y)), ("xlog1py", lambda x, y: x * mpmath.log1p(y)),
        ("rel_entr", lambda x, y: x * mpmath.log(x / y)),
    )
    pairs = list(zip(np.abs(near), np.abs(unit), strict=True))
    return [
        *((name, BY_NAME[name], true, [(x,) for x in xs]) for name, true, xs in rows),
        *((name, BY_NAME[name], true, pairs) for name, true in rows_of_two),
    ]


def _error(got: Any, true: Any) -> float:
    if not true:
        return 0.0 if got == 0 else math.inf
    exponent = max(math.frexp(float(abs(true)))[1] - 1, -1022)
    return float(abs(float(got) - true) * 2 ** (52 - exponent))

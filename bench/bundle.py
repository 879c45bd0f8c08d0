"""Bundle adjustment: the Jacobian of the smallest data set of ADBench, on seeded numbers.

A camera of 11 numbers (rotation, centre, focal length, principal point, distortion) sees a point;
the residual is the weighted distance of its picture to what was measured, two numbers. For each of
31,843 observations the Jacobian has 2 rows and 11 + 3 + 1 columns.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import chainrule as cr
from bench._limits import limit
from bench.harness import Absent, compare, headed, peer
from chainrule.api.jit import jit

TITLE = "bundle adjustment, 31,843 observations: the Jacobian by camera, point and weight"
AIM = 1.3  # times the C extension
SIZES = (49, 7_776, 31_843)  # cameras, points, observations


def residual(cam: Any, X: Any, w: Any, feat: Any, np: Any = np) -> Any:
    """The two errors of one observation. The rotation is Rodrigues' formula, about cam[:3]."""
    x, y, z = X[0] - cam[3], X[1] - cam[4], X[2] - cam[5]
    theta = np.sqrt(cam[0] ** 2 + cam[1] ** 2 + cam[2] ** 2)
    a, b, c = cam[0] / theta, cam[1] / theta, cam[2] / theta
    cos, sin = np.cos(theta), np.sin(theta)
    along = (a * x + b * y + c * z) * (1 - cos)
    right = x * cos + (b * z - c * y) * sin + a * along
    down = y * cos + (c * x - a * z) * sin + b * along
    ahead = z * cos + (a * y - b * x) * sin + c * along
    p, q = right / ahead, down / ahead
    r = p * p + q * q
    scale = (1 + cam[9] * r + cam[10] * (r * r)) * cam[6]
    return np.stack([w * (p * scale + cam[7] - feat[0]), w * (q * scale + cam[8] - feat[1])])


def vectors(cam: Any, X: Any, w: Any, feat: Any, np: Any = np) -> Any:
    """The same, written with vectors of three and of two numbers."""
    x = X - cam[3:6]
    theta = np.sqrt(cam[:3] @ cam[:3])
    a = cam[:3] / theta
    cos, sin = np.cos(theta), np.sin(theta)
    cross = np.stack([a[1] * x[2] - a[2] * x[1], a[2] * x[0] - a[0] * x[2],
                      a[0] * x[1] - a[1] * x[0]])
    seen = x * cos + cross * sin + a * ((a @ x) * (1 - cos))
    p = seen[:2] / seen[2]
    r = p @ p
    return w * (p * (1 + cam[9] * r + cam[10] * (r * r)) * cam[6] + cam[7:9] - feat)


def jacobians(f: Callable[..., Any], library: Any = cr) -> Callable[..., Any]:
    """The Jacobian at all observations; `seen` holds the camera and the point of each."""
    each = library.vmap(library.jacobian(f, (0, 1, 2)))
    return lambda cams, X, w, feats, seen: each(cams[seen[:, 0]], X[seen[:, 1]], w, feats)


def problem(cameras: int, points: int, observations: int) -> tuple[Any, ...]:
    """Seeded cameras, points ahead of them, weights, features, and who sees what."""
    rng = np.random.default_rng(0)
    cams = rng.normal(size=(cameras, 11)) * 0.1
    cams[:, 6] = 1.0
    X = rng.normal(size=(points, 3)) + np.array([0, 0, 5])
    seen = np.stack([rng.integers(0, n, observations) for n in (cameras, points)], axis=1)
    return cams, X, rng.uniform(0.5, 1, observations), rng.normal(size=(observations, 2)), seen


ROWS = {"number by number": residual, "with vectors": vectors}


def run(quick: bool) -> None:
    """Print each form beside its peers, after checking that they agree."""
    given = problem(*SIZES)
    wanted = limit("bundle") or jacobians(residual)
    answer = wanted(*given)
    for title, f in ROWS.items():
        compiled = jit(jacobians(f))
        runs: dict[str, Any] = {
            "chainrule jit": compiled, "chainrule eager": jacobians(f),
            "C extension, the limit": limit("bundle"), "jax, reverse": _jax(f, "jacrev"),
            "jax, forward": _jax(f, "jacfwd"), "ddx, batch": _ddx(f),
        }
        for name, candidate in runs.items():
            if candidate:
                for _ in range(3):
                    found = candidate(*given)
                for x, y in zip(found, answer, strict=True):
                    np.testing.assert_allclose(x, y, 1e-9, 1e-11, err_msg=name)
        headed(title, compiled)
        timings = compare(
            {n: c and partial(c, *given) for n, c in runs.items()}, rounds=5 if quick else 21,
            reference="C extension, the limit", target=0.02,
        )
        if "C extension, the limit" in timings:
            ratio = timings["chainrule jit"].ratio(timings["C extension, the limit"])
            print(f"{ratio:.2f} times the C extension, aim {AIM}")
        print()


def _jax(f: Callable[..., Any], way: str) -> Any:
    jax = peer("jax")
    if not jax:
        return None
    jax.config.update("jax_enable_x64", True)
    each = jax.vmap(getattr(jax, way)(partial(f, np=jax.numpy), (0, 1, 2)))

    @jax.jit
    def all_of_them(cams: Any, X: Any, w: Any, feats: Any, seen: Any) -> Any:
        return each(cams[seen[:, 0]], X[seen[:, 1]], w, feats)

    return lambda *given: jax.block_until_ready(all_of_them(*given))


def _ddx(f: Callable[..., Any]) -> Any:
    """One model of 17 inputs, and a column for each observation."""
    ddx = peer("ddx")
    if not ddx:
        return None
    if f is vectors:
        return Absent("its vectors cannot be stacked or sliced")

    class Spelled:
        """NumPy's names of its functions; two outputs for stack."""

        sqrt, cos, sin, stack = ddx.sqrt, ddx.cos, ddx.sin, tuple

    def model() -> Any:
        cam, X = ([ddx.var(f"{name}{i}") for i in range(n)] for name, n in (("c", 11), ("x", 3)))
        return f(cam, X, ddx.var("w"), [ddx.param("f0"), ddx.param("f1")], np=Spelled)

    compiled = ddx.equation(model).compile(points=SIZES[2])

    def call(cams: Any, X: Any, w: Any, feats: Any, seen: Any) -> Any:
        columns = np.vstack([cams[seen[:, 0]].T, X[seen[:, 1]].T, w[None], feats.T])
        J = compiled.jacobian(columns)[1].transpose(2, 0, 1)  # [observation, 2, 15]
        return J[:, :, :11], J[:, :, 11:14], J[:, :, 14]

    return call

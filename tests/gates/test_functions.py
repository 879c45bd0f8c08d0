"""Scalar functions: digits in the tails, conventions at kinks, and NumPy's values and dtypes."""

import math

import mpmath
import numpy as np
import pytest
from scipy import special

import chainrule as cr
from chainrule.api.sources import script
from chainrule.circuit.record import BY_NAME
from chainrule.errors import TraceError, UnsupportedError
from chainrule.gates import functions
from chainrule.gates.choose import clip, relu

SMALL = (5e-324, 1e-310, 1e-200, 1e-20, 1e-9, 0.3, 1.0, 1.5)
EDGES = (*SMALL, 7.0, 20.0, 40.0, 300.0, 1e9, 1e100, 1e200)
BOTH = (*EDGES, *(-x for x in EDGES))
INSIDE = tuple(s * x for x in (1e-200, 1e-9, 0.3, 0.9999, 1 - 1e-12) for s in (1, -1))

# name: (value at 50 digits, derivative at 50 digits, where)
REFERENCE = {
    "square": (lambda x: x**2, lambda x: 2 * x, BOTH),
    "sqrt": (mpmath.sqrt, lambda x: 0.5 / mpmath.sqrt(x), EDGES),
    "cbrt": (mpmath.cbrt, lambda x: 1 / (3 * mpmath.cbrt(x) ** 2), EDGES),
    "reciprocal": (lambda x: 1 / x, lambda x: -1 / x**2, BOTH),
    "log1p": (mpmath.log1p, lambda x: 1 / (1 + x), (*EDGES, -1e-20, -0.3, -1 + 1e-12)),
    "log2": (lambda x: mpmath.log(x, 2), lambda x: 1 / (x * mpmath.log(2)), EDGES),
    "log10": (mpmath.log10, lambda x: 1 / (x * mpmath.log(10)), EDGES),
    "expm1": (mpmath.expm1, mpmath.exp, (*SMALL, -1e-20, -0.3, -40.0, -700.0, 300.0)),
    "exp2": (lambda x: 2**x, lambda x: mpmath.log(2) * 2**x, (1e-20, 0.3, -40.0, -1000.0, 1000.0)),
    "sin": (mpmath.sin, mpmath.cos, (1e-200, 0.3, -2.0, 1e9, 1e22)),
    "cos": (mpmath.cos, lambda x: -mpmath.sin(x), (1e-200, 0.3, -2.0, 1e9, 1e22)),
    "tan": (mpmath.tan, lambda x: mpmath.sec(x) ** 2, (1e-200, 0.3, -2.0, math.pi / 2)),
    "arcsin": (mpmath.asin, lambda x: 1 / mpmath.sqrt(1 - x**2), INSIDE),
    "arccos": (mpmath.acos, lambda x: -1 / mpmath.sqrt(1 - x**2), INSIDE),
    "arctan": (mpmath.atan, lambda x: 1 / (1 + x**2), [x for x in BOTH if abs(x) <= 1e100]),
    "sinh": (mpmath.sinh, mpmath.cosh, [x for x in BOTH if abs(x) < 700]),
    "cosh": (mpmath.cosh, mpmath.sinh, [x for x in BOTH if abs(x) < 700]),
    "sech": (mpmath.sech, lambda x: -mpmath.sech(x) * mpmath.tanh(x),
             [x for x in BOTH if abs(x) < 700]),
    "tanh": (mpmath.tanh, lambda x: mpmath.sech(x) ** 2, [x for x in BOTH if abs(x) < 350]),
    "arcsinh": (mpmath.asinh, lambda x: 1 / mpmath.sqrt(1 + x**2), BOTH),
    "arccosh": (mpmath.acosh, lambda x: 1 / mpmath.sqrt(x**2 - 1), (1 + 1e-12, 1.5, 40.0, 1e200)),
    "arctanh": (mpmath.atanh, lambda x: 1 / (1 - x**2), INSIDE),
    "gammaln": (lambda x: mpmath.log(abs(mpmath.gamma(x))), mpmath.digamma, (1e-9, 0.3, 7.0, 1e9)),
    "gamma": (mpmath.gamma, lambda x: mpmath.gamma(x) * mpmath.digamma(x), (0.3, 1.5, 7.0, -1.5)),
    "erf": (mpmath.erf, lambda x: 2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-x**2),
            (1e-200, 0.3, -2.0, 5.0)),
    "erfc": (mpmath.erfc, lambda x: -2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-x**2),
             (1e-200, 0.3, -2.0, 5.0)),
    "log_expit": (lambda x: -mpmath.log1p(mpmath.exp(-x)), lambda x: 1 / (1 + mpmath.exp(x)),
                  (0.3, -2.0, 40.0, -700.0, 700.0)),
    "logit": (lambda x: mpmath.log(x / (1 - x)), lambda x: 1 / (x * (1 - x)), (1e-200, 0.3, 0.75)),
    "digamma": (mpmath.digamma, lambda x: mpmath.polygamma(1, x), (1e-9, 0.3, 7.0, 1e9)),
}


def assert_near(got, true, rel=1e-15):
    """Equal to a 50-digit number within a few ulps; subnormals within their own spacing."""
    true = float(true)
    assert got == pytest.approx(true, rel=rel, abs=2e-323), (got, true)


@pytest.mark.parametrize("name", REFERENCE)
@pytest.mark.parametrize("kind", [float, np.float64])
def test_value_and_derivative_keep_their_digits(name, kind):
    gate = BY_NAME[name]
    value, slope, places = REFERENCE[name]
    with mpmath.workdps(400 if name in ("arctanh", "arcsin", "arccos") else 50):
        for x in places:
            with np.errstate(all="ignore"):
                got, gradient = cr.value_and_grad(gate)(kind(x))
            assert_near(got, value(mpmath.mpf(x)), rel=2e-15)
            assert_near(gradient, slope(mpmath.mpf(x)), rel=2e-15)


def test_the_tail_of_tanh():
    assert cr.grad(np.tanh)(20.0) == pytest.approx(1.6993417021166355e-17, rel=1e-15)
    assert cr.grad(np.tanh)(1000.0) == 0.0
    assert cr.grad(np.tanh)(0.0) == 1.0
    assert cr.grad(cr.grad(cr.grad(np.tanh)))(0.0) == -2.0


@pytest.mark.parametrize(
    ("f", "x", "slope"),
    [
        (np.abs, 0.0, 0.0),
        (np.abs, -2.0, -1.0),
        (np.sqrt, 0.0, math.inf),
        (np.cbrt, 0.0, math.inf),
        (np.sign, 0.0, 0.0),
        (np.floor, 1.0, 0.0),
        (np.rint, 2.5, 0.0),
        (lambda x: np.minimum(x, 0), 0.0, 0.5),
        (lambda x: np.clip(x, -1, 1), 1.0, 0.5),
        (lambda x: np.clip(x, -1, 1), -1.0, 0.5),
        (lambda x: np.clip(x, -1, 1), 0.25, 1.0),
        (lambda x: np.clip(x, -1, 1), 3.0, 0.0),
        (lambda x: np.clip(x, None, 1), -1e30, 1.0),
        (lambda x: np.clip(x, 0, None), -1.0, 0.0),
        (lambda x: np.clip(x, 2, 1), 1.5, 0.0),  # bounds that cross: always 1
        (relu, 0.0, 0.0),
        (lambda x: np.maximum(x, 0), 0.0, 0.5),
        (lambda x: np.hypot(x, 0.0), 0.0, 0.0),
        (lambda x: np.arctan2(x, 0.0), 0.0, 0.0),
        (lambda x: np.remainder(x, 3.0), 7.0, 1.0),
        (lambda y: np.remainder(7.0, y), 3.0, -2.0),
        (lambda y: np.remainder(-7.0, y), 3.0, 3.0),
        (lambda x: x * np.sign(x), -2.0, -1.0),
    ],
)
@pytest.mark.parametrize("kind", [float, np.float64, np.float32])
def test_the_convention_we_chose(f, x, slope, kind):
    found = cr.grad(f)(kind(x))
    assert found == slope
    assert np.asarray(found).dtype == kind


@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1.0, 1e200, 3e307])
def test_lengths_and_angles_do_not_overflow(scale):
    x, y = 3 * scale, 4 * scale
    by_hypot = cr.grad(np.hypot, (0, 1))(x, y)
    assert by_hypot == pytest.approx((0.6, 0.8), rel=1e-3 if scale < 1e-300 else 1e-15)
    if 1e-300 < scale < 1e300:
        dy, dx = cr.grad(np.arctan2, (0, 1))(y, x)
        assert (dy * scale, dx * scale) == pytest.approx((0.12, -0.16), rel=1e-15)


def test_gradients_of_the_angle_at_the_origin_are_0():
    assert cr.grad(np.arctan2, (0, 1))(0.0, 0.0) == (0.0, 0.0)
    assert cr.grad(np.hypot, (0, 1))(0.0, 0.0) == (0.0, 0.0)


def test_clip_shares_with_its_bounds():
    by_all = cr.grad(lambda x, lo, hi: np.clip(x, lo, hi), (0, 1, 2))
    assert by_all(0.5, 0.0, 1.0) == (1.0, 0.0, 0.0)
    assert by_all(-0.5, 0.0, 1.0) == (0.0, 1.0, 0.0)
    assert by_all(1.5, 0.0, 1.0) == (0.0, 0.0, 1.0)
    assert by_all(1.0, 0.0, 1.0) == (0.5, 0.0, 0.5)


def test_clip_spelled_in_every_way():
    x = np.array([-2.0, 0.5, 2.0])
    inside = [0.0, 1.0, 0.0]
    for f in (
        lambda x: np.clip(x, -1, 1), lambda x: np.clip(x, a_min=-1, a_max=1),
        lambda x: np.clip(x, min=-1, max=1), lambda x: x.clip(-1, 1),
        lambda x: x.clip(max=1, min=-1),
    ):
        assert cr.grad(lambda x, f=f: np.sum(f(x)))(x).tolist() == inside
    assert cr.grad(lambda x: np.sum(x.clip(max=1)))(x).tolist() == [1.0, 1.0, 0.0]
    with pytest.raises(cr.errors.UnsupportedError, match="not out="):
        cr.grad(lambda x: np.sum(np.clip(x, 0, 1, out=x)))(x)


def test_a_branch_not_taken_gives_0_whatever_is_in_it():
    x = np.array([-1.0, 0.0, 1.0, 4.0])
    dout = np.array([np.inf, 1.0, 1.0, np.nan])
    assert cr.vjp(lambda x: np.clip(x, 0, 2), x)[1](dout)[0].tolist() == [0.0, 0.5, 1.0, 0.0]
    assert cr.vjp(lambda x: np.minimum(x, 2), x)[1](dout)[0].tolist() == [np.inf, 1.0, 1.0, 0.0]
    assert cr.vjp(relu, x)[1](np.array([np.inf, np.nan, 1.0, 2.0]))[0].tolist() == [0, 0, 1, 2]


UNARY = [n for n, g in BY_NAME.items() if g.family == "elementwise" and len(g.inputs) == 1
         and g.numpy and g.evaluate is not np.invert]


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3)])
def test_numpy_functions_keep_numpys_values_shapes_and_dtypes(name, dtype, shape):
    ufunc = BY_NAME[name].numpy[0]
    x = np.full(shape, 1.25 if name == "arccosh" else 0.25, dtype)[()]
    value, back = cr.vjp(ufunc, x)
    np.testing.assert_array_equal(value, ufunc(x), strict=True)
    if value.dtype.kind == "f":
        (gradient,) = back(np.ones_like(value))
        assert (gradient.shape, gradient.dtype) == (x.shape, x.dtype)


@pytest.mark.parametrize(
    "name", ["sqrt", "cbrt", "exp2", "log2", "log10", "log1p", "expm1", "sin", "cos", "tan",
             "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "lgamma"],
)
def test_scripts_find_the_functions_of_math(name):
    x = 1.5 if name in ("acosh", "lgamma") else 0.5
    slope = script(f"import math\nx = {x}\ny = math.{name}(x)\n")["x"].grad
    f = getattr(math, name)
    assert slope == pytest.approx((f(x + 1e-6) - f(x - 1e-6)) / 2e-6, rel=1e-8)


def test_functions_of_two_numbers_in_scripts():
    w = script("import math\ny = 3.0\nx = 4.0\nr = math.hypot(x, y) + math.atan2(y, x)\n")
    assert w["x"].grad == pytest.approx(0.8 - 0.12)
    assert w["y"].grad == pytest.approx(0.6 + 0.16)
    assert script("x = -2.0\ny = 3 * abs(x)\n")["x"].grad == -3.0


def test_outside_its_domain_the_value_is_nan_and_nothing_stops():
    with np.errstate(all="ignore"):
        assert math.isnan(cr.grad(lambda x: BY_NAME["sqrt"](x))(-1.0))
        assert cr.grad(lambda x: BY_NAME["tanh"](x) + BY_NAME["cosh"](x))(1000.0) == math.inf


def test_flags_of_python_and_of_numpy():
    assert functions.sign(-0.0) == 0.0 and math.isnan(functions.sign(math.nan))
    both, either, other = BY_NAME["bitwise_and"], BY_NAME["bitwise_or"], BY_NAME["invert"]
    assert both(True, False) is False and either(True, False) is True and other(True) is False
    assert both(np.int64(6), np.int64(3)) == 2
    with pytest.raises(TypeError, match="on comparisons"):
        both(6, 3)
    f = lambda x: np.where(np.logical_and(x > 0, np.logical_not(x > 2)), x * x, 0)
    assert cr.grad(lambda x: np.sum(f(x)))(np.array([-1.0, 1.0, 3.0])).tolist() == [0.0, 2.0, 0.0]
    assert cr.grad(f)(1.5) == 3.0


def test_clip_of_whole_numbers_stays_whole():
    operands, _ = clip.bind(np.array([1, 5]), None, 3)
    assert clip(*operands).dtype == np.int64


# ---- SciPy's names


@pytest.mark.parametrize(
    ("name", "args", "slope"),
    [
        ("expit", (0.0,), 0.25), ("logit", (0.5,), 4.0), ("psi", (1.0,), math.pi**2 / 6),
        ("ndtr", (0.0,), 1 / math.sqrt(2 * math.pi)), ("log_ndtr", (-1e3,), 1000.001),
        ("erfinv", (0.0,), math.sqrt(math.pi) / 2), ("xlogy", (3.0, math.e), 1.0),
        ("xlog1py", (0.0, 1.0), math.log(2)), ("entr", (1.0,), -1.0), ("log1p", (1.0,), 0.5),
        ("rel_entr", (1.0, 1.0), 1.0),
    ],
)
def test_functions_of_scipy_special(name, args, slope):
    f = getattr(special, name)
    value, gradient = cr.value_and_grad(lambda *x: np.sum(f(*x)))(np.full(2, args[0]), *args[1:])
    assert value == pytest.approx(2 * f(*args), rel=1e-15)
    assert gradient == pytest.approx(slope, rel=1e-9)


def test_printed_code_imports_what_scipy_has():
    code = str(cr.circuit(lambda x: special.digamma(x) * x)(2.0).code())
    assert code.startswith("from scipy import special\n\n")
    space = {}
    exec(code, space)
    assert space["f_grad"](2.0)[1] == cr.grad(lambda x: special.digamma(x) * x)(2.0)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_what_scipy_does_not_pass_on_says_what_to_write(name):
    x, f = np.array([1.0, 2.0]), getattr(special, name)
    with pytest.raises(TraceError) as caught:
        cr.grad(lambda x: np.sum(f(x)))(x)
    message = str(caught.value)
    assert f"SciPy's {name} turns a traced value into a plain array" in message
    assert "test_functions.py line" in message
    written = message.split("Instead: ")[1].rstrip(".")
    before, _, last = written.rpartition("; ")
    space = {"np": np}
    exec(f"def f(x):\n    {before}\n    return {last}", space)
    np.testing.assert_allclose(space["f"](x), f(x), rtol=1e-15)
    (group,) = cr.circuit(space["f"])(x, output_grad=f(x)).circuit.groups
    assert group.gate.name == name


def test_a_function_of_scipy_without_a_gate():
    with pytest.raises(UnsupportedError, match=r"scipy.special.betaln has no gate"):
        cr.grad(lambda x: special.betaln(x, 2.0))(1.0)

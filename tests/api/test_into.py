"""`out=` and donated arguments: the numbers of a call that makes new arrays, in given memory."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.api.into import places
from chainrule.api.jit import Jitted, Plain, jit
from chainrule.backends.llvm.targets import python_calls
from chainrule.errors import InputError, ShapeError


@pytest.fixture(params=["plain", "generated"], autouse=True)
def way(request, monkeypatch):
    monkeypatch.setenv("CHAINRULE_CALL", request.param)
    return request.param == "generated" and python_calls.IS_ALLOWED


def sgd(w, g):
    return w - 0.1 * g


def adam(params, m, v, grads, t):
    m = {k: 0.9 * m[k] + 0.1 * grads[k] for k in params}
    v = {k: 0.99 * v[k] + 0.01 * grads[k] ** 2 for k in params}
    sizes = {k: np.sqrt(v[k] / (1 - 0.99**t)) + 1e-8 for k in params}
    return {k: params[k] - 0.1 * m[k] / (1 - 0.9**t) / sizes[k] for k in params}, m, v


def test_out_is_filled_and_returned_at_each_call():
    f, w, g = jit(sgd), np.ones(3), np.array([1.0, 2.0, 3.0])
    for k in range(1, 5):  # traced, traced and compiled, machine code
        out = np.empty(3)
        assert f(w, g * k, out=out) is out
        np.testing.assert_array_equal(out, sgd(w, g * k))
    assert f(w, g, out=None) is not f(w, g, out=None)


def test_a_net_of_dicts_and_numbers_into_out():
    f = jit(cr.value_and_grad(lambda p, x: np.sum(np.tanh(x @ p["W"] + p["b"])) * p["s"]))
    params = {"W": np.ones((3, 2)), "b": np.zeros(2), "s": 2.0}
    out = np.zeros(()), {"W": np.empty((3, 2)), "b": np.empty(2), "s": np.empty(())}
    for k in range(4):
        x = np.cos(np.arange(12.0) + k).reshape(4, 3)
        value, gradients = f(params, x, out=out)
        wanted = cr.value_and_grad(f._f.__wrapped__)(params, x)
        assert value == pytest.approx(wanted[0])
        assert gradients is not out[1]  # containers are new, the arrays are those
        for name in params:
            assert gradients[name] is out[1][name]
            np.testing.assert_allclose(gradients[name], wanted[1][name], rtol=1e-12)


# ---- shared memory

N = 36  # numbers in an array, more than are computed at a time
OUTSIDE = np.arange(float(N))
UPDATES = {
    "in step": lambda x, y: x - 0.1 * y,
    "backwards": lambda x, y: x[::-1] * 2 + y,
    "shifted": lambda x, y: np.concatenate([x[1:], y[:1]]),
    "spread": lambda x, y: x * y[0] + np.sum(x),
    "twice": lambda x, y: x[::-1] * np.sum(x) + y,
    "running": lambda x, y: np.cumsum(x) + y,
    "product": lambda x, y: np.reshape(x, (2, N // 2)).T.ravel() @ np.diag(np.ones(N)) + y,
    "chosen": lambda x, y: x[np.arange(N) // 2] + y,
    "written": lambda x, y: pushed(x, y),
    "itself": lambda x, y: x,
    "the other": lambda x, y: y * 1.0,
    "a way": lambda x, y: x * 2 - y if np.sum(x) > 0 else y[::-1] - x,
    "outside": lambda x, y: x * np.flip(x + OUTSIDE) + y,
}


def pushed(x, y):
    z = x * 2
    z[1:] += x[:-1]
    return z + y


@pytest.mark.parametrize("name", UPDATES)
@pytest.mark.parametrize("where", ["x", "y", "both", "ahead", "behind", "strided", "outside"])
def test_whatever_shares_memory_the_numbers_are_those_of_new_arrays(name, where):
    update, bound = UPDATES[name], jit(UPDATES[name])
    f = jit(update)
    for k in range(4):
        memory = np.cos(np.arange(4.0 * N) * (k + 1))
        x, y = memory[2 : N + 2], memory[2 * N : 3 * N]
        out = {"x": x, "y": y, "both": x, "ahead": memory[3 : N + 3], "behind": memory[:N],
               "strided": memory[1 : 2 * N + 1 : 2], "outside": OUTSIDE}[where]
        if where == "both":
            y = x
        before = OUTSIDE.copy()
        wanted = update(x.copy(), y.copy())
        f(x, y, out=out)
        np.testing.assert_allclose(out, wanted, rtol=1e-12)
        OUTSIDE[...] = before
        if where != "strided" and not (where == "both" and k):
            memory[...] = np.cos(np.arange(4.0 * N) * (k + 1))
            bound.bind(x, y, out=out)()
            np.testing.assert_allclose(out, wanted, rtol=1e-12)
        OUTSIDE[...] = before


def test_an_array_from_outside_the_function_as_out():
    table = np.cos(np.arange(40.0))
    behind, ahead = table[:-1], table[1:]
    f, x = jit(lambda x: x * behind), np.full(39, 2.0)
    for _ in range(4):
        wanted = x * behind
        np.testing.assert_array_equal(f(x, out=ahead), wanted)
    step, wanted = f.bind(x, out=ahead), x * behind
    step()
    np.testing.assert_array_equal(ahead, wanted)


@pytest.mark.filterwarnings("ignore::chainrule.errors.ChainruleWarning")
def test_a_function_that_runs_as_plain_python():
    swap, x, y = jit(lambda x, y: (y, x, np.sort(x)[0])), np.array([1.0, 2.0]), np.array([3.0, 4.0])
    for k in range(3):
        found = swap(x, y, out=(x, y, np.zeros(())))
        wanted = [[3.0, 4.0], [1.0, 2.0]]
        assert [x.tolist(), y.tolist()] == (wanted if k % 2 == 0 else wanted[::-1])
        assert found[0] is x


def in_place(f, *args, out):
    """Which arrays of `out` machine code writes directly."""
    f(*args, out=out), f(*args, out=out)
    path = next(iter(f._entries.values())).path
    leaves = out if isinstance(out, tuple) else (out,)
    if path is None:  # decisions look at the arguments once more
        return [False] * len(leaves)
    return [x is y for x, y in zip(places(path, args, leaves), leaves, strict=True)]


def test_what_is_proved_safe_is_written_in_place():
    x, y = np.arange(float(N)), np.ones(N)
    direct = {name: in_place(jit(f), x, y, out=x) for name, f in UPDATES.items()}
    copied = {name for name, found in direct.items() if found == [False]}
    assert copied == {"backwards", "shifted", "twice", "chosen", "a way"}
    assert in_place(jit(lambda x, y: (x + y, x * y)), x, y, out=(x, y)) == [True, True]
    assert in_place(jit(lambda x, y: (x + y, x[::-1] * y)), x, y, out=(x, y)) == [False, True]
    assert in_place(jit(sgd), x, y, out=np.ones(2 * N)[::2]) == [False]


def test_a_step_bound_to_its_own_weights(way):
    w, g = np.ones(4), np.arange(4.0)
    step = jit(sgd).bind(w, g, out=w)
    assert type(step).__name__ == ("Bound" if way else "PlainBound")
    step()
    step()
    np.testing.assert_allclose(w, 1 - 0.2 * g)


# ---- what cannot be


TABLE = np.arange(6.0).reshape(2, 3)
CLOSED = np.zeros((2, 3))
CLOSED.flags.writeable = False
WRONG = [
    (np.zeros((3, 2)), r"out is float64 \[3, 2\]; the result there is float64 \[2, 3\]"),
    (np.zeros((2, 3), "f4"), r"out is float32 \[2, 3\]; the result there is float64"),
    (np.zeros((2, 3), ">f8"), "out is >f8"), (CLOSED, "out is read-only"),
    (TABLE.tolist(), "out is nested as"), ([np.zeros((2, 3))], "out is nested as"),
    (3.0, "out is a float; out is made of NumPy arrays"),
]


@pytest.mark.parametrize(("out", "said"), WRONG)
def test_an_out_that_does_not_fit_says_why(out, said):
    f = jit(lambda x: x * 2)
    for _ in range(3):
        with pytest.raises(InputError, match=said):
            f(TABLE, out=out)
        f(TABLE)


def test_the_name_of_what_does_not_fit():
    f = jit(lambda x: {"a": [x, x + 1], "b": x})
    both = np.zeros((3, 3))
    good = np.zeros((2, 3))
    for _ in range(3):
        with pytest.raises(InputError, match=r"out\['a'\]\[1\] is float64 \[2\]"):
            f(TABLE, out={"a": [good, np.zeros(2)], "b": good.copy()})
        with pytest.raises(InputError, match=r"out\['b'\] shares memory with out\['a'\]\[0\]"):
            f(TABLE, out={"a": [both[:2], good], "b": both[1:]})
        f(TABLE)
    assert not both.any()


def test_what_is_no_array_cannot_be_put_into_one():
    f = jit(lambda x: (x, None))
    with pytest.raises(InputError, match=r"out\[1\] cannot take its part of the result"):
        f(TABLE, out=(TABLE.copy(), np.zeros(2)))


def test_a_call_that_raises_leaves_its_arrays_as_they_were():
    f, x = jit(lambda x, i: x * 2 + x[i][0]), np.arange(4.0)
    f(x, np.array([1, 2])), f(x, np.array([1, 2]))
    for i in ([1, 7], [3, 0]):
        if i == [1, 7]:
            with pytest.raises((ShapeError, IndexError)):
                f(x, np.array(i), out=x)
        assert x.tolist() == [0.0, 1.0, 2.0, 3.0]


def test_traced_values_do_not_go_into_out():
    f, out = jit(lambda x: x * x), np.zeros(())
    with pytest.raises(InputError, match="out cannot take traced values"):
        cr.grad(lambda x: f(x, out=out))(3.0)


def test_an_argument_of_that_name_is_the_functions_own():
    f, g = jit(lambda x, out: x * out), jit(lambda x, **more: x * more["out"])
    for _ in range(3):
        assert f(2.0, out=3.0) == g(2.0, out=3.0) == 6.0


# ---- donated arguments


def test_a_donated_argument_is_the_result():
    step, w, g = jit(sgd, donate=0), np.ones(3), np.array([1.0, 2.0, 3.0])
    for k in range(1, 5):
        assert step(w, g) is w
        np.testing.assert_allclose(w, 1 - 0.1 * k * g, rtol=1e-12)
    assert g.tolist() == [1.0, 2.0, 3.0]


def test_adams_step_on_a_dict():
    rng, keys = np.random.default_rng(0), ("W", "b")
    shapes = {"W": (3, 4), "b": (4,)}
    given = [{k: rng.uniform(0.5, 1, shapes[k]) for k in keys} for _ in range(4)]
    plain = [{k: x.copy() for k, x in tree.items()} for tree in given]
    step = jit(adam, donate=(0, 1, 2))
    for t in range(1, 6):
        grads = {k: rng.standard_normal(shapes[k]) for k in keys}
        found = step(*given[:3], grads, float(t))
        plain[:3] = adam(*plain[:3], grads, float(t))
        for tree, before, wanted in zip(found, given, plain, strict=False):
            for k in keys:
                assert tree[k] is before[k]
                np.testing.assert_allclose(tree[k], wanted[k], rtol=1e-12)


def test_donated_memory_goes_to_the_first_result_like_it():
    f = jit(lambda x, y: (np.sum(x), x[:1] * 2, x * y, x + y, 1.0 * y[0]), donate=(1, 0))
    for _ in range(4):
        x, y = np.array([1.0, 2.0]), np.array([3.0, 4.0])
        total, first, product, added, _ = f(x, y)
        assert (total, first.tolist()) == (3.0, [2.0])
        assert product is y
        assert added is x
        assert [y.tolist(), x.tolist()] == [[3.0, 8.0], [4.0, 6.0]]


def test_numbers_have_no_memory_to_give():
    f = jit(lambda p, g: {k: p[k] - g[k] for k in p}, donate=0)
    for _ in range(4):
        params = {"w": np.ones(2), "s": 3.0}
        found = f(params, {"w": np.ones(2), "s": 1.0})
        assert found["w"] is params["w"]
        assert (found["s"], params["s"]) == (2.0, 3.0)


def test_a_donated_array_that_is_another_argument_as_well():
    f = jit(lambda x, y: x - 0.5 * y[::-1], donate=0)
    for _ in range(4):
        x = np.array([1.0, 2.0, 4.0])
        assert f(x, x) is x
        assert x.tolist() == [-1.0, 1.0, 3.5]


@pytest.mark.parametrize("apart", [0, 1, N - 1, N, N + 1, 2 * N])
def test_donated_arrays_that_overlap_with_others(apart, way):
    step = jit(lambda p, y: {"x": p["x"] - 0.5 * y}, donate=0)
    memory = np.cos(np.arange(4.0 * N))
    for first, second in ((0, 3 * N), (0, 3 * N), (0, apart), (apart, 0), (0, 3 * N)):
        x, y = memory[first : first + N], memory[second : second + N]
        wanted = x - 0.5 * y
        assert step({"x": x}, y)["x"] is x
        np.testing.assert_allclose(x, wanted, rtol=1e-12)
    assert type(step) is (Jitted if way else Plain)


def test_donated_arrays_beside_one_from_outside():
    table = np.cos(np.arange(3.0 * N))
    outside = table[N : 2 * N]
    step = jit(lambda x: x * outside, donate=0)
    for begin in (0, 0, 2 * N, N - 1, N + 1, N, 0):
        x = table[begin : begin + N]
        wanted = x * outside
        assert step(x) is x
        np.testing.assert_allclose(x, wanted, rtol=1e-12)


def test_what_is_donated_to_a_generated_call_may_not_be_read_only():
    step, w, g = jit(sgd, donate=0), np.ones(3), np.ones(3)
    step(w, g), step(w, g), step(w, g)
    w.flags.writeable = False
    with pytest.raises(InputError, match="argument 0 is donated, but read-only"):
        step(w, g)
    assert w.tolist() == pytest.approx([0.7] * 3)
    assert step(np.ones(6)[::2], g).tolist() == pytest.approx([0.9] * 3)


def test_the_same_array_twice_at_the_call_that_compiles():
    f, x = jit(lambda x, y: (np.sum(x), y * 2), donate=1), np.ones(3)
    f(x, x), f(x, x)
    for _ in range(3):
        x, y = np.ones(3), np.ones(3)
        assert f(x, y)[1] is y
        assert (x.tolist(), y.tolist()) == ([1.0] * 3, [2.0] * 3)


def test_a_way_by_decisions_takes_donated_arrays_too():
    f = jit(lambda x: x * 2 if np.sum(x) > 0 else -x, donate=0)
    for k in (1.0, -1.0, 2.0, -2.0, 3.0, -3.0):
        x = np.array([k, k])
        assert f(x) is x
        assert x.tolist() == ([2 * k] * 2 if k > 0 else [-k] * 2)


@pytest.mark.parametrize(
    ("f", "donate", "args", "said"),
    [
        (np.sum, 0, (TABLE,), r"argument 0 is donated, but no result is left .* \[2, 3\]"),
        (lambda x: x * 2, 0, (CLOSED,), "argument 0 is donated, but read-only"),
        (lambda x: x * 2, 1, (TABLE,), "argument 1 is donated, but the call has 1 by position"),
        (lambda p: p[0] + p[1], 0, ([TABLE, TABLE + 1],), r"argument 0\[1\] is donated, but no"),
        (lambda p: [p[0], p[1]], 0, ([TABLE, TABLE],), r"argument 0\[1\] shares memory with"),
    ],
)
def test_what_cannot_be_donated_says_why(f, donate, args, said):
    run, before = jit(f, donate=donate), TABLE.copy()
    for _ in range(3):
        with pytest.raises(InputError, match=said):
            run(*args)
    assert np.array_equal(TABLE, before)


def test_inside_a_gradient_nothing_is_written():
    f, x = jit(lambda x: x * x, donate=0), np.array([1.0, 3.0])
    assert cr.grad(lambda x: np.sum(f(x)))(x).tolist() == [2.0, 6.0]
    assert x.tolist() == [1.0, 3.0]


def test_out_and_donated_arguments_at_once():
    with pytest.raises(InputError, match="out was given, but results already go"):
        jit(sgd, donate=0)(np.ones(2), np.ones(2), out=np.ones(2))

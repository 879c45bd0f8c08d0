"""A checkpointed function keeps none of its inner arrays, and all of its meaning."""

import gc
import tracemalloc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.circuit.record import BY_NAME
from chainrule.errors import InputError, OutputError, ShapeError, TraceError

X = np.linspace(-1.0, 1.0, 5)


def block(h):
    a = np.tanh(h * 0.9)
    b = a * h
    h = h + 0.1 * np.exp(-b * b)
    return h


def chain(step, count):
    def f(x):
        h = x
        for _ in range(count):
            h = step(h)
        return (h * h).sum()

    return f


def repeated(step, count):
    def steps(h):
        for _ in range(count):
            h = step(h)
        return h

    return steps


PLAIN = chain(block, 8)
CHECKPOINTED = {
    "by blocks": chain(cr.checkpoint(block), 8),
    "as a whole": cr.checkpoint(PLAIN),
    "twice": chain(cr.checkpoint(cr.checkpoint(block)), 8),
    "nested": chain(cr.checkpoint(repeated(cr.checkpoint(block), 4)), 2),
    "three deep": cr.checkpoint(
        chain(cr.checkpoint(repeated(cr.checkpoint(repeated(cr.checkpoint(block), 2)), 2)), 2)
    ),
}
all_ways = pytest.mark.parametrize("f", CHECKPOINTED.values(), ids=CHECKPOINTED)


@all_ways
def test_gradients_keep_every_bit(f):
    for found, wanted in (
        (cr.value_and_grad(f)(X), cr.value_and_grad(PLAIN)(X)),
        (cr.jvp(f, (X,), (X,)), cr.jvp(PLAIN, (X,), (X,))),
    ):
        assert found[0] == wanted[0]
        np.testing.assert_array_equal(found[1], wanted[1])


@all_ways
def test_second_order(f):
    np.testing.assert_allclose(cr.hessian(f)(X), cr.hessian(PLAIN)(X), rtol=1e-12, atol=1e-14)
    found, wanted = cr.hvp(f, (X,), (X,)), cr.hvp(PLAIN, (X,), (X,))
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_third_order():
    def slope(f, x):
        return cr.grad(lambda x: cr.grad(lambda x: cr.grad(f)(x).sum())(x).sum())(x)

    found = slope(CHECKPOINTED["nested"], X)
    np.testing.assert_allclose(found, slope(PLAIN, X), rtol=1e-11)


def test_a_pullback_can_be_used_again_and_jacobians_go_both_ways():
    step = cr.checkpoint(repeated(block, 3))
    _, pullback = cr.vjp(step, X)
    _, plain = cr.vjp(repeated(block, 3), X)
    for dout in (X, X * X):
        np.testing.assert_array_equal(pullback(dout)[0], plain(dout)[0])
    wide = lambda h: np.concatenate([step(h), h])  # taller than wide: by columns
    both = lambda h: np.concatenate([repeated(block, 3)(h), h])
    np.testing.assert_array_equal(cr.jacobian(wide)(X), cr.jacobian(both)(X))
    np.testing.assert_array_equal(cr.jacobian(step)(X), cr.jacobian(repeated(block, 3))(X))


@pytest.fixture
def clipped():
    """The arrays that clip was computed of, while a function is differentiated."""
    gate, seen = BY_NAME["clip"], []
    evaluate = gate.evaluate
    object.__setattr__(gate, "evaluate", lambda x, *bounds: seen.append(x) or evaluate(x, *bounds))
    yield seen
    object.__setattr__(gate, "evaluate", evaluate)


def clipping(h):
    return np.tanh(h.clip(-0.5, 0.5) * 1.5) * h


@pytest.mark.parametrize(
    ("f", "times"),
    [
        (chain(clipping, 4), [1, 1, 1, 1]),
        (chain(cr.checkpoint(clipping), 4), [2, 2, 2, 2]),
        (cr.checkpoint(chain(clipping, 4)), [2, 2, 2, 2]),
        (chain(cr.checkpoint(repeated(cr.checkpoint(clipping), 2)), 2), [3, 2, 3, 2]),
    ],
    ids=["plain", "by blocks", "as a whole", "nested"],  # of an outer call the last is still there
)
def test_each_gate_runs_once_more_for_each_level(f, times, clipped):
    cr.grad(f)(X)
    different = [x for n, x in enumerate(clipped) if n < 4]
    assert [sum(np.array_equal(x, y) for y in clipped) for x in different] == times


def test_inner_arrays_go_when_the_call_is_over():
    def step(h):
        inner = np.tanh(h)
        array = inner.value
        made.append(weakref.ref(array if isinstance(array, np.ndarray) else array.value))
        return inner * h

    def f(x):
        h = cr.checkpoint(step)(x)
        gone.append(made[-1]() is None)
        return h.sum()

    made, gone = [], []
    for slope in (cr.grad(f), lambda x: cr.grad(lambda x: cr.grad(f)(x).sum())(x)):
        slope(X)
    assert gone == [True, True]


def peak(f, x):
    """Bytes at the most while f is differentiated."""
    g = cr.value_and_grad(f)
    g(x[:3])
    gc.collect()
    tracemalloc.start()
    g(x)
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def test_memory():
    x = np.linspace(-1.0, 1.0, 10_000)
    plain = peak(chain(block, 64), x)
    assert peak(chain(cr.checkpoint(block), 64), x) < plain / 4
    nested = chain(cr.checkpoint(repeated(cr.checkpoint(block), 8)), 8)
    assert peak(nested, x) < plain / 10
    in_eights = chain(cr.checkpoint(repeated(block, 8)), 8)
    assert peak(in_eights, x) < plain / 4
    quarters = chain(cr.checkpoint(repeated(cr.checkpoint(repeated(block, 16)), 2)), 2)
    assert peak(quarters, x) < plain / 3  # one of the two inner calls at a time


def test_what_was_kept_by_another_way_than_the_return_value_still_works():
    def with_memory(step):
        inner = []

        def remembering(h):
            inner.append(np.tanh(h) * h)
            inner.append(np.exp(-inner[-1]))
            return inner[-1] + h * h

        def f(x):
            h = x
            for _ in range(3):
                h = step(remembering)(h)
                h = h + inner[-2].sum() * inner[0]  # a value of this call, and one of the first
            out = (h * inner[-1] * inner[2]).sum()
            inner.clear()
            return out

        return f

    found, wanted = (cr.value_and_grad(with_memory(s)) for s in (cr.checkpoint, lambda f: f))
    for a, b in zip(found(X), wanted(X), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_long_chain_of_calls_that_read_each_others_inner_values():
    def f(x, checkpoint):
        inner = [x]

        def step(h):
            inner.append(h * 1.001 + inner[-1] * 0.001)
            return inner[-1] * 1.0

        h = x
        for _ in range(3000):  # more than Python's limit of calls in calls
            h = checkpoint(step)(h)
        return inner[-1].sum()

    found, plain = (cr.grad(lambda x, s=s: f(x, s))(X) for s in (cr.checkpoint, lambda f: f))
    np.testing.assert_array_equal(found, plain)


def test_arguments_and_results_of_every_kind():
    def parts(params, x, *, scale, name):
        assert name == "plain"
        h = np.tanh(params["W"] @ x + params["b"])
        return {"h": h, "both": (h * scale, [x, None])}, 7

    def f(params, x, step):
        found, seven = step(parts)(params, x, scale=2, name="plain")
        twice, (same, nothing) = found["both"]
        assert nothing is None
        return (found["h"] * twice * same).sum() * seven

    params = {"W": np.arange(9.0).reshape(3, 3) / 9, "b": np.ones(3)}
    found = cr.grad(f, (0, 1))(params, np.ones(3), cr.checkpoint)
    wanted = cr.grad(f, (0, 1))(params, np.ones(3), lambda f: f)
    np.testing.assert_array_equal(found[0]["W"], wanted[0]["W"])
    np.testing.assert_array_equal(found[0]["b"], wanted[0]["b"])
    np.testing.assert_array_equal(found[1], wanted[1])


def test_the_same_gates_run_again_where_a_gradient_is_differentiated():
    def gates(step):
        def f(x):
            return (step(lambda x: np.cumsum(x * x))(x) ** 2).sum()

        w = cr.circuit(lambda x: cr.grad(f)(x).sum())(X)
        return {stage.gate.name for stage in w.circuit.stages()}

    assert gates(cr.checkpoint) == gates(lambda f: f)


def test_closures_and_methods_are_checkpointed_too():
    class Layer:
        def __init__(self, W):
            self.W = W

        @cr.checkpoint
        def __call__(self, h):
            """A layer."""
            return np.tanh(self.W @ h)

    assert Layer.__call__.__doc__ == "A layer."

    def f(W):
        layer = Layer(W)
        return layer(layer(np.ones(3))).sum() + cr.checkpoint(lambda: np.tanh(W).sum())()

    W = np.arange(9.0).reshape(3, 3) / 9
    plain = lambda W: np.tanh(W @ np.tanh(W @ np.ones(3))).sum() + np.tanh(W).sum()
    np.testing.assert_array_equal(cr.grad(f)(W), cr.grad(plain)(W))
    assert len(cr.circuit(f)(W).circuit.regions) == 3


@cr.group(local=lambda x, out: 3 * out * (1 - out))  # three times what its stages would give
def ruled(x):
    e = np.exp(-x)
    return 1 / (1 + e)


logistic = cr.group(lambda x: 1 / (1 + np.exp(-x)))
hypotenuse = cr.gate(lambda x, y: np.sqrt(x * x + y * y), local=lambda x, y, out: (2 * x / out, 0))
share = cr.gate(lambda x: np.exp(x) / np.sum(np.exp(x)), samples=[X])


def of_users_gates(h):
    a = ruled(h) + logistic(h * 2)
    return hypotenuse(a, h) * share(a)


def test_users_gates_and_groups_keep_their_rules_inside():
    plain, kept = (chain(f, 3) for f in (of_users_gates, cr.checkpoint(of_users_gates)))
    for derivative in (cr.grad, cr.jacobian):
        np.testing.assert_array_equal(derivative(kept)(X), derivative(plain)(X))
    np.testing.assert_allclose(cr.hessian(kept)(X), cr.hessian(plain)(X), rtol=1e-13)
    assert cr.jvp(kept, (X,), (X,)) == cr.jvp(plain, (X,), (X,))
    many = np.stack([X, X * X])
    np.testing.assert_array_equal(cr.vmap(cr.grad(kept))(many), cr.vmap(cr.grad(plain))(many))
    w, same = cr.circuit(kept)(X), cr.circuit(plain)(X)
    np.testing.assert_array_equal(w["x"].grad, same["x"].grad)
    assert len(w.circuit.regions) == 3 and w.circuit.groups == same.circuit.groups
    space = {}
    exec(compile(w.code(recompute=True), "<printed>", "exec"), space)
    np.testing.assert_allclose(space["f_grad"](X)[1], w["x"].grad, rtol=1e-14)


def test_a_checkpoint_inside_a_group_with_a_rule():
    inner = lambda x: np.exp(np.sin(x)) * x
    plain, kept = (cr.group(f, local=lambda x, out: 2 * out) for f in (inner, cr.checkpoint(inner)))
    for derivative in (cr.grad, cr.hessian):
        found, wanted = (derivative(lambda x, f=f: np.sum(f(x) * x))(X) for f in (kept, plain))
        np.testing.assert_array_equal(found, wanted)


def test_outside_of_a_gradient_it_just_runs():
    step = cr.checkpoint(block)
    assert step.__name__ == "block"
    np.testing.assert_array_equal(step(X), block(X))
    assert cr.checkpoint(lambda: None)() is None


def test_where_pythons_numbers_raise_the_gradient_is_numpys():
    def f(x, step):
        return step(lambda x: np.tanh(x * np.ones(3)).sum())(x) + 1 / x

    with np.errstate(all="ignore"):
        assert cr.grad(f)(0.0, cr.checkpoint) == -np.inf == cr.grad(f)(0.0, lambda f: f)


def test_arrays_made_of_numbers():
    def f(x, step):
        return step(lambda x: np.exp(np.stack([x, x * 2.0])).sum())(x) * x

    for slope in (cr.grad, lambda f: cr.grad(cr.grad(f))):
        found, plain = (slope(lambda x, s=s: f(x, s))(0.5) for s in (cr.checkpoint, lambda f: f))
        assert found == pytest.approx(plain, rel=1e-15)


def test_errors_inside_leave_the_trace_usable():
    def failing(h):
        np.tanh(h)
        raise ArithmeticError("not today")

    def wrong_shapes(h, part):
        with pytest.raises(ShapeError):
            h + part
        return h

    def f(x):
        with pytest.raises(ArithmeticError):
            cr.checkpoint(failing)(x)
        return block(cr.checkpoint(wrong_shapes)(x, x[:2])).sum()

    np.testing.assert_array_equal(cr.grad(f)(X), cr.grad(lambda x: block(x).sum())(X))
    assert cr.circuit(f)(X).circuit.regions == ()


def test_a_value_of_a_finished_trace_still_raises():
    kept = []
    cr.grad(lambda x: cr.checkpoint(lambda x: kept.append(x * 2) or (x * x).sum())(x))(X)
    with pytest.raises(TraceError, match="has finished"):
        kept[0] + 1


def test_the_result_given_for_the_function():
    with pytest.raises(InputError, match=r"(?s)test_checkpoint.py line.*checkpoint\(f\)\(x\)"):
        cr.checkpoint(block(X))


def test_views_see_the_users_own_stages():
    def f(x, step):
        h = step(block)(x)
        q = step(block)(h)
        return (q * h).sum()

    found, plain = (cr.circuit(lambda x, s=s: f(x, s))(X) for s in (cr.checkpoint, lambda f: f))
    assert found.code() == plain.code()
    assert str(found) == str(plain)
    assert found["q"].value is not None and found.check()
    assert len(found.circuit.regions) == 2 and plain.circuit.regions == ()


def test_a_worked_circuit_whose_output_was_let_go():
    def f(x):
        kept = []
        cr.checkpoint(lambda x: kept.append(x * 2) or x * 3)(x)
        return kept[0]

    with pytest.raises(OutputError, match=r"array of shape \[5\]"):
        cr.circuit(f)(X)
    np.testing.assert_array_equal(cr.circuit(f)(X, output_grad=X)["x"].grad, 2 * X)
    np.testing.assert_array_equal(cr.jacobian(f)(X), 2 * np.eye(5))


def test_machine_code_of_a_checkpointed_function_of_numbers():
    f = lambda x: cr.checkpoint(lambda x: np.exp(-x * x))(x) * x
    g = cr.jit(cr.value_and_grad(f))
    for _ in range(3):
        assert g(0.5) == pytest.approx(cr.value_and_grad(f)(0.5), rel=1e-15)


STEPS = [
    lambda x, y: x + y, lambda x, y: x * y, lambda x, y: np.tanh(x) - y,
    lambda x, y: np.exp(-x * x), np.maximum, lambda x, y: x.reshape(1, 3) * y,
    lambda x, y: x.sum() * y,
]
choice = st.integers(0, 10**6)
programs = st.recursive(
    st.lists(st.tuples(choice, choice, choice), min_size=1, max_size=6),
    lambda inner: st.lists(inner | st.tuples(choice, choice, choice), min_size=1, max_size=4),
    max_leaves=6,
)


def ran(program, wires, step):
    """Run a program; a list inside it is a call of its own that gives its last two wires."""

    for item in program:
        if isinstance(item, list):
            wires = [*wires, *step(lambda *w, item=item: ran(item, list(w), step)[-2:])(*wires)]
        else:
            op, a, b = item
            one, two = wires[a % len(wires)], wires[b % len(wires)]
            wires = [*wires, STEPS[op % len(STEPS)](one.reshape(3), two.reshape(3)).reshape(3)]
    return wires


@settings(max_examples=100, deadline=None)
@given(programs, st.integers(0, 99))
def test_random_programs(program, seed):
    x, y = np.random.default_rng(seed).normal(size=(2, 3))

    def f(step):
        return lambda x, y: sum(ran(program, [x, y], step)[-2:]).sum()

    with np.errstate(all="ignore"):
        wanted = cr.grad(f(lambda f: f), (0, 1))(x, y)
        found = cr.grad(f(cr.checkpoint), (0, 1))(x, y)
        code = cr.circuit(f(cr.checkpoint))(x, y).code(recompute=True)
        space = {}
        exec(compile(str(code), "<printed>", "exec"), space)
        _, printed = space["f_grad"](x, y)
    for a, b, c in zip(found, printed, wanted, strict=True):
        np.testing.assert_array_equal(a, c)
        np.testing.assert_array_equal(b, c)

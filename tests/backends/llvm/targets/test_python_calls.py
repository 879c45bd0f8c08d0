"""Generated calls give what the plain path gives, whatever they are given, whoever interferes."""

import copy
import gc
import sys
import weakref
from collections import OrderedDict, defaultdict
from types import MappingProxyType

import numpy as np
import pytest

import chainrule as cr
from chainrule.api.jit import Jitted, Plain, jit
from chainrule.backends.llvm.targets import python_calls
from chainrule.errors import InputError, PlaceError


@pytest.fixture(params=["plain", "generated"], autouse=True)
def way(request, monkeypatch):
    """How calls are made; where calls are never generated, both ways are the plain one."""
    monkeypatch.setenv("CHAINRULE_CALL", request.param)
    is_generated = request.param == "generated" and python_calls.IS_ALLOWED
    return Jitted if is_generated else Plain


def warmed(f, *args):
    """f jitted, after the calls that compile it for these arguments."""
    run = jit(f)
    run(*args), run(*args)
    return run


def outcome(f, *args, **kwargs):
    """What a call gives or raises, comparable bit by bit."""
    try:
        result = f(*args, **kwargs)
    except Exception as error:
        return type(error), str(error)
    return flat(result)


def flat(x):
    if isinstance(x, tuple | list):
        return type(x), tuple(map(flat, x))
    if isinstance(x, dict):
        return type(x), tuple(x), tuple(map(flat, x.values()))
    array = np.asarray(x)
    bits = repr(x) if array.dtype.hasobject else array.tobytes()
    return type(x), getattr(x, "dtype", None), getattr(x, "shape", None), bits


def combine(x, y):
    return x * y + x, (y - x, (x * x,), ()), x > y, 2 * x


def test_calls_go_through_the_slot_and_make_no_tuple_of_the_arguments(way):
    has_slot = 1 << 11  # Py_TPFLAGS_HAVE_VECTORCALL
    assert bool(way.__flags__ & has_slot) is (way is Jitted)
    assert not Plain.__flags__ & has_slot


def test_numbers_in_and_nested_tuples_out(way):
    run = warmed(combine, 3.0, 4.0)
    assert type(run) is way
    assert run(1.5, -2.0) == (-1.5, (-3.5, (2.25,), ()), True, 3.0)
    assert type(run(1.5, -2.0)[2]) is bool


class Mine(float):
    def __mul__(self, other):
        return "mine"


class Matrix(np.ndarray):
    pass


TABLE = np.arange(6.0).reshape(2, 3)
ODD_NUMBERS = [
    (True, 2.0), (1, 2), (np.float64(1.5), 2.0), (np.float32(1.5), 2.0), (10**400, 2.0), (1j, 2.0),
    ("x", 2.0), (None, 2.0), (np.array(2.0), 2.0), (), (1.0,), (1.0, 2.0, 3.0), (TABLE, 2.0),
    (float("nan"), -0.0), (float("inf"), 5e-324),
]


@pytest.mark.filterwarnings("ignore::chainrule.errors.ChainruleWarning")
@pytest.mark.parametrize("args", ODD_NUMBERS, ids=repr)
def test_what_is_no_pair_of_floats_takes_the_plain_path(args, monkeypatch):
    run, other = warmed(combine, 3.0, 4.0), warmed(combine, 3.0, 4.0)
    for _ in range(3):
        assert outcome(run, *args) == outcome(other._plainly, *args)
    assert run(1.5, -2.0)[0] == -1.5


@pytest.mark.filterwarnings("ignore::chainrule.errors.ChainruleWarning")
def test_a_subclass_of_float_is_not_taken_for_a_float():
    run = warmed(lambda x, y: x * y, 3.0, 4.0)
    assert run(Mine(2.0), 3.0) == jit(lambda x, y: x * y)(Mine(2.0), 3.0)


def test_keywords_and_wrong_counts():
    run = warmed(lambda x, y=2.0: x - y, 5.0, 1.0)
    assert run(5.0, y=1.0) == run(x=5.0, y=1.0) == run(*[5.0], **{"y": 1.0}) == 4.0
    assert run(5.0) == 3.0
    assert run.__call__(5.0, 1.0) == 4.0
    for args, kwargs in (((), {}), ((1.0, 2.0, 3.0), {}), ((1.0, 2.0), {"z": 1.0})):
        with pytest.raises(TypeError):
            run(*args, **kwargs)


def test_traced_values_go_through():
    run = warmed(lambda x, y: x * y, 2.0, 3.0)
    f = lambda x: run(x, 3.0) * run(x, x)
    assert cr.grad(f)(2.0) == 36.0
    assert cr.grad(cr.grad(f))(2.0) == 36.0
    assert jit(cr.grad(f))(2.0) == 36.0


def test_decisions_are_looked_at():
    run = jit(lambda x: (x * x, x) if x > 0 else (-x, x))
    for x in (3.0, -3.0, 2.0, -2.0, 0.0, 5.0, -5.0):
        assert run(x) == ((x * x, x) if x > 0 else (-x, x))


# ---- arrays


def affine(w, x, b):
    h = np.tanh(w @ x + b)
    return np.sum(h * h), (h, 2 * w)


def an_array_call(dtype=float):
    return (TABLE + 1).astype(dtype), np.array([0.5, -1.0, 0.25], dtype), 0.125


def test_arrays_in_and_out(way):
    args = an_array_call()
    run = warmed(affine, *args)
    assert type(run) is way
    assert outcome(run, *args) == outcome(run._plainly, *args)
    first, second = run(*args), run(*args)
    assert not np.shares_memory(first[1][0], second[1][0])
    assert first[1][0].flags.owndata
    assert first[1][0].flags.writeable


def test_single_precision(way):
    args = (*an_array_call(np.float32)[:2], 0.125)
    run = warmed(affine, *args)
    assert type(run) is way
    assert outcome(run, *args) == outcome(run._plainly, *args)
    assert [type(run(*args)[0]), run(*args)[1][0].dtype] == [np.float32, np.float32]


def odd_arrays():
    """Arrays that hold the numbers of TABLE, and some that do not."""
    bytes_ = np.zeros(TABLE.nbytes + 1, np.uint8)[1:]
    misaligned = bytes_.view(float).reshape(2, 3)
    misaligned[:] = TABLE
    read_only = TABLE.copy()
    read_only.flags.writeable = False
    return {
        "columns first": np.asfortranarray(TABLE), "strided": np.repeat(TABLE, 2, 1)[:, ::2],
        "backwards": TABLE[::-1, ::-1].copy()[::-1, ::-1], "misaligned": misaligned,
        "byteswapped": TABLE.astype(TABLE.dtype.newbyteorder()), "read-only": read_only,
        "own dtype": TABLE.astype(np.dtype(float, metadata={"of": "mine"})),
        "subclass": TABLE.view(Matrix), "single": TABLE.astype("f4"), "whole": TABLE.astype(int),
        "other shape": TABLE.T.copy(), "longer": np.ones((2, 4)), "flat": TABLE.ravel(),
        "empty": np.ones((0, 3)), "number": 2.0, "objects": TABLE.astype(object),
        "list": TABLE.tolist(), "spread": np.broadcast_to(np.ones(3), (2, 3)),
    }


@pytest.mark.filterwarnings("ignore::chainrule.errors.ChainruleWarning")
@pytest.mark.parametrize("name", odd_arrays())
def test_arrays_of_other_kinds_take_the_plain_path(name):
    x = odd_arrays()[name]
    f = lambda x, y: (x * y, np.sum(x))
    run, other = warmed(f, TABLE, 2.0), warmed(f, TABLE, 2.0)
    for _ in range(3):
        assert outcome(run, x, 2.0) == outcome(other._plainly, x, 2.0)


def test_an_index_out_of_range_is_told_as_on_the_plain_path():
    run = warmed(lambda x, i: x[i] * 2, np.arange(4.0), np.array([0, 3]))
    assert run(np.arange(4.0), np.array([1, 2])).tolist() == [2.0, 4.0]
    with pytest.raises(PlaceError, match="index 4 is out of bounds for an axis of 4 numbers"):
        run(np.arange(4.0), np.array([1, 4]))


def test_arrays_from_outside_are_read_at_each_call():
    table = np.arange(3.0)
    run = warmed(lambda x: x * table, np.ones(3))
    table[1] = 10.0
    assert run(np.ones(3)).tolist() == [0.0, 10.0, 2.0]


@pytest.mark.parametrize("view", [lambda t: t[::-1], lambda t: t[::2], lambda t: t.astype(">f8")])
def test_arrays_from_outside_with_gaps_are_read_at_each_call(view):
    table = np.arange(4.0)
    outside = view(table)
    run = warmed(lambda x: x * outside, np.ones(len(outside)))
    outside[1] = 10.0
    assert run(np.ones(len(outside))).tolist() == outside.tolist()


def test_more_room_than_the_stack_has(way):
    x = np.linspace(0.0, 1.0, 30_000).reshape(100, 300)
    run = warmed(lambda x: np.sum((x @ x.T) @ x, axis=0), x)
    assert type(run) is way
    assert outcome(run, x) == outcome(run._plainly, x)


# ---- containers


def layers(params, x, rate):
    (w, b), scale = params["layers"], params["scale"]
    h = np.tanh(x @ w + b) * scale
    more = {"layers": [rate * w, rate * b], "last": (h[0], [], {}), "scale": 2.0 * scale}
    return np.sum(h * h), more


def a_nested_call():
    return {"layers": [TABLE.T + 1, np.array([0.5, -1.0])], "scale": 1.5}, TABLE, 0.125


def test_containers_in_and_out(way):
    args = a_nested_call()
    run = warmed(layers, *args)
    assert type(run) is way
    assert outcome(run, *args) == outcome(run._plainly, *args)
    assert list(run(*args)[1]) == ["layers", "last", "scale"]
    first, second = run(*args), run(*args)
    assert not np.shares_memory(first[1]["layers"][0], second[1]["layers"][0])


def test_a_net_and_its_gradients(way):
    def loss(params, x, labels):
        scores = np.maximum(x @ params["W1"] + params["b1"], 0) @ params["W2"] + params["b2"]
        shifted = scores - np.max(scores, axis=1, keepdims=True)
        logp = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
        return -np.mean(logp[np.arange(len(labels)), labels])

    sizes = {"W1": (3, 5), "b1": (5,), "W2": (5, 4), "b2": (4,)}
    params = {name: np.cos(np.arange(np.prod(s))).reshape(s) for name, s in sizes.items()}
    given = params, TABLE, np.array([3, 1])
    step = warmed(cr.value_and_grad(loss), *given)
    assert type(step) is way
    value, gradients = step(*given)
    eager = cr.value_and_grad(loss)(*given)
    assert value == pytest.approx(eager[0], rel=1e-13)
    for name in sizes:
        np.testing.assert_allclose(gradients[name], eager[1][name], rtol=1e-12)


class MyList(list):
    pass


class MyStr(str):
    __slots__ = ()


PLAIN = a_nested_call()[0]
ODD_CONTAINERS = {
    "tuple for a list": PLAIN | {"layers": tuple(PLAIN["layers"])},
    "list of a class": PLAIN | {"layers": MyList(PLAIN["layers"])},
    "ordered": OrderedDict(PLAIN), "with a default": defaultdict(list, PLAIN),
    "closed": MappingProxyType(PLAIN), "other order": dict(reversed(PLAIN.items())),
    "a key more": PLAIN | {"more": 1.0}, "a key less": {"layers": PLAIN["layers"]},
    "another key": {"layers": PLAIN["layers"], "Scale": 1.5}, "empty": {},
    "a key of a class": {MyStr("layers"): PLAIN["layers"], "scale": 1.5},
    "a whole key": {"layers": PLAIN["layers"], 1: 1.5},
    "longer": PLAIN | {"layers": [*PLAIN["layers"], 1.0]},
    "shorter": PLAIN | {"layers": PLAIN["layers"][:1]}, "no list": PLAIN | {"layers": []},
    "none": PLAIN | {"scale": None}, "whole": PLAIN | {"scale": 2}, "text": PLAIN | {"scale": "x"},
    "a scalar": PLAIN | {"scale": np.float64(1.5)},
    "keys made anew": {"".join(list(key)): x for key, x in PLAIN.items()},
    "other shape": PLAIN | {"layers": [TABLE, PLAIN["layers"][1]]},
}


@pytest.mark.filterwarnings("ignore::chainrule.errors.ChainruleWarning")
@pytest.mark.parametrize("name", ODD_CONTAINERS)
def test_other_containers_take_the_plain_path(name):
    params, args = ODD_CONTAINERS[name], a_nested_call()
    run, other = warmed(layers, *args), warmed(layers, *args)
    for _ in range(3):
        assert outcome(run, params, *args[1:]) == outcome(other._plainly, params, *args[1:])
    assert outcome(run, *args) == outcome(other._plainly, *args)


def test_a_function_may_go_by_the_order_of_keys():
    run = warmed(lambda p: next(iter(p.values())) * 2, {"a": 1.0, "b": 3.0})
    assert run({"b": 3.0, "a": 1.0}) == 6.0
    assert [run({"a": 1.0, "b": 3.0}), run({"b": 3.0, "a": 1.0})] == [2.0, 6.0]


def test_a_numpy_scalar_is_a_kind_of_its_own(way):
    run = warmed(lambda x, y: (x * y, [x]), np.float64(3.0), 2.0)
    assert type(run) is way
    assert outcome(run, np.float64(1.5), 2.0) == outcome(run._plainly, np.float64(1.5), 2.0)
    assert outcome(run, 1.5, 2.0) == outcome(jit(run._f), 1.5, 2.0)


# ---- lifetimes


def test_it_may_be_deleted_or_called_again_while_its_fallback_runs():
    seen = []

    def f(x):
        if "run" in kept:
            seen.append(kept["run"](2.0))
            del kept["run"]
            gc.collect()
        return x * x

    kept = {}
    run = warmed(f, 3.0)
    kept["run"] = run
    del run
    assert kept["run"](2) == 4  # an int is a kind of its own: it is traced
    assert seen == [4.0]
    assert kept == {}


def test_it_may_be_compiled_anew_while_its_fallback_runs():
    def f(x):
        if x.__class__ is not float and len(kinds) < 3:
            kinds.append(x.__class__)
            for _ in range(3):
                run(np.ones(len(kinds)))
        return x * x

    kinds = []
    run = jit(f)
    for _ in range(4):
        assert run(2.0) == 4.0
        assert run(np.ones(2)).tolist() == [1.0, 1.0]


def test_nothing_keeps_it_when_it_is_not_used(way):
    run = warmed(lambda x: x * x, 3.0)
    there = weakref.ref(run)
    held = len(python_calls.HELD)
    del run
    assert there() is None  # at once, without the garbage collector
    assert len(python_calls.HELD) == held - (way is Jitted)


def test_a_call_while_it_is_taken_apart(way):
    run = warmed(lambda x: x * x, 3.0)
    if way is Jitted:  # as the garbage collector does, in either order
        python_calls.ENTRY.__delete__(run)
        assert run(3.0) == 9.0
        python_calls.FALLBACK.__delete__(run)
        with pytest.raises(ReferenceError, match="this function is being deleted"):
            run(3.0)


def test_a_cycle_through_it_is_collected():
    run = warmed(lambda x: x * x, 3.0)
    run.itself, there, held = run, weakref.ref(run), len(python_calls.HELD)
    del run
    gc.collect()
    assert there() is None
    assert len(python_calls.HELD) < held or held == 0


def test_copies_are_itself():
    run = warmed(lambda x: x * x, 3.0)
    assert copy.copy(run) is run
    assert copy.deepcopy([run])[0] is run
    with pytest.raises(TypeError):
        Jitted.__new__(Jitted)(1.0)  # it has no code


def test_calls_leave_no_references_behind():
    run, nested = warmed(affine, *an_array_call()), warmed(layers, *a_nested_call())
    x, y, wrong = an_array_call(), a_nested_call(), (TABLE, TABLE, 2.0)
    inside = [*y[0], *y[0].values(), *y[0]["layers"]]
    watched = [*x, *y, *inside, *wrong, *gc.get_referents(run), *gc.get_referents(nested)]
    counts = []
    for _ in range(4):
        for _ in range(50):
            run(*x)
            nested(*y)
            nested(y[0], TABLE, rate=0.5)
            with pytest.raises(ValueError):
                run(*wrong)
        gc.collect()  # errors know their frames
        counts.append([sys.getrefcount(o) for o in watched])
    assert counts[1] == counts[2] == counts[3]


def test_a_wish_that_there_is_not(monkeypatch):
    monkeypatch.setenv("CHAINRULE_CALL", "fast")
    with pytest.raises(InputError, match="CHAINRULE_CALL is 'fast'; it may be plain or generated"):
        warmed(lambda x: x * x, 3.0)

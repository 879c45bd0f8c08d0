"""Real code runs on a recorder that keeps, as the tracer does, only (code object, f_lasti)."""

import gc
import sys
import weakref

import pytest

from chainrule.trace import places
from chainrule.trace.places import Destination, Span, destination, returned_names, span


class Value:
    """Every operation makes a new one, which knows the two frames it was made under."""

    def __init__(self, depth=1):
        frame = sys._getframe(depth)
        self.place = frame.f_code, frame.f_lasti
        self.caller = frame.f_back and (frame.f_back.f_code, frame.f_back.f_lasti)
        self.set_by = None

    def operate(self, *others):
        return Value(2)

    __add__ = __radd__ = __mul__ = __sub__ = __neg__ = __lt__ = __getitem__ = operate

    def __setitem__(self, key, value):
        self.set_by = Value(2)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Value(2)

    def __iter__(self):
        return iter((Value(2), Value(2)))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None


X, Y = Value(), Value()


def goes(value, path=()):
    return destination(*value.place, path)


def names(value, path=()):
    return goes(value, path).names


def called(value, path=()):
    """Where the result of the call goes inside which `value` was made."""
    return destination(*value.caller, path)


def text(value):
    """What span() says of `value`, cut out of this file."""
    at = span(*value.place)
    with open(__file__, "rb") as file:
        lines = file.read().splitlines()[at.line - 1 : at.end_line]
    lines[-1] = lines[-1][: at.end_column]
    lines[0] = lines[0][at.column :]
    return b"\n".join(lines).decode()


def run(source, **given):
    """The variables of a module whose source no file holds."""
    variables = {"x": X, "y": Y, **given}
    exec(compile(source, "<no file>", "exec"), variables)
    return variables


# One value, one variable or several.


def test_assignment():
    def f(x, y):
        c = x * y
        return None, c

    assert goes(f(X, Y)[1]) == Destination(("c",), None)


def test_chained_assignment_names_in_order():
    def f(x, y):
        a = b = c = x * y
        return None, a, b, c

    assert names(f(X, Y)[1]) == ("a", "b", "c")


def test_augmented_assignment():
    def f(x, y):
        x *= y
        y += x
        return [x, y]

    x, y = f(X, Y)
    assert (names(x), names(y)) == (("x",), ("y",))


def test_rebinding_names_every_value():
    def f(x, y):
        x = x * y
        kept = x
        x = x + y
        return [kept, x]

    assert [names(value) for value in f(X, Y)] == [("x",), ("x",)]


def test_annotated_assignment():
    def f(x, y):
        c: Value = x * y
        return [c]

    assert names(f(X, Y)[0]) == ("c",)


def test_walrus_names_and_goes_on():
    def f(x, y):
        return (a := x * y), a + y

    product, total = f(X, Y)
    assert goes(product) == Destination(("a",), (0,))
    assert goes(total) == Destination((), (1,))


def test_walrus_then_used():
    def f(x, y):
        c = (a := x * y) + y
        return [a, c]

    a, c = f(X, Y)
    assert (names(a), names(c)) == (("a",), ("c",))


def test_walrus_then_stored():
    def f(x, y):
        b = (a := x * y)
        return [a, b]

    assert names(f(X, Y)[0]) == ("a", "b")


def test_unary_comparison_item_and_attribute_make_values():
    def f(x, y):
        a = -x
        b = x < y
        c = x[0]
        d = x.T
        return [a, b, c, d]

    assert [names(value) for value in f(X, Y)] == [("a",), ("b",), ("c",), ("d",)]


# Tuples: CPython swaps up to three items and builds and unpacks four or more.


@pytest.mark.parametrize("count", [2, 3, 4, 5, 17])
def test_tuple_assignment(count):
    targets = ", ".join(f"v{k}" for k in range(count))
    products = ", ".join(["x * y"] * count)
    variables = {}
    exec(f"def f(x, y):\n    {targets} = {products}\n    return [{targets}]", variables)
    made = variables["f"](X, Y)
    assert [names(value) for value in made] == [(f"v{k}",) for k in range(count)]


def test_tuple_in_the_midst_of_others():
    def f(x, y):
        a, b, c = x, x * y, y
        d, e = 1, x * y
        return [a, b, c, d, e]

    made = f(X, Y)
    assert (names(made[1]), names(made[4])) == (("b",), ("e",))


def test_tuple_swap_of_two_variables():
    def f(x, y):
        x, y = y + x, x * y
        return [x, y]

    assert [names(value) for value in f(X, Y)] == [("x",), ("y",)]


def test_tuple_to_one_name_twice():
    def f(x, y):
        a, a = (first := x * y), x + y
        return [first, a]

    first, a = f(X, Y)
    assert names(first)[0] == "first"
    assert names(a) == ("a",)


def test_nested_tuple():
    def f(x, y):
        (a, b), c = (x * y, x + y), x - y
        (d, (e, g)) = x * y, (x + y, x - y)
        return [a, b, c, d, e, g]

    assert [names(v) for v in f(X, Y)] == [("a",), ("b",), ("c",), ("d",), ("e",), ("g",)]


def test_nested_tuple_of_calls():
    def f(x, y):
        (a, b), c = helper(x, y)
        return [a, b, c]

    def helper(x, y):
        return (x * y, x + y), x - y

    a, b, c = f(X, Y)
    assert [goes(value).returned for value in (a, b, c)] == [(0, 0), (0, 1), (1,)]
    assert [called(v, goes(v).returned).names for v in (a, b, c)] == [("a",), ("b",), ("c",)]


def test_list_targets():
    def f(x, y):
        [a, b] = [x * y, x + y]
        [c, d] = x * y, x + y
        return [a, b, c, d]

    assert [names(value) for value in f(X, Y)] == [("a",), ("b",), ("c",), ("d",)]


def test_chained_tuple():
    def f(x, y):
        pair = a, b = x * y, x + y
        return [a, b, pair]

    a, b, _ = f(X, Y)
    assert (names(a), names(b)) == (("a",), ("b",))


def test_starred_target_takes_the_names_before_it():
    def f(x, y):
        a, *b = x * y, x + y, x - y
        *c, d = x * y, x + y
        return [a, *b, *c, d]

    made = f(X, Y)
    assert [names(value) for value in made] == [("a",), (), (), (), ()]


@pytest.mark.parametrize(
    "other",
    """
    1 + len("ab")
    -x
    +len("ab")
    ~len("ab")
    not y
    x < y
    x is not y
    1 in [len("ab")]
    x and y
    x or y
    None or y
    1 < len("ab") < 3
    y if x is None else x
    x[0]
    x[1:2]
    x[y, 1::2]
    x.T
    "ab".upper().join("cd").strip()
    super(Value, x).__hash__()
    int("1", base=2)
    (lambda k=1: x)()
    max(*[1], len("ab"), key=abs)
    dict({}, k=1, **{"l": 2})
    f"{x!r}{y!s:>30}{1}"
    [1, *range(3)]
    (1, *range(3))
    {1, *range(3)}
    {1, len("ab")}
    {"k": y, "l": x}
    {x: y, **{}}
    [i for i in range(3) if i]
    {i: y for i in range(3)}
    {i for i in range(3)}
    sum(i for i in range(3))
    maybe
    """.strip().split("\n"),
)
def test_other_items_leave_the_value_alone(other):
    source = f"""
def f(x, y):
    if y is not None:
        maybe = 1
    a, b = x * y, {other.strip()}
    c, d, e = x, x * y, {other.strip()}
    return [a, d], [b, c, e]
"""
    made, _ = run(source, Value=Value)["f"](X, Y)
    assert [names(value) for value in made] == [("a",), ("d",)]


# Returned values.


def test_return():
    def f(x, y):
        return x * y

    assert goes(f(X, Y)) == Destination((), ())


def test_return_tuple_and_list():
    def f(x, y):
        return x * y, x + y, [x, x - y]

    product, total, (_, difference) = f(X, Y)
    assert [goes(v).returned for v in (product, total, difference)] == [(0,), (1,), (2, 1)]


def test_return_from_within_blocks():
    def in_with(x, y):
        with x:
            return x * y

    def in_try(x, y):
        try:
            return x * y
        finally:
            y = 1

    def in_loop(x, y):
        for _ in range(3):
            return x * y

    def in_handler(x, y):
        try:
            error = KeyError()
            error.factor = y
            raise error
        except KeyError as error:
            return x * error.factor

    for f in (in_with, in_try, in_loop, in_handler):
        assert goes(f(X, Y)) == Destination((), ()), f.__name__


def test_stored_value_is_not_returned_by_its_own_expression():
    def f(x, y):
        r = x * y
        return r

    assert goes(f(X, Y)) == Destination(("r",), None)
    assert returned_names(f.__code__) == {"r": ()}


def test_returned_inside_a_dict_has_no_path():
    def f(x, y):
        return {"k": x * y}

    assert goes(f(X, Y)["k"]) == places.NOWHERE


# Helpers.


def helper(x, y):
    product = x * y
    return product


def two(x, y):
    return x * y, x + y


def test_call_names_what_the_helper_returned():
    def f(x, y):
        c = helper(x, y)
        return [c]

    c = f(X, Y)[0]
    assert called(c).names == ("c",)
    assert names(c) == ("product",)


def test_call_unpacked_by_path():
    def f(x, y):
        a, b = two(x, y)
        t = two(x, y)
        return [a, b, *t]

    a, b, *t = f(X, Y)
    assert [called(v, goes(v).returned) for v in (a, b)] == [
        Destination(("a",), None),
        Destination(("b",), None),
    ]
    assert [called(v, goes(v).returned) for v in t] == [places.NOWHERE] * 2


def test_call_handed_on():
    def f(x, y):
        return two(x, y)

    def g(x, y):
        return helper(x, y), two(y, x)

    assert [called(v, goes(v).returned).returned for v in f(X, Y)] == [(0,), (1,)]
    value, (first, second) = g(X, Y)
    assert called(value).returned == (0,)
    assert [called(v, goes(v).returned).returned for v in (first, second)] == [(1, 0), (1, 1)]


def test_call_of_every_kind():
    def f(x, y, holder):
        a = helper(x, y=y)
        b = helper(*[x, y])
        c = helper(x, **{"y": y})
        d = holder.method(y)
        e = holder.method(y=y)
        return [a, b, c, d, e]

    class Holder:
        def method(self, y):
            return X * y

    made = f(X, Y, Holder())
    assert [called(value).names for value in made] == [("a",), ("b",), ("c",), ("d",), ("e",)]


def test_unpacked_value_is_followed_by_path():
    def f(x):
        a, b = x
        return [a, b]

    a, b = f(X)
    assert (names(a, (0,)), names(b, (1,)), names(a)) == (("a",), ("b",), ())


# No name.


def test_subexpressions_have_no_name():
    seen = []

    class Recorder(Value):
        def __add__(self, other):
            seen.append(other)
            return Value(2)

    def f(x, y):
        c = x + y * y
        return c

    f(Recorder(), Y)
    assert goes(seen[0]) == places.NOWHERE


def test_arguments_have_no_name():
    seen = []

    def f(x, y):
        a = keep(x * y)
        b = keep(other=x * y)
        c = keep(*[x * y])
        d = keep(y, x * y)
        e = [x * y].index(1) if not a else None
        return a, b, c, d, e

    def keep(*args, other=None):
        seen.append(args[-1] if args else other)
        return 1

    f(X, Y)
    assert [goes(value) for value in seen] == [places.NOWHERE] * 4


def test_attribute_and_subscript_targets_have_no_name():
    class Holder:
        pass

    def f(x, y, holder, items):
        holder.a = x * y
        items[0] = x * y
        return None

    holder, items = Holder(), [None]
    f(X, Y, holder, items)
    assert [goes(v) for v in (holder.a, items[0])] == [places.NOWHERE] * 2


def test_variable_beside_an_attribute():
    class Holder:
        pass

    def f(x, y, holder):
        holder.a = b = x * y
        c, holder.b = x * y, x + y
        return [b, c]

    assert [names(value) for value in f(X, Y, Holder())] == [("b",), ("c",)]


def test_setting_an_item_makes_no_value_for_the_next_target():
    def f(x, y):
        x[0] = a = y * y
        return [x.set_by, a]

    set_by, a = f(Value(), Y)
    assert (names(set_by), names(a)) == ((), ("a",))


def test_swallowed_in_containers():
    def f(x, y):
        a = [x * y]
        b = {x * y}
        c = {"k": x * y}
        d = (x * y,)
        return None, a, b, c, d

    _, a, b, c, d = f(X, Y)
    assert [goes(v) for v in (*a, *b, c["k"], *d)] == [places.NOWHERE] * 4


def test_container_picked_apart_again_is_not_followed():
    def f(x, y):
        a = (x * y, 1)[0]
        return [a]

    assert goes(f(X, Y)[0]) == places.NOWHERE


def test_comprehensions():
    def f(x, y):
        a = [x * y for _ in range(3)]
        b = {i: x * y for i in range(3)}
        c = list(x * y for _ in range(3))
        d = [e for _ in range(3) if (e := x * y)]
        return None, a, b, c, d

    _, a, b, c, d = f(X, Y)
    assert {goes(value) for value in (*a, *b.values(), *c)} == {places.NOWHERE}
    assert {names(value) for value in d} == {("e",)}


def test_offset_of_no_instruction():
    code = helper.__code__
    for lasti in (-1, len(code.co_code), 10**6):
        assert destination(code, lasti) == places.NOWHERE
        assert span(code, lasti) == Span(None, None, None, None)


def test_every_offset_has_an_answer():
    for code in (Value.__init__.__code__, run.__code__, text.__code__):
        for lasti in range(0, len(code.co_code), 2):
            assert isinstance(destination(code, lasti), Destination)


def test_unknown_instruction_on_the_way():
    def f(x, y):
        match x * y:
            case c:
                a = c
        match (x * y, 1):
            case (b, 1):
                return [a, b]

    assert [goes(value).returned for value in f(X, Y)] == [None, None]
    assert names(f(X, Y)[1]) == ()


# Control flow.


def test_conditional_expression():
    def f(x, y, first):
        c = x * y if first else x + y
        return None, c

    def g(x, y, first):
        return x * y if first else x + y

    for first in (True, False):
        assert goes(f(X, Y, first)[1]) == Destination(("c",), None)
        assert goes(g(X, Y, first)) == Destination((), ())


def test_last_of_or_and_and():
    def f(x, y):
        a = None or x * y
        b = x and x * y
        return [a, b]

    assert [names(value) for value in f(X, Y)] == [("a",), ("b",)]


def test_loop_body_specialised_while_it_runs():
    def f(x, y):
        made = []
        for _ in range(100):
            a = x * y
            b, c = two(x, y)
            made.append((a, b, c))
        return made

    for a, b, c in f(X, Y):
        assert names(a) == ("a",)
        assert (called(b, (0,)).names, called(c, (1,)).names) == (("b",), ("c",))


def test_loop_variable():
    def f(x):
        for row in x:
            return [row]

    def g(x):
        made = []
        for a, b in zip(x, x, strict=True):
            made += [a, b]
        return made

    class Rows:
        def __iter__(self):
            return self

        def __next__(self):
            return Value(2)

    assert names(f(Rows())[0]) == ("row",)
    assert goes(f(X)[0]) == places.NOWHERE  # made by iter(x), all at once
    assert {goes(value) for value in g(X)} == {places.NOWHERE}


def test_yield_on_the_way():
    def f(x, y):
        a, b = x * y, (yield x * y)
        yield a or b

    first, a = f(X, Y)
    assert (goes(first), goes(a)) == (places.NOWHERE, Destination(("a",), None))


def test_traced_by_a_debugger():
    def f(x, y):
        a, b = two(x, y)
        c = x * y
        return [a, b, c]

    def watch(*event):
        return watch

    before = sys.gettrace()
    sys.settrace(watch)
    try:
        a, b, c = f(X, Y)
    finally:
        sys.settrace(before)
    assert (called(a, (0,)).names, called(b, (1,)).names, names(c)) == (("a",), ("b",), ("c",))


# Every kind of variable.


def test_closure_variables():
    def f(x, y):
        kept = x * y
        outer = None

        def inner():
            nonlocal outer
            outer, other = x * y, x + y
            return [kept, other]

        return [*inner(), outer]

    assert [names(value) for value in f(X, Y)] == [("kept",), ("other",), ("outer",)]


def test_global_variable():
    variables = run("def f():\n    global g, h\n    g, h = x * y, x + y\nf()")
    assert (names(variables["g"]), names(variables["h"])) == (("g",), ("h",))


def test_module_without_source():
    variables = run("a = b = x * y\nc, d = x * y, x + y\nfor e in [1]:\n    e += x")
    assert names(variables["a"]) == ("a", "b")
    assert [names(variables[name]) for name in "cde"] == [("c",), ("d",), ("e",)]


def test_class_body():
    class Layer:
        weight = X * Y
        a, b = X * Y, X + Y

    assert [names(v) for v in (Layer.weight, Layer.a, Layer.b)] == [("weight",), ("a",), ("b",)]


def test_class_body_in_a_function():
    def f(x, y):
        class Layer:
            a, b = x * y, y

        return Layer.a

    assert names(f(X, Y)) == ("a",)


def test_more_names_than_an_argument_byte_can_count():
    many = "\n".join(f"v{k} = x * y" for k in range(600))
    variables = run(many)
    assert all(names(variables[f"v{k}"]) == (f"v{k}",) for k in range(600))
    body = many.replace("\n", "\n    ")
    in_function = run(f"def f():\n    {body}\n    return locals()\nmade = f()")["made"]
    assert all(names(in_function[f"v{k}"]) == (f"v{k}",) for k in range(600))


def test_long_jump_on_the_way():
    longer = " + ".join(["x * y"] * 300)
    variables = run(f"def f(first):\n    c = x * y if first else {longer}\n    return [c]")
    assert names(variables["f"](True)[0]) == ("c",)


# returned_names.


def test_returned_names_of_a_tuple():
    def f(x, y):
        a = x * y
        b = x + y
        return a, (b, x), x * y

    assert returned_names(f.__code__) == {"a": (0,), "b": (1, 0), "x": (1, 1)}


def test_returned_names_pairs_of_loads():
    def f(a, b, c, d):
        return a, b, c, d

    assert returned_names(f.__code__) == {"a": (0,), "b": (1,), "c": (2,), "d": (3,)}


def test_returned_names_keep_the_first_path():
    def f(a, b, first):
        if first:
            return a, b
        return b, a, a

    assert returned_names(f.__code__) == {"a": (0,), "b": (1,)}


def test_returned_names_of_a_choice_and_of_a_cell():
    def f(r, s, first):
        def inner():
            return s

        inner()
        return r if first else s

    assert returned_names(f.__code__) == {"r": (), "s": ()}


def test_returned_names_leave_out_what_is_computed_with():
    def f(a, b):
        c = a * b
        return -c, helper(a, b), {"k": a}, a.T

    assert returned_names(f.__code__) == {}


def test_returned_names_are_read_only():
    with pytest.raises(TypeError):
        returned_names(helper.__code__)["product"] = (1,)


# span.


def test_span_is_the_text_of_the_expression():
    def f(x, y):
        a, b = x * y, (x + y)
        c = -(x - y) * y[0]
        d = x.T
        return a, b, c, d

    assert [text(v) for v in f(X, Y)] == ["x * y", "x + y", "-(x - y) * y[0]", "x.T"]


def test_span_of_a_call_being_made():
    def f(x, y):
        c = [helper(x, y)]
        return c[0]

    value = f(X, Y)
    value.place = value.caller
    assert text(value) == "helper(x, y)"


def test_span_over_lines_and_beyond_ascii():
    def f(x, y):
        ä = y
        c = "é" and (x *
             ä)  # fmt: skip
        return c

    assert text(f(X, Y)) == "x *\n             ä"


def test_span_numbers():
    variables = run("\na = 1 + x * y")
    code = variables["a"].place[0]
    assert span(*variables["a"].place) == Span(2, 2, 4, 13)
    assert all(isinstance(span(code, lasti), Span) for lasti in range(0, len(code.co_code), 2))


# The cache.


def test_read_once(monkeypatch):
    def f(x, y):
        c = x * y
        return c

    place = f(X, Y).place
    first = destination(*place), span(*place), returned_names(place[0])
    monkeypatch.setattr(places, "_read", None)
    monkeypatch.setattr(places, "_follow", None)
    again = destination(*place), span(*place), returned_names(place[0])
    assert all(one is other for one, other in zip(first, again, strict=True))


def test_equal_code_objects_are_told_apart():
    source = "a = x * y"
    one, other = run(source)["a"], run(source)["a"]
    assert one.place[0] == other.place[0] and one.place[0] is not other.place[0]
    assert names(one) == names(other) == ("a",)


def test_cache_is_bounded_and_lets_code_go(monkeypatch):
    monkeypatch.setattr(places, "_CACHE_SIZE", 4)
    monkeypatch.setattr(places, "_cache", {})
    alive = []
    for k in range(20):
        value = run(f"v{k} = x * y")[f"v{k}"]
        assert names(value) == (f"v{k}",)
        alive.append(weakref.ref(value.place[0]))
        assert len(places._cache) <= 4
        del value
    gc.collect()
    assert sum(ref() is not None for ref in alive) <= 4

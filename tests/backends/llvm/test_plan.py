"""Plans to read, what they refuse, and the text that is emitted from them."""

import numpy as np
import pytest

from chainrule.backends.llvm.call import CompiledNumbers
from chainrule.backends.llvm.emit import emit
from chainrule.backends.llvm.plan import LARGEST, plan_of
from chainrule.circuit.builder import Builder
from chainrule.circuit.record import Gate, kind_id
from chainrule.circuit.types import FLOAT, INT, TYPES
from chainrule.errors import UnsupportedError
from chainrule.gates.define import ufunc_type
from chainrule.gates.elementwise import exp, where
from chainrule.gates.handle import Handle
from chainrule.trace.names import with_names
from chainrule.trace.trace import Trace
from chainrule.trace.traced import traced


def traced_circuit(f, **inputs):
    """The circuit of f, named and with lines."""
    trace = Trace()
    given = [traced(trace, trace.input(v, n), v) for n, v in inputs.items()]
    out = f(*given)
    trace.close()
    return with_names(trace.circuit([out.wire], "f"), trace)


def downstream(x, y, z):
    q = x + y
    f = q * z
    return f


def line_of(f, offset):
    return f.__code__.co_firstlineno + offset


def test_a_plan_reads_as_the_user_wrote_it():
    plan = plan_of(traced_circuit(downstream, x=-2.0, y=5.0, z=-4.0))
    assert str(plan) == (
        "plan f: x, y, z -> f\n"
        f"  q = add(x, y)                             line {line_of(downstream, 1)}\n"
        f"  f = multiply(q, z)                        line {line_of(downstream, 2)}"
    )


def test_the_text_has_the_users_names_and_lines():
    text = emit(plan_of(traced_circuit(downstream, x=-2.0, y=5.0, z=-4.0)))
    assert f"  %q = fadd double %x, %y  ; line {line_of(downstream, 1)}" in text
    assert "  %f = fmul double %q, %z" in text


def test_a_name_that_ours_look_like_is_the_users():
    def f(x):
        w = (x + 1.0) * (x + 2.0) * (x + 4.0)
        for _ in range(20):
            w = w * x
        return w

    assert CompiledNumbers(traced_circuit(f, x=1.0))(1.0) == [30.0]


def test_no_instruction_is_fused_or_reordered_behind_our_back():
    text = emit(plan_of(traced_circuit(lambda x: np.exp(x) ** 2.5 + np.log(x) * x, x=2.0)))
    flags = ("fast", "contract", "reassoc", "nnan", "ninf", "nsz", "arcp", "afn", "fmuladd")
    assert [flag for flag in flags if f" {flag} " in text or f".{flag}." in text] == []


def test_what_is_known_is_computed_now_and_nothing_is_done_twice():
    def f(x):
        np.exp(x)  # that nobody reads
        once = x + 2 * 3
        again = x + 6
        return once * again * 1

    plan = plan_of(traced_circuit(f, x=2.0))
    assert [s.gate.name for s in plan.steps] == ["add", "multiply"]
    assert CompiledNumbers(traced_circuit(f, x=2.0))(2.0) == [64.0]


def test_variables_of_any_name_make_valid_text():
    def f(x, nan, θ):
        core = x + nan
        core = core * θ
        return core

    circuit = traced_circuit(f, x=1.0, nan=2.0, θ=3.0)
    code = CompiledNumbers(circuit)
    assert code(1.0, 2.0, 3.0) == [9.0]
    assert code(float("nan"), 2.0, 3.0) != code(1.0, 2.0, 3.0)


def test_a_value_named_nan_is_not_the_number_nan():
    b = Builder("f")
    x, named = Handle(b, b.input(TYPES[FLOAT], "x")), Handle(b, b.input(TYPES[FLOAT], "nan"))
    outputs = [x + named, x + float("nan")]
    assert CompiledNumbers(b.build([o.wire for o in outputs]))(1.0, 2.0)[0] == 3.0


def toy(**fields):
    """A gate that is in no catalogue and has no row."""
    return Gate("toy", ("x",), "elementwise", "toy", np.tan, np.tan, ufunc_type(np.exp), "", "",
                id=10**6 + len(fields), **fields)


def test_a_compound_gate_is_decomposed_however_deep():
    inner = toy(decompose=lambda x: 1 / (1 + exp(-x)))
    outer = toy(decompose=lambda x: inner(x) * 2, words="deep")
    b = Builder("f")
    x = Handle(b, b.input(TYPES[FLOAT], "x"))
    circuit = b.build([(outer(x) + 1).wire])
    assert [s.gate.name for s in plan_of(circuit).steps] == [
        "negate", "exp", "add", "divide", "multiply", "add"
    ]
    assert CompiledNumbers(circuit)(0.0) == [2.0]


def test_a_gate_without_row_or_decomposition_is_refused_by_name_and_line():
    gate = toy()
    with pytest.raises(UnsupportedError, match=r"no instructions for toy.*\n.* line \d+"):
        plan_of(traced_circuit(lambda x: gate(x), x=1.0))


@pytest.mark.parametrize(
    ("value", "fault"),
    [(np.zeros(3), r"none for input: float64\[3\]"), (np.float32(1), "none for input: float32")],
)
def test_arrays_and_other_dtypes_are_refused(value, fault):
    with pytest.raises(UnsupportedError, match=fault):
        plan_of(traced_circuit(lambda x: x * x, x=value))


def test_arrays_that_no_output_needs_do_not_matter():
    def f(x):
        x * np.zeros(3)
        return x * x

    assert CompiledNumbers(traced_circuit(f, x=2.0))(3.0) == [9.0]


def test_long_circuits_are_refused_with_their_length():
    def f(x):
        for _ in range(LARGEST + 1):
            x = x * x
        return x

    with pytest.raises(UnsupportedError, match=r"2,001 gates are more than .* 2,000"):
        plan_of(traced_circuit(f, x=0.5))


def test_a_stage_has_the_type_of_its_gate_not_of_the_value_it_had_when_traced():
    b = Builder("f")
    x = Handle(b, b.input(TYPES[FLOAT], "x"))
    test, zero = x > 0, b.constant(0)
    taken = b.append(kind_id(where, (), INT), [test.wire, x.wire, zero])  # as if traced at x = -1
    assert CompiledNumbers(b.build([taken]))(2.5) == [2.5]

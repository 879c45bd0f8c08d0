"""Every wrapper is proved before it is compiled; a wrapper changed anywhere is refused."""

import re
from itertools import pairwise

import pytest

from chainrule.backends.llvm.targets.forms import Form, Item, Keyed, Listed
from chainrule.backends.llvm.targets.proof import Unproved, prove
from chainrule.backends.llvm.targets.wrapper import NAME, wrapper

REAL, SCALAR, SINGLE = Item("f"), Item("f", None, False), Item("s", None, False)
MATRIX, SINGLES, FLAGS = Item("f", 2), Item("s", 1), Item("b", 1)

FORMS = {
    "number": Form((REAL,), (REAL,), 0),
    "gradient": Form((REAL, REAL), (SCALAR, REAL, REAL), (0, (1, 2))),
    "kinds": Form((REAL,), (Item("i"), Item("b"), REAL), ((0,), (), (1, (2,))), decisions=2),
    "arrays": Form(
        (MATRIX, REAL, SINGLES), (SINGLE, MATRIX, SINGLES, FLAGS), (0, (1, (2, 3))),
        decisions=1, fixed=2, arena=128, has_status=True,
    ),
    "long": Form((MATRIX,), (SCALAR, MATRIX), (0, 1), arena=None, has_status=True, is_long=True),
    "bound": Form(
        (MATRIX, REAL), (SINGLE, MATRIX, REAL, SCALAR), None, decisions=1, fixed=1, arena=None,
        has_status=True, is_long=True, is_bound=True,
    ),
    "containers": Form(
        (MATRIX, SINGLES, REAL, SCALAR, MATRIX), (MATRIX, SCALAR, SINGLES, REAL),
        (0, Keyed(3, (1, Listed((2, 3)), Listed(()), Keyed(7, ())))), arena=0, has_status=True,
        nested=(Keyed(0, (0, Listed((1, 2)), ((), 3))), 4, Listed(()), Keyed(3, ())), keys=7,
    ),
    "named numbers": Form(
        (REAL, REAL), (REAL, REAL), Listed((Keyed(3, (0,)), 1)), nested=(Keyed(0, (1, 0)), ()),
        keys=4, decisions=1,
    ),
    "written over": Form(
        (MATRIX, REAL, SINGLES, MATRIX), (SCALAR, SINGLES, MATRIX), (0, (2, Listed((1,)))), fixed=1,
        arena=64, has_status=True, nested=(0, 1, (2,), 3), over=((2, 3), (1, 2)),
    ),
    "bound numbers": Form((REAL, REAL), (REAL, REAL), None, is_bound=True),
}
forms = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


@forms
def test_every_exit_of_a_wrapper_is_proved(form):
    text = wrapper(form)
    made = re.findall(r"\n  (?:%\w+ = call ptr @chainrule.py.(?!PyEval)|.*PyDict_SetItem)", text)
    failed = len(made) - 1  # what the fallback gives is passed on
    checked = text.count(", !prof !0") - failed
    assert prove(text, form) == 2 * checked + failed + 1  # with a fallback, and without


def changed(text):
    """What is said of a change, and the text with it, one change at a time."""
    lines = text.split("\n")
    body = next(i for i, line in enumerate(lines) if line.startswith(f"define ptr @{NAME}"))
    for i in range(body + 1, len(lines) - 2):
        line, before, after = lines[i], lines[:i], lines[i + 1 :]
        yield f"without {line}", [*before, *after]
        yield f"twice {line}", [*before, line, line, *after]
        if "br i1" in line:
            yield f"always {line}", [*before, f"  br {line.split(', ')[1]}", *after]
        if " eq " in line or " ne " in line:
            opposite = {"eq": "ne", "ne": "eq"}
            words = [opposite.get(x, x) for x in line.split(" ")]
            yield f"the opposite of {line}", [*before, " ".join(words), *after]
        if "getelementptr" in line:
            base, _, offset = line.rpartition(" ")
            yield f"8 more {line}", [*before, f"{base} {int(offset) + 8}", *after]
        if "call ptr" in line and "null)" not in line:
            other = line.split("=")[0] + "= and i64 %nargsf, 1"
            yield f"no result {line}", [*before, other, *after]
    stores = [i for i in range(body, len(lines)) if lines[i].startswith("  store")]
    for i, j in pairwise(stores):
        given, there = (lines[k].split(",")[0] for k in (i, j))
        swapped = list(lines)
        swapped[i] = lines[i].replace(given, there)
        swapped[j] = lines[j].replace(there, given)
        if swapped != lines:
            yield f"swapped {lines[i]} and {lines[j]}", swapped


@forms
def test_a_wrapper_changed_anywhere_is_refused(form):
    text = wrapper(form)
    proved = []
    for said, lines in changed(text):
        try:
            prove("\n".join(lines), form)
        except Unproved:
            continue
        proved.append(said)
    assert proved == []


@forms
def test_a_wrapper_is_refused_for_another_form(form):
    for other in FORMS.values():
        if other is not form:
            with pytest.raises(Unproved):
                prove(wrapper(form), other)

"""Every wrapper is proved before it is compiled; a wrapper changed anywhere is refused."""

from itertools import pairwise

import pytest

from chainrule.backends.llvm.targets.forms import Form, Item
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
    "bound numbers": Form((REAL, REAL), (REAL, REAL), None, is_bound=True),
}
forms = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


@forms
def test_every_exit_of_a_wrapper_is_proved(form):
    text = wrapper(form)
    slow = 2 * text.count("label %slow")  # there, with a fallback and without
    failed = text.count("  ret ptr null") - 1
    assert prove(text, form) == slow + failed + 1


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

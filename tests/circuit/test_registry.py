"""Registries look for what they lack in families not loaded yet, whole, from any thread."""

import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from chainrule.circuit import record, registry, types
from chainrule.circuit.registry import Registry, once_each
from chainrule.circuit.types import FLOAT, Type
from chainrule.gates.elementwise import add

FAMILIES = {  # the first waits between its two
    "family_ab": "import here\nhere.table['a'] = 1\nhere.half.set()\nhere.go.wait()\n"
                 "here.table['b'] = 2\n",
    "family_c": "import here\nhere.table['c'] = 3\n",
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """What the families above import: a registry, and the events of their waiting."""
    made = SimpleNamespace(table=Registry(), half=threading.Event(), go=threading.Event())
    made.go.set()
    monkeypatch.setitem(sys.modules, "here", made)
    for name, text in FAMILIES.items():
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(registry, "FAMILIES", list(FAMILIES))
    return made


@pytest.fixture
def table(here):
    return here.table


def at_once(work, count=2):
    """What the calls work(0), work(1) ... give, from a thread each, started together."""
    found, gate = [None] * count, threading.Barrier(count)

    def run(n):
        gate.wait()
        found[n] = work(n)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return found


def test_families_load_until_one_brings_what_is_missing(table):
    assert table["b"] == 2
    assert table.loaded == {"a": 1, "b": 2}
    assert table.get("c") == 3


def test_what_no_family_has_is_missing(table):
    assert table.get("d") is None and "d" not in table
    with pytest.raises(KeyError):
        table["d"]


def test_going_through_it_loads_all(table):
    assert sorted(table) == ["a", "b", "c"]
    assert len(table) == 3


def test_a_thread_never_sees_half_a_family(here, table):
    here.go.clear()
    seen = []
    first = threading.Thread(target=lambda: table["b"])
    other = threading.Thread(target=lambda: seen.append((table["a"], table.loaded.get("b"))))
    first.start()
    here.half.wait()
    other.start()
    other.join(0.1)  # it cannot end yet
    here.go.set()
    first.join()
    other.join()
    assert seen == [(1, 2)]


def test_threads_that_need_a_family_first_both_get_it(table):
    assert at_once(lambda n: table["c"]) == [3, 3]


def test_what_is_made_for_a_count_is_made_once():
    made = []
    make = once_each(lambda n: (time.sleep(0.01), made.append(n)))
    one, other = at_once(lambda _: make(3))
    assert one is other and made == [3]


class Slow(list):
    """A list where other threads take their turn after each append."""

    def append(self, x):
        super().append(x)
        time.sleep(0.001)


def test_threads_number_types_one_after_the_other(monkeypatch):
    monkeypatch.setattr(types, "TYPES", Slow())
    monkeypatch.setattr(types, "_IDS", {})
    every = [Type((n,), np.dtype("f8")) for n in range(9)]
    one, other = at_once(lambda _: [types.intern_type(t) for t in every])
    assert one == other and [types.TYPES[n] for n in one] == every


def test_threads_number_kinds_one_after_the_other(monkeypatch):
    monkeypatch.setattr(record, "KINDS", Slow())
    monkeypatch.setattr(record, "_KIND_IDS", {})
    every = [(("axis", n),) for n in range(9)]
    one, other = at_once(lambda _: [record.kind_id(add, key, FLOAT) for key in every])
    assert one == other and [record.KINDS[n].key for n in one] == every

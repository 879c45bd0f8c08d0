"""Generated calls under stress, in a process of its own: python stress.py NAME [calls].

Each part ends with a failed assertion, or with the process, where something is wrong.
"""

import atexit
import ctypes
import gc
import os
import signal
import sys
import threading
from contextlib import contextmanager, suppress

import numpy as np

from chainrule.api.jit import Jitted, _leaf_key, jit
from chainrule.api.recorded import numbers_for_numbers
from chainrule.backends.llvm.targets import cpu, python_calls
from chainrule.backends.llvm.targets.proof import Unproved, prove
from chainrule.errors import ShapeError

TABLE = np.arange(1.0, 7.0).reshape(2, 3)
LONG = np.linspace(0.0, 1.0, 120_000).reshape(300, 400)


def six(x, y):
    """Seven new numbers and three new tuples; ways by the sign of x."""
    if x > 0:
        return x * y, (x + y, x - y, (2 * x, 3 * y)), np.exp(x), x > y
    return y, x


def affine(w, x):
    h = w * x
    return np.sum(h), (h, 2 * w)


def chosen(x, i):
    return x[i] * 2, np.sum(x)


def nested(p, x):
    h = p["layers"][0] * x + p["shift"]
    return [np.sum(h), {"h": h, "twice": {"shift": 2 * p["shift"]}}, []]


def over(p, y):
    return np.abs(p["x"]), y + 1


def long(x):
    return np.sum(np.tanh(x) * x, axis=0), x + 1


def warmed(f, *args, donate=()):
    run = jit(f, donate)
    wanted = numbers_for_numbers(f(*args), args)
    for _ in range(3):
        run(*args)
    assert type(run) is Jitted
    return run, args, wanted


def check(case):
    run, args, wanted = case
    assert_same(run(*args), wanted)


def assert_same(x, y):
    assert type(x) is type(y)
    if isinstance(x, dict):
        assert [*x] == [*y]
        x, y = [*x.values()], [*y.values()]
    if isinstance(x, tuple | list):
        for a, b in zip(x, y, strict=True):
            assert_same(a, b)
    else:
        np.testing.assert_allclose(x, y, rtol=1e-13)


def all_cases():
    return [
        warmed(six, 1.5, 2.0), warmed(affine, TABLE, np.array([3.0, 4.0, 5.0])),
        warmed(chosen, np.arange(4.0), np.array([1, 2])), warmed(long, LONG),
        warmed(nested, {"layers": (TABLE,), "shift": 0.5}, np.array([3.0, 4.0, 5.0])),
        warmed(over, {"x": TABLE.copy()}, TABLE, donate=0),
    ]


# ---- memory that runs out

ALLOCATOR = """
@left = global i64 -1
define i1 @fails() {
  %n = load i64, ptr @left
  %off = icmp slt i64 %n, 0
  br i1 %off, label %no, label %on
on:
  %less = sub i64 %n, 1
  store i64 %less, ptr @left
  %now = icmp eq i64 %n, 0
  ret i1 %now
no:
  ret i1 false
}
define ptr @allocate(ptr %old, i64 %size) {
  %stop = call i1 @fails()
  br i1 %stop, label %no, label %yes
yes:
  %context = load ptr, ptr %old
  %at = getelementptr ptr, ptr %old, i64 1
  %f = load ptr, ptr %at
  %made = call ptr %f(ptr %context, i64 %size)
  ret ptr %made
no:
  ret ptr null
}
define ptr @several(ptr %old, i64 %count, i64 %size) {
  %stop = call i1 @fails()
  br i1 %stop, label %no, label %yes
yes:
  %context = load ptr, ptr %old
  %at = getelementptr ptr, ptr %old, i64 2
  %f = load ptr, ptr %at
  %made = call ptr %f(ptr %context, i64 %count, i64 %size)
  ret ptr %made
no:
  ret ptr null
}
define ptr @larger(ptr %old, ptr %block, i64 %size) {
  %stop = call i1 @fails()
  br i1 %stop, label %no, label %yes
yes:
  %context = load ptr, ptr %old
  %at = getelementptr ptr, ptr %old, i64 3
  %f = load ptr, ptr %at
  %made = call ptr %f(ptr %context, ptr %block, i64 %size)
  ret ptr %made
no:
  ret ptr null
}
define void @release(ptr %old, ptr %block) {
  %context = load ptr, ptr %old
  %at = getelementptr ptr, ptr %old, i64 4
  %f = load ptr, ptr %at
  call void %f(ptr %context, ptr %block)
  ret void
}
"""


class Allocator(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_void_p) for name in ("context", "malloc", "calloc", "realloc", "free")
    )


@contextmanager
def scarce_memory():
    """How many allocations go well from now on; below 0, all do."""
    code = cpu.compile_text(ALLOCATOR)
    left = ctypes.c_int64.from_address(int(code.engine.get_global_value_address("left")))
    places = [code.address(x) for x in ("allocate", "several", "larger", "release")]
    old = (Allocator * 3)()
    for domain in (1, 2):
        ctypes.pythonapi.PyMem_GetAllocator(domain, ctypes.byref(old[domain]))
        new = Allocator(ctypes.addressof(old[domain]), *places)
        ctypes.pythonapi.PyMem_SetAllocator(domain, ctypes.byref(new))
    try:
        yield left
    finally:
        for domain in (1, 2):
            ctypes.pythonapi.PyMem_SetAllocator(domain, ctypes.byref(old[domain]))


def starve(cases, left, count=30):
    """Fail the allocations of a call one after the other; how many calls failed."""
    failed = 0
    gc.freeze()
    for run, args, wanted in cases:
        run(*args)  # the way taken last is the one that is entered
        for n in range(count):
            gc.collect()  # empties the lists of free floats and tuples
            found = None
            try:
                left.value = n
                found = run(*args)
                left.value = -1
            except MemoryError:
                left.value = -1
                failed += 1
            else:
                assert_same(found, wanted)
    gc.unfreeze()
    return failed


def nomemory(calls=1):
    cases = all_cases()
    with scarce_memory() as left:
        first = starve(cases, left)
        assert first >= 10 + 2 + 2 + 2 + 7 + 2, first
        for _ in range(WARM):
            starve(cases, left)
        before = held(cases)
        for _ in range(SWEEPS * calls):
            assert starve(cases, left) == first
        assert_kept(before, held(cases))
    for case in cases:
        check(case)


def plainly(calls=1):
    """Machine code entered through ctypes, too, says that memory ran out, and holds out."""
    cases = all_cases()[:4]
    with scarce_memory() as left:
        for jitted, args, wanted in cases:
            jitted(*args)
            run = jitted._entries[tuple(map(_leaf_key, args))].run
            for n in range(100):
                gc.collect()
                try:
                    left.value = n
                    run(*args)
                    left.value = -1
                except (MemoryError, SystemError):  # the latter, where NumPy took no notice
                    left.value = -1
            assert_same(run(*args), wanted)


def held(cases):
    """Blocks of memory, and references to what the calls touch."""
    gc.collect()
    touched = [o for run, args, _ in cases for o in (*args, *gc.get_referents(run))]
    touched += [x for o in touched if isinstance(o, dict) and "x" in o for x in o.values()]
    counts = [sys.getrefcount(o) for o in touched]
    del touched
    return sys.getallocatedblocks(), counts


WARM, SWEEPS = 20, 100
SLACK = 80  # blocks of memory that lists of free objects may keep; a leak keeps SWEEPS


def assert_kept(before, now, slack=SLACK):
    assert now[1] == before[1], (before, now)
    assert abs(now[0] - before[0]) < slack, (before, now)


# ---- many calls


def million(calls=20_000):
    """Results, errors and fallbacks; nothing is left behind."""
    cases = [*all_cases()[:3], *all_cases()[4:]]
    x, wrong = np.arange(4.0), np.array([1, 7])
    other = {"shift": 0.5, "layers": (TABLE,)}  # in another order
    for part in range(4):
        for _ in range(calls // 4):
            for run, args, _ in cases:
                run(*args)
            cases[0][0](-1.5, 2.0)  # the other way
            cases[0][0](1.5, y=2.0)
            with suppress(ShapeError):
                cases[2][0](x, wrong)
            cases[3][0](other, x[:3])
        if part == 1:
            before, size = held(cases), resident()
    assert_kept(before, held(cases), calls // 20)
    assert resident() - size < 2**21, (size, resident())
    for case in cases:
        check(case)


def resident():
    """Bytes of memory that this process has."""
    with open("/proc/self/statm") as status:
        return int(status.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def threads(calls=100_000):
    """Eight threads, each with functions of all kinds; one of them compiles new ones."""
    cases, wrong = all_cases(), []

    def work(k):
        try:
            for run, args, wanted in cases[:1] + cases[k % 4 :]:
                for i in range(calls if run is cases[0][0] else calls // 1000):
                    found = run(*args)
                    if i % 1000 == 0:
                        assert_same(found, wanted)
            if k == 0:
                for _ in range(20):
                    check(warmed(six, 1.5, 2.0))
        except BaseException as error:
            wrong.append(error)

    workers = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    sys.setswitchinterval(1e-5)
    for t in workers:
        t.start()
    for t in workers:
        t.join()
    assert not wrong, wrong


def taken(calls=300):
    """Arrays taken out of their dict, and so freed, while machine code may read them."""
    shape, ends = (500, 500), threading.Event()
    run, (params,), _ = warmed(lambda p: np.sum(np.tanh(p["x"]) * p["x"]), {"x": np.ones(shape)})
    wanted = {run({"x": np.full(shape, k)}) for k in (1.0, 2.0)}

    def replace():
        while not ends.is_set():
            for k in (1.0, 2.0):
                params["x"] = np.full(shape, k)

    worker = threading.Thread(target=replace)
    worker.start()
    found = {run(params) for _ in range(calls)}
    ends.set()
    worker.join()
    assert found <= wanted, (found, wanted)


# ---- interruptions


def interrupt(calls=1):
    """Ctrl+C while a fallback runs, and in the middle of many calls."""
    def f(x):
        if x.__class__ is not float and armed:
            armed.clear()
            signal.raise_signal(signal.SIGINT)
        return x * x

    armed = []
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
    run, *_ = warmed(f, 2.0)
    armed.append(True)
    for wanted in ("interrupted", 4):
        try:
            found = run(2)
        except KeyboardInterrupt:
            found = "interrupted"
        assert found == wanted, found
    case = warmed(six, 1.5, 2.0)
    for _ in range(5):
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        try:
            while True:
                case[0](1.5, 2.0)
        except KeyboardInterrupt:
            check(case)


def fork(calls=1):
    """A child calls on, also when another thread was inside machine code."""
    cases = all_cases()
    ends = threading.Event()
    run, args, _ = cases[3]

    def busy():
        while not ends.is_set():
            run(*args)

    worker = threading.Thread(target=busy)
    worker.start()
    try:
        for _ in range(5):
            child = os.fork()
            if not child:
                for case in cases:
                    check(case)
                check(warmed(six, 1.5, 2.0))
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        ends.set()
        worker.join()
    for case in cases:
        check(case)


def shutdown(calls=1):
    """Calls from all that still runs while the interpreter ends."""
    cases = all_cases()
    globals()["kept"] = cases

    class Late:
        def __del__(self, run=cases[0][0]):
            assert run(1.5, 2.0)[0] == 3.0
            with suppress(Exception):  # parts of the plain path may be gone
                run(1.5, y=2.0)

    globals()["late"], Late.itself = Late(), Late()
    cases[0][0].late = Late()

    def busy(case):
        while True:
            case[0](*case[1])

    sys.setswitchinterval(1e-4)  # the end has to wait for its turns
    for case in cases:
        atexit.register(check, case)
        threading.Thread(target=busy, args=(case,), daemon=True).start()


# ---- planted faults


def without(what):
    """Changes of a wrapper: the last line with these words left out."""
    return lambda text: cut(text, text.rindex("\n", 0, text.rindex(what)), "")


def twice(what):
    """The first line with these words a second time."""
    def change(text):
        at = text.rindex("\n", 0, text.index(what))
        return text[:at] + text[at : text.index("\n", at + 1)] + text[at:]

    return change


def cut(text, at, instead):
    return text[:at] + instead + text[text.index("\n", at + 1) :]


def swapped(text):
    """The first two items of a tuple, the wrong way round."""
    lines = text.split("\n")
    made = [i for i, line in enumerate(lines) if line.startswith("  store ptr %v")]
    i, j = made[-2:]
    (a, to_i), (b, to_j) = (lines[k].split(",", 1) for k in (i, j))
    lines[i], lines[j] = f"{b},{to_i}", f"{a},{to_j}"
    return "\n".join(lines)


def unchecked(text):
    """A new tuple used as it comes, null or not."""
    at = text.index("\n  br i1", text.index("= call ptr @chainrule.py.PyTuple_New"))
    there = text[at:].split("label ")[1].split(",")[0]
    return cut(text, at, f"\n  br label {there}")


def of_dicts(change):
    """The change, where a dict is made."""
    return lambda text: change(text) if "= call ptr @chainrule.py.PyDict_New" in text else text


def without_drop_after(what):
    """The first reference given back after these words is kept."""
    def change(text):
        at = text.index("call void @chainrule.py.Py_DecRef", text.index(what))
        return cut(text, text.rindex("\n", 0, at), "")

    return change


def with_one_key_twice(text):
    """The last item of a dict under the key of the one before."""
    lines = text.split("\n")
    i, j = [i for i, line in enumerate(lines) if "= call i32 @chainrule.py.PyDict_Set" in line][-2:]
    a, b = (lines[k].split(", ")[1] for k in (i, j))
    lines[j] = lines[j].replace(b, a)
    return "\n".join(lines)


MUTANTS = {
    "none": lambda text: text,
    "a number kept when memory ran out": without("@chainrule.py.Py_DecRef(ptr %v"),
    "the entry dropped twice": twice("@chainrule.py.Py_DecRef(ptr %v"),
    "the fallback kept": without("@chainrule.py.Py_DecRef(ptr %fallback"),
    "the fallback dropped twice": twice("@chainrule.py.Py_DecRef(ptr %fallback"),
    "two items swapped": swapped,
    "a new tuple not checked": unchecked,
    "an array of a dict kept": of_dicts(without_drop_after("= call i32 %v")),
    "a value of a dict kept": of_dicts(without_drop_after("= call i32 @chainrule.py.PyDict_Set")),
    "one key twice": of_dicts(with_one_key_twice),
}


def planted(name):
    """The stress that must find a planted fault, in a child that ends with 0 if it does not."""
    original = python_calls.wrapper
    refused = []

    def faulty(form):
        text = original(form)
        changed = MUTANTS[name](text)
        try:
            prove(changed, form)
        except Unproved:
            refused.append(form)
        return changed

    python_calls.wrapper, python_calls.prove = faulty, lambda text, form: 1
    cases = [*all_cases()[:2], *all_cases()[4:]]
    if (name == "none") == bool(refused):
        os._exit(UNSEEN)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what follows may end anyhow
    for _ in range(5):  # the first round compiles the other way
        before = held(cases)
        for _ in range(50):
            cases[0][0](-1.5, 2.0)
            for case in cases:
                check(case)
    assert_kept(before, held(cases))
    with scarce_memory() as left:
        for _ in range(WARM):
            starve(cases, left)
        before = held(cases)
        for _ in range(SWEEPS):
            starve(cases, left, 14)
        assert_kept(before, held(cases))
    os._exit(0)


UNSEEN = 77  # the proof takes a good wrapper for a bad one, or the other way round


def mutants(calls=1):
    """Each planted fault is refused by the proof, and found by the stress; the good one passes."""
    warmed(lambda x: x * x, 2.0)  # loads what the children need
    ends = {}
    for name in MUTANTS:
        child = os.fork()
        if not child:
            try:
                planted(name)
            finally:
                os._exit(1)
        ends[name] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert ends.pop("none") == 0
    assert all(end not in (0, UNSEEN) for end in ends.values()), ends


PARTS = {
    f.__name__: f
    for f in (nomemory, plainly, million, threads, taken, interrupt, fork, shutdown, mutants)
}

if __name__ == "__main__":
    if python_calls.IS_ALLOWED:  # else there are no generated calls to be tried
        PARTS[sys.argv[1]](*map(int, sys.argv[2:]))
    print("good")

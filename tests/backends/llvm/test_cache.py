"""Compiled code on the disk: used again, and never believed unless this user wrote it."""

import ctypes
import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from chainrule.api.jit import jit
from chainrule.backends.llvm.targets import cache, cpu
from chainrule.errors import InputError


def times(factor):
    """IR of a function that multiplies by a number."""
    return f"define double @f(double %x) {{\n  %y = fmul double %x, {factor}.0\n  ret double %y\n}}"


def run(text, x):
    code = cpu.compile_text(text)
    return ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(code.address("f"))(x)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where this test's code is kept; not made yet."""
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CHAINRULE_CALL", "plain")  # wrappers are compiled texts too
    return tmp_path / "cache"


@pytest.fixture
def compiled(monkeypatch):
    """The texts compiled so far: nothing else parses or makes object code."""
    texts, compile_one = [], cpu._object_code

    def counting(text, machine):
        texts.append(text)
        return compile_one(text, machine)

    monkeypatch.setattr(cpu, "_object_code", counting)
    return texts


def the_entry(folder):
    (path,) = folder.glob("*.o")
    return path


def test_what_was_compiled_once_is_read_back(folder, compiled):
    assert [run(times(3), 2.0), run(times(3), 5.0)] == [6.0, 15.0]
    assert compiled == [times(3)]
    run(times(4), 2.0)
    cpu.compile_text(times(3), level=0)  # other code: kept by itself
    assert compiled == [times(3), times(4), times(3)]


def losses(w, x):
    return np.sum(np.tanh(w @ x) ** 2) / x.size + w[0, 0]


@pytest.mark.parametrize(
    ("f", "args"),
    [
        (lambda x, y: np.exp(x * y) / (1 + x**2) - np.sin(y), (0.7, -1.3)),
        (losses, (np.linspace(-1, 1, 56).reshape(7, 8), np.linspace(0, 2, 40).reshape(8, 5))),
    ],
)
def test_code_from_the_disk_gives_the_same_bits(folder, compiled, monkeypatch, f, args):
    results = []
    for setting in ("off", str(folder), str(folder)):  # without, missing, found
        monkeypatch.setenv("CHAINRULE_CACHE", setting)
        again = jit(f)
        again(*args)
        results.append(np.asarray(again(*args)).tobytes())
    assert len(compiled) == 2
    assert results[0] == results[1] == results[2]


def test_all_that_is_made_is_for_this_user_alone(folder, monkeypatch):
    monkeypatch.setenv("CHAINRULE_CACHE", str(folder / "deeper"))
    before = os.umask(0)
    try:
        run(times(3), 2.0)
    finally:
        os.umask(before)
    made = {p.suffix: stat.S_IMODE(p.stat().st_mode) for p in (folder / "deeper").iterdir()}
    assert made == {".key": 0o600, ".o": 0o600}
    assert [stat.S_IMODE(p.stat().st_mode) for p in (folder, folder / "deeper")] == [0o700] * 2


# ---- where it is


def test_the_folder_is_chosen_by_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("CHAINRULE_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "not/a/full/path")
    assert cache.opened().folder == str(tmp_path / ".cache" / "chainrule")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.opened().folder == str(tmp_path / "xdg" / "chainrule")
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "mine"))
    assert cache.opened().folder == str(tmp_path / "mine")
    monkeypatch.setenv("CHAINRULE_CACHE", "Off")
    assert cache.opened() is None
    monkeypatch.setenv("CHAINRULE_CACHE", "mine")
    with pytest.raises(InputError, match=r"CHAINRULE_CACHE is 'mine': .*full path.*\"off\""):
        run(times(3), 2.0)


def test_without_a_home_there_is_no_cache(monkeypatch):
    for name in ("CHAINRULE_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    assert cache.opened() is None
    assert run(times(3), 2.0) == 6.0


def owned_by_another(monkeypatch, path):
    asked = os.lstat

    def lstat(p):
        info = asked(p)
        if Path(p) != path:
            return info
        return os.stat_result([*info[:4], os.geteuid() + 1, *info[5:]])

    monkeypatch.setattr(os, "lstat", lstat)


def read_only(monkeypatch):
    opened = os.open

    def refuse(path, flags, *mode):
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
        return opened(path, flags, *mode)

    monkeypatch.setattr(os, "open", refuse)


UNSAFE = {
    "anyone may write": lambda folder, _: folder.chmod(0o702),
    "the group may write": lambda folder, _: folder.chmod(0o720),
    "a link": lambda folder, _: (folder.rename(folder.parent / "x"), folder.symlink_to("x")),
    "a file": lambda folder, _: (folder.rmdir(), folder.write_text("")),
    "the parent is open": lambda folder, _: folder.parent.chmod(0o702),
    "the parent is the group's": lambda folder, _: folder.parent.chmod(0o720),
    "another's": lambda folder, patch: owned_by_another(patch, folder),
    "another's parent": lambda folder, patch: owned_by_another(patch, folder.parent),
    "another's, far above": lambda folder, patch: owned_by_another(patch, folder.parents[2]),
    "nothing can be written": lambda folder, patch: read_only(patch),
}


@pytest.mark.parametrize("why", UNSAFE)
def test_a_folder_that_is_not_safely_ours_is_not_used(folder, compiled, monkeypatch, why):
    folder.mkdir(mode=0o700)
    UNSAFE[why](folder, monkeypatch)
    assert [run(times(3), 2.0), run(times(3), 2.0)] == [6.0, 6.0]
    assert len(compiled) == 2
    assert not [*folder.parent.rglob("*.o"), *folder.parent.rglob("*.key")]


def test_a_parent_open_to_all_is_fine_where_they_cannot_rename(folder, compiled):
    folder.parent.chmod(0o1777)
    assert [run(times(3), 2.0), run(times(3), 2.0)] == [6.0, 6.0]
    assert len(compiled) == 1


def test_what_stands_in_a_folder_that_cannot_be_written_is_used(folder, compiled, monkeypatch):
    run(times(3), 2.0)
    read_only(monkeypatch)
    assert [run(times(3), 2.0), run(times(4), 2.0)] == [6.0, 8.0]
    assert compiled == [times(3), times(4)]


@pytest.mark.parametrize("step", ["mkdir", "fsync", "replace", "link", "scandir"])
def test_a_full_disk_is_no_error_and_leaves_nothing_behind(folder, monkeypatch, step):
    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, step, full)
        assert [run(times(3), 2.0), run(times(3), 2.0)] == [6.0, 6.0]
    assert {p.name for p in folder.glob("*")} <= {"chainrule.key"}


# ---- what is believed


def replaced(folder, compiled):
    """Whether an entry that was tampered with is compiled again, and stands as it should."""
    path, count = the_entry(folder), len(compiled)
    right = run(times(3), 2.0) == 6.0 and len(compiled) == count + 1
    return right and run(times(3), 2.0) == 6.0 and len(compiled) == count + 1 and path.is_file()


def test_one_flipped_bit_anywhere_means_compiling_again(folder, compiled, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda file: None)  # 200 entries, none to outlive the power
    run(times(3), 2.0)
    path = the_entry(folder)
    good = path.read_bytes()
    in_the_header = range(0, 48 * 8, 7)
    elsewhere = np.linspace(48 * 8, len(good) * 8 - 1, 150).astype(int)
    for bit in [*in_the_header, *map(int, elsewhere)]:
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        path.write_bytes(bad)
        assert replaced(folder, compiled), bit
        assert path.read_bytes() == good


@pytest.mark.parametrize("kept", [0, 1, 47, 48, 49, -1])
def test_a_truncated_entry_means_compiling_again(folder, compiled, kept):
    run(times(3), 2.0)
    path = the_entry(folder)
    path.write_bytes(path.read_bytes()[:kept])
    assert replaced(folder, compiled)


def test_an_entry_of_another_name_is_not_believed(folder, compiled):
    run(times(3), 2.0)
    wanted = the_entry(folder)
    run(times(4), 2.0)
    (other,) = set(folder.glob("*.o")) - {wanted}
    other.replace(wanted)
    assert replaced(folder, compiled)


def test_another_processor_has_its_own_code(folder, compiled, monkeypatch):
    triple = cpu._host()[0]
    with monkeypatch.context() as patch:
        patch.setattr(cpu, "_host", lambda: (triple, "generic", ""))
        run(times(3), 2.0)
    foreign = the_entry(folder)
    run(times(3), 2.0)
    assert len(compiled) == 2
    (own,) = set(folder.glob("*.o")) - {foreign}
    foreign.replace(own)
    assert replaced(folder, compiled)


def test_other_versions_have_their_own_code(folder, compiled, monkeypatch):
    run(times(3), 2.0)
    llvmlite, llvm = cpu._versions()
    for versions in [("another", llvm), (llvmlite, "another")]:
        monkeypatch.setattr(cpu, "_versions", lambda versions=versions: versions)
        run(times(3), 2.0)
    monkeypatch.setattr(cpu, "VERSION", "another")
    run(times(3), 2.0)
    assert len(compiled) == 4


@pytest.mark.parametrize(
    "tamper",
    [
        lambda key: key.write_bytes(bytes(32)),
        lambda key: key.write_bytes(b"short"),
        lambda key: key.unlink(),
        lambda key: key.chmod(0o644),  # others may have read it
    ],
)
def test_with_other_secret_bytes_nothing_old_is_believed(folder, compiled, tamper):
    run(times(3), 2.0)
    key = folder / "chainrule.key"
    tamper(key)
    assert replaced(folder, compiled)
    assert (len(key.read_bytes()), stat.S_IMODE(key.stat().st_mode)) == (32, 0o600)


@pytest.mark.parametrize(
    "plant",
    [
        lambda path: path.chmod(0o620),
        lambda path: path.symlink_to(path.rename(path.parent / "x")),
        lambda path: (path.unlink(), os.mkfifo(path, 0o600)),
        lambda path: os.truncate(path, 1 << 40),
    ],
    ids=["the group may write", "a link", "a pipe", "too long to read"],
)
def test_an_entry_must_be_a_plain_file_of_ours(folder, compiled, plant):
    run(times(3), 2.0)
    plant(the_entry(folder))
    assert replaced(folder, compiled)


# ---- how much, and by how many


def test_what_was_not_used_for_longest_goes_first(folder, monkeypatch):
    run(times(3), 2.0)
    store = cache.opened()
    monkeypatch.setattr(cache, "LIMIT", cache.SHARES * 10_000)
    mine = folder / "0 notes"
    mine.write_bytes(bytes(20_000))  # someone's own file in the folder they chose
    keys = [f"{i:064x}" for i in range(4)]  # one share: the first digit is 0
    for at, key in enumerate(keys[:3]):
        store.keep(key, bytes(3_000))
        os.utime(folder / f"{key}.o", (at, at))
    assert store.load(keys[0])  # used: now keys[1] waits for longest
    store.keep(keys[3], bytes(3_000))
    assert [store.load(key) is not None for key in keys] == [True, False, True, True]
    store.keep(keys[1], bytes(10_000))  # with its header more than a share: not kept
    assert {p.name for p in folder.glob("0*")} == {mine.name, *(f"{keys[i]}.o" for i in (0, 2, 3))}


def test_the_bound_holds_for_all_together(folder, monkeypatch):
    run(times(3), 2.0)
    monkeypatch.setattr(cache, "LIMIT", 100_000)
    monkeypatch.setattr(os, "fsync", lambda file: None)
    store = cache.opened()
    for i in range(300):
        store.keep(cache.key_of(str(i)), bytes(1_000))
    assert 60_000 < sum(p.stat().st_size for p in folder.glob("*.o")) <= 100_000


@pytest.mark.parametrize("step", ["mkdir", "link"])
def test_what_another_process_made_first_is_used(folder, compiled, monkeypatch, step):
    make = getattr(os, step)

    def beaten(*args):
        make(*args)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))

    monkeypatch.setattr(os, step, beaten)
    assert [run(times(3), 2.0), run(times(3), 2.0)] == [6.0, 6.0]
    assert len(compiled) == 1


WORK = """
import ctypes, sys
from chainrule.backends.llvm.targets import cpu

compiled, compile_one = [], cpu._object_code
cpu._object_code = lambda *args: compiled.append(1) or compile_one(*args)
for i in range(20):
    text = f"define double @f(double %x) {{ %y = fmul double %x, {i}.0 ret double %y }}"
    code = cpu.compile_text(text)
    assert ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(code.address("f"))(3.0) == 3.0 * i
print(len(compiled))
"""


def test_many_processes_may_write_at_once(folder):
    command = [sys.executable, "-c", WORK]
    start = lambda: subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    workers = [start() for _ in range(8)]
    counts = [int(worker.communicate()[0]) for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 8
    assert sum(counts) >= 20
    assert (len([*folder.glob("*.o")]), [*folder.glob("*.tmp")]) == (20, [])
    assert start().communicate()[0] == "0\n"  # the next one compiles nothing

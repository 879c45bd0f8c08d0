"""Object code on the disk, so that the next process need not compile it again.

    <folder>/chainrule.key    32 random bytes, made once
    <folder>/<key>.o          an entry: MAGIC, length of the code, MAC, code

An entry runs as machine code, so it is believed only if its MAC is right: made of the entry and of
the key it is looked up by, with the secret bytes. The folder must be ours, and no other user may be
able to change what its path leads to. Any doubt means no cache, or compiling again; never an error.
"""

import hashlib
import hmac
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from struct import Struct

from chainrule.errors import InputError

LIMIT = 256 << 20  # bytes of all entries together
SHARES = 16  # parts of LIMIT, one for each first digit of a key: making room looks at one part

_MAGIC = b"chainru1"
_HEADER = Struct("<8sQ32s")  # magic, length of the code, MAC
_SECRET_SIZE = 32
_OURS = re.compile(r"[0-9a-f]{64}\.(o|[0-9a-f]{16}\.tmp)")  # other files are never touched


def key_of(*parts: str) -> str:
    """A name for what the parts give; only the last may contain a NUL."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def opened() -> "Store | None":
    """This user's store; None where it is turned off, or its folder is not safely ours.

    Raises InputError when CHAINRULE_CACHE is neither "off" nor a full path.
    """
    wanted = _wanted()
    if wanted is None or not hasattr(os, "geteuid"):  # Windows tells no owners and modes
        return None
    try:
        folder = _safe(wanted)
        secret = _secret(folder) if folder else b""
    except OSError:
        return None
    return Store(folder, secret) if folder and secret else None


@dataclass(frozen=True, slots=True)
class Store:
    """Object code by key, in a folder that only we can change."""

    folder: str
    secret: bytes

    def load(self, key: str) -> bytes | None:
        """The code kept under a key; None where there is none, or not as we wrote it."""
        path = self._path(key)
        try:
            entry = _read(path)
        except OSError:
            return None
        code = entry[_HEADER.size :]
        if not hmac.compare_digest(entry[: _HEADER.size], self._header(key, code)):
            return None
        with suppress(OSError):
            os.utime(path)  # last used now
        return code

    def keep(self, key: str, code: bytes) -> None:
        """Write an entry; nothing if it is larger than a share, or the disk will not have it."""
        entry = self._header(key, code) + code
        if len(entry) > LIMIT // SHARES:
            return
        with suppress(OSError):
            self._make_room(key, len(entry))
            _write(self._path(key), entry, os.replace)

    def _path(self, key: str) -> str:
        return os.path.join(self.folder, f"{key}.o")

    def _header(self, key: str, code: bytes) -> bytes:
        said = b"".join((_MAGIC, key.encode(), code))  # sizes of the first two are fixed
        return _HEADER.pack(_MAGIC, len(code), hmac.digest(self.secret, said, "sha256"))

    def _make_room(self, key: str, size: int) -> None:
        """Remove what was not used for longest in the key's share, until so many bytes fit."""
        entries = sorted(self._share(key[0]))
        excess = sum(s for _, s, _ in entries) + size - LIMIT // SHARES
        for _, freed, path in entries:
            if excess <= 0:
                break
            with suppress(FileNotFoundError):
                os.unlink(path)
            excess -= freed

    def _share(self, digit: str) -> Iterator[tuple[int, int, str]]:
        """Time of last use, size and path of the entries whose keys begin with a digit."""
        with os.scandir(self.folder) as files:
            for file in files:
                if file.name[0] == digit and _OURS.fullmatch(file.name):
                    with suppress(FileNotFoundError):  # another process removed it
                        info = file.stat(follow_symlinks=False)
                        yield info.st_mtime_ns, info.st_size, file.path


# ---- the folder


def _wanted() -> str | None:
    """The folder that the environment asks for, a full path."""
    chosen = os.environ.get("CHAINRULE_CACHE", "")
    if chosen.lower() == "off":
        return None
    if chosen and not os.path.isabs(chosen):
        raise InputError(
            f"CHAINRULE_CACHE is {chosen!r}: give the full path of a folder for compiled code, "
            'or "off"'
        )
    base, home = os.environ.get("XDG_CACHE_HOME", ""), os.environ.get("HOME", "")
    if not os.path.isabs(base) and os.path.isabs(home):
        base = os.path.join(home, ".cache")
    return chosen or (os.path.join(base, "chainrule") if os.path.isabs(base) else None)


def _safe(folder: str) -> str | None:
    """The folder without links in its path, made if missing; None if others can change it."""
    folder = os.path.abspath(folder)
    real = Path(os.path.realpath(os.path.dirname(folder)), os.path.basename(folder))
    for parent in reversed(real.parents):
        info = _made(parent)
        by_others = info.st_mode & 0o022 and not info.st_mode & stat.S_ISVTX
        if info.st_uid not in (0, os.geteuid()) or by_others or not stat.S_ISDIR(info.st_mode):
            return None
    return str(real) if _is_private(_made(real), stat.S_ISDIR, 0o022) else None


def _made(folder: Path) -> os.stat_result:
    """What a path is, and no link's target; a folder for us alone if it is nothing yet."""
    try:
        return os.lstat(folder)
    except FileNotFoundError:
        with suppress(FileExistsError):  # another process is as early
            os.mkdir(folder, 0o700)
        return os.lstat(folder)


def _is_private(info: os.stat_result, of_type: Callable[[int], bool], closed: int) -> bool:
    """Ours, of the type wanted, and with none of the permissions that should be closed."""
    return of_type(info.st_mode) and info.st_uid == os.geteuid() and not info.st_mode & closed


# ---- files


def _secret(folder: str) -> bytes:
    """The bytes that MACs are made with, new ones where there are none; b"" if others see them."""
    path = os.path.join(folder, "chainrule.key")
    with suppress(FileNotFoundError):
        secret = _read(path)
        if len(secret) == _SECRET_SIZE:
            return secret
        os.unlink(path)
    with suppress(FileExistsError):  # of several processes, the first one's bytes stay
        _write(path, os.urandom(_SECRET_SIZE), os.link)
    secret = _read(path)
    return secret if len(secret) == _SECRET_SIZE else b""


def _read(path: str) -> bytes:
    """A file's bytes; b"" where it is not a file of ours alone, or longer than an entry can be."""
    with open(path, "rb", opener=_without_links) as file:
        info = os.fstat(file.fileno())
        private = _is_private(info, stat.S_ISREG, 0o077) and info.st_size <= LIMIT // SHARES
        return file.read() if private else b""


def _without_links(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)  # a pipe would keep us waiting


def _write(path: str, data: bytes, publish: Callable[[str, str], None]) -> None:
    """A file for us alone, whole at once: written beside its place, then put there by `publish`."""
    beside = f"{path.removesuffix('.o')}.{os.urandom(8).hex()}.tmp"
    try:
        with open(beside, "xb", opener=lambda p, flags: os.open(p, flags, 0o600)) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        publish(beside, path)
    finally:
        with suppress(OSError):
            os.unlink(beside)

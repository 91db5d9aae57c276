"""One process a run folder: a second is refused, and told of the first."""

from __future__ import annotations

import errno
import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..recipe.errors import RunError

try:
    import fcntl
except ImportError:  # pragma: no cover  (not a POSIX system)
    fcntl = None  # type: ignore[assignment]

NAME = "lock"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a run folder; raises `RunError` where another process has it, with its number and host.

    The system lets go of the lock when its holder dies, however it dies. Where a file system cannot lock, the holder
    that the file names counts, unless it is of this host and no more: its process gone, or the host started anew.
    """
    path = folder / NAME
    handle = _take(path)
    try:
        os.ftruncate(handle, 0)
        os.write(handle, json.dumps(_self()).encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def _take(path: Path) -> int:
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise RunError(f"cannot lock {path.parent}: {error.strerror}") from None
        holder = _read(handle)
        try:
            if not _lock(handle) and _lives(holder):
                raise _Taken
            if os.stat(path).st_ino == os.fstat(handle).st_ino:
                return handle
        except _Taken:
            os.close(handle)
            who = f"process {holder['pid']} on {holder['host']}" if holder else "another process"
            raise RunError(f"{path.parent} is in use by {who}; wait for it, or stop it") from None
        except FileNotFoundError:
            pass
        os.close(handle)  # the holder before us took its file away between our two looks: once more


class _Taken(Exception):
    pass


def _lock(handle: int) -> bool:
    """Whether the system gave us the lock; False where it cannot lock here. Raises `_Taken`."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise _Taken from None
        return False
    return True


def _self() -> dict[str, Any]:
    return {"pid": os.getpid(), "host": platform.node(), "boot": _boot()}


def _read(handle: int) -> dict[str, Any]:
    try:
        found = json.loads(os.pread(handle, 4096, 0))
        return {"pid": int(found["pid"]), "host": str(found["host"]), "boot": str(found["boot"])}
    except (ValueError, KeyError, TypeError):
        return {}


def _lives(holder: dict[str, Any]) -> bool:
    """Whether the process that a lock file names may still be there; of other hosts, nobody can tell."""
    if not holder:
        return False
    if holder["host"] != platform.node():
        return True
    if holder["boot"] != _boot():
        return False
    try:
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return bool(holder["pid"] != os.getpid())


def _boot() -> str:
    """Which start of this host it is, or nothing where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""

"""Files that are whole or not there: written under another name, synced, renamed.

Every step is one call of `os`, so that a test can let each of them fail or end the process there.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

from ..recipe.errors import RunError

MOST_TEXT = 64 << 20  # bytes of a recipe, facts or other text


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file by new bytes so that a reader, or a crash, sees the old or the new whole.

    Raises `RunError` where the disk refuses.
    """
    work = path.with_name(path.name + ".tmp")
    try:
        write_synced(work, data)
        os.replace(work, path)
        sync_folder(path.parent)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error


def append_line(path: Path, text: str) -> None:
    """Add a line to a file and wait until the disk has it. Raises `RunError` where the disk refuses."""
    try:
        write_synced(path, f"{text}\n".encode(), append=True)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error


def write_synced(path: Path, data: bytes, append: bool = False) -> None:
    """Write bytes and wait until the disk has them."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else os.O_TRUNC), 0o666)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(path: Path) -> None:
    """Wait until the disk has a folder's entries."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_whole(path: Path, most: int | None = None) -> bytes:
    """The bytes of a file of a run.

    Raises `RunError` where it is missing, no regular file (a link leads out of the folder, a pipe never ends) or larger
    than `most` bytes.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise RunError(f"{path}: there is no such file") from None
    except OSError as error:
        reason = "a link, which is not followed" if error.errno == errno.ELOOP else error.strerror
        raise RunError(f"{path}: cannot be read: {reason}") from None
    with open(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise RunError(f"{path}: cannot be read: not a regular file")
        if most is not None and status.st_size > most:
            raise RunError(f"{path}: {status.st_size:,} bytes, more than the {most:,} that such a file may have")
        try:
            return file.read()
        except OSError as error:
            raise RunError(f"{path}: cannot be read: {error.strerror}") from None


def read_json(path: Path) -> Any:
    """The JSON of a file of a run; raises `RunError`."""
    try:
        return json.loads(read_whole(path, MOST_TEXT))
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}: not JSON: {error}") from None

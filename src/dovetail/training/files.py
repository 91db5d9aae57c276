"""Files that are whole or not there: written under another name, synced, renamed.

Every step is one call of `os`, so that a test can let each of them fail or end the process there.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from ..recipe.errors import RunError


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


def remove(path: Path) -> None:
    """Delete a folder with what is in it, as far as the disk allows; what stays is nobody's."""
    with contextlib.suppress(OSError):
        shutil.rmtree(path, ignore_errors=True)

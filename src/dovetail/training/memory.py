"""Memory that is freed stays with the process while it trains, so that the next step finds it in place.

glibc gives blocks of more than 128 KiB to 32 MiB back to the system as they are freed, and gets others, page by page
and zeroed, when they are needed again, at every step. Elsewhere than on Linux with glibc nothing is done.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -2, -3, -4  # from malloc.h
# afterwards: where glibc's own thresholds end up in a process that frees large blocks, since once set they stay
_USUAL = {_TRIM_THRESHOLD: 64 << 20, _TOP_PAD: 128 << 10, _MMAP_THRESHOLD: 32 << 20, _MMAP_MAX: 65536}
_KEEPING = {_TRIM_THRESHOLD: -1, _TOP_PAD: 16 << 20, _MMAP_MAX: 0}  # never trim; no block is mapped by itself
_lock = threading.Lock()
_users = 0


@cache
def _glibc() -> Any:
    """The C library, where it is glibc's."""
    try:
        library = ctypes.CDLL("libc.so.6")
        return library if hasattr(library, "gnu_get_libc_version") and hasattr(library, "mallopt") else None
    except OSError:
        return None


@contextmanager
def kept_memory() -> Iterator[None]:
    """Within it freed memory is kept; at the end what is unused goes back to the system."""
    global _users
    library = _glibc()
    if library is None:
        yield
        return
    with _lock:
        _users += 1
        _set(library, _KEEPING)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                _set(library, _USUAL)
                library.malloc_trim(0)


def _set(library: Any, options: dict[int, int]) -> None:
    for option, value in options.items():
        library.mallopt(option, value)

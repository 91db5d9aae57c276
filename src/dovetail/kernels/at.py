"""How a kernel is told where arrays are and how large: addresses and numbers."""

from __future__ import annotations

import ctypes
from typing import Any


def address(array: Any) -> ctypes.c_void_p:
    """Where the memory of a tensor or NumPy array begins, nowhere for None; the caller holds it while it is used."""
    if array is None:
        return ctypes.c_void_p(None)
    return ctypes.c_void_p(array.ctypes.data if hasattr(array, "ctypes") else array.data_ptr())


def call(function: Any, *arguments: Any) -> None:
    """Call a kernel with whole or single precision numbers, and arrays that lie row by row in one stretch of memory."""
    for one in arguments:
        if hasattr(one, "data_ptr"):
            assert one.is_contiguous(), one.shape
        elif hasattr(one, "ctypes"):
            assert one.flags.c_contiguous, one.shape
    function(*(_argument(one) for one in arguments))


def _argument(one: Any) -> Any:
    if isinstance(one, int):
        return ctypes.c_int64(one)
    return ctypes.c_float(one) if isinstance(one, float) else address(one)

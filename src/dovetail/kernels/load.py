"""Loads kernels, once a process; says which form is in use."""

from __future__ import annotations

import ctypes
import os
import warnings
from functools import cache

from ..recipe.errors import UsageError
from .build import BuildFailed, built

CHOICES = ("auto", "c", "torch")


def backend() -> str:
    """What `DOVETAIL_KERNELS` asks for: auto (kernels where they can be built), c (nothing else) or torch (none).

    Raises `UsageError` for another word.
    """
    choice = os.environ.get("DOVETAIL_KERNELS", "auto")
    if choice not in CHOICES:
        raise UsageError(f"DOVETAIL_KERNELS is '{choice}': expected one of {', '.join(CHOICES)}")
    return choice


def library(name: str) -> ctypes.CDLL | None:
    """The kernels of `<name>.cpp`, or None where PyTorch's operations are to be used.

    Where they cannot be built, says so once and goes on without; raises `UsageError` where DOVETAIL_KERNELS is c.
    """
    choice = backend()
    if choice == "torch":
        return None
    found = _load(name)
    if isinstance(found, ctypes.CDLL):
        return found
    if choice == "c":
        raise UsageError(f"DOVETAIL_KERNELS is 'c', and {found}")
    return None


@cache
def _load(name: str) -> ctypes.CDLL | str:
    try:
        return ctypes.CDLL(str(built(name)))
    except (BuildFailed, OSError) as error:
        if backend() == "auto":
            message = f"the fast kernels are not in use: {error}. PyTorch's operations compute the same, more slowly"
            warnings.warn(message, RuntimeWarning, stacklevel=3)
        return str(error)

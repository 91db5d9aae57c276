"""Parts of the user's own: modules that register them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from importlib.metadata import entry_points

from .errors import UsageError


def use_parts(modules: Iterable[str]) -> None:
    """Import modules by name, from here or installed, and what installed packages offer as `dovetail.parts`.

    Raises `UsageError` where there is no such module.
    """
    sys.path.insert(0, "")
    for name in modules:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name.split(".")[0]:
                raise
            raise UsageError(f"--use {name}: there is no such Python module here or installed") from None
    for entry in entry_points(group="dovetail.parts"):
        entry.load()

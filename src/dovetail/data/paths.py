"""Files and folders that a user names, looked for before anything is read."""

from __future__ import annotations

from pathlib import Path

from ..recipe.errors import DataError


def require_file(path: Path, told: str = "") -> None:
    """Raise `DataError` where there is no file; `told` says what it would be."""
    if path.is_dir():
        raise DataError(f"{path}: is a folder, expected a file{told}")
    if not path.is_file():
        raise DataError(f"{path}: there is no such file{told}")


def require_folder(path: Path) -> None:
    """Raise `DataError` where there is no folder."""
    if path.is_file():
        raise DataError(f"{path}: is a file, expected a folder")
    if not path.is_dir():
        raise DataError(f"{path}: there is no such folder")

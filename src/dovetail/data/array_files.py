"""The .npy and .npz files of NumPy, read without trust."""

from __future__ import annotations

import math
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from ..recipe.errors import DataError

_DEFLATE = 1100  # deflate shrinks at most 1032 times


def read_array(here: Path, text: str) -> np.ndarray:
    """The array at `file.npy` or `file.npz:key`; raises `DataError`.

    Never unpickles, and reads no array that its file cannot hold, whatever its header promises.
    """
    path, _, key = text.partition(".npz:")
    path += ".npz" if key else ""
    try:
        with open(here / path, "rb") as file:
            zipped = zipfile.is_zipfile(file)
            file.seek(0)
            if not zipped:
                if key:
                    raise DataError(f"{here / path}: there is no '{key}' in it; it has one array")
                return _load(file, os.fstat(file.fileno()).st_size)
            return _unzipped(here / path, path, zipfile.ZipFile(file), key)
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{here / path}: cannot be read: {error.strerror or error}") from None
    except Exception as error:  # of zip files, too, NumPy raises many kinds
        reason = (str(error).splitlines() or [repr(error)])[0]
        raise DataError(f"{here / path}: not an array file, or a broken one: {reason}") from None


def _unzipped(where: Path, path: str, archive: zipfile.ZipFile, key: str) -> np.ndarray:
    names = [name.removesuffix(".npy") for name in archive.namelist()]
    if not key:
        raise DataError(f"{where}: say which array: {path}:{' or :'.join(names)}")
    if key not in names:
        raise DataError(f"{where}: there is no '{key}' in it; it has {', '.join(names)}")
    if f"{key}.npy" not in archive.namelist():
        raise DataError(f"{where}: '{key}' in it is not an array")
    member = archive.getinfo(f"{key}.npy")
    if member.file_size > _DEFLATE * member.compress_size:
        raise DataError(f"{where}: '{key}' promises {member.file_size:,} bytes, far more than the file can hold")
    with archive.open(member) as file:
        return _load(file, member.file_size)


def _load(file: Any, size: int) -> np.ndarray:
    """The array of an open .npy file of so many bytes, its header read first."""
    version = np.lib.format.read_magic(file)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, kind = header(file)
    if kind.hasobject:
        raise ValueError("it holds Python objects, which are not loaded")
    promised = math.prod(shape) * kind.itemsize
    if min(shape, default=0) < 0 or promised > size:
        raise ValueError(f"it promises {promised:,} bytes of {kind} {shape}, it has {size:,}")
    file.seek(0)
    array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
    return array

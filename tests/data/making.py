"""Small data sets written to files, for tests."""

from __future__ import annotations

import gzip
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import dovetail as dt
from dovetail.data.source import Examples, Fetched, Source
from dovetail.recipe.errors import DataError

CODES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}


def says(message: str, kind: type[Exception] = DataError) -> pytest.RaisesExc[Exception]:
    """The error that a test expects, its message word for word."""
    return pytest.raises(kind, match=f"^{re.escape(message)}$")


def everything(part: Examples) -> Fetched:
    """All of a part."""
    return part.fetch(torch.arange(len(part)))


def idx_bytes(array: np.ndarray) -> bytes:
    """An array as the bytes of an idx file."""
    header = bytes([0, 0, CODES[str(array.dtype)], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_idx(path: Path, array: np.ndarray, zipped: bool = False) -> str:
    data = idx_bytes(array)
    path.write_bytes(gzip.compress(data) if zipped else data)
    return path.name


def pictures(count: int = 20, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Random images (count, 6, 5) of bytes and their classes, 0, 1 or 2."""
    images = np.random.default_rng(seed).integers(0, 256, (count, 6, 5)).astype(np.uint8)
    return images, (np.arange(count) % 3).astype(np.uint8)


def write_table(path: Path, x: np.ndarray, y: np.ndarray) -> str:
    """Rows of numbers `a`, `b`, ... and a class `y`."""
    names = [chr(ord("a") + i) for i in range(x.shape[1])]
    rows = [",".join([*(repr(float(v)) for v in row), f"c{label}"]) for row, label in zip(x, y, strict=True)]
    path.write_text("\n".join([",".join([*names, "y"]), *rows]) + "\n")
    return path.name


# Sources of a given set: each writes images x (N, 6, 5) and classes y below a folder and gives the source of them.


def make_idx(here: Path, x: np.ndarray, y: np.ndarray) -> Source:
    write_idx(here / "x", x)
    write_idx(here / "y", y, zipped=True)
    return dt.idx("x", "y", test=0.2, validation=3).make(here)


def make_idx_official(here: Path, x: np.ndarray, y: np.ndarray) -> Source:
    for name, array in (("x", x[:-5]), ("y", y[:-5]), ("tx", x[-5:]), ("ty", y[-5:])):
        write_idx(here / name, array)
    return dt.idx("x", "y", test_images="tx", test_labels="ty", validation=0.1).make(here)


def make_folder(here: Path, x: np.ndarray, y: np.ndarray) -> Source:
    for number, (image, label) in enumerate(zip(x, y, strict=True)):
        (here / "photos" / f"c{label}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(here / "photos" / f"c{label}" / f"{number}.bmp")
    return dt.folder("photos", size=[6, 5], test=0.2, validation=2).make(here)


def make_table(here: Path, x: np.ndarray, y: np.ndarray) -> Source:
    return dt.table(write_table(here / "t.csv", x.reshape(len(x), -1)[:, :4], y), "y", validation=2).make(here)


def make_arrays(here: Path, x: np.ndarray, y: np.ndarray) -> Source:
    return dt.arrays(x.reshape(len(x), -1).astype(np.float32), y.astype(np.int64), validation=0.1).make(here)


def make_images(here: Path, x: np.ndarray, y: np.ndarray) -> Source:
    np.savez(here / "d.npz", x=x, y=y)
    return dt.arrays("d.npz:x", "d.npz:y", test=5).make(here)


MADE = {
    "idx": make_idx,
    "idx official": make_idx_official,
    "folder": make_folder,
    "table": make_table,
    "arrays": make_arrays,
    "images": make_images,
}


ABC = ["red,1.5,3,yes", "blue,2.5,4,no", "red,0.5,3,no", "blue,9.5,7,yes", "green,3,1,no", "red,2,5,yes"]


def table_of(rows: list[str], header: str = "color,size,age,y", target: Any = "y", **options: Any) -> Source:
    """The source of a CSV file `t.csv` of these rows, all of them to train on."""
    Path("t.csv").write_text("\n".join([header, *rows]) + "\n")
    return dt.table("t.csv", target, **{"test": 0, **options}).make(Path())


def numbered(*cells: object) -> list[str]:
    """Rows of a running number and a cell."""
    return [f"{number},{cell}" for number, cell in enumerate(cells)]

"""The idx format of MNIST: a magic number, sizes, values; plain or gzipped."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..recipe import source
from ..recipe.errors import DataError
from .images import LabelledImages, Normalize, as_images
from .paths import require_file
from .source import InMemory, Source, shape_text
from .split import Share

_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_MOST_CLASSES = 1 << 16  # where nobody names them
_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def read_idx(path: Path) -> Tensor:
    """The array of an idx file. Raises `DataError` where it is missing, truncated, too long or not idx.

    Never reads more than the header promises, so a small file cannot ask for much memory.
    """
    try:
        with open(path, "rb") as probe:
            zipped = probe.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if zipped else open(path, "rb") as file:
            head = file.read(4)
            if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES or not 1 <= head[3] <= 8:
                raise DataError(f"{path}: not an idx file: it begins with {head.hex() or 'nothing'}")
            raw_sizes = file.read(4 * head[3])
            shape = [int.from_bytes(raw_sizes[i : i + 4], "big") for i in range(0, len(raw_sizes), 4)]
            kind = np.dtype(_TYPES[head[2]])
            if len(raw_sizes) < 4 * head[3]:
                raise DataError(f"{path}: truncated in its header")
            wanted = math.prod(shape) * kind.itemsize
            if wanted > (1100 if zipped else 1) * path.stat().st_size:  # deflate shrinks at most 1032 times
                raise DataError(f"{path}: promises {wanted:,} bytes, far more than the file can hold")
            data = file.read(wanted + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: broken or truncated gzip: {error}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(data) != wanted:
        found = f"only {len(data):,}" if len(data) < wanted else "more"
        raise DataError(f"{path}: promises {wanted:,} bytes of values for {'x'.join(map(str, shape))}, has {found}")
    try:
        array = np.frombuffer(data, kind).reshape(shape)
    except ValueError:  # a size of 0 beside others whose product no address could count
        raise DataError(f"{path}: no array can have the shape {'x'.join(map(str, shape))}") from None
    return torch.from_numpy(array.astype(kind.newbyteorder("="), copy=True))


class Idx(LabelledImages):
    def __init__(self, name: str, files: list[Path], classes: list[str] | None, *rest: object) -> None:
        super().__init__(name, *rest)  # type: ignore[arg-type]
        self.files, self.classes = files, classes

    def read(self) -> tuple[list[str], InMemory, InMemory | None]:
        pairs = [self.pair(*self.files[i : i + 2]) for i in range(0, len(self.files), 2)]
        shapes = [shape_text(list(pair.inputs.shape[1:])) for pair in pairs]
        if len(set(shapes)) > 1:
            raise DataError(f"{self.files[2]}: images of {shapes[1]}, those to train on are of {shapes[0]}")
        most = max(int(pair.targets.max()) for pair in pairs)
        names = self.classes or [str(number) for number in range(min(max(most + 1, 1), _MOST_CLASSES))]
        for pair, path in zip(pairs, self.files[1::2], strict=True):
            wrong = ((pair.targets < 0) | (pair.targets >= len(names))).nonzero()
            if len(wrong):
                row = int(wrong[0])
                raise DataError(f"{path}: label {int(pair.targets[row])} at row {row}, expected 0 to {len(names) - 1}")
        if len(names) < 2:
            raise DataError(f"{self.files[1]}: has one class only, '{names[0]}'")
        return names, pairs[0], pairs[1] if len(pairs) > 1 else None

    def pair(self, images: Path, labels: Path) -> InMemory:
        x, y = as_images(read_idx(images), str(images)), read_idx(labels)
        if y.dim() != 1 or y.is_floating_point():
            kind = str(y.dtype).removeprefix("torch.")
            raise DataError(f"{labels}: expected one whole number an image, got {tuple(y.shape)} of {kind}")
        if len(x) != len(y):
            raise DataError(f"{images} has {len(x):,} images, {labels} {len(y):,} labels")
        if not len(x):
            raise DataError(f"{images}: holds no images")
        return InMemory(x, y.long())


@source
def idx(
    here: Path,
    images: str,
    labels: str,
    test_images: str | None = None,
    test_labels: str | None = None,
    test: Share = 0.2,
    validation: Share = 0.0,
    split: int = 0,
    normalize: Normalize = "standard",
    classes: list[str] | None = None,
) -> Source:
    """Images and labels in idx files, plain or gzipped, with test files or a share of the images held out.

    Raises `DataError` for files that are missing, broken or do not fit together.

    >>> import dovetail as dt
    >>> dt.idx("train-images.gz", "train-labels.gz", test=1000)
    idx('train-images.gz', labels='train-labels.gz', test=1000)
    """
    if (test_images is None) != (test_labels is None):
        raise ValueError("test_images and test_labels go together")
    paths = [images, labels] + ([test_images, test_labels] if test_images and test_labels else [])
    files = [here / path for path in paths]
    for path in files:
        require_file(path)
    return Idx(images, files, classes, validation, test, split, normalize)


@source
def mnist(here: Path, root: str, validation: Share = 0.0, split: int = 0, normalize: Normalize = "standard") -> Source:
    """MNIST's four files in a folder, gzipped or not: 60,000 handwritten digits to train on, 10,000 to test.

    Also reads sets that come in the same form (Fashion-MNIST, KMNIST). Raises `DataError` where files are missing.
    LeCun et al. (1998), Gradient-based learning applied to document recognition.

    >>> import dovetail as dt
    >>> dt.mnist("data/mnist", validation=5000)
    mnist('data/mnist', validation=5000)
    """
    folder = here / root
    files = []
    for name in _FILES:
        there = [
            folder / form for form in (name, f"{name}.gz", name.replace("-idx", ".idx")) if (folder / form).is_file()
        ]
        if not there:
            raise DataError(f"{folder}: there is no {name} or {name}.gz in it. Get it: dovetail fetch mnist {root}")
        files.append(there[0])
    return Idx("mnist", files, [str(digit) for digit in range(10)], validation, 0, split, normalize)

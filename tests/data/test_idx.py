"""The idx format, and MNIST's four files."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from data.making import CODES, everything, idx_bytes, pictures, says, write_idx
from data.where import real

import dovetail as dt
from dovetail.data.idx import read_idx
from dovetail.recipe.errors import DataError

HERE = Path()
FILES = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]


def header(code: int, *sizes: int) -> bytes:
    return bytes([0, 0, code, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("dtype", CODES)
def test_reads_every_type_as_it_was_written(dtype: str, zipped: bool) -> None:
    array = np.array([[0, 1, 100], [3, 4, 127]], dtype=dtype)
    write_idx(Path("x"), array, zipped)
    read = read_idx(Path("x"))
    assert str(read.dtype) == f"torch.{dtype}"
    assert read.tolist() == array.tolist()


BROKEN = {
    "empty": (b"", "not an idx file: it begins with nothing"),
    "text": (b"hello world", "not an idx file: it begins with 68656c6c"),
    "unknown type": (header(7, 1) + b"\0", "not an idx file: it begins with 00000701"),
    "no axes": (bytes([0, 0, 8, 0]), "not an idx file: it begins with 00000800"),
    "header cut": (header(8, 2, 3)[:-3], "truncated in its header"),
    "values cut": (header(8, 2, 3) + b"12345", "promises 6 bytes of values for 2x3, has only 5"),
    "too long": (header(8, 2, 3) + b"1234567", "promises 6 bytes of values for 2x3, has more"),
    "promises much": (header(8, 1 << 20, 1 << 20), "promises 1,099,511,627,776 bytes, far more than the file can hold"),
    "nothing, of an impossible shape": (
        header(8, *[2**32 - 1] * 4, 0),
        "no array can have the shape 4294967295x4294967295x4294967295x4294967295x0",
    ),
    "promises much, zipped": (
        gzip.compress(header(14, 1 << 31)),
        "promises 17,179,869,184 bytes, far more than the file can hold",
    ),
}


@pytest.mark.parametrize(("data", "message"), BROKEN.values(), ids=BROKEN)
def test_tells_what_is_wrong_with_a_file(data: bytes, message: str) -> None:
    Path("x").write_bytes(data)
    with says(f"x: {message}"):
        read_idx(Path("x"))


@pytest.mark.parametrize("cut", [5, 12, -9, -1])
def test_a_cut_gzip_is_refused(cut: int) -> None:
    Path("x").write_bytes(gzip.compress(idx_bytes(pictures()[0]))[:cut])
    with pytest.raises(DataError, match=r"^x: broken or truncated gzip: "):
        read_idx(Path("x"))


def test_a_gzip_with_a_changed_byte_is_refused() -> None:
    data = bytearray(gzip.compress(idx_bytes(pictures()[0])))
    data[len(data) // 2] ^= 0xFF
    Path("x").write_bytes(data)
    with pytest.raises(DataError, match=r"^x: "):
        read_idx(Path("x"))


def test_a_missing_file_and_a_folder() -> None:
    with says("x: cannot be read: No such file or directory"):
        read_idx(Path("x"))
    with says("x: there is no such file"):
        dt.idx("x", "y").make(HERE)
    with says(".: cannot be read: Is a directory"):
        read_idx(HERE)


x, y = pictures()
WRONG = {
    "counts differ": (x, y[:-1], {}, "x has 20 images, y 19 labels"),
    "no images": (x[:0], y[:0], {}, "x: holds no images"),
    "numbers for images": (x.astype(np.int16), y, {}, "x: expected images (N, H, W) of bytes, got (20, 6, 5) of int16"),
    "labels for images": (y, y, {}, "x: expected images (N, H, W) of bytes, got (20,) of uint8"),
    "images of no height": (x[:, :0], y, {}, "x: expected images (N, H, W) of bytes, got (20, 0, 5) of uint8"),
    "images for labels": (x, x, {}, "y: expected one whole number an image, got (20, 6, 5) of uint8"),
    "fractions": (x, y / 2, {}, "y: expected one whole number an image, got (20,) of float64"),
    "out of range": (x, y, {"classes": ["a", "b"]}, "y: label 2 at row 2, expected 0 to 1"),
    "below 0": (x, y.astype(np.int8) - 1, {}, "y: label -1 at row 0, expected 0 to 1"),
    "billions of classes": (x, y.astype(np.int32) << 29, {}, "y: label 536870912 at row 1, expected 0 to 65535"),
    "one class": (x, y * 0, {}, "y: has one class only, '0'"),
    "all tested": (
        x,
        y,
        {"test": 20},
        "x: 20 examples do not make 20 for test and 0 for validation and leave some to train on",
    ),
}


@pytest.mark.parametrize(("images", "labels", "options", "message"), WRONG.values(), ids=WRONG)
def test_files_that_do_not_fit_together(
    images: np.ndarray, labels: np.ndarray, options: dict[str, object], message: str
) -> None:
    write_idx(Path("x"), images)
    write_idx(Path("y"), labels)
    source = dt.idx("x", "y", **options).make(HERE)
    with says(message):
        _ = source.facts


def test_test_images_of_another_size_are_refused() -> None:
    for name, array in (("x", x), ("y", y), ("tx", x[:, 1:]), ("ty", y)):
        write_idx(Path(name), array)
    with says("tx: images of 1x5x5, those to train on are of 1x6x5"):
        _ = dt.idx("x", "y", test_images="tx", test_labels="ty").make(HERE).facts
    with says("test_images and test_labels go together", ValueError):
        dt.idx("x", "y", test_images="tx").make(HERE)


def test_a_class_seen_only_in_the_test_files_is_a_class() -> None:
    for name, array in (("x", x), ("y", y % 2), ("tx", x), ("ty", y)):
        write_idx(Path(name), array)
    target = dt.idx("x", "y", test_images="tx", test_labels="ty").make(HERE).facts.target
    assert (target.names, target.counts) == (["0", "1", "2"], [13, 7, 0])


@pytest.mark.parametrize("form", ["{}", "{}.gz", "dots"])
def test_mnist_is_found_in_each_of_its_spellings(form: str) -> None:
    for name, array in zip(FILES, [x, y, x[:4], y[:4]], strict=True):
        spelled = name.replace("-idx", ".idx") if form == "dots" else form.format(name)
        write_idx(Path(spelled), array, zipped=spelled.endswith("gz"))
    source = dt.mnist(".").make(HERE)
    assert source.facts.sizes == {"train": 20, "validation": 0, "test": 4}
    assert source.facts.target.names == list("0123456789")
    Path(spelled).unlink()
    with says(f".: there is no {FILES[3]} or {FILES[3]}.gz in it. Get it: dovetail fetch mnist ."):
        dt.mnist(".").make(HERE)


def test_the_real_mnist() -> None:
    source = dt.mnist(str(real("mnist"))).make(HERE)
    images, labels, _ = source.part("train").fetch(torch.arange(3))
    assert source.facts.sizes == {"train": 60_000, "validation": 0, "test": 10_000}
    assert labels.tolist() == [5, 0, 4]
    assert everything(source.part("test"))[1][:4].tolist() == [7, 2, 1, 0]
    assert source.facts.target.counts == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert images.shape == (3, 1, 28, 28)
    assert source.facts.input.mean == [pytest.approx(0.1307 * 255, abs=0.02)]
    assert source.facts.input.deviation == [pytest.approx(0.3081 * 255, abs=0.02)]

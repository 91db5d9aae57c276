"""Files of arrays: .npy and .npz, never unpickled."""

from __future__ import annotations

import re
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from data.making import says

import dovetail as dt
from dovetail.data.array_files import read_array
from dovetail.recipe.errors import DataError

HERE = Path()
X = np.arange(12.0).reshape(6, 2)


@pytest.fixture(autouse=True)
def _files() -> None:
    np.save("x.npy", X)
    np.savez("d.npz", x=X, y=np.arange(6) % 2)
    np.savez_compressed("z.npz", **{"a:b": X})


@pytest.mark.parametrize("text", ["x.npy", "d.npz:x", "z.npz:a:b"])
def test_reads(text: str) -> None:
    assert np.array_equal(read_array(HERE, text), X)
    Path("below").mkdir()
    assert np.array_equal(read_array(Path("below"), f"../{text}"), X)


def test_files_and_memory_give_the_same_data() -> None:
    a, b = dt.arrays("x.npy", "d.npz:y").make(HERE), dt.arrays(X, np.arange(6) % 2).make(HERE)
    assert a.facts == b.facts


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no.npy", "no.npy: cannot be read: No such file or directory"),
        (".", ".: cannot be read: Is a directory"),
        ("d.npz", "d.npz: say which array: d.npz:x or :y"),
        ("d.npz:z", "d.npz: there is no 'z' in it; it has x, y"),
        ("one.npz:x", "one.npz: there is no 'x' in it; it has one array"),
        ("text.npz:note", "text.npz: 'note' in it is not an array"),
    ],
)
def test_tells_which_array_is_not_there(text: str, message: str) -> None:
    Path("x.npy").rename("one.npz")
    with zipfile.ZipFile("text.npz", "w") as file:
        file.writestr("note", "hello")
    with says(message):
        read_array(HERE, text)


class Bomb:
    """Unpickling it would leave a file behind."""

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (Path("harm"),)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("bomb.npy", "it holds Python objects, which are not loaded"),
        ("bomb.npz:x", "it holds Python objects, which are not loaded"),
        ("raw.npy", "the magic string is not correct; expected"),
    ],
)
def test_objects_are_refused_without_unpickling(text: str, reason: str) -> None:
    objects = np.array([Bomb(), Bomb()], dtype=object)
    np.save("bomb.npy", objects, allow_pickle=True)
    np.savez("bomb.npz", x=objects)
    Path("raw.npy").write_bytes(objects.dumps())
    path = text.partition(":")[0]
    with pytest.raises(DataError, match=re.escape(f"{path}: not an array file, or a broken one: {reason}")):
        read_array(HERE, text)
    assert not Path("harm").exists()


@pytest.mark.parametrize("cut", [0, 5, 20, 100, -1])
@pytest.mark.parametrize("text", ["x.npy", "d.npz:x", "z.npz:a:b"])
def test_a_cut_file_is_refused(text: str, cut: int) -> None:
    path = Path(text.partition(":")[0])
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match=rf"^{path}: "):
        read_array(HERE, text)


def test_a_file_that_promises_more_than_there_is_is_refused() -> None:
    data = Path("x.npy").read_bytes()
    for shape in (b"(9999999999999, 2), }", b"(7, 2), }"):
        promise = data.replace(b"(6, 2), }".ljust(len(shape)), shape, 1)
        assert len(promise) == len(data)
        assert promise != data
        Path("x.npy").write_bytes(promise)
        with pytest.raises(DataError, match=r"^x\.npy: not an array file, or a broken one: "):
            read_array(HERE, "x.npy")


@pytest.mark.parametrize("at", range(0, 200, 7))
def test_a_changed_byte_never_escapes_as_another_error(at: int) -> None:
    data = bytearray(Path("z.npz").read_bytes())
    data[at] ^= 0x55
    Path("z.npz").write_bytes(data)
    with suppress(DataError):
        read_array(HERE, "z.npz:a:b")


def test_a_header_that_promises_more_than_the_file_holds_is_refused_before_anything_is_read() -> None:
    for shape in ("(1000000000000,)", "(99999999, 99999999)", "(-1, 5)"):
        head = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
        Path("huge.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + bytes(80))
        with pytest.raises(
            DataError, match=r"^huge.npy: not an array file, or a broken one: it promises .* it has 208$"
        ):
            read_array(HERE, "huge.npy")


def test_an_archive_that_explodes_is_refused() -> None:
    with zipfile.ZipFile("bomb.npz", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("x.npy", bytes(50_000_000))
    with says("bomb.npz: 'x' promises 50,000,000 bytes, far more than the file can hold"):
        read_array(HERE, "bomb.npz:x")

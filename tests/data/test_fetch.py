"""Downloads: complete and right, or not there. From files, never from the network."""

from __future__ import annotations

import hashlib
import http.client
import io
import urllib.error
from pathlib import Path

import pytest
from data.making import says

from dovetail.data import fetch as room
from dovetail.data.fetch import SETS, fetch
from dovetail.recipe.errors import DataError, UsageError

INTO = Path("into")


@pytest.fixture(autouse=True)
def _two_files(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {}
    for name, text in (("a.gz", b"first"), ("b.gz", b"second")):
        Path(name).write_bytes(text)
        files[Path(name).absolute().as_uri()] = hashlib.sha256(text).hexdigest()
    monkeypatch.setitem(SETS, "mnist", files)


def names() -> list[str]:
    return sorted(path.name for path in INTO.iterdir())


def url(name: str) -> str:
    return Path(name).absolute().as_uri()


def test_files_come_whole_and_nothing_else() -> None:
    assert fetch("mnist", INTO / "deep") == INTO / "deep"
    assert {path.name: path.read_bytes() for path in (INTO / "deep").iterdir()} == {"a.gz": b"first", "b.gz": b"second"}


def test_what_is_there_and_right_is_kept_and_what_is_wrong_is_mended() -> None:
    INTO.mkdir()
    (INTO / "a.gz").write_bytes(b"first")
    (INTO / "b.gz").write_bytes(b"half")
    Path("a.gz").unlink()
    fetch("mnist", INTO)
    assert (INTO / "b.gz").read_bytes() == b"second"


def test_a_wrong_hash_is_refused_and_nothing_kept() -> None:
    Path("b.gz").write_bytes(b"from a captive portal")
    with says(f"{url('b.gz')}: its hash is not the known one; nothing was kept. Try again, or another network"):
        fetch("mnist", INTO)
    assert names() == ["a.gz"]


class Cut(io.BytesIO):
    def read(self, *_: object) -> bytes:
        raise http.client.IncompleteRead(b"fir")


def cut(*_: object, **__: object) -> Cut:
    return Cut()


def unresolved(*_: object, **__: object) -> Cut:
    raise urllib.error.URLError(OSError(-2, "Name or service not known"))


def slow(*_: object, **__: object) -> Cut:
    raise TimeoutError("timed out")


def refused(address: str, **_: object) -> Cut:
    raise urllib.error.HTTPError(address, 403, "Forbidden", http.client.HTTPMessage(), None)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (cut, "IncompleteRead(3 bytes read)"),
        (unresolved, "[Errno -2] Name or service not known"),
        (slow, "timed out"),
        (refused, "Forbidden"),
    ],
)
def test_a_network_that_fails_is_told_and_leaves_nothing(
    answer: object, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("urllib.request.urlopen", answer)
    with says(
        f"{url('a.gz')}: cannot be fetched ({reason}). Where there is no network, copy a.gz into into",
    ):
        fetch("mnist", INTO)
    assert names() == []


def test_a_disk_that_fills_leaves_nothing_half(monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        write(self, data[:2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DataError, match="No space left on device"):
        fetch("mnist", INTO)
    assert names() == []


def test_an_unknown_set_and_a_folder_that_cannot_be() -> None:
    with says("there is no data set 'minst' to fetch. Did you mean 'mnist'?", UsageError):
        fetch("minst", INTO)
    with says("a.gz: cannot be made: File exists"):
        fetch("mnist", Path("a.gz"))


def test_every_known_file_has_a_full_hash() -> None:
    assert all(len(digest) == 64 for files in SETS.values() for digest in files.values())
    assert room.TIMEOUT > 0

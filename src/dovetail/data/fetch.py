"""The explicit word for a download: files with known hashes, each complete or not there."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.request
from pathlib import Path

from ..recipe.errors import DataError, UsageError, nearest

SETS = {
    "mnist": {
        "https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz": (
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
        ),
        "https://ossci-datasets.s3.amazonaws.com/mnist/train-labels-idx1-ubyte.gz": (
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
        ),
        "https://ossci-datasets.s3.amazonaws.com/mnist/t10k-images-idx3-ubyte.gz": (
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
        ),
        "https://ossci-datasets.s3.amazonaws.com/mnist/t10k-labels-idx1-ubyte.gz": (
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
        ),
    }
}
TIMEOUT = 30.0  # seconds without an answer


def fetch(name: str, root: Path) -> Path:
    """Download a data set into a folder, check every hash, and keep what is already there and right.

    Raises `UsageError` for a set there is not, `DataError` where the network or a hash fails; nothing half is left.
    """
    if name not in SETS:
        raise UsageError(f"there is no data set '{name}' to fetch. {nearest(name, SETS)}")
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{root}: cannot be made: {error.strerror}") from None
    for url, digest in SETS[name].items():
        target = root / url.rsplit("/", 1)[-1]
        if not (target.is_file() and hashlib.sha256(target.read_bytes()).hexdigest() == digest):
            _download(url, target, digest)
    return root


def _download(url: str, target: Path, digest: str) -> None:
    work = target.with_name(target.name + ".part")
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            data = answer.read()
        if hashlib.sha256(data).hexdigest() != digest:
            raise DataError(f"{url}: its hash is not the known one; nothing was kept. Try again, or another network")
        work.write_bytes(data)
        os.replace(work, target)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(
            f"{url}: cannot be fetched ({reason}). Where there is no network, copy {target.name} into {target.parent}"
        ) from None
    finally:
        work.unlink(missing_ok=True)

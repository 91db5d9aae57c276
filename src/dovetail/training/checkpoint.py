"""Checkpoints: folders of safetensors and JSON, never pickle, complete or not there at all.

A checkpoint is written under a temporary name, synced, and renamed; a folder whose manifest or hash does not fit is
passed over, so that no half of one is ever taken for a whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from ..recipe.errors import RunError

FORMAT = 1
_TENSORS, _MANIFEST = "tensors.safetensors", "checkpoint.json"


@dataclass(frozen=True)
class Checkpoint:
    """Where a run stands: its step, its tensors and how long its metrics were."""

    step: int
    tensors: dict[str, Tensor]
    metrics_bytes: int
    path: Path | None = None

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors under `prefix/`, without it."""
        return {name[len(prefix) + 1 :]: t for name, t in self.tensors.items() if name.startswith(prefix + "/")}


def write_checkpoint(folder: Path, checkpoint: Checkpoint, keep: int) -> Path:
    """Write one and delete all but the newest `keep`. Raises `RunError` where the disk refuses."""
    target = folder / f"step-{checkpoint.step:09d}"
    work = folder / f"{target.name}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        payload = tensor_bytes(checkpoint.tensors)
        manifest = {
            "format": FORMAT,
            "step": checkpoint.step,
            "metrics_bytes": checkpoint.metrics_bytes,
            "sha256": {_TENSORS: hashlib.sha256(payload).hexdigest()},
        }
        write_synced(work / _TENSORS, payload)
        write_synced(work / _MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())
        sync_folder(work)
        if target.exists():  # the same step, saved again after a resumption: same bytes
            shutil.rmtree(target)
        os.replace(work, target)
        sync_folder(folder)
    except OSError as error:
        raise RunError(f"cannot write the checkpoint {target}: {error.strerror or error}") from error
    for old in sorted(folder.glob("step-*[0-9]"))[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def newest_checkpoint(folder: Path) -> Checkpoint:
    """The newest complete checkpoint; raises `RunError` where there is none."""
    reasons = []
    for path in sorted(folder.glob("step-*[0-9]"), reverse=True):
        try:
            return _read(path)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            reasons.append(f"{path.name}: {error}")
    detail = f" ({'; '.join(reasons)})" if reasons else ""
    raise RunError(f"{folder}: holds no complete checkpoint{detail}")


def _read(path: Path) -> Checkpoint:
    manifest: dict[str, Any] = json.loads((path / _MANIFEST).read_text())
    if manifest["format"] != FORMAT:
        raise ValueError(f"format {manifest['format']}, this version reads {FORMAT}")
    with open(path / _TENSORS, "rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != manifest["sha256"][_TENSORS]:
            raise ValueError("its hash does not fit")
    tensors = load_file(path / _TENSORS)
    return Checkpoint(int(manifest["step"]), tensors, int(manifest["metrics_bytes"]), path)


def tensor_bytes(tensors: dict[str, Tensor]) -> bytes:
    """Tensors as safetensors bytes, on the CPU and in the usual layout; the same tensors give the same bytes."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    data: bytes = save(plain, {"format": "pt"})
    return data


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file by new bytes so that a reader, or a crash, sees the old or the new whole.

    Raises `RunError` where the disk refuses.
    """
    work = path.with_name(path.name + ".tmp")
    try:
        write_synced(work, data)
        os.replace(work, path)
        sync_folder(path.parent)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error


def write_synced(path: Path, data: bytes) -> None:
    """Write bytes and wait until the disk has them."""
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Wait until the disk has a folder's entries."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

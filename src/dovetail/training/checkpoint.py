"""Checkpoints: folders of safetensors and JSON, never pickle, complete or not there at all.

A checkpoint is written under a temporary name, synced, and renamed; a folder whose manifest or hash does not fit is
passed over, so that no half of one is ever taken for a whole.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from ..recipe.errors import RunError
from .files import remove, sync_folder, write_synced

FORMAT = 1
_BROKEN = (OSError, ValueError, KeyError, TypeError, SafetensorError)
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
    work = target.with_name(target.name + ".tmp")
    try:
        if _is_complete(target):  # the same step, saved again after a resumption: the same bytes
            return target
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in (target, *folder.glob("*.tmp")):
            remove(leftover)
        os.mkdir(work)
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
        os.replace(work, target)
        sync_folder(folder)
    except OSError as error:
        remove(work)
        raise RunError(
            f"cannot write the checkpoint {target}: {error.strerror or error}; the ones before it are whole. "
            f"Go on, when the disk allows, with: dovetail resume {folder.parent}"
        ) from error
    for old in sorted(folder.glob("step-*[0-9]"))[:-keep]:
        remove(old)
    return target


def _is_complete(path: Path) -> bool:
    try:
        _read(path)
    except _BROKEN:
        return False
    return True


def newest_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest complete checkpoint, or nothing where none was ever finished.

    Raises `RunError` where there are some and none is complete.
    """
    reasons = []
    for path in sorted(folder.glob("step-*[0-9]"), reverse=True):
        try:
            return _read(path)
        except _BROKEN as error:
            reasons.append(f"{path.name}: {error}")
    if not reasons:
        return None
    raise RunError(f"{folder}: holds no complete checkpoint ({'; '.join(reasons)})")


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

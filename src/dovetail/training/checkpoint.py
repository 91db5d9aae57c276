"""Checkpoints: one sealed file of tensors each, never pickle, complete or not there at all."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ..recipe.errors import RunError
from .files import write_atomically
from .tensors import read_tensors, require_alike, tensor_bytes

FORMAT = 1
_ABOUT = {f"checkpoint/{name}": torch.tensor(0) for name in ("format", "step", "metrics_bytes")}


@dataclass(frozen=True)
class Checkpoint:
    """Where a run stands: its step, its tensors, how long its metrics were, and what newer ones are damaged."""

    step: int
    tensors: dict[str, Tensor]
    metrics_bytes: int
    damaged: tuple[str, ...] = ()

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors under `prefix/`, without it."""
        return {name[len(prefix) + 1 :]: t for name, t in self.tensors.items() if name.startswith(prefix + "/")}


def write_checkpoint(folder: Path, checkpoint: Checkpoint, keep: int) -> Path:
    """Write one and delete all but the newest `keep`. Raises `RunError` where the disk refuses."""
    target = folder / _name(checkpoint.step)
    about = (FORMAT, checkpoint.step, checkpoint.metrics_bytes)
    tensors = {name: torch.tensor(value) for name, value in zip(_ABOUT, about, strict=True)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(target, tensor_bytes({**checkpoint.tensors, **tensors}))
    except (OSError, RunError) as error:
        raise RunError(
            f"cannot write the checkpoint {target}: {_reason(error)}; the ones before it are whole. "
            f"Go on, when the disk allows, with: dovetail resume {folder.parent}"
        ) from error
    for old in [*_newest_first(folder)[keep:], *folder.glob("*.tmp")]:
        with contextlib.suppress(OSError):  # what cannot be deleted does no harm
            old.unlink()
    return target


def _reason(error: Exception) -> str:
    cause = error if isinstance(error, OSError) else error.__cause__
    return str(getattr(cause, "strerror", None) or error)


def newest_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest complete checkpoint, or nothing where none was ever finished.

    Raises `RunError` where there are some and none is complete.
    """
    reasons: list[str] = []
    for path in _newest_first(folder):
        try:
            return replace(_read(path), damaged=tuple(reasons))
        except (RunError, ValueError) as error:
            reasons.append(str(error))
    if not reasons:
        return None
    raise RunError(f"{folder}: holds no complete checkpoint ({'; '.join(reasons)})")


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*.safetensors"), reverse=True)


def _read(path: Path) -> Checkpoint:
    tensors = read_tensors(path)
    require_alike(_ABOUT, {name: tensor for name, tensor in tensors.items() if name.startswith("checkpoint/")})
    made, step, metrics_bytes = (int(tensors[name]) for name in _ABOUT)
    if made != FORMAT:
        raise RunError(f"{path}: format {made}, this version reads {FORMAT}")
    if path.name != _name(step) or metrics_bytes < 0:
        raise RunError(f"{path}: says that it is of step {step}, after {metrics_bytes} bytes of metrics")
    return Checkpoint(step, tensors, metrics_bytes)


def _name(step: int) -> str:
    return f"step-{step:09d}.safetensors"

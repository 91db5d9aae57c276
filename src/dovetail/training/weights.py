"""Beginning from other weights: by name, with a report of what matched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ..recipe.errors import RecipeError, RunError
from .checkpoint import newest_checkpoint
from .journal import BEST, MODEL
from .tensors import read_tensors


@dataclass(frozen=True)
class Report:
    """Which parameters and buffers took over weights, and which did not fit or were not there."""

    matched: list[str]
    other_shape: list[str]
    missing: list[str]
    unused: list[str]

    def __str__(self) -> str:
        words = [f"{len(self.matched)} tensors taken over"]
        for text, names in (
            ("of another shape, left as initialized", self.other_shape),
            ("not in the file, left as initialized", self.missing),
            ("in the file, not in the network", self.unused),
        ):
            if names:
                words.append(f"{len(names)} {text} ({', '.join(names[:4])}{' ...' if len(names) > 4 else ''})")
        return "; ".join(words)


def read_weights(path: Path, best: bool = False) -> dict[str, Tensor]:
    """The tensors of a safetensors file or of a run's last (or best) model. Raises `RunError`."""
    name = BEST if best else MODEL
    file = path / name if path.is_dir() else path.resolve()  # who names a file may name a link to it
    if not file.is_file():
        raise RunError(f"no weights at {path}: expected a safetensors file, or a run folder with {name} in it")
    return read_tensors(file)


def begin_from(system: nn.Module, path: Path) -> Report:
    """Copy what fits by name and shape into a system, of a run under way from its newest checkpoint.

    Raises `RecipeError` where nothing fits.
    """
    checkpoints = path / "checkpoints"
    under_way = checkpoints.is_dir() and not (path / MODEL).exists()
    checkpoint = newest_checkpoint(checkpoints) if under_way else None
    weights, own = checkpoint.part("system") if checkpoint else read_weights(path), system.state_dict()
    fits = [name for name in own if name in weights and weights[name].shape == own[name].shape]
    if not fits:
        some = ", ".join(list(weights)[:3])
        raise RecipeError(f"start: none of the {len(weights)} tensors of {path} ({some}, ...) fits this network")
    with torch.no_grad():
        for name in fits:
            own[name].copy_(weights[name])
    return Report(
        fits,
        [name for name in own if name in weights and name not in fits],
        [name for name in own if name not in weights],
        [name for name in weights if name not in own],
    )

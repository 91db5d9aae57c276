"""Tensors in files: safetensors with a seal, so that a flipped bit is found."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ..recipe.errors import RunError
from .files import read_whole

_SEAL = "sha256"


def tensor_bytes(tensors: dict[str, Tensor]) -> bytes:
    """Tensors as sealed safetensors, on the CPU and in the usual layout; the same tensors give the same bytes."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    data: bytes = save(plain, {_SEAL: seal(plain)})  # one word alone: several would stand in any order
    return data


def seal(tensors: dict[str, Tensor]) -> str:
    """A hash of names, types, shapes and contents."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)} ".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data if tensor.numel() else b"")
    return digest.hexdigest()


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file; raises `RunError` where it is not one, or not as it was sealed.

    Files of others, which have no seal, are read as they are.
    """
    data = read_whole(path)
    try:
        tensors: dict[str, Tensor] = load(data)
        length = int.from_bytes(data[:8], "little")
        written = json.loads(data[8 : 8 + length]).get("__metadata__", {}).get(_SEAL)
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise RunError(f"{path}: cannot be read as safetensors: {error}") from None
    if written is not None and written != seal(tensors):
        raise RunError(f"{path}: its contents are not those it was sealed with; the file is damaged")
    return tensors


def require_alike(expected: dict[str, Tensor], given: dict[str, Tensor]) -> None:
    """Raise `ValueError` where tensors are not those expected, by name, shape and type."""
    for name in sorted(expected.keys() ^ given.keys()):
        raise ValueError(f"{name} is {'missing' if name in expected else 'unknown'}")
    for name, tensor in expected.items():
        other = given[name]
        if (tensor.shape, tensor.dtype) != (other.shape, other.dtype):
            raise ValueError(f"{name}: expected {kind_text(tensor)}, got {kind_text(other)}")


def kind_text(tensor: Tensor) -> str:
    """Shape and type of a tensor, as messages say it: `20x1x5x5 of float32`."""
    sizes = "x".join(map(str, tensor.shape)) or "one number"
    return f"{sizes} of {str(tensor.dtype).removeprefix('torch.')}"

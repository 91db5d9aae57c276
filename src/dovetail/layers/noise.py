"""What rows get at random: masks and normal numbers that go with key and row, the kernels and the same in PyTorch."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..kernels import library
from ..kernels.at import call
from .bits import GOLDEN, WORD, keys_of, random_bits, random_words, share_of, signed, spread_bits

ROW = 1 << 32  # places of a row
WHOLE = {2: torch.int16, 4: torch.int32, 8: torch.int64}  # by their bytes


def dropout_mask(like: Tensor, keep: float, key: int, first: int = 0) -> Tensor:
    """1 / keep with probability `keep`, else 0, with the shape (N, ...), type and device of another.

    What a row has is a function of the key and of its number alone, counted from `first`; rows that are longer have the
    same where they begin. `keep` is rounded to a multiple of 2^-16.
    """
    share = share_of(keep)
    rows, length = like.shape[0], like.shape[1:].numel()
    kernels = library("dropout") if like.device.type == "cpu" and like.element_size() in WHOLE else None
    if kernels is None:
        bits = spread_bits(random_bits(keys_of(key), share, _places(like, first, WORD)))
        return (bits[:, :length].to(like.dtype) / keep).view(like.shape)
    mask = like.new_empty(like.shape)
    value = int(torch.tensor(1 / keep, dtype=like.dtype).view(WHOLE[like.element_size()]))
    call(kernels.dropout_mask, keys_of(key), share, first, rows, length, like.element_size(), value, mask)
    return mask


def normal_rows(like: Tensor, key: int, first: int = 0) -> Tensor:
    """Normal numbers of mean 0 and deviation 1, float32, with the shape (N, ...) and device of another.

    By key and row as in `dropout_mask`, of 2^24 values up to 5.3; devices may differ in the last bits.
    """
    rows, length = like.shape[0], like.shape[1:].numel()
    kernels = library("normal") if like.device.type == "cpu" else None
    if kernels is None:
        words = random_words(key, (_places(like, first, 2) + 1).mul_(signed(GOLDEN)))
        halves = torch.stack([(words << 32) >> 40, words >> 40], -1).flatten(-2)[:, :length]
        return ((halves.float() + 0.5) * 2**-23).erfinv_().mul_(math.sqrt(2)).view(like.shape)
    numbers = like.new_empty(like.shape, dtype=torch.float32)
    call(kernels.normal_rows, key, first, rows, length, numbers)
    return numbers


def _places(like: Tensor, first: int, a_word: int) -> Tensor:
    """(N, words): the places of each row's words, of which one has so many entries."""
    rows = torch.arange(first, first + len(like), device=like.device).mul_(ROW).unsqueeze(1)
    return rows + torch.arange(-(-like.shape[1:].numel() // a_word), device=like.device)

"""Random bits as a pure function of key and place, on every device the same: words of 64, dropout's masks of them."""

from __future__ import annotations

import torch
from torch import Tensor

from ..kernels import library
from ..kernels.at import call
from ..recipe.draws import mix

WORD, DIGITS = 64, 16
GOLDEN, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB  # SplitMix64's
ROW = 1 << 32  # places of a row
WHOLE = {2: torch.int16, 4: torch.int32, 8: torch.int64}  # by their bytes


def share_of(keep: float) -> int:
    """A probability as a multiple of 2^-16, at least one."""
    return max(1, round(keep * (1 << DIGITS)))


def keys_of(key: int) -> Tensor:
    """A key for each digit of a share."""
    return torch.tensor([signed(mix(key, digit)) for digit in range(DIGITS)])


def dropout_mask(like: Tensor, keep: float, key: int, first: int = 0) -> Tensor:
    """1 / keep with probability `keep`, else 0, with the shape (N, ...), type and device of another.

    What a row has is a function of the key and of its number alone, counted from `first`; rows that are longer have the
    same where they begin. `keep` is rounded to a multiple of 2^-16.
    """
    share = share_of(keep)
    rows, length = like.shape[0], like.shape[1:].numel()
    kernels = library("dropout") if like.device.type == "cpu" and like.element_size() in WHOLE else None
    if kernels is None:
        places = (torch.arange(first, first + rows) * ROW).unsqueeze(1) + torch.arange(-(-length // WORD))
        bits = spread_bits(random_bits(keys_of(key), share, places.to(like.device)))
        return (bits[:, :length].to(like.dtype) / keep).view(like.shape)
    mask = like.new_empty(like.shape)
    value = int(torch.tensor(1 / keep, dtype=like.dtype).view(WHOLE[like.element_size()]))
    call(kernels.dropout_mask, keys_of(key), share, first, rows, length, like.element_size(), value, mask)
    return mask


def random_bits(keys: Tensor, share: int, places: Tensor) -> Tensor:
    """Words, int64, one for each place, of bits that are 1 with probability share / 2^16: what the kernels draw."""
    counters = (places + 1).mul_(signed(GOLDEN))
    bits = torch.zeros_like(places)
    lowest = (share & -share).bit_length() - 1
    if lowest == DIGITS:
        return bits.fill_(-1)
    for digit, key in enumerate(keys.tolist()[lowest:], lowest):
        random = counters + key
        for shift, factor in ((30, FIRST), (27, SECOND)):
            random = (random ^ _right(random, shift)).mul_(signed(factor))
        random ^= _right(random, 31)
        bits = bits | random if share >> digit & 1 else bits & random
    return bits


def spread_bits(words: Tensor) -> Tensor:
    """The bits of words one by one, 0 or 1: (..., words) -> (..., 64 words)."""
    places = torch.arange(WORD, device=words.device)
    return (words.unsqueeze(-1) >> places & 1).flatten(-2)


def signed(word: int) -> int:
    """A word of 64 bits as PyTorch's int64 has it."""
    return word - (1 << 64) if word >> 63 else word


def _right(words: Tensor, shift: int) -> Tensor:
    """Shift right as if the words had no sign."""
    return (words >> shift).bitwise_and_((1 << (64 - shift)) - 1)

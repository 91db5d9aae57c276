"""Random words as a pure function of key and place, on every device the same, and bits of a wanted probability."""

from __future__ import annotations

import torch
from torch import Tensor

from ..recipe.draws import Draws, mix

WORD, DIGITS = 64, 16
GOLDEN, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB  # SplitMix64's


def beginning(draws: Draws | None, purpose: str) -> tuple[int, int]:
    """The key of a layer's draws and the number of its first row; outside a system the global generator draws a key."""
    return (int(torch.randint(1 << 62, ())), 0) if draws is None else (draws.key(purpose), draws.first)


def share_of(keep: float) -> int:
    """A probability as a multiple of 2^-16, at least one."""
    return max(1, round(keep * (1 << DIGITS)))


def keys_of(key: int) -> Tensor:
    """A key for each digit of a share."""
    return torch.tensor([signed(mix(key, digit)) for digit in range(DIGITS)])


def random_bits(keys: Tensor, share: int, places: Tensor) -> Tensor:
    """Words, int64, one for each place, of bits that are 1 with probability share / 2^16: what the kernels draw."""
    counters = (places + 1).mul_(signed(GOLDEN))
    bits = torch.zeros_like(places)
    lowest = (share & -share).bit_length() - 1
    if lowest == DIGITS:
        return bits.fill_(-1)
    for digit, key in enumerate(keys.tolist()[lowest:], lowest):
        random = random_words(key, counters)
        bits = bits | random if share >> digit & 1 else bits & random
    return bits


def random_words(key: int, counters: Tensor) -> Tensor:
    """SplitMix64's stream of a key: 64 bits for each counter, which are multiples of `GOLDEN`."""
    random = counters + key
    for shift, factor in ((30, FIRST), (27, SECOND)):
        random = (random ^ _right(random, shift)).mul_(signed(factor))
    return random.bitwise_xor_(_right(random, 31))


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

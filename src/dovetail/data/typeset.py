"""Lines of handwriting, set from single characters that overlap, lean, break and get dirty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, pad

HEIGHT, ROOM = 28, 40  # of a line, and the width in which a character leans and grows
_INK = 32  # from this on a pixel counts as written
_AT_ONCE = 4096


@dataclass(frozen=True)
class Setting:
    """How characters stand in a line: `gap` [least, most] pixels between them, below 0 where they overlap; `slant` the
    largest lean, `scale` the largest change of size, `shift` the most pixels up or down; the share `broken` of them
    has a stroke cut; `noise` is a deviation of all pixels, 1 from white to black."""

    gap: tuple[int, int]
    slant: float
    scale: float
    shift: int
    broken: float
    noise: float


@dataclass(frozen=True)
class Lines:
    """Columns of many lines (places, HEIGHT) uint8 and the columns of each; of every character its class, first and
    last column (characters, 3), and the characters of each line."""

    columns: Tensor
    lengths: Tensor
    characters: Tensor
    counts: Tensor


def typeset(images: Tensor, picks: Sequence[Tensor], labels: Tensor, how: Setting, rng: np.random.Generator) -> Lines:
    """Set lines: `picks` are of each line its characters among images (n, 1, 28, 28), which have labels (n,)."""
    order = torch.cat(list(picks))
    glyphs = changed(images, order, how, rng)
    widths = ink_span(glyphs)
    columns: list[np.ndarray] = []
    rows: list[tuple[int, int, int]] = []
    names, start = labels[order].tolist(), 0
    gaps = iter(rng.integers(how.gap[0], how.gap[1] + 1, len(order)).tolist())
    margins = iter(rng.integers(4, 9, 2 * len(picks)).tolist())
    for pick in picks:
        spans: list[tuple[int, int]] = []
        right = next(margins)
        for i in range(start, start + len(pick)):
            first, last = widths[i]
            gap = next(gaps)
            left = max(right + gap, 1, spans[-1][0] + 2) if spans else right  # so that their order stays theirs
            spans.append((left, left + last - first))
            right = max(right, left + last - first)
        line = np.zeros((right + next(margins), HEIGHT), np.uint8)
        for i, (left, after) in zip(range(start, start + len(pick)), spans, strict=True):
            first, last = widths[i]
            np.maximum(line[left:after], glyphs[i, :, first:last].T, out=line[left:after])
            rows.append((names[i], left, after))
        columns.append(line)
        start += len(pick)
    lengths = torch.tensor([len(line) for line in columns])
    whole = np.concatenate(columns)
    if how.noise:
        dirt = rng.normal(0.0, 255 * how.noise, whole.shape).astype(np.float32)
        whole = (whole + dirt).round().clip(0, 255).astype(np.uint8)
    return Lines(torch.from_numpy(whole), lengths, torch.tensor(rows), torch.tensor([len(pick) for pick in picks]))


def changed(images: Tensor, order: Tensor, how: Setting, rng: np.random.Generator) -> np.ndarray:
    """(n, HEIGHT, ROOM) uint8: the characters in order, each leaning, sized and shifted by chance, some broken."""
    count = len(order)
    draws = torch.from_numpy(rng.uniform(-1, 1, (4, count)).astype(np.float32))
    breaks = np.flatnonzero(rng.random(count) < how.broken)
    cuts = rng.integers(8, HEIGHT - 8, count)
    found = np.empty((count, HEIGHT, ROOM), np.uint8)
    space = ROOM - images.shape[-1]
    for a in range(0, count, _AT_ONCE):
        part = slice(a, a + _AT_ONCE)
        some = pad(images[order[part]].float(), (space // 2, space - space // 2))
        lean, wide, high, up = draws[:, part]
        theta = torch.zeros(len(some), 2, 3)
        theta[:, 0, 0], theta[:, 1, 1] = 1 + how.scale * wide, 1 + how.scale * high
        theta[:, 0, 1] = how.slant * lean * HEIGHT / ROOM
        theta[:, 1, 2] = how.shift * up * 2 / HEIGHT
        moved = grid_sample(some, affine_grid(theta, list(some.shape), align_corners=False), align_corners=False)
        found[part] = moved[:, 0].round().to(torch.uint8).numpy()
    for i in breaks:
        found[i, cuts[i] : cuts[i] + 3] = 0
    return found


def ink_span(glyphs: np.ndarray) -> list[tuple[int, int]]:
    """Of each character the first column with ink, and the one behind the last."""
    inked: Any = (glyphs > _INK).any(1)
    first, last = inked.argmax(1), glyphs.shape[2] - inked[:, ::-1].argmax(1)
    return [(int(a), int(max(b, a + 1))) for a, b in zip(first, last, strict=True)]

"""A segmenter: where a line may be cut, and all pieces between a few neighbouring cuts as images."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from ..recipe import layer
from ..recipe.sequences import Lattice, Sequences
from ..recipe.spec import sees_time

Count = Annotated[int, Field(gt=0)]
_FAINT = 0.15  # of the brightest pixel: below this a column's sum counts as nothing written


class Segmented(nn.Module):
    """Lines to lattices of pieces; nothing is learned here, and gradients pass to no line."""

    sees_time = True

    def __init__(self, height: int, most: int, width: int, apart: int, wide: int, context: bool) -> None:
        super().__init__()
        self.height, self.most, self.width, self.apart, self.wide = height, most, width, apart, wide
        self.context = context

    @torch.no_grad()
    def forward(self, x: Sequences) -> Lattice:
        ink = x.values.float().sum(1).cpu().numpy()
        brightest = x.values.amax(1).float().cpu().numpy()
        lengths, cuts, columns, pieces, begins = x.lengths.tolist(), [], [], [], [0]
        start = 0
        ends = []
        for length in lengths:
            line = slice(start, start + length)
            places = cuts_of(ink[line], float(brightest[line].max(initial=0.0)), self.apart, self.wide)
            pairs = pairs_of(places, self.most, self.width)
            cuts.append(pairs)
            columns.append(places[pairs] + start)
            pieces.append(len(pairs))
            ends.append(len(places) - 1)
            start += length
            begins.append(start)
        spans = torch.from_numpy(np.concatenate(columns))
        bounds = torch.tensor([begins[:-1], begins[1:]]).repeat_interleave(torch.tensor(pieces), 1)
        around = bounds.to(x.device) if self.context else None
        values = crops(x.values, spans.to(x.device), self.width, around)
        return Lattice(
            values,
            torch.tensor(pieces, device=x.device),
            cuts=torch.from_numpy(np.concatenate(cuts)),
            columns=spans - bounds[0][:, None],
            ends=torch.tensor(ends),
        )

    def specimen(self, x: Sequences) -> Lattice:
        values = x.values.new_empty((4, 1 + self.context, self.height, self.width))
        two, pairs = torch.tensor([2, 2]), torch.tensor([[0, 1], [0, 1], [0, 1], [0, 1]])
        return Lattice(values, two, cuts=pairs, columns=pairs, ends=torch.tensor([1, 1]))


def cuts_of(ink: np.ndarray, bright: float, apart: int, wide: int) -> np.ndarray:
    """The columns of a line before which it may be cut, the first and the last among them.

    `ink` is how much is written in each column. Cuts are where writing begins and ends, in the middle of gaps, at the
    lowest of the columns around, and, where none of these is near, at the thinnest of the next `wide` columns.

    >>> cuts_of(np.array([0, 0, 5, 9, 5, 1, 6, 9, 0, 0]), 1.0, apart=2, wide=9).tolist()
    [2, 5, 8]
    """
    written = ink > _FAINT * bright
    if not written.any():
        return np.array([0, len(ink)])
    first, last = int(written.argmax()), len(ink) - int(written[::-1].argmax())
    inner = ink[first:last]
    count = len(inner)
    kept = [0, count]
    around = np.pad(inner, apart, constant_values=inner.max())
    lowest = np.min([around[i : i + count] for i in range(2 * apart + 1)], 0)
    valleys = np.flatnonzero((inner == lowest) & (inner < inner.max()))
    for group in np.split(valleys, np.flatnonzero(np.diff(valleys) > 1) + 1) if len(valleys) else ():
        middle = int(group[len(group) // 2])
        if all(abs(middle - other) >= apart for other in kept):
            kept.append(middle)
    return first + np.array(_filled(inner, sorted(kept), apart, wide))


def _filled(ink: np.ndarray, cuts: list[int], apart: int, wide: int) -> list[int]:
    """Cuts that are nowhere more than so many columns from one another, the new ones at the thinnest columns."""
    filled = cuts[:1]
    for cut in cuts[1:]:
        while cut - filled[-1] > wide:
            begin = filled[-1] + apart
            filled.append(begin + int(ink[begin : min(filled[-1] + wide, cut - apart) + 1].argmin()))
        filled.append(cut)
    return filled


def pairs_of(places: np.ndarray, most: int, width: int) -> np.ndarray:
    """(pieces, 2): from which cut to which, past at most so many stretches and columns, one stretch at least."""
    found = [
        (i, j)
        for i in range(len(places) - 1)
        for j in range(i + 1, min(i + most, len(places) - 1) + 1)
        if j == i + 1 or places[j] - places[i] <= width
    ]
    return np.array(found, np.int64)


def crops(columns: Tensor, spans: Tensor, width: int, lines: Tensor | None = None) -> Tensor:
    """(pieces, 1 or 2, H, width): the columns of each span in the middle of an image, nothing beside them; with
    `lines` (2, pieces), where the line of each piece begins and ends, second what stands there in the line."""
    size = spans[:, 1] - spans[:, 0]
    begin = spans[:, :1] - torch.div(width - size, 2, rounding_mode="floor")[:, None]
    places = begin + torch.arange(width, device=columns.device)
    rows = columns[places.clamp(0, len(columns) - 1)]
    bounds = [spans.T] if lines is None else [spans.T, lines]
    seen = [(places >= first[:, None]) & (places < after[:, None]) for first, after in bounds]
    return torch.stack([torch.where(inside[..., None], rows, 0.0) for inside in seen], 1).transpose(2, 3)


@layer
@sees_time
def segments(
    x: Any, most: Count = 6, width: Count = 28, apart: Count = 2, wide: Count = 12, context: bool = False
) -> nn.Module:
    """Cut a line wherever a character may end, and make an image of every piece between cuts that are near.

    Cuts are where writing begins and ends, in gaps and at the thinnest columns, at least `apart` columns from one
    another and at most `wide`; pieces span at most `most` stretches between neighbouring cuts and `width` columns. Each
    becomes an image (1, H, width) with the piece in its middle, and what follows takes each as an example; with
    `automaton` all ways to cut are weighed against one another. With `context` a piece has a second channel, the line
    around it as it stands, by which a neighbour's stroke is told from its own. Shapes: sequences of columns (N, T, H),
    0 where nothing is written -> a lattice of pieces (N, pieces, 1 or 2, H, width). Raises `ValueError` for other
    inputs. LeCun et al. (1998), Gradient-based learning applied to document recognition, section IV, heuristic
    over-segmentation.

    >>> import dovetail as dt
    >>> dt.segments(most=3)
    segments(3)
    """
    if not isinstance(x, Sequences) or x.values.dim() != 2 or x.fields:
        raise ValueError("takes sequences of columns (N, T, H), as lines to read are")
    if wide < 2 * apart:
        raise ValueError(f"wide: {wide} columns are less than two times {apart}, the least between cuts")
    return Segmented(x.values.shape[1], most, width, apart, wide, context)

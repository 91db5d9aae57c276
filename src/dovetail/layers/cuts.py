"""Where lines of handwriting may be cut, and which stretches between cuts may be characters; all lines at once."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
_FAINT = 0.15  # of a line's brightest pixel: below this a column's sum counts as nothing written


def cuts_of(ink: Any, bright: Any, lengths: Indices, apart: int, wide: int) -> tuple[Indices, Indices]:
    """The columns before which lines may be cut, the first and the last among them, line by line, and how many of each.

    Shapes: ink (N, T) how much is written in each column and bright (N, T) the brightest pixel there, of which the
    first `lengths` (N,) of a row are a line's. Cuts are where writing begins and ends, in the middle of gaps, at the
    lowest of the columns around, and, where none of these is near, at the thinnest of the next `wide` columns.

    >>> ink = np.array([[0, 0, 5, 9, 5, 1, 6, 9, 0, 0]])
    >>> cuts_of(ink, np.ones_like(ink), np.array([10]), apart=2, wide=9)
    (array([2, 5, 8]), array([3]))
    """
    own = np.arange(ink.shape[1]) < lengths[:, None]
    written = own & (ink > _FAINT * np.where(own, bright, 0).max(1, initial=0)[:, None])
    first, last = written.argmax(1), ink.shape[1] - written[:, ::-1].argmax(1)
    inner = (first[:, None] <= np.arange(ink.shape[1])) & (np.arange(ink.shape[1]) < last[:, None])
    middles: list[list[int]] = [[] for _ in lengths]
    for row, middle in zip(*_valleys(ink, inner, apart), strict=True):
        middles[row].append(middle)
    ends = zip(first.tolist(), last.tolist(), lengths.tolist(), written.any(1).tolist(), strict=True)
    found = [
        _spaced(ink[n], begin, middles[n], end, apart, wide) if something else [0, length]
        for n, (begin, end, length, something) in enumerate(ends)
    ]
    return np.array(list(chain(*found)), np.int64), np.array([len(each) for each in found], np.int64)


def _valleys(ink: Any, inner: Any, apart: int) -> tuple[list[int], list[int]]:
    """The rows and middles of all runs of columns that are the lowest of those around, but not as high as any is."""
    inside = np.where(inner, ink, np.inf)
    around = np.pad(inside, ((0, 0), (apart, apart)), constant_values=np.inf)
    near = np.lib.stride_tricks.sliding_window_view(around, 2 * apart + 1, axis=1).min(2)
    top = np.where(inner, ink, -np.inf).max(1, initial=-np.inf)
    lowest = np.pad(inner & (ink < top[:, None]) & (inside == near), ((0, 0), (1, 1))).astype(np.int8)
    change = np.diff(lowest, axis=1)
    rows, begins = np.nonzero(change == 1)
    ends = np.nonzero(change == -1)[1]
    return rows.tolist(), ((begins + ends) // 2).tolist()


def _spaced(ink: Any, first: int, middles: list[int], last: int, apart: int, wide: int) -> list[int]:
    """Those of the cuts that keep their distance, and between cuts that are too far apart more, at thin columns."""
    cuts = [first]
    for cut in [*middles, last]:
        if cut != last and (cut - cuts[-1] < apart or last - cut < apart):
            continue
        while cut - cuts[-1] > wide:
            begin = cuts[-1] + apart
            cuts.append(begin + int(ink[begin : min(cuts[-1] + wide, cut - apart) + 1].argmin()))
        cuts.append(cut)
    return cuts


def pairs_of(places: Indices, counts: Indices, most: int, width: int) -> tuple[Indices, Indices, Indices]:
    """All pieces: from which cut of their line to which (pieces, 2), from which column to which (pieces, 2), and how
    many each line has (N,). They go past at most so many stretches and columns, one stretch at least.

    >>> pairs_of(np.array([2, 5, 8]), np.array([3]), most=2, width=5)
    (array([[0, 1],
           [1, 2]]), array([[2, 5],
           [5, 8]]), array([2]))
    """
    line = np.repeat(np.arange(len(counts)), counts)
    after = np.cumsum(counts)[line]
    begin, past = np.arange(len(places))[:, None], np.arange(1, most + 1)
    end = np.minimum(begin + past, len(places) - 1)
    fits = (begin + past < after[:, None]) & ((past == 1) | (places[end] - places[:, None] <= width))
    rows, columns = np.nonzero(fits)
    pieces = np.stack([rows, end[rows, columns]], 1)
    numbers = pieces - (after - counts[line])[rows, None]
    return numbers, places[pieces], np.bincount(line[rows], minlength=len(counts))

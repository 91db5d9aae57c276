"""Where a line of handwriting may be cut, and which stretches between cuts may be characters."""

from __future__ import annotations

import numpy as np

_FAINT = 0.15  # of the brightest pixel: below this a column's sum counts as nothing written


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

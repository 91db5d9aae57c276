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
    columns = ink.tolist()  # of a line's hundred columns lists are faster than arrays
    written = [i for i, sum_ in enumerate(columns) if sum_ > _FAINT * bright]
    if not written:
        return np.array([0, len(columns)])
    first, last = written[0], written[-1] + 1
    inner = columns[first:last]
    kept = [0, len(inner)]
    for begin, end in _valleys(inner, apart):
        middle = (begin + end) // 2
        if all(abs(middle - other) >= apart for other in kept):
            kept.append(middle)
    return first + np.array(_filled(inner, sorted(kept), apart, wide))


def _valleys(ink: list[float], apart: int) -> list[tuple[int, int]]:
    """From where to where columns are the lowest of those around, but not as high as any is."""
    top = max(ink)
    lowest = [i for i, sum_ in enumerate(ink) if sum_ < top and sum_ == min(ink[max(i - apart, 0) : i + apart + 1])]
    found: list[tuple[int, int]] = []
    for i in lowest:
        if found and found[-1][1] == i:
            found[-1] = found[-1][0], i + 1
        else:
            found.append((i, i + 1))
    return found


def _filled(ink: list[float], cuts: list[int], apart: int, wide: int) -> list[int]:
    """Cuts that are nowhere more than so many columns from one another, the new ones at the thinnest columns."""
    filled = cuts[:1]
    for cut in cuts[1:]:
        while cut - filled[-1] > wide:
            begin = filled[-1] + apart
            near = ink[begin : min(filled[-1] + wide, cut - apart) + 1]
            filled.append(begin + near.index(min(near)))
        filled.append(cut)
    return filled


def pairs_of(places: np.ndarray, most: int, width: int) -> np.ndarray:
    """(pieces, 2): from which cut to which, past at most so many stretches and columns, one stretch at least."""
    at, last = places.tolist(), len(places) - 1
    found = [
        (i, j)
        for i in range(last)
        for j in range(i + 1, min(i + most, last) + 1)
        if j == i + 1 or at[j] - at[i] <= width
    ]
    return np.array(found, np.int64)

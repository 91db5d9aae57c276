"""Edit distance: how many characters must be put in, left out or changed to make one string of another."""

from __future__ import annotations

from collections.abc import Sequence


def edit_distance(found: Sequence[int], truth: Sequence[int]) -> int:
    """The fewest insertions, deletions and substitutions. Levenshtein (1966).

    >>> edit_distance([1, 2, 3, 4], [1, 3, 4, 4])
    2
    """
    row = list(range(len(truth) + 1))
    for i, one in enumerate(found, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(truth, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (one != other))
    return row[-1]

"""Tables and sizes as text, for people."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise


def aligned(rows: Sequence[Sequence[str]], left: int) -> list[str]:
    """Rows as lines, a rule below the first and above the last; the first `left` columns lean left, the others right.

    >>> print("\\n".join(aligned([("a", "n"), ("bcd", "1"), ("all", "12")], left=1)))
    a     n
    ---  --
    bcd   1
    ---  --
    all  12
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = zip(row, widths, strict=True)
        words = [f"{cell:<{w}}" if i < left else f"{cell:>{w}}" for i, (cell, w) in enumerate(cells)]
        lines.append("  ".join(words).rstrip())
    rule = "  ".join("-" * width for width in widths)
    return [lines[0], rule, *lines[1:-1], rule, lines[-1]]


_EIGHTHS = " ▁▂▃▄▅▆▇█"


def chart(values: Sequence[float], first: str, last: str, width: int = 64, height: int = 8) -> list[str]:
    """A curve as lines of text: its values from left to right, from 0 at the bottom up to the largest.

    Each column is the mean of the values it stands for; `first` and `last` are written below the ends.

    >>> print("\\n".join(chart([0, 1, 2, 3, 4], "0", "40", width=5, height=2)))
    4 ┤   ▄█
      │ ▄███
    0 ┼─────
       0  40
    """
    width = min(width, len(values))
    cuts = [i * len(values) // width for i in range(width + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(cuts)]
    top = max(means)
    eighths = [round(8 * height * mean / top) if top else 0 for mean in means]
    label = f"{top:.3g}"
    lines = []
    for row in reversed(range(height)):
        bars = "".join(_EIGHTHS[min(max(count - 8 * row, 0), 8)] for count in eighths)
        lines.append(f"{label if row == height - 1 else '':>{len(label)}} {'┤' if row == height - 1 else '│'}{bars}")
    ends = first + last.rjust(width - len(first))
    lines.append(f"{'0':>{len(label)}} ┼{'─' * width}")
    lines.append(f"{'':>{len(label)}}  {ends}")
    return [line.rstrip() for line in lines]


def bytes_text(size: float) -> str:
    """`2.3 MiB`.

    >>> bytes_text(512), bytes_text(2.5 * 2**20)
    ('512 B', '2.5 MiB')
    """
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.2f} GiB"

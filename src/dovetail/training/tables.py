"""Tables and sizes as text, for people."""

from __future__ import annotations

from collections.abc import Sequence


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

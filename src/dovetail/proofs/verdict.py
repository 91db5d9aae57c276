"""What a proof found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Verdict:
    """Whether a promise holds, how it was looked at, and what speaks against it, the worst first.

    >>> print(Verdict("repeat", False, "two runs", ["metrics.jsonl of second differs"]))
    repeat     FAILS  two runs
                      metrics.jsonl of second differs
    """

    proof: str
    holds: bool
    finding: str
    details: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        first = f"{self.proof:<9}  {'holds' if self.holds else 'FAILS'}  {self.finding}"
        return "\n".join([first, *(" " * 18 + detail for detail in self.details)])

    def plain(self) -> dict[str, Any]:
        return dict(vars(self))

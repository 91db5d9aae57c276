"""How long a run is, and lengths within it: steps, epochs or a share of the whole."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

Length = Annotated[
    Annotated[int, Field(ge=0)] | Annotated[str, Field(pattern=r"^\d+(\.\d+)? ?(steps?|epochs?|%)$")],
    "a number of steps, or a length like '500 steps', '3 epochs' or '10 %'",
]
Until = Annotated[
    Annotated[str, Field(pattern=r"^until \d+(\.\d+)?( ?(steps?|epochs?|%))?$")],
    "a time like 'until 1000', 'until 2 epochs' or 'until 10 %'",
]


@dataclass(frozen=True)
class Span:
    """The steps of an epoch and of the whole run."""

    epoch: int
    total: int

    @classmethod
    def of(cls, epoch: int, epochs: float) -> Span:
        """A run of so many epochs, a step at least.

        >>> Span.of(epoch=100, epochs=0.5).total
        50
        """
        return cls(epoch, max(1, round(epoch * epochs)))

    def steps(self, length: int | str) -> int:
        """A length in steps; of `until 2 epochs` the length until then.

        >>> Span(epoch=100, total=1000).steps("2.5 epochs")
        250
        """
        if isinstance(length, int):
            return length
        match = re.match(r"(?:until )?([\d.]+) ?(\w+|%)?$", length)
        assert match, length
        if match[2] is None:
            return round(float(match[1]))
        unit = {"s": 1.0, "e": float(self.epoch), "%": self.total / 100}[match[2][0]]
        return round(float(match[1]) * unit)

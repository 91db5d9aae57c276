"""What is wrong with single examples of a source: told at once, or collected, left out and reported."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..recipe.errors import DataError

OnError = Literal["stop", "skip"]
Most = Annotated[float, Field(ge=0, le=1)]
_SHOWN = 3


class Faults:
    """The broken examples of a source, each with a message that names file and row.

    >>> faults = Faults("photos", "skip", most=0.5)
    >>> faults.note("photos/a.png: broken")
    >>> faults.settle(total=4)
    'photos: left out 1 of 4: photos/a.png: broken'
    """

    def __init__(self, name: str, on_error: OnError | None = None, most: float = 0.0) -> None:
        self.name, self.skips, self.most = name, on_error == "skip", most
        self.advice = " (on_error: skip goes on without it)" if on_error else ""  # where there is such an option
        self.messages: list[str] = []

    def note(self, message: str) -> None:
        """A broken example; raises `DataError` where the first one is to stop the run."""
        if not self.skips:
            raise DataError(message + self.advice)
        self.messages.append(message)

    def settle(self, total: int) -> str:
        """What was left out of so many, or nothing; raises `DataError` where it is more than the share that may be."""
        if not self.messages:
            return ""
        some = "; ".join(self.messages[:_SHOWN]) + ("; ..." if len(self.messages) > _SHOWN else "")
        if len(self.messages) > self.most * total:
            raise DataError(
                f"{self.name}: {len(self.messages)} of {total} are broken, more than may be "
                f"(most_errors: {self.most:g}): {some}"
            )
        return f"{self.name}: left out {len(self.messages)} of {total}: {some}"

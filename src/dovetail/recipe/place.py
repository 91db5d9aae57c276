"""Where a piece of a recipe was written, so that every error can show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from .errors import RecipeError

_WIDEST = 160  # characters of a line


@dataclass(frozen=True)
class Place:
    """A stretch of one line of a recipe file or of one override on the command line.

    `line` and `column` count from 1; `line` is 0 for an override, which has no line number.
    """

    file: str
    line: int
    column: int
    length: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    def picture(self) -> str:
        """Show the line, or of a long one what is around the stretch, with carets under it."""
        indent = len(self.text) - len(self.text.lstrip())
        shown = self.text.strip()
        start = max(self.column - 1 - indent, 0)
        if len(shown) > _WIDEST:
            cut = max(start - _WIDEST // 4, 0)
            shown, start = shown[cut : cut + _WIDEST], start - cut
        width = max(1, min(self.length, len(shown) - start))
        return f"    {shown}\n    {' ' * start}{'^' * width}"


def fail(message: str, path: str = "", place: Place | None = None) -> NoReturn:
    """Raise a `RecipeError` that says where (file, line, column, path in the recipe) and what."""
    located = f"{path}: {message}" if path else message
    if place is None:
        raise RecipeError(located)
    raise RecipeError(f"{place}: {located}\n{place.picture()}")

"""What dovetail raises: one family of errors, each with its place and its remedy."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LONGEST = 2000


class DovetailError(Exception):
    """Something the user can mend; the command line prints it without a traceback.

    `exit_code` follows the convention of the command line: 1, it failed; 2, you asked wrongly.
    """

    exit_code = 1


class RecipeError(DovetailError, ValueError):
    """A recipe, an override or an option that cannot be used as it stands."""

    exit_code = 2


class DataError(DovetailError, ValueError):
    """A data file that is missing, broken or does not fit; the message names the file and the row.

    What it quotes of a file stays within one line of a readable length, and cannot steer a terminal.
    """

    def __init__(self, message: str) -> None:
        line = _CONTROL.sub(lambda found: repr(found[0])[1:-1], message)
        super().__init__(line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ...")


class RunError(DovetailError, RuntimeError):
    """A run folder that cannot be used, or a run that cannot go on."""


class UsageError(DovetailError, ValueError):
    """A command or a call that asks for what is not there."""

    exit_code = 2


def nearest(word: str, words: Iterable[str], also: Iterable[str] = ()) -> str:
    """Suggest the known word closest to a wrong one, or list the known ones where none is close; `also` are suggested,
    but not listed.

    >>> nearest("kernal", ["filters", "kernel"])
    "Did you mean 'kernel'?"
    >>> nearest("x", ["filters", "kernel"])
    'Known: filters, kernel.'
    """
    known = sorted(words)
    suggested = sorted({*known, *also})
    close = difflib.get_close_matches(word.lower().replace("-", "_"), suggested, n=1, cutoff=0.6)
    close = close or difflib.get_close_matches(word.lower(), suggested, n=1, cutoff=0.6)
    if close:
        return f"Did you mean '{close[0]}'?"
    return f"Known: {', '.join(known)}." if known else ""

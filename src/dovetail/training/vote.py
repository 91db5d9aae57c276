"""Several runs as one: each answers, and the answers are pooled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ..recipe.errors import RunError, UsageError
from .run import RECIPE, Run, find_run
from .system import System


class Voters(nn.Module):
    """Systems that answer together: what they say is pooled as their objective pools it."""

    def __init__(self, systems: Sequence[System]) -> None:
        super().__init__()
        self.systems = nn.ModuleList(systems)
        self.objective: Any = systems[0].objective

    def answer(self, x: Tensor) -> Tensor:
        """One output for the objective, from those of all systems."""
        outputs: Tensor = self.objective.pool([system.answer(x) for system in self.systems])  # type: ignore[operator]
        return outputs


class Vote(Run):
    """Trained runs on the same data that test and predict as one.

    Of classes the probabilities are averaged, of numbers the values. Raises `UsageError` where the runs do not go
    together.
    """

    def __init__(self, paths: Sequence[str | Path]) -> None:
        super().__init__(paths[0])
        self.runs = [Run(path) for path in paths]
        for place, run in enumerate(self.runs[1:], 1):
            if any(run.path.resolve() == other.path.resolve() for other in self.runs[:place]):
                raise UsageError(f"{run.path} is named twice: each run has one vote")
            if run.facts.fingerprint != self.facts.fingerprint:
                raise UsageError(
                    f"{run.path} and {self.path} were trained on different data or splits of them, so they cannot vote"
                )
            if run.recipe.objective.name != self.recipe.objective.name:
                names = f"{run.recipe.objective.name} and {self.recipe.objective.name}"
                raise UsageError(f"{run.path} and {self.path} have different objectives ({names}), so they cannot vote")

    def __repr__(self) -> str:
        return f"Vote({[str(run.path) for run in self.runs]})"

    def system(self, best: bool = False) -> Any:
        return Voters([run.system(best) for run in self.runs])


def runs_among(words: Sequence[str], vote: bool) -> tuple[list[str], list[str]]:
    """The runs that words begin with, and the words behind them: one run, or, for a vote, as many as there are."""
    if not vote and len(words) > 1 and is_run(words[1]):
        raise UsageError(f"{words[0]} and {words[1]} are runs: --vote lets them answer as one")
    count = 1
    while vote and count < len(words) and is_run(words[count]):
        count += 1
    if vote and count == 1 < len(words) and "=" not in words[1] and not Path(words[1]).is_file():
        find_run(words[1])  # says what is wrong with it
    return list(words[:count]), list(words[count:])


def is_run(word: str) -> bool:
    """Whether a word names a run."""
    try:
        return "=" not in word and (find_run(word) / RECIPE).is_file()
    except RunError:
        return False

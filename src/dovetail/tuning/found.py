"""What a search found: its trials, the best of them, and what mattered."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..recipe.errors import RunError
from ..search.lessons import Lessons, lessons
from ..training import Run
from ..training.files import write_atomically
from ..training.progress import figure
from ..training.tables import aligned
from .study import Study
from .trial import Trial, run_of, with_settings

FILE, PICTURE, BEST = "tuning.json", "tuning.png", "best.yaml"
_SHOWN = 10


@dataclass(frozen=True)
class Found:
    """The trials of a search in order, and what they teach; `figure` names what was judged on the validation part.

    `exhausted` says that more were asked for, and the space holds no other point.
    """

    folder: Path
    figure: str
    trials: list[Trial]
    lessons: Lessons | None
    exhausted: bool = False

    @property
    def best(self) -> Trial:
        """The trial of the lowest figure, of those that were not cut unless all were."""
        whole = [trial for trial in self.trials if trial.ended == "finished"]
        known = whole or [trial for trial in self.trials if trial.figure is not None]
        return min(known, key=lambda trial: (trial.figure, trial.number))

    def plain(self) -> dict[str, Any]:
        taught = self.lessons and {
            "importance": self.lessons.importance,
            "slices": {name: vars(one) for name, one in self.lessons.slices.items()},
        }
        trials = [vars(trial) for trial in self.trials]
        best = vars(self.best)
        return {"folder": str(self.folder), "figure": self.figure, "best": best, "trials": trials, "lessons": taught}

    def __str__(self) -> str:
        names = list(dict.fromkeys(name for trial in self.trials for name in trial.settings))
        rows = [("trial", *names, f"validation {self.figure}", "examples", "")]
        best = self.best
        ranked = sorted(self.trials, key=lambda one: (one is not best, one.figure is None, one.figure, one.number))
        for trial in ranked[:_SHOWN]:
            values = [_shown(trial.settings[name]) if name in trial.settings else "-" for name in names]
            ended = "" if trial.ended == "finished" else trial.ended.split(":")[0]
            rows.append((str(trial.number), *values, self.shown(trial), f"{trial.examples:,}", ended))
        spent = sum(trial.examples for trial in self.trials)
        rest = f"best of {len(self.trials)}{', all that the space holds' if self.exhausted else ''}"
        rows.append((rest, *[""] * len(names), self.shown(best), f"{spent:,}", ""))
        lines = aligned(rows, left=1)
        if self.lessons:
            shares = sorted(self.lessons.importance.items(), key=lambda pair: -pair[1])
            lines += ["", "what it depends on: " + ", ".join(f"{name} {share:.0%}" for name, share in shares)]
        return "\n".join(lines)

    def shown(self, trial: Trial) -> str:
        """A trial's figure as text."""
        if trial.figure is None:
            return "failed"
        return figure(self.figure, trial.figure).removeprefix(self.figure).strip()


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value).strip('"')


def first_figure(folder: Path, trials: Sequence[Trial]) -> str:
    """The name of the figure that trials are judged by where none is named."""
    one = next(trial for trial in trials if trial.figure is not None)
    names = [name for line in Run(run_of(folder, one.number)).metrics for name in line.get("validation", ())]
    return str(names[0])


def found_by(study: Study) -> Found:
    """What a study came to, kept in its folder. Raises `RunError` where every trial failed."""
    trials = study.done
    if all(trial.figure is None for trial in trials):
        raise RunError(f"every trial in {study.folder} failed; the first {trials[0].ended}")
    points = [study.space.point(trial.settings) for trial in trials]
    taught = lessons(study.space, points, [trial.figure for trial in trials])
    name = study.search.figure or first_figure(study.folder, trials)
    found = Found(study.folder, name, trials, taught, len(trials) < study.search.trials)
    described = with_settings(dataclasses.replace(study.recipe, search=None), found.best.settings)
    write_atomically(study.folder / BEST, described.write().encode())
    write_atomically(study.folder / FILE, (json.dumps(found.plain(), indent=1) + "\n").encode())
    return found

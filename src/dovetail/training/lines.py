"""What a trained system sees in the image of a line: its pieces, and how probable each is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..data.reading import read
from ..recipe.errors import UsageError
from ..recipe.sequences import Lattice, Sequences
from .machine import settled
from .run import Run


@dataclass(frozen=True)
class Piece:
    """A stretch of columns, what it is read as, how probable that is, and whether it is on the best path."""

    begin: int
    end: int
    text: str
    probability: float
    chosen: bool


@dataclass(frozen=True)
class Line:
    """The image of a line (H, W), the answer, and of a system that cuts lines its pieces."""

    image: Tensor
    answer: dict[str, Any]
    pieces: list[Piece]


def look(
    run: Run, paths: Sequence[str | Path], best: bool = False, invert: bool = False, alternatives: int = 0
) -> list[Line]:
    """Read images of lines, and tell what was seen, with so many alternatives to each answer.

    Raises `UsageError` for a run that reads no lines.
    """
    input = run.facts.input
    if input.form != "sequence" or input.fields or len(input.shape) != 2:
        raise UsageError(f"--picture draws lines that are read, and {run.path} takes {input.told}")
    names, raw = read(input, [Path(path) for path in paths], invert)
    system = run.system(best)
    prepare = run.prepare_for(system)
    found = []
    for n, name in enumerate(names):
        one: Sequences = raw.rows(slice(n, n + 1))
        with settled(run.recipe):
            with torch.no_grad():
                output = system.output(prepare(one))
                answer = {"input": name, **system.objective.describe(output)[0]}
                if alternatives:
                    answer["alternatives"] = system.objective.alternatives(output, alternatives)[0]
            pieces = _pieces(getattr(system.objective, "each", system.objective), output)
        found.append(Line(one.values.T, answer, pieces))
    return found


def _pieces(objective: Any, output: Any) -> list[Piece]:
    if not isinstance(output, Lattice):
        return []
    probability, label = objective.shares(output).max(1)
    chosen = {piece for piece, _ in objective.best_pieces(output)[0]}
    rows = zip(output.columns.tolist(), label.tolist(), probability.tolist(), strict=True)
    return [Piece(a, b, objective.names[k], p, n in chosen) for n, ((a, b), k, p) in enumerate(rows)]

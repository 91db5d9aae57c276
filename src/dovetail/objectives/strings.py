"""Objectives whose targets are strings: what a line says, read without knowing which frame or piece says what."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..recipe.facts import Target
from ..recipe.sequences import Lattice, Sequences, cut
from .classification import require
from .edits import edit_distance
from .objective import Objective, Statistics


class Reading(Objective):
    """What objectives over strings share: the loss -log p(string), and how many strings and characters are wrong."""

    def __init__(self, data: Target, name: str) -> None:
        super().__init__()
        require(data, ("string",), name)
        self.names, self.between = data.names, data.between

    @abstractmethod
    def log_likely(self, output: Any, strings: Sequence[Sequence[int]]) -> Tensor:
        """(N,): log p of a string for each example."""

    @abstractmethod
    def best_pieces(self, lattice: Lattice) -> list[list[tuple[int, int]]]:
        """The best pieces of each line, counted over all lines, each with its label."""

    @abstractmethod
    def read(self, output: Any) -> list[list[int]]:
        """The string decided on for each example."""

    def loss(self, output: Any, target: Any) -> Tensor:
        """(N,): -log p(string); 0, without a gradient, of a string that no path spells: `measure` counts those."""
        likely = self.log_likely(output, strings_of(target))
        return torch.where(likely > -torch.inf, -likely, 0.0)

    @torch.no_grad()
    def decode(self, output: Any) -> list[list[int]]:
        return self.read(output)

    @torch.no_grad()
    def sureness(self, output: Any) -> Tensor:
        """(N,): the log probability of the string decided on."""
        return self.log_likely(output, self.decode(output))

    def right(self, output: Any, target: Any) -> Tensor:
        """(N,): whether the whole string is right."""
        pairs = zip(self.decode(output), strings_of(target), strict=True)
        return torch.tensor([found == truth for found, truth in pairs])

    @torch.no_grad()
    def measure(self, output: Any, target: Any) -> Statistics:
        truth, found = strings_of(target), self.decode(output)
        edits = [edit_distance(one, other) for one, other in zip(found, truth, strict=True)]
        likely = self.log_likely(output, truth).double()
        return {
            "count": torch.tensor(len(truth), dtype=torch.float64),
            "loss": -likely[likely > -torch.inf].sum(),
            "unspelled": (likely == -torch.inf).double().sum(),
            "wrong": torch.tensor(sum(edit > 0 for edit in edits), dtype=torch.float64),
            "edits": torch.tensor(sum(edits), dtype=torch.float64),
            "characters": torch.tensor(sum(map(len, truth)), dtype=torch.float64),
        }

    def summary(self, statistics: Statistics) -> dict[str, float]:
        """`error`, the share of strings that are not right throughout, its `standard_error`, `character_error` (edits a
        character of the truth), the mean `loss` a string in nats, and the share of strings that no path spells."""
        s = {name: float(value) for name, value in statistics.items()}
        count = max(s["count"], 1.0)
        error = s["wrong"] / count
        return {
            "error": error,
            "standard_error": (error * (1 - error) / count) ** 0.5,
            "character_error": s["edits"] / max(s["characters"], 1.0),
            "loss": s["loss"] / max(count - s["unspelled"], 1.0),
            "unspelled": s["unspelled"] / count,
        }

    @torch.no_grad()
    def describe(self, output: Any) -> list[dict[str, Any]]:
        found = self.decode(output)
        likely = self.log_likely(output, found).exp().tolist()
        answers: list[dict[str, Any]] = [
            {"text": self.spell(string), "probability": min(p, 1.0)} for string, p in zip(found, likely, strict=True)
        ]
        if isinstance(output, Lattice):
            for answer, pieces in zip(answers, self.best_pieces(output), strict=True):
                answer["cuts"] = [output.columns[piece].tolist() for piece, _ in pieces]
        return answers

    @torch.no_grad()
    def alternatives(self, output: Any, count: int) -> list[list[dict[str, Any]]]:
        """Of the strings that the best paths spell, by their whole probability, which several paths may share.

        The first need not be the decision, which is what the single best path spells.
        """
        answers = []
        for n, strings in enumerate(self.candidates(output, count)):
            one = cut(output, slice(n, n + 1))
            ranked = sorted(((float(self.log_likely(one, [text])), text) for text in strings), reverse=True)[:count]
            answers.append([{"text": self.spell(text), "probability": math.exp(min(p, 0.0))} for p, text in ranked])
        return answers

    def spell(self, labels: Sequence[int]) -> str:
        """A string as it is written."""
        return self.between.join(self.names[label] for label in labels)

    @abstractmethod
    def candidates(self, output: Any, count: int) -> list[list[list[int]]]:
        """For each example the different strings of its best paths, some more than so many."""

    def expects(self) -> str:
        return f"(N, T, {self.width})"

    def fits(self, shape: Any) -> bool:
        return len(shape) == 2 and shape[1] == self.width


def strings_of(target: Sequences) -> list[list[int]]:
    """The labels of each string."""
    labels = target.values if target.values.dim() == 1 else target.values[:, 0]
    return [part.tolist() for part in torch.split(labels.cpu(), target.lengths.tolist())]

"""Automata: a structure and its weights, which are tensors like any others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..recipe.errors import UsageError
from .structure import EPSILON, Structure

Arc = tuple[int, int, int] | tuple[int, int, int, float] | tuple[int, int, int, int, float]
Ends = int | Iterable[int] | Mapping[int, float]


@dataclass(frozen=True, eq=False)
class Automaton:
    """States, labelled arcs, and a score for each arc, for beginning and for ending in each state.

    A path's score is the sum of the scores of its first state's start, of its arcs and of its last state's end: scores
    are logarithms of probabilities, or of anything, and higher is better. An arc reads its input label and writes its
    output label; EPSILON (-1) reads or writes nothing. Where frames are read, label c is their column c.

    Shapes: weight (arcs,), or (N, arcs) where each of N examples has its own, or (N, T, arcs) where each frame has;
    start and final (states,).
    """

    structure: Structure
    weight: Tensor
    start: Tensor
    final: Tensor

    def __post_init__(self) -> None:
        for name, length in (("weight", self.structure.arcs), ("start", self.states), ("final", self.states)):
            given = getattr(self, name)
            if given.shape[-1:] != (length,) or given.dim() > (3 if name == "weight" else 1):
                raise UsageError(
                    f"an automaton of {self.states} states and {self.structure.arcs} arcs cannot have "
                    f"{name} of shape {tuple(given.shape)}"
                )

    @classmethod
    def of(cls, states: int, arcs: Sequence[Arc], start: Ends = 0, final: Ends = ()) -> Automaton:
        """From arcs (source, target, label), (source, target, label, score) or (source, target, in, out, score).

        `start` and `final` are a state, several, or scores by state. Scores may be tensors, which keep their gradients.
        Raises `UsageError`.

        >>> a = Automaton.of(2, [(0, 0, 0), (0, 1, 1, -0.5)], final=1)
        >>> a
        Automaton(2 states, 2 arcs)
        """
        rows = [(*arc[:3], *arc[2:3], *(arc[3:] or (0.0,))) if len(arc) < 5 else arc for arc in arcs]
        columns = list(zip(*rows, strict=True)) or [(), (), (), (), ()]
        structure = Structure.of(states, *columns[:4])
        ends = (_scores(states, each, name) for name, each in (("start", start), ("final", final)))
        return cls(structure, _together(columns[4]), *ends)

    @property
    def states(self) -> int:
        return self.structure.states

    @property
    def arcs(self) -> int:
        return self.structure.arcs

    def require_one(self, operation: str) -> None:
        """Raise `UsageError` where this is several side by side, or has scores by example."""
        if self.structure.count != 1 or self.weight.dim() != 1:
            told = "with a score an example" if self.weight.dim() != 1 else "side by side: do it with each before"
            raise UsageError(f"{operation} takes one automaton with a score for each arc, not {self!r} {told}")

    def reweighted(self, weight: Tensor) -> Automaton:
        """The same arcs with other scores."""
        return replace(self, weight=weight)

    def to(self, like: torch.dtype | torch.device | Tensor) -> Automaton:
        """The same with weights of another type, or on another device."""
        weight, start, final = (tensor.to(like) for tensor in (self.weight, self.start, self.final))
        return replace(self, weight=weight, start=start, final=final)

    def __repr__(self) -> str:
        several = f"{self.structure.count} side by side, " if self.structure.count != 1 else ""
        return f"Automaton({several}{self.states} states, {self.arcs} arcs)"


def beside(automata: Sequence[Automaton]) -> Automaton:
    """Several automata side by side, one for each example of a batch.

    >>> one = Automaton.of(2, [(0, 1, 0)], final=1)
    >>> beside([one, one])
    Automaton(2 side by side, 4 states, 2 arcs)
    """
    if any(one.weight.dim() != 1 for one in automata):
        raise UsageError("automata side by side have a score for each arc, not for each example")
    structure = Structure.beside([one.structure for one in automata])
    empty = torch.zeros(0)
    weights = (torch.cat([getattr(one, name) for one in automata] or [empty]) for name in ("weight", "start", "final"))
    return Automaton(structure, *weights)


def _together(scores: Sequence[float | Tensor]) -> Tensor:
    """Numbers, or tensors without axes, as one tensor."""
    usual = torch.get_default_dtype()
    if any(isinstance(score, Tensor) for score in scores):
        return torch.stack([torch.as_tensor(score, dtype=usual) for score in scores])
    return torch.tensor(scores, dtype=usual)


def _scores(states: int, ends: Ends, name: str) -> Tensor:
    given = ends if isinstance(ends, Mapping) else dict.fromkeys([ends] if isinstance(ends, int) else ends, 0.0)
    wrong = [state for state in given if not 0 <= state < states]
    if wrong:
        raise UsageError(f"{name}: there is no state {wrong[0]} among {states}")
    scores = torch.full((states,), -torch.inf)
    for state, score in given.items():
        scores[state] = score
    return scores


__all__ = ["EPSILON", "Automaton", "beside"]

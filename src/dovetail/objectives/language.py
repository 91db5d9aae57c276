"""What strings may come: an automaton of strings, whose arcs may have scores that are learned."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..automata import Automaton
from ..automata.operations import compose


class Language(nn.Module):
    """Strings that a deterministic automaton reads; with learned scores, one an arc, that begin at 0."""

    def __init__(self, automaton: Automaton, learned: bool) -> None:
        super().__init__()
        self.automaton, structure = automaton, automaton.structure
        passed = zip(structure.source.tolist(), structure.input.tolist(), strict=True)
        self._arcs = dict(zip(passed, enumerate(structure.target.tolist()), strict=True))  # by state and label
        assert len(self._arcs) == automaton.arcs, "one way to read each string"
        self._start = int(automaton.start.argmax())
        self._ends = set((automaton.final > -torch.inf).nonzero()[:, 0].tolist())
        self.scores = nn.Parameter(torch.zeros(automaton.arcs)) if learned else None

    def weighted(self, like: Tensor) -> Automaton:
        """The automaton with its scores."""
        own = self.automaton if self.scores is None else self.automaton.reweighted(self.scores)
        return own.to(like)

    def score(self, strings: Sequence[Sequence[int]], like: Tensor) -> Tensor:
        """(N,): the score of each string, -inf of those that are none of the language's."""
        walks = [self._walk(string) for string in strings]
        read = torch.tensor([0.0 if walk is not None else -torch.inf for walk in walks]).to(like)
        if self.scores is None:
            return read
        owners = [n for n, walk in enumerate(walks) for _ in walk or ()]
        arcs = [arc for walk in walks for arc in walk or ()]
        owner, arc = (torch.tensor(one, dtype=torch.int64, device=like.device) for one in (owners, arcs))
        return read.index_add(0, owner, self.scores.to(like)[arc])

    def reads(self, string: Sequence[int]) -> bool:
        return self._walk(string) is not None

    def _walk(self, string: Sequence[int]) -> list[int] | None:
        """The arcs that read a string."""
        state, arcs = self._start, []
        for label in string:
            if (state, label) not in self._arcs:
                return None
            arc, state = self._arcs[state, label]
            arcs.append(arc)
        return arcs if state in self._ends else None


class Spread:
    """A language whose labels are spread over frames: composed once, scored whenever it is asked for."""

    def __init__(self, alignments: Automaton, language: Language) -> None:
        self.language = language
        numbered = language.automaton.reweighted(torch.arange(1.0, language.automaton.arcs + 1))
        self._automaton = compose(alignments, numbered)
        self._arc = self._automaton.weight.round().long()  # of the language, from 1; 0 where none of its is passed
        self._automaton = self._automaton.reweighted(torch.zeros(self._automaton.arcs))

    def weighted(self, like: Tensor) -> Automaton:
        """The automaton of frames with the language's scores."""
        if self.language.scores is None:
            return self._automaton.to(like)
        scores = nn.functional.pad(self.language.scores, (1, 0))
        return self._automaton.reweighted(scores[self._arc.to(scores.device)]).to(like)

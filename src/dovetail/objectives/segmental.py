"""Semi-Markov conditional random fields: sequences cut into segments, each with a type and a length that count."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from ..automata import Automaton, best_paths, n_best, path_sum
from ..automata.structure import Structure
from ..recipe import objective
from ..recipe.facts import Target
from ..recipe.sequences import Sequences
from ..recipe.spec import sees_time
from .chunks import split_tag
from .classification import wide
from .objective import Objective
from .tagger import Tagger


class Segmental(Tagger):
    """Columns of the output are the types of chunks, and a last one for what is outside, one place at a time."""

    def __init__(self, data: Target, longest: int) -> None:
        super().__init__(data, "semi_crf")
        if self.chunks is None or {split_tag(name)[0] for name in data.names} - {"B", "I", "O"}:
            raise ValueError("semi_crf: takes tags B-X, I-X and O, which mark chunks")
        types = self.chunks.types
        self.width = len(types) + 1
        first = [self.names.index(f"B-{of}") if f"B-{of}" in self.names else -1 for of in types]
        inner = [self.names.index(f"I-{of}") if f"I-{of}" in self.names else -1 for of in types]
        if -1 in first:
            raise ValueError(f"semi_crf: there is an I-{types[first.index(-1)]} and no B-{types[first.index(-1)]}")
        outside = self.names.index("O") if "O" in self.names else 0
        self.tags = torch.tensor([[*first, outside], [*inner, outside]])  # of a segment's first place, of the others
        self.column = torch.tensor(
            [types.index(split_tag(name)[1]) if name != "O" else len(types) for name in self.names]
        )
        self.most = [longest if tag >= 0 else 1 for tag in inner] + [1]  # places of a segment
        self.transitions = nn.Parameter(torch.zeros(self.width, self.width))
        self.start, self.final = nn.Parameter(torch.zeros(self.width)), nn.Parameter(torch.zeros(self.width))
        self.lengths = nn.Parameter(torch.zeros(self.width, longest))

    def loss(self, output: Any, target: Any) -> Tensor:
        frames, automaton = self._frames(output)
        return path_sum(automaton, frames, output.lengths) - self.score(output, target)

    def score(self, output: Any, tags: Sequences) -> Tensor:
        """(N,): of the segments that tags mark; longer ones than there can be are cut."""
        values = output.values.to(wide(output.values))
        column = self.column.to(values.device)[tags.values]
        ends = tags.lengths.cumsum(0)
        first = torch.zeros_like(column, dtype=torch.bool)
        first[(ends - tags.lengths)[tags.lengths > 0]] = True
        begins, length = self._segments(tags.values.tolist(), column.tolist(), first.tolist())
        begin, lengths = torch.tensor(begins, device=values.device), torch.tensor(length, device=values.device)
        each = values.gather(1, column[:, None])[:, 0]
        after = begin & ~first
        each = each.masked_scatter(begin, each[begin] + self.lengths.to(values)[column[begin], lengths - 1])
        moved = self.transitions.to(values)[column.roll(1)[after], column[after]]
        each = each.masked_scatter(after, each[after] + moved)
        each = each.masked_scatter(first, each[first] + self.start.to(values)[column[first]])
        last = ends[tags.lengths > 0] - 1
        each = each.index_add(0, last, self.final.to(values)[column[last]])
        return output.having(each).sums()  # type: ignore[no-any-return]

    def _segments(self, tags: list[int], columns: list[int], firsts: list[bool]) -> tuple[list[bool], list[int]]:
        """Of each place whether a segment begins there, and of each segment its length."""
        begins, lengths = [], list[int]()
        for place, (tag, column) in enumerate(zip(tags, columns, strict=True)):
            goes_on = self.names[tag][0] == "I" and not firsts[place] and columns[place - 1] == column
            begins.append(not goes_on or lengths[-1] >= self.most[column])
            if begins[-1]:
                lengths.append(0)
            lengths[-1] += 1
        return begins, lengths

    def decode(self, output: Any) -> Sequences:
        return self._best(output)[0]

    @torch.no_grad()
    def alternatives(self, output: Any, count: int) -> list[list[dict[str, Any]]]:
        frames, automaton = self._frames(output)
        sums = path_sum(automaton, frames, output.lengths).tolist()
        found = n_best(automaton, frames, count, output.lengths)
        return [
            [
                {"tags": [self.names[tag] for tag in self._tags(p.arcs).tolist()], "probability": math.exp(p.score - s)}
                for p in paths
            ]
            for paths, s in zip(found, sums, strict=True)
        ]

    def _tags(self, arcs: list[int]) -> Tensor:
        """The tags along a path."""
        states = self._shape.structure.target[arcs]
        inner = torch.from_numpy((self._shape.place[states] > 0).astype(np.int64))
        return self.tags[inner, torch.from_numpy(self._shape.column[states])]

    @torch.no_grad()
    def _best(self, output: Any) -> tuple[Sequences, Tensor]:
        frames, automaton = self._frames(output)
        paths = best_paths(automaton, frames, output.lengths)
        tags = self._tags([arc for path in paths if path is not None for arc in path.arcs])
        scores = torch.tensor([-torch.inf if path is None else path.score for path in paths])
        return output.having(tags.to(frames.device)), scores.to(frames)

    @torch.no_grad()
    def sureness(self, output: Any) -> Tensor:
        """(N,): the log probability of the segments decided on, as a whole."""
        frames, automaton = self._frames(output)
        return self._best(output)[1] - path_sum(automaton, frames, output.lengths)

    def _frames(self, output: Any) -> tuple[Tensor, Automaton]:
        values = output.values.to(wide(output.values))
        shape, type = self._shape, values.dtype
        lengths = self.lengths.to(type)[shape.column[1:], shape.place[1:]]
        moved = self.transitions.to(type)[shape.column[shape.source], shape.column[shape.target]]
        weight = torch.cat([self.start.to(type), moved + lengths[shape.source - 1], values.new_zeros(shape.goes_on)])
        end = torch.cat([values.new_full((1,), -torch.inf), self.final.to(type)[shape.column[1:]] + lengths])
        begin = torch.full_like(end, -torch.inf)
        begin[0] = 0.0
        return output.having(values).padded(), Automaton(shape.structure, weight, begin, end)

    @cached_property
    def _shape(self) -> _Shape:
        return _Shape(self.most)


class _Shape:
    """A state to begin in, and one for each type and how many places its segment has so far."""

    def __init__(self, most: list[int]) -> None:
        states = [(column, place) for column, longest in enumerate(most) for place in range(longest)]
        number = {state: k for k, state in enumerate(states, 1)}
        self.column = np.array([0, *(column for column, _ in states)])
        self.place = np.array([0, *(place for _, place in states)])
        new = [number[column, 0] for column in range(len(most))]
        self.source = np.repeat(np.arange(1, len(states) + 1), len(most))
        self.target = np.tile(new, len(states))
        on = [(number[state], number[state[0], state[1] + 1]) for state in states if (state[0], state[1] + 1) in number]
        self.goes_on = len(on)
        source = np.concatenate([np.zeros(len(most), np.int64), self.source, [a for a, _ in on]]).astype(np.int64)
        target = np.concatenate([new, self.target, [b for _, b in on]]).astype(np.int64)
        self.structure = Structure.of(len(states) + 1, source, target, self.column[target])


@objective
@sees_time
def semi_crf(data: Target, longest: Annotated[int, Field(gt=0)] = 8) -> Objective:
    """The segments of a sequence as a whole: where each begins, its type and its length, a semi-Markov random field.

        score = sum over segments of (A[type before, type] + L[type, length] + sum over its places t of f[t, type])

    and of the first type's start and the last one's end, all learned from 0; the loss is -log of the probability among
    all ways to cut a sequence into segments of at most `longest` places. What is outside of chunks are segments of one
    place. Tags are B-X, I-X and O. Shapes: output (N, T, types + 1), the last for outside; target (N, T). Raises
    `ValueError` for other targets. Sarawagi and Cohen (2004), Semi-Markov conditional random fields for information
    extraction.

    >>> import dovetail as dt
    >>> from dovetail.recipe.facts import Target
    >>> dt.semi_crf(longest=4).make(Target("tags", 3, ["B-NP", "I-NP", "O"])).width
    2
    """
    return Segmental(data, longest)

"""Conditional random fields: the tags of a sequence judged together, each by its place and by those before it."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..automata.automaton import Automaton
from ..automata.bestpath import best_paths, n_best
from ..automata.builders.expression import smallest
from ..automata.builders.lexicon import lexicon
from ..automata.chain import Chain
from ..automata.operations import compose, project
from ..automata.pathsum import path_sum
from ..automata.triples import second_order
from ..recipe import objective
from ..recipe.facts import Target
from ..recipe.sequences import Sequences
from ..recipe.spec import sees_time
from .chunks import follows
from .classification import wide
from .objective import Objective
from .tagger import Tagger


class ConditionalRandomField(Tagger):
    forbidden: Tensor
    forbidden_first: Tensor

    def __init__(self, data: Target, order: int, forbid: bool, words: bool, name: str = "crf") -> None:
        super().__init__(data, name)
        assert self.width is not None
        self.transitions = nn.Parameter(torch.zeros(self.width, self.width))
        self.start, self.final = nn.Parameter(torch.zeros(self.width)), nn.Parameter(torch.zeros(self.width))
        self.pairs = nn.Parameter(torch.zeros((self.width,) * 3)) if order == 2 else None
        if forbid and self.chunks is None:
            raise ValueError(
                f"forbid: the tags mark no chunks ({', '.join(data.names[:3])}, ...), so none is forbidden"
            )
        pairs = [[forbid and not follows(a, b) for b in self.names] for a in self.names]
        firsts = [forbid and not follows("O", tag) for tag in self.names]
        self.register_buffer("forbidden", torch.tensor(pairs), persistent=False)
        self.register_buffer("forbidden_first", torch.tensor(firsts), persistent=False)
        self.words: Automaton | None = None
        if words and not data.lexicon:
            raise ValueError("lexicon: the data name no words")
        if words:
            with torch.device("cpu"):  # wherever the system is being built
                self.words = smallest(project(lexicon(data.lexicon), "input"))
            self.known = {tuple(word) for word in data.lexicon}

    def chain(self, type: torch.dtype) -> Chain:
        """The scores of what follows what."""
        transitions, start = self.transitions.to(type), self.start.to(type)
        transitions = transitions.masked_fill(self.forbidden, -torch.inf)
        return Chain(transitions, start.masked_fill(self.forbidden_first, -torch.inf), self.final.to(type))

    def loss(self, output: Any, target: Any) -> Tensor:
        frames, lengths = self._frames(output), output.lengths
        loss = self._sum(self.chain(frames.dtype), frames, lengths) - self.score(output, target)
        if self.words is not None:  # what is no word has no probability, and nothing to learn from
            words = torch.split(target.values.cpu(), target.lengths.tolist())
            known = torch.tensor([tuple(word.tolist()) in self.known for word in words], device=loss.device)
            loss = torch.where(known, loss, 0.0)
        return loss

    def score(self, output: Any, tags: Sequences) -> Tensor:
        """(N,): of tags."""
        frames, lengths, labels = self._frames(output), output.lengths, tags.padded()
        score = self.chain(frames.dtype).score(frames, labels, lengths)
        if self.pairs is None:
            return score
        inside = torch.arange(max(labels.shape[1] - 2, 0), device=labels.device) < lengths[:, None] - 2
        return score + self.pairs[labels[:, :-2], labels[:, 1:-1], labels[:, 2:]].where(inside, 0.0).sum(1)

    def _sum(self, chain: Chain, frames: Tensor, lengths: Tensor) -> Tensor:
        """(N,): log of the sum over all taggings."""
        if self.pairs is None and self.words is None:
            return chain.sum(frames, lengths)
        return path_sum(self.automaton(chain), frames, lengths)

    def decode(self, output: Any) -> Sequences:
        """The most probable tags of each sequence as a whole."""
        return self._best(output)[0]

    @torch.no_grad()
    def _best(self, output: Any) -> tuple[Sequences, Tensor]:
        frames, lengths = self._frames(output), output.lengths
        chain = self.chain(frames.dtype)
        if self.pairs is None and self.words is None:
            labels, scores = chain.best(frames, lengths)
            return Sequences.of(labels, lengths), scores
        paths = best_paths(self.automaton(chain), frames, lengths)
        free, _ = chain.best(frames, lengths)  # for what no word is as long as
        found = [
            free[n, : int(lengths[n])] if path is None else torch.tensor(path.labels) for n, path in enumerate(paths)
        ]
        scores = torch.tensor([-torch.inf if path is None else path.score for path in paths])
        return output.having(torch.cat(found).to(frames.device)), scores.to(frames)

    @torch.no_grad()
    def alternatives(self, output: Any, count: int) -> list[list[dict[str, Any]]]:
        frames, chain = self._frames(output), self.chain(wide(output.values))
        sums = self._sum(chain, frames, output.lengths).tolist()
        found = n_best(self.automaton(chain), frames, count, output.lengths)
        return [
            [
                {"tags": [self.names[tag] for tag in path.labels], "probability": math.exp(path.score - total)}
                for path in paths
            ]
            for paths, total in zip(found, sums, strict=True)
        ]

    @torch.no_grad()
    def sureness(self, output: Any) -> Tensor:
        frames, chain = self._frames(output), self.chain(wide(output.values))
        scores = self._best(output)[1]
        return torch.where(scores > -torch.inf, scores - self._sum(chain, frames, output.lengths), -torch.inf)

    def _frames(self, output: Any) -> Tensor:
        values = output.values
        frames: Tensor = output.having(values.to(wide(values))).padded()
        return frames

    def automaton(self, chain: Chain) -> Automaton:
        """The taggings that there are, with their scores."""
        whole = chain.automaton() if self.pairs is None else second_order(chain, self.pairs)
        return whole if self.words is None else compose(whole, self.words.to(whole.weight))


@objective
@sees_time
def crf(data: Target, order: Literal[1, 2] = 1, forbid: bool = False, lexicon: bool = False) -> Objective:
    """The tags of a sequence as a whole, a linear-chain conditional random field.

        p(y | f) = e^score(f, y) / sum over all taggings z of e^score(f, z),   loss(f, y) = -log p(y | f)
        score(f, y) = start[y_1] + sum over t of f[t, y_t] + sum over t of A[y_t, y_t+1] + final[y_T]

    Order 2 adds the sum over t of B[y_t, y_t+1, y_t+2]. All scores begin at 0 and are learned. `forbid` keeps tags from
    where their scheme does not allow them (I-NP behind O), `lexicon` leaves only the words of the training part, where
    the source names such, both in training as in decisions. Decisions are the most probable
    tagging (Viterbi, 1967); of tags like B-NP chunks are counted as by the CoNLL tasks. Shapes: output (N, T, tags),
    target (N, T). The loss is divided by the places. Raises `ValueError` for targets that are not tags. Lafferty,
    McCallum and Pereira (2001), Conditional random fields.

    >>> import dovetail as dt, torch
    >>> from dovetail.recipe.facts import Target
    >>> from dovetail.recipe.sequences import Sequences
    >>> three, tags = torch.tensor([3]), torch.tensor([0, 1, 1])
    >>> dt.crf().make(Target("tags", 2, ["A", "B"])).loss(Sequences(torch.zeros(3, 2), three), Sequences(tags, three))
    tensor([2.0794], grad_fn=<SubBackward0>)
    """
    return ConditionalRandomField(data, order, forbid, lexicon)

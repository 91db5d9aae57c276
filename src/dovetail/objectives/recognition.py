"""Strings read from frames or from pieces of lines, maybe under a grammar: all paths against those that spell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..automata import Automaton, Symbols, best_paths, ctc_sum, n_best, path_sum
from ..automata.builders import alignments, string
from ..automata.builders.expression import smallest
from ..automata.builders.grammar import grammar as of_grammar
from ..automata.builders.lexicon import lexicon as of_lexicon
from ..automata.operations import compose, project
from ..automata.pieces import Spelling, anything, spellings
from ..recipe import objective
from ..recipe.facts import Target
from ..recipe.sequences import Lattice
from ..recipe.spec import sees_time
from .classification import wide
from .objective import Objective
from .strings import Reading

Rules = dict[str, str]
_PATHS = 20  # looked at for each string wanted: several spell the same


class Recognizer(Reading):
    """p(string) = e^(sum over the paths that spell it) / e^(sum over all paths there are)."""

    def __init__(self, data: Target, rules: Rules | None, words: list[str] | None, joint: bool = True) -> None:
        super().__init__(data, "automaton")
        self.joint = joint
        if rules is not None and words is not None:
            raise ValueError("grammar and lexicon: give one of them")
        self.blank, self.width = data.width, data.width + 1
        symbols = Symbols(data.names)
        self.language: Automaton | None = None  # None: any string
        self.whole: Automaton | None = None
        with torch.device("cpu"):  # wherever the system is being built
            if rules is not None:
                self.language = of_grammar(rules, symbols)
            elif words is not None:
                self.language = smallest(project(of_lexicon([symbols.labels(word) for word in words]), "input"))
            if self.language is not None:
                self.whole = compose(alignments(data.width, self.blank), self.language)

    def loss(self, output: Any, target: Any) -> Tensor:
        return super().loss(output, target) if self.joint else self._loss_of_pieces(output, target)

    def _loss_of_pieces(self, output: Any, target: Any) -> Tensor:
        """(N,): each piece by itself, whether it is a character and which."""
        if not isinstance(output, Lattice) or target.values.dim() == 1:
            raise ValueError("joint: false needs pieces of lines, and to know where their characters are")
        truth = torch.full((len(output.values),), self.blank)
        spans = torch.split(output.columns, output.lengths.tolist())
        characters, start = torch.split(target.values.cpu(), target.lengths.tolist()), 0
        for pieces, own in zip(spans, characters, strict=True):
            nearest = torch.cdist(own[:, 1:].double(), pieces.double(), p=torch.inf).argmin(1)
            truth[start + nearest] = own[:, 0]
            start += len(pieces)
        losses = nn.functional.cross_entropy(self._wide(output).values, truth.to(output.device), reduction="none")
        each: Tensor = output.having(losses).sums()
        return each

    def log_likely(self, output: Any, strings: Sequence[Sequence[int]]) -> Tensor:
        frames = self._wide(output)
        if isinstance(frames, Lattice):
            spelled = self._spellings(frames, [string(one) for one in strings]).total(frames.values)
            return spelled - self._spellings(frames, self.language or anything(self.blank)).total(frames.values)
        spelled = ctc_sum(frames.padded(), strings, frames.lengths, self.blank)
        if self.whole is None:
            free: Tensor = frames.having(frames.values.logsumexp(1)).sums()
            return spelled - free
        return spelled - path_sum(self.whole.to(frames.values), frames.padded(), frames.lengths)

    def read(self, output: Any) -> list[list[int]]:
        frames = self._wide(output)
        if isinstance(frames, Lattice):
            return [[label for _, label in one] for one in self.best_pieces(frames)]
        if self.whole is None:
            best = torch.split(frames.values.argmax(1).cpu(), frames.lengths.tolist())
            return [[k for k in torch.unique_consecutive(one).tolist() if k != self.blank] for one in best]
        found = best_paths(self.whole.to(frames.values), frames.padded(), frames.lengths)
        return [[] if path is None else path.outputs for path in found]

    def best_pieces(self, lattice: Lattice) -> list[list[tuple[int, int]]]:
        frames = self._wide(lattice)
        return self._spellings(frames, self.language or anything(self.blank)).best(frames.values)

    def shares(self, lattice: Lattice) -> Tensor:
        """(pieces, labels): how probable it is that a piece is a character, and this one."""
        scores = self._wide(lattice).values.detach().requires_grad_()
        with torch.enable_grad():
            total = self._spellings(lattice, self.language or anything(self.blank)).total(scores)
            found: Tensor = torch.autograd.grad(total.sum(), scores)[0]
        return found

    def candidates(self, output: Any, count: int) -> list[list[list[int]]]:
        frames = self._wide(output)
        if isinstance(frames, Lattice):
            languages = self._spellings(frames, self.language or anything(self.blank))
            strings = languages.ranked(frames.values, _PATHS * count)
        else:
            whole = self.whole or alignments(self.blank, self.blank)
            found = n_best(whole.to(frames.values), frames.padded(), _PATHS * count, frames.lengths)
            strings = [[path.outputs for path in paths] for paths in found]
        return [[list(one) for one in dict.fromkeys(map(tuple, each))] for each in strings]

    def _spellings(self, lattice: Lattice, languages: Automaton | list[Automaton]) -> Spelling:
        return spellings(lattice.cuts.cpu(), lattice.lengths.cpu(), lattice.ends.cpu(), languages)

    def _wide(self, output: Any) -> Any:
        values = output.values.to(wide(output.values))
        return output.having(values if self.joint else values.log_softmax(1))


@objective
@sees_time
def automaton(
    data: Target, grammar: Rules | None = None, lexicon: list[str] | None = None, joint: bool = True
) -> Objective:
    """A string read from frames or from pieces of a line, all ways to spread it or to cut the line taken together.

        loss = log sum over all paths of e^score - log sum over the paths that spell the target of e^score

    Of frames a path repeats labels and has blanks between them, as in connectionist temporal classification (which it
    is where any string may come: then the sums are those of normalized frames); of a lattice a path is a way to cut the
    line, and its score the sum of what the network says of each piece. `grammar`, rules that are regular expressions of
    which the first describes a string, or a `lexicon` of words leave only paths that they allow, in training as in
    decisions: the denominator of lattice-free maximum mutual information. `joint: false` is, for comparison, what
    systems do that are put together afterwards: each piece learns by itself which character it is, or that it is none,
    told where the characters are; all paths are weighed only in decisions. Shapes: output (N, T, labels + 1), the last
    for the blank (which pieces have only with `joint: false`), target strings. Raises `ValueError` for other targets.
    Graves et al. (2006); LeCun et al. (1998), section VI, discriminative forward training.

    >>> import dovetail as dt, torch
    >>> from dovetail.recipe.facts import Target
    >>> from dovetail.recipe.sequences import Sequences
    >>> frames, text = Sequences(torch.zeros(2, 3), torch.tensor([2])), Sequences(torch.tensor([0]), torch.tensor([1]))
    >>> dt.automaton().make(Target("string", 2, ["a", "b"])).loss(frames, text)  # aa, a-, -a of nine
    tensor([1.0986])
    """
    return Recognizer(data, grammar, lexicon, joint)


@objective
@sees_time
def ctc(data: Target) -> Objective:
    """Connectionist temporal classification: a string spread over frames, blanks between; any string may come.

        loss = -log sum over the ways to spread the target of the product over t of p(label at t),  p = softmax(frame)

    It is `automaton` without a grammar. Shapes: output (N, T, labels + 1), the last for the blank; target strings.
    Raises `ValueError` for other targets. Graves et al. (2006), Connectionist temporal classification.

    >>> import dovetail as dt
    >>> dt.ctc()
    ctc()
    """
    return Recognizer(data, None, None)

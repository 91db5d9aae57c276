"""Strings read from frames or from pieces of lines, maybe under a grammar: all paths against those that spell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..automata import Automaton, Symbols, beside, best_paths, ctc_sum, n_best, path_sum
from ..automata.builders import alignments, repeats
from ..automata.builders import strings as of_strings
from ..automata.builders.expression import smallest
from ..automata.builders.grammar import grammar as of_grammar
from ..automata.builders.lexicon import lexicon as of_lexicon
from ..automata.operations import project
from ..automata.pieces import Spelling, anything, anything_by_pairs, spellings
from ..recipe import objective
from ..recipe.errors import RecipeError
from ..recipe.facts import Target
from ..recipe.sequences import Lattice
from ..recipe.spec import sees_time
from .classification import wide
from .language import Language, Spread
from .objective import Objective
from .strings import Reading, strings_of

Rules = dict[str, str]
_STRANGE = 100  # strings that the language does not read, one after the other from the first on
_PATHS = 20  # looked at for each string wanted: several spell the same


class Recognizer(Reading):
    """p(string) = e^(sum over the paths that spell it) / e^(sum over all paths there are)."""

    def __init__(
        self,
        data: Target,
        rules: Rules | None = None,
        words: list[str] | None = None,
        joint: bool = True,
        blank: bool = True,
        transitions: bool = False,
        name: str = "automaton",
    ) -> None:
        super().__init__(data, name)
        self.joint = joint
        if rules is not None and words is not None:
            raise ValueError("grammar and lexicon: give one of them")
        if not joint and not blank:
            raise ValueError("blank: without joint training it stands for pieces that are no character")
        self.labels, self.blank, self.width = data.width, data.width if blank else None, data.width + blank
        symbols = Symbols(data.names)
        self.language: Language | None = None  # None: any string, a blank between labels that are alike
        self.strange: int | None = 0  # how many strings training began with that the language does not read, until one
        self.spread: Spread | None = None
        with torch.device("cpu"):  # wherever the system is being built
            found: Automaton | None = None
            if rules is not None:
                found = of_grammar(rules, symbols)
            elif words is not None:
                found = smallest(project(of_lexicon([symbols.labels(word) for word in words]), "input"))
            elif transitions:
                found = anything_by_pairs(data.width)
            elif not blank:
                found = anything(data.width)
        if found is not None:
            self.language = Language(found, transitions)
            with torch.device("cpu"):
                self.spread = Spread(alignments(data.width, self.blank), self.language)

    def loss(self, output: Any, target: Any) -> Tensor:
        if self.language is not None and self.strange is not None:
            self.strange = self._strange(self.language, strings_of(target), self.strange)
        return super().loss(output, target) if self.joint else self._loss_of_pieces(output, target)

    def _strange(self, language: Language, strings: list[list[int]], before: int) -> int | None:
        """How many the language does not read, None once it reads one; raises `RecipeError` where it seems to read none
        of the training strings: there would be nothing to learn."""
        if any(map(language.reads, strings)):
            return None
        count = before + len(strings)
        if count >= _STRANGE:
            told = f"none of the first {count} training strings is one that it allows, as '{self.spell(strings[0])}'"
            raise RecipeError(f"objective automaton: its grammar or lexicon: {told}")
        return count

    def _loss_of_pieces(self, output: Any, target: Any) -> Tensor:
        """(N,): each piece by itself, whether it is a character and which."""
        if not isinstance(output, Lattice) or target.values.dim() == 1:
            raise ValueError("joint: false needs pieces of lines, and to know where their characters are")
        truth = torch.full((len(output.values),), self.labels)
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
        own = self.language.score(strings, frames.values) if self.language else 0.0
        if isinstance(frames, Lattice):
            spelled = self._spellings(frames, of_strings(strings)).total(frames.values)
            return _share(spelled + own, self._total(frames))
        rows = frames.padded()
        if self.blank is not None:
            spelled = ctc_sum(rows, strings, frames.lengths, self.blank)
        else:
            spelled = path_sum(beside([repeats(one) for one in strings]).to(rows), rows, frames.lengths)
        if self.spread is None:
            free: Tensor = frames.having(frames.values.logsumexp(1)).sums()
            return spelled - free
        return _share(spelled + own, path_sum(self.spread.weighted(rows), rows, frames.lengths))

    def read(self, output: Any) -> list[list[int]]:
        frames = self._wide(output)
        if isinstance(frames, Lattice):
            return [[label for _, label in one] for one in self.best_pieces(frames)]
        if self.spread is None:
            best = torch.split(frames.values.argmax(1).cpu(), frames.lengths.tolist())
            return [[k for k in torch.unique_consecutive(one).tolist() if k != self.blank] for one in best]
        rows = frames.padded()
        found = best_paths(self.spread.weighted(rows), rows, frames.lengths)
        return [[] if path is None else path.outputs for path in found]

    def best_pieces(self, lattice: Lattice) -> list[list[tuple[int, int]]]:
        frames = self._wide(lattice)
        return self._any(frames).best(frames.values)

    def shares(self, lattice: Lattice) -> Tensor:
        """(pieces, labels): how probable it is that a piece is a character, and this one."""
        scores = self._wide(lattice).values.detach().requires_grad_()
        with torch.enable_grad():
            total = self._total(lattice.having(scores))
            found: Tensor = torch.autograd.grad(total.sum(), scores)[0]
        return found

    def candidates(self, output: Any, count: int) -> list[list[list[int]]]:
        frames = self._wide(output)
        if isinstance(frames, Lattice):
            strings = self._any(frames).ranked(frames.values, _PATHS * count)
        else:
            rows = frames.padded()
            spread = self.spread.weighted(rows) if self.spread else alignments(self.labels, self.blank).to(rows)
            found = n_best(spread, rows, _PATHS * count, frames.lengths)
            strings = [[path.outputs for path in paths] for paths in found]
        return [[list(one) for one in dict.fromkeys(map(tuple, each))] for each in strings]

    def _total(self, lattice: Lattice) -> Tensor:
        """(N,): log of the sum over all strings that may come."""
        if self.language is not None:
            return self._any(lattice).total(lattice.values)
        named = lattice.values[:, : self.labels].logsumexp(1, keepdim=True)  # where any name may stand, one arc a piece
        return self._spellings(lattice, anything(1)).total(named)

    def _any(self, lattice: Lattice) -> Spelling:
        """All strings that may come."""
        like = lattice.values.new_empty(0, device="cpu")  # where lattices are built
        language = self.language.weighted(like) if self.language else anything(self.labels)
        return self._spellings(lattice, language)

    def _spellings(self, lattice: Lattice, language: Automaton) -> Spelling:
        return spellings(lattice.cuts.cpu(), lattice.lengths.cpu(), lattice.ends.cpu(), language)

    def _wide(self, output: Any) -> Any:
        values = output.values.to(wide(output.values))
        return output.having(values if self.joint else values.log_softmax(1))


def _share(spelled: Tensor, free: Tensor) -> Tensor:
    """log of the share of all paths that the spelling ones have; -inf where none spells, be there any other or not."""
    return torch.where(spelled == -torch.inf, -torch.inf, spelled - free)


@objective
@sees_time
def automaton(
    data: Target,
    grammar: Rules | None = None,
    lexicon: list[str] | None = None,
    joint: bool = True,
    blank: bool = True,
    transitions: bool = False,
) -> Objective:
    """A string read from frames or from pieces of a line, all ways to spread it or to cut the line taken together.

        loss = log sum over all paths of e^score - log sum over the paths that spell the target of e^score

    Of frames a path repeats labels and has blanks between them, as in connectionist temporal classification (which it
    is where any string may come: then the sums are those of normalized frames); of a lattice a path is a way to cut the
    line, and its score the sum of what the network says of each piece. `grammar`, rules that are regular expressions of
    which the first describes a string, or a `lexicon` of words leave only paths that they allow, in training as in
    decisions: the denominator of lattice-free maximum mutual information. With `transitions` the grammar learns, too: a
    score for each of its arcs, or without one for each label behind each other; with `blank: false`, too, it is the
    automatic segmentation criterion, where labels are repeated and nothing is between them. `joint: false` is, for
    comparison, what systems do that are put together afterwards: each piece learns by itself which character it is, or
    that it is none, told where the characters are; all paths are weighed only in decisions. Shapes: output (N, T,
    labels + 1), the last for the blank (of pieces, with `joint: false`, for those that are no character), target
    strings. Raises `ValueError` for other targets. Graves et al. (2006); LeCun et al. (1998), section VI,
    discriminative forward training; Povey et al. (2016), Purely sequence-trained neural networks for ASR based on
    lattice-free MMI; Collobert et al. (2016), Wav2Letter.

    >>> import dovetail as dt, torch
    >>> from dovetail.recipe.facts import Target
    >>> from dovetail.recipe.sequences import Sequences
    >>> frames, text = Sequences(torch.zeros(2, 3), torch.tensor([2])), Sequences(torch.tensor([0]), torch.tensor([1]))
    >>> dt.automaton().make(Target("string", 2, ["a", "b"])).loss(frames, text)  # aa, a-, -a of nine
    tensor([1.0986])
    """
    return Recognizer(data, grammar, lexicon, joint, blank, transitions)


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
    return Recognizer(data, name="ctc")

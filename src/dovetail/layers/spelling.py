"""What a word's letters say of it: vectors of letters under a convolution, for words that training never saw, too."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from ..recipe import layer
from ..recipe.facts import columns_of
from ..recipe.sequences import Sequences
from ..recipe.spec import sees_time
from .lookup import require_fields

Count = Annotated[int, Field(gt=0)]
_NONE = 1  # the number of the letter that a shorter word does not have


class Spelled(nn.Module):
    """The largest of each filter's answers over a word's letters."""

    sees_time = True

    def __init__(self, start: int, width: int, letters: int, units: int, filters: int, kernel: int) -> None:
        super().__init__()
        self.start, self.width = start, width
        self.letters = nn.Embedding(letters, units, padding_idx=_NONE)
        self.conv = nn.Conv1d(units, filters, kernel, padding=kernel // 2)
        nn.init.normal_(self.letters.weight, std=units**-0.5)
        with torch.no_grad():
            self.letters.weight[_NONE] = 0.0

    def forward(self, x: Sequences) -> Sequences:
        numbers = x.values[:, self.start : self.start + self.width].long()
        beyond = numbers == _NONE
        beyond[:, 0] = False  # where a word has no letter at all there is an answer, too
        answers = self.conv(self.letters(numbers).transpose(1, 2))
        return x.having(answers.masked_fill(beyond[:, None], -torch.inf).amax(2))

    def specimen(self, x: Sequences) -> Sequences:
        return x.having(torch.empty((len(x.values), self.conv.out_channels), device="meta"))


@layer
@sees_time
def characters(x: Sequences, filters: Count, units: Count = 30, kernel: Count = 3, of: str | None = None) -> nn.Module:
    """What a word's letters say of it: a vector for each letter, and the largest answer of each filter along the word.

        y[t, f] = max over places i of the word: b_f + sum over j, u of W[f, u, j] E[letter of word t at i + j, u]

    j is from -kernel // 2 to kernel // 2, E is 0 beyond the word's ends. The source gives letters by a template like
    `word.letters16`: 16 at most, of longer words the first and last ones; `of` names it where there are several.
    Shapes: sequences (N, T, columns) of whole numbers -> (N, T, filters). Raises `ValueError` where there are no
    letters. Ma and Hovy (2016), End-to-end sequence labeling via bi-directional LSTM-CNNs-CRF.

    >>> import dovetail as dt
    >>> dt.characters(50, of="word.letters16")
    characters(50, of='word.letters16')
    """
    fields = require_fields(x)
    known = [field.name for field in fields if field.width > 1]
    if len(known) != 1 if of is None else of not in known:
        there = ", ".join(known) or "none: give the source a feature like word.letters16"
        raise ValueError(f"of: name one of the features that are letters; there is {there}")
    if not kernel % 2:
        raise ValueError(f"kernel: an odd number of letters has a middle, {kernel} have none")
    index = [field.name for field in fields].index(of or known[0])
    field = fields[index]
    return Spelled(columns_of(fields)[index], field.width, field.size, units, filters, kernel)

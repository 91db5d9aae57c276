"""Handwritten words, letter by letter, as structured learners have them: a line a letter."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from ..recipe import source
from ..recipe.errors import DataError
from ..recipe.facts import Facts, Input, Target
from .paths import require_file
from .sentences import read_text
from .sequential import Ragged, Sequential
from .source import Examples, Source, fingerprint, sizes
from .split import Share, split
from .statistics import image_statistics

LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Words(Source):
    """Words whose letters are small images; the options are those of the `words` source."""

    def __init__(self, here: Path, path: str, test: str, size: list[int], validation: float, seed: int) -> None:
        self.name, self.size, self.validation, self.split = path, size, validation, seed
        self.files = {"train": here / path, "test": here / test}
        for part, file in self.files.items():
            require_file(file, f" ({'path' if part == 'train' else part} names it)")

    def load(self) -> tuple[Facts, dict[str, Examples]]:
        whole = {part: read_letters(file, self.size) for part, file in self.files.items()}
        every = {part: Sequential(Ragged(x, lengths), Ragged(y, lengths)) for part, (x, y, lengths) in whole.items()}
        cut = split(len(every["train"]), self.validation, 0, self.split, None, self.name)
        train = every["train"].select(cut["train"])
        parts: dict[str, Examples] = {
            "train": train,
            "validation": every["train"].select(cut["validation"]),
            "test": every["test"],
        }
        mean, deviation = image_statistics(train.inputs.rows)
        shape = [int(train.inputs.lengths.max()), 1, *self.size]
        input = Input("sequence", shape, "uint8", mean, deviation)
        counts = torch.bincount(train.targets.rows, minlength=len(LETTERS)).tolist()
        lexicon = sorted(
            {tuple(word.tolist()) for word in torch.split(train.targets.rows, train.targets.lengths.tolist())}
        )
        target = Target("tags", len(LETTERS), list(LETTERS), counts, lexicon=[list(word) for word in lexicon])
        mark = fingerprint(*(tensor for part in whole.values() for tensor in part), repr((self.validation, self.split)))
        return Facts(input, target, sizes(parts), mark), parts


def read_letters(path: Path, size: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Images (letters, 1, *size) uint8 of 0 and 255, letters (letters,) and lengths (words,).

    A line is `letter qid:word pixel:1 ...`, letters from 1 and pixels from 1, row by row, those that are set. Raises
    `DataError`, naming file and line.
    """
    letters, words, lines = [], [], [line for line in read_text(path).split("\n") if line.strip()]
    images = np.zeros((len(lines), size[0] * size[1]), np.uint8)
    for row, line in enumerate(lines):
        try:
            first, second, *rest = line.split()
            letter, pixels = int(first), [int(pixel.partition(":")[0]) for pixel in rest]
            if not 1 <= letter <= len(LETTERS) or not all(1 <= pixel <= images.shape[1] for pixel in pixels):
                raise ValueError
        except ValueError:
            what = f"letters from 1 to {len(LETTERS)}, pixels from 1 to {images.shape[1]}"
            raise DataError(f"{path}: line {row + 1}: expected `letter qid:word pixel:1 ...`, {what}") from None
        words.append(second.removeprefix("qid:"))
        images[row, np.array(pixels, np.int64) - 1] = 255
        letters.append(letter - 1)
    if not letters:
        raise DataError(f"{path}: holds no letter")
    starts = [i for i, word in enumerate(words) if not i or word != words[i - 1]]
    lengths = np.diff([*starts, len(words)])
    return torch.from_numpy(images.reshape(-1, 1, *size)), torch.tensor(letters), torch.from_numpy(lengths)


@source
def words(
    here: Path,
    path: str,
    test: str,
    size: Annotated[list[Annotated[int, Field(gt=0)]], Field(min_length=2, max_length=2)] = [16, 8],  # noqa: B006
    validation: Share = 0.0,
    split: int = 0,
) -> Source:
    """Handwritten words as sequences of letters, each a small image: a line `letter qid:word pixel:1 ...` a letter.

    Letters are 1 to 26, pixels of `size` [rows, columns] are numbered from 1 row by row and those that are set are
    named, the letters of one word follow one another. It is the form of Kassel's words in Taskar, Guestrin and Koller
    (2004), Max-margin Markov networks. Raises `DataError`, naming file and line.

    >>> import dovetail as dt
    >>> dt.words("train_struct.txt", test="test_struct.txt")
    words('train_struct.txt', test='test_struct.txt')
    """
    return Words(here, path, test, size, validation, split)

"""The source `columns`: sentences whose words have tags, in columns as the CoNLL shared tasks have them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field

from ..recipe import source
from ..recipe.errors import DataError, RecipeError, nearest
from ..recipe.facts import Facts, Input, Target
from .faults import Faults, Most, OnError
from .paths import require_file
from .sentences import Sentences, joined, lengths_of, read_sentences
from .sequential import Ragged, Sequential, all_parts
from .source import Examples, Source, fingerprint, sizes
from .split import Share, split
from .templates import encode, learn, parse_template, require_known

Part = Share | str
UNKNOWN = "<unknown>"  # stands first among names for all that training did not see often enough


class Tagged(Source):
    """Sentences from files; the options are those of the `columns` source."""

    def __init__(
        self, here: Path, path: str, names: list[str], target: str, options: dict[str, object], unit: str = ""
    ) -> None:
        self.name, self.files = path, {"train": here / path}
        self.unit = unit  # what a file's lines are made of, where each line is a sentence
        self.names, self.target, self.options = names, target, options
        self.shares: dict[str, float] = {}
        for part in ("validation", "test"):
            wanted = options[part]
            if isinstance(wanted, str):
                self.files[part] = here / wanted
            else:
                self.shares[part] = wanted  # type: ignore[assignment]
        for part, file in self.files.items():
            require_file(file, f" ({'path' if part == 'train' else part} names it)")

    def sentences(self, file: Path, faults: Faults) -> Sentences:
        """What a file holds."""
        return read_sentences(file, self.names, faults=faults)

    def tags(self, parts: dict[str, Sentences]) -> list[str]:
        """The tags there are, in order."""
        return sorted({tag for part in parts.values() for tag in part.columns[self.target]})

    def read(self) -> dict[str, Sentences]:
        """The three parts, some of them of the training file; a part may be missing."""
        faults = Faults(self.name, self.options["on_error"], self.options["most_errors"])  # type: ignore[arg-type]
        parts = {part: self.sentences(file, faults) for part, file in self.files.items()}
        self.remark = faults.settle(sum(map(len, parts.values())) + len(faults.messages))
        self.skipped = faults.messages
        whole = parts["train"]
        shares = {"validation": 0.0, "test": 0.0, **self.shares}
        cut = split(len(whole), shares["validation"], shares["test"], int(self.options["split"]), None, self.name)  # type: ignore[call-overload]
        for part in ("train", *self.shares):
            if len(cut[part]):
                parts[part] = whole.select(cut[part])
            else:
                parts.pop(part, None)
        return parts

    def load(self) -> tuple[Facts, dict[str, Examples]]:
        parts = self.read()
        train = parts["train"]
        input = learn(train, self.options["features"], self.target, int(self.options["least"]), self.unit)  # type: ignore[arg-type, call-overload]
        require_known(input, int(self.options["least"]), train.file)  # type: ignore[call-overload]
        names = self.tags(parts)
        found = {part: self._examples(sentences, input, names) for part, sentences in parts.items()}
        counts = torch.bincount(found["train"].targets.rows, minlength=len(names)).tolist()
        target = Target("tags", len(names), names, counts)
        every = all_parts(found)
        texts = [repr((part, list(s.columns.items()), s.lengths.tolist())) for part, s in parts.items()]
        mark = fingerprint(*texts, repr(self.options))
        return Facts(input, target, sizes(every), mark, self.skipped), every

    def adopt(self, facts: Facts) -> None:
        """Number these words and tags as the run's training sentences taught."""
        if facts.input.names != self.names or facts.input.aim != self.target:
            told = " ".join(facts.input.names) or facts.input.form
            raise DataError(f"{self.name}: sentences in columns {' '.join(self.names)}, the run takes {told}")
        everything = joined(list(self.read().values()))
        self.loaded = facts, all_parts({"train": self._examples(everything, facts.input, facts.target.names)})

    def _examples(self, sentences: Sentences, input: Input, names: list[str]) -> Sequential:
        lengths = lengths_of(sentences)
        tags = torch.tensor(numbers_of(sentences.columns[self.target], names, self.name))
        return Sequential(Ragged(encode(sentences, input), lengths), Ragged(tags, lengths))


def numbers_of(tags: Sequence[str], names: Sequence[str], source: str) -> list[int]:
    """Each tag's number. Raises `DataError` for one that is not among the names, unless these have one for it."""
    index = {name: number for number, name in enumerate(names)}
    unknown = sorted(set(tags) - set(names)) if names[:1] != [UNKNOWN] else []
    if unknown:
        raise DataError(f"{source}: the run knows no tag '{unknown[0]}'. {nearest(unknown[0], names)}")
    return [index.get(tag, 0) for tag in tags]


@source
def columns(
    here: Path,
    path: str,
    names: list[str],
    features: list[str],
    target: str | None = None,
    least: Annotated[int, Field(gt=0)] = 1,
    validation: Part = 0.0,
    test: Part = 0.2,
    split: int = 0,
    on_error: OnError = "stop",
    most_errors: Most = 0.1,
) -> Source:
    """Sentences with a line for each word, its columns between blanks, and an empty line after each sentence.

    `names` are the columns' and `target` the one of the tags, the last unless named. `validation` and `test` are shares
    of the sentences, or files of their own. What the network sees of a word are `features`, each a template: `word[0]`,
    the word before `word[-1]`, both together `word[-1]/word[0]`, forms `word[0].lower`, `.shape`, `.prefix2`,
    `.suffix3`. A feature counts where training has it at least `least` times; vocabularies are made of the training
    part and kept with the run. Files ending in .gz are unzipped. Raises `DataError`, naming file and line.

    >>> import dovetail as dt
    >>> dt.columns("train.txt", names=["word", "pos", "chunk"], features=["word[0]", "pos[-1]/pos[0]"], test="test.txt")
    columns('train.txt', names=['word', 'pos', 'chunk'], features=['word[0]', 'pos[-1]/pos[0]'], test='test.txt')
    """
    if len(set(names)) != len(names) or len(names) < 2:
        raise RecipeError(f"data columns: names: expected two different names at least, got {names}")
    aim = target or names[-1]
    if aim not in names:
        raise RecipeError(f"data columns: target: there is no column '{aim}'. {nearest(aim, names)}")
    if not features:
        raise RecipeError("data columns: features: expected one template at least, like word[0]")
    words = [name for name in names if name != aim]
    for text in features:
        parse_template(text, words)
    options = {
        "features": features, "least": least, "validation": validation, "test": test, "split": split,
        "on_error": on_error, "most_errors": most_errors,
    }  # fmt: skip
    return Tagged(here, path, names, aim, options)

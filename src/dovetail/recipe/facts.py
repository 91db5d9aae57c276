"""What a source tells about its data: plain facts that objectives and builders use, and `facts.json` keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError


@dataclass(frozen=True)
class Target:
    """What there is to predict.

    form: `class` (one of `width` classes, an integer), `tags` (a class for each place of a sequence), `string`
    (classes one after another: of each its number and, where they are known, the places where it begins and ends),
    `labels` (`width` yes/no answers, 0 or 1 each) or `numbers` (`width` real components). `names` are the classes,
    labels or columns; `counts` how often each class or label occurs in the training part; `mean` and `deviation` the
    training part's, a component each.
    """

    form: Literal["class", "tags", "string", "labels", "numbers"]
    width: int
    names: list[str] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    mean: list[float] = field(default_factory=list)
    deviation: list[float] = field(default_factory=list)
    lexicon: list[list[int]] = field(default_factory=list)  # the different words of the training part, where told
    between: str = ""  # what stands between the names of a string where it is written


@dataclass(frozen=True)
class Column:
    """A column of a table as the network sees it: a number (standardized) or a category (one unit a value).

    `missing` says what stands for an absent value: the training mean (0 after standardization) for numbers; an
    absent category is all zeros. `indicator` adds a unit that is 1 where the value was absent.
    """

    name: str
    values: list[str] = field(default_factory=list)  # the categories; empty for a number
    mean: float = 0.0
    deviation: float = 1.0
    indicator: bool = False

    @property
    def width(self) -> int:
        return (len(self.values) or 1) + int(self.indicator)


@dataclass(frozen=True)
class Field:
    """What is known of a place of a sequence in one respect: a whole number, 0 where training never saw it.

    `name` is the template it was made by (`word[-1]/word[0]`); `codes` are what training saw often enough, each made of
    the numbers of its parts in their vocabularies, in order: number k stands for codes[k - 1]. Letters take several
    columns, `width` of them, each a number of the same kind, 1 where the word has no further one.
    """

    name: str
    codes: list[int]
    width: int = 1

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return len(self.codes) + 1


def columns_of(fields: Sequence[Field]) -> list[int]:
    """Where each field's columns begin."""
    return [sum(field.width for field in fields[:place]) for place in range(len(fields))]


@dataclass(frozen=True)
class Input:
    """What the network sees: form, shape without the batch axis, storage type, and how it becomes float.

    form: `image` (uint8, channels first), `table` (columns encoded to float32), `array`, or `sequence`, whose examples
    have various numbers of places, the longest of the training part as many as the shape tells: whole numbers, a column
    for each of `fields`, made of the columns `names` of a file, without `aim`, by `vocabularies`. With a `unit` each
    line of a file is a sequence, of characters or of words.
    A stored value v enters the network as (v - mean) / deviation, one number each or one a channel.
    `missing` is the table's rule for absent values. Of images, `fit` says how a picture of another size is brought to
    the shape's, and `border` is how bright the training images' outermost pixels are on average, 0 to 255.
    """

    form: Literal["image", "table", "array", "sequence"]
    shape: list[int]
    dtype: str
    mean: list[float] = field(default_factory=list)
    deviation: list[float] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    missing: str = "error"
    fit: Literal["stretch", "crop", "pad"] = "stretch"
    border: float = 0.0
    names: list[str] = field(default_factory=list)
    aim: str = ""
    fields: list[Field] = field(default_factory=list)
    vocabularies: dict[str, list[str]] = field(default_factory=dict)
    unit: Literal["", "character", "word"] = ""

    @property
    def told(self) -> str:
        """What an example is, in words: `image of 1x28x28`; of a sequence what a place is."""
        sizes = self.shape[1:] if self.form == "sequence" else self.shape
        return f"{self.form} of {'x'.join(map(str, sizes))}"

    @property
    def known(self) -> list[str]:
        """The columns that there are of a new sequence."""
        return [name for name in self.names if name != self.aim]


@dataclass(frozen=True)
class Facts:
    """All that a run keeps of its data: enough to read a new input and to recognise the same data again."""

    input: Input
    target: Target
    sizes: dict[str, int]
    fingerprint: str
    skipped: list[str] = field(default_factory=list)  # broken examples that were left out, and why

    def plain(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, data: Any) -> Facts:
        """The facts from `plain()` read back, every type checked; raises `ValueError` where they are not facts."""
        try:
            return TypeAdapter(cls).validate_python(data)
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None

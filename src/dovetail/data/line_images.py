"""A folder of images of lines, and a file that tells what each says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ..recipe import source
from ..recipe.errors import DataError
from ..recipe.facts import Facts, Input, Target
from .faults import Faults, Most, OnError
from .folder import read_image
from .paths import require_file, require_folder
from .sentences import read_text
from .sequential import Ragged, Sequential
from .source import Examples, Source, fingerprint, sizes
from .split import Share, split


class LineImages(Source):
    """Lines from image files; the options are those of the `line_images` source."""

    def __init__(self, folder: Path, texts: str, height: int, shares: tuple[float, float, int], faults: Faults) -> None:
        self.name, self.folder, self.file = str(folder), folder, folder / texts
        self.height, self.shares, self.faults = height, shares, faults
        require_file(self.file, ": it tells what each image says, a line each")

    def load(self) -> tuple[Facts, dict[str, Examples]]:
        lines, texts = self._read()
        symbols = sorted(set("".join(texts)))
        number = {symbol: label for label, symbol in enumerate(symbols)}
        labels = torch.tensor([number[symbol] for text in texts for symbol in text])
        inputs = Ragged(torch.cat(lines), torch.tensor([len(line) for line in lines]))
        whole = Sequential(inputs, Ragged(labels, torch.tensor([len(text) for text in texts])))
        validation, test, seed = self.shares
        cut = split(len(whole), validation, test, seed, None, self.name)
        parts: dict[str, Examples] = {part: whole.select(indices) for part, indices in cut.items()}
        train = whole.select(cut["train"])
        ink = float(train.inputs.rows.double().square().mean().sqrt()) or 1.0
        shape = [int(train.inputs.lengths.max()), self.height]
        counts = torch.bincount(train.targets.rows, minlength=len(symbols)).tolist()
        target = Target("string", len(symbols), symbols, counts)
        mark = fingerprint(inputs.rows, inputs.lengths, repr((texts, self.shares)))
        input = Input("sequence", shape, "uint8", [0.0], [ink])
        return Facts(input, target, sizes(parts), mark, self.faults.messages), parts

    def _read(self) -> tuple[list[Tensor], list[str]]:
        lines, texts, told = [], [], dict[str, str]()
        rows = [row for row in enumerate(read_text(self.file).split("\n"), 1) if row[1].strip()]
        for place, row in rows:
            name, _, text = row.strip().partition("\t") if "\t" in row else row.strip().partition(" ")
            try:
                if not text.strip():
                    raise DataError(f"{self.file}: line {place}: expected the name of an image, a blank, what it says")
                if Path(name).is_absolute() or ".." in Path(name).parts:
                    raise DataError(f"{self.file}: line {place}: '{name}' lies outside of the folder")
                if told.setdefault(name, text.strip()) != text.strip():
                    raise DataError(f"{self.file}: line {place}: '{name}' says '{text.strip()}', above '{told[name]}'")
                lines.append(line_of(self.folder / name, self.height))
                texts.append(text.strip())
            except DataError as error:
                self.faults.note(str(error))
        self.remark = self.faults.settle(len(rows))
        if not lines:
            raise DataError(f"{self.file}: tells of no image")
        return lines, texts


def line_of(path: Path, height: int) -> Tensor:
    """The columns (width, height) uint8 of an image file, made so high that its writing keeps its shape."""
    return read_image(path, 1, [height, 0], "stretch")[0].T.contiguous()


@source
def line_images(
    here: Path,
    path: str,
    texts: str = "texts.txt",
    height: Annotated[int, Field(gt=7)] = 28,
    validation: Share = 0.0,
    test: Share = 0.2,
    split: int = 0,
    on_error: OnError = "stop",
    most_errors: Most = 0.1,
) -> Source:
    """Lines of writing, an image file each, in the folder `path`; `texts` in it tells what each says.

    A line of that file is the name of an image, a blank or a tab, and the text, whose characters are the symbols to
    read. Writing is light on dark; images become `height` pixels high and keep their shape. Raises `DataError`, naming
    file and line.

    >>> import dovetail as dt
    >>> dt.line_images("scans", height=32)
    line_images('scans', height=32)
    """
    folder = here / path
    require_folder(folder)
    return LineImages(folder, texts, height, (validation, test, split), Faults(str(folder), on_error, most_errors))

"""A folder of images per class: any format Pillow reads, any size."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from ..recipe import source
from ..recipe.errors import DataError
from ..recipe.facts import Facts
from .faults import Faults, Most, OnError
from .images import Fit, Normalize, image_input
from .paths import require_folder
from .source import PARTS, Examples, Fetched, InMemory, Source, fingerprint, sizes
from .split import Share, split
from .statistics import class_target

MOST_PIXELS = 100_000_000
MOST_COLUMNS = 16_384  # of a line of writing
_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
_SAMPLE = 2000  # training images that the statistics are taken from


def read_images(paths: Sequence[Path], channels: int, size: Sequence[int], fit: Fit = "stretch") -> list[Tensor]:
    """`read_image` of several files, by a pool of threads."""
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter("ignore")  # of broken EXIF and large images, both judged below
        return list(pool.map(lambda path: read_image(path, channels, size, fit), paths))


def read_image(path: Path, channels: int, size: Sequence[int], fit: Fit) -> Tensor:
    """An image file as uint8 (C, H, W): EXIF rotation applied, transparency laid on black, at the size asked for; a
    width of 0 is what goes with the height.

    Raises `DataError`, naming the file, where it is missing, broken, not an image, larger than 100 megapixels, or too
    long a line.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise DataError(f"{path}: {opened.width}x{opened.height} pixels, more than {MOST_PIXELS:,}")
            turned = ImageOps.exif_transpose(opened)
            if turned.mode == "I" or turned.mode.startswith("I;16"):  # 16 bits a pixel: keep the upper 8
                turned = Image.fromarray((np.asarray(turned).clip(0, 65535) >> 8).astype(np.uint8))
            if "A" in turned.getbands() or "transparency" in turned.info:
                turned = turned.convert("RGBA")
                ground = Image.new("RGBA", turned.size, (0, 0, 0, 255))
                turned = Image.alpha_composite(ground, turned)
            image: Any = turned.convert("L" if channels == 1 else "RGB")
            wide = (size[1] or max(1, round(image.width * size[0] / image.height)), size[0])
            if not size[1] and wide[0] > MOST_COLUMNS:
                told = f"{image.width}x{image.height} pixels would be {wide[0]:,} columns of {wide[1]}"
                raise DataError(f"{path}: {told}; a line has at most {MOST_COLUMNS:,}")
            if image.size != wide:
                image = fitted(image, wide, fit)
    except DataError:
        raise
    except UnidentifiedImageError:
        raise DataError(f"{path}: not an image that Pillow can read") from None
    except Image.DecompressionBombError:
        raise DataError(f"{path}: more than {MOST_PIXELS:,} pixels") from None
    except Exception as error:  # Pillow raises many kinds where a file is broken
        if isinstance(error, OSError) and error.strerror:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from None
        raise DataError(f"{path}: broken or truncated image: {error}") from None
    array = torch.from_numpy(np.array(image))
    return array[None] if channels == 1 else array.permute(2, 0, 1).contiguous()


def fitted(image: Any, size: tuple[int, int], fit: Fit) -> Any:
    """A Pillow image at (width, height): stretched, cut in its middle, or with bars at its sides."""
    from PIL import Image, ImageOps

    if fit == "stretch":
        return image.resize(size, Image.Resampling.BILINEAR)
    return (ImageOps.fit if fit == "crop" else ImageOps.pad)(image, size, Image.Resampling.BILINEAR)


class Files(Examples):
    """Image files, decoded when they are fetched, by a pool of threads."""

    slow = True

    def __init__(self, paths: list[Path], targets: Tensor, channels: int, size: list[int], fit: Fit) -> None:
        self.paths, self.targets, self.channels, self.size, self.fit = paths, targets, channels, size, fit

    def __len__(self) -> int:
        return len(self.paths)

    def fetch(self, indices: Tensor) -> Fetched:
        images = read_images([self.paths[i] for i in indices.tolist()], self.channels, self.size, self.fit)
        empty = torch.empty(0, self.channels, *self.size, dtype=torch.uint8)
        return torch.stack(images) if images else empty, self.targets[indices], None


class Folder(Source):
    def __init__(
        self,
        root: Path,
        size: list[int],
        color: str,
        fit: Fit,
        cache: int,
        shares: tuple[float, float, int],
        norm: Normalize,
        faults: Faults,
    ) -> None:
        self.name, self.root, self.size, self.color, self.fit = str(root), root, size, color, fit
        self.cache, self.shares, self.normalize, self.faults = cache, shares, norm, faults
        self.official = [part for part in PARTS if (root / part).is_dir()] if (root / "train").is_dir() else []
        for other in ("val", "valid", "dev"):
            if self.official and (root / other).is_dir():
                raise DataError(f"{root}: the folder '{other}' would not be read; call it 'validation'")
        folders = {part: root / part for part in self.official} or {"train": root}
        self.names = classes_in(folders["train"])
        self.files = {part: self.files_in(folder) for part, folder in folders.items()}

    def files_in(self, folder: Path) -> list[tuple[Path, int]]:
        unknown = [name for name in classes_in(folder) if name not in self.names]
        if unknown:
            raise DataError(f"{folder}: class '{unknown[0]}' is not in {self.root / 'train'}")
        found = []
        for number, name in enumerate(self.names):
            if not (folder / name).is_dir():
                continue
            self.require_inside(folder / name)
            files = [p for p in sorted((folder / name).rglob("*")) if p.suffix.lower() in _SUFFIXES and p.is_file()]
            files = [p for p in files if not p.name.startswith(".")]
            if not files:
                raise DataError(f"{folder / name}: no images in it ({', '.join(sorted(_SUFFIXES))})")
            for path in files:
                self.require_inside(path)
            found += [(path, number) for path in files]
        return found

    def require_inside(self, path: Path) -> None:
        """Refuse a link that leads out of the folder the user gave."""
        if path.is_symlink() and not path.resolve().is_relative_to(self.root.resolve()):
            raise DataError(f"{path}: a link that leads out of {self.root}; put the images themselves there")

    def sound(self, files: list[tuple[Path, int]], channels: int) -> list[tuple[Path, int]]:
        """The files that are images, where others are to be skipped; else all: the first broken one will be told."""
        if not self.faults.skips:
            return files

        def look(path: Path) -> str:
            try:
                read_image(path, channels, self.size, self.fit)
            except DataError as error:
                return str(error)
            return ""

        with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
            warnings.simplefilter("ignore")
            found = list(pool.map(look, [path for path, _ in files]))
        for message in filter(None, found):
            self.faults.note(message)
        return [pair for pair, message in zip(files, found, strict=True) if not message]

    def load(self) -> tuple[Facts, dict[str, Examples]]:
        channels = {"grey": 1, "rgb": 3}.get(self.color) or self._channels(self.files["train"])
        total = sum(map(len, self.files.values()))
        self.files = {part: self.sound(files, channels) for part, files in self.files.items()}
        self.remark = self.faults.settle(total)
        files = self.files["train"]
        targets = torch.tensor([number for _, number in files])
        validation, test, seed = self.shares
        cut = split(
            len(files),
            0 if "validation" in self.official else validation,
            0 if "test" in self.official else test,
            seed,
            targets,
            self.name,
        )
        lists = {part: [files[i] for i in indices.tolist()] for part, indices in cut.items()}
        lists |= {part: self.files[part] for part in self.official if part != "train"}
        parts: dict[str, Examples] = {
            part: Files(
                [p for p, _ in pairs], torch.tensor([n for _, n in pairs]).long(), channels, self.size, self.fit
            )
            for part, pairs in lists.items()
        }
        files_used = [path for part in PARTS for path, _ in lists.get(part, [])]
        seen: list[Any] = [repr([(path.relative_to(self.root).as_posix(), path.stat().st_size) for path in files_used])]
        if sum(map(len, parts.values())) * channels * self.size[0] * self.size[1] <= self.cache << 20:
            held = {name: InMemory(*part.fetch(torch.arange(len(part)))) for name, part in parts.items()}
            parts = {**held}
            seen += [part.inputs for part in held.values()]  # else names and sizes must do: reading all would take long
        mark = fingerprint(*seen)
        train = parts["train"]
        step = max(1, -(-len(train) // _SAMPLE))
        sample, _, _ = train.fetch(torch.arange(0, len(train), step))
        target = class_target(self.names, torch.tensor([number for _, number in lists["train"]]))
        input = image_input(sample, self.normalize, self.fit)
        return Facts(input, target, sizes(parts), mark, self.faults.messages), parts

    @staticmethod
    def _channels(files: list[tuple[Path, int]]) -> int:
        """3 if any of some images has colour, else 1."""
        from PIL import Image

        for path, _ in files[:: max(1, len(files) // 50)]:
            try:
                with Image.open(path) as image:
                    if image.mode not in ("1", "L", "LA", "I", "F") and not image.mode.startswith("I;16"):
                        return 3
            except (OSError, ValueError, SyntaxError):
                continue  # told, with its name, when it is decoded
        return 1


def classes_in(folder: Path) -> list[str]:
    """The class folders of a folder, numbers in them in their own order; raises `DataError` where there are too few."""
    names = [path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    names.sort()
    names.sort(
        key=lambda name: [(int(word), "") if word.isdecimal() else (-1, word) for word in re.split(r"(\d+)", name)]
    )
    if len(names) < 2:
        raise DataError(f"{folder}: expected a folder of images for each of two classes at least, found {len(names)}")
    return names


@source
def folder(
    here: Path,
    path: str,
    size: Annotated[
        list[Annotated[int, Field(gt=0)]], Field(min_length=2, max_length=2), "two whole numbers: height, width"
    ] = [32, 32],  # noqa: B006
    color: Literal["auto", "grey", "rgb"] = "auto",
    fit: Fit = "stretch",
    test: Share = 0.2,
    validation: Share = 0.0,
    split: int = 0,
    normalize: Normalize = "standard",
    cache: Annotated[int, Field(ge=0)] = 2048,
    on_error: OnError = "stop",
    most_errors: Most = 0.1,
) -> Source:
    """Images in a folder per class, any format and size; folders `train`, `test` and `validation` above them are kept.

    `size` is height and width in pixels, `fit` how an image comes to it; `cache` is how many MiB of decoded images may
    stay in memory, beyond which they are decoded anew each time. `on_error`: a broken image stops the run, or is
    skipped and reported; more than the share `most_errors` of them stops it. Raises `DataError`, naming the file, for
    broken ones, and for links that lead out of the folder.

    >>> import dovetail as dt
    >>> dt.folder("photos", size=[64, 64], fit="crop")
    folder('photos', size=[64, 64], fit='crop')
    """
    root = here / path
    require_folder(root)
    faults = Faults(str(root), on_error, most_errors)
    return Folder(root, size, color, fit, cache, (validation, test, split), normalize, faults)

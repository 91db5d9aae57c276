"""Folders of images, one a class."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from data.making import everything, says
from data.where import real
from PIL import Image

import dovetail as dt
from dovetail.recipe.errors import RecipeError

HERE = Path()
SUFFIXES = ".bmp, .gif, .jpeg, .jpg, .pgm, .png, .ppm, .tif, .tiff, .webp"


def put(*places: str, value: int = 100, color: bool = False) -> None:
    """An image of one brightness at each of the places."""
    for place in places:
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 3, 3) if color else (4, 3), value, np.uint8)).save(place)


def two_classes(count: int = 5, top: str = "p") -> None:
    for number in range(count):
        put(f"{top}/cat/{number}.png", value=10 + number)
        put(f"{top}/dog/{number}.png", value=200 + number)


def test_classes_are_the_folders_and_numbers_in_them_count() -> None:
    put(*(f"p/{name}/x.png" for name in ("c10", "c2", "b", "c1", "C3", "²", "01", "1")))
    put("p/.hidden/x.png", "p/beside.png")
    facts = dt.folder("p", test=0).make(HERE).facts
    assert facts.target.names == ["01", "1", "C3", "b", "c1", "c2", "c10", "²"]
    assert facts.sizes["train"] == 8


def test_images_go_with_their_classes_in_the_order_of_their_names() -> None:
    two_classes()
    images, targets, _ = everything(dt.folder("p", size=[4, 3], test=0).make(HERE).part("train"))
    assert images[:, 0, 0, 0].tolist() == [10, 11, 12, 13, 14, 200, 201, 202, 203, 204]
    assert targets.tolist() == [0] * 5 + [1] * 5


def test_folders_below_a_class_are_searched_and_what_is_no_image_is_not() -> None:
    two_classes()
    put("p/cat/more/deep.PNG")
    Path("p/cat/notes.txt").write_text("not an image")
    Path("p/cat/._0.png").write_text("what a Mac leaves")
    assert dt.folder("p", test=0).make(HERE).facts.target.counts == [6, 5]


def test_train_validation_and_test_folders_are_kept() -> None:
    two_classes(5, "p/train")
    two_classes(2, "p/test")
    facts = dt.folder("p", test=3, validation=0.2).make(HERE).facts
    assert facts.sizes == {"train": 8, "validation": 2, "test": 4}
    put("p/validation/dog/x.png", "p/validation/cat/x.png", value=7)
    source = dt.folder("p", size=[4, 3], test=3, validation=0.2).make(HERE)
    assert source.facts.sizes == {"train": 10, "validation": 2, "test": 4}
    assert everything(source.part("validation"))[0].unique().tolist() == [7]
    assert everything(source.part("test"))[0][:, 0, 0, 0].tolist() == [10, 11, 200, 201]
    assert everything(source.part("test"))[1].tolist() == [0, 0, 1, 1]


def missing() -> str:
    return "p: there is no such folder"


def a_file() -> str:
    Path("p").write_text("")
    return "p: is a file, expected a folder"


def one_class() -> str:
    put("p/cat/x.png")
    return "p: expected a folder of images for each of two classes at least, found 1"


def flat() -> str:
    put("p/x.png")
    return "p: expected a folder of images for each of two classes at least, found 0"


def empty_class() -> str:
    two_classes()
    Path("p/eel").mkdir()
    Path("p/eel/x.txt").write_text("")
    return f"p/eel: no images in it ({SUFFIXES})"


def unknown_class() -> str:
    two_classes(top="p/train")
    put("p/test/cat/x.png", "p/test/dig/x.png")
    return "p/test: class 'dig' is not in p/train"


def other_word() -> str:
    two_classes(top="p/train")
    two_classes(top="p/val")
    return "p: the folder 'val' would not be read; call it 'validation'"


def all_tested() -> str:
    two_classes(1)
    return "p: 2 examples do not make 2 for test and 1 for validation and leave some to train on"


def not_an_image() -> str:
    two_classes()
    Path("p/dog/9.png").write_text("hello")
    return "p/dog/9.png: not an image that Pillow can read"


@pytest.mark.parametrize(
    "prepare",
    [missing, a_file, one_class, flat, empty_class, unknown_class, other_word, all_tested, not_an_image],
    ids=lambda prepare: prepare.__name__,
)
def test_tells_what_is_wrong(prepare: object) -> None:
    with says(prepare()):  # type: ignore[operator]
        _ = dt.folder("p", test=2 if prepare is all_tested else 0.2, validation=1).make(HERE).facts


def test_a_size_is_two_numbers() -> None:
    for size in ([32], [32, 32, 3], [0, 32], "32"):
        with pytest.raises(RecipeError, match=r"option 'size' takes two whole numbers: height, width"):
            dt.folder("p", size=size)  # type: ignore[arg-type]


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
def test_without_a_cache_the_images_are_the_same(fit: str) -> None:
    two_classes()
    put("p/cat/colour.jpg", color=True)
    held, files = (dt.folder("p", size=[6, 8], fit=fit, validation=2, cache=cache).make(HERE) for cache in (1, 0))
    assert type(held.part("train")) is not type(files.part("train"))
    assert held.facts.input == files.facts.input
    for name in ("train", "validation", "test"):
        for a, b in zip(everything(held.part(name))[:2], everything(files.part(name))[:2], strict=True):
            assert torch.equal(a, b)
    part = files.part("train")
    again = part.fetch(torch.tensor([3, 3, 1]))
    assert torch.equal(again[0], everything(part)[0][[3, 3, 1]])
    assert part.fetch(torch.empty(0, dtype=torch.int64))[0].shape == (0, 3, 6, 8)


@pytest.mark.parametrize(
    ("color", "extra", "channels"), [("auto", False, 1), ("auto", True, 3), ("grey", True, 1), ("rgb", False, 3)]
)
def test_colour_is_kept_where_there_is_some(color: str, extra: bool, channels: int) -> None:
    two_classes()
    if extra:
        put("p/dog/colour.png", color=True)
    facts = dt.folder("p", size=[5, 7], color=color).make(HERE).facts
    assert facts.input.shape == [channels, 5, 7]


def test_the_fingerprint_knows_names_and_without_a_cache_sizes() -> None:
    two_classes()
    first = dt.folder("p", cache=0).make(HERE).facts
    Path("p/dog/0.png").rename("p/dog/00.png")
    assert dt.folder("p", cache=0).make(HERE).facts.fingerprint != first.fingerprint


CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def test_real_photographs() -> None:
    names = [f"cifar10/test/{name}/000{number}.jpg" for name in CLASSES for number in range(10)]
    with zipfile.ZipFile(real("cifar10") / "cifar10-jpeg-20k-5k.zip") as archive:
        archive.extractall(members=names)
    source = dt.folder("cifar10/test", test=0.2).make(HERE)
    assert source.facts.target.names == CLASSES
    assert source.facts.sizes == {"train": 80, "validation": 0, "test": 20}
    assert source.facts.target.counts == [8] * 10
    assert source.facts.input.shape == [3, 32, 32]
    assert all(90 < mean < 150 for mean in source.facts.input.mean)

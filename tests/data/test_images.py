"""Image files of every kind become the bytes asked for."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from data.making import says
from PIL import Image

from dovetail.data.folder import read_image, read_images
from dovetail.data.images import Fit
from dovetail.recipe.errors import DataError

GREY = np.array([[0, 50, 100], [150, 200, 255]], np.uint8)
COLOR = np.stack([GREY, 255 - GREY, GREY // 2], 2)


def save(name: str, array: np.ndarray, **options: object) -> Path:
    Image.fromarray(array).save(name, **options)
    return Path(name)


def grey(path: Path, size: tuple[int, int] = (2, 3), fit: Fit = "stretch") -> list[list[int]]:
    return read_image(path, 1, size, fit)[0].tolist()


@pytest.mark.parametrize("form", ["png", "bmp", "gif", "tif", "pgm", "webp"])
def test_lossless_grey_comes_as_it_was(form: str) -> None:
    assert grey(save(f"x.{form}", GREY, **({"lossless": True} if form == "webp" else {}))) == GREY.tolist()


@pytest.mark.parametrize("form", ["png", "bmp", "tif", "ppm"])
def test_lossless_colour_comes_as_it_was_channels_first(form: str) -> None:
    image = read_image(save(f"x.{form}", COLOR), 3, (2, 3), "stretch")
    assert image.dtype == torch.uint8
    assert image.is_contiguous()
    assert image.permute(1, 2, 0).tolist() == COLOR.tolist()


def test_jpeg_comes_nearly_as_it_was() -> None:
    smooth = np.add.outer(np.arange(16) * 8, np.arange(16) * 4).astype(np.uint8)
    read = read_image(save("x.jpg", smooth, quality=95), 1, (16, 16), "stretch")[0]
    assert (read.int() - torch.from_numpy(smooth).int()).abs().max() <= 4


def test_grey_becomes_colour_and_colour_grey() -> None:
    three = read_image(save("g.png", GREY), 3, (2, 3), "stretch")
    assert all(channel.tolist() == GREY.tolist() for channel in three)
    luma = (COLOR @ np.array([0.299, 0.587, 0.114])).tolist()
    assert grey(save("c.png", COLOR)) == [[pytest.approx(value, abs=1) for value in row] for row in luma]


@pytest.mark.parametrize("form", ["png", "tif", "pgm"])
def test_of_16_bits_the_upper_8_are_kept(form: str) -> None:
    deep = GREY.astype(np.uint16) * 256 + 99
    if form == "pgm":
        Path("x.pgm").write_bytes(b"P5 3 2 65535\n" + deep.astype(">u2").tobytes())
    else:
        save(f"x.{form}", deep)
    assert grey(Path(f"x.{form}")) == GREY.tolist()


def palette() -> Image.Image:
    image = Image.new("P", (3, 2))
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    image.putdata([0, 1, 2, 2, 1, 0])
    return image


def test_a_palette_is_looked_up() -> None:
    palette().save("x.png")
    assert read_image(Path("x.png"), 3, (2, 3), "stretch")[:, 0].tolist() == [[0, 255, 0], [0, 0, 255], [0, 0, 0]]


def with_alpha() -> None:
    save("x.png", np.concatenate([COLOR, np.full((2, 3, 1), 0, np.uint8)], 2))


def grey_with_alpha() -> None:
    Image.merge("LA", [Image.fromarray(GREY + 1), Image.new("L", (3, 2), 0)]).save("x.png")


def palette_with_alpha() -> None:
    palette().save("x.png", transparency=bytes([0, 0, 0]))


@pytest.mark.parametrize("write", [with_alpha, grey_with_alpha, palette_with_alpha])
def test_what_is_transparent_is_black(write: Callable[[], None]) -> None:
    write()
    assert read_image(Path("x.png"), 3, (2, 3), "stretch").sum() == 0


def test_what_is_half_transparent_is_half_as_bright() -> None:
    save("x.png", np.dstack([COLOR, np.full((2, 3), 128, np.uint8)]))
    read = read_image(Path("x.png"), 3, (2, 3), "stretch").permute(1, 2, 0).int()
    assert (read - torch.from_numpy(COLOR).int() * 128 // 255).abs().max() <= 1


@pytest.mark.parametrize(
    ("orientation", "turned"),
    [(1, GREY), (2, GREY[:, ::-1]), (3, GREY[::-1, ::-1]), (6, np.rot90(GREY, -1)), (8, np.rot90(GREY))],
)
def test_exif_turns_the_image(orientation: int, turned: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save("x.png", GREY, exif=exif)
    assert grey(path, turned.shape) == turned.tolist()


def test_an_image_of_another_shape_is_stretched_cropped_or_padded() -> None:
    path = save("x.png", np.repeat(np.array([[10, 10, 200, 200, 10, 10]], np.uint8), 2, 0))
    assert grey(path, (2, 2), "crop") == [[200, 200], [200, 200]]
    padded = np.array(grey(path, (6, 6), "pad"))
    assert padded[2:4].tolist() == [[10, 10, 200, 200, 10, 10]] * 2
    assert padded[[0, 1, 4, 5]].sum() == 0
    stretched = np.array(grey(path, (6, 6), "stretch"))
    assert (stretched == stretched[0]).all()
    assert stretched.min() == 10


def noisy_png() -> bytes:
    save("whole.png", np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8))
    return Path("whole.png").read_bytes()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"just text", "not an image that Pillow can read"),
        (b"", "not an image that Pillow can read"),
        (noisy_png, "broken or truncated image: image file is truncated"),
        (b"P5 3 2 255\n12345", "broken or truncated image: "),
    ],
)
def test_a_broken_image_is_named(data: bytes | Callable[[], bytes], message: str) -> None:
    Path("x.png").write_bytes(data if isinstance(data, bytes) else data()[:2000])
    with pytest.raises(DataError, match=rf"^x\.png: {message}"):
        read_image(Path("x.png"), 1, (8, 8), "stretch")


def test_a_missing_image_is_not_called_broken() -> None:
    with says("x.png: cannot be read: No such file or directory"):
        read_image(Path("x.png"), 1, (8, 8), "stretch")


def test_an_error_of_any_kind_while_decoding_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("tag 273")

    path = save("x.png", GREY)
    monkeypatch.setattr("PIL.ImageOps.exif_transpose", broken)
    with says("x.png: broken or truncated image: 'tag 273'"):
        read_image(path, 1, (2, 3), "stretch")


@pytest.mark.parametrize(("most", "size"), [(5, "3x2 pixels, more than 5"), (6, "")])
def test_a_giant_image_is_refused_before_it_is_decoded(most: int, size: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(read_image.__globals__, "MOST_PIXELS", most)
    path = save("x.png", GREY)
    if not size:
        assert grey(path) == GREY.tolist()
        return
    with says(f"x.png: {size}"):
        grey(path)


def test_a_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    path = save("x.png", GREY)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2)
    with says("x.png: more than 100,000,000 pixels"):
        read_image(path, 1, (2, 3), "stretch")


def test_many_images_come_in_order_and_leave_the_warnings_as_they_were() -> None:
    paths = [save(f"{value}.png", np.full((2, 3), value, np.uint8)) for value in range(40)]
    before, threads = list(warnings.filters), threading.active_count()
    images = read_images(paths, 1, (2, 3))
    assert [int(image.max()) for image in images] == list(range(40))
    assert (warnings.filters, threading.active_count()) == (before, threads)

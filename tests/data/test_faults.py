"""Broken rows and images: the first stops the run, or they are skipped, reported, and too many of them stop it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import dovetail as dt
from dovetail.recipe.errors import DataError

HERE = Path()

ROWS = [f"{i},{i % 3 + 0.5},{'ab'[i % 2]}" for i in range(40)]


def table(**changed: str) -> None:
    """t.csv of forty rows, some of them other than they should be: r7="..." is row 7."""
    rows = [changed.get(f"r{i}", row) for i, row in enumerate(ROWS)]
    Path("t.csv").write_text("\n".join(["u,v,y", *rows]))


BROKEN = {"r3": "3,zero,a", "r11": "11,1.5", "r20": "20,inf,a", "r31": "31,,a"}


def test_broken_rows_are_skipped_and_reported() -> None:
    table(**BROKEN)
    source = dt.table("t.csv", target="y", on_error="skip", test=0).make(HERE)
    assert source.facts.sizes["train"] == 36
    assert source.facts.skipped == [
        "t.csv: row 13 has 2 cells, the header 3",
        "t.csv: row 5, column 'v': 'zero' is not a number",
        "t.csv: row 22, column 'v': inf is not finite",
        "t.csv: row 33, column 'v': the value is absent",
    ]
    assert source.remark == f"t.csv: left out 4 of 40: {'; '.join(source.facts.skipped[:3])}; ..."
    table()
    whole = dt.table("t.csv", target="y", test=0).make(HERE).part("train").fetch(torch.arange(40))[1]
    kept = source.part("train").fetch(torch.arange(36))[1]
    assert kept.tolist() == [y for i, y in enumerate(whole.tolist()) if f"r{i}" not in BROKEN]


@pytest.mark.parametrize("row", BROKEN)
def test_the_first_stops_the_run_unless_they_are_skipped(row: str) -> None:
    table(**{row: BROKEN[row]})
    with pytest.raises(DataError, match=rf"^t.csv: row {int(row[1:]) + 2}[, ]"):
        dt.table("t.csv", target="y").make(HERE).part("train")


def test_too_many_stop_it() -> None:
    table(**BROKEN)
    with pytest.raises(
        DataError, match=r"^t.csv: 4 of 40 are broken, more than may be \(most_errors: 0.05\): t.csv: row 13"
    ):
        dt.table("t.csv", target="y", on_error="skip", most_errors=0.05).make(HERE).part("train")


def photos() -> None:
    for name in ("a", "b"):
        Path("photos", name).mkdir(parents=True)
        for i in range(10):
            pixels = np.full((6, 6), 100 * (name == "b") + i, np.uint8)
            Image.fromarray(pixels).save(f"photos/{name}/{i}.png")
    Path("photos/a/3.png").write_bytes(b"no image")
    whole = Path("photos/b/7.png").read_bytes()
    Path("photos/b/7.png").write_bytes(whole[: len(whole) // 2])


@pytest.mark.parametrize("cache", [0, 100])
def test_broken_images_are_skipped_and_reported(cache: int) -> None:
    photos()
    source = dt.folder("photos", size=[6, 6], on_error="skip", test=0, cache=cache).make(HERE)
    assert source.facts.sizes["train"] == 18
    assert source.facts.skipped == [
        f"photos/{name}: not an image that Pillow can read" for name in ("a/3.png", "b/7.png")
    ]
    inputs, targets, _ = source.part("train").fetch(torch.arange(18))
    assert targets.tolist() == [0] * 9 + [1] * 9
    assert inputs[:, 0, 0, 0].tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9, 100, 101, 102, 103, 104, 105, 106, 108, 109]
    with pytest.raises(DataError, match=r"^photos: 2 of 20 are broken, more than may be \(most_errors: 0.05\)"):
        dt.folder("photos", size=[6, 6], on_error="skip", most_errors=0.05).make(HERE).part("train")


def test_a_run_tells_what_it_left_out_and_keeps_it() -> None:
    table(**BROKEN)
    said: list[str] = []
    data = dt.table("t.csv", target="y", on_error="skip")
    run = dt.train(
        network=[dt.linear("outputs")], objective=dt.softmax(), data=data, epochs=1, run="r", say=said.append
    )
    assert said[0].startswith("t.csv: left out 4 of 40: ")
    assert len(dt.load("r").facts.skipped) == 4
    assert run.test()["count"] == 8


def test_links_out_of_the_folder_are_refused_and_links_within_it_followed() -> None:
    photos()
    Path("secret").mkdir()
    os.replace("photos/a/3.png", "secret/3.png")
    os.remove("photos/b/7.png")
    Path("photos/a/3.png").symlink_to("4.png")
    assert dt.folder("photos", test=0).make(HERE).facts.sizes["train"] == 19
    Path("photos/a/11.png").symlink_to("../../secret/3.png")
    with pytest.raises(
        DataError, match=r"^photos/a/11.png: a link that leads out of photos; put the images themselves"
    ):
        dt.folder("photos").make(HERE)
    os.remove("photos/a/11.png")
    Path("photos/c").symlink_to("../secret", target_is_directory=True)
    with pytest.raises(DataError, match=r"^photos/c: a link that leads out of photos"):
        dt.folder("photos").make(HERE)

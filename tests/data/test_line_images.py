"""Lines from image files: reading, what is refused, and a system that reads, answers and draws them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import dovetail
from data.making import everything, says
from PIL import Image

import dovetail as dt
from dovetail.recipe.errors import DataError


def write_lines(folder: Path, count: int = 12, light: bool = False) -> list[str]:
    """Lines of digits as PNG files 28 pixels high, and texts.txt; returns the texts."""
    folder.mkdir()
    made = dt.digit_strings(least=1, most=3, size=count, test=1).make(Path())
    inputs, targets, _ = everything(made.part("train"))
    texts = []
    columns = torch.split(inputs.values, inputs.lengths.tolist())
    labels = torch.split(targets.values[:, 0], targets.lengths.tolist())
    for n, (line, own) in enumerate(zip(columns, labels, strict=True)):
        array = line.T.numpy()
        Image.fromarray(255 - array if light else array).save(folder / f"{n}.png")
        texts.append("".join(map(str, own.tolist())))
    (folder / "texts.txt").write_text("".join(f"{n}.png {text}\n" for n, text in enumerate(texts)))
    return texts


def test_lines_are_read_with_their_texts(tmp_path: Path) -> None:
    texts = write_lines(tmp_path / "scans")
    source = dt.line_images("scans", test=0).make(tmp_path)
    inputs, targets, _ = everything(source.part("train"))
    names = source.facts.target.names
    own = torch.split(targets.values, targets.lengths.tolist())
    assert ["".join(names[k] for k in one.tolist()) for one in own] == texts
    with Image.open(tmp_path / "scans" / "0.png") as opened:
        assert np.array_equal(inputs.rows(slice(0, 1)).values.T.numpy(), np.array(opened))


def test_lines_of_another_height_keep_their_shape(tmp_path: Path) -> None:
    write_lines(tmp_path / "scans")
    widths = [everything(dt.line_images("scans", height=h, test=0).make(tmp_path).part("train"))[0].lengths.double()
              for h in (28, 14)]  # fmt: skip
    assert (widths[0] / widths[1]).tolist() == pytest.approx([2.0] * 12, abs=0.1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "texts.txt: tells of no image"),
        ("0.png\n", "texts.txt: line 1: expected the name of an image, a blank, what it says"),
        ("0.png 1\nmissing.png 12\n", "missing.png: cannot be read: No such file or directory"),
        ("texts.txt 12\n", "texts.txt: not an image that Pillow can read"),
        ("0.png 1\n../0.png 12\n", "texts.txt: line 2: '../0.png' lies outside of the folder"),
        ("/0.png 12\n", "texts.txt: line 1: '/0.png' lies outside of the folder"),
        ("0.png 12\n1.png 3\n0.png 13\n", "texts.txt: line 3: '0.png' says '13', above '12'"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, message: str) -> None:
    write_lines(tmp_path / "scans")
    (tmp_path / "scans" / "texts.txt").write_text(text)
    with pytest.raises(DataError) as caught:
        dt.line_images("scans").make(tmp_path).load()
    assert message in str(caught.value)


def test_a_folder_or_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with says(f"{tmp_path}/scans: there is no such folder"):
        dt.line_images("scans").make(tmp_path)
    (tmp_path / "scans").mkdir()
    with says(f"{tmp_path}/scans/texts.txt: there is no such file: it tells what each image says, a line each"):
        dt.line_images("scans").make(tmp_path)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A reader that has learned a little."""
    words = ["data.digit_strings.size=300", "data.digit_strings.test=30", "data.digit_strings.most=3", "epochs=4"]
    words += ["recalibrate=0", "optimizer.average=null"]
    return dt.train("reader-segments", *words, run=str(tmp_path_factory.mktemp("runs") / "r"))


def test_a_line_is_answered_with_its_cuts_and_drawn(reader: Any, tmp_path: Path) -> None:
    write_lines(tmp_path / "scans", count=3)
    said = dovetail("predict", reader.path, tmp_path / "scans" / "0.png", tmp_path / "scans" / "1.png", "--picture")
    assert said.code == 0, said.err
    for n, line in enumerate(said.out.splitlines()):
        answer = json.loads(line)
        assert answer["input"].endswith(f"{n}.png")
        assert len(answer["cuts"]) == len(answer["text"])
        assert all(a[1] == b[0] for a, b in zip(answer["cuts"], answer["cuts"][1:], strict=False))
        assert 0 < answer["probability"] <= 1
        with Image.open(tmp_path / "scans" / f"{n}-read.png") as drawn:
            assert drawn.width > 100
    plain = dovetail("predict", reader.path, tmp_path / "scans" / "0.png")
    assert json.loads(plain.out) == json.loads(said.out.splitlines()[0])


def test_lines_on_light_ground_are_warned_of_and_inverted(reader: Any, tmp_path: Path) -> None:
    write_lines(tmp_path / "dark", count=1)
    write_lines(tmp_path / "light", count=1, light=True)
    dark = dovetail("predict", reader.path, tmp_path / "dark" / "0.png").json
    light = dovetail("predict", reader.path, tmp_path / "light" / "0.png")
    assert "its background is light, the training images' is dark; try --invert" in light.err
    assert dovetail("predict", reader.path, tmp_path / "light" / "0.png", "--invert").json["text"] == dark["text"]


def test_a_flat_image_is_no_line(reader: Any, tmp_path: Path) -> None:
    """At its height it would have so many columns that memory does not hold what the network makes of them."""
    Image.new("L", (600, 1), 255).save(tmp_path / "flat.png")
    said = dovetail("predict", reader.path, tmp_path / "flat.png")
    assert said.err == (f"{tmp_path}/flat.png: 600x1 pixels would be 16,800 columns of 28; a line has at most 16,384\n")
    assert said.code == 1


def test_lines_are_answered_in_python(reader: Any) -> None:
    inputs, _, _ = reader.source.part("test").fetch(torch.arange(3))
    arrays = [one.numpy() for one in torch.split(inputs.values, inputs.lengths.tolist())]
    assert [set(answer) for answer in reader.predict(arrays)] == [{"text", "probability", "cuts"}] * 3
    with says("sequence 0: expected an array (places, 28), got (4, 5)"):
        reader.predict([np.zeros((4, 5))])
    with says("sequence 0: expected values of 0 to 255, got 0.0 to 300.0"):
        reader.predict([np.linspace(0, 300, 56).reshape(2, 28)])


def test_only_lines_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = dt.train("logistic", "epochs=1", run="r")
    (tmp_path / "x.csv").write_text("a\n1\n")
    said = dovetail("predict", run.path, tmp_path / "x.csv", "--picture")
    told = f"--picture draws lines that are read, and {run.path} takes table of 30"
    assert (said.code, said.err.strip()) == (2, told)

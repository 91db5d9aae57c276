"""Lines set from handwritten characters, and words letter by letter."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from data.making import everything, says
from data.where import real

import dovetail as dt
from dovetail.data.lines import AMOUNT, draw_sign
from dovetail.data.source import Source


def strings(source: Source, part: str = "train") -> list[str]:
    _, targets, _ = everything(source.part(part))
    names = source.facts.target.names
    each = torch.split(targets.values[:, 0], targets.lengths.tolist())
    return ["".join(names[label] for label in one.tolist()) for one in each]


def digits(**options: Any) -> Source:
    return dt.digit_strings(**{"size": 40, "test": 20, "validation": 10, **options}).make(Path())


def test_the_same_options_give_the_same_lines() -> None:
    one, other, third = digits(), digits(), digits(split=1)
    assert one.facts == other.facts
    assert one.facts.fingerprint != third.facts.fingerprint
    assert one.facts.sizes == {"train": 40, "validation": 10, "test": 20}
    assert strings(one) != strings(one, "validation")


@pytest.mark.parametrize(("least", "most"), [(1, 1), (2, 4), (7, 7)])
def test_strings_are_as_long_as_asked(least: int, most: int) -> None:
    assert {len(text) for text in strings(digits(least=least, most=most))} <= set(range(least, most + 1))


def test_a_target_tells_where_its_characters_are() -> None:
    inputs, targets, _ = everything(digits(gap=[2, 5]).part("train"))
    lines = torch.split(inputs.values, inputs.lengths.tolist())
    for line, characters in zip(lines, torch.split(targets.values, targets.lengths.tolist()), strict=True):
        ink = line.sum(1)
        for _, begin, end in characters.tolist():
            assert ink[begin : begin + 2].max() > 0
            assert ink[end - 2 : end].max() > 0
            assert ink[begin - 1] < 150
            assert ink[end] < 150
        assert (characters[1:, 1] - characters[:-1, 2] >= 2).all()


def test_characters_overlap_where_asked() -> None:
    _, targets, _ = everything(digits(gap=[-6, -3]).part("train"))
    pairs = [one[1:, 1] - one[:-1, 2] for one in torch.split(targets.values, targets.lengths.tolist())]
    assert (torch.cat(pairs) < 0).double().mean() > 0.9


def test_noise_and_breaks_change_what_is_seen() -> None:
    plain, noisy, broken = (everything(digits(**o).part("train"))[0].values.float()
                            for o in ({}, {"noise": 0.1}, {"broken": 1.0}))  # fmt: skip
    assert (noisy > 0).double().mean() > (plain > 0).double().mean() + 0.1
    assert broken.sum() < plain.sum()


def test_no_digit_of_a_test_line_is_in_a_training_line() -> None:
    made: Any = digits()
    train, test = (made._characters(part)[0] for part in ("train", "test"))
    rows = {image.numpy().tobytes() for image in train}
    assert sum(image.numpy().tobytes() in rows for image in test) == 0


def test_amounts_are_what_the_grammar_says() -> None:
    source = dt.amounts(size=200, test=20).make(Path())
    texts = strings(source)
    assert all(re.fullmatch(r"\$(0|[1-9]\d{0,2}|[1-9]\d{0,2},\d{3})\.\d\d", text) for text in texts)
    assert any("," in text for text in texts)
    assert any("," not in text for text in texts)
    assert len(AMOUNT) == 5


def test_signs_differ_from_one_another_and_from_themselves() -> None:
    rng = np.random.default_rng(0)
    drawn = {sign: [draw_sign(sign, rng) for _ in range(3)] for sign in ".,$"}
    assert all(not torch.equal(*pair[:2]) for pair in drawn.values())
    assert drawn["$"][0].sum() > 2 * drawn[","][0].sum() > 2 * drawn["."][0].sum() > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"least": 4, "most": 3}, "least: 4 digits at least and 3 at most"),
        ({"gap": [3, 1]}, "gap: from 3 to 1 pixels is the wrong way round"),
    ],
)
def test_options_that_contradict_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        digits(**options)


def test_words_letter_by_letter(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("1 qid:1 1:1 4:1\n2 qid:1 2:1\n26 qid:2 3:1\n")
    source = dt.words("a.txt", test="a.txt", size=[2, 2]).make(tmp_path)
    inputs, targets, _ = everything(source.part("train"))
    assert inputs.lengths.tolist() == [2, 1]
    assert (inputs.values[:, 0] // 255).tolist() == [[[1, 0], [0, 1]], [[0, 1], [0, 0]], [[0, 0], [1, 0]]]
    assert targets.values.tolist() == [0, 1, 25]
    assert source.facts.target.lexicon == [[0, 1], [25]]
    for line in ("27 qid:1 1:1", "1 qid:1 5:1", "x", "1 qid:1 a:1"):
        (tmp_path / "b.txt").write_text(f"1 qid:1 1:1\n{line}\n")
        expected = "expected `letter qid:word pixel:1 ...`, letters from 1 to 26, pixels from 1 to 4"
        broken = dt.words("b.txt", test="a.txt", size=[2, 2]).make(tmp_path)
        with says(f"{tmp_path}/b.txt: line 2: {expected}"):
            broken.load()


def test_the_handwritten_words_are_all_there() -> None:
    folder = real("ocr-letters")
    source = dt.words(str(folder / "train_struct.txt.gz"), test=str(folder / "test_struct.txt.gz")).make(Path())
    assert source.facts.sizes == {"train": 3438, "validation": 0, "test": 3439}
    counts = [int(everything(source.part(part))[0].lengths.sum()) for part in ("train", "test")]
    assert counts == [25953, 26198]

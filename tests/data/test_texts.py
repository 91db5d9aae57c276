"""Texts and pairs of them: reading, what is unknown, what comes next, and runs that learn both."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
import torch
from data.making import everything, says

import dovetail as dt
from dovetail.data.sentences import Sentences
from dovetail.data.templates import encode, learn
from dovetail.recipe.errors import DataError, RecipeError
from dovetail.recipe.facts import Facts


def sides(made: Any, part: str) -> list[tuple[str, str]]:
    """What the places of a part show and ask for, each line as text; ? is unknown."""
    facts = made.facts
    [vocabulary] = facts.input.vocabularies.values()
    seen = ["?", *(vocabulary[code - 1] for code in facts.input.fields[0].codes)]
    told = ["?", *facts.target.names[1:]]
    inputs, targets, _ = everything(made.part(part))
    rows = torch.split(inputs.values[:, 0], inputs.lengths.tolist())
    aims = torch.split(targets.values, targets.lengths.tolist())
    join = " ".join if facts.input.unit == "word" else "".join
    return [
        (join(seen[i] for i in row.tolist()), join(told[i] for i in aim.tolist()))
        for row, aim in zip(rows, aims, strict=True)
    ]


def test_the_next_character_of_a_line(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("aba\r\n\nab\n  \n")
    (tmp_path / "test.txt.gz").write_bytes(gzip.compress(b"xa"))
    made = dt.lines("train.txt", test="test.txt.gz").make(tmp_path)
    assert sides(made, "train") == [("\naba", "aba\n"), ("\nab", "ab\n")]
    assert sides(made, "test") == [("\n?a", "?a\n")]
    assert made.facts.target.names == ["<unknown>", "\n", "a", "b"]
    assert made.facts.sizes == {"train": 2, "validation": 0, "test": 1}
    assert Facts.of(made.facts.plain()) == made.facts


def test_rare_words_are_unknown(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("the  dog saw the cat\nthe dog ran\n")
    made = dt.lines("train.txt", unit="word", least=2, test=0).make(tmp_path)
    assert sides(made, "train")[0] == ("\n the dog ? the ?", "the dog ? the ? \n")
    assert made.facts.target.counts == [3, 2, 2, 3]
    with pytest.raises(
        RecipeError, match=r"train.txt: least: nothing occurs 4 times in training, all would be unknown"
    ):
        dt.lines("train.txt", unit="word", least=4, test=0).make(tmp_path).facts  # noqa: B018


def test_what_comes_next_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("abc\n")
    dt.lines("a.txt", features=["character[-1]/character", "character[-2]"]).make(tmp_path)
    with pytest.raises(RecipeError, match="look back alone"):
        dt.lines("a.txt", features=["character[1]"]).make(tmp_path)
    with pytest.raises(RecipeError, match="expected one template at least"):
        dt.lines("a.txt", features=[]).make(tmp_path)
    with pytest.raises(RecipeError, match="there is no column 'word'"):
        dt.lines("a.txt", features=["word"]).make(tmp_path)


def test_pairs_of_one_file_and_of_two(tmp_path: Path) -> None:
    (tmp_path / "both.tsv").write_text("ab\txyz\n\nba\tzy\n")
    (tmp_path / "test.tsv").write_text("ca\txq\n")
    made = dt.pairs("both.tsv", test="test.tsv").make(tmp_path)
    assert sides(made, "train") == [("ab", "xyz"), ("ba", "zy")]
    assert sides(made, "test") == [("?a", "x?")]
    assert dt.pairs("both.tsv", test=1).make(tmp_path).facts.sizes == {"train": 1, "validation": 0, "test": 1}
    assert (made.facts.target.form, made.facts.target.names) == ("string", ["<unknown>", "x", "y", "z"])
    (tmp_path / "a.txt").write_text("a dog\na cat\n")
    (tmp_path / "b.txt").write_text("ein Hund\neine Katze\n")
    made = dt.pairs(["a.txt", "b.txt"], unit="word", target="word", test=0).make(tmp_path)
    assert sides(made, "train") == [("a dog", "ein Hund"), ("a cat", "eine Katze")]
    assert made.facts.target.between == " "
    assert Facts.of(made.facts.plain()) == made.facts


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.txt": " \n"}, "a.txt: holds no pair"),
        ({"a.txt": "a\tb\nc\n"}, "a.txt: line 2: expected two texts with a tab between"),
        ({"a.txt": "a\tb\tc\n"}, "a.txt: line 1: expected two texts with a tab between"),
        ({"a.txt": "a\nb", "b.txt": "c"}, "a.txt has 2 lines, "),
        ({"a.txt": "a\nb", "b.txt": "c\n"}, "a.txt: line 2: expected a text here and in b.txt"),
    ],
)
def test_lines_without_a_partner_are_told(tmp_path: Path, files: dict[str, str], message: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError) as caught:
        dt.pairs(list(files) if len(files) == 2 else "a.txt").make(tmp_path).load()
    assert message in str(caught.value)


def test_files_there_are_not_and_empty_ones(tmp_path: Path) -> None:
    for spec in (dt.lines("no.txt"), dt.pairs("no.txt")):
        with pytest.raises(DataError, match=r"no\.txt: there is no such file"):
            spec.make(tmp_path)
    (tmp_path / "no.txt").write_text("\n \n")
    with pytest.raises(DataError, match=r"no\.txt: holds no text"):
        dt.lines("no.txt").make(tmp_path).load()


def test_letters_of_words_one_by_one() -> None:
    sentences = Sentences("", {"word": ["dog", "a", "abcdefg"], "tag": ["x"] * 3}, torch.tensor([3]).numpy())
    input = learn(sentences, ["word", "word.letters4"], "tag", 1)
    numbers = encode(sentences, input)
    letters = ["?", *input.vocabularies["word.letters4"]]
    spelled = ["".join(letters[n] or "-" for n in row) for row in numbers[:, 1:].tolist()]
    assert numbers.shape == (3, 5)
    assert spelled == ["dog-", "a---", "abfg"]
    new = Sentences("", {"word": ["gaz"]}, torch.tensor([1]).numpy())
    assert "".join(letters[n] or "-" for n in encode(new, input)[0, 1:].tolist()) == "ga?-"
    for text, message in (
        ("word[1].letters4", "letters are of the word itself, and of it alone: word.letters16"),
        ("word.letters4/word", "letters are of the word itself"),
        ("word.letters", "letters says how many letters: letters8"),
    ):
        with pytest.raises(RecipeError, match=message):
            learn(sentences, [text], "tag", 1)


def test_a_run_tells_what_comes_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train.txt").write_text("abcabc\n" * 20 + "cba\n" * 20)
    recipe = dt.Recipe(
        network=[dt.embedding(8), dt.lstm(16), dt.linear("outputs")],
        objective=dt.softmax(),
        data=dt.lines("train.txt", test=0.2),
        epochs=30,
        batch=8,
    )
    run = dt.train(recipe, "optimizer.rule=adam", "optimizer.rate=0.02", run="r")
    assert run.result["test"]["error"] < 0.15  # the line's first character is chance: 1 of 11 places, half of the time
    Path("new.txt").write_text("abca\nq\n")
    answers = run.predict("new.txt")
    assert [place["class"] for place in answers[0]["places"]][1:] == ["b", "c", "a", "b"]
    assert len(answers[1]["places"]) == 2
    given = run.predict([list("abca")])[0]["places"]
    assert [place["class"] for place in given] == [place["class"] for place in answers[0]["places"]]
    Path("more.txt").write_text("abcabc\nqqq\n")
    assert 0 < run.test(dt.lines("more.txt", test=0))["error"] < 1  # an unknown character is one more class
    with says("inputs: text 1 is 3: expected a list of one character at least"):
        run.predict([["a"], 3])


def test_a_run_learns_a_string_for_every_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Strings longer than the texts: a letter is spelled by two or by one, and equal ones need a blank between."""
    monkeypatch.chdir(tmp_path)
    spelled = {"a": "xy", "b": "z", "c": "yy"}
    texts = ["".join("abc"[(i // 3**k) % 3] for k in range(1 + i % 4)) for i in range(300)]
    Path("train.tsv").write_text("".join(f"{text}\t{''.join(spelled[c] for c in text)}\n" for text in texts))
    recipe = dt.Recipe(
        network=[dt.embedding(12), dt.linear(64), dt.spread(4), dt.tanh(), dt.linear("outputs")],
        objective=dt.ctc(),
        data=dt.pairs("train.tsv", test=0.2),
        epochs=20,
        batch=16,
    )
    run = dt.train(recipe, "optimizer.rule=adam", "optimizer.rate=0.02", run="r")
    assert run.result["test"]["error"] == 0
    assert run.predict([list("abcab")])[0]["text"] == "xyzyyxyz"
    assert run.predict("train.tsv")[5]["text"] == "".join(spelled[c] for c in texts[5])  # the answers are passed over
    Path("new.txt").write_text("\tno text\nab\n")
    assert [answer["text"] for answer in run.predict("new.txt")] == ["xyz"]
    Path("test.tsv").write_text("ab\txyz\nca\tyyq\n")
    assert run.test(dt.pairs("test.tsv", test=0))["error"] == 0.5

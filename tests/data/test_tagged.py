"""Sentences in columns: reading, features by template against templates written out, what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
import torch
from data.making import everything, says

import dovetail as dt
from dovetail.data.sentences import given_sentences, read_sentences
from dovetail.data.templates import encode, learn
from dovetail.recipe.errors import DataError, RecipeError
from dovetail.recipe.facts import Facts

TEXT = """The DT B-NP
dog NN I-NP
barks VBZ B-VP

A DT B-NP
Big JJ I-NP
dog NN I-NP
barks VBZ B-VP
. . O


Dogs NNS B-NP
bark VBP B-VP
"""
NAMES = ["word", "pos", "chunk"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "train.txt").write_text(TEXT)
    (tmp_path / "test.txt").write_text("The DT B-NP\ncat NN I-NP\nmeows VBZ B-VP\n")
    return tmp_path / "train.txt"


def source(file: Path, *features: str, **options: Any) -> Any:
    options = {"test": "test.txt", **options}
    return dt.columns(file.name, names=NAMES, features=list(features), **options).make(file.parent)


def test_sentences_are_read_as_they_stand(file: Path) -> None:
    sentences = read_sentences(file, NAMES)
    assert sentences.lengths.tolist() == [3, 5, 2]
    assert sentences.columns["word"][3:8] == ["A", "Big", "dog", "barks", "."]
    (file.parent / "train.txt.gz").write_bytes(gzip.compress(TEXT.replace("\n", "\r\n").encode()))
    assert read_sentences(file.parent / "train.txt.gz", NAMES).columns == sentences.columns


def values(rows: list[list[str]], column: int, place: int, form: str) -> str:
    """What a template's part says, written out: beyond an end, how far."""
    if place < 0:
        return f"before {-place}"
    if place >= len(rows):
        return f"after {place - len(rows) + 1}"
    word = rows[place][column]
    n = int(form[-1]) if form[-1:].isdigit() else 0
    shaped = {"": word, "lower": word.lower()}
    shaped |= {f"suffix{n}": word[-n:] if len(word) > n else "", f"prefix{n}": word[:n] if len(word) > n else ""}
    return shaped[form]


PARTS: dict[str, list[tuple[int, int, str]]] = {
    "word[0]": [(0, 0, "")],
    "pos[-2]": [(1, -2, "")],
    "word[-1]/word[0]": [(0, -1, ""), (0, 0, "")],
    "pos[-1]/pos[0]/pos[1]": [(1, -1, ""), (1, 0, ""), (1, 1, "")],
    "word.lower": [(0, 0, "lower")],
    "word[1].suffix2/pos": [(0, 1, "suffix2"), (1, 0, "")],
    "word[0].prefix1": [(0, 0, "prefix1")],
}


@pytest.mark.parametrize("least", [1, 2])
@pytest.mark.parametrize("template", PARTS)
def test_two_places_have_one_number_where_the_template_says_the_same(file: Path, template: str, least: int) -> None:
    sentences = read_sentences(file, NAMES)
    numbers = encode(sentences, learn(sentences, [template], "chunk", least))[:, 0].tolist()
    said = []
    for sentence in TEXT.split("\n\n"):
        rows = [line.split() for line in sentence.strip().split("\n")]
        said += [tuple(values(rows, c, i + away, f) for c, away, f in PARTS[template]) for i in range(len(rows))]
    seen: dict[int, tuple[str, ...]] = {}
    for number, what in zip(numbers, said, strict=True):
        assert (number > 0) == (said.count(what) >= least)
        if number:
            assert seen.setdefault(number, what) == what
    assert len(set(seen.values())) == len(seen)


def test_what_training_never_saw_is_number_0(file: Path) -> None:
    made = source(file, "word[0]", "pos[0]", "word[-1]/word[0]")
    inputs, targets, _ = everything(made.part("test"))
    assert inputs.values[:, 0].tolist()[1:] == [0, 0]  # cat, meows
    assert (inputs.values[:, 1] > 0).all()
    assert inputs.values[:, 2].tolist() == [inputs.values[0, 2], 0, 0]  # what stands first was seen to stand first
    assert inputs.values[0, 2] > 0
    assert [made.facts.target.names[tag] for tag in targets.values.tolist()] == ["B-NP", "I-NP", "B-VP"]


def test_facts_are_of_the_training_part(file: Path) -> None:
    facts = source(file, "word[0]", validation=1).facts
    assert facts.sizes == {"train": 2, "validation": 1, "test": 1}
    assert Facts.of(facts.plain()) == facts
    assert sum(facts.target.counts) < 10
    assert facts.input.names == NAMES
    assert facts.input.known == ["word", "pos"]
    assert len(facts.input.vocabularies["word"]) < 10


def test_a_run_predicts_for_files_and_for_words(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = dt.Recipe(
        network=[dt.indicators("outputs")],
        objective=dt.crf(),
        data=dt.columns("train.txt", names=NAMES, features=["word[0]", "pos[0]"], test="test.txt"),
        epochs=20,
        batch=2,
    )
    run = dt.train(recipe, "optimizer.rate=0.5", run="tags")
    assert run.result["test"]["f1"] == 1
    (tmp_path / "new.txt").write_text("The DT\ndog NN\n\nDogs NNS\nbark VBP\n")
    answers = run.predict("new.txt")
    assert [answer["input"] for answer in answers] == ["new.txt:1", "new.txt:2"]
    assert [answer["tags"] for answer in answers] == [["B-NP", "I-NP"], ["B-NP", "B-VP"]]
    assert all(0.5 < answer["probability"] <= 1 for answer in answers)
    assert run.predict([[("The", "DT"), ("dog", "NN")]])[0]["tags"] == ["B-NP", "I-NP"]
    assert run.predict(str(file))[0]["tags"] == ["B-NP", "I-NP", "B-VP"]  # its tags are passed over
    with pytest.raises(DataError, match=r"sentence 0 has \('The',\): expected words, each of 2 \(word pos\)"):
        run.predict([["The"]])
    figures = run.test(dt.columns("test.txt", names=NAMES, features=["word[0]"], test=0))
    assert figures["chunks"]["NP"] == {"f1": 1.0, "count": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "train.txt: holds no sentence"),
        ("\n\n", "train.txt: holds no sentence"),
        ("a b c\nd e\n", "train.txt: line 2 has 2 columns, expected 3 (word pos chunk)"),
        ("a b c\n\n\nd e f g\n", "train.txt: line 4 has 4 columns, expected 3 (word pos chunk)"),
    ],
)
def test_a_broken_file_is_told_with_its_line(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(DataError) as caught:
        source(file, "word[0]").load()
    assert message in str(caught.value)


def test_broken_sentences_are_left_out_where_asked(file: Path) -> None:
    file.write_text(TEXT + "\na b c\nd e\n")
    made = source(file, "word[0]", on_error="skip", most_errors=0.5)
    assert made.facts.sizes["train"] == 3
    assert "line 16 has 2 columns" in made.remark


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        ("wrod[0]", "feature 'wrod[0]': there is no column 'wrod'. Did you mean 'word'?"),
        ("word[0].lowr", "feature 'word[0].lowr': there is no form 'lowr'. Did you mean 'lower'?"),
        ("word[0].suffix", "feature 'word[0].suffix': suffix says how many letters: suffix3"),
        ("word[0].lower2", "feature 'word[0].lower2': lower takes no number"),
        ("word[10]", "feature 'word[10]': looks 10 places away, at most 9 is possible"),
        ("word[x]", "feature 'word[x]': 'word[x]' is not like word[-1] or word[0].suffix3"),
        ("chunk[-1]", "feature 'chunk[-1]': there is no column 'chunk'. They are: word, pos"),
    ],
)
def test_a_template_that_cannot_be_is_told(file: Path, feature: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        source(file, feature)
    assert message.split(". They")[0] in str(caught.value)


def test_other_sentences_must_have_the_columns_and_tags_of_the_run(file: Path) -> None:
    facts = source(file, "word[0]").facts
    other = dt.columns("train.txt", names=["word", "chunk"], features=["word[0]"], test=0)
    (file.parent / "train.txt").write_text("a B-NP\n")
    with says("train.txt: sentences in columns word chunk, the run takes word pos chunk"):
        other.make(file.parent).adopt(facts)
    (file.parent / "train.txt").write_text("a x B-ADJP\n")
    with pytest.raises(DataError, match="the run knows no tag 'B-ADJP'"):
        source(file, "word[0]", test=0).adopt(facts)


def test_sentences_given_in_python() -> None:
    assert given_sentences([["a", "b"], ["c"]], ["word"]).lengths.tolist() == [2, 1]
    with says("sentence 1 is empty: expected words, each of 1 (word)"):
        given_sentences([["a"], []], ["word"])
    with says("expected one sentence at least"):
        given_sentences([], ["word"])


def test_batches_hold_sequences_of_similar_length() -> None:
    from dovetail.data.batches import Batches
    from dovetail.data.sequential import Ragged, Sequential

    lengths = torch.randint(1, 50, (1000,), generator=torch.Generator().manual_seed(0))
    places = torch.zeros(int(lengths.sum()))
    batches = Batches(Sequential(Ragged(places, lengths), Ragged(places, lengths)), 16, seed=1)
    spreads = [int(lengths[batches.indices(t)].max() - lengths[batches.indices(t)].min()) for t in range(62)]
    assert sum(spreads) / 62 < 5  # by chance 43
    assert sorted(torch.cat([batches.indices(t) for t in range(63)]).tolist()) == list(range(1000))
    assert len(batches.indices(62)) == 8
    assert batches.indices(0).tolist() != batches.indices(63).tolist()

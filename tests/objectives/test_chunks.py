"""Chunks against the rules of the CoNLL script written out, one tag after the other, and its published counts."""

from __future__ import annotations

import itertools
import random

import pytest
import torch
from data.where import real

from dovetail.data.sentences import read_sentences
from dovetail.objectives.chunks import Chunks, follows, mark_chunks
from dovetail.recipe.sequences import Sequences

IOB2 = ["O", "B-NP", "I-NP", "B-VP", "I-VP"]
IOE = ["O", "E-NP", "I-NP", "E-VP", "I-VP"]
IOBES = ["O", *(f"{kind}-{of}" for of in ("NP", "VP") for kind in "BIES")]
Span = tuple[int, int, str]


def spans(tags: list[str]) -> set[Span]:
    """conlleval's endOfChunk and startOfChunk, with S for a chunk of one."""
    found, begin = set(), None
    for i, (before, tag) in enumerate(itertools.pairwise(["O", *tags, "O"])):
        (a, of), (b, to) = ((t.partition("-")[0], t.partition("-")[2]) for t in (before, tag))
        ends = a in "ES" or (a in "BI" and b in "BSO") or (a != "O" and of != to)
        starts = b in "BS" or (a in "ESO" and b in "EI") or (b != "O" and of != to)
        if ends and begin is not None:
            found.add((begin, i - 1, of))
            begin = None
        if starts:
            begin = i
    return found


@pytest.mark.parametrize("names", [IOB2, IOE, IOBES], ids=["IOB2", "IOE", "IOBES"])
def test_counts_are_those_of_the_rules_written_out(names: list[str]) -> None:
    g, counter = random.Random(3), Chunks(names)
    lengths = [g.randint(1, 9) for _ in range(200)]
    told = [[[g.randrange(len(names)) for _ in range(n)] for n in lengths] for _ in range(2)]
    expected = torch.zeros(2, 3)
    for found, truth in zip(*told, strict=True):
        one, other = (spans([names[tag] for tag in tags]) for tags in (found, truth))
        for row, of in enumerate(("NP", "VP")):
            each = (one & other, one, other)
            expected[row] += torch.tensor([sum(span[2] == of for span in some) for some in each])
    sequences = [Sequences(torch.tensor(list(itertools.chain(*tags))), torch.tensor(lengths)) for tags in told]
    assert torch.equal(counter.count(*sequences), expected.double())


def test_the_test_sentences_of_conll_2000_have_the_chunks_that_the_task_tells() -> None:
    sentences = read_sentences(real("conll2000") / "test.txt.gz", ["word", "pos", "chunk"])
    tags = sentences.columns["chunk"]
    names = sorted(set(tags))
    numbers = Sequences(torch.tensor([names.index(tag) for tag in tags]), torch.from_numpy(sentences.lengths))
    counter = Chunks(names)
    counts = dict(zip(counter.types, counter.count(numbers, numbers)[:, 2].int().tolist(), strict=True))
    assert counts == {
        "ADJP": 438, "ADVP": 866, "CONJP": 9, "INTJ": 2, "LST": 5, "NP": 12422, "PP": 4811, "PRT": 106, "SBAR": 535,
        "VP": 4658,
    }  # fmt: skip
    assert sum(counts.values()) == 23852
    assert len(tags) == 47377


def test_tags_that_mark_chunks() -> None:
    assert mark_chunks(IOB2)
    assert mark_chunks(["S-LOC", "O"])
    assert not mark_chunks(["NN", "VB"])
    assert not mark_chunks(["B", "I", "O"])
    assert not mark_chunks(["O"])


def test_what_may_follow_what() -> None:
    assert follows("B-NP", "I-NP")
    assert follows("I-NP", "E-NP")
    assert not follows("O", "I-NP")
    assert not follows("B-VP", "I-NP")
    assert not follows("E-NP", "I-NP")
    assert all(follows(before, tag) for before in IOBES for tag in ("O", "B-NP", "S-VP"))

"""What every source promises, checked on every source."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from data.making import MADE, pictures
from data.where import real

import dovetail as dt
from dovetail.data.source import PARTS, Source
from dovetail.recipe.errors import DataError
from dovetail.recipe.facts import Facts

SOURCES: dict[str, Callable[[Path], Source]] = {
    **{name: lambda here, make=make: make(here, *pictures()) for name, make in MADE.items()},
    "digits": lambda here: dt.digits(validation=100).make(here),
    "diabetes": lambda here: dt.diabetes(validation=0.1).make(here),
    "cancer": lambda here: dt.cancer().make(here),
    "noise": lambda here: dt.noise([2, 3], size=16).make(here),
    "noise numbers": lambda here: dt.noise([3], classes=None, outputs=2, size=16).make(here),
    "mnist": lambda here: dt.mnist(str(real("mnist")), validation=5000).make(here),
}
every = pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
written = pytest.mark.parametrize("make", MADE.values(), ids=MADE)


@every
def test_many_examples_at_once_are_what_they_are_one_by_one(make: Callable[[Path], Source], tmp_path: Path) -> None:
    source = make(tmp_path)
    for name in PARTS:
        part = source.part(name)
        assert len(part) == source.facts.sizes[name]
        indices = torch.arange(len(part)).flip(0)[:7]
        inputs, targets, weights = part.fetch(indices)
        assert weights is None
        assert list(inputs.shape) == [len(indices), *source.facts.input.shape]
        for i, index in enumerate(indices):
            one, target, _ = part.fetch(index[None])
            assert torch.equal(one[0], inputs[i])
            assert torch.equal(target[0], targets[i])


@every
def test_stored_types_are_those_the_facts_tell(make: Callable[[Path], Source], tmp_path: Path) -> None:
    source = make(tmp_path)
    inputs, targets, _ = source.part("train").fetch(torch.arange(4))
    target = source.facts.target
    assert str(inputs.dtype) == f"torch.{source.facts.input.dtype}"
    if target.form == "class":
        assert targets.dtype == torch.int64
        assert targets.shape == (4,)
        assert len(target.names) == len(target.counts) == target.width
        assert sum(target.counts) == source.facts.sizes["train"]
    else:
        assert targets.dtype == torch.float32
        assert targets.shape == (4, target.width)


@every
def test_facts_come_back_from_json(make: Callable[[Path], Source], tmp_path: Path) -> None:
    facts = make(tmp_path).facts
    assert Facts.of(json.loads(json.dumps(facts.plain()))) == facts


@every
def test_the_same_data_are_the_same(make: Callable[[Path], Source], tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    first, second = make(tmp_path / "one"), make(tmp_path / "two")
    assert first.facts == second.facts
    second.require_same(first.facts)
    for name in PARTS:
        rows = torch.arange(len(first.part(name)))[:50]
        assert all(
            a is b is None or torch.equal(a, b)
            for a, b in zip(first.part(name).fetch(rows), second.part(name).fetch(rows), strict=True)
        )


@every
def test_an_index_beyond_the_end_is_refused(make: Callable[[Path], Source], tmp_path: Path) -> None:
    part = make(tmp_path).part("train")
    with pytest.raises(IndexError):
        part.fetch(torch.tensor([len(part)]))


@written
def test_parts_are_disjoint_and_together_everything(make: Callable[..., Source], tmp_path: Path) -> None:
    source = make(tmp_path, *pictures())
    rows = torch.cat([source.part(name).fetch(torch.arange(len(source.part(name))))[0].flatten(1) for name in PARTS])
    assert len(rows) == 20
    assert len(np.unique(rows.numpy(), axis=0)) == 20
    assert source.facts.sizes["test"] >= 4


@written
def test_statistics_come_from_the_training_part_alone(make: Callable[..., Source], tmp_path: Path) -> None:
    x, y = pictures()
    facts = make(tmp_path, x, y).facts
    still = 0
    for row in range(len(x)):
        changed = x.copy()
        changed[row] = 255 - changed[row]
        still += make(tmp_path, changed, y).facts.input == facts.input
    assert still == facts.sizes["test"] + facts.sizes["validation"]


def _fingerprints() -> list[object]:
    return list(MADE)


@pytest.mark.parametrize("name", MADE)
def test_a_changed_value_changes_the_fingerprint(name: str, tmp_path: Path) -> None:
    x, y = pictures()
    facts = MADE[name](tmp_path, x, y).facts
    for row in (0, 10, 19):
        changed = x.copy()
        changed[row, 0, 0] ^= 1
        other = MADE[name](tmp_path, changed, y)
        assert other.facts.fingerprint != facts.fingerprint
        with pytest.raises(DataError, match="the data have changed since the run began"):
            other.require_same(facts)


@written
def test_a_changed_target_changes_the_fingerprint(make: Callable[..., Source], tmp_path: Path) -> None:
    x, y = pictures()
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    changed = y.copy()
    changed[0] = 1
    assert make(tmp_path / "one", x, y).facts.fingerprint != make(tmp_path / "two", x, changed).facts.fingerprint


@written
def test_adopting_its_own_facts_changes_nothing(make: Callable[..., Source], tmp_path: Path) -> None:
    source, again = make(tmp_path, *pictures()), make(tmp_path, *pictures())
    again.adopt(source.facts)
    assert dataclasses.replace(again.facts, sizes={}) == dataclasses.replace(source.facts, sizes={})
    x, y = (
        np.concatenate([t.fetch(torch.arange(len(t)))[i].flatten(1 - i).numpy() for t in map(again.part, PARTS)])
        for i in (0, 1)
    )
    assert len(x) == len(y) == 20
    assert np.bincount(y.astype(int)).tolist() == [7, 7, 6]

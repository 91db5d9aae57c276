"""Several runs answer as one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from commands import dovetail
from training.systems import small

import dovetail as dt
from dovetail.recipe.errors import UsageError
from dovetail.training import Vote


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("votes")
    names = [str(folder / f"r{seed}") for seed in range(3)]
    for seed, name in enumerate(names):
        dt.train(small(epochs=2, seed=seed), run=name)
    return names


def test_probabilities_are_averaged(runs: list[str]) -> None:
    images, labels, _ = dt.load(runs[0]).source.part("test").fetch(torch.arange(360))
    each = []
    for name in runs:
        run = dt.load(name)
        system = run.system()
        x = (images.float() - run.facts.input.mean[0]) / run.facts.input.deviation[0]
        each.append(system.network(x).softmax(1).detach())
    mean = torch.stack(each).mean(0)
    vote = Vote(runs)
    answers = vote.predict(images.numpy())
    assert [int(answer["class"]) for answer in answers] == mean.argmax(1).tolist()
    assert [answer["probability"] for answer in answers] == pytest.approx(mean.amax(1).tolist(), rel=1e-4)
    assert vote.test()["error"] == pytest.approx(float((mean.argmax(1) != labels).float().mean()))


def test_the_command_line_votes(runs: list[str]) -> None:
    figures = dovetail("test", *runs, "--vote", "--json").json["test"]
    assert figures == Vote(runs).test()
    alone = [dovetail("test", name, "--json").json["test"]["error"] for name in runs]
    assert figures["error"] < max(alone)


def test_what_cannot_vote_is_told(runs: list[str]) -> None:
    dt.train(small(epochs=1, data=dt.digits(test=0.2, split=5)), run="others")
    with pytest.raises(UsageError, match="is named twice: each run has one vote"):
        Vote([runs[0], runs[0]])
    with pytest.raises(UsageError, match="were trained on different data or splits of them, so they cannot vote"):
        Vote([runs[0], "others"])
    said = dovetail("test", *runs[:2])
    assert (said.code, said.err.strip()) == (2, f"{runs[0]} and {runs[1]} are runs: --vote lets them answer as one")
    said = dovetail("test", runs[0], "--vote")
    assert (said.code, said.err.strip()) == (2, "--vote takes two runs at least: dovetail test RUN1 RUN2 --vote")
    said = dovetail("test", runs[0], "nobody", "--vote")
    assert said.code == 1
    assert said.err.startswith("no run 'nobody': neither a folder nor a name under runs/.")
    said = dovetail("predict", runs[0])
    assert (said.code, said.err.strip()) == (
        2,
        f"predict {runs[0]}: which files? Images, CSV files, texts or sentences",
    )


def test_a_picture_shows_examples_beside_their_versions(tmp_path: Path) -> None:
    from PIL import Image

    said = dovetail("show", "lenet", "synthetic=[rotate: 30]", "--data", "--to", str(tmp_path / "p.png"), "--json")
    image = Image.open(said.json["picture"])
    assert image.size == (10 * 58 + 2, 8 * 58 - 2)
    left, turned = (torch.from_numpy(np.array(image.crop((x, 0, x + 56, 56)))).long() for x in (0, 60))
    source = dt.digits().make(Path())
    first, _, _ = source.part("train").fetch(torch.tensor([0]))
    assert torch.equal(left[::2, ::2], first[0, 0].long())
    assert 5 < float((left - turned).abs().float().mean()) < 100
    said = dovetail("show", "linear-regression", "--data")
    assert said.code == 2
    assert "--data shows images" in said.err

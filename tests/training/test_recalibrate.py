"""Batch normalization is tested with the statistics of examples as they are, and trained as if nothing had happened."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file
from training.systems import small

import dovetail as dt
from dovetail.training.tensors import read_tensors

NETWORK = [dt.flatten(), dt.batchnorm(), dt.linear("outputs")]


def test_statistics_are_those_of_examples_as_they_are() -> None:
    loud = {"synthetic": [dt.synthetic.noise([0.5, 0.5])], "network": NETWORK, "relevance": None}
    run = dt.train(small(**loud, recalibrate=10_000), run="clean")
    images, _, _ = run.source.part("train").fetch(torch.arange(run.facts.sizes["train"]))
    x = ((images.float() - run.facts.input.mean[0]) / run.facts.input.deviation[0]).flatten(1)
    kept = load_file(run.path / "model.safetensors")
    torch.testing.assert_close(kept["network.1.running_mean"], x.mean(0), atol=1e-4, rtol=1e-3)
    assert float((kept["network.1.running_var"] - x.var(0)).abs().mean()) < 0.02
    noisy = load_file(dt.train(small(**loud, recalibrate=0), run="noisy").path / "model.safetensors")
    assert float((noisy["network.1.running_var"] - x.var(0)).abs().mean()) > 0.5
    assert torch.equal(kept["network.1.weight"], noisy["network.1.weight"])


def test_training_does_not_feel_it() -> None:
    runs = [dt.train(small(recalibrate=count), run=f"r{count}") for count in (0, 300)]
    newest = [read_tensors(sorted((run.path / "checkpoints").iterdir())[-1]) for run in runs]
    assert newest[0].keys() == newest[1].keys()
    for name, tensor in newest[0].items():
        if not name.startswith(("state/best", "checkpoint/")):
            assert torch.equal(newest[1][name], tensor), name
    assert runs[0].metrics[-1]["test"] != runs[1].metrics[-1]["test"]


def test_what_is_frozen_stays() -> None:
    dt.train(small(epochs=1), run="first")
    run = dt.train(small(start="first", freeze=["network.1.*"], recalibrate=500), run="frozen")
    before, after = (load_file(f"runs/{name}/model.safetensors") for name in ("first", "frozen"))
    assert torch.equal(before["network.1.running_mean"], after["network.1.running_mean"])
    assert run.finished


def test_networks_without_statistics_are_left_alone() -> None:
    network = [dt.flatten(), dt.linear("outputs")]
    figures = [dt.train(small(network=network, recalibrate=n), run=f"n{n}").metrics[-1]["test"] for n in (0, 100)]
    assert figures[0] == pytest.approx(figures[1])

"""What comes without files: scanned digits, tables of scikit-learn, noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn import datasets

import dovetail as dt


def test_digits_are_shown_as_mnist_shows_its_own() -> None:
    source = dt.digits(test=0, normalize="none").make(Path())
    images, targets, _ = source.part("train").fetch(torch.arange(1797))
    scans = datasets.load_digits()
    assert np.array_equal(targets.numpy(), scans.target)
    assert images.shape == (1797, 1, 28, 28)
    assert images.max() == 255
    frame = images.clone()
    frame[:, :, 4:24, 4:24] = 0
    assert frame.sum() == 0
    means = torch.nn.functional.adaptive_avg_pool2d(images[:, :, 4:24, 4:24].float(), 1).flatten()
    correlation = np.corrcoef(means.numpy(), scans.images.mean((1, 2)))[0, 1]
    assert correlation > 0.98
    assert source.facts.input.mean == []
    assert source.facts.input.border == 0


def test_diabetes_holds_the_measurements_as_they_were() -> None:
    source = dt.diabetes(test=0).make(Path())
    columns = source.facts.input.columns
    x, y, _ = source.part("train").fetch(torch.arange(442))
    table = datasets.load_diabetes(scaled=False)
    assert [column.name for column in columns] == table.feature_names
    mean, deviation = (torch.tensor([getattr(column, what) for column in columns]) for what in ("mean", "deviation"))
    torch.testing.assert_close(x * deviation + mean, torch.from_numpy(table.data).float(), rtol=1e-5, atol=1e-4)
    assert np.array_equal(y[:, 0].numpy(), table.target.astype(np.float32))
    assert source.facts.target.mean == [pytest.approx(152.1335, abs=1e-3)]


def test_cancer_says_yes_to_malignant() -> None:
    facts = dt.cancer(test=0).make(Path()).facts
    assert (facts.target.names, facts.target.counts) == (["benign", "malignant"], [357, 212])
    assert facts.input.shape == [30]


def test_noise_has_the_shape_asked_for() -> None:
    facts = dt.noise([3, 8, 8], classes=7, size=5).make(Path()).facts
    assert (facts.input.shape, facts.target.width, facts.sizes["train"]) == ([3, 8, 8], 7, 5)
    assert dt.noise([4], classes=None, outputs=3).make(Path()).facts.target.form == "numbers"

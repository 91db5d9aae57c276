"""Tests that answer by an image and its mirror image together."""

from __future__ import annotations

import pytest
import torch
from commands import dovetail
from training.systems import small

import dovetail as dt
from dovetail.recipe.errors import RecipeError


def test_the_answer_is_the_mean_probability_of_both() -> None:
    run = dt.train(small(views="mirror", epochs=1), run="both")
    system = run.system()
    x = torch.randn(7, 1, 28, 28)
    with torch.no_grad():
        both = (system.output(x).softmax(1) + system.output(x.flip(-1)).softmax(1)) / 2
        torch.testing.assert_close(system.answer(x).softmax(1), both)
        torch.testing.assert_close(system.answer(x.flip(-1)), system.answer(x))


def test_training_is_as_without() -> None:
    plain, both = (dt.train(small(epochs=1, views=views), run=f"{views}") for views in (None, "mirror"))
    name = "model.safetensors"
    assert (plain.path / name).read_bytes() == (both.path / name).read_bytes()
    assert plain.metrics[-1]["test"]["loss"] != both.metrics[-1]["test"]["loss"]


def test_tests_predictions_and_votes_agree() -> None:
    run = dt.train(small(epochs=1, views="mirror"), run="a")
    dt.train(small(epochs=1, views="mirror"), run="b")
    assert run.test()["error"] == run.result["test"]["error"] == dt.Vote(["a", "b"]).test()["error"]
    images, labels, _ = run.source.part("test").fetch(torch.arange(len(run.source.part("test"))))
    wrong = sum(int(answer["class"]) != int(label) for answer, label in zip(run.predict(images), labels, strict=True))
    assert wrong / len(labels) == run.test()["error"]


def test_only_images_have_mirror_images() -> None:
    with pytest.raises(RecipeError, match=r"^views: only images have mirror images, and an example of these data is"):
        dt.train("logistic", "views=mirror", run="a")
    said = dovetail("train", "lenet", "views=mirrors")
    assert "setting 'views'" in said.err
    assert "mirror" in said.err

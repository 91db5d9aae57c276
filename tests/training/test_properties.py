"""Random recipes: what can be built trains, what cannot is told with its place; broken text never ends otherwise."""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dovetail as dt
from dovetail.recipe.errors import RecipeError
from dovetail.recipe.language import write
from dovetail.recipe.recipe import parse, recipe_of
from dovetail.training import Trainer
from dovetail.training.machine import resolved, settled
from dovetail.training.run import make_source

SMALL = st.integers(1, 6)
LAYER: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(["relu", "tanh", "sigmoid", "elu", "gelu", "softplus", "scaled_tanh", "leaky_relu", "flatten"]),
    st.sampled_from(["batchnorm", "layernorm", "localnorm", "globalpool", "maxpool", "avgpool", "subsample"]),
    st.builds(lambda n, init: {"linear": {"units": n, "init": init}}, SMALL, st.sampled_from([None, "he", "glorot"])),
    st.builds(
        lambda n, k, s, p: {"conv": {"filters": n, "kernel": k, "stride": s, "pad": p}},
        SMALL,
        st.integers(1, 4),
        st.integers(1, 2),
        st.sampled_from([0, 1, "same"]),
    ),
    st.builds(lambda keep: {"dropout": keep}, st.floats(0.1, 1.0)),
    st.builds(lambda pieces: {"maxout": pieces}, st.integers(2, 3)),
    st.builds(lambda size: {"maxpool": {"size": size, "stride": 1}}, st.integers(1, 3)),
)
NETWORK = st.lists(
    st.recursive(
        LAYER,
        lambda inner: st.one_of(
            st.builds(lambda layers: {"residual": layers}, st.lists(inner, min_size=1, max_size=2)),
            st.builds(lambda layers: {"chain": layers}, st.lists(inner, min_size=1, max_size=2)),
            st.builds(lambda a, b: {"branch": [[a], [b]]}, inner, inner),
            st.builds(lambda one: {"repeat": {"layers": [one], "times": 2}}, inner),
        ),
        max_leaves=4,
    ),
    max_size=5,
)
RULE = st.sampled_from(["sgd", {"sgd": {"momentum": 0.9}}, "adam", "adamw", "rmsprop", "adagrad"])
RATE = st.sampled_from([0.01, {"cosine": 0.02}, {"polynomial": {"alpha": 0.1}}, {"exponential": 0.05}])
TARGET = st.sampled_from(
    [
        ({"classes": 3}, "softmax"),
        ({"classes": 2}, "logistic"),
        ({"classes": 4}, "hinge"),
        ({"classes": None, "outputs": 2}, "squares"),
        ({"classes": None, "outputs": 1}, {"huber": 0.5}),
    ]
)
often = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def recipes(draw: st.DrawFn) -> dict[str, Any]:
    noise, objective = draw(TARGET)
    return {
        "network": [*draw(NETWORK), "flatten", {"linear": "outputs"}],
        "objective": objective,
        "data": {"noise": {"shape": draw(st.sampled_from([[2, 6, 6], [3, 8], [5]])), "size": 12, **noise}},
        "optimizer": {"rule": draw(RULE), "rate": draw(RATE), "clip": draw(st.sampled_from([None, 1.0]))},
        "batch": draw(st.sampled_from([4, 5])),
        "seed": draw(st.integers(0, 9)),
        "precision": draw(st.sampled_from(["float32", "float64", "bfloat16"])),
    }


def told(work: Callable[[], Any]) -> tuple[Any, str]:
    """What something gives, or what it says of the recipe."""
    try:
        return work(), ""
    except RecipeError as error:
        return None, str(error)


@often
@given(recipes())
def test_what_builds_trains_two_steps_and_what_does_not_says_where(plain: dict[str, Any]) -> None:
    recipe = resolved(parse(write(plain)))
    assert parse(recipe.write()) == recipe
    with tempfile.TemporaryDirectory() as folder, settled(recipe):
        trainer, said = told(lambda: Trainer(recipe, make_source(recipe.data, Path()), Path(folder)))
        if trainer is None:
            assert re.match(r"recipe:\d+:\d+: network\[\d+\]", said)
            return
        trainer.system.train()
        before = [p.detach().clone() for p in trainer.system.parameters()]
        trainer.step()
        trainer.step()
    after = list(trainer.system.parameters())
    assert all(bool(torch.isfinite(p).all()) for p in after)
    assert math.isfinite(trainer.state.loss)
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


WORDS = ["kernal", "relu", "outputs", "-3", "1e400", "null", "{}", "[]", "nan", "'x'", "true", "0.5", "&a", "*a"]


@often
@given(recipes(), st.data())
def test_a_changed_word_is_taken_or_told_with_its_place(plain: dict[str, Any], data: st.DataObject) -> None:
    words = re.split(r"([^\w.]+)", write(plain))
    for _ in range(data.draw(st.integers(1, 3))):
        words[data.draw(st.integers(0, len(words) - 1))] = data.draw(st.sampled_from([*WORDS, "", " "]))
    _, said = told(lambda: parse("".join(words)))
    assert not said or re.match(r"recipe:\d+:\d+: |recipe: not valid YAML", said)


PATHS = ["epochs", "network.0.linear.units", "optimizer.rate", "data.noise.shape", "x.y", "seed", "..", ""]


@often
@given(st.sampled_from(PATHS), st.text(max_size=12))
def test_an_override_is_taken_or_told(path: str, value: str) -> None:
    text = "network: [linear: 3, linear: outputs]\nobjective: softmax\ndata: {noise: [4]}\n"
    _, said = told(lambda: parse(text, overrides=[f"{path}={value}"]))
    assert not said or said.startswith("command line: ")


def test_python_and_text_say_the_same() -> None:
    settings = {"network": [dt.linear("outputs")], "objective": dt.softmax(), "data": dt.noise([4])}
    assert parse(recipe_of(settings).write(complete=True)) == recipe_of(settings)

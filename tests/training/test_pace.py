"""What `show --rates` tells: the rate of every step, and which group every parameter fell into."""

from __future__ import annotations

import pytest

import dovetail as dt
from dovetail.recipe.recipe import recipe_of
from dovetail.recipe.span import Span
from dovetail.training.pace import Pace


def pace(optimizer: dict[str, object], **settings: object) -> Pace:
    described = {
        "network": [dt.flatten(), dt.linear(8), dt.relu(), dt.linear("outputs")],
        "objective": "softmax",
        "data": "digits",
        "epochs": 2,
        "batch": 100,
        "optimizer": optimizer,
        **settings,
    }
    return dt.show_rates(recipe_of(described))


def test_the_curve_is_the_rate_of_every_step() -> None:
    told = pace({"rate": dt.cosine(0.2), "warmup": "10 %"})
    span = Span(told.epoch, told.steps)
    usual = dt.cosine(0.2).make(span)
    warm = span.steps("10 %")
    assert [t for t, _ in told.curve] == list(range(told.steps))
    assert [rate for _, rate in told.curve] == pytest.approx(
        [usual(t) * min((t + 1) / warm, 1) for t in range(told.steps)]
    )


def test_every_parameter_is_told_once_with_what_its_group_says() -> None:
    groups = {
        "*.bias": {"rate": 2, "decay": 0},
        "network.3.*": {"momentum": 0.5, "clip": 1, "freeze": "until 1 epoch"},
        "network.1.bias": {"max_norm": 2},
    }
    told = pace({"rule": dt.sgd(0.9), "decay": 0.01, "groups": groups})
    by_name = {name: (group.pattern, group.settings) for group in told.groups for name in group.names}
    frozen = f"until step {told.epoch}"
    assert by_name == {
        "network.1.weight": ("", {"rate": "x 1", "decay": 0.01, "momentum": 0.9}),
        "network.1.bias": ("network.1.bias", {"rate": "x 1", "decay": 0.01, "momentum": 0.9, "max_norm": 2}),
        "network.3.weight": (
            "network.3.*",
            {"rate": "x 1", "decay": 0.01, "momentum": 0.5, "clip": 1, "freeze": frozen},
        ),
        "network.3.bias": ("network.3.*", {"rate": "x 1", "decay": 0.01, "momentum": 0.5, "clip": 1, "freeze": frozen}),
    }


def test_a_group_that_waits_longer_than_the_run_is_told_as_that() -> None:
    settings = next(group for group in pace({"groups": {"*.3.*": {"freeze": "until 90"}}}).groups if group.pattern)
    assert settings.settings["freeze"] == "until step 90, after the run's end"


def test_what_is_frozen_for_good_stands_apart() -> None:
    told = pace({}, freeze=["network.1.*"])
    assert [(group.names, group.settings) for group in told.groups if "freeze" in group.settings] == [
        (["network.1.weight", "network.1.bias"], {"freeze": "always"})
    ]
    assert "4 parameters" in str(told)


def test_what_holds_for_all_parameters_together_is_told_once() -> None:
    told = pace({"clip": 1.5, "clip_values": 0.5, "average": dt.ema(0.99)})
    assert told.plain()["together"] == {"clip": 1.5, "clip_values": 0.5, "average": "ema(0.99)"}
    assert str(told).splitlines()[-1].split(None, 2)[2] == "together: clip 1.5, clip_values 0.5, average ema(0.99)"
    assert str(pace({})).splitlines()[-1] == "4 parameters"

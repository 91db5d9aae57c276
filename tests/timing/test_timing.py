"""What `dovetail time` says: every layer, exact operation counts, shares that are shares, and nothing trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from commands import dovetail
from torch import nn

import dovetail as dt
from dovetail.recipe.build import build_and_push, specimen_like
from dovetail.recipe.recipe import load
from dovetail.timing.peaks import measure_peaks


def test_every_innermost_layer_is_timed() -> None:
    timing = dt.time("lenet", "batch=8", "precision=float32", budget=0.0)
    assert [row.place for row in timing.layers] == list("01234567")
    assert all(row.forward > 0 for row in timing.layers)
    assert [row.output for row in timing.layers[:2]] == ["(N, 20, 24, 24)", "(N, 20, 12, 12)"]
    assert timing.layers[0].memory == 8 * 20 * 24 * 24 * 4
    inner = dt.time("logistic", "network=[{branch: [[linear: 3, relu], [linear: 2]]}, {linear: outputs}]", budget=0.0)
    places = ["0.branches.0.0", "0.branches.0.1", "0.branches.1.0", "1"]
    assert [row.place for row in inner.layers] == places


def test_layers_over_time_are_shown_and_timed() -> None:
    Path("a.txt").write_text("abc abd\n" * 20)
    network = [dt.embedding(4), dt.lstm(8), dt.linear("outputs")]
    recipe = dt.Recipe(network=network, objective=dt.softmax(), data=dt.lines("a.txt"), batch=4)
    timing, table = dt.time(recipe, budget=0.0), dt.show(recipe)
    assert [row.output for row in timing.layers] == ["(N, T, 4)", "(N, T, 8)", "(N, 7)"]
    assert [row.output for row in table.rows] == ["(N, T, 4)", "(N, T, 8)", "(N, 7)"]
    assert table.rows[1].multiply_adds == 8 * 32 * (4 + 8)  # 8 places, gates of 4 x 8 units
    lines = ["data.digit_strings.size=8", "data.digit_strings.test=8", "batch=2"]
    for name, place in (("reader-segments", "0.trunk.body.0"), ("reader-sweep", "0.body.0")):
        assert [row.place for row in dt.show(name, *lines).rows][:2] == ["0", place]
        assert dt.time(name, *lines, budget=0.0).layers[0].place == place
    alone = dt.show("reader-segments", *lines, "network.0.segments.layers=null")
    assert alone.rows[0].output == "(N, T, 1, 28, 28)"


def test_operations_are_counted_for_what_is_computed() -> None:
    """A convolution that comes first computes no gradient of its input: two thirds of the work of one behind it."""
    timing = dt.time("lenet", "batch=8", "precision=float32", budget=0.0)
    counted = [row.gflops * (row.forward + row.backward) * 1e6 for row in timing.layers]
    table = dt.show("lenet").rows
    assert counted[0] == pytest.approx(2 * 2 * 8 * table[0].multiply_adds, rel=1e-6)
    assert counted[2] == pytest.approx(3 * 2 * 8 * table[2].multiply_adds, rel=1e-6)
    assert counted[5] == pytest.approx(3 * 2 * 8 * table[5].multiply_adds, rel=1e-6)
    assert timing.layers[2].matrix == pytest.approx(timing.layers[2].gflops / timing.peaks.matrix["float32"])


def test_alternatives_are_measured_beside_the_recipe() -> None:
    timing = dt.time("lenet", "batch=8", "precision=float32", "layout=contiguous", budget=0.0)
    settings = {one.setting for one in timing.alternatives}
    assert {"layout=channels_last", "batch=2", "batch=4", "batch=16", "batch=32"} <= settings
    ratios = [one.ratio for one in timing.alternatives]
    assert ratios == sorted(ratios, reverse=True)
    assert timing.step.whole > 0


def test_the_command_prints_json_and_the_object_a_table() -> None:
    plain = dovetail("time", "logistic", "batch=16", "--json").json
    assert set(plain) == {"settings", "peaks", "layers", "step", "alternatives"}
    assert plain["settings"]["batch"] == 16
    told = str(dt.time("mlp", "batch=16", budget=0.0))
    for words in ("forward ms", "examples/s", "linear(500)"):
        assert words in told


def test_what_a_step_says_of_relevance_does_not_pile_up() -> None:
    assert dt.time("logistic", "relevance={by: loss}", budget=0.0).step.whole > 0


def test_timing_leaves_a_layer_as_it_is() -> None:
    from dovetail.timing.layers import innermost

    network, _ = build_and_push([dt.chain([dt.linear(3), dt.relu()])], specimen_like(torch.zeros(1, 4)))
    assert [type(module) for _, module in innermost(network)] == [nn.Linear, nn.ReLU]


def test_peaks_are_of_this_machine() -> None:
    found = measure_peaks(torch.device("cpu"), budget=0.0)
    assert set(found.matrix) == {"float32", "bfloat16"}
    assert all(1 < value < 1e6 for value in found.matrix.values())
    assert 0.1 < found.copy < 1e4


def test_a_recipe_that_cannot_be_built_is_told() -> None:
    said = dovetail("time", "lenet", "batch=none")
    assert said.code == 2
    assert load("lenet").batch == 64

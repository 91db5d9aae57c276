"""Tuning: trials that are the same however they are made, what is cut, what fails, and the command."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from commands import dovetail
from PIL import Image

import dovetail as dt
from dovetail.recipe.errors import RecipeError, RunError, UsageError
from dovetail.recipe.recipe import Recipe, load, parse

RECIPE = """
network: [flatten, {linear: 16}, relu, {linear: outputs}]
objective: softmax
data: {digits: {validation: 0.2}}
epochs: 2
threads: 1
optimizer: {rate: 0.05}
search:
  space:
    optimizer.rate: {log: [0.001, 1]}
    optimizer.rule: {choices: [sgd, adam]}
    optimizer.rule.sgd.momentum: {linear: {between: [0, 0.9], when: {optimizer.rule: sgd}}}
    batch: {integer: {between: [16, 128], factors: true}}
  trials: 8
  first: 4
"""


def recipe(*words: str) -> Recipe:
    return parse(RECIPE, overrides=list(words))


def told(trials: Any) -> list[dict[str, Any]]:
    return [vars(trial) if not isinstance(trial, dict) else trial for trial in trials]


def test_a_search_leaves_its_trials_and_the_best_recipe() -> None:
    Path("r.yaml").write_text(RECIPE)
    said = dovetail("tune", "r.yaml", "run=found")
    assert said.code == 0, said.err
    assert "best of 8" in said.out
    assert "what it depends on:" in said.out
    found = json.loads(Path("runs/found/tuning.json").read_text())
    assert [trial["number"] for trial in found["trials"]] == list(range(1, 9))
    best = found["best"]
    assert best["figure"] == min(trial["figure"] for trial in found["trials"])
    assert all(("optimizer.rule.sgd.momentum" in t["settings"]) == (t["settings"]["optimizer.rule"] == "sgd")
               for t in found["trials"])  # fmt: skip
    chosen = load("runs/found/best.yaml")
    assert chosen.search is None
    assert chosen.batch == best["settings"]["batch"]
    assert chosen.optimizer.rate.options["value"] == best["settings"]["optimizer.rate"]
    run = dt.load(f"runs/found/trial-{best['number']:03}")
    assert best["figure"] == [line["validation"]["error"] for line in run.metrics if "validation" in line][-1]
    assert best["examples"] == 2 * run.facts.sizes["train"]
    with Image.open("runs/found/tuning.png") as picture:
        assert picture.width > 1000


def test_trials_are_the_same_however_many_are_made_at_a_time(tmp_path: Path) -> None:
    described = recipe("search.parallel=2", "search.trials=5")
    one = dt.tune(described, run=str(tmp_path / "one"))
    two = dt.tune(described, run=str(tmp_path / "two"), workers=2)
    assert told(one.trials) == told(two.trials)
    alone = dt.tune(recipe("search.trials=5"), run=str(tmp_path / "alone"))
    assert told(alone.trials)[:4] == told(one.trials)[:4]
    assert alone.trials[4].settings != one.trials[4].settings  # which was chosen without knowing the fourth


@pytest.mark.parametrize("workers", [1, 2])
def test_a_search_that_was_stopped_or_killed_goes_on_to_the_same(workers: int, tmp_path: Path) -> None:
    text = recipe("search.parallel=2", "search.trials=5", "epochs=4").write()
    (tmp_path / "r.yaml").write_text(text)
    command = [sys.executable, "-m", "dovetail", "tune", "r.yaml", "run=broken", f"--workers={workers}", "--json"]
    for number, after in ((signal.SIGTERM, 2), (signal.SIGKILL, 4)):
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while len(list(tmp_path.glob("runs/broken/trial-*.json"))) < after and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(number)
        _, said = process.communicate()
        if number == signal.SIGTERM:
            assert process.returncode == 128 + signal.SIGTERM
            assert said.strip() == "stopped; to go on, the same command and run=runs/broken"
    deadline = time.time() + 60  # what a killed search had under way saves and stops by itself
    while workers > 1 and list(tmp_path.glob("runs/broken/trial-*/lock")) and time.time() < deadline:
        time.sleep(0.05)
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    unbroken = dt.tune(parse(text), run=str(tmp_path / "unbroken"))
    assert json.loads(again.stdout)["trials"] == told(unbroken.trials)


def test_a_finished_search_is_not_made_again_and_goes_further_with_more_trials(tmp_path: Path) -> None:
    run = str(tmp_path / "grown")
    first = dt.tune(recipe("search.trials=3"), run=run)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("grown/trial-*/model.safetensors")}
    further = dt.tune(recipe("search.trials=5"), run=run)
    assert told(further.trials)[:3] == told(first.trials)
    assert len(further.trials) == 5
    assert all(path.stat().st_mtime_ns == then for path, then in before.items())
    with pytest.raises(UsageError, match="holds something else"):
        dt.tune(recipe("search.trials=5", "epochs=3"), run=run)


def test_a_trial_that_is_worse_than_the_best_half_is_cut(tmp_path: Path) -> None:
    described = recipe("epochs=4", "search.trials=10", "search.cuts=[25 %]")
    found = dt.tune(described, run=str(tmp_path / "cut"))
    cut = [trial for trial in found.trials if trial.ended == "cut at 25 %"]
    assert cut
    assert all(4 * trial.examples == found.best.examples for trial in cut)
    for trial in cut:  # the bound was the median of those before it
        before = sorted(other.at[0] for other in found.trials[: trial.number - 1])
        assert trial.at[0] > before[round(len(before) / 2) - 1]
    assert found.best.ended == "finished"
    free = dt.tune(dataclasses.replace(described, search=recipe("search.trials=10").search), run=str(tmp_path / "free"))
    assert sum(trial.examples for trial in found.trials) < 0.9 * sum(trial.examples for trial in free.trials)


def test_a_figure_there_is_not_is_told_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^search\.figure: there is no figure 'eror'\. Did you mean 'error'\?$"):
        dt.tune(recipe("search.figure=eror"), run=str(tmp_path / "s"))
    assert not (tmp_path / "s").exists()
    assert (
        dt.tune(recipe("search.figure=loss", "search.trials=1", "epochs=1"), run=str(tmp_path / "s")).figure == "loss"
    )


def test_settings_that_cannot_be_built_count_as_failed(tmp_path: Path) -> None:
    network = "network=[{conv: {filters: 4, kernel: 3}}, {maxpool: 2}, flatten, {linear: outputs}]"
    space = "search={trials: 5, first: 5, space: {network.0.conv.kernel: {choices: [3, 99]}}}"
    found = dt.tune(recipe(network, space), run=str(tmp_path / "failed"))
    failed = [trial for trial in found.trials if trial.figure is None]
    assert failed
    assert all(trial.ended.startswith("cannot be built") for trial in failed)
    assert "failed" in str(found)
    space = "search={trials: 2, space: {network.0.conv.kernel: {choices: [98, 99]}}}"
    with pytest.raises(RunError, match="every trial"):
        dt.tune(recipe(network, space), run=str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (".+", ""),
        (".+", "{bad"),
        (".+", "[]"),
        (".+", "{}"),
        (".+", '{"number": 2}'),
        ('"number": 2', '"number": 7'),
        (r'"batch": \d+', '"batch": 99999'),
        (r'"batch": \d+', '"batch": "many"'),
        (r'"batch"', '"bach"'),
    ],
)
def test_a_damaged_trial_is_told(old: str, new: str, tmp_path: Path) -> None:
    words = ("search.trials=2", "epochs=1")
    dt.tune(recipe(*words), run=str(tmp_path / "s"))
    file = tmp_path / "s" / "trial-002.json"
    text = file.read_text()
    file.write_text(re.sub(old, new, text, flags=re.DOTALL))
    assert file.read_text() != text
    with pytest.raises(RunError, match=r"trial-002\.json is damaged .*; remove it and its folder"):
        dt.tune(recipe(*words), run=str(tmp_path / "s"))


def test_a_search_is_one_processs(tmp_path: Path) -> None:
    dt.tune(recipe("search.trials=1", "epochs=1"), run=str(tmp_path / "s"))
    holder = "from pathlib import Path; from dovetail.training.lock import held; import time, sys"
    script = f"{holder}\nwith held(Path({str(tmp_path / 's')!r})): print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(RunError, match=f"is in use by process {other.pid}"):
            dt.tune(recipe("search.trials=2", "epochs=1"), run=str(tmp_path / "s"))
        assert load(str(tmp_path / "s" / "recipe.yaml")).search.trials == 1  # type: ignore[union-attr]
        other.kill()


def test_no_point_of_a_small_space_is_tried_twice(tmp_path: Path) -> None:
    words = ("epochs=1", "search={trials: 5, parallel: 2, space: {batch: {choices: [64, 128, 256]}}}")
    found = dt.tune(recipe(*words), run=str(tmp_path / "s"))
    assert sorted(trial.settings["batch"] for trial in found.trials) == [64, 128, 256]
    assert "best of 3, all that the space holds" in str(found)


def test_a_pattern_that_matches_nothing_is_told_before_any_trial(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"'\*\.bia' matches no parameter. Did you mean '\*\.bias'"):
        dt.tune(recipe('optimizer.groups={"*.bia": {decay: 0}}'), run=str(tmp_path / "s"))


def test_random_trials_know_of_nothing(tmp_path: Path) -> None:
    found = dt.tune(recipe("search.method=random", "search.trials=3", "epochs=1"), run=str(tmp_path / "random"))
    other = dt.tune(recipe("search.method=random", "search.trials=3", "epochs=2"), run=str(tmp_path / "other"))
    assert [trial.settings for trial in found.trials] == [trial.settings for trial in other.trials]


def test_processes_learn_of_parts_by_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ours.py").write_text(
        "import dovetail as dt\nfrom torch import Tensor, nn\n\n\n"
        "@dt.layer\ndef twice(x: Tensor) -> nn.Module:\n    return nn.Softplus()\n"
    )
    words = ["network=[flatten, twice, {linear: outputs}]", "search.trials=2", "search.parallel=2", "epochs=1"]
    Path("r.yaml").write_text(RECIPE)
    command = [sys.executable, "-m", "dovetail", "tune", "r.yaml", *words, "--use", "ours", "--json", "--workers", "2"]
    said = subprocess.run(command, capture_output=True, text=True, env={**os.environ})
    assert said.returncode == 0, said.stderr
    assert len(json.loads(said.stdout)["trials"]) == 2


def test_cuts_count_from_the_first_in_whatever_order_they_are_written(tmp_path: Path) -> None:
    words = ["epochs=4", "search.trials=7"]
    rising = dt.tune(recipe(*words, "search.cuts=[25 %, 50 %]"), run=str(tmp_path / "rising"))
    falling = dt.tune(recipe(*words, "search.cuts=[50 %, 25 %]"), run=str(tmp_path / "falling"))
    assert told(rising.trials) == told(falling.trials)
    assert {"cut at 25 %", "finished"} <= {trial.ended for trial in rising.trials}


def test_settings_are_put_over_a_recipe_that_is_there_already(tmp_path: Path) -> None:
    found = dt.tune(recipe(), "search.trials=2", "epochs=1", run=str(tmp_path / "over"))
    assert len(found.trials) == 2
    assert dt.load(str(tmp_path / "over" / "trial-001")).recipe.epochs == 1


def test_a_trial_that_diverges_before_it_is_judged_is_told_and_the_search_goes_on(tmp_path: Path) -> None:
    space = "search={trials: 3, first: 3, space: {optimizer.rate: {choices: [0.05, 1.0e+30]}}}"
    found = dt.tune(recipe(space, "evaluate=100 epochs"), run=str(tmp_path / "search"))
    ended = {trial.settings["optimizer.rate"]: trial for trial in found.trials}
    assert ended[1e30].ended.startswith("diverged: step")
    assert ended[1e30].figure is None
    assert found.best.settings["optimizer.rate"] == 0.05

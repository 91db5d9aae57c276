"""Comparisons: the grid, its runs, what is made once, what diverges, and the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commands import dovetail
from PIL import Image

import dovetail as dt
from dovetail.recipe.errors import RecipeError, RunError, UsageError
from dovetail.tuning.compare import Compared, Comparison, Curve
from dovetail.tuning.grid import cells, choices_of

FAST = ["data=digits", "epochs=1", "batch=200", "optimizer.rate.constant=0.1"]
WORDS = ["softmax-regression", *FAST]


def test_the_grid_is_every_choice() -> None:
    found = cells(["epochs=2", "optimizer.rule=sgd,{sgd: {momentum: 0.9, nesterov: true}},adam", "batch=32, 64"])
    assert len(found) == 6
    assert found[3].words == ["epochs=2", "optimizer.rule={sgd: {momentum: 0.9, nesterov: true}}", "batch=64"]
    assert found[5].name == "optimizer.rule=adam  batch=64"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a", ["a"]),
        ("[1, 2],[3, 4]", ["[1, 2]", "[3, 4]"]),
        ("'a,b', \"c,]\"", ["'a,b'", '"c,]"']),
        ("{x: [1, {y: 2, z: 3}]}, 5", ["{x: [1, {y: 2, z: 3}]}", "5"]),
    ],
)
def test_commas_in_brackets_divide_nothing(text: str, values: list[str]) -> None:
    assert choices_of(text) == values


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["batch=32"], "nothing to compare: list values between commas, optimizer.rule=sgd,adam, or take --seeds 5"),
        (["batch=32,,64"], "'batch=32,,64': a value between two commas is missing"),
        (["batch=32,32"], "'batch=32,32': a value stands there twice"),
        (["batch"], "'batch': a setting is written path=value, and several to compare path=value,value"),
    ],
)
def test_a_wrong_grid_is_named(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        dt.compare("softmax-regression", *words)
    assert str(refused.value) == message


def test_every_cell_is_checked_before_any_is_trained() -> None:
    with pytest.raises(RecipeError, match="takes a whole number above 0, not 'x'"):
        dt.compare(*WORDS, "seed=1", "accumulate=1,x", run="wrong")
    assert not list(Path("runs").glob("*/*")) if Path("runs").exists() else True


def test_every_cell_is_laid_out_before_any_is_trained() -> None:
    with pytest.raises(RecipeError, match="rule=lbfgs: command line: optimizer: lbfgs chooses by the loss"):
        dt.compare(*WORDS, "optimizer.rule=sgd,lbfgs", "optimizer.clip=1", run="wrong")
    assert not Path("runs").exists()


def test_each_run_is_the_run_that_train_makes() -> None:
    found = dt.compare(*WORDS, "optimizer.rule=sgd,adam", seeds=2, run="both")
    alone = dt.train(*WORDS, "optimizer.rule=adam", "seed=1", run="alone")
    assert found.cells[1].figures[1] == alone.result["test"]["error"]
    same = Path("runs/both/1-seed1/model.safetensors").read_bytes()
    assert same == (alone.path / "model.safetensors").read_bytes()
    assert [len(cell.figures) for cell in found.cells] == [2, 2]
    assert (found.part, found.figure) == ("test", "error")


def test_what_is_there_is_not_trained_again(monkeypatch: pytest.MonkeyPatch) -> None:
    words = [*WORDS, "optimizer.rule=sgd,adam"]
    first = dt.compare(*words, run="both")
    monkeypatch.setattr("dovetail.tuning.once.train", None)
    assert dt.compare(*words, run="both").plain() == first.plain()


def test_a_comparison_that_was_stopped_goes_on() -> None:
    class Pulled(BaseException):
        pass

    def pull(trainer: Any, record: Any) -> None:
        if "1-seed0" in str(trainer.folder) and trainer.t == 3:
            raise Pulled

    words = [*WORDS, "optimizer.rule=sgd,adam"]
    with pytest.raises(Pulled):
        dt.compare(*words, run="pulled", show=pull)
    again, whole = dt.compare(*words, run="pulled"), dt.compare(*words, run="whole")
    assert [cell.figures for cell in again.cells] == [cell.figures for cell in whole.cells]
    assert [cell.curves[0].losses for cell in again.cells] == [cell.curves[0].losses for cell in whole.cells]


def test_another_comparison_in_the_same_folder_is_refused() -> None:
    dt.compare(*WORDS, "optimizer.rule=sgd,adam", run="both")
    told = r"is a run of another recipe \(another optimizer\); name another folder: run=NAME"
    with pytest.raises(UsageError, match=told):
        dt.compare(*WORDS, "optimizer.rule=adam,sgd", run="both")
    with pytest.raises(UsageError, match=r"is a run of another recipe \(batch 200, not 60\)"):
        dt.compare(*[word for word in WORDS if "batch" not in word], "batch=60", "optimizer.rule=sgd,adam", run="both")


def test_seeds_vary_once() -> None:
    with pytest.raises(UsageError, match="the seed varies already, and --seeds 2 varies it, too; give one of them"):
        dt.compare(*WORDS, "seed=1,2", seeds=2, run="seeds")


def test_a_setting_that_diverges_is_lost_alone() -> None:
    words = ["linear-regression", "epochs=40", "optimizer.rate.constant=0.01,1e30"]
    found = dt.compare(*words, run="wild")
    assert found.cells[1].figures == [None]
    assert "were left out" in found.cells[1].reasons[0]
    assert "(1 of 1 diverged)" in str(found)
    assert dt.compare(*words, run="wild").plain() == found.plain()


def test_all_that_diverge_are_an_error() -> None:
    with pytest.raises(RunError, match="every run in runs/wild diverged; the first: step"):
        dt.compare("linear-regression", "epochs=40", "optimizer.rate.constant=1e29,1e30", run="wild")


def test_differences_are_taken_seed_by_seed() -> None:
    found = dt.compare(*WORDS, "optimizer.rule=sgd,adam", seeds=3, run="three")
    first, second = (cell.figures for cell in found.cells)
    differences = [100 * (b - a) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    assert f"{sum(differences) / 3:+.3f} +- " in str(found).splitlines()[3]


def test_what_is_as_good_within_the_error_is_told(tmp_path: Path) -> None:
    def cell(name: str, *figures: float) -> Compared:
        return Compared(name, [], list(figures), [""] * 3, [Curve([1], [1.0], [0.5])] * 3)

    cells = [cell("a", 0.10, 0.12, 0.11), cell("b", 0.11, 0.12, 0.11), cell("c", 0.20, 0.22, 0.21)]
    said = str(Comparison(tmp_path, "error", "test", cells)).splitlines()
    assert said[-2].rstrip() == "best: a"
    assert said[-1] == "no worse within the error of measurement: b"


def test_the_command_prints_a_table_and_draws_a_picture() -> None:
    words = ["compare", *WORDS, "optimizer.rule=sgd,adam", "--seeds", "2", "run=both"]
    said = dovetail(*words)
    assert said.code == 0
    assert said.out.splitlines()[0].split() == [
        "settings", "test", "error", "deviation", "than", "the", "first", "last", "loss", "seconds",
    ]  # fmt: skip
    assert said.err.splitlines()[-1] == "wrote runs/both/comparison.png"
    with Image.open("runs/both/comparison.png") as picture:
        assert picture.size[0] > 600
    plain = json.loads(dovetail(*words, "--json").out)
    assert plain == json.loads(Path("runs/both/comparison.json").read_text())
    assert [cell["name"] for cell in plain["cells"]] == ["optimizer.rule=sgd", "optimizer.rule=adam"]

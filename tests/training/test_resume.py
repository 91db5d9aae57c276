"""A run that is stopped at any instant and resumed ends with the bytes of the unbroken run."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from training.systems import contents, small, write_small

import dovetail as dt
from dovetail.recipe.errors import RunError, UsageError
from dovetail.training import Run


class Pulled(BaseException):
    """The plug."""


def pull_at(step: int) -> object:
    def hook(t: int, loss: float) -> None:
        if t == step:
            raise Pulled

    return hook


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("unbroken")
    return contents(dt.train(small(), run=f"{folder}/run").path)


@pytest.mark.parametrize("step", [0, 1, 3, 4, 5, 6, 14, 19, 20, 32, 38])
def test_pulled_at_a_step_and_resumed(step: int, unbroken: dict[str, bytes]) -> None:
    with pytest.raises(Pulled):
        dt.train(small(), run="pulled", on_step=pull_at(step))
    assert contents(dt.resume("pulled").path) == unbroken


def test_pulled_again_and_again(unbroken: dict[str, bytes]) -> None:
    with pytest.raises(Pulled):
        dt.train(small(), run="pulled", on_step=pull_at(6))
    for step in (5, 12, 13, 37):
        with pytest.raises(Pulled):
            dt.resume("pulled", on_step=pull_at(step))
    assert contents(dt.resume("pulled").path) == unbroken


def test_killed_between_the_last_line_and_the_model(unbroken: dict[str, bytes]) -> None:
    run = dt.train(small(), run="late")
    (run.path / "model.safetensors").unlink()
    assert contents(dt.resume("late").path) == unbroken


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "dovetail", *map(str, words)]


def wait_for(condition: object, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 60
    while not condition() and process.poll() is None:  # type: ignore[operator]
        assert time.monotonic() < until
        time.sleep(0.005)


def test_kill_9_at_a_random_instant(tmp_path: Path) -> None:
    write_small(tmp_path / "small.yaml", epochs=8)
    whole = dt.train("small.yaml", run="whole")
    chance = random.Random()
    killed = 0
    for attempt in range(2):
        name = f"killed-{attempt}"
        process = subprocess.Popen(command("train", "small.yaml", f"run={name}"), stderr=subprocess.PIPE, text=True)
        wait_for((tmp_path / "runs" / name / "checkpoints" / "step-000000004.safetensors").exists, process)
        time.sleep(chance.uniform(0, 0.8 * whole.result["seconds"]))
        process.kill()
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
        subprocess.run(command("resume", name), check=process.returncode != 0, capture_output=True)
        assert contents(tmp_path / "runs" / name) == contents(whole.path)
    assert killed


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_prints_the_command_that_resumes(number: int, code: int, tmp_path: Path) -> None:
    write_small(tmp_path / "small.yaml", epochs=1000, checkpoint="1000 epochs")
    process = subprocess.Popen(command("train", "small.yaml", "run=asked"), stderr=subprocess.PIPE, text=True)
    folder = tmp_path / "runs" / "asked"
    wait_for((folder / "metrics.jsonl").exists, process)
    os.kill(process.pid, number)
    _, said = process.communicate()
    assert process.returncode == code
    step = int(sorted((folder / "checkpoints").iterdir())[-1].stem.removeprefix("step-"))
    assert step > 0
    assert said.splitlines()[-1] == (
        f"{signal.Signals(number).name}: stopped and saved at step {step} of 13000. "
        "Go on with: dovetail resume runs/asked"
    )


def test_training_longer_says_what_it_does_to_the_schedule(capsys: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    dt.train(small(epochs=1), run="short")
    longer = dt.resume("short", "epochs=2", say=said.append)
    assert said == [
        "training longer: 1 -> 2 epochs; the schedule cosine stretches with the length: "
        "at step 13 the rate was 0 and is now 0.005"
    ]
    assert longer.recipe.epochs == 2
    assert [line["step"] for line in longer.metrics][-2:] == [26, 26]
    dt.train(small(epochs=1, optimizer={"rate": 0.01}), run="constant")
    dt.resume("constant", "epochs=2", say=said.append)
    assert said[-1] == (
        "training longer: 1 -> 2 epochs; the schedule constant does not depend on the length and goes on as it was"
    )


def test_longer_with_a_rate_that_does_not_stretch_is_the_long_run() -> None:
    settings = {"optimizer": {"rule": dt.adam(), "rate": 0.01}}
    whole = contents(dt.train(small(**settings), run="whole").path)
    dt.train(small(**settings, epochs=1), run="short")
    longer = contents(dt.resume("short", "epochs=3").path)
    assert longer["model.safetensors"] == whole["model.safetensors"]


def test_what_resume_refuses() -> None:
    run = dt.train(small(epochs=1), run="done")
    with pytest.raises(UsageError, match=r"^runs/done is at its end. To train longer: dovetail resume runs/done epoch"):
        dt.resume("done")
    with pytest.raises(UsageError, match=r"^resume changes nothing but epochs, not 'batch=3'; begin a new run with"):
        dt.resume("done", "batch=3")
    with pytest.raises(UsageError, match=r"^epochs=1: the run already asks for 3"):
        dt.resume(dt.train(small(), run="three"), "epochs=1")
    for checkpoint in (run.path / "checkpoints").iterdir():
        checkpoint.write_bytes(b"short")
    (run.path / "model.safetensors").unlink()
    with pytest.raises(RunError, match=r"checkpoints: holds no complete checkpoint .*cannot be read as safetensors"):
        dt.resume("done")


def test_a_broken_newest_checkpoint_is_passed_over(unbroken: dict[str, bytes]) -> None:
    with pytest.raises(Pulled):
        dt.train(small(), run="pulled", on_step=pull_at(30))
    newest = sorted((Run("pulled").path / "checkpoints").iterdir())[-1]
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    assert contents(dt.resume("pulled").path) == unbroken


def test_a_run_is_text_and_tensors() -> None:
    run = dt.train(small(epochs=1), run="files")
    files = sorted(p.relative_to(run.path).as_posix() for p in run.path.rglob("*") if p.is_file())
    assert files == [
        "best.safetensors",
        "checkpoints/step-000000012.safetensors",
        "checkpoints/step-000000013.safetensors",
        "environment.json",
        "facts.json",
        "metrics.jsonl",
        "model.safetensors",
        "recipe.yaml",
        "timing.jsonl",
    ]


def harm(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def test_a_damaged_model_is_written_anew_and_a_damaged_checkpoint_is_told() -> None:
    run = dt.train(small(), run="run")
    whole = contents(run.path)
    harm(run.path / "model.safetensors")
    with pytest.raises(RunError, match=r"the file is damaged\. To write it anew: dovetail resume runs/run"):
        run.test()
    newest = max((run.path / "checkpoints").iterdir())
    harm(newest)
    said: list[str] = []
    dt.resume("run", say=said.append)
    assert "model.safetensors: its contents are not those it was sealed with; the file is damaged" in said[0]
    assert said[0].endswith("; it is written anew")
    assert newest.name in said[1]
    assert said[1].endswith("; going on from step 36")
    assert contents(run.path) == whole
    with pytest.raises(dt.DovetailError, match="is at its end"):
        dt.resume("run")


def test_a_mean_of_weights_that_begins_late_is_saved_before_it_begins() -> None:
    averaged = {"optimizer": {"rule": dt.adam(), "rate": dt.constant(0.01), "average": dt.polyak("50 %")}}
    whole = contents(dt.train(small(**averaged), run="whole").path)
    with pytest.raises(Pulled):
        dt.train(small(**averaged), run="late-mean", on_step=pull_at(10))
    assert contents(dt.resume("late-mean").path) == whole

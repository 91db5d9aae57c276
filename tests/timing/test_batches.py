"""Batch sizes: throughput, time to an error, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from commands import dovetail

import dovetail as dt
from dovetail.recipe.errors import UsageError
from dovetail.timing.batches import BatchTime, BatchTimes, sizes_of

WORDS = ["softmax-regression", "data=digits"]


@pytest.mark.parametrize(
    ("text", "sizes"),
    [("1..8", [1, 2, 4, 8]), ("3..20", [4, 8, 16]), ("64..64", [64]), ("100", [100]), ("32,100,32", [32, 100])],
)
def test_sizes(text: str, sizes: list[int]) -> None:
    assert sizes_of(text) == sizes


@pytest.mark.parametrize("text", ["", "5..7", "0", "a", "1.5", "1...4", "-4..8", "0..8"])
def test_what_is_no_size_is_named(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        sizes_of(text)
    assert str(refused.value) == f"--batch {text}: batch sizes are written 1..4096 (powers of two) or 32,100"


def test_a_range_that_falls_is_told() -> None:
    with pytest.raises(UsageError, match=r"^--batch 8\.\.1: sizes go up, to [\d,]+ at most: 1\.\.8$"):
        sizes_of("8..1")


@pytest.mark.parametrize(
    ("changed", "message"),
    [({"sizes": []}, "from 1 on, not"), ({"sizes": [0]}, "from 1 on, not"), ({"to": -1.0}, "from 0 on, not -1")],
)
def test_what_cannot_be_timed_is_told(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        dt.time_batches(*WORDS, **{"sizes": [8], **changed})


def test_a_rate_that_is_too_high_for_a_size_does_not_keep_its_step_from_being_timed() -> None:
    times = dt.time_batches(*WORDS, "optimizer.rate=1e30", sizes=[1, 8], budget=0.05)
    assert all(size.examples > 0 for size in times.sizes)


def test_larger_batches_make_more_examples() -> None:
    times = dt.time_batches(*WORDS, sizes=[1, 256], budget=0.1)
    small, large = times.sizes
    assert large.examples > 5 * small.examples
    assert large.step > small.step
    assert small.reached is None
    assert "of the most" in str(times)


def test_training_goes_on_until_the_error_is_there() -> None:
    times = dt.time_batches(*WORDS, "epochs=20", "evaluate=5 steps", sizes=[16, 128], to=0.1, budget=0.01)
    for size in times.sizes:
        assert size.reached
        assert size.error <= 0.1
        assert size.epochs < 20
        assert size.seconds > 0
    assert "to test error 10 %" in str(times)
    assert "soonest" in str(times)


def test_an_error_that_is_out_of_reach_is_told() -> None:
    times = dt.time_batches(*WORDS, "epochs=1", sizes=[64], to=0.0, budget=0.01)
    assert times.sizes[0].reached is False
    assert times.sizes[0].error > 0
    assert "not in" in str(times)


def test_rates_go_with_the_batch() -> None:
    """Four times the batch at four times the rate goes about as far; at the same rate it would have hardly begun."""
    words = [*WORDS, "optimizer.rule=sgd", "optimizer.rate.constant=0.001", "epochs=3"]
    (large,) = dt.time_batches(*words, "batch=64", sizes=[256], to=0.0, budget=0.01).sizes
    (same,) = dt.time_batches(*words, "batch=256", sizes=[256], to=0.0, budget=0.01).sizes
    assert not math.isnan(large.error)
    assert large.error < same.error - 0.02


def test_batches_beyond_the_data_are_left_out() -> None:
    assert [size.batch for size in dt.time_batches(*WORDS, sizes=[64, 4096], budget=0.01).sizes] == [64]
    with pytest.raises(UsageError, match="there are only 1,437 training examples"):
        dt.time_batches(*WORDS, sizes=[4096], budget=0.01)


def test_the_command() -> None:
    said = dovetail("time", *WORDS, "--batch", "32..64", "--to", "0.5")
    assert said.code == 0
    assert [line.split(":")[0] for line in said.err.splitlines()] == ["batch 32", "batch 64"]
    first = [line.split()[0] for line in said.out.splitlines()]
    assert [word for word in first if not word.startswith("-")] == ["batch", "32", "64", "soonest:"]
    assert dovetail("time", *WORDS, "--to", "0.5").err.startswith("--to and --picture go by batch size; give")
    (size,) = dovetail("time", *WORDS, "--batch", "8", "--json").json["sizes"]
    assert (size["batch"], size["reached"], size["seconds"], size["error"]) == (8, None, None, None)


def test_the_curves_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from dovetail.report.batches import draw_batches

    said = dovetail(
        "time", *WORDS, "epochs=1", "--batch", "32..64", "--to", "0.5", "--picture", str(tmp_path / "b.png")
    )
    assert f"wrote {tmp_path / 'b.png'}" in said.err
    sizes = [BatchTime(8, 1.0, 8000.0, True, 2.0, 1.0, 0.01), BatchTime(16, 1.5, 10000.0, False, 9.0, 3.0, 0.05)]
    drawn = [BatchTimes(sizes, None, "test"), BatchTimes(sizes[:1], 0.02, "test"), BatchTimes(sizes, 0.02, "test")]
    pictures = [draw_batches(times, tmp_path / f"{n}.png").read_bytes() for n, times in enumerate(drawn)]
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    assert len(set(pictures)) == 3


def test_a_picture_that_cannot_be_written_is_told_before_anything_is_timed(tmp_path: Path) -> None:
    for name in ("curve.pdf", "nowhere/curve.png"):
        said = dovetail("time", *WORDS, "--batch", "8", "--picture", str(tmp_path / name))
        assert said.err == f"--picture {tmp_path / name}: expected a file NAME.png in a folder that exists\n"
        assert not said.out
    assert dovetail("time", *WORDS, "--picture", "a.png").err.startswith("--to and --picture go by batch size; give")

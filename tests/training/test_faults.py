"""Whatever call fails while a checkpoint is written, or wherever the process dies, a whole checkpoint is left."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import torch
from training.faults import DEATHS, ERRORS, failing, in_a_child
from training.systems import contents, small

import dovetail as dt
from dovetail.recipe.errors import RunError
from dovetail.training.checkpoint import Checkpoint, newest_checkpoint, write_checkpoint
from dovetail.training.files import write_atomically

FOLDER = Path("run/checkpoints")


def checkpoint(step: int) -> Checkpoint:
    return Checkpoint(step, {"system/w": torch.full((1000,), float(step)), "state/t": torch.tensor(step)}, 10 * step)


def require_whole(step: int) -> None:
    found = newest_checkpoint(FOLDER)
    assert found is not None
    assert found.step in (step - 1, step)
    assert found.metrics_bytes == 10 * found.step
    assert torch.equal(found.tensors["system/w"], torch.full((1000,), float(found.step)))


def outcome(step: int, keep: int) -> str:
    """What writing a checkpoint says, nothing where it is written."""
    try:
        write_checkpoint(FOLDER, checkpoint(step), keep)
    except RunError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("keep", [1, 2])
@pytest.mark.parametrize("fault", ERRORS)
def test_any_call_may_fail(fault: str, keep: int) -> None:
    write_checkpoint(FOLDER, checkpoint(1), keep)
    for step in range(2, 40):
        with failing(step - 1, fault) as machine:
            said = outcome(step, keep)
        if not machine.happened:
            break
        require_whole(step)
        if said:
            assert said.startswith(f"cannot write the checkpoint {FOLDER}/step-00000")
            assert said.endswith("Go on, when the disk allows, with: dovetail resume run")
        else:
            assert newest_checkpoint(FOLDER).step == step  # type: ignore[union-attr]
        write_checkpoint(FOLDER, checkpoint(step), keep)  # the disk is well again
        assert newest_checkpoint(FOLDER).step == step  # type: ignore[union-attr]
        assert not list(FOLDER.glob("*.tmp"))
    assert step > 7  # so many calls it takes


@pytest.mark.parametrize("keep", [1, 2])
@pytest.mark.parametrize("fault", DEATHS)
def test_the_process_may_die_at_any_call(fault: str, keep: int) -> None:
    write_checkpoint(FOLDER, checkpoint(1), keep)
    for step in range(2, 40):

        def work(step: int = step) -> None:
            with failing(step - 1, fault):
                write_checkpoint(FOLDER, checkpoint(step), keep)

        if in_a_child(work) == 0:
            break
        require_whole(step)
        write_checkpoint(FOLDER, checkpoint(step), keep)
        assert newest_checkpoint(FOLDER).step == step  # type: ignore[union-attr]
    assert step > 7


@pytest.mark.parametrize("fault", [*ERRORS, *DEATHS])
def test_a_file_is_the_old_or_the_new(fault: str) -> None:
    path = Path("file")
    for n in range(1, 8):
        path.write_bytes(b"old" * 1000)

        def work(n: int = n) -> None:
            with failing(n, fault):
                write_atomically(path, b"new!" * 1000)

        in_a_child(work)
        assert path.read_bytes() in (b"old" * 1000, b"new!" * 1000)


@pytest.mark.parametrize("fault", ["full", "half", "broken"])
def test_a_run_that_met_a_bad_disk_goes_on_to_the_same_bytes(fault: str) -> None:
    whole = contents(dt.train(small(), run="whole").path)
    for number in (1, 5, 12, 25, 40, 60):
        name = f"{fault}-{number}"
        with failing(number, fault) as machine, contextlib.suppress(RunError):
            dt.train(small(), run=name)
        assert machine.happened
        folder = Path("runs") / name
        if not (folder / "recipe.yaml").exists():
            dt.train(small(), run=name)
        elif not (folder / "model.safetensors").exists():
            dt.resume(name)
        assert contents(folder) == whole

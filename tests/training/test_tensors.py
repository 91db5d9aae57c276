"""Files of tensors: a flipped bit is always found, links are not followed, nothing is run."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from training.systems import small

import dovetail as dt
from dovetail.recipe.errors import RunError
from dovetail.training.checkpoint import Checkpoint, newest_checkpoint, write_checkpoint
from dovetail.training.tensors import read_tensors, tensor_bytes

TENSORS = {
    "a": torch.arange(6.0).view(2, 3),
    "b": torch.tensor(3),
    "c": torch.zeros(0, 2),
    "d": torch.ones(2, 3, 4, 5).to(memory_format=torch.channels_last).bfloat16(),
    "e": torch.tensor([True, False]),
}


def test_tensors_come_back_and_the_same_give_the_same_bytes() -> None:
    Path("t").write_bytes(tensor_bytes(TENSORS))
    back = read_tensors(Path("t"))
    assert all(torch.equal(back[name], tensor) and back[name].dtype == tensor.dtype for name, tensor in TENSORS.items())
    assert tensor_bytes(TENSORS) == tensor_bytes(back)


def test_every_flipped_bit_is_found() -> None:
    data = tensor_bytes({"a": torch.arange(4.0), "b": torch.tensor(3)})
    unharmed = 0
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        Path("t").write_bytes(flipped)
        try:
            back = read_tensors(Path("t"))
        except RunError:
            continue
        unharmed += 1  # a flip in the name of the seal, or in blanks: what it sealed is whole
        assert torch.equal(back["a"], torch.arange(4.0))
        assert back["b"].item() == 3
    assert unharmed < 0.1 * 8 * len(data)


@pytest.mark.parametrize(
    "data", [b"", b"\x80\x04.", pickle.dumps({"a": 1}), b"\xff" * 100, b"\x10" + b"\0" * 7 + b"[" * 16]
)
def test_what_is_no_such_file_is_told(data: bytes) -> None:
    Path("t").write_bytes(data)
    with pytest.raises(RunError, match=r"^t: cannot be read as safetensors: "):
        read_tensors(Path("t"))


def test_files_of_others_have_no_seal() -> None:
    save_file({"a": torch.ones(2)}, "t")
    assert torch.equal(read_tensors(Path("t"))["a"], torch.ones(2))


def test_links_and_pipes_are_refused() -> None:
    Path("t").write_bytes(tensor_bytes(TENSORS))
    Path("link").symlink_to("t")
    os.mkfifo("pipe")
    with pytest.raises(RunError, match=r"^link: cannot be read: a link, which is not followed$"):
        read_tensors(Path("link"))
    with pytest.raises(RunError, match=r"^pipe: cannot be read: not a regular file$"):
        read_tensors(Path("pipe"))
    with pytest.raises(RunError, match=r"^none: there is no such file$"):
        read_tensors(Path("none"))


def test_checkpoints_of_another_format_are_told() -> None:
    folder = Path("run/checkpoints")
    path = write_checkpoint(folder, Checkpoint(7, {"system/w": torch.ones(3)}, 11), keep=2)
    found = newest_checkpoint(folder)
    assert found is not None
    assert (found.step, found.metrics_bytes, list(found.part("system"))) == (7, 11, ["w"])
    tensors = read_tensors(path)
    path.write_bytes(tensor_bytes({**tensors, "checkpoint/format": torch.tensor(99)}))
    with pytest.raises(RunError, match="format 99, this version reads 1"):
        newest_checkpoint(folder)


CONFUSED: dict[str, Callable[[dict[str, Tensor]], object]] = {
    "network.5.weight is missing": lambda held: held.pop("system/network.5.weight"),
    "network.9.weight is unknown": lambda held: held.update({"system/network.9.weight": torch.zeros(2)}),
    "network.5.bias: expected 16 of float32, got 4x4 of float32": lambda held: held.update(
        {"system/network.5.bias": torch.zeros(4, 4)}
    ),
    "network.5.bias: expected 16 of float32, got 16 of int64": lambda held: held.update(
        {"system/network.5.bias": torch.zeros(16, dtype=torch.int64)}
    ),
    "network.5.bias/exp_avg of [3] belongs to no parameter of the recipe": lambda held: held.update(
        {"optimizer/network.5.bias/exp_avg": torch.zeros(3)}
    ),
    "/exp_avg of [3] belongs to no parameter of the recipe": lambda held: held.update(
        {"optimizer//exp_avg": torch.zeros(3)}
    ),
    "best: expected one number of float64, got 2 of float64": lambda held: held.update(
        {"state/best": torch.zeros(2, dtype=torch.float64)}
    ),
}


@pytest.mark.parametrize("reason", CONFUSED)
def test_a_checkpoint_of_something_else_is_refused_by_name(reason: str) -> None:
    """Sealed as it should be, and yet not of this system: nothing is taken from it."""
    run = dt.train(small(epochs=0.2), run="run")
    (run.path / "model.safetensors").unlink()
    for path in (run.path / "checkpoints").iterdir():
        tensors = read_tensors(path)
        CONFUSED[reason](tensors)
        path.write_bytes(tensor_bytes(tensors))
    with pytest.raises(RunError) as told:
        dt.resume("run")
    assert str(told.value) == f"runs/run: its checkpoint of step 3 does not fit its recipe: {reason}"


@pytest.mark.parametrize("name", ["step-000000002.safetensors", "step-000000003.safetensors"])
def test_a_checkpoint_says_which_step_it_is_of(name: str) -> None:
    run = dt.train(small(epochs=0.2, keep=1), run="run")
    (path,) = (run.path / "checkpoints").iterdir()
    assert path.name == "step-000000003.safetensors"
    path.rename(path.with_name(name))
    (run.path / "model.safetensors").unlink()
    if name == path.name:
        dt.resume("run")
    else:
        with pytest.raises(RunError, match="says that it is of step 3"):
            dt.resume("run")

"""Many processes train as one: the same examples, masks, losses and bytes of files, whatever their number."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from training.systems import NETWORK, contents, small, write_small

import dovetail as dt
from dovetail.objectives.objective import Objective
from dovetail.recipe.errors import RecipeError, UsageError
from dovetail.recipe.facts import Target
from dovetail.training import Run
from dovetail.training.replicas import in_buckets
from dovetail.training.tensors import read_tensors
from dovetail.training.world import World

EXACT: dict[str, Any] = {
    "precision": "float64",
    "epochs": 2,
    "batch": 97,  # no even shares
    "accumulate": 1,
    "evaluate": "1 step",
    "optimizer": {"rule": dt.adam(), "rate": 0.003},
}


@pytest.mark.parametrize("gpus", [0, 1])
def test_more_processes_than_gpus_are_told(gpus: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert World(1, size=2, local=1).place("cpu") == torch.device("cpu")
    told = f"device=cuda: this host has {gpus} GPUs, fewer than processes; start fewer"
    with pytest.raises(UsageError, match=told):
        World(1, size=2, local=1).place("cuda")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def together(
    processes: int, *words: str, restarts: int = 0, node: tuple[int, int] = (0, 1), port: int = 0
) -> subprocess.Popen[str]:
    """`torchrun ... -m dovetail WORDS`, on a node of so many."""
    port = port or free_port()
    launch = [
        "--nnodes",
        str(node[1]),
        "--node-rank",
        str(node[0]),
        "--nproc-per-node",
        str(processes),
        "--max-restarts",
        str(restarts),
        "--monitor-interval",
        "0.1",
    ]
    launch += ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{port}", "--rdzv-id", f"job{port}"]
    command = [sys.executable, "-m", "torch.distributed.run", *launch, "-m", "dovetail", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def done(process: subprocess.Popen[str]) -> str:
    out, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    return out


def losses(run: Run) -> list[float]:
    return [line["train"]["loss"] for line in run.metrics if "train" in line]


@pytest.mark.parametrize("count", [0, 1, 2, 5, 100])
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_shares_are_even_contiguous_and_complete(size: int, count: int) -> None:
    shares = [World(rank, size).share(count) for rank in range(size)]
    assert [i for share in shares for i in share] == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("processes", [2, 4])
def test_losses_and_figures_agree_with_one_process(processes: int, tmp_path: Path) -> None:
    write_small(tmp_path / "small.yaml", **EXACT)
    alone = dt.train("small.yaml", run="alone")
    out = done(together(processes, "train", "small.yaml", "run=many", "--json"))
    assert json.loads(out)["run"] == "runs/many"  # one process speaks
    many = Run("many")
    assert losses(many) == pytest.approx(losses(alone), rel=1e-10)
    for ours, theirs in zip(many.metrics, alone.metrics, strict=True):
        for part in ("validation", "test"):
            if part in ours:
                assert ours[part]["error"] == theirs[part]["error"]
                assert ours[part]["loss"] == pytest.approx(theirs[part]["loss"], rel=1e-8)


def test_two_nodes_agree_with_one_process(tmp_path: Path) -> None:
    """Launched apart, processes add their gradients over the network, in buckets; neighbours do in shared memory."""
    network = [dt.flatten(), dt.linear(1200), dt.relu(), dt.linear(64), dt.relu(), dt.linear("outputs")]
    write_small(tmp_path / "small.yaml", **{**EXACT, "network": network, "epochs": 1})
    alone = dt.train("small.yaml", run="alone")
    port = free_port()
    nodes = [together(1, "train", "small.yaml", "run=many", node=(number, 2), port=port) for number in range(2)]
    for node in nodes:
        done(node)
    assert losses(Run("many")) == pytest.approx(losses(alone), rel=1e-10)


def test_buckets_are_large_enough_and_of_one_type() -> None:
    small, large = torch.zeros(1000), torch.zeros(1 << 20)
    exact = torch.zeros(10, dtype=torch.float64)
    buckets = in_buckets([small, large, small, exact, *[torch.zeros(200_000)] * 3])
    assert [[len(tensor) for tensor in bucket] for bucket in buckets] == [
        [200_000, 200_000],
        [200_000],
        [10],
        [1000],
        [1 << 20],
        [1000],
    ]


def test_micro_batches_do_not_depend_on_the_world(tmp_path: Path) -> None:
    """Batch normalization sees the same 50 examples together, whoever holds them."""
    write_small(tmp_path / "small.yaml", **{**EXACT, "batch": 150, "accumulate": 3})
    alone = dt.train("small.yaml", run="alone")
    done(together(2, "train", "small.yaml", "run=many"))
    assert losses(Run("many")) == pytest.approx(losses(alone), rel=1e-10)


def test_processes_may_have_no_examples(tmp_path: Path) -> None:
    """A batch of three over four processes: one has none."""
    write_small(tmp_path / "small.yaml", **{**EXACT, "batch": 3, "epochs": 0.02})
    alone = dt.train("small.yaml", run="alone")
    done(together(4, "train", "small.yaml", "run=many"))
    assert len(losses(alone)) == 8
    assert losses(Run("many")) == pytest.approx(losses(alone), rel=1e-10)


def test_checkpoints_do_not_know_how_many_wrote_them(tmp_path: Path) -> None:
    write_small(tmp_path / "small.yaml", **EXACT)
    alone = dt.train("small.yaml", run="alone")
    done(together(4, "train", "small.yaml", "run=many", "epochs=1"))
    two = done(together(2, "resume", "many", "epochs=2", "--json"))
    assert json.loads(two)["test"]["count"] == 360
    assert losses(Run("many")) == pytest.approx(losses(alone), rel=1e-9)
    done(together(2, "train", "small.yaml", "run=back", "epochs=1"))
    dt.resume("back", "epochs=2")
    assert losses(Run("back")) == pytest.approx(losses(alone), rel=1e-9)


def test_shards_agree_with_one_process_and_their_checkpoints_are_the_same(tmp_path: Path) -> None:
    """Rows of weights in four processes, then in two, then whole in one: fewer rows than processes in one bias, too."""
    optimizer = {"rule": dt.adam(), "rate": 0.003, "clip": 0.5, "max_norm": 1.5, "decay": 0.01}
    network = [dt.conv(3, 3, stride=2), *NETWORK[1:]]
    write_small(
        tmp_path / "small.yaml",
        **{**EXACT, "network": network, "optimizer": optimizer, "freeze": ["network.0.bias"], "shard": True},
    )
    alone = dt.train("small.yaml", run="alone", epochs=3)
    done(together(4, "train", "small.yaml", "run=shards", "epochs=1"))
    done(together(2, "resume", "shards", "epochs=2"))
    ours, theirs = (
        read_tensors(next(iter(sorted(run.glob("checkpoints/*"))))) for run in (Run("shards").path, alone.path)
    )
    assert {n: (t.shape, t.dtype) for n, t in ours.items()} == {n: (t.shape, t.dtype) for n, t in theirs.items()}
    dt.resume("shards", "epochs=3")
    assert losses(Run("shards")) == pytest.approx(losses(alone), rel=1e-9)
    assert Run("shards").metrics[-1]["test"]["error"] == alone.metrics[-1]["test"]["error"]


def test_side_heads_and_mixed_examples_agree_with_one_process(tmp_path: Path) -> None:
    side = dt.heads(main=[dt.linear(16), dt.relu(), dt.linear("outputs")], side=[dt.linear("outputs")])
    recipe = small(
        network=[dt.flatten(), side],
        synthetic=[dt.synthetic.mixup(0.4)],
        precision="float64",
        accumulate=1,
        relevance={},
    )
    Path("heads.yaml").write_text(recipe.write())
    alone = dt.train("heads.yaml", run="alone")
    for number, words in enumerate(([], ["shard=true"], ["accumulate=4"])):
        done(together(2, "train", "heads.yaml", f"run=two{number}", *words))
        assert losses(Run(f"two{number}")) == pytest.approx(losses(alone), rel=1e-9)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_shards_in_lower_precision(precision: str, tmp_path: Path) -> None:
    descent = {"rule": dt.sgd(0.9), "rate": 0.01}  # Adam makes steps of the rounding where a gradient should be 0
    lower = {
        **EXACT,
        "optimizer": descent,
        "precision": precision,
        "epochs": 0.5,
        "batch": 98,
        "accumulate": 2,
        "shard": True,
    }
    write_small(tmp_path / "small.yaml", **lower)
    alone = dt.train("small.yaml", run="alone")
    done(together(2, "train", "small.yaml", "run=shards"))
    assert losses(Run("shards")) == pytest.approx(losses(alone), rel=1e-5 if precision == "float32" else 1e-3)


def test_shards_name_the_parameters_that_diverge(tmp_path: Path) -> None:
    said = []
    write_small(tmp_path / "small.yaml", **{**EXACT, "optimizer": {"rate": 1e200, "patience": 3}, "shard": True})
    with pytest.raises(dt.DovetailError) as alone:
        dt.train("small.yaml", run="many")
    shutil.rmtree("runs/many")
    process = together(2, "train", "small.yaml", "run=many")
    said = process.communicate(timeout=60)[1]
    assert str(alone.value) in said


def test_a_rule_that_looks_beyond_its_element_cannot_shard(tmp_path: Path) -> None:
    @dt.rule
    def lengths(params: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Moves that depend on all of a weight."""
        return torch.optim.Adafactor(params)

    with pytest.raises(RecipeError, match="shard: the rule 'lengths' does not move each element by itself"):
        dt.train(small(shard=True, optimizer={"rule": lengths()}), run="refused")


def test_an_objective_with_parameters_cannot_shard(tmp_path: Path) -> None:
    @dt.objective
    def tempered(data: Target) -> Objective:
        """A softmax whose temperature is learned."""
        made: Any = dt.softmax().make(data)
        made.temperature = torch.nn.Parameter(torch.ones(()))
        return made

    with pytest.raises(RecipeError, match="shard: the objective 'tempered' has parameters"):
        dt.train(small(shard=True, objective=tempered()), run="refused")


def test_a_signal_to_any_process_saves_and_stops_all_at_one_step(tmp_path: Path) -> None:
    write_small(tmp_path / "small.yaml", epochs=2000, checkpoint="9999 epochs")
    process = together(2, "train", "small.yaml", "run=asked")
    second = worker(process, 1)
    wait_for(tmp_path / "runs/asked/metrics.jsonl", process)
    os.kill(second, signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode != 0
    (line,) = [line for line in said.splitlines() if line.startswith("SIGTERM: stopped and saved at step ")]
    assert line.endswith("Go on with: dovetail resume runs/asked")
    step = int(line.split()[6])
    assert (tmp_path / f"runs/asked/checkpoints/step-{step:09d}.safetensors").exists()


def test_a_run_that_was_asked_to_stop_is_not_started_anew(tmp_path: Path) -> None:
    write_small(tmp_path / "small.yaml", epochs=2000, checkpoint="9999 epochs")
    process = together(2, "train", "small.yaml", "run=asked", restarts=1)
    second = worker(process, 1)
    wait_for(tmp_path / "runs/asked/metrics.jsonl", process)
    os.kill(second, signal.SIGTERM)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 0
    assert "SIGTERM: stopped and saved at step " in said
    assert not (tmp_path / "runs/asked/model.safetensors").exists()


def test_a_killed_worker_is_restarted_and_the_run_ends_with_the_bytes_of_an_unbroken_one(tmp_path: Path) -> None:
    write_small(tmp_path / "small.yaml", epochs=8)
    done(together(2, "train", "small.yaml", "run=unbroken"))
    process = together(2, "train", "small.yaml", "run=killed", restarts=1)
    second = worker(process, 1)
    wait_for(tmp_path / "runs/killed/metrics.jsonl", process)
    time.sleep(0.3)
    os.kill(second, signal.SIGKILL)
    done(process)
    assert contents(tmp_path / "runs/killed") == contents(tmp_path / "runs/unbroken")


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 60
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)


def worker(process: subprocess.Popen[str], rank: int) -> int:
    """The number of the process that has a rank."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "environ").read_bytes().split(b"\0")
                parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[1]
            except OSError:
                continue
            if int(parent) == process.pid and f"RANK={rank}".encode() in words:
                return int(entry.name)
        time.sleep(0.05)
    raise AssertionError("no such worker")

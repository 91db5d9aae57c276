"""Many processes: do their losses agree with one, and how much faster are two?

Agreement: LeNet on MNIST by one, two and four processes, and by two and four that hold shards; the training loss of
each of 100 steps in float64 and of 10 in float32 against that of one process, and the test error after an epoch.
Throughput: one and two processes of one thread each, 64 examples a process, in turn: LeNet at 28x28 and VGG-A at 64x64.

    python benchmarks/processes.py --json benchmarks/results/processes.json
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from contestants.common import data_folder
from harness import machine, quartiles, report, table, write_json

import dovetail as dt

WORLDS = (("1", 1, False), ("2", 2, False), ("4", 4, False), ("2, sharded", 2, True), ("4, sharded", 4, True))


def train(processes: int, run: str, *words: str) -> Path:
    """A run by so many processes of one thread each."""
    command = [sys.executable, "-m", "dovetail"]
    if processes > 1:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
        command += ["-m", "dovetail"]
    done = subprocess.run(
        [*command, "train", *words, f"run={run}", "threads=1", "--json"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-4000:])
    return Path("runs") / run


def lines(run: Path, name: str = "metrics.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / name).read_text().splitlines()]


def agreement(mnist: str, precision: str, steps: int) -> dict[str, float]:
    """The greatest relative difference of a step's loss from one process's, for each world."""
    losses, differences = {}, {}
    for name, processes, shard in WORLDS:
        words = [f"precision={precision}", f"epochs={steps * 64 / 60_000}", "evaluate=1 step", "checkpoint=9 epochs"]
        run = train(
            processes, f"{precision}-{processes}-{shard}", "lenet", mnist, *words, f"shard={str(shard).lower()}"
        )
        losses[name] = [line["train"]["loss"] for line in lines(run) if "train" in line]
        assert len(losses[name]) == steps
        pairs = zip(losses[name], losses["1"], strict=True)
        differences[name] = max(abs(a / b - 1) for a, b in pairs)
        report(f"{precision}, {steps} steps, {name}: {differences[name]:.1e}")
    return differences


def errors(mnist: str) -> dict[str, float]:
    found = {}
    for name, processes, _ in WORLDS[:3]:
        run = train(processes, f"error-{processes}", "lenet", mnist, "precision=float32", "epochs=1")
        found[name] = lines(run)[-1]["test"]["error"]
        report(f"one epoch, {name}: test error {100 * found[name]:.2f} %")
    return found


def vgg_a() -> list[Any]:
    """VGG-A (Simonyan and Zisserman 2015, table 1), of which only the first hidden layer knows the size of an image."""
    network: list[Any] = []
    for filters in ([64], [128], [256, 256], [512, 512], [512, 512]):
        network += [layer for count in filters for layer in (dt.conv(count, 3, pad=1), dt.relu())] + [dt.maxpool(2)]
    return [*network, dt.flatten(), dt.linear(4096), dt.relu(), dt.linear(4096), dt.relu(), dt.linear("outputs")]


def write_vgg(folder: Path) -> str:
    """A recipe and images of noise."""
    chance = np.random.default_rng(0)
    np.save(folder / "x.npy", chance.integers(0, 256, (1024, 3, 64, 64), np.uint8))
    np.save(folder / "y.npy", np.arange(1024) % 1000)
    from dovetail.recipe.recipe import recipe_of

    data = dt.arrays(str(folder / "x.npy"), str(folder / "y.npy"), test=0)
    recipe = recipe_of({"network": vgg_a(), "objective": dt.softmax(), "data": data, "init": "he"})
    path = folder / "vgg-a.yaml"
    path.write_text(recipe.write())
    return str(path)


def rate(processes: int, run: str, recipe: str, words: list[str], batch: int, steps: int) -> float:
    """Examples a second, without the first fifth of the steps."""
    warm = steps // 5
    words = [*words, f"batch={batch * processes}", f"evaluate={warm} steps", "checkpoint=999 epochs"]
    told = lines(train(processes, run, recipe, *words), "timing.jsonl")
    taken = told[-1]["seconds"] - told[0]["seconds"]
    return (told[-1]["step"] - told[0]["step"]) * batch * processes / taken


def throughput(mnist: str, rounds: int) -> dict[str, Any]:
    vgg = write_vgg(Path.cwd())
    systems = {
        "LeNet 28x28": ("lenet", [mnist, "precision=float32"], 60_000, 250),
        "VGG-A 64x64": (vgg, ["precision=float32", "optimizer.rate=0.0001"], 1024, 15),
    }
    results = {}
    for name, (recipe, words, examples, steps) in systems.items():
        found: dict[int, list[float]] = {1: [], 2: []}
        for number in range(rounds):
            for processes in (1, 2):
                epochs = f"epochs={steps / math.ceil(examples / (64 * processes))}"
                run = f"{Path(recipe).stem}-{processes}-{number}"
                found[processes].append(rate(processes, run, recipe, [*words, epochs], 64, steps))
                report(f"{name}, {processes}: {found[processes][-1]:.1f} examples/s")
        ratios = [two / one for one, two in zip(found[1], found[2], strict=True)]
        low, middle, high = quartiles(ratios)
        results[name] = {"one": found[1], "two": found[2], "ratio": {"q1": low, "median": middle, "q3": high}}
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description="Many processes against one.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there")
    options = parser.parse_args()
    about, home = machine(1), os.getcwd()
    mnist = f"data.mnist.root={(data_folder() / 'mnist').resolve()}"
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        results: dict[str, Any] = {"throughput": throughput(mnist, options.rounds)}
        results["float64, 100 steps"] = agreement(mnist, "float64", 100)
        results["float32, 10 steps"] = agreement(mnist, "float32", 10)
        results["error after an epoch"] = errors(mnist)
        os.chdir(home)
    rows = [
        [
            name,
            f"{statistics.median(r['one']):.0f}",
            f"{statistics.median(r['two']):.0f}",
            f"{r['ratio']['median']:.2f}",
        ]
        for name, r in results["throughput"].items()
    ]
    print(table(["examples a second", "1 process", "2", "ratio"], rows))
    worlds = [name for name, *_ in WORLDS]
    rows = [
        [what, *(f"{results[what].get(name, math.nan):.{digits}}" for name in worlds)]
        for what, digits in (("float64, 100 steps", "1e"), ("float32, 10 steps", "1e"), ("error after an epoch", "4f"))
    ]
    print(table(["against one process", *worlds], rows))
    if options.json:
        write_json(options.json, {"benchmark": "processes", "machine": about, "results": results})
    return 0


if __name__ == "__main__":
    sys.exit(main())

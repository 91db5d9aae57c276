"""Test errors of the shipped recipes: last epoch, several seeds, nothing chosen on the test set.

Each row is a command a user can type; its figure is the mean over the seeds, with the deviation between them.

    python benchmarks/accuracy.py --json benchmarks/results/accuracy.json
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from contestants.common import data_folder
from harness import machine, report, table, write_json
from torch import get_num_threads

import dovetail as dt

MNIST = "data.mnist.root=MNIST"  # stands for the folder of MNIST's four files
ROWS = {  # name: (words after `dovetail train`, the figure, seeds)
    "lenet, built-in digits": (["lenet"], "error", 5),
    "lenet, MNIST": (["lenet", MNIST, "epochs=10"], "error", 3),
    "mlp, MNIST": (["mlp", MNIST], "error", 3),
    "softmax-regression, MNIST": (["softmax-regression", MNIST], "error", 3),
    "perceptron, MNIST": (["perceptron", MNIST], "error", 3),
    "logistic, cancer": (["logistic"], "error", 3),
    "linear-regression, diabetes": (["linear-regression"], "r2", 3),
}


def measure(name: str) -> dict[str, Any]:
    words, figure, seeds = ROWS[name]
    words = [word.replace("MNIST", str(data_folder() / "mnist")) for word in words]
    results = []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            run = dt.train(*words, f"seed={seed}", run=f"{folder}/run")
        results.append({"seed": seed, "seconds": run.result["seconds"], **run.result["test"]})
        report(f"{name}, seed {seed}: {figure} {results[-1][figure]:.4f}, {run.result['seconds']:.1f} s")
    values = [result[figure] for result in results]
    spread = statistics.stdev(values)
    seconds = statistics.median(result["seconds"] for result in results)
    command = " ".join(["dovetail train", *ROWS[name][0]])
    mean = statistics.mean(values)
    return {
        "command": command,
        "figure": figure,
        "mean": mean,
        "deviation": spread,
        "seconds": seconds,
        "runs": results,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Test errors of the shipped recipes.")
    parser.add_argument("names", nargs="*", help=f"rows, all unless named: {'; '.join(ROWS)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there")
    options = parser.parse_args()
    about = machine(get_num_threads())
    results = {name: measure(name) for name in options.names or ROWS}
    rows = []
    for name, result in results.items():
        percent = 100 if result["figure"] == "error" else 1
        cells = [result["figure"], f"{percent * result['mean']:.3f}", f"{percent * result['deviation']:.3f}"]
        rows.append([name, *cells, str(len(result["runs"])), f"{result['seconds']:.1f}"])
    print(table(["recipe", "figure", "mean", "deviation", "seeds", "seconds"], rows))
    if options.json:
        write_json(options.json, {"benchmark": "accuracy", "machine": about, "results": results})
    return 0


if __name__ == "__main__":
    sys.exit(main())

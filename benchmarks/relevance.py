"""Synthetic versions of the examples that matter against versions of all alike, at equal cost.

LeNet on so many of MNIST's training digits, with affine and elastic distortions; `uniform` sees every digit once
an epoch, `loss` and `margin` give half of an epoch's places to digits by their loss, or by how small their margin is
(Schoelkopf's virtual examples are those of the support vectors). The same number of steps; last epoch, all test digits.

    python benchmarks/relevance.py --json benchmarks/results/relevance.json
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

SYNTHETIC = "synthetic=[shift: 1, scale: 0.1, rotate: 8, shear: 0.1, elastic: {alpha: [0, 34]}]"
SIZES = {1_000: 100, 10_000: 20}  # training digits, and how many epochs
WAYS = {"uniform": [], "loss": ["relevance.by=loss"], "margin": ["relevance.by=margin"]}


def error(size: int, epochs: int, words: list[str], seed: int) -> float:
    """The test error of one run; the digits held back are never looked at."""
    data = [f"data.mnist.root={data_folder() / 'mnist'}", f"data.mnist.validation={60_000 - size}"]
    with tempfile.TemporaryDirectory() as folder:
        often = [f"evaluate={10 * epochs} epochs", f"epochs={epochs}", f"seed={seed}", f"data.mnist.split={seed}"]
        run = dt.train("lenet", *data, SYNTHETIC, *often, *words, run=f"{folder}/run")
    return float(run.result["test"]["error"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    results: dict[str, dict[str, Any]] = {}
    for size, epochs in SIZES.items():
        found: dict[str, list[float]] = {way: [] for way in WAYS}
        for seed in range(options.seeds):
            for way, words in WAYS.items():
                found[way].append(error(size, epochs, words, seed))
                report(f"{size} digits, {way}, seed {seed}: {100 * found[way][-1]:.2f} %")
        results[str(size)] = {
            way: {"mean": statistics.mean(values), "deviation": statistics.stdev(values), "errors": values}
            for way, values in found.items()
        }
    ways = [
        f"{100 * one['mean']:.2f} +- {100 * one['deviation']:.2f}"
        for found in results.values()
        for one in found.values()
    ]
    rows = [[size, *ways[i * len(WAYS) : (i + 1) * len(WAYS)]] for i, size in enumerate(results)]
    print(table(["training digits", *WAYS], rows))
    if options.json:
        write_json(options.json, {"benchmark": "relevance", "machine": machine(get_num_threads()), "results": results})
    return 0


if __name__ == "__main__":
    sys.exit(main())

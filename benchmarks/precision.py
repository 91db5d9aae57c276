"""bfloat16 against float32: the same recipes, seeds and data order, test errors and time of both.

python benchmarks/precision.py --json benchmarks/results/precision.json
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from accuracy import ROWS, unpacked
from harness import machine, report, table, write_json
from torch import get_num_threads

import dovetail as dt

NAMES = {"lenet, MNIST": (10, 3), "cifar10, 20,000 of CIFAR-10": (5, 2)}  # how many epochs and seeds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    results: dict[str, Any] = {}
    rows = []
    for name, (epochs, seeds) in NAMES.items():
        found: dict[str, Any] = {"float32": [], "bfloat16": []}
        with tempfile.TemporaryDirectory() as folder:
            words = [*unpacked(ROWS[name][0], Path(folder)), f"epochs={epochs}"]
            for seed in range(seeds):
                for precision, runs in found.items():
                    run = dt.train(*words, f"seed={seed}", f"precision={precision}", run=f"{folder}/{precision}{seed}")
                    runs.append({"seed": seed, "seconds": run.result["seconds"], **run.result["test"]})
                    report(f"{name}, {precision}, seed {seed}: {runs[-1]['error']:.4f}, {runs[-1]['seconds']:.1f} s")
        means = {precision: statistics.mean(run["error"] for run in runs) for precision, runs in found.items()}
        seconds = {precision: statistics.median(run["seconds"] for run in runs) for precision, runs in found.items()}
        spread = found["float32"][0]["standard_error"]
        results[name] = {"mean": means, "seconds": seconds, "standard_error": spread, "runs": found}
        shown = [f"{100 * means[precision]:.2f} %" for precision in found]
        rows.append([name, *shown, f"{100 * spread:.2f} %", f"{seconds['bfloat16'] / seconds['float32']:.2f}"])
    print(table(["recipe", "float32", "bfloat16", "standard error", "time"], rows))
    if options.json:
        write_json(options.json, {"benchmark": "precision", "machine": machine(get_num_threads()), "results": results})
    return 0


if __name__ == "__main__":
    sys.exit(main())

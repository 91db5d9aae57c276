"""Neither, dropout, DropConnect: two layers of 800 on MNIST's digits as they are, the same training, last epoch.

python benchmarks/regularization.py --json benchmarks/results/regularization.json
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

UNITS = 800
NETWORKS = {
    "neither": [dt.flatten(), dt.linear(UNITS), dt.relu(), dt.linear(UNITS), dt.relu(), dt.linear("outputs")],
    "dropout": [
        dt.flatten(),
        dt.linear(UNITS),
        dt.relu(),
        dt.dropout(0.5),
        dt.linear(UNITS),
        dt.relu(),
        dt.dropout(0.5),
        dt.linear("outputs"),
    ],
    "dropconnect": [dt.flatten(), dt.dropconnect(UNITS), dt.dropconnect(UNITS), dt.linear("outputs")],
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(NETWORKS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--held-out", action="store_true", help="judge by 10,000 training digits instead")
    parser.add_argument("--set", nargs="*", default=[], metavar="SETTING", help="settings over the recipe's")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    words = [f"data.mnist.root={data_folder() / 'mnist'}", *options.set]
    words += ["data.mnist.validation=10000"] if options.held_out else []
    results: dict[str, dict[str, Any]] = {}
    for name in options.names:
        runs = []
        for seed in range(options.seeds):
            with tempfile.TemporaryDirectory() as folder:
                run = dt.train("dropconnect", *words, f"seed={seed}", network=NETWORKS[name], run=f"{folder}/run")
                judged = [line["validation"] for line in run.metrics if "validation" in line]
                figures = judged[-1] if options.held_out else run.result["test"]
                runs.append({"error": figures["error"], "loss": figures["loss"], "seconds": run.result["seconds"]})
            report(f"{name}, seed {seed}: {runs[-1]}")
        errors = [run["error"] for run in runs]
        results[name] = {
            "mean": statistics.mean(errors),
            "deviation": statistics.stdev(errors) if len(errors) > 1 else 0.0,
            "seconds": statistics.median(run["seconds"] for run in runs),
            "runs": runs,
        }
    rows = [
        [name, f"{100 * r['mean']:.2f} +- {100 * r['deviation']:.2f}", f"{r['seconds']:.0f}"]
        for name, r in results.items()
    ]
    print(table(["784-800-800-10", "error, %", "seconds"], rows))
    if options.json:
        about = {"benchmark": "regularization", "machine": machine(get_num_threads()), "results": results}
        write_json(options.json, about)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Neither, dropout, DropConnect: two layers of 800 on MNIST's digits as they are, the same training, last epoch.

With noise on the pixels and batch normalization, by the recipe `dropconnect`; `--plain` without either, half of the
units or connections kept and, with either, four of five pixels, as in the papers (`pixels` leaves out these alone); for
that `--set epochs=60 batch=128 optimizer.max_norm=3 optimizer.rule.sgd.momentum=0.9` are better.

    python benchmarks/regularization.py --json benchmarks/results/regularization.json
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from contestants.common import data_folder
from harness import machine, report, table, write_json
from torch import get_num_threads, nn
from torch.nn.functional import cross_entropy

import dovetail as dt
from dovetail.layers.dropout import Dropout

UNITS, KEEP = 800, 0.875
PLAIN = {
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
PIXELS = dt.dropout(0.8)
HALVED = {name: chain if name == "neither" else [chain[0], PIXELS, *chain[1:]] for name, chain in PLAIN.items()}
HALVED["pixels"] = [PLAIN["neither"][0], PIXELS, *PLAIN["neither"][1:]]
HIDDEN = {
    "neither": [dt.linear(UNITS, bias=False), dt.batchnorm(), dt.relu()],
    "dropout": [dt.linear(UNITS, bias=False), dt.batchnorm(), dt.relu(), dt.dropout(KEEP)],
    "dropconnect": [dt.dropconnect(UNITS, keep=KEEP, batchnorm=True)],
}
NOISY = {
    name: [dt.flatten(), dt.gaussian_noise(0.3), *hidden, *hidden, dt.linear("outputs")]
    for name, hidden in HIDDEN.items()
}


def steps(rounds: int = 15) -> dict[str, float]:
    """The median milliseconds of a training step of 128 random digits, the networks taking turns of ten steps, by which
    their weights are in the cache as in training; with dropout twice, by PyTorch's own module, too."""
    images, classes = torch.randn(128, 784), torch.randint(10, (128,))
    work = {}
    for name, specs in PLAIN.items():
        chain = [spec.replace(units=10) if spec.options.get("units") == "outputs" else spec for spec in specs]
        networks = {name: dt.build(chain, images)}
        if name == "dropout":
            layers = (nn.Dropout(0.5) if isinstance(m, Dropout) else m for m in dt.build(chain, images))
            networks["PyTorch's dropout"] = nn.Sequential(*layers)
        for own, network in networks.items():
            optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9, nesterov=True, fused=True)
            work[own] = (network, optimizer)
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, (network, optimizer) in work.items():
            for _ in range(10):
                begun = time.perf_counter()
                optimizer.zero_grad()
                cross_entropy(network(images), classes).backward()
                optimizer.step()
                times[name].append(time.perf_counter() - begun)
    return {name: 1e3 * statistics.median(values) for name, values in times.items()}


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    errors = [run["error"] for run in runs]
    deviation = statistics.stdev(errors) if len(errors) > 1 else 0.0
    seconds = statistics.median(run["seconds"] for run in runs)
    return {"mean": statistics.mean(errors), "deviation": deviation, "seconds": seconds, "runs": runs}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="neither, dropout, dropconnect; pixels with --plain (all)")
    parser.add_argument("--seeds", type=int, nargs="+", default=range(5), metavar="SEED")
    parser.add_argument("--plain", action="store_true", help="neither noise on the pixels nor batch normalization")
    parser.add_argument("--held-out", action="store_true", help="judge by 10,000 training digits instead")
    parser.add_argument("--set", nargs="*", default=[], metavar="SETTING", help="settings over the recipe's")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    networks = HALVED if options.plain else NOISY
    names = options.names or list(networks)
    if unknown := set(names) - set(networks):
        parser.error(f"no network is named {', '.join(sorted(unknown))}")
    words = [f"data.mnist.root={data_folder() / 'mnist'}", "data.mnist.normalize=[0,1]", *options.set]
    words += ["data.mnist.validation=10000"] if options.held_out else []
    spent = steps()
    report(f"step, ms: {spent}; DropConnect's is {spent['dropconnect'] / spent['dropout']:.2f} of dropout's")
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    results: dict[str, dict[str, Any]] = {}
    for seed in options.seeds:
        for name in names:
            with tempfile.TemporaryDirectory() as folder:
                run = dt.train("dropconnect", *words, f"seed={seed}", network=networks[name], run=f"{folder}/run")
                judged = [line["validation"] for line in run.metrics if "validation" in line]
                figures = judged[-1] if options.held_out else run.result["test"]
                found = {"error": figures["error"], "loss": figures["loss"], "seconds": run.result["seconds"]}
                runs[name].append(found)
            report(f"{name}, seed {seed}: {found}")
            results = {name: summary(done) for name, done in runs.items() if done}
            if options.json:  # after every run, since all take long
                here = machine(get_num_threads())
                about = {"benchmark": "regularization", "machine": here, "milliseconds": spent, "results": results}
                write_json(options.json, about)
    rows = [
        [name, f"{100 * r['mean']:.2f} +- {100 * r['deviation']:.2f}", f"{r['seconds']:.0f}"]
        for name, r in results.items()
    ]
    print(table(["784-800-800-10", "error, %", "seconds"], rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())

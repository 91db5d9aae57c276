"""Bayesian optimization beside random search and two libraries' default samplers.

`branin`: how far the best of 25 evaluations of Branin's function is from its least value, median of 20 seeds. `cnn`: a
convolution network on 5,000 of MNIST's digits, six numbers to find, judged by the loss on 5,000 others: 30 trials of
Bayesian optimization against 60 random ones, five seeds; the test digits are looked at once, with the best of each.

    python benchmarks/tuning.py --json benchmarks/results/tuning.json
"""

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # searches run side by side, a processor each

import numpy as np
from contestants.common import mnist
from harness import machine, report, table, write_json

import dovetail as dt

BOX = {"x": (-5.0, 10.0), "y": (0.0, 15.0)}
LEAST = 0.39788735772973816
EVALUATIONS, SEEDS = 25, 20
Function = Callable[[float, float], float]

SPACE = {
    "optimizer.rate": {"log": [0.0005, 1.0]},
    "optimizer.rule.sgd.momentum": {"linear": [0.0, 0.99]},
    "optimizer.decay": {"log": [1e-6, 1e-2]},
    "batch": {"integer": {"between": [16, 256], "factors": True}},
    "network.0.conv.filters": {"integer": {"between": [4, 32], "factors": True}},
    "network.4.linear.units": {"integer": {"between": [16, 256], "factors": True}},
}
WAYS = {"bayes": ("bayes", 30), "random, as many": ("random", 30), "random, twice as many": ("random", 60)}


def branin(x: float, y: float) -> float:
    bend = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    return bend**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def ours(method: str) -> Callable[[Function, int], float]:
    def search(function: Function, seed: int) -> float:
        from dovetail.search import linear
        from dovetail.search.propose import propose
        from dovetail.search.space import Space

        space = Space({name: linear(list(between)) for name, between in BOX.items()})
        points: list[Any] = []
        values: list[float] = []
        for _ in range(EVALUATIONS):
            point = propose(space, points, values, seed, first=EVALUATIONS if method == "random" else None)
            points.append(point)
            values.append(function(**space.settings(point)))
        return min(values)

    return search


def uniform(function: Function, seed: int) -> float:
    import random

    chance = random.Random(seed)
    return min(function(*(chance.uniform(*between) for between in BOX.values())) for _ in range(EVALUATIONS))


def optuna(function: Function, seed: int) -> float:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(lambda trial: function(*(trial.suggest_float(name, *box) for name, box in BOX.items())), EVALUATIONS)
    return float(study.best_value)


def hyperopt(function: Function, seed: int) -> float:
    import hyperopt
    import numpy as np

    space = {name: hyperopt.hp.uniform(name, *between) for name, between in BOX.items()}
    trials = hyperopt.Trials()
    hyperopt.fmin(
        lambda at: function(**at),
        space,
        hyperopt.tpe.suggest,
        EVALUATIONS,
        trials=trials,
        rstate=np.random.default_rng(seed),
        show_progressbar=False,
        verbose=False,
    )
    return min(trials.losses())


SAMPLERS: dict[str, Callable[[Function, int], float]] = {
    "dovetail": ours("bayes"),
    "evenly spread points": ours("random"),
    "random points": uniform,
    "Optuna, its default": optuna,
    "Hyperopt's TPE": hyperopt,
}


def on_branin() -> dict[str, dict[str, Any]]:
    results: dict[str, dict[str, Any]] = {}
    for name, sampler in SAMPLERS.items():
        begun = time.perf_counter()
        try:
            gaps = [sampler(branin, seed) - LEAST for seed in range(SEEDS)]
        except ImportError as error:
            report(f"{name}: absent ({error})")
            continue
        seconds = (time.perf_counter() - begun) / SEEDS
        results[name] = {"median": statistics.median(gaps), "worst": max(gaps), "seconds": seconds, "gaps": gaps}
        report(f"{name}: {results[name]['median']:.2g} from the least, the worst {results[name]['worst']:.2g}")
    return results


RECIPE = """
network:
  - conv: {filters: 8, kernel: 5}
  - relu
  - maxpool: 4
  - flatten
  - linear: 64
  - relu
  - linear: outputs
objective: softmax
data: {arrays: {x: "DIGITS:x", y: "DIGITS:y", test_x: "DIGITS:other_x", test_y: "DIGITS:other_y", validation: 0.5}}
optimizer: {rule: {sgd: 0.9}, rate: {cosine: 0.01}}
init: he
epochs: 4
evaluate: 4 epochs
threads: 1
"""


def searched(way: str, seed: int) -> dict[str, float]:
    """The validation loss of the best trial, and the error of its run on digits that nothing was chosen by."""
    method, trials = WAYS[way]
    images, labels = mnist()
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "digits.npz"
        first, others = slice(10_000), slice(10_000, 20_000)
        classes = labels.astype(np.int64)
        np.savez(file, x=images[first], y=classes[first], other_x=images[others], other_y=classes[others])
        search = {"space": SPACE, "method": method, "trials": trials, "figure": "loss"}
        recipe = dt.parse(RECIPE.replace("DIGITS", str(file)) + f"seed: {seed}\nsearch: {json.dumps(search)}\n")
        found = dt.tune(recipe, run=f"{place}/search")
        best = found.best
        tested = dt.Run(found.folder / f"trial-{best.number:03}").metrics[-1]["test"]
    return {"validation loss": float(best.figure), "test error": float(tested["error"])}


def on_digits(seeds: int, processes: int) -> dict[str, dict[str, Any]]:
    """All searches, so many at a time."""
    asked = [(way, seed) for seed in range(seeds) for way in WAYS]
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    with ProcessPoolExecutor(processes) as pool:
        for (way, seed), found in zip(asked, pool.map(searched, *zip(*asked, strict=True)), strict=True):
            runs[way].append(found)
            report(f"{way}, seed {seed}: {found}")
    return {
        way: {name: statistics.mean(run[name] for run in found) for name in found[0]} | {"runs": found}
        for way, found in runs.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    results: dict[str, Any] = {"branin": on_branin(), "digits": on_digits(options.seeds, options.processes)}
    rows = [
        [name, f"{one['median']:.1e}", f"{one['worst']:.1e}", f"{one['seconds']:.2f}"]
        for name, one in results["branin"].items()
    ]
    print(table([f"Branin, {EVALUATIONS} evaluations", "median", "worst", "seconds"], rows), end="\n\n")
    digits = results["digits"].items()
    rows = [[way, f"{one['validation loss']:.4f}", f"{100 * one['test error']:.2f}"] for way, one in digits]
    print(table(["5,000 digits, six numbers", "validation loss", "test error, %"], rows))
    if options.json:
        write_json(options.json, {"benchmark": "tuning", "machine": machine(1), "results": results})
    return 0


if __name__ == "__main__":
    sys.exit(main())

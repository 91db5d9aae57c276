"""Averaged stochastic descent in two passes against plain descent in twenty, one example at a time.

Logistic regression on 20,000 examples of 500 numbers whose covariance has the eigenvalues 1 / i, labels drawn from a
logistic model of normal weights, penalty 1e-6. Descent's rate is r / (1 + 1e-6 r t); averaged descent's is
r / (1 + 1e-6 r t)^0.75, with the mean of the weights from the second pass on. For each, r is the one of seven with the
lowest loss on 2,000 training examples after a pass over them. Bottou (2010), Large-scale machine learning with
stochastic gradient descent.

    python benchmarks/averaging.py --json benchmarks/results/averaging.json
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness import machine, report, table, write_json

import dovetail as dt

SIZE, TESTS, FEATURES, PENALTY, SAMPLE = 20_000, 20_000, 500, 1e-6, 2_000
RATES = [0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0]
WAYS = {"sgd, 2 passes": (1.0, 2), "sgd, 20 passes": (1.0, 20), "averaged, 2 passes": (0.75, 2)}


def examples(seed: int) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    rotation = np.linalg.qr(chance.normal(size=(FEATURES, FEATURES)))[0]
    scales = np.arange(1, FEATURES + 1) ** -0.5
    inputs = chance.normal(size=(SIZE + TESTS, FEATURES)) * scales
    truth = chance.normal(size=FEATURES)
    sums = inputs @ truth
    labels = chance.random(len(sums)) < 1 / (1 + np.exp(-1.5 * sums / sums.std()))
    return (inputs @ rotation.T).astype(np.float32), labels.astype(np.int64)


def trained(
    x: np.ndarray, y: np.ndarray, power: float, rate: float, epochs: int, seed: int, size: int = SIZE
) -> dict[str, Any]:
    """Figures on the examples from number `size` on, after training on those before."""
    beta = 1 / (PENALTY * rate)
    optimizer: dict[str, Any] = {
        "rule": dt.sgd(),
        "rate": dt.polynomial(rate * beta**power, beta=beta, gamma=power),
        "decay": PENALTY,
    }
    if power < 1:
        optimizer["average"] = dt.polyak("1 epochs" if epochs > 1 else "0 %")
    data = dt.arrays(x[:size], y[:size], test_x=x[size:], test_y=y[size:], normalize="none")
    with tempfile.TemporaryDirectory() as folder:
        run = dt.train(
            network=[dt.linear("outputs", init=dt.normal(1e-9))],
            objective=dt.logistic(),
            data=data,
            optimizer=optimizer,
            epochs=epochs,
            batch=1,
            seed=seed,
            evaluate=f"{epochs} epochs",
            checkpoint=f"{epochs} epochs",
            threads=1,
            run=f"{folder}/run",
        )
    return {**run.result["test"], "seconds": run.result["seconds"], "rate": rate}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for seed in range(options.seeds):
        x, y = examples(seed)
        twice = [np.concatenate([part[:SAMPLE]] * 2) for part in (x, y)]  # judged on the very examples, as Bottou does
        for way, (power, epochs) in WAYS.items():
            tried = {rate: trained(*twice, power, rate, 1, seed, size=SAMPLE)["loss"] for rate in RATES}
            rate = min(tried, key=lambda rate: tried[rate])
            results[way].append(trained(x, y, power, rate, epochs, seed))
            report(f"seed {seed}, {way}: {results[way][-1]}")
    means = {
        way: {name: statistics.mean(run[name] for run in runs) for name in ("loss", "error", "seconds")}
        for way, runs in results.items()
    }
    rows = [[way, f"{m['loss']:.4f}", f"{100 * m['error']:.2f}", f"{m['seconds']:.1f}"] for way, m in means.items()]
    print(table(["", "test loss", "test error, %", "seconds"], rows))
    if options.json:
        summary = {way: {**means[way], "runs": results[way]} for way in WAYS}
        write_json(options.json, {"benchmark": "averaging", "machine": machine(1), "results": summary})
    return 0


if __name__ == "__main__":
    sys.exit(main())

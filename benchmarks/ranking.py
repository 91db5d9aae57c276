"""Ranking losses on scikit-learn's diabetes patients, beside pairwise logistic regression by scikit-learn.

The share of pairs of test patients in the wrong order, a linear model each, mean over ten splits. The peer is what one
does without a ranking loss: logistic regression (scikit-learn's, its default strength) on differences of all pairs.

    python benchmarks/ranking.py --json benchmarks/results/ranking.json
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness import machine, report, table, write_json
from sklearn.linear_model import LinearRegression, LogisticRegression

import dovetail as dt

LOSSES = ("pairwise", "warp", "top", "plackett_luce")
SPLITS = range(10)


def rows(source: Any, part: str) -> tuple[np.ndarray, np.ndarray]:
    examples = source.part(part)
    x, y, _ = examples.fetch(torch.arange(len(examples)))
    return x.numpy(), y.numpy()[:, 0]


def error(scores: np.ndarray, worth: np.ndarray) -> float:
    """The share of pairs in the wrong order."""
    first, second = np.nonzero(worth[:, None] > worth[None, :])
    gap = scores[first] - scores[second]
    return float(((gap < 0) + 0.5 * (gap == 0)).mean())


def by_scikit_learn(split: int) -> dict[str, float]:
    source = dt.diabetes(split=split).make(Path())
    (x, y), (x_test, y_test) = rows(source, "train"), rows(source, "test")
    first, second = np.nonzero(y[:, None] > y[None, :])
    differences = x[first] - x[second]
    sign = np.where(np.arange(len(first)) % 2, 1, -1)  # both classes, in turn
    start = time.perf_counter()
    pairwise = LogisticRegression(fit_intercept=False).fit(sign[:, None] * differences, sign)
    seconds = time.perf_counter() - start
    squares = LinearRegression().fit(x, y)
    return {
        "scikit-learn, logistic on pairs": error(x_test @ pairwise.coef_[0], y_test),
        "scikit-learn, least squares": error(squares.predict(x_test), y_test),
        "seconds": seconds,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    errors: dict[str, list[float]] = {}
    for split in SPLITS:
        found = by_scikit_learn(split)
        seconds = found.pop("seconds")
        with tempfile.TemporaryDirectory() as folder:
            for loss in LOSSES:
                words = [f"objective.ranking.loss={loss}", f"data.diabetes.split={split}", "batch=353"]
                words += ["objective.ranking.k=100"] if loss == "top" else []  # k = 1 is for one right answer
                run = dt.train("ranking", *words, run=f"{folder}/{loss}")
                found[f"ranking: {loss}"] = run.result["test"]["error"]
        for name, value in found.items():
            errors.setdefault(name, []).append(value)
        report(f"split {split}: {found} (scikit-learn's logistic regression took {seconds:.1f} s)")
    results = {
        name: {"mean": statistics.mean(values), "deviation": statistics.stdev(values), "errors": values}
        for name, values in errors.items()
    }
    cells = [[name, f"{100 * r['mean']:.2f}", f"{100 * r['deviation']:.2f}"] for name, r in results.items()]
    print(table(["ranker", "pairs wrong, %", "deviation"], cells))
    if options.json:
        about = machine(torch.get_num_threads())
        write_json(options.json, {"benchmark": "ranking", "machine": about, "results": results})
    return 0


if __name__ == "__main__":
    sys.exit(main())

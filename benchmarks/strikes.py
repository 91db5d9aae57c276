"""Gradients that are now and then a hundred thousand times too long: what clipping and skipping save.

LeNet on MNIST, 5 epochs. In one of a hundred steps, at random, the gradient that reaches the first layers is multiplied
by 1e5, as a broken device or a damaged batch would.

    python benchmarks/strikes.py --json benchmarks/results/strikes.json
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from contestants.common import data_folder
from harness import machine, report, table, write_json
from torch import Tensor, nn

import dovetail as dt
from dovetail.recipe.draws import Draws

WAYS = {
    "none strikes": (0.0, []),
    "nothing done": (0.01, ["optimizer.patience=1000000"]),
    "clip: 1": (0.01, ["optimizer.clip=1"]),
    "outlier: 10": (0.01, ["optimizer.outlier=10"]),
    "both": (0.01, ["optimizer.clip=1", "optimizer.outlier=10"]),
}


class Struck(nn.Module):
    """The identity, whose gradient is now and then far too long."""

    draws: Draws | None = None
    purpose = ""

    def __init__(self, chance: float) -> None:
        super().__init__()
        self.chance = chance

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.draws is None or not x.requires_grad:
            return x
        factor = 1e5 if float(self.draws.uniform(x[:1], (1,), self.purpose)[-1]) < self.chance else 1.0
        y = x * 1.0
        y.register_hook(lambda gradient: gradient * factor)
        return y


@dt.layer
def struck(x: Tensor, chance: float = 0.01) -> nn.Module:
    """Multiply the gradient by 1e5, in so many of all steps."""
    return Struck(chance)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    results: dict[str, dict[str, Any]] = {}
    network = list(dt.parse(Path(dt.__file__).parent.joinpath("recipes/lenet.yaml").read_text()).network)
    for name, (chance, words) in WAYS.items():
        errors = []
        for seed in range(options.seeds):
            data = f"data.mnist.root={data_folder() / 'mnist'}"
            often = ["epochs=5", "evaluate=5 epochs", f"seed={seed}"]
            with tempfile.TemporaryDirectory() as folder:
                layers = [*network[:4], struck(chance), *network[4:]]  # type: ignore[operator]
                run = dt.train("lenet", data, *often, *words, network=layers, run=f"{folder}/run")
            errors.append(run.result["test"]["error"])
            report(f"{name}, seed {seed}: {100 * errors[-1]:.2f} %")
        results[name] = {"mean": statistics.mean(errors), "errors": errors}
    print(table(["LeNet, 5 epochs", "error, %"], [[n, f"{100 * r['mean']:.2f}"] for n, r in results.items()]))
    if options.json:
        about = machine(torch.get_num_threads())
        write_json(options.json, {"benchmark": "strikes", "machine": about, "results": results})
    return 0


if __name__ == "__main__":
    sys.exit(main())

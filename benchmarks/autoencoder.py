"""The deep autoencoder 784-1000-500-250-30 and back, on MNIST's digits: Gauss and Newton against descent, equal time.

Sigmoid units but for a linear code, no pretraining (Hinton and Salakhutdinov, 2006; Martens, 2010). Judged by the
squared error an image, its 784 values from 0 to 1, on 10,000 training digits and on the test digits. Each rule's rate
falls to 0 over as many epochs as fit into the time, by the speed of a few steps; rates and momenta are the best of some
that were tried for a shorter time.

    python benchmarks/autoencoder.py --seconds 600 --json benchmarks/results/autoencoder.json
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from contestants.common import mnist, test_images
from harness import machine, report, table, write_json

import dovetail as dt
from dovetail.training.begin import describe_recipe
from dovetail.training.machine import resolved
from dovetail.training.run import make_source
from dovetail.training.trainer import Trainer

WIDTHS = [1000, 500, 250, 30, 250, 500, 1000]
ENOUGH = 10_000  # training digits that the training error is told on
WAYS: dict[str, dict[str, Any]] = {
    "sgd, Nesterov": {
        "optimizer": {"rule": dt.sgd(0.9, nesterov=True), "rate": dt.cosine(0.3), "warmup": "300 steps"},
        "batch": 200,
    },
    "adam": {"optimizer": {"rule": dt.adam(), "rate": dt.cosine(0.002), "warmup": "300 steps"}, "batch": 200},
    "Gauss-Newton": {
        "optimizer": {"rule": dt.gauss_newton(damping=0.1, most=2, share=0.25), "rate": dt.cosine(0.5)},
        "batch": 2000,
    },
}


def network() -> list[dt.Spec]:
    layers: list[dt.Spec] = []
    for width in WIDTHS:
        layers.append(dt.linear(width, init="sparse"))
        if width != min(WIDTHS):
            layers.append(dt.sigmoid())
    return [*layers, dt.linear("outputs", init="sparse"), dt.sigmoid()]


def squared_error(trainer: Trainer, images: np.ndarray) -> float:
    """An image's, mean."""
    trainer.system.eval()
    with trainer.descent.evaluated(), torch.inference_mode():
        x = torch.from_numpy(images)
        error = float((trainer.system.output(x) - x).square().sum(1).mean())
    trainer.system.train()
    return error


def trained(
    way: dict[str, Any], images: np.ndarray, tests: np.ndarray, seconds: float, epochs: float
) -> dict[str, Any]:
    """The errors after so many seconds or epochs of training, and on the way."""
    data = dt.arrays(images, images, test_x=tests, test_y=tests, normalize="none")
    settings = {
        "network": network(),
        "objective": dt.squares(),
        "data": data,
        "epochs": epochs,
        "precision": "auto",
        **way,
    }
    recipe = resolved(describe_recipe(None, (), settings))
    curve, spent, told = [], 0.0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(recipe, make_source(recipe.data, Path.cwd()), Path(folder))
        trainer.system.train()
        while spent < seconds and not trainer.over:
            begun = time.perf_counter()
            trainer.step()
            spent += time.perf_counter() - begun
            if spent >= told + seconds / 20 or spent >= seconds or trainer.over:
                told = spent
                curve.append({"seconds": spent, "steps": trainer.t, "train": squared_error(trainer, images[:ENOUGH])})
                report(f"  {spent:.0f} s, step {trainer.t}: {curve[-1]['train']:.3f}")
        return {**curve[-1], "test": squared_error(trainer, tests), "curve": curve}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(WAYS))
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    images, tests = (part.reshape(-1, 784).astype(np.float32) / 255 for part in (mnist()[0], test_images()))
    results = {}
    for name in options.names:
        report(name)
        tried = trained(WAYS[name], images, tests, 0.03 * options.seconds, epochs=1000)
        epochs = tried["steps"] / 0.03 * WAYS[name]["batch"] / len(images)
        results[name] = trained(WAYS[name], images, tests, options.seconds, round(epochs, 2))
    rows = [[n, f"{r['train']:.2f}", f"{r['test']:.2f}", str(r["steps"])] for n, r in results.items()]
    print(table(["autoencoder", "training error", "test error", "steps"], rows))
    if options.json:
        about = machine(torch.get_num_threads())
        write_json(options.json, {"benchmark": "autoencoder", "machine": about, "results": results})
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Synthetic images a second, against per-example Pillow and SciPy pipelines, and what they cost a training epoch.

Every pipeline has two cores: ours as two threads, the others, whose Python works on one image at a time, as two
processes. All take turns; figures are medians over the rounds.

    python benchmarks/synthetic.py --json benchmarks/results/synthetic.json
"""

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from contestants.common import data_folder
from harness import machine, report, table, write_json
from PIL import Image, ImageEnhance, ImageFilter
from scipy.ndimage import gaussian_filter, map_coordinates

import dovetail as dt
from dovetail.recipe.draws import Draws
from dovetail.recipe.facts import Input
from dovetail.recipe.recipe import load
from dovetail.synthetic.synthesis import Synthesis
from dovetail.training import Trainer
from dovetail.training.machine import resolved, settled
from dovetail.training.run import make_source

S = dt.synthetic
AFFINE = [S.shift(2), S.scale(0.15), S.rotate(10), S.shear(0.2)]
WARPS = [*AFFINE, S.elastic(34, sigma=4)]
COLOURS = [S.color(brightness=0.2, contrast=0.2, saturation=0.2), S.blur(1.0)]
EPOCH = ["synthetic=[shift: 2, scale: 0.15, rotate: 10, shear: 0.2, elastic: 34]"]
COUNT = 2048  # images a round of ours
FEW = 256  # and of the others


def ours(specs: list[Any], shape: tuple[int, ...], batch: int) -> Callable[[], int]:
    synthesis, draws = Synthesis(specs, Input("image", list(shape), "uint8")), Draws(0)
    images = torch.rand(COUNT, *shape)

    def run() -> int:
        for draws.step, part in enumerate(torch.split(images, batch)):
            synthesis(part, draws)
        return COUNT

    return run


def affine(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The backward map of a random shear, turn and magnification, and a shift."""
    angle, slant = math.radians(generator.uniform(-10, 10)), generator.uniform(-0.2, 0.2)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return turn @ np.array([[1, slant], [0, 1]]) / generator.uniform(0.85, 1.15), generator.uniform(-2, 2, 2)


def scipy_warps(seed: int) -> None:
    """One resampling an image: affine coordinates, blurred noise added, bilinear."""
    generator = np.random.default_rng(seed)
    image = generator.random((28, 28), np.float32)
    middle = 13.5
    y, x = np.mgrid[:28, :28] - middle
    for _ in range(FEW // 2):
        matrix, shift = affine(generator)
        dx, dy = (34 * gaussian_filter(generator.uniform(-1, 1, (28, 28)), 4) for _ in range(2))
        across = matrix[0, 0] * (x + dx) + matrix[0, 1] * (y + dy) - shift[0] + middle
        down = matrix[1, 0] * (x + dx) + matrix[1, 1] * (y + dy) - shift[1] + middle
        map_coordinates(image, [down, across], order=1, mode="nearest")


def pillow_affine(seed: int) -> None:
    """Affine alone, which is all that Pillow has for a whole image."""
    generator = np.random.default_rng(seed)
    image = Image.fromarray(generator.integers(0, 256, (28, 28), np.uint8))
    for _ in range(FEW // 2):
        matrix, shift = affine(generator)
        left, top = 14 - matrix @ (14 + shift)
        words = (matrix[0, 0], matrix[0, 1], left, matrix[1, 0], matrix[1, 1], top)
        np.asarray(image.transform((28, 28), Image.Transform.AFFINE, words, Image.Resampling.BILINEAR))


def pillow_colours(seed: int) -> None:
    generator = np.random.default_rng(seed)
    image = Image.fromarray(generator.integers(0, 256, (32, 32, 3), np.uint8))
    for _ in range(FEW // 2):
        changed = image
        for kind in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
            changed = kind(changed).enhance(generator.uniform(0.8, 1.2))
        np.asarray(changed.filter(ImageFilter.GaussianBlur(generator.uniform(0, 1))))


def in_two(pool: Any, work: Callable[[int], None]) -> Callable[[], int]:
    def run() -> int:
        pool.map(work, range(2), chunksize=1)
        return FEW

    return run


def rates(contestants: dict[str, Callable[[], int]], rounds: int) -> dict[str, dict[str, Any]]:
    """Images a second of each, in turn."""
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, run in contestants.items():
            started = time.perf_counter()
            count = run()
            if number:  # the first warms up
                found[name].append(count / (time.perf_counter() - started))
        report(f"round {number}/{rounds}")
    return {name: {"median": statistics.median(values), "rounds": values} for name, values in found.items()}


def epoch_ratio(pairs: int) -> dict[str, Any]:
    """Seconds of a LeNet epoch on MNIST as shipped, without and with affine and elastic distortions."""
    root = f"data.mnist.root={data_folder() / 'mnist'}"
    recipes = [resolved(load("lenet", [root, *words])) for words in ([], EPOCH)]
    source = make_source(recipes[0].data, Path())
    trainers = [Trainer(recipe, source, Path()) for recipe in recipes]
    seconds: list[list[float]] = [[], []]
    with settled(recipes[0]):
        for pair in range(pairs + 1):
            for times, trainer in zip(seconds, trainers, strict=True):
                trainer.system.train()
                started = time.perf_counter()
                for _ in range(trainer.span.epoch):
                    trainer.step()
                if pair:
                    times.append(time.perf_counter() - started)
                trainer.t = 0
            report(f"epoch pair {pair}/{pairs}: {[round(times[-1], 2) for times in seconds if times]}")
    ratios = [changed / plain for plain, changed in zip(*seconds, strict=True)]
    return {"plain": seconds[0], "distorted": seconds[1], "ratio": statistics.median(ratios)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    torch.set_num_threads(2)
    about = machine(2)
    with get_context("spawn").Pool(2) as pool:
        warps = rates(
            {
                "dovetail, batch 64": ours(WARPS, (1, 28, 28), 64),
                "dovetail, batch 256": ours(WARPS, (1, 28, 28), 256),
                "dovetail, batch 256, affine alone": ours(AFFINE, (1, 28, 28), 256),
                "SciPy, an image at a time": in_two(pool, scipy_warps),
                "Pillow, affine alone": in_two(pool, pillow_affine),
            },
            options.rounds,
        )
        colours = rates(
            {
                "dovetail, batch 64": ours(COLOURS, (3, 32, 32), 64),
                "dovetail, batch 256": ours(COLOURS, (3, 32, 32), 256),
                "Pillow, an image at a time": in_two(pool, pillow_colours),
            },
            options.rounds,
        )
    results: dict[str, Any] = {"affine and elastic, 28x28": warps, "colour and blur, 32x32x3": colours}
    for title, found in results.items():
        print(table([title, "images/s"], [[name, f"{rate['median']:,.0f}"] for name, rate in found.items()]))
    results["epoch"] = epoch_ratio(options.pairs)
    print(f"epoch of LeNet with distortions: x {results['epoch']['ratio']:.2f}")
    if options.json:
        write_json(options.json, {"benchmark": "synthetic", "machine": about, "results": results})
    return 0


if __name__ == "__main__":
    sys.exit(main())

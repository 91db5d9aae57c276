"""VGG-A and GoogLeNet on photographs of CIFAR-10 brought to 64x64: that their losses fall from the first steps on.

python benchmarks/deep.py --json benchmarks/results/deep.json
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from accuracy import unpacked
from harness import machine, report, table, write_json
from torch import get_num_threads

import dovetail as dt

STEPS, TOLD = 300, 50  # how many steps of 32 images, and over how many the mean loss is told
COMMON = ["data.folder.path=CIFAR10", "data.folder.size=[64, 64]", "batch=32", "precision=auto", "evaluate=9 epochs"]
RECIPES = {"vgg-a": ["optimizer.rate=0.003", "optimizer.warmup=50 steps", "optimizer.clip=1"], "googlenet": []}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    results: dict[str, Any] = {}
    for name, words in RECIPES.items():
        losses: list[float] = []
        with tempfile.TemporaryDirectory() as folder:
            where = unpacked(COMMON, Path(folder))
            steps = f"epochs={STEPS * 32 / 20_000}"
            run = dt.train(
                name,
                *where,
                *words,
                steps,
                run=f"{folder}/run",
                on_step=lambda _, loss, losses=losses: losses.append(loss),
            )
        means = [statistics.mean(losses[at : at + TOLD]) for at in range(0, len(losses), TOLD)]
        results[name] = {"losses": means, "seconds": run.result["seconds"], "test": run.result["test"]}
        report(f"{name}: " + " ".join(f"{mean:.3f}" for mean in means))
    rows = [
        [name, f"{r['losses'][0]:.3f}", f"{r['losses'][-1]:.3f}", f"{r['seconds']:.0f}"] for name, r in results.items()
    ]
    print(table(["recipe", f"loss, first {TOLD} steps", f"last {TOLD}", "seconds"], rows))
    if options.json:
        write_json(options.json, {"benchmark": "deep", "machine": machine(get_num_threads()), "results": results})
    return 0


if __name__ == "__main__":
    sys.exit(main())

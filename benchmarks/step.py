"""Overhead of one training step over bare PyTorch, in microseconds.

A perceptron 784-256-128-10 (ReLU), batch 128, float32: forward, cross-entropy, backward, fused SGD, zero_grad. The bare
step has its batches ready; `gathering` gathers them from one tensor in a random order, as ours does, too. Contestants
run short blocks of steps in one process, in rotating order, each timed inside. Reported are the median and the
quartiles, over many blocks, of a step's time and of its difference to the bare step of the same round. A contestant's
function returns a callable that runs n steps and returns their seconds.

    python benchmarks/step.py --json benchmarks/results/step.json
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from harness import confine, machine, quartiles, report, resolve, table, write_json

REFERENCE = "bare"
CONTESTANTS = (REFERENCE, "contestants.bare:gathering", "ours:step_unguarded", "ours:step")


def measure(runs: dict[str, Callable[[int], float]], blocks: int, steps: int, warmup: int) -> dict[str, list[float]]:
    """Microseconds per step of each block."""
    names = list(runs)
    times: dict[str, list[float]] = {name: [] for name in names}
    for b in range(-warmup, blocks):
        for i in range(len(names)):
            name = names[(b + i) % len(names)]
            seconds = runs[name](steps)
            if b >= 0:
                times[name].append(1e6 * seconds / steps)
    return times


def main() -> int:
    parser = argparse.ArgumentParser(description="Overhead of one training step over bare PyTorch.")
    parser.add_argument("--contestants", nargs="+", default=CONTESTANTS, metavar="NAME", help="name or module:function")
    parser.add_argument("--blocks", type=int, default=1000, help="blocks of each contestant")
    parser.add_argument("--steps", type=int, default=10, help="steps in a block")
    parser.add_argument("--warmup", type=int, default=20, help="blocks that are not counted")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there")
    options = parser.parse_args()

    confine(options.threads)  # before torch is imported, by the first contestant
    about = machine(options.threads)
    runs: dict[str, Callable[[int], float]] = {}
    absent: dict[str, str] = {}
    for name in dict.fromkeys((REFERENCE, *options.contestants)):
        try:
            runs[name] = resolve(name)()
        except ImportError as error:
            absent[name] = str(error)
            report(f"{name} is absent: {error}")
    times = measure(runs, options.blocks, options.steps, options.warmup)

    rows, results = [], {}
    for name, each in times.items():
        over = [one - bare for one, bare in zip(each, times[REFERENCE], strict=True)]
        cells = [*quartiles(each), *quartiles(over)]
        keys = ("q1", "median", "q3")
        results[name] = {
            "microseconds": dict(zip(keys, cells[:3], strict=True)),
            f"over_{REFERENCE}": dict(zip(keys, cells[3:], strict=True)),
            "blocks": each,
        }
        rows.append([name, *(f"{value:.1f}" for value in cells)])

    print(f"{about['cpu']}, {about['cores']} cores, {options.threads} threads, torch {about['versions']['torch']}")
    head = ["us per step", "q1", "median", "q3", f"over {REFERENCE}: q1", "median", "q3"]
    print(table(head, rows))
    if options.json:
        settings = {key: value for key, value in vars(options).items() if key != "json"}
        result = {"benchmark": "step", "settings": settings, "machine": about, "absent": absent, "results": results}
        write_json(options.json, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())

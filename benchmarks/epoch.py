"""Time of one training epoch of LeNet on MNIST, side by side with peers.

All train Caffe's LeNet on the 60,000 training images: batch 64, SGD (0.01, momentum 0.9), cross-entropy, a new order
each epoch, input normalised, the same number of threads, float32; `ours:epoch_auto` alone has the precision that the
shipped recipe has, bfloat16 where the processor multiplies it natively. A call is one epoch and training goes on from
call to call; the first call (compilation, allocation) is not counted. Each contestant has its own process; in each
round `by_hand` and ours follow one another in rotating order, and in some rounds the other peers too. A ratio is
taken within a round; reported are its median and quartiles over the rounds. A contestant whose loss is not that of a
network that learns makes the benchmark fail.

    python benchmarks/epoch.py --json benchmarks/results/epoch.json
"""

import argparse
import math
import sys
from pathlib import Path
from typing import Any

from harness import interleave, machine, paired_ratios, quartiles, table, write_json

REFERENCE = "by_hand"
CONTESTANTS = (REFERENCE, "ours:epoch", "ours:epoch_auto", "dataloader", "lightning", "keras_jax", "skorch")
CHANCE = math.log(10)  # the loss of a network that knows nothing; the first epoch is to end far below


def main() -> int:
    parser = argparse.ArgumentParser(description="Time of one training epoch of LeNet on MNIST, beside peers.")
    parser.add_argument("--contestants", nargs="+", default=CONTESTANTS, metavar="NAME", help="name or module:function")
    parser.add_argument("--rounds", type=int, default=10, help="rounds of by_hand and of module:function contestants")
    parser.add_argument("--peer-rounds", type=int, default=3, help="how many of them the other peers run in too")
    parser.add_argument("--warmup", type=int, default=1, help="calls that are not counted")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there")
    options = parser.parse_args()

    names = list(dict.fromkeys(options.contestants))
    focus = [name for name in names if name == REFERENCE or ":" in name]
    peers = [name for name in names if name not in focus]
    rounds = options.rounds if focus else options.peer_rounds
    about = machine(options.threads)
    times, absent = interleave(focus, peers, rounds, options.peer_rounds, options.warmup, options.threads)

    rows: list[list[str]] = []
    results: dict[str, Any] = {}
    failed = []
    for name in names:
        if name in absent:
            rows.append([name, "absent", *[""] * 7])
            continue
        seconds = [one["seconds"] for one in times[name]]
        losses = [one["loss"] for one in times[name]]
        ratios = paired_ratios(times[name], times.get(REFERENCE, []))
        low, middle, high = quartiles(ratios)
        if not all(loss < CHANCE / 4 for loss in losses):  # also catches NaN
            failed.append(name)
        results[name] = {
            "seconds": {"median": quartiles(seconds)[1], "min": min(seconds), "max": max(seconds)},
            f"ratio_to_{REFERENCE}": {"median": middle, "q1": low, "q3": high, "paired": ratios} if ratios else None,
            "runs": times[name],
        }
        numbers = [f"{value:.3f}" for value in (quartiles(seconds)[1], min(seconds), max(seconds))]
        parts = [f"{value:.3f}" for value in (middle, low, high)] if ratios else ["-"] * 3
        rows.append([name, *numbers, *parts, str(len(seconds)), f"{losses[-1]:.4f}"])

    versions = ", ".join(f"{package} {version}" for package, version in about["versions"].items())
    print(f"{about['cpu']}, {about['cores']} cores, {options.threads} threads; {versions}")
    print(table(["contestant", "median s", "min", "max", "ratio", "q1", "q3", "runs", "last loss"], rows))
    for name, why in absent.items():
        print(f"{name} is absent: {why}")
    for name in failed:
        print(f"{name} does not learn: its losses are {[one['loss'] for one in times[name]]}", file=sys.stderr)
    if options.json:
        settings = {key: value for key, value in vars(options).items() if key != "json"}
        result = {"benchmark": "epoch", "settings": settings, "machine": about, "absent": absent, "results": results}
        write_json(options.json, result)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

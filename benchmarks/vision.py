"""Training steps of LeNet, VGG-A, GoogLeNet and AlexNet, beside PyTorch as usual, PyTorch tuned by hand, and peers.

The same network, batch and optimizer for all: `ours` is dovetail as shipped (bfloat16 where the processor multiplies
it natively, channels_last, fused update, every gradient checked), `plain` the usual PyTorch loop in float32, `tuned`
what an expert makes of it (channels_last, bfloat16, fused update), `lightning` and Keras with their defaults. A
process each, in turn; ratios are taken within a round.

    python benchmarks/vision.py --json benchmarks/results/vision.json
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from contestants.vision import NETWORKS
from harness import interleave, machine, paired_ratios, quartiles, table, write_json

FOCUS, PEERS = ("ours", "plain", "tuned"), ("lightning", "keras torch", "keras jax")


def contestant(who: str, name: str) -> str:
    kind, _, backend = who.partition(" ")
    return f"contestants.vision_keras:{backend}_{name}" if backend else f"contestants.vision:{kind}_{name}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--peer-rounds", type=int, default=4)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    about, results, rows = machine(options.threads), {}, []
    for name in options.networks:
        names = {contestant(who, name): who for who in (*FOCUS, *PEERS)}
        focus, peers = [contestant(who, name) for who in FOCUS], [contestant(who, name) for who in PEERS]
        times, absent = interleave(focus, peers, options.rounds, options.peer_rounds, options.warmup, options.threads)
        reference = times[focus[0]]
        _, batch, _, steps = NETWORKS[name]
        results[name] = {"batch": batch, "absent": {names[key]: why for key, why in absent.items()}}
        for key, runs in times.items():
            low, middle, high = quartiles(paired_ratios(runs, reference))
            each = quartiles([one["seconds"] / steps for one in runs])[1]
            found: dict[str, Any] = {"ms_a_step": 1e3 * each, "against_ours": {"median": middle, "q1": low, "q3": high}}
            results[name][names[key]] = {**found, "losses": [one["loss"] / steps for one in runs]}
            numbers = [f"{1e3 * each:.2f}", f"{batch / each:,.0f}", f"{middle:.2f}", f"{low:.2f}", f"{high:.2f}"]
            rows.append([f"{name}: {names[key]}", *numbers])
    print(table(["contestant", "ms a step", "images/s", "x ours", "q1", "q3"], rows))
    if options.json:
        write_json(options.json, {"benchmark": "vision", "machine": about, "results": results})
    return 0


if __name__ == "__main__":
    sys.exit(main())

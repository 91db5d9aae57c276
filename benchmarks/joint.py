"""Segmenter, recognizer and speller trained as one, against a recognizer of characters that is put in afterwards.

Lines of MNIST's digits made hard: neighbours overlap by up to six pixels, and of three digits in ten a stroke is cut.
Both systems are `reader-segments`, see the same lines for as many epochs and decide alike, over all ways to cut a line;
`joint: false` learns what each piece is by itself, told where the digits are, and which pieces are none.

    python benchmarks/joint.py --json benchmarks/results/joint.json
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from contestants.common import data_folder
from harness import machine, report, table, write_json
from torch import get_num_threads

import dovetail as dt

HARD = ["gap=[-6, 2]", "broken=0.3", "slant=0.25", "size=6000", "test=2000"]
RULE = ["rule=adamw", "rate.cosine=2e-3"]  # the same for both, by which they were measured
FORMS = {"joint": "true", "separate": "false"}


def measure(form: str, seed: int, epochs: int) -> dict[str, Any]:
    words = [f"data.digit_strings.{word}" for word in [*HARD, f"root={data_folder() / 'mnist'}"]]
    words += [f"optimizer.{word}" for word in RULE]
    words += [f"objective.automaton.joint={FORMS[form]}", f"seed={seed}", f"epochs={epochs}"]
    with tempfile.TemporaryDirectory() as folder:
        run = dt.train("reader-segments", *words, run=f"{folder}/run")
    return {"seconds": run.result["seconds"], **run.result["test"]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    runs: dict[str, list[dict[str, Any]]] = {form: [] for form in FORMS}
    for seed in range(options.seeds):
        for form, done in runs.items():
            done.append(measure(form, seed, options.epochs))
            figures = {name: round(value, 4) for name, value in done[-1].items()}
            report(f"{form}, seed {seed}: {figures}")
    cells = []
    results: dict[str, Any] = {"lines": HARD, "epochs": options.epochs, "runs": runs}
    for figure in ("character_error", "error"):
        for form, done in runs.items():
            values = [one[figure] for one in done]
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            results[f"{form} {figure}"] = {"mean": statistics.mean(values), "deviation": spread}
            cells.append([form, figure, f"{100 * statistics.mean(values):.2f}", f"{100 * spread:.2f}"])
    results["lower_by"] = 1 - results["joint character_error"]["mean"] / results["separate character_error"]["mean"]
    print(table(["training", "figure", "%", "deviation"], cells))
    print(f"joint training lowers the character error by {100 * results['lower_by']:.0f} %")
    if options.json:
        write_json(options.json, {"benchmark": "joint", "machine": machine(get_num_threads()), "results": results})
    return 0


if __name__ == "__main__":
    sys.exit(main())

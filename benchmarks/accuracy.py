"""Test errors of the shipped recipes: last epoch, several seeds, nothing chosen on the test set.

Each row is a command a user can type; its figure is the mean over the seeds, with the deviation between them. Rows that
are named are measured anew and put among the others in the file. CIFAR10 stands for the folder that the 20,000 training
and 5,000 test photographs (a JPEG copy of a part of CIFAR-10) are unpacked to.

    python benchmarks/accuracy.py --json benchmarks/results/accuracy.json
"""

import argparse
import json
import statistics
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from contestants.common import data_folder
from harness import machine, report, table, write_json
from torch import get_num_threads

import dovetail as dt

MNIST = "data.mnist.root=MNIST"  # stands for the folder of MNIST's four files
CONLL = ["data.columns.path=CONLL/train.txt.gz", "data.columns.test=CONLL/test.txt.gz"]
WORDS = ["data.words.path=WORDS/train_struct.txt.gz", "data.words.test=WORDS/test_struct.txt.gz"]
STRINGS = "data.digit_strings.root=MNIST"
RATIOS = ("r2",)  # figures that are no shares
ROWS = {  # name: (words after `dovetail train`, the figure, seeds)
    "lenet, built-in digits": (["lenet"], "error", 5),
    "lenet, MNIST": (["lenet", MNIST, "epochs=10"], "error", 3),
    "mlp, MNIST": (["mlp", MNIST], "error", 3),
    "softmax-regression, MNIST": (["softmax-regression", MNIST], "error", 3),
    "perceptron, MNIST": (["perceptron", MNIST], "error", 3),
    "logistic, cancer": (["logistic"], "error", 3),
    "linear-regression, diabetes": (["linear-regression"], "r2", 3),
    "lenet5, MNIST": (["lenet5", MNIST, "data.mnist.normalize=[-0.1, 1.175]", "epochs=20"], "error", 5),
    "lenet-60k, MNIST": (["lenet-60k", MNIST], "error", 5),
    "lenet-wide, MNIST": (["lenet-wide", MNIST], "error", 5),
    "cifar10, 20,000 of CIFAR-10": (["cifar10", "data.folder.path=CIFAR10"], "error", 1),
    "chunking, CoNLL-2000": (["chunking", *CONLL], "f1", 3),
    "tagger, CoNLL-2000": (["tagger", *CONLL], "f1", 3),
    "letters, each alone": (["letters", *WORDS], "error", 3),
    "letters, pairs": (["letters", *WORDS, "objective=crf"], "error", 3),
    "letters, triples": (["letters", *WORDS, "objective.crf.order=2"], "error", 3),
    "letters, words": (["letters", *WORDS, "objective.crf.order=2", "objective.crf.lexicon=true"], "error", 3),
    "dropout, MNIST": (["dropout", "data.mnist.root=MNIST", "data.mnist.normalize=[0,1]"], "error", 3),
    "reader-sweep, MNIST": (["reader-sweep", STRINGS], "error", 1),
    "reader-segments, MNIST": (["reader-segments", STRINGS], "error", 1),
    "amounts, MNIST": (["amounts", "data.amounts.root=MNIST"], "correct", 1),
}
VOTES = {"lenet-60k, MNIST", "lenet-wide, MNIST"}  # whose runs also answer as one


def unpacked(words: list[str], folder: Path) -> list[str]:
    """The words with the places of data in them."""
    if any("CIFAR10" in word for word in words):
        with zipfile.ZipFile(data_folder() / "cifar10" / "cifar10-jpeg-20k-5k.zip") as archive:
            archive.extractall(folder)
    places = {"MNIST": data_folder() / "mnist", "CIFAR10": folder / "cifar10"}
    places |= {"CONLL": data_folder() / "conll2000", "WORDS": data_folder() / "ocr-letters"}
    for name, place in places.items():
        words = [word.replace(f"={name}", f"={place}") for word in words]
    return words


def measure(name: str) -> dict[str, Any]:
    words, figure, seeds = ROWS[name]
    results, vote = [], {}
    with tempfile.TemporaryDirectory() as folder:
        words = unpacked(words, Path(folder))
        for seed in range(seeds):
            run = dt.train(*words, f"seed={seed}", run=f"{folder}/run{seed}")
            results.append({"seed": seed, "seconds": run.result["seconds"], **run.result["test"]})
            report(f"{name}, seed {seed}: {figure} {results[-1][figure]:.4f}, {run.result['seconds']:.1f} s")
        if name in VOTES:
            figures = dt.Vote([f"{folder}/run{seed}" for seed in range(seeds)]).test()
            vote = {"vote": figures[figure]}
            report(f"{name}, vote of {seeds}: {figure} {figures[figure]:.4f}")
    values = [result[figure] for result in results]
    spread = statistics.stdev(values) if seeds > 1 else 0.0
    seconds = statistics.median(result["seconds"] for result in results)
    command = " ".join(["dovetail train", *ROWS[name][0]])
    mean = statistics.mean(values)
    return {
        "command": command,
        "figure": figure,
        "mean": mean,
        "deviation": spread,
        "seconds": seconds,
        **vote,
        "runs": results,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Test errors of the shipped recipes.")
    parser.add_argument("names", nargs="*", help=f"rows, all unless named: {'; '.join(ROWS)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there")
    options = parser.parse_args()
    about = machine(get_num_threads())
    results = {name: measure(name) for name in options.names or ROWS}
    rows = []
    for name, result in results.items():
        percent = 1 if result["figure"] in RATIOS else 100
        cells = [result["figure"], f"{percent * result['mean']:.3f}", f"{percent * result['deviation']:.3f}"]
        rows.append([name, *cells, str(len(result["runs"])), f"{result['seconds']:.1f}"])
    print(table(["recipe", "figure", "mean", "deviation", "seeds", "seconds"], rows))
    if options.json:
        before = json.loads(options.json.read_text())["results"] if options.names and options.json.exists() else {}
        write_json(options.json, {"benchmark": "accuracy", "machine": about, "results": {**before, **results}})
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The first thing a newcomer runs: LeNet on real handwriting, and what to do next."""

from __future__ import annotations

import json
import shutil
import sys

import torch
from PIL import Image

from .begin import train
from .progress import Progress, closing
from .run import Run
from .show import show


def demonstrate(as_json: bool = False) -> Run:
    """Train, test, predict ten digits, and print the commands that go on from here."""
    if not as_json:
        print("LeNet on scikit-learn's 1,797 scanned digits\n")
        print(show("lenet"), "\n", flush=True)
    with Progress(quiet=as_json) as progress:
        run = train("lenet", show=progress)
    images, labels, _ = run.source.part("test").fetch(torch.arange(10))
    answers = run.answer(images)
    example = run.path / "example.png"
    Image.fromarray(images[0, 0].numpy()).save(example)
    if as_json:
        print(json.dumps({"run": str(run.path), **run.result, "example": str(example)}))
        return run
    print(f"\n{closing(run.result['test'])}, {run.result['seconds']:.1f} s\n")
    print("label      ", "  ".join(run.facts.target.names[label] for label in labels.tolist()))
    print("prediction ", "  ".join(answer["class"] for answer in answers))
    print("probability", f"{min(answer['probability'] for answer in answers):.3f} or more\n")
    print("Go on from here:")
    for command, purpose in (
        (f"predict {run.path} {example}", "read an image file"),
        (f"resume {run.path} epochs={2 * run.recipe.epochs}", "train longer, or go on after a stop"),
        ("show lenet", "see the layers"),
        ("new my", "write a recipe of your own"),
    ):
        print(f"  {_called()} {command:<58} # {purpose}")
    return run


def _called() -> str:
    """How the user calls the command: by name where a shell finds it, else as just now."""
    if shutil.which("dovetail"):
        return "dovetail"
    return "python -m dovetail" if sys.argv[0].endswith("__main__.py") else sys.argv[0]

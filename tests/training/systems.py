"""A small system with all that has a memory or draws: batch normalization, dropout, moments, averaged weights,
synthetic images, relevance, a best model, micro-batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dovetail as dt
from dovetail.recipe.recipe import Recipe, recipe_of

NETWORK = [
    dt.conv(4, 3, stride=2),
    dt.batchnorm(),
    dt.relu(),
    dt.flatten(),
    dt.dropout(0.8),
    dt.linear(16),
    dt.relu(),
    dt.linear("outputs"),
]

SMALL: dict[str, Any] = {
    "network": NETWORK,
    "objective": dt.softmax(),
    "data": dt.digits(test=0.2, validation=0.1),
    "synthetic": [dt.synthetic.shift(1), dt.synthetic.elastic([0, 20]), dt.synthetic.noise(0.05)],
    "relevance": {"share": 0.3},
    "optimizer": {"rule": dt.adam(), "rate": dt.cosine(0.01), "warmup": "1 epoch", "average": dt.ema(0.9)},
    "epochs": 3,
    "batch": 100,
    "accumulate": 2,
    "recalibrate": 500,
    "evaluate": "5 steps",
    "checkpoint": "4 steps",
    "seed": 7,
    "threads": 1,
}


def small(**changed: Any) -> Recipe:
    """The recipe with some settings changed."""
    return recipe_of({**SMALL, **changed})


def write_small(path: Path, **changed: Any) -> Path:
    """The same as a file."""
    path.write_text(small(**changed).write())
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """What must not depend on interruptions: the models and the metrics, byte for byte."""
    return {name: (folder / name).read_bytes() for name in ("model.safetensors", "best.safetensors", "metrics.jsonl")}

"""dovetail trains whole systems, not only networks.

Describe a system as lists of specs (`dt.conv(20, 5)`) or in a YAML recipe; `dt.train` trains it, `dt.load` opens a run,
`dt.build` gives an ordinary `torch.nn.Module`. Everything is imported where it is first used.
"""

from __future__ import annotations

import gc
import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_NAMES = {
    "Classifier": "estimators",
    "DovetailError": "recipe.errors",
    "Objective": "objectives",
    "Recipe": "recipe.recipe",
    "Regressor": "estimators",
    "Run": "training",
    "Source": "data.source",
    "Spec": "recipe.spec",
    "Vote": "training",
    "average": "recipe",
    "build": "recipe.build",
    "compare": "tuning",
    "find_rate": "tuning",
    "init": "recipe",
    "layer": "recipe",
    "objective": "recipe",
    "parse": "recipe.recipe",
    "resume": "training",
    "rule": "recipe",
    "schedule": "recipe",
    "show": "training",
    "show_data": "training",
    "show_rates": "training",
    "source": "recipe",
    "time": "timing",
    "time_batches": "timing",
    "train": "training",
    "transform": "recipe",
    "tune": "tuning.tune",
}
_ROOMS = ("layers", "objectives", "optim", "data")  # whose registered parts are public names: dt.conv, dt.softmax

if TYPE_CHECKING:
    from . import synthetic as synthetic
    from .data import *
    from .data.source import Source
    from .estimators import Classifier, Regressor
    from .layers import *
    from .objectives import *
    from .optim import *
    from .recipe import average, init, layer, objective, rule, schedule, source, transform
    from .recipe.build import build
    from .recipe.errors import DovetailError
    from .recipe.recipe import Recipe, parse
    from .recipe.spec import Spec
    from .timing import time as time
    from .timing import time_batches
    from .training import Run, Vote, resume, show_data, show_rates, train
    from .training.show import show as show
    from .tuning.compare import compare as compare
    from .tuning.rate import find_rate
    from .tuning.tune import tune as tune


def load(run: str) -> Run:
    """Open a run folder by path, or by its name under `runs/`; raises `RunError` where there is none."""
    from .training import Run

    return Run(run)


def _import(module: str) -> Any:
    """Import a module of ours without a collection of garbage: what an import makes stays, and beside torch's a million
    objects a look at all of them takes longer than the import."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        return importlib.import_module(f"{__name__}.{module}")
    finally:
        if collecting:
            gc.enable()


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        globals()[name] = getattr(_import(_NAMES[name]), name)
        return globals()[name]
    if name == "synthetic":  # its parts stay under it: some have names that others have, too
        return _import(name)
    if not name.startswith("_"):
        for room in _ROOMS:
            module = _import(room)
            if name in module.__all__:
                globals()[name] = getattr(module, name)
                return globals()[name]
    raise AttributeError(f"module 'dovetail' has no attribute '{name}'")


def __dir__() -> list[str]:
    parts = [name for room in _ROOMS for name in _import(room).__all__]
    return sorted({*_NAMES, "load", "synthetic", *parts})

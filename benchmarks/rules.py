"""The step of every rule against PyTorch's fastest form of it, on the shapes of GoogLeNet's and an LSTM's parameters.

Forms take turns of ten steps, a whole window of local AdaGrad, in one process; medians over turns of a step's time.
PyTorch has a loop, foreach and fused forms of some rules.

    python benchmarks/rules.py --json benchmarks/results/rules.json
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from harness import machine, report, table, write_json
from torch import Tensor, nn, optim

import dovetail as dt
from dovetail.recipe.recipe import load
from dovetail.training.run import make_source
from dovetail.training.system import System

TURN = 10  # steps
Make = Callable[[list[Tensor]], optim.Optimizer]
TORCH: dict[str, tuple[dt.Spec, Callable[..., optim.Optimizer], dict[str, Any]]] = {
    "sgd": (dt.sgd(), optim.SGD, {}),
    "sgd, momentum": (dt.sgd(0.9), optim.SGD, {"momentum": 0.9}),
    "sgd, nesterov": (dt.sgd(0.9, nesterov=True), optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "adam": (dt.adam(), optim.Adam, {}),
    "adamw": (dt.adamw(), optim.AdamW, {}),
    "nadam": (dt.nadam(), optim.NAdam, {}),
    "rmsprop": (dt.rmsprop(), optim.RMSprop, {}),
    "adagrad": (dt.adagrad(), optim.Adagrad, {}),
}
OWN = {
    "momentum": dt.momentum(),
    "nesterov": dt.nesterov(),
    "adadec": dt.adadec(),
    "local_adagrad": dt.local_adagrad(TURN),
    "local_adagrad, two sums": dt.local_adagrad(100, exact=False),
    "lamb": dt.lamb(),
    "muon": dt.muon(),
}


def shapes() -> dict[str, list[torch.Size]]:
    recipe = load("googlenet", [])
    system = System(recipe, make_source(recipe.data, Path.cwd()).facts, device="meta")
    lstm = nn.LSTM(512, 512, num_layers=2, device="meta")
    return {
        "GoogLeNet": [parameter.shape for parameter in system.parameters()],
        "LSTM 512, two layers": [parameter.shape for parameter in lstm.parameters()],
    }


def contestants() -> dict[str, Make]:
    """Ours by name, and PyTorch's as `name/form`."""
    found: dict[str, Make] = {}
    for name, (spec, kind, options) in TORCH.items():
        found[name] = lambda params, spec=spec: spec.make([{"params": params}])
        for form in ("loop", "foreach", "fused"):
            chosen = {} if form == "loop" else {form: True}
            if form == "loop":
                chosen = {"foreach": False}
            found[f"{name}/{form}"] = lambda params, kind=kind, options=options, chosen=chosen: kind(
                params, lr=1e-4, **options, **chosen
            )
    for name, spec in OWN.items():
        found[name] = lambda params, spec=spec: spec.make([{"params": params}])
    found["muon/loop"] = lambda params: optim.Muon(
        [p for p in params if p.dim() == 2], lr=1e-4, adjust_lr_fn="match_rms_adamw"
    )
    return found


def measure(sizes: list[torch.Size], rounds: int) -> dict[str, float]:
    """The median milliseconds of a step of each contestant, all taking turns."""
    steps, times = {}, {}
    for name, make in contestants().items():
        flat = name.startswith("muon")  # PyTorch's takes matrices alone
        params = [torch.randn(size if not flat or len(size) < 2 else (size[0], size[1:].numel())) for size in sizes]
        for parameter in params:
            parameter.requires_grad_()
            parameter.grad = 1e-3 * torch.randn_like(parameter)
        try:
            optimizer = make(params)
            for group in optimizer.param_groups:
                group["lr"] = 1e-4
            for _ in range(TURN):
                optimizer.step()
        except (TypeError, RuntimeError):  # PyTorch has no such form
            continue
        steps[name], times[name] = optimizer.step, []
    for turn in range(rounds):
        for name, step in steps.items():
            step()  # what was in the cache was another's
            begun = time.perf_counter()
            for _ in range(TURN):
                step()
            times[name].append((time.perf_counter() - begun) / TURN)
        report(f"round {turn + 1} of {rounds}")
    return {name: 1e3 * statistics.median(values) for name, values in times.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    results = {}
    for model, sizes in shapes().items():
        found = measure(sizes, options.rounds)
        results[model] = found
        rows = []
        for name in [*TORCH, *OWN]:
            theirs = {key.partition("/")[2]: value for key, value in found.items() if key.startswith(f"{name}/")}
            form = min(theirs, key=lambda key: theirs[key]) if theirs else ""
            ratio = f"{found[name] / theirs[form]:.2f}" if form else ""
            against = f"{found[name] / found['adagrad']:.2f}"
            rows.append([name, f"{found[name]:.2f}", f"{theirs[form]:.2f} ({form})" if form else "", ratio, against])
        print(table([model, "ms", "PyTorch's fastest", "ratio", "of adagrad"], rows), end="\n\n")
    if options.json:
        about = machine(torch.get_num_threads())
        write_json(options.json, {"benchmark": "rules", "machine": about, "results": results})
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Runs compared byte for byte: one killed and resumed with an unbroken one, and two with each other."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ..recipe.errors import RunError
from ..recipe.recipe import Recipe
from ..training.journal import BEST, METRICS, MODEL
from .verdict import Verdict

KILLS, MOST_ATTEMPTS = 3, 8


def prove_repeat(recipe: Recipe, folder: Path, use: list[str]) -> Verdict:
    """Train twice in processes of their own. Holds where both leave the same bytes."""
    (folder / "recipe.yaml").write_text(recipe.write())
    for name in ("first", "second"):
        _finish(_start(folder, ["train", "recipe.yaml", f"run={name}"], use))
    return _compare("repeat", folder, "first", ["second"], "two runs")


def prove_resume(recipe: Recipe, folder: Path, use: list[str]) -> Verdict:
    """Kill a training process at random instants, resume it each time, and compare it with one that was left alone.

    Holds where the weights and the metrics are the same bytes.
    """
    (folder / "recipe.yaml").write_text(recipe.write())
    seconds = _finish(_start(folder, ["train", "recipe.yaml", "run=unbroken"], use))["seconds"]
    chance, names, kills = random.Random(), list[str](), 0
    while kills < KILLS and len(names) < MOST_ATTEMPTS:
        names.append(f"killed-{len(names)}")
        instant = chance.uniform(0, seconds)
        if _killed(folder, names[-1], instant, use):
            kills += 1
        else:
            seconds = instant  # this run was faster than the unbroken one: the next is to be killed earlier
    how = f"{kills} runs killed at random instants and resumed"
    if not kills:
        return Verdict(
            "resume", False, how, ["each run came to its end before it could be killed: give it more epochs"]
        )
    return _compare("resume", folder, "unbroken", names, how)


def _killed(folder: Path, name: str, seconds: float, use: list[str]) -> bool:
    """Begin a run, kill it so many seconds after its first checkpoint, and resume it; False where it was at its end."""
    process = _start(folder, ["train", "recipe.yaml", f"run={name}"], use)
    run = folder / "runs" / name
    while not list(run.glob("checkpoints/step-*.safetensors")) and process.poll() is None:
        time.sleep(0.002)
    time.sleep(seconds)
    process.kill()
    process.communicate()
    if (run / MODEL).exists():
        return False
    _finish(_start(folder, ["resume", name], use))
    return True


def _start(folder: Path, words: list[str], use: list[str]) -> subprocess.Popen[str]:
    parts = [word for module in use for word in ("--use", module)]
    # the folder the user is in stays on the path of modules; the runs go to the proof's own
    there = f"import os, sys; sys.path.insert(0, os.getcwd()); os.chdir({str(folder)!r})"
    script = f"{there}; from dovetail.cli import main; main()"
    command = [sys.executable, "-c", script, *words, *parts, "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    printed, said = process.communicate()
    if process.returncode:
        raise RunError(f"the run that the proof began ended with {process.returncode}: {said.strip()[-2000:]}")
    result: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return result


def _compare(proof: str, folder: Path, one: str, others: list[str], how: str) -> Verdict:
    different = []
    for other in others:
        for name in (MODEL, BEST, METRICS):
            paths = [folder / "runs" / run / name for run in (one, other)]
            if paths[0].exists() != paths[1].exists() or (
                paths[0].exists() and paths[0].read_bytes() != paths[1].read_bytes()
            ):
                different.append(f"{name} of {other} differs from that of {one}")
    size = (folder / "runs" / one / MODEL).stat().st_size
    steps = (folder / "runs" / one / METRICS).read_text().count("\n")
    finding = f"{how}: {size:,} bytes of weights and {steps} lines of metrics compared"
    return Verdict(proof, not different, finding, different)

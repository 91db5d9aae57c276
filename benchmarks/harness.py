"""Runs contestants side by side: a process for each, rounds that take turns, medians and paired ratios, JSON.

A contestant is named `module:function`; a name without a colon means `contestants.<name>:prepare`. The function loads
and builds everything and returns what is timed. Every contestant lives in a process of its own, started once, so that
thread pools do not disturb each other; all but one wait at their pipe. The protocol, one line each way: the process
writes {"ready": true} when it is prepared, reads "go", and answers {"seconds", "cpu_seconds", "loss"}.

Each process may use the same few processors: it is pinned to them where the system can do that, because not every
library has a setting for its threads.
"""

import importlib
import importlib.metadata
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

PACKAGES = ("dovetail", "torch", "numpy", "lightning", "keras", "jax", "jaxlib", "skorch")


def resolve(name: str) -> Callable[[], Callable[..., float]]:
    """The function that prepares a contestant. An ImportError means that the contestant is absent."""
    module, _, function = name.partition(":")
    if not function:
        module, function = f"contestants.{name}", "prepare"
    return getattr(importlib.import_module(module), function)


def confine(threads: int) -> None:
    """Keep this process, and every library imported after this, to `threads` threads and as many processors."""
    os.environ.update({key: str(threads) for key in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")})
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def serve(name: str, threads: int) -> None:
    """The child's side of the protocol. What a contestant prints goes to stderr, so that answers stay readable."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    confine(threads)
    try:
        try:
            run = resolve(name)()
        except ImportError as error:
            print(json.dumps({"absent": str(error)}), file=answers)
            return
        print(json.dumps({"ready": True}), file=answers)
        for _ in sys.stdin:
            cpu, start = time.process_time(), time.perf_counter()
            loss = run()
            seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
            print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "loss": loss}), file=answers)
    except Exception:
        print(json.dumps({"error": traceback.format_exc()}), file=answers)


class Worker:
    """The parent's side: one contestant in its own process."""

    def __init__(self, name: str, threads: int) -> None:
        self.name = name
        self.log: TextIO = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed in close()
        self.process = subprocess.Popen(
            [sys.executable, __file__, name, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            bufsize=1,
        )
        answer = self._answer()
        self.absent: str | None = answer.get("absent")

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"error": f"ended with {self.process.wait()}"}
        if "error" in answer:
            self.log.seek(0)
            raise RuntimeError(f"{self.name}: {answer['error']}\n{self.log.read()[-4000:]}")
        return answer

    def run(self) -> dict[str, float]:
        """One timed call: seconds, processor seconds of all threads, and the loss."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        return self._answer()

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()
        self.log.close()


def turns(r: int, rounds: int, focus: Sequence[str], peers: Sequence[str], peer_rounds: int) -> list[str]:
    """Who runs in round r: the focus, neighbours in time and in rotating order; in `peer_rounds` rounds, spread
    evenly, also the peers."""
    due = peers if r * peer_rounds // rounds != (r + 1) * peer_rounds // rounds else ()
    return [group[(r + i) % len(group)] for group in (focus, due) for i in range(len(group))]


def interleave(
    focus: Sequence[str], peers: Sequence[str], rounds: int, peer_rounds: int, warmup: int, threads: int
) -> tuple[dict[str, list[dict[str, float]]], dict[str, str]]:
    """Times of each contestant, each with its round, and why others are absent. Warm-up calls are not counted."""
    workers: dict[str, Worker] = {}
    absent: dict[str, str] = {}
    times: dict[str, list[dict[str, float]]] = {}
    try:
        for name in (*focus, *peers):
            workers[name] = Worker(name, threads)
            if (why := workers[name].absent) is not None:
                absent[name] = why
            else:
                times[name] = []
                for _ in range(warmup):
                    report(f"{name}: warm-up {workers[name].run()['seconds']:.2f} s")
        here = [[name for name in group if name in times] for group in (focus, peers)]
        for r in range(rounds):
            for name in turns(r, rounds, here[0], here[1], min(peer_rounds, rounds)):
                times[name].append({"round": r, **workers[name].run()})
                report(f"round {r + 1}/{rounds}: {name} {times[name][-1]['seconds']:.2f} s")
    finally:
        for worker in workers.values():
            worker.close()
    return times, absent


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """First quartile, median, third quartile; NaN if there is nothing."""
    if len(values) < 2:
        return (values[0],) * 3 if values else (math.nan,) * 3
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def paired_ratios(times: Iterable[Mapping[str, float]], reference: Iterable[Mapping[str, float]]) -> list[float]:
    """Ratio to the reference of the same round, for the rounds that both ran."""
    beside = {one["round"]: one["seconds"] for one in reference}
    return [one["seconds"] / beside[one["round"]] for one in times if one["round"] in beside]


def machine(threads: int) -> dict[str, Any]:
    """Processor, system, load and versions: what a reader needs to judge the numbers."""
    command = ["lscpu"] if sys.platform == "linux" else ["sysctl", "machdep.cpu.brand_string"]
    try:
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        lines = []
    model = [line.partition(":")[2].strip() for line in lines if line.startswith(("Model name", "machdep"))]
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "absent"
    return {
        "cpu": model[0] if model else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": threads,
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": versions,
    }


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Aligned columns, the first to the left, the others to the right."""
    lines = [head, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))])
        for line in lines
    )


def report(line: str) -> None:
    """Progress, on stderr."""
    print(line, file=sys.stderr, flush=True)


def write_json(path: Path, result: Mapping[str, Any]) -> None:
    """The whole result; the folder is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))

"""A disk that fails, or a process that dies, at every call that a run makes to the disk: is anything ever lost?

A small run (39 steps, a checkpoint every 4, micro-batches, batch normalization, dropout, a best model) meets one fault:
at its n-th call that changes the disk, for every n and every kind of fault. Errors are a full disk, a full disk after
half a write, permission lost and an input/output error; deaths are sudden (`os._exit`) before, within and after the
call. Then it is resumed (or begun again, where it died before its folder was a run). Lost is a run whose weights, best
weights or metrics are then not byte for byte those of the unbroken run, or that cannot be resumed.

    python benchmarks/faults.py --json benchmarks/results/faults.json
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import torch
from harness import machine, report, table, write_json
from training.faults import DEATHS, ERRORS, failing, in_a_child
from training.systems import contents, small

import dovetail as dt


def begin(number: int, fault: str) -> None:
    """Train, with a fault; a disk's error is the run's."""
    with failing(number, fault):
        dt.train(small(), run="run")


def go_on() -> None:
    if Path("runs/run/recipe.yaml").exists():
        if not Path("runs/run/model.safetensors").exists():
            dt.resume("run")
    else:
        dt.train(small(), run="run")


def main() -> int:
    parser = argparse.ArgumentParser(description="Faults at every call to the disk.")
    parser.add_argument("--every", type=int, default=1, help="try every n-th call alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there")
    options = parser.parse_args()
    torch.set_num_threads(1)  # processes are forked
    home = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        with failing(10**9, "full") as counter:
            whole = contents(dt.train(small(), run="whole").path)
        report(f"a run makes {counter.count} calls that change the disk")
        injected: Counter[str] = Counter()
        lost: list[dict[str, object]] = []
        began = time.monotonic()
        for number in range(1, counter.count + 1, options.every):
            for fault in (*ERRORS, *DEATHS):
                work = Path(f"{fault}-{number}".replace(" ", "-"))
                work.mkdir()
                os.chdir(work)
                ended = in_a_child(lambda n=number, f=fault: begin(n, f))  # type: ignore[misc]
                resumed = in_a_child(go_on)
                same = resumed == 0 and contents(Path("runs/run")) == whole
                os.chdir("..")
                injected[fault] += 1
                if not same:
                    lost.append({"fault": fault, "call": number, "ended": ended, "resumed": resumed})
                    report(f"LOST: {lost[-1]}")
            report(f"call {number} of {counter.count}, {time.monotonic() - began:.0f} s, {len(lost)} lost")
        os.chdir(home)
    print(table(["fault", "injected"], [[name, str(count)] for name, count in injected.items()]))
    print(f"{injected.total()} faults, {len(lost)} losses")
    if options.json:
        about = machine(1)
        result = {"calls": counter.count, "injected": injected, "faults": injected.total(), "losses": len(lost)}
        write_json(options.json, {"benchmark": "faults", "machine": about, **result, "lost": lost})
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())

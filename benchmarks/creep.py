"""Do memory, open files or the time of a step creep upwards? 20,000 steps, looked at every thousand.

A small network with dropout, batch normalization and a validation part, whose run writes metrics and a checkpoint every
500 steps. Flat means: from the first thousand steps to the last, resident memory grows by less than two MiB and the
number of open files does not change; the median step of the last five thousand takes at most a tenth longer than that
of the second to sixth thousand.

    python benchmarks/creep.py --json benchmarks/results/creep.json
"""

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

from harness import machine, report, table, write_json

import dovetail as dt

EVERY, MOST_MIB, MOST_SLOWER = 1000, 2.0, 1.1


def resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


class Look:
    """Called after every step: notes its time, and every thousand steps what else there is to see."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.rows: list[dict[str, float]] = []
        self.last = time.perf_counter()

    def __call__(self, step: int, loss: float) -> None:
        now = time.perf_counter()
        self.times.append(now - self.last)
        if step % EVERY == EVERY - 1:
            files = len(os.listdir("/proc/self/fd"))
            micros = 1e6 * statistics.median(self.times)
            self.rows.append({"step": step + 1, "mib": resident_mib(), "files": files, "microseconds": micros})
            report(f"step {step + 1}: {resident_mib():.1f} MiB, {files} files, {micros:.0f} us a step")
            self.times.clear()
        self.last = time.perf_counter()


def main() -> int:
    parser = argparse.ArgumentParser(description="Does anything creep?")
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there")
    options = parser.parse_args()
    about = machine(2)
    look = Look()
    network = [dt.flatten(), dt.linear(64), dt.batchnorm(), dt.relu(), dt.dropout(0.9), dt.linear("outputs")]
    home = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        dt.train(
            network=network,
            objective=dt.softmax(),
            data=dt.digits(validation=0.1),
            batch=32,
            epochs=options.steps / 40,  # 1,258 of the 1,797 digits are to train on: 40 steps
            evaluate="500 steps",
            checkpoint="500 steps",
            on_step=look,
        )
        os.chdir(home)
    rows = look.rows
    early, late = (statistics.median(row["microseconds"] for row in part) for part in (rows[1:6], rows[-5:]))
    grown, files, slower = rows[-1]["mib"] - rows[0]["mib"], rows[-1]["files"] - rows[0]["files"], late / early
    flat = grown < MOST_MIB and files == 0 and slower < MOST_SLOWER
    print(table(["step", "MiB", "files", "µs"], [[f"{v:.1f}".removesuffix(".0") for v in r.values()] for r in rows]))
    print(f"{grown:+.2f} MiB, {files:+.0f} files, step time x {slower:.3f}: {'flat' if flat else 'CREEPS'}")
    if options.json:
        result = {"steps": options.steps, "grown_mib": grown, "more_files": files, "slower": slower, "flat": flat}
        write_json(options.json, {"benchmark": "creep", "machine": about, **result, "rows": rows})
    return 0 if flat else 1


if __name__ == "__main__":
    sys.exit(main())

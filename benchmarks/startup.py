"""Seconds until dovetail is there: `dovetail --help`, and what `import dovetail` adds to `import torch`.

Fresh processes in turn; medians. "All used" touches every public name but the two that are scikit-learn's estimators,
so that every module of ours and every library they need is imported; of it, "our own modules" is the time that Python's
`-X importtime` books to dovetail itself.

    python benchmarks/startup.py --json benchmarks/results/startup.json
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

from harness import machine, table, write_json

TORCH = "import torch"
USED = "import torch, dovetail as dt\nfor name in set(dir(dt)) - {'Classifier', 'Regressor'}: getattr(dt, name)"
OWN = re.compile(r"import time: +(\d+) \| +\d+ \| +(dovetail\S*)")


COMPILED = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def seconds(words: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(words, check=True, capture_output=True, env=COMPILED)
    return time.perf_counter() - start


def own_milliseconds() -> float:
    """What the modules of dovetail cost by themselves."""
    words = [sys.executable, "-X", "importtime", "-c", USED]
    done = subprocess.run(words, check=True, capture_output=True, text=True, env=COMPILED)
    return sum(int(match[1]) for match in OWN.finditer(done.stderr)) / 1000


def main() -> int:
    parser = argparse.ArgumentParser(description="Seconds until dovetail is there.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there")
    options = parser.parse_args()
    about = machine(2)
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "dovetail --help": [sys.executable, "-m", "dovetail", "--help"],
        "import torch": [sys.executable, "-c", TORCH],
        "import torch, dovetail, all used": [sys.executable, "-c", USED],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    own = []
    for number in range(-1, options.rounds):  # the first round warms the file cache
        for name, words in commands.items():
            taken = seconds(words)
            if number >= 0:
                times[name].append(taken)
        if number >= 0:
            own.append(own_milliseconds())
    pairs = zip(times["import torch, dovetail, all used"], times["import torch"], strict=True)
    results = {name: statistics.median(each) for name, each in times.items()}
    results["added to import torch"] = statistics.median(ours - theirs for ours, theirs in pairs)
    results["our own modules"] = statistics.median(own) / 1000
    print(table(["", "median s"], [[name, f"{value:.3f}"] for name, value in results.items()]))
    if options.json:
        write_json(options.json, {"benchmark": "startup", "machine": about, "seconds": results, "runs": times})
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Broken and hostile input: does every file load, or end in one error of ours?

Good files of each format dovetail reads are broken at random (bits flipped, bytes cut out, doubled, overwritten, sizes
made huge, files cut short, spliced, or of random text), from a seed, and read by the functions that users' files go
through; beside them are files made to do harm, as they are and broken. An input must load or raise a `DovetailError`
of one line. Any other exception, a crash, more than five seconds or more than one GiB of memory is a finding; the
findings are kept with their bytes.

    python benchmarks/fuzz.py --json benchmarks/results/fuzz.json
"""

import argparse
import json
import multiprocessing
import random
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from harness import machine, report, table, write_json
from hostile.accidents import broken
from hostile.formats import formats

from dovetail.recipe.errors import DovetailError

SECONDS, MEMORY = 5.0, 1 << 30


class TooLong(BaseException):
    """An input that takes more than its time."""


def trial(name: str, count: int, seed: int, folder: str, answers: Any) -> None:
    """Try broken files of one format in a process of its own; tell how each ended, before and after."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    work = Path(folder) / name.replace(" ", "-").replace("'", "")
    work.mkdir()
    kind = formats(work)[name]
    signal.signal(signal.SIGALRM, too_long)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + 2 * MEMORY, size + 2 * MEMORY))
    for data in kind.good:
        (work / "file").write_bytes(data)
        kind.read(work / "file", data)  # what is not broken loads
    least = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    small = kind.good + [evil for evil in kind.evil if len(evil) < 100_000]
    for number in range(count):
        as_it_is = number < len(kind.evil)
        data = kind.evil[number] if as_it_is else broken(random.Random(f"{seed} {name} {number}"), small)
        answers.send(("trying", number, data))
        (work / "file").write_bytes(data)
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        try:
            kind.read(work / "file", data)
            ended, why = "loads", ""
        except DovetailError as error:
            ended, why = "told", str(error)
            if "\n" in why.rstrip() and not kind.told_in_lines:
                ended = "more than one line"
        except TooLong:
            ended, why = "too long", ""
        except BaseException as error:
            ended, why = "another exception", repr(error)
        signal.setitimer(signal.ITIMER_REAL, 0)
        answers.send((ended, number, why))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answers.send(("done", most - least, ""))


def too_long(*_: Any) -> None:
    raise TooLong


def main() -> int:
    parser = argparse.ArgumentParser(description="Broken and hostile input.")
    parser.add_argument("formats", nargs="*", help="all unless named")
    parser.add_argument("--share", type=float, default=1.0, help="of the inputs of each format")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there")
    options = parser.parse_args()
    results: dict[str, Any] = {}
    findings: list[dict[str, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder) / "seeds"
        work.mkdir()
        every = {name: kind.count for name, kind in formats(work).items()}
        for name in options.formats or every:
            count = round(every[name] * options.share)
            results[name] = one(name, count, options.seed, folder, findings)
            ends = ", ".join(f"{key} {value}" for key, value in results[name]["ends"].items())
            report(f"{name}: {ends}; {results[name]['seconds']:.0f} s, {results[name]['kilobytes']} KiB more")
    rows = [
        [name, str(sum(r["ends"].values())), str(r["ends"]["loads"]), str(r["ends"]["told"])]
        for name, r in results.items()
    ]
    print(table(["format", "tried", "loads", "told"], rows))
    tried = sum(sum(r["ends"].values()) for r in results.values())
    print(f"{tried} inputs, {len(findings)} findings")
    for finding in findings[:20]:
        print(json.dumps(finding)[:400], file=sys.stderr)
    if options.json:
        result = {"inputs": tried, "findings": findings, "formats": results}
        write_json(options.json, {"benchmark": "fuzz", "machine": machine(1), **result})
    return 1 if findings else 0


def one(name: str, count: int, seed: int, folder: str, findings: list[dict[str, str]]) -> dict[str, Any]:
    """All trials of a format; a process that dies is a finding, and ends them."""
    began = time.monotonic()
    ends: Counter[str] = Counter({"loads": 0, "told": 0})
    hear, tell = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=trial, args=(name, count, seed, folder, tell))
    process.start()
    tell.close()
    data, kilobytes = b"", 0
    while True:
        try:
            kind, number, what = hear.recv()
        except EOFError:
            ends["died"] += 1
            findings.append({"format": name, "ended": "died", "why": str(process.exitcode), "data": data[:2000].hex()})
            break
        if kind == "trying":
            data = what
        elif kind == "done":
            kilobytes = number
            break
        else:
            ends[kind] += 1
            if kind not in ("loads", "told"):
                findings.append({"format": name, "ended": kind, "why": what[:500], "data": data[:2000].hex()})
    process.join()
    if kilobytes > MEMORY >> 10:
        findings.append({"format": name, "ended": "too much memory", "why": f"{kilobytes} KiB", "data": ""})
    return {"ends": dict(ends), "seconds": time.monotonic() - began, "kilobytes": kilobytes}


if __name__ == "__main__":
    sys.exit(main())

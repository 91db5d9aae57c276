"""Broken and hostile input: does every file load, or end in one error of ours?

Good files of each format dovetail reads are broken at random (bits flipped, bytes cut out, doubled, overwritten, sizes
made huge, files cut short, spliced, or of random text), from a seed, and read by the functions that users' files go
through. An input must load or raise a `DovetailError`. Any other exception, a crash, more than five seconds or more
than one GiB of memory is a finding; the findings are kept with their bytes.

    python benchmarks/fuzz.py --json benchmarks/results/fuzz.json
"""

import argparse
import io
import json
import multiprocessing
import random
import resource
import signal
import sys
import tempfile
import time
import warnings
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness import machine, report, table, write_json
from PIL import Image

import dovetail as dt
from dovetail.data.array_files import read_array
from dovetail.data.columns import read_table
from dovetail.data.folder import read_images
from dovetail.data.idx import read_idx
from dovetail.recipe.errors import DovetailError
from dovetail.recipe.recipe import load, parse, shipped
from dovetail.training.checkpoint import newest_checkpoint
from dovetail.training.tensors import read_tensors

SECONDS, MEMORY = 5.0, 1 << 30
Reader = Callable[[Path, bytes], None]


class TooLong(BaseException):
    """An input that takes more than its time."""


# ------------------------------------------------------------------------------------------------ what is read, and how


def seeds(folder: Path) -> dict[str, tuple[list[bytes], Reader, int]]:
    """Good files of each format, the function that reads one, and how many broken ones are worth trying."""
    images = np.random.default_rng(0).integers(0, 256, (6, 9, 8), np.uint8)
    run = dt.train("softmax-regression", "epochs=1", run=f"{folder}/run").path
    text = b"\n".join(
        [b"a,b,c,y", *(b"%d,%.2f,%s,%d" % (i, i / 3, b"xyz"[i % 3 : i % 3 + 1], i % 2) for i in range(20))]
    )
    files: dict[str, tuple[list[bytes], Reader, int]] = {
        "recipe": ([load(n).write(c).encode() for n in shipped() for c in (False, True)], read_recipe, 20_000),
        "idx": (
            [idx(images), idx(images.astype(">i4")), idx(images[:, 0, 0])],
            lambda p, _: read_idx(p) and None,
            15_000,
        ),
        "idx.gz": ([gzipped(idx(images))], lambda p, _: read_idx(p) and None, 10_000),
        "npy": ([npy(images), npy(images.astype(float)), npy(np.array(["a", "bc"]))], read_npy, 15_000),
        "npz": ([npz(x=images, y=np.arange(6))], read_npz, 5_000),
        "csv": ([text, text.replace(b",", b";"), b'"a b","c"\r\n"1","2"\r\n'], read_csv, 15_000),
        "parquet": ([parquet()], read_parquet, 4_000),
        "safetensors": ([(run / "model.safetensors").read_bytes()], lambda p, _: read_tensors(p) and None, 5_000),
        "checkpoint": ([next(run.glob("checkpoints/*")).read_bytes()], read_checkpoint, 3_000),
        "facts": ([(run / "facts.json").read_bytes()], Broken(run, "facts.json"), 5_000),
        "run's recipe": ([(run / "recipe.yaml").read_bytes()], Broken(run, "recipe.yaml"), 2_000),
    }
    for kind in ("png", "jpeg", "gif", "bmp", "tiff", "webp"):
        files[kind] = ([picture(images[0], kind), picture(images[1:4].transpose(1, 2, 0), kind)], read_picture, 3_000)
    return files


def idx(array: np.ndarray) -> bytes:
    code = {"uint8": 8, "int32": 12}[array.dtype.newbyteorder("=").name]
    return bytes([0, 0, code, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


def gzipped(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def parquet() -> bytes:
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    out = io.BytesIO()
    parquet.write_table(arrow.table({"a": list(range(30)), "b": ["x", "y", None] * 10}), out)
    return out.getvalue()


def picture(pixels: np.ndarray, kind: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, kind)
    return out.getvalue()


def read_recipe(path: Path, data: bytes) -> None:
    path = path.with_suffix(".yaml")
    path.write_bytes(data)
    parse(load(str(path)).write(complete=True))


def read_npy(path: Path, _: bytes) -> None:
    read_array(Path(), str(path))


def read_npz(path: Path, data: bytes) -> None:
    path = path.with_suffix(".npz")
    path.write_bytes(data)
    read_array(Path(), f"{path}:x")


def read_csv(path: Path, data: bytes) -> None:
    path = path.with_suffix(".csv")
    path.write_bytes(data)
    columns = read_table(path)
    dt.table(str(path), target=next(iter(columns.values))).make(Path()).part("train")


def read_parquet(path: Path, data: bytes) -> None:
    path = path.with_suffix(".parquet")
    path.write_bytes(data)
    read_table(path)


def read_checkpoint(path: Path, data: bytes) -> None:
    (path.parent / "step-000000001.safetensors").write_bytes(data)
    newest_checkpoint(path.parent)


def read_picture(path: Path, _: bytes) -> None:
    read_images([path], 3, [8, 8])


class Broken:
    """Opens a run of which one file is broken, and builds its system."""

    def __init__(self, run: Path, name: str) -> None:
        self.run, self.name = run, name

    def __call__(self, path: Path, data: bytes) -> None:
        folder = path.parent / "copy"
        folder.mkdir(exist_ok=True)
        for file in ("recipe.yaml", "facts.json", "environment.json", "model.safetensors"):
            (folder / file).write_bytes((self.run / file).read_bytes())
        (folder / self.name).write_bytes(data)
        dt.load(str(folder)).system()


# --------------------------------------------------------------------------------------------------- how it is broken


def broken(chance: random.Random, good: list[bytes]) -> bytes:
    """A good file after one to four accidents."""
    data = bytearray(chance.choice(good))
    for _ in range(chance.choice((1, 1, 1, 2, 3, 4))):
        chance.choice(ACCIDENTS)(chance, data, good)
    return bytes(data[: 1 << 20])


def flip(chance: random.Random, data: bytearray, good: list[bytes]) -> None:
    for _ in range(chance.choice((1, 1, 2, 8))):
        if data:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def cut_short(chance: random.Random, data: bytearray, good: list[bytes]) -> None:
    del data[chance.randrange(len(data) + 1) :]


def cut_out(chance: random.Random, data: bytearray, good: list[bytes]) -> None:
    start = chance.randrange(len(data) + 1)
    del data[start : start + chance.choice((1, 2, 4, 16, 100))]


def double(chance: random.Random, data: bytearray, good: list[bytes]) -> None:
    start = chance.randrange(len(data) + 1)
    piece = data[start : start + chance.choice((1, 4, 20, 200))]
    data[start:start] = piece * chance.choice((1, 1, 2, 50))


def overwrite(chance: random.Random, data: bytearray, good: list[bytes]) -> None:
    start = chance.randrange(len(data) + 1)
    size = chance.choice((1, 2, 4, 8))
    data[start : start + size] = chance.choice((b"\0", b"\xff", b"\x7f", bytes([chance.randrange(256)]))) * size


def enlarge(chance: random.Random, data: bytearray, good: list[bytes]) -> None:
    """A size somewhere in the head becomes huge."""
    start = chance.randrange(min(len(data), 64) + 1)
    value = chance.choice((2**31 - 1, 2**32 - 1, 2**31, 10**9, 65_536, 2**24))
    data[start : start + 4] = value.to_bytes(4, chance.choice(("little", "big")))


def splice(chance: random.Random, data: bytearray, good: list[bytes]) -> None:
    other = chance.choice(good)
    data[chance.randrange(len(data) + 1) :] = other[chance.randrange(len(other) + 1) :]


def write_words(chance: random.Random, data: bytearray, good: list[bytes]) -> None:
    start = chance.randrange(len(data) + 1)
    data[start : start + chance.choice((0, 0, 3))] = chance.choice(WORDS)


WORDS = [
    *b"{ } [ ] : | > # % @ ? ' , ; null true nan inf -1 0 1e999 99999999999999999999 outputs conv".split(),
    *(b'"', b"\n", b"\t", b"\r", b"\0", b"\xff\xfe", b"\xc3", b"- ", b"<<: ", b"&a ", b"*a", b"chain: ["),
    *(b"!!python/name:os.system ", b"[" * 300, b"{a: " * 300, b"x" * 10_000),
]
ACCIDENTS = (flip, flip, cut_short, cut_out, double, overwrite, enlarge, splice, write_words, write_words)


# --------------------------------------------------------------------------------------------------------- the trial


def trial(name: str, count: int, seed: int, folder: str, answers: Any) -> None:
    """Try broken files of one format in a process of its own; tell how each ended, before and after."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    work = Path(folder) / name.replace(" ", "-").replace("'", "")
    work.mkdir()
    good, read, _ = seeds(work)[name]
    signal.signal(signal.SIGALRM, too_long)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + 2 * MEMORY, size + 2 * MEMORY))
    for data in good:
        (work / "file").write_bytes(data)
        read(work / "file", data)  # what is not broken loads
    least = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(count):
        data = broken(random.Random(f"{seed} {name} {number}"), good)
        answers.send(("trying", number, data))
        (work / "file").write_bytes(data)
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        try:
            read(work / "file", data)
            ended, why = "loads", ""
        except DovetailError as error:
            ended, why = "told", str(error)
            if "\n" in why.rstrip() and name not in ("recipe", "run's recipe"):
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
        every = {name: count for name, (_, _, count) in seeds(work).items()}
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

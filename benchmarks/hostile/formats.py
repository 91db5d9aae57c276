"""Every format that dovetail reads: good files, files made to do harm, and the function that all of them go through."""

import io
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors

import dovetail as dt
from dovetail.data.array_files import read_array
from dovetail.data.folder import read_images
from dovetail.data.idx import read_idx
from dovetail.data.tabular import read_table
from dovetail.recipe.recipe import load, parse, shipped
from dovetail.training import Trainer
from dovetail.training.run import make_source
from dovetail.training.tensors import read_tensors, tensor_bytes
from hostile import bombs
from hostile.accidents import confused

RUN_FILES = ("recipe.yaml", "facts.json", "environment.json", "metrics.jsonl", "model.safetensors")


@dataclass(frozen=True)
class Format:
    """Good and evil files, what reads one, how many broken ones are worth trying."""

    good: list[bytes]
    read: Callable[[Path, bytes], None]
    count: int
    evil: list[bytes] = field(default_factory=list)
    told_in_lines: bool = False  # a recipe's errors show the line and point at it


def formats(folder: Path) -> dict[str, Format]:
    images = np.random.default_rng(0).integers(0, 256, (6, 9, 8), np.uint8)
    run = dt.train("mlp", "epochs=0.1", "data=digits", "network.1.linear.units=4", run=f"{folder}/run").path
    newest = max(run.glob("checkpoints/*"))
    model, state, step = (run / "model.safetensors").read_bytes(), newest.read_bytes(), f"checkpoints/{newest.name}"
    rows = [b"%d,%.2f,%s,%d" % (i, i / 3, b"xyz"[i % 3 : i % 3 + 1], i % 2) for i in range(20)]
    text = b"\n".join([b"y,a,b,c", *(row[::-1] for row in rows)])
    recipes = [load(name).write(complete).encode() for name in shipped() for complete in (False, True)]
    idxs = [idx(images), idx(images.astype(">i4")), idx(images[:, 0, 0])]
    npys = [npy(images), npy(images.astype(float)), npy(np.array(["a", "bc"]))]
    kinds = {
        "recipe": Format(recipes, read_recipe, 20_000, bombs.recipes(), told_in_lines=True),
        "idx": Format(idxs, lambda path, _: read_idx(path) is None or None, 15_000, bombs.idx()),
        "idx.gz": Format([gzipped(idxs[0])], lambda path, _: read_idx(path) is None or None, 10_000, bombs.idx_gz()),
        "npy": Format(npys, read_npy, 15_000, bombs.npys()),
        "npz": Format([npz(x=images, y=np.arange(6))], read_npz, 5_000),
        "csv": Format(
            [text, text.replace(b",", b";"), b'"a b","c"\r\n"1","2"\r\n"0","2"\r\n'], read_csv, 12_000, bombs.csvs()
        ),
        "parquet": Format([parquet()], read_parquet, 4_000),
        "safetensors": Format([model], lambda path, _: read_tensors(path) is None or None, 5_000, bombs.safetensors()),
        "run's facts": Format([(run / "facts.json").read_bytes()], InRun(run, "facts.json"), 5_000, bombs.facts()),
        "run's recipe": Format(
            [(run / "recipe.yaml").read_bytes()], InRun(run, "recipe.yaml"), 2_000, bombs.recipes()[:6], True
        ),
        "run's model": Format([model], InRun(run, "model.safetensors"), 2_000, bombs.safetensors()),
        "run's model, sealed anew": Format([model], InRun(run, "model.safetensors", model), 2_000),
        "checkpoint": Format([state], InRun(run, step), 2_000, bombs.safetensors()),
        "checkpoint, sealed anew": Format([state], InRun(run, step, state), 4_000),
    }
    for kind in ("png", "jpeg", "gif", "bmp", "tiff", "webp"):
        good = [picture(images[0], kind), picture(images[1:4].transpose(1, 2, 0), kind)]
        kinds[kind] = Format(good, read_picture, 3_000, bombs.png() if kind == "png" else [])
    return kinds


# ------------------------------------------------------------------------------------------------------ what is written


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


# --------------------------------------------------------------------------------------------------------- what is read


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
    dt.table(str(path), target=next(iter(columns.values))).make_at("data", Path()).part("train")


def read_parquet(path: Path, data: bytes) -> None:
    path = path.with_suffix(".parquet")
    path.write_bytes(data)
    read_table(path)


def read_picture(path: Path, _: bytes) -> None:
    read_images([path], 3, [8, 8])


class InRun:
    """Opens a run of which one file is broken, builds its system, and goes to its newest checkpoint.

    With `good`, the broken file or a good one gets its tensors confused and is sealed anew, as its maker could.
    """

    def __init__(self, run: Path, name: str, good: bytes | None = None) -> None:
        self.files = {file: (run / file).read_bytes() for file in RUN_FILES}
        self.name, self.good = name, good

    def __call__(self, path: Path, data: bytes) -> None:
        folder = path.parent / "copy"
        (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        for name, good in {**self.files, self.name: self.sealed_anew(data)}.items():
            (folder / name).write_bytes(good)
        run = dt.load(str(folder))
        run.system()
        if self.name not in self.files:
            Trainer(run.recipe, make_source(run.recipe.data, run.here, run.facts), folder).load()

    def sealed_anew(self, data: bytes) -> bytes:
        if self.good is None or data == self.good:
            return data
        chance = random.Random(data)
        whole = data if chance.random() < 0.5 else self.good
        try:
            return tensor_bytes(confused(chance, load_tensors(whole)))
        except (SafetensorError, ValueError, KeyError):
            return data

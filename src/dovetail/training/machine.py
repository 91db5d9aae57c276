"""Where and how the numbers are computed: device, precision, memory layout and threads, resolved once for a run.

Resolved values go into the run's recipe, because exact repetition needs them.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch

from ..recipe.errors import UsageError
from ..recipe.recipe import Recipe
from ..recipe.spec import Spec
from .memory import kept_memory

CONVOLUTIONS = {"conv", "inception", "stages", "table_conv"}  # layers that are, or are made of, convolutions


def resolved(recipe: Recipe) -> Recipe:
    """The recipe with every `auto` replaced by what this machine makes of it."""
    device = resolve_device(recipe.device)
    precision = recipe.precision
    if precision == "auto":
        precision = "bfloat16" if multiplies_bfloat16(device) else "float32"
    layout = recipe.layout
    if layout == "auto":
        layout = "channels_last" if convolves(recipe.network) and device.type != "mps" else "contiguous"
    threads = torch.get_num_threads() if recipe.threads == "auto" else recipe.threads
    return dataclasses.replace(recipe, device=str(device), precision=precision, layout=layout, threads=threads)


def resolve_device(name: str) -> torch.device:
    """The device of a name; `auto` is the first GPU there is, else the CPU. Raises `UsageError` where it is absent."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", 0)
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda":
        there = torch.cuda.device_count()
        if (device.index or 0) >= there:
            raise UsageError(f"device '{name}' is not on this machine: it has {there} CUDA devices. Try device=cpu")
        return torch.device("cuda", device.index or 0)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UsageError("device 'mps' is not on this machine. Try device=cpu")
    return device


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 natively, from what it says of itself, never from a timing."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    try:
        words = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return False
    return bool(words & {"avx512_bf16", "amx_bf16", "bf16"})


def convolves(specs: Any) -> bool:
    """Whether a convolution is anywhere in a network."""
    if isinstance(specs, Spec):
        return specs.name in CONVOLUTIONS or convolves(list(specs.options.values()))
    return isinstance(specs, list) and any(map(convolves, specs))


def autocast(recipe: Recipe) -> AbstractContextManager[Any]:
    """The context in which the network runs: PyTorch's for bfloat16, none for the other precisions."""
    if recipe.precision != "bfloat16":
        return nullcontext()
    return torch.autocast(torch.device(recipe.device).type, dtype=torch.bfloat16)


def dtype_of(recipe: Recipe) -> torch.dtype:
    """What parameters are kept in."""
    return torch.float64 if recipe.precision == "float64" else torch.float32


@contextmanager
def settled(recipe: Recipe) -> Iterator[None]:
    """Threads and deterministic kernels as the recipe says, memory kept; afterwards all as it was."""
    threads, cudnn = torch.get_num_threads(), torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    assert isinstance(recipe.threads, int)
    torch.set_num_threads(recipe.threads)
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        with kept_memory():
            yield
    finally:
        torch.set_num_threads(threads)
        cudnn.deterministic, cudnn.benchmark = before


def describe(here: Path) -> dict[str, Any]:
    """What `environment.json` keeps: versions, machine, and the folder that relative paths start from."""
    import numpy

    from .. import __version__

    return {
        "dovetail": __version__,
        "torch": str(torch.__version__),
        "numpy": numpy.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "cuda": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
        "here": str(here),
        "job": job(),
        "command": sys.argv[:1] + sys.argv[1:],
    }


def job() -> str | None:
    """The name that `torchrun` gives all processes of a job, the same after it starts them anew."""
    name = os.environ.get("TORCHELASTIC_RUN_ID")
    return None if name == "none" else name


def device_name(device: torch.device) -> str:
    """What computes: the GPU's name, or the processor's."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor()


def processor() -> str:
    """The processor's name and the widest instructions PyTorch uses on it."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    except OSError:
        pass
    return f"{name} ({torch.backends.cpu.get_cpu_capability()})"

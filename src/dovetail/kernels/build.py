"""Finds a kernel's library: one that came with the wheel, else built on first use, with the system's compiler.

Nothing of dovetail is imported here: a wheel is built with this file alone.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

SOURCES = Path(__file__).parent
FLAGS = ("-std=c++17", "-O3", "-ffp-contract=fast", "-fno-math-errno", "-fopenmp", "-fPIC", "-shared")
LEVELS = {  # of processors, the best first, and what those have; a wheel holds a library for each
    "x86-64-v4": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
    "x86-64-v3": {"avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"},
}


class BuildFailed(Exception):
    """There is no library, and why."""


def built(name: str) -> Path:
    """The library of `<name>.cpp` for this processor: from the wheel, from the cache, or compiled now into that.

    Safe when several processes ask at once. Raises `BuildFailed`.
    """
    for level, needs in LEVELS.items():
        came = SOURCES / f"{name}.{level}.so"
        if came.exists() and needs <= set(_processor().split()):
            return came
    source = SOURCES / f"{name}.cpp"
    folder = cache_folder()
    target = folder / f"{name}-{_key(source)}.so"
    if target.exists():
        return target
    with open(folder / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            compile_kernel(source, target)
    return target


def compiler() -> str | None:
    """The C++ compiler: what $CXX names, else the first of the usual ones."""
    named = os.environ.get("CXX")
    return shutil.which(named) if named else shutil.which("g++") or shutil.which("clang++") or shutil.which("c++")


@cache
def cache_folder() -> Path:
    """Where libraries are kept: `dovetail/kernels` in the user's cache; else, for this process alone, a new folder."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home) / "dovetail" / "kernels"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return Path(tempfile.mkdtemp(prefix="dovetail-kernels-"))


def _key(source: Path) -> str:
    """Names what the library depends on: source, flags, compiler and processor."""
    headers = [header.read_bytes() for header in sorted(SOURCES.glob("*.h"))]
    parts = [
        source.read_bytes(),
        *headers,
        " ".join(FLAGS).encode(),
        (compiler() or "").encode(),
        _processor().encode(),
    ]
    return hashlib.blake2b(b"\0".join(parts), digest_size=8).hexdigest()


def _processor() -> str:
    """What a library compiled for this very processor may rely on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return f"{platform.machine()} {flags}"


def compile_kernel(source: Path, target: Path, level: str = "native") -> None:
    """Compile a kernel for a level of processors, this one's own unless given. Raises `BuildFailed`."""
    program = compiler()
    if program is None:
        raise BuildFailed("no C++ compiler was found (g++, clang++ or what CXX names)")
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        library = Path(folder) / target.name
        command = [program, *FLAGS, f"-march={level}", str(source), "-o", str(library)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BuildFailed(f"{program} did not compile {source.name}: {error}") from None
        if done.returncode:
            reason = next((line for line in done.stderr.splitlines() if "error" in line), f"exit {done.returncode}")
            raise BuildFailed(f"{program} did not compile {source.name}: {reason.strip()}")
        os.replace(library, target)  # whole or not at all

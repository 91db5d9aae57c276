"""Kernels are built once, whoever asks, and where they cannot be, one message says so and all goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dovetail.kernels import backend, library
from dovetail.recipe.errors import UsageError

DRAW = "from dovetail.layers.masked import draw_mask; print(draw_mask(5, 0.5, 0, 2, 2, 1).flatten().tolist())"


def in_process(code: str = DRAW, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "always", "-c", code]
    env = {**os.environ, **environment}
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_several_processes_build_one_library(tmp_path: Path) -> None:
    started = [in_process(XDG_CACHE_HOME=str(tmp_path), DOVETAIL_KERNELS="c") for _ in range(3)]
    results = [process.communicate() for process in started]
    assert len({out for out, _ in results}) == 1
    assert all(process.returncode == 0 for process in started), results
    assert [path.suffix for path in sorted((tmp_path / "dovetail" / "kernels").iterdir())] == [".so", ".lock"]


@pytest.mark.parametrize(
    ("program", "reason"),
    [("/nowhere/g++", "no C++ compiler was found"), ("false", "did not compile dropconnect.cpp")],
)
def test_without_a_compiler_pytorch_computes_the_same(tmp_path: Path, program: str, reason: str) -> None:
    process = in_process(f"{DRAW}\n{DRAW}", XDG_CACHE_HOME=str(tmp_path), CXX=program)
    out, errors = process.communicate()
    assert process.returncode == 0
    assert errors.count("the fast kernels are not in use") == 1
    assert reason in errors
    expected, _ = in_process(DOVETAIL_KERNELS="c").communicate()
    assert out == 2 * expected


def test_a_cache_that_cannot_be_written_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    process = in_process(XDG_CACHE_HOME=str(tmp_path / "file"), DOVETAIL_KERNELS="c")
    _, errors = process.communicate()
    assert process.returncode == 0, errors


def test_the_choice_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOVETAIL_KERNELS", "torch")
    assert library("dropconnect") is None
    monkeypatch.setenv("DOVETAIL_KERNELS", "c")
    assert library("dropconnect") is not None
    with pytest.raises(UsageError, match=r"DOVETAIL_KERNELS is 'c', and .*nothing"):
        library("nothing")
    monkeypatch.setenv("DOVETAIL_KERNELS", "cuda")
    with pytest.raises(UsageError, match="DOVETAIL_KERNELS is 'cuda': expected one of auto, c, torch"):
        backend()

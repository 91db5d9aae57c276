"""Every test and doctest runs in an empty folder of its own."""

from __future__ import annotations

import os

# Tests run in as many processes as there are cores: one thread each, theirs and their children's, before torch is read.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# They are the same on every machine: what GPUs there are is seen by `make test-gpu` alone.
if os.environ.get("DOVETAIL_TEST_GPU") != "1":
    os.environ["CUDA_VISIBLE_DEVICES"] = ""

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _parts_as_they_were() -> Iterator[None]:
    """What a test registers is gone after it."""
    from dovetail.recipe import spec

    spec.register_rooms()
    before = {kind: dict(parts) for kind, parts in spec._parts.items()}
    yield
    for kind, parts in before.items():
        spec._parts[kind] = parts

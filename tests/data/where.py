"""Where real data sets lie for tests: `DOVETAIL_DATA`, or `shared/data` beside the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("DOVETAIL_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")


def real(name: str) -> Path:
    """The folder of a real data set; the test is skipped where it is not there."""
    if not (DATA / name).is_dir():
        pytest.skip(f"{DATA / name} is not there (set DOVETAIL_DATA)")
    return DATA / name

"""Every test and doctest runs in an empty folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data sets beside the project (or where DOVETAIL_DATA says); tests that need them skip where they are not."""
    import os

    folder = Path(os.environ.get("DOVETAIL_DATA", Path(__file__).parent.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the real data sets are not here")
    return folder

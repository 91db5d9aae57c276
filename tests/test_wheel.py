"""The wheel builds, holds what it needs, and installs beside the libraries that are already there."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_wheel_builds_and_installs(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True)
    (wheel,) = tmp_path.glob("dovetail-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for source in (ROOT / "src").rglob("*"):
        if source.is_file() and source.suffix != ".pyc":
            assert source.relative_to(ROOT / "src").as_posix() in names
    there = tmp_path / "there"
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--target", str(there), str(wheel)], check=True)
    script = (
        f"import sys; sys.path.insert(0, {str(there)!r}); import dovetail as dt; "
        "print(dt.__file__, dt.show('lenet').parameters)"
    )
    done = subprocess.run([sys.executable, "-I", "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout == f"{there / 'dovetail' / '__init__.py'} 431080\n"

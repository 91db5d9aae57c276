"""The wheel builds, holds what it needs, and installs beside the libraries that are already there."""

from __future__ import annotations

import platform
import subprocess
import sys
import zipfile
from pathlib import Path

from dovetail.kernels.build import LEVELS, compiler

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
        "from dovetail.kernels.build import built; "
        "print(dt.__file__, dt.show('lenet').parameters, built('ctc').parent == built('chain').parent, built('ctc'))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", script], check=True, capture_output=True, text=True)
    file, parameters, one_folder, library = done.stdout.split()
    assert (file, parameters, one_folder) == (f"{there / 'dovetail' / '__init__.py'}", "431080", "True")
    if sys.platform == "linux" and platform.machine() == "x86_64" and compiler():
        kernels = {path.stem for path in (ROOT / "src" / "dovetail" / "kernels").glob("*.cpp")}
        held = {Path(name).name for name in names if name.endswith(".so")}
        assert held == {f"{kernel}.{level}.so" for kernel in kernels for level in LEVELS}
        assert wheel.name.endswith("py3-none-linux_x86_64.whl")
        assert "avx2" not in Path("/proc/cpuinfo").read_text() or Path(library).parent.parent.parent == there

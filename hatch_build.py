"""Puts compiled kernels into a wheel, one for each level of processors, where there is a compiler for them.

Without one, or on other processors, the wheel holds sources alone: kernels are compiled on first use, or PyTorch's
operations compute the same.
"""

import importlib.util
import platform
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Kernels(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable" or sys.platform != "linux" or platform.machine() != "x86_64":
            return
        build = self._module("src/dovetail/kernels/build.py")
        folder = Path(self.directory) / "kernels"
        folder.mkdir(parents=True, exist_ok=True)
        for source in sorted(build.SOURCES.glob("*.cpp")):
            for level in build.LEVELS:
                library = folder / f"{source.stem}.{level}.so"
                try:
                    build.compile_kernel(source, library, level)
                except build.BuildFailed as error:
                    self.app.display_warning(f"the wheel holds no compiled kernels: {error}")
                    return
                build_data["force_include"][str(library)] = f"dovetail/kernels/{library.name}"
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"

    def _module(self, path: str) -> Any:
        spec = importlib.util.spec_from_file_location("build", Path(self.root) / path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

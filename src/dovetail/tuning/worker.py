"""A trial in a process of its own: python -m dovetail.tuning.worker FOLDER NUMBER [MODULE...]."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from ..recipe.errors import DovetailError, RunError
from ..recipe.recipe import load
from ..recipe.use import use_parts
from ..training.run import RECIPE
from .trial import Asked, Trial, carry, written


def main(folder: str, number: str, *modules: str) -> int:
    """Make the trial that its file asks for, and keep what came of it there; the exit code is dovetail's own."""
    threading.Thread(target=_follow, daemon=True).start()
    try:
        use_parts(modules)
        asked = written(Path(folder), int(number))
        if isinstance(asked, Asked):
            carry(load(str(Path(folder) / RECIPE)), Path(folder), asked)
    except DovetailError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def _follow() -> None:
    """Save and stop where the process that waits for this one is gone: its end of the pipe closes."""
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


class Worker:
    """Processes that make trials, one for each caller at a time; they can be asked to save and stop."""

    def __init__(self, folder: Path, modules: Sequence[str]) -> None:
        self.folder, self.modules = folder, modules
        self.processes: set[subprocess.Popen[str]] = set()
        self.lock, self.stopping = threading.Lock(), False

    def __call__(self, asked: Asked) -> Trial | None:
        """What came of a trial; None where it was stopped."""
        words = [str(self.folder), str(asked.number), *self.modules]
        with self.lock:
            if self.stopping:
                return None
            command = [sys.executable, "-m", "dovetail.tuning.worker", *words]
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
            )  # a session of its own: a terminal's Ctrl-C asks this process, which asks that one
            self.processes.add(process)
        with process:
            assert process.stderr is not None
            said = process.stderr.read()
        with self.lock:
            self.processes.remove(process)
        if process.returncode > 128 or (process.returncode < 0 and self.stopping):
            return None
        if process.returncode:
            why = said.strip()[-2000:] or f"its process ended with {process.returncode}"
            raise RunError(f"trial {asked.number}: {why}")
        trial = written(self.folder, asked.number)
        assert isinstance(trial, Trial)
        return trial

    def stop(self) -> None:
        """Ask all that are under way to save and stop; no other begins."""
        with self.lock:
            self.stopping = True
            for process in self.processes:
                process.terminate()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""One process a run folder."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from training.systems import small, write_small
from training.test_resume import command, wait_for

import dovetail as dt
from dovetail.recipe.errors import RunError
from dovetail.training import lock
from dovetail.training.lock import held

HOLD = """
import sys, time
from pathlib import Path
from dovetail.training.lock import held
with held(Path(".")):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_refused_and_told_of_the_first_until_that_dies() -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    holder.stdout.close()
    message = rf"^\. is in use by process {holder.pid} on {platform.node()}; wait for it"
    with pytest.raises(RunError, match=message), held(Path()):
        pass
    holder.kill()
    holder.wait()
    assert Path("lock").exists()
    with held(Path()):
        assert json.loads(Path("lock").read_text())["pid"] == os.getpid()
    assert not Path("lock").exists()


def test_resuming_a_run_that_trains_is_refused(tmp_path: Path) -> None:
    write_small(tmp_path / "small.yaml", epochs=1000)
    process = subprocess.Popen(command("train", "small.yaml", "run=busy"), stderr=subprocess.PIPE, text=True)
    wait_for((tmp_path / "runs/busy/metrics.jsonl").exists, process)
    with pytest.raises(RunError, match=rf"^runs/busy is in use by process {process.pid} on "):
        dt.resume("busy")
    process.send_signal(signal.SIGHUP)  # saves and goes on
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 143
    with pytest.raises(BaseException, match="stop here"):
        dt.resume("busy", on_step=stop)


def stop(step: int, loss: float) -> None:
    raise KeyboardInterrupt("stop here")


def test_a_run_lets_go_of_its_folder_however_it_ends() -> None:
    with pytest.raises(KeyboardInterrupt):
        dt.train(small(), run="ended", on_step=stop)
    assert not Path("runs/ended/lock").exists()
    assert not (dt.resume("ended").path / "lock").exists()


@pytest.mark.parametrize(
    ("holder", "free"),
    [
        ({}, True),
        ({"pid": 1, "host": "elsewhere", "boot": "b"}, False),
        ({"pid": 1, "host": platform.node(), "boot": "an earlier start"}, True),
        ({"pid": 1, "host": platform.node(), "boot": lock._boot()}, False),
        ({"pid": 2**22 + 1, "host": platform.node(), "boot": lock._boot()}, True),
    ],
)
def test_where_the_file_system_cannot_lock_the_file_itself_counts(
    holder: dict[str, object], free: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_lock", lambda handle: False)
    Path("lock").write_text(json.dumps(holder))
    if free:
        with held(Path()):
            pass
    else:
        with pytest.raises(RunError, match=r"^\. is in use by process 1 on "), held(Path()):
            pass

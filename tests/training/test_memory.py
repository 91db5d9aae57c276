"""Freed memory stays while training, and goes back to the system afterwards."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dovetail.training import memory

SCRIPT = """
import resource, torch
from dovetail.training.memory import kept_memory
from contextlib import nullcontext

def faults(context):
    with context:
        for turn in range(12):
            if turn == 6:  # the heap takes some turns to find its shape
                before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            blocks = [torch.ones(16 << 20) for _ in range(2)]  # of 64 MiB each
            del blocks
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() >> 20

usual = faults(nullcontext())
start = resident()
with kept_memory():
    kept = faults(kept_memory())
    inside = resident()
print(usual, kept, inside - start, resident() - start)
"""


@pytest.mark.skipif(memory._glibc() is None, reason="another C library")
def test_pages_are_found_in_place_and_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    usual, kept, inside, afterwards = map(int, done.stdout.split())
    assert usual > 100
    assert kept < usual / 10
    assert inside > 100  # MiB that stay with the process, though nobody holds them
    assert afterwards < 20


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_glibc", lambda: None)
    with memory.kept_memory():
        pass
    assert memory._users == 0

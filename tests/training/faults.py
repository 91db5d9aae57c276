"""A machine that fails at the n-th system call: by an error, by half a write and an error, or by sudden death."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

CALLS = ("open", "write", "fsync", "close", "mkdir", "replace", "unlink", "rmdir")


class Machine:
    """Counts the calls that change the disk, and does `fault` in the place of (or after) the n-th."""

    def __init__(self, number: int, fault: str) -> None:
        self.number, self.fault, self.count, self.happened = number, fault, 0, ""

    def wrap(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            if name == "open" and not args[1] & os.O_CREAT:  # looking at files is not writing
                return real(*args, **options)
            self.count += 1
            if self.count != self.number:
                return real(*args, **options)
            self.happened = name
            if self.fault == "die before":
                os._exit(9)
            if self.fault == "die within" and name == "write":
                real(args[0], args[1][: len(args[1]) // 2])
                os._exit(9)
            if self.fault.startswith("die"):
                try:
                    real(*args, **options)
                finally:
                    os._exit(9)
            if self.fault == "half" and name == "write":
                real(args[0], args[1][: len(args[1]) // 2])
            if name == "close":
                real(*args, **options)
            raise OSError(ERRORS[self.fault], os.strerror(ERRORS[self.fault]))

        return call


ERRORS = {"full": errno.ENOSPC, "half": errno.ENOSPC, "forbidden": errno.EACCES, "broken": errno.EIO}
DEATHS = ("die before", "die within", "die after")


@contextmanager
def failing(number: int, fault: str) -> Iterator[Machine]:
    """Within this the n-th call that changes the disk fails."""
    machine = Machine(number, fault)
    with mock.patch.multiple(os, **{name: machine.wrap(name, getattr(os, name)) for name in CALLS}):
        yield machine


def in_a_child(work: Callable[[], None]) -> int:
    """Run something in a forked process; its exit code, 9 where the machine died."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

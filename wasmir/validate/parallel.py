"""Bodies divided among processes: each is forked, and sends back nothing but its errors."""

from __future__ import annotations

import os
import pickle
import threading
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from wasmir.errors import WasmError
    from wasmir.ir.function import Function

__all__ = ["Share", "divided", "fork", "may_fork"]


def may_fork() -> bool:
    """Whether this process can be forked. With other threads in it that would be no good idea."""
    return hasattr(os, "fork") and threading.active_count() == 1


def divided(functions: list[Function], parts: int) -> list[list[Function]]:
    """Neighbours stay together; the parts have about as many bytes of code each."""
    ends = list(accumulate(max(each._end - each._start, 1) for each in functions))
    total = ends[-1] if ends else 0
    found: list[list[Function]] = [[] for _ in range(parts)]
    for function, end in zip(functions, ends, strict=True):
        found[(end - 1) * parts // total].append(function)
    return found


class Share(NamedTuple):
    """What a process found: errors in order, and which exception handling dialects."""

    errors: list[WasmError]
    dialects: list[str]


class Worker:
    """A forked process at work."""

    def __init__(self, pid: int, end: int) -> None:
        self._pid = pid
        self._end = end

    def result(self) -> Share | None:
        """What it sends; ``None`` where it died."""
        with os.fdopen(self._end, "rb") as stream:
            data = stream.read()
        self._end = -1
        self._wait()
        try:
            found = pickle.loads(data)  # noqa: S301 - from our own child
        except (EOFError, pickle.UnpicklingError):
            return None
        return Share(*found)

    def _wait(self) -> None:
        os.waitpid(self._pid, 0)
        self._pid = 0

    def close(self) -> None:
        """End it, if nobody wants to know any more."""
        if self._end >= 0:
            os.close(self._end)
            self._end = -1
        if self._pid:
            import signal

            os.kill(self._pid, signal.SIGKILL)
            self._wait()


def fork(work: Callable[[], Share]) -> Worker | None:
    """Begin the work in a process of its own; ``None`` where there can't be one."""
    end, start = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        os.close(end)
        os.close(start)
        return None
    if pid:
        os.close(start)
        return Worker(pid, end)
    # The child. Whatever happens, it must not go on as if it were the parent.
    try:
        os.close(end)
        data = pickle.dumps(tuple(work()))
        with os.fdopen(start, "wb") as stream:
            stream.write(data)
    finally:
        os._exit(0)

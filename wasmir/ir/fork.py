"""Work on functions divided among processes: each is forked, so that it has everything already,
and sends back nothing but what it found.
"""

from __future__ import annotations

import os
import pickle
import threading
from itertools import accumulate
from typing import TYPE_CHECKING, Generic, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wasmir.ir.function import Function
    from wasmir.ir.module import Module

__all__ = ["Worker", "default_jobs", "divided", "fork", "may_fork", "usable_cores"]

T = TypeVar("T")

# Below this size, in bytes, starting processes costs more than they save.
_WORTH_DIVIDING = 1 << 21


def default_jobs(module: Module) -> int:
    """How many processes it pays to divide a module's functions among: one for each core that this
    process may use, or one alone.
    """
    return usable_cores() if len(module.source) > _WORTH_DIVIDING else 1


def usable_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def may_fork() -> bool:
    """Whether this process can be forked. With other threads in it that would be no good idea."""
    return hasattr(os, "fork") and threading.active_count() == 1


def divided(functions: Sequence[Function], parts: int) -> list[list[Function]]:
    """Neighbours stay together; the parts have about as many bytes of code each."""
    ends = list(accumulate(max(each._end - each._start, 1) for each in functions))
    total = ends[-1] if ends else 0
    found: list[list[Function]] = [[] for _ in range(parts)]
    for function, end in zip(functions, ends, strict=True):
        found[(end - 1) * parts // total].append(function)
    return found


class Worker(Generic[T]):
    """A forked process at work."""

    def __init__(self, pid: int, end: int) -> None:
        self._pid = pid
        self._end = end

    def result(self) -> T | None:
        """What its work gives; ``None`` where it died."""
        with os.fdopen(self._end, "rb") as stream:
            self._end = -1
            data = stream.read()
        self._wait()
        # The length comes first: of a process that died while it was sending, nothing counts.
        if len(data) < 8 or len(data) != 8 + int.from_bytes(data[:8], "little"):
            return None
        return cast("T", pickle.loads(memoryview(data)[8:]))  # noqa: S301 - from our own child

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


def fork(work: Callable[[], T]) -> Worker[T] | None:
    """Begin the work in a process of its own, from where what it gives is sent back; ``None`` where
    there can't be one.
    """
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
        data = pickle.dumps(work())
        with os.fdopen(start, "wb") as stream:
            stream.write(len(data).to_bytes(8, "little"))
            stream.write(data)
    finally:
        os._exit(0)

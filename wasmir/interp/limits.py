"""How much an evaluation may take."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wasmir.interp.faults import OutOfFuel

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Bounds", "Fuel", "deep_calls"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an instance may take; ``None`` is as much as there is.

    ``memory`` is in bytes, for each memory and each array; ``table`` in elements, for each table;
    ``call_depth`` in calls that are active at a time, those into the host and back included.
    """

    memory: int | None = 1 << 30
    table: int | None = 10_000_000
    call_depth: int = 10_000


class Fuel:
    """What is left: about one for each instruction, and some for work on ranges. ``None`` is
    without end.
    """

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left


def starve() -> None:
    """Raises OutOfFuel."""
    raise OutOfFuel("all fuel consumed")


# Frames of the interpreter's own, and of imports that do a little.
_SPARE = 150


class _Deep(threading.local):
    active = False


class _Limit:
    """Who has changed Python's limit, which all threads share, and what it was."""

    lock = threading.Lock()
    users = 0
    before = 0


_DEEP = _Deep()


@contextmanager
def deep_calls(count: int) -> Iterator[None]:
    """Let Python functions call one another so deep, and no deeper. That takes none of the stack
    that C has: from Python 3.11 on, calls among Python functions don't use it.

    Within another one, that one counts. The last one out, of any thread, restores what was.
    """
    if _DEEP.active:
        yield
        return
    depth = 0
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        depth += 1
    wanted = depth + count + _SPARE
    with _Limit.lock:
        if not _Limit.users:
            _Limit.before = sys.getrecursionlimit()
            sys.setrecursionlimit(wanted)
        elif sys.getrecursionlimit() < wanted:
            sys.setrecursionlimit(wanted)
        _Limit.users += 1
    _DEEP.active = True
    try:
        yield
    finally:
        _DEEP.active = False
        with _Limit.lock:
            _Limit.users -= 1
            if not _Limit.users:
                sys.setrecursionlimit(_Limit.before)

"""How much an evaluation may take."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wasmir.interp.faults import OutOfFuel

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["Bounds", "DeepCalls", "Fuel"]


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


# So many frames aren't counted: that would take longer than everything else about a call.
_SHALLOW = 50


def _depth() -> int:
    """How many calls are active, if they are many."""
    try:
        frame: FrameType | None = sys._getframe(_SHALLOW)
    except ValueError:
        return _SHALLOW
    depth = _SHALLOW
    while frame is not None:
        frame = frame.f_back
        depth += 1
    return depth


class DeepCalls:
    """Let Python functions call one another so deep, and no deeper, in a ``with`` statement. That
    takes none of the stack that C has: from Python 3.11 on, calls among Python functions don't use
    it.

    Within another one, that one counts. The last one out, of any thread, restores what was.
    """

    __slots__ = ("_count", "_counts")

    def __init__(self, count: int) -> None:
        self._count = count
        # Whether it is this one that counts.
        self._counts = False

    def __enter__(self) -> None:
        if _DEEP.active:
            return
        wanted = _depth() + self._count + _SPARE
        with _Limit.lock:
            if not _Limit.users:
                _Limit.before = sys.getrecursionlimit()
                sys.setrecursionlimit(wanted)
            elif sys.getrecursionlimit() < wanted:
                sys.setrecursionlimit(wanted)
            _Limit.users += 1
        self._counts = _DEEP.active = True

    def __exit__(self, *_: object) -> None:
        if not self._counts:
            return
        self._counts = _DEEP.active = False
        with _Limit.lock:
            _Limit.users -= 1
            if not _Limit.users:
                sys.setrecursionlimit(_Limit.before)

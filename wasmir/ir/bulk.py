"""Bulk work: pausing the cyclic collector.

Decoding a large module allocates hundreds of thousands of containers that all stay. CPython's
cyclic collector is triggered by allocations, looks at all of them again and again, and costs
several times the work itself.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["bulk_work"]

_lock = threading.Lock()
_nested = 0
_was_enabled = False


@contextmanager
def bulk_work() -> Iterator[None]:
    """Pause the collector. Nests, in threads too; the last one out restores what was."""
    global _nested, _was_enabled
    with _lock:
        if _nested == 0:
            _was_enabled = gc.isenabled()
            gc.disable()
        _nested += 1
    try:
        yield
    finally:
        with _lock:
            _nested -= 1
            if _nested == 0 and _was_enabled:
                gc.enable()

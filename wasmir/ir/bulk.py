"""Bulk work: pausing the cyclic collector.

Decoding a large module allocates hundreds of thousands of containers that all stay. CPython's
cyclic collector is triggered by allocations, looks at all of them again and again, and costs
several times the work itself.
"""

from __future__ import annotations

import gc
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["bulk_work"]


class _Pause:
    """How many are at work, and what the collector did before the first of them."""

    lock = threading.Lock()
    nested = 0
    was_enabled = False


@contextmanager
def bulk_work() -> Iterator[None]:
    """Pause the collector. Nests, in threads too; the last one out restores what was."""
    with _Pause.lock:
        if _Pause.nested == 0:
            _Pause.was_enabled = gc.isenabled()
            gc.disable()
        _Pause.nested += 1
    try:
        yield
    finally:
        with _Pause.lock:
            _Pause.nested -= 1
            if _Pause.nested == 0 and _Pause.was_enabled:
                gc.enable()

"""Where the stack of C ends, of the thread that asks.

Threads may have stacks of any size, whatever is usual. Windows and macOS tell theirs; elsewhere it
is a function that glibc and musl both have.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from typing import Any

__all__ = ["stack_end"]

# More than a pthread_attr_t has anywhere.
_ATTRIBUTES = 256


class _Ends(threading.local):
    """What was found: it is the same for as long as there is the thread."""

    end: int | None = None


_ENDS = _Ends()


def stack_end() -> int:
    """The lowest address of this thread's stack; 0 where nobody tells."""
    end = _ENDS.end
    if end is None:
        try:
            end = _found()
        except (AttributeError, OSError):
            # Another C library.
            end = 0
        _ENDS.end = end
    return end


def _found() -> int:
    if sys.platform == "win32":
        return _on_windows()
    library = ctypes.CDLL(None)
    library.pthread_self.restype = ctypes.c_void_p
    thread = ctypes.c_void_p(library.pthread_self())
    return _on_macos(library, thread) if sys.platform == "darwin" else _on_linux(library, thread)


def _on_linux(library: Any, thread: ctypes.c_void_p) -> int:
    attributes = ctypes.create_string_buffer(_ATTRIBUTES)
    if library.pthread_getattr_np(thread, attributes):
        return 0
    lowest, size = ctypes.c_void_p(), ctypes.c_size_t()
    failed = library.pthread_attr_getstack(attributes, ctypes.byref(lowest), ctypes.byref(size))
    library.pthread_attr_destroy(attributes)
    return 0 if failed else lowest.value or 0


def _on_macos(library: Any, thread: ctypes.c_void_p) -> int:
    library.pthread_get_stackaddr_np.restype = ctypes.c_void_p
    library.pthread_get_stacksize_np.restype = ctypes.c_size_t
    highest: int = library.pthread_get_stackaddr_np(thread)
    size: int = library.pthread_get_stacksize_np(thread)
    return highest - size


def _on_windows() -> int:
    lowest, highest = ctypes.c_size_t(), ctypes.c_size_t()
    library: Any = ctypes.CDLL("kernel32")
    library.GetCurrentThreadStackLimits(ctypes.byref(lowest), ctypes.byref(highest))
    return lowest.value

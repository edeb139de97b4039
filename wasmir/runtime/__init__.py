"""Recovered modules in wasmtime; and ``recover.mjs`` beside this file, which does it in JavaScript.

``wasmir recover`` makes a module that can be stopped after an abort, and put back; who notices the
abort is the host. Here that is :func:`instantiate`, or :func:`guard` for an instance that is there
already. Needs the package ``wasmtime``, which is imported when it is first used.
"""

from __future__ import annotations

from wasmir.runtime.guard import (
    AbortError,
    Guard,
    GuardedFunction,
    PanicError,
    RecoveryError,
    TerminatedError,
    guard,
    instantiate,
)

__all__ = [
    "AbortError",
    "Guard",
    "GuardedFunction",
    "PanicError",
    "RecoveryError",
    "TerminatedError",
    "guard",
    "instantiate",
]

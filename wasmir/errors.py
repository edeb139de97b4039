"""The error tree.

::

    WasmError                  everything wasmir raises about a module; catch this one
    ├── MalformedError         the bytes are no module          (.offset)
    ├── InvalidError           a module, but not a valid one    (.function, .offset)
    ├── UnsupportedError       valid, but wasmir can't or won't do what was asked
    └── PassError              a pass or a pipeline was asked for in a way that makes no sense

A :class:`StaleWarning` and a :class:`DialectWarning` are no errors: what is written is right, but
for what they warn of.

Messages start with the specification's own words (those of its test suite), then say where.
"""

from __future__ import annotations

__all__ = [
    "DialectWarning",
    "InvalidError",
    "MalformedError",
    "PassError",
    "StaleWarning",
    "UnsupportedError",
    "WasmError",
]


class WasmError(Exception):
    """Base of all errors about modules, passes and pipelines.

    ``reason`` is the bare message, without the place; ``str(error)`` has both.
    """

    #: Whether the error is about another section than the code that led there.
    _elsewhere = False

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class MalformedError(WasmError):
    """The input breaks the binary grammar (specification, chapter "Binary Format").

    ``offset`` is in bytes from the start of the file.
    """

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(reason)
        self.offset = offset

    def __str__(self) -> str:
        return f"{self.reason} (at offset {self.offset:#x})"

    def __reduce__(self) -> tuple[type[MalformedError], tuple[str, int]]:
        return type(self), (self.reason, self.offset)


class _LocatedError(WasmError):
    """An error that may know its function (index, and name where there is one) and byte offset."""

    def __init__(self, reason: str, function: str | None = None, offset: int | None = None) -> None:
        super().__init__(reason)
        self.function = function
        self.offset = offset

    def __str__(self) -> str:
        places = []
        if self.function is not None:
            places.append(f"in function {self.function}")
        if self.offset is not None:
            places.append(f"at offset {self.offset:#x}")
        return f"{self.reason} ({', '.join(places)})" if places else self.reason

    def __reduce__(self) -> tuple[type[_LocatedError], tuple[str, str | None, int | None]]:
        return type(self), (self.reason, self.function, self.offset)


class InvalidError(_LocatedError):
    """A module that breaks a validation rule (specification, chapter "Validation").

    ``function`` names the function as ``12 "name"``; ``offset`` is in bytes from the start of the
    file. Either is ``None`` where it means nothing.
    """


class UnsupportedError(_LocatedError):
    """What was asked is outside what wasmir can do right; the message says what would help."""


class PassError(WasmError):
    """An unknown pass, an option it doesn't have, or a pass that broke its own contract."""


class DialectWarning(UserWarning):
    """A module that mixes both dialects of exception handling: valid, but engines reject it."""


class StaleWarning(UserWarning):
    """What is written has a custom section that describes code or indices as they were before."""

"""What an evaluation ends with, if not with results: traps, exceptions, modules that don't link.

An exception travels through compiled code as a :class:`Thrown`. One that Wasm threw *is* a
:class:`WasmException`; one that an import raised is wrapped in a :class:`Foreign` for as long as it
is inside, so that compiled code can tell both from its own accidents, of which traps are made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from wasmir.errors import WasmError
from wasmir.interp.values import from_host, to_host

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wasmir.interp.entities import Tag

__all__ = ["Foreign", "LinkError", "OutOfFuel", "StackFrame", "Thrown", "Trap", "WasmException"]


class LinkError(WasmError):
    """An import that is missing, or isn't of the type that the module asks for."""


class StackFrame(NamedTuple):
    """Where a function was when a trap came about."""

    function: str
    """Index, and name where there is one."""
    offset: int | None
    """Bytes from the start of the file, to the instruction; ``None`` where the code was edited."""
    instruction: str
    """Its mnemonic."""

    def __str__(self) -> str:
        place = "" if self.offset is None else f" at offset {self.offset:#x}"
        return f"function {self.function}{place} ({self.instruction})"


class Trap(WasmError):  # noqa: N818 - the specification's word
    """Evaluation stopped for good; no handler sees it.

    ``reason`` is in the words of the specification's suite. ``frames`` are the functions that were
    active, the innermost first: where the trap came about.
    """

    def __init__(self, reason: str, frames: Sequence[StackFrame] = ()) -> None:
        super().__init__(reason)
        self.frames = tuple(frames)

    @property
    def function(self) -> str | None:
        """The function that trapped: index, and name where there is one."""
        return self.frames[0].function if self.frames else None

    @property
    def offset(self) -> int | None:
        """Where the instruction stands, in bytes from the start of the file, if known."""
        return self.frames[0].offset if self.frames else None

    def __str__(self) -> str:
        return f"{self.reason} (in {self.frames[0]})" if self.frames else self.reason

    def __reduce__(self) -> tuple[type[Trap], tuple[str, tuple[StackFrame, ...]]]:
        return type(self), (self.reason, self.frames)


class OutOfFuel(Trap):
    """The fuel that an evaluation was given is used up."""


class Thrown(Exception):  # noqa: N818 - what is thrown need be no error
    """What handlers catch."""


class WasmException(Thrown):
    """An exception with a tag. It crosses both ways as the same object.

    ``payload`` are the values that it carries, as the host sees them.
    """

    def __init__(self, tag: Tag, payload: Sequence[Any] = ()) -> None:
        """Raises TypeError or ValueError where the payload doesn't fit the tag."""
        super().__init__(tag)
        types = tag.type.params
        if len(payload) != len(types):
            raise TypeError(f"{tag} carries {len(types)} values, not {len(payload)}")
        self.tag = tag
        self.values: tuple[Any, ...] = tuple(map(from_host, payload, types))

    @property
    def payload(self) -> tuple[Any, ...]:
        return tuple(map(to_host, self.values, self.tag.type.params))

    def __str__(self) -> str:
        return f"{self.tag}: {', '.join(map(repr, self.payload))}"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.tag, self.payload)


def thrown(tag: Tag, values: tuple[Any, ...]) -> WasmException:
    """What ``throw`` throws, of values as compiled code has them."""
    exception = WasmException.__new__(WasmException, tag)
    exception.tag = tag
    exception.values = values
    return exception


class Foreign(Thrown):
    """An exception of the host's, inside."""

    #: None that a module names.
    tag = None

    def __init__(self, exception: Exception) -> None:
        super().__init__(exception)
        self.exception = exception

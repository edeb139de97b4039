"""What instances consist of and share: functions, memories, tables, globals, tags.

Source: specification 3.0, Execution, "Runtime Structure" and "Modules".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wasmir.interp.faults import LinkError
from wasmir.interp.heap import default, func_type
from wasmir.interp.values import from_host, to_host
from wasmir.types import FuncType, GlobalType, MemoryType, NumType, TableType

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wasmir.interp.heap import RunType
    from wasmir.types import Limits, ValType

__all__ = ["Func", "Global", "Memory", "Table", "Tag"]


class Func:
    """A function as a reference. Calling it takes and gives values as the host sees them.

    ``call`` takes and gives them as compiled code has them: no result is ``None``, several are a
    tuple. ``body`` is the same, but may give a :class:`Tail` instead: what is to be called in its
    place.
    """

    __slots__ = ("__weakref__", "body", "call", "call_depth", "name", "type")

    def __init__(self, type_: RunType, call: Callable[..., Any], name: str) -> None:
        self.type = type_
        self.call = call
        self.body = call
        self.name = name
        #: How many calls may be active when the host calls it.
        self.call_depth: int | None = None

    def __call__(self, *args: Any) -> Any:
        """Raises Trap, WasmException, or what an import raised; TypeError and ValueError where the
        arguments are none that the function takes.
        """
        from wasmir.interp.boundary import call

        return call(self, args)

    def __repr__(self) -> str:
        return f"<function {self.name} {self.type}>"


class Tail:
    """A call that takes the place of its caller."""

    __slots__ = ("args", "func")

    def __init__(self, func: Func, args: tuple[Any, ...]) -> None:
        self.func = func
        self.args = args


class Memory:
    """A linear memory. ``data`` are its bytes, one object for good: it grows in place."""

    __slots__ = ("__weakref__", "data", "limit", "page", "type")

    def __init__(self, type_: MemoryType, limit: int | None = None) -> None:
        """``limit``: how many bytes it may have, whatever its type says."""
        limits = type_.limits
        self.type = type_
        self.limit = limit
        self.page = 1 << (16 if limits.page_size_log2 is None else limits.page_size_log2)
        size = limits.minimum * self.page
        if limit is not None and size > limit:
            raise LinkError(f"memory of {size} bytes, of which {limit} are allowed")
        try:
            self.data = bytearray(size)
        except (MemoryError, OverflowError):
            raise LinkError(f"memory of {size} bytes, which there aren't") from None

    @classmethod
    def of(cls, minimum: int, maximum: int | None = None) -> Memory:
        """With 32-bit addresses and pages of 64 KiB."""
        from wasmir.types import Limits

        return cls(MemoryType(Limits(minimum, maximum)))

    @property
    def pages(self) -> int:
        return len(self.data) // self.page

    @property
    def current(self) -> Limits:
        """Its type, with the size that it has."""
        from dataclasses import replace

        return replace(self.type.limits, minimum=self.pages)

    def grow(self, pages: int) -> int:
        """The size before, in pages; -1 where it can't grow so far."""
        before = self.pages
        limits = self.type.limits
        wanted = before + pages
        most = (1 << (32 if limits.address is NumType.I32 else 64)) // self.page
        if limits.maximum is not None:
            most = min(most, limits.maximum)
        if wanted > most or (self.limit is not None and wanted * self.page > self.limit):
            return -1
        try:
            self.data.extend(bytes(pages * self.page))
        except (MemoryError, OverflowError, BufferError):
            return -1
        return before


class Table:
    """A table. ``elements`` is one list for good: it grows in place."""

    __slots__ = ("__weakref__", "elements", "limit", "type")

    def __init__(self, type_: TableType, init: Any = None, limit: int | None = None) -> None:
        """``limit``: how many elements it may have, whatever its type says."""
        self.type = type_
        self.limit = limit
        size = type_.limits.minimum
        if limit is not None and size > limit:
            raise LinkError(f"table of {size} elements, of which {limit} are allowed")
        try:
            self.elements: list[Any] = [init] * size
        except (MemoryError, OverflowError):
            raise LinkError(f"table of {size} elements, which there aren't") from None

    @property
    def current(self) -> Limits:
        """Its limits, with the size that it has."""
        from dataclasses import replace

        return replace(self.type.limits, minimum=len(self.elements))

    def grow(self, count: int, init: Any = None) -> int:
        """The size before; -1 where it can't grow so far."""
        before = len(self.elements)
        limits = self.type.limits
        most = (1 << (32 if limits.address is NumType.I32 else 64)) - 1
        if limits.maximum is not None:
            most = min(most, limits.maximum)
        if before + count > most or (self.limit is not None and before + count > self.limit):
            return -1
        try:
            self.elements.extend([init] * count)
        except (MemoryError, OverflowError):
            return -1
        return before


class Global:
    """A global. ``raw`` is its value as compiled code has it."""

    __slots__ = ("__weakref__", "raw", "type")

    def __init__(self, type_: GlobalType, value: Any = None) -> None:
        self.type = type_
        no_value = value is None and isinstance(type_.type, NumType)
        self.raw = default(type_.type) if no_value else from_host(value, type_.type)

    @property
    def value(self) -> Any:
        """As the host sees it; assignable. Assigning raises TypeError where it is immutable, and
        TypeError or ValueError where the value is none of its type.
        """
        return to_host(self.raw, self.type.type)

    @value.setter
    def value(self, value: Any) -> None:
        if not self.type.mutable:
            raise TypeError("the global is immutable")
        self.raw = from_host(value, self.type.type)


class Tag:
    """An exception's tag; equal by identity."""

    __slots__ = ("__weakref__", "name", "type")

    def __init__(self, type_: RunType, name: str = "") -> None:
        self.type = type_
        self.name = name

    @classmethod
    def of(cls, params: Sequence[ValType] = (), name: str = "") -> Tag:
        """A tag of the host's, whose exceptions carry values of these types."""
        return cls(func_type(FuncType(tuple(params))), name)

    def __str__(self) -> str:
        return f"tag {self.name}" if self.name else "tag"

    def __repr__(self) -> str:
        return f"<{self}>"

"""Custom sections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wasmir.ir.checks import check_is, check_name
from wasmir.ir.codec import Section

if TYPE_CHECKING:
    from wasmir.ir.module import Module

__all__ = ["Custom", "add_custom", "remove_custom"]


class Custom:
    """A custom section: a name and bytes. Assigning ``data`` replaces the content."""

    __slots__ = ("_data", "_source", "name")

    def __init__(self, name: str, source: bytes, start: int = 0, end: int | None = None) -> None:
        self.name = name
        # Where the content stands in the input; it may be large, so it is cut out on demand.
        self._source = source, start, len(source) if end is None else end
        self._data: bytes | None = None

    @property
    def data(self) -> bytes:
        """The content, behind the name."""
        if self._data is not None:
            return self._data
        source, start, end = self._source
        return source[start:end]

    @data.setter
    def data(self, data: bytes) -> None:
        check_is(data, (bytes, bytearray, memoryview), "bytes")
        self._data = bytes(data)

    @property
    def changed(self) -> bool:
        return self._data is not None

    @property
    def size(self) -> int:
        """Bytes of content."""
        return len(self.data) if self._data is not None else self._source[2] - self._source[1]

    @property
    def offset(self) -> int:
        """Where the content stands in the input; 0 for one that was assigned."""
        return 0 if self._data is not None else self._source[1]

    @property
    def offset_bearing(self) -> bool:
        """Whether the content holds code offsets, which an edit of a function makes stale.

        DWARF (``.debug_*``), source maps, and the tool-conventions' ``metadata.code.*``.
        """
        return self.name.startswith(_OFFSET_BEARING)

    @property
    def relocatable(self) -> bool:
        """Whether the section marks an object file that still has to be linked."""
        return self.name == "linking" or self.name.startswith("reloc.")

    def __repr__(self) -> str:
        return f"<custom section {self.name!r}, {self.size} bytes>"


_OFFSET_BEARING = (".debug_", "sourceMappingURL", "external_debug_info", "metadata.code.")


def add_custom(module: Module, name: str, data: bytes) -> Custom:
    """See :meth:`wasmir.ir.module.Module.add_custom`."""
    check_name(name)
    custom = Custom(name, b"")
    custom.data = data
    end = len(module.source)
    section = Section(0, end, end, end)
    section.custom = custom
    module.sections.append(section)
    return custom


def remove_custom(module: Module, custom: Custom) -> None:
    """See :meth:`wasmir.ir.module.Module.remove_custom`."""
    check_is(custom, Custom, "a custom section")
    if custom is module.custom("name"):
        module._names = None
    module.sections = [section for section in module.sections if section.custom is not custom]

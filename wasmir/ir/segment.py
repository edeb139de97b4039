"""Element and data segments.

Source: specification, Structure, "Element Segments" and "Data Segments".
"""

from __future__ import annotations

from types import NoneType
from typing import TYPE_CHECKING, ClassVar

from wasmir.errors import InvalidError
from wasmir.ir.const import Const
from wasmir.ir.space import Entity, Sorts
from wasmir.types import AbstractHeap, RefType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wasmir.ir.function import Function
    from wasmir.ir.memory import Memory
    from wasmir.ir.table import Table

__all__ = ["REF_FUNC", "Data", "Element"]

REF_FUNC = RefType(False, AbstractHeap.FUNC)
"""The type of segments that list functions."""


class Element(Entity):
    """An element segment; equal by identity.

    *Active* with a ``table`` and an ``offset``: copied there at instantiation. *Declarative*: only
    says that code may take references to the functions in it. Else *passive*: for ``table.init``.

    ``items`` are functions, in a segment of type :data:`REF_FUNC`, or else constant expressions.
    """

    __slots__ = ("declarative", "items", "offset", "table", "type")
    space: ClassVar[str] = "elem"
    what: ClassVar[str] = "element segment"
    _fields = ("type", "items", "table", "offset", "declarative")
    _sorts: ClassVar[Sorts] = {
        "type": ((RefType,), "a RefType"),
        "offset": ((Const, NoneType), "a constant expression, as module.const makes it,"),
    }

    def __init__(
        self,
        type_: RefType,
        items: Iterable[Function | Const] = (),
        *,
        table: Table | None = None,
        offset: Const | None = None,
        declarative: bool = False,
    ) -> None:
        self.type = type_
        self.items = list(items)
        self.table = table
        self.offset = offset
        self.declarative = declarative

    @property
    def is_active(self) -> bool:
        return self.offset is not None

    @property
    def place(self) -> Table | None:
        """The table that an active segment is copied to: the first where none is given. Raises
        InvalidError where there is none.
        """
        if self.offset is None:
            return None
        if self.table is None and not self.module.tables:
            raise InvalidError("unknown table 0: an active element segment needs one")
        return self.module.tables[0] if self.table is None else self.table


class Data(Entity):
    """A data segment; equal by identity. Active with a ``memory`` and an ``offset``, or passive."""

    __slots__ = ("_init", "_slice", "memory", "offset")
    space: ClassVar[str] = "data"
    what: ClassVar[str] = "data segment"
    _fields = ("_init", "memory", "offset")
    _sorts: ClassVar[Sorts] = {
        "_init": ((bytes, bytearray, memoryview, NoneType), "bytes"),
        "offset": ((Const, NoneType), "a constant expression, as module.const makes it,"),
    }

    def __init__(
        self, init: bytes = b"", *, memory: Memory | None = None, offset: Const | None = None
    ) -> None:
        self._init: bytes | None = init
        # Where the bytes stand in the input; there may be many, so they are cut out on demand.
        self._slice = (0, 0)
        self.memory = memory
        self.offset = offset

    @property
    def init(self) -> bytes:
        """The bytes; assignable."""
        if self._init is not None:
            return self._init
        start, end = self._slice
        return self.module.source[start:end]

    @init.setter
    def init(self, init: bytes) -> None:
        self._init = bytes(init)

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self._init) if self._init is not None else self._slice[1] - self._slice[0]

    @property
    def is_active(self) -> bool:
        return self.offset is not None

    @property
    def place(self) -> Memory | None:
        """The memory that an active segment is copied to: the first where none is given. Raises
        InvalidError where there is none.
        """
        if self.offset is None:
            return None
        if self.memory is None and not self.module.memories:
            raise InvalidError("unknown memory 0: an active data segment needs one")
        return self.module.memories[0] if self.memory is None else self.memory

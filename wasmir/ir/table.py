"""Tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from wasmir.ir.space import Importable

if TYPE_CHECKING:
    from wasmir.ir.const import Const
    from wasmir.types import TableType

__all__ = ["Table"]


class Table(Importable):
    """A table; equal by identity. ``init`` is what its elements start as, ``None`` for null."""

    __slots__ = ("init", "type")
    space: ClassVar[str] = "table"
    what: ClassVar[str] = "table"
    _fields = ("type", "init")

    def __init__(self, type_: TableType, init: Const | None = None) -> None:
        self.type = type_
        self.init = init
        self.imported = None

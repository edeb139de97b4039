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

    def make_definition(self, init: Const | None = None) -> None:
        """Let the module define it, in front of all others that it does. ``init`` is needed where
        its elements can't be null.
        """
        from wasmir.ir.surgery import make_definition

        make_definition(self, init)

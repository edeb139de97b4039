"""Tables."""

from __future__ import annotations

from types import NoneType
from typing import TYPE_CHECKING, ClassVar

from wasmir.ir.const import Const
from wasmir.ir.space import Importable, Sorts
from wasmir.types import TableType

if TYPE_CHECKING:
    from wasmir.ir.global_ import Global
    from wasmir.ir.image import TableImage

__all__ = ["Table"]


class Table(Importable):
    """A table; equal by identity. ``init`` is what its elements start as, ``None`` for null."""

    __slots__ = ("init", "type")
    space: ClassVar[str] = "table"
    what: ClassVar[str] = "table"
    _fields = ("type", "init")
    _sorts: ClassVar[Sorts] = {
        "type": ((TableType,), "a TableType"),
        "init": ((Const, NoneType), "a constant expression, as module.const makes it,"),
    }

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

    def image(self, base: Global | None = None) -> TableImage:
        """What instantiation puts into it, by slot, to be read and edited: ``image[slot]`` is a
        function or a constant expression. With a ``base``, as ``__table_base`` is one, slots count
        from the value of that global.
        """
        from wasmir.ir.image import TableImage

        return TableImage(self, base)

"""Globals."""

from __future__ import annotations

from types import NoneType
from typing import ClassVar

from wasmir.ir.const import Const
from wasmir.ir.space import Importable, Sorts
from wasmir.types import GlobalType

__all__ = ["Global"]


class Global(Importable):
    """A global; equal by identity. ``init`` is ``None`` where it is imported."""

    __slots__ = ("init", "type")
    space: ClassVar[str] = "global"
    what: ClassVar[str] = "global"
    _fields = ("type", "init")
    _sorts: ClassVar[Sorts] = {
        "type": ((GlobalType,), "a GlobalType"),
        "init": ((Const, NoneType), "a constant expression, as module.const makes it,"),
    }

    def __init__(self, type_: GlobalType, init: Const | None = None) -> None:
        self.type = type_
        self.init = init
        self.imported = None

    def make_definition(self, init: Const) -> None:
        """Let the module define it, in front of all others that it does, with an initial value."""
        from wasmir.ir.surgery import make_definition

        make_definition(self, init)

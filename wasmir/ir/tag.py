"""Tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from wasmir.ir.space import Importable, Sorts
from wasmir.ir.type import Type

if TYPE_CHECKING:
    from wasmir.types import ValType

__all__ = ["Tag"]


class Tag(Importable):
    """An exception (or suspension) tag; equal by identity."""

    __slots__ = ("type",)
    space: ClassVar[str] = "tag"
    what: ClassVar[str] = "tag"
    _fields = ("type",)
    _sorts: ClassVar[Sorts] = {"type": ((Type,), "a type")}

    def __init__(self, type_: Type) -> None:
        self.type = type_
        self.imported = None

    @property
    def params(self) -> tuple[ValType, ...]:
        """What an exception with this tag carries."""
        func = self.type.func
        return () if func is None else func.params

    def make_definition(self) -> None:
        """Let the module define it, in front of all others that it does."""
        from wasmir.ir.surgery import make_definition

        make_definition(self)

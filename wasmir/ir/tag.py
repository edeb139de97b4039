"""Tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wasmir.ir.type import Type
    from wasmir.types import ValType

__all__ = ["Tag"]


class Tag:
    """An exception (or suspension) tag; equal by identity. ``imported`` names its import."""

    __slots__ = ("imported", "index", "type")

    def __init__(self, type_: Type, index: int, imported: tuple[str, str] | None = None) -> None:
        self.type = type_
        self.index = index
        self.imported = imported

    @property
    def params(self) -> tuple[ValType, ...]:
        """What an exception with this tag carries."""
        func = self.type.func
        return () if func is None else func.params

    def __str__(self) -> str:
        return str(self.index)

    def __repr__(self) -> str:
        return f"<tag {self.index}>"

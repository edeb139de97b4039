"""Linear memories."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from wasmir.ir.space import Importable, Sorts
from wasmir.types import MemoryType

if TYPE_CHECKING:
    from wasmir.ir.global_ import Global
    from wasmir.ir.image import MemoryImage

__all__ = ["Memory"]


class Memory(Importable):
    """A linear memory; equal by identity."""

    __slots__ = ("type",)
    space: ClassVar[str] = "memory"
    what: ClassVar[str] = "memory"
    _fields = ("type",)
    _sorts: ClassVar[Sorts] = {"type": ((MemoryType,), "a MemoryType")}

    def __init__(self, type_: MemoryType) -> None:
        self.type = type_
        self.imported = None

    def make_definition(self) -> None:
        """Let the module define it, in front of all others that it does."""
        from wasmir.ir.surgery import make_definition

        make_definition(self)

    def image(self, base: Global | None = None) -> MemoryImage:
        """What instantiation puts into it, by address, to be read and edited: ``image[start:stop]``
        are bytes. With a ``base``, as ``__memory_base`` is one, addresses count from the value of
        that global.
        """
        from wasmir.ir.image import MemoryImage

        return MemoryImage(self, base)

"""Locals by handle, and what they hold at first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from wasmir.ir.construct import interned
from wasmir.isa.table import BY_NAME
from wasmir.types import NumType, RefType

if TYPE_CHECKING:
    from wasmir.ir.code import Instr
    from wasmir.types import ValType

__all__ = ["Local", "default_of"]


def default_of(type_: ValType) -> Instr:
    """The instruction that makes what a local of the type holds at first: zero, or null for every
    reference type, also for those that haven't it.
    """
    match type_:
        case RefType():
            return interned(BY_NAME["ref.null"], (type_.heap,))
        case NumType.V128:
            return interned(BY_NAME["v128.const"], (bytes(16),))
        case NumType():
            return interned(BY_NAME[f"{type_}.const"], (0,))
    raise TypeError(f"a value type expected, not {type(type_).__name__}")


class Local(int):
    """A parameter or local of the code that is being built: its index, with its type and name.

    It is an integer, so whatever takes the index of a local takes it: ``ops.local.get(x)``.
    """

    type: ValType
    name: str | None
    #: The builder that declared it.
    owner: object

    def __new__(cls, index: int, type_: ValType, name: str | None, owner: object) -> Self:
        self = super().__new__(cls, index)
        self.type = type_
        self.name = name
        self.owner = owner
        return self

    # Else it would show as below in whatever is made from indices.
    __str__ = int.__repr__

    def __repr__(self) -> str:
        shown = f"{int(self)}" if self.name is None else f'{int(self)} "{self.name}"'
        return f"<local {shown}, {self.type}>"

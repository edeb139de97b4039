"""Locals by handle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from wasmir.types import ValType

__all__ = ["Local"]


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

    def __repr__(self) -> str:
        shown = f"{int(self)}" if self.name is None else f'{int(self)} "{self.name}"'
        return f"<local {shown}, {self.type}>"

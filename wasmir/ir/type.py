"""The type section's entries as entities."""

from __future__ import annotations

from wasmir.types import Defined, FuncType, SubType

__all__ = ["Type"]


class Type(Defined):
    """One entry of the type section; equal by identity.

    ``definition`` refers to other entries by entity. ``alone`` says that the entry is a recursive
    group of its own, so that another one with the same definition means the same type.
    """

    __slots__ = ("alone", "definition", "index")

    def __init__(self, definition: SubType, index: int, alone: bool) -> None:
        self.definition = definition
        self.index = index
        self.alone = alone

    @property
    def func(self) -> FuncType | None:
        """The function type, where it is one."""
        composite = self.definition.composite
        return composite if isinstance(composite, FuncType) else None

    @property
    def stands_for_its_function_type(self) -> bool:
        """Whether any other entry with the same function type would mean the same type."""
        definition = self.definition
        return (
            self.alone
            and definition.final
            and not definition.supertypes
            and definition.describes is None
            and definition.descriptor is None
        )

    def __str__(self) -> str:
        return str(self.index)

    def __repr__(self) -> str:
        return f"<type {self.index}>"

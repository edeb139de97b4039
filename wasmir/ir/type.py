"""The type section's entries as entities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from wasmir.ir.space import Entity
from wasmir.types import (
    ArrayType,
    Concrete,
    ContType,
    Defined,
    FieldType,
    FuncType,
    RefType,
    StructType,
    SubType,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Group", "Type", "definition_key"]


class Group:
    """A recursive group; a type that is defined alone is a group of its own.

    Its types stand one behind the other.
    """

    __slots__ = ("_wire", "types")

    def __init__(self, types: Iterable[Type] = ()) -> None:
        self.types = list(types)
        self._wire: tuple[int, int] | None = None


class Type(Entity, Defined):
    """One entry of the type section; equal by identity.

    ``definition`` refers to other entries by entity.
    """

    __slots__ = ("definition", "group")
    space: ClassVar[str] = "type"
    what: ClassVar[str] = "type"
    _fields = ("definition",)

    def __init__(self, definition: SubType, group: Group) -> None:
        self.definition = definition
        self.group = group

    @property
    def field_names(self) -> dict[int, str]:
        """The names of a structure's fields, by index; a copy, to be assigned."""
        return self.module.names.inside("field", self)

    @field_names.setter
    def field_names(self, names: dict[int, str]) -> None:
        self.module.names.give_inside("field", self, names)

    @property
    def param_names(self) -> dict[int, str]:
        """The names of a function type's parameters, by index; a copy, to be assigned."""
        return self.module.names.inside("param", self)

    @param_names.setter
    def param_names(self, names: dict[int, str]) -> None:
        self.module.names.give_inside("param", self, names)

    @property
    def alone(self) -> bool:
        """Whether the entry is a recursive group of its own, so that another one with the same
        definition means the same type.
        """
        return len(self.group.types) == 1

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
        return f"{self._number} (removed)" if self.is_removed else str(self.index)


def definition_key(definition: SubType, standing: Callable[[Any], object]) -> tuple[object, ...]:
    """The same for definitions of the same type, where ``standing`` gives the same for entries of
    the type section that stand for the same: their places within the recursive group, or what is
    known of them. Source: specification, "Type Equivalence".
    """

    def key(thing: Any) -> Any:
        if isinstance(thing, Type):
            return standing(thing)
        if isinstance(thing, RefType):
            heap = thing.heap
            if isinstance(heap, Concrete):
                return thing.nullable, key(heap.type), heap.exact
            return thing.nullable, heap.value
        if isinstance(thing, FieldType):
            return key(thing.storage), thing.mutable
        if isinstance(thing, tuple):
            return tuple(map(key, thing))
        return thing

    composite = definition.composite
    inside: Any
    match composite:
        case FuncType(params, results):
            inside = key(params), key(results)
        case StructType(fields):
            inside = key(fields)
        case ArrayType(field):
            inside = key(field)
        case ContType(heap):
            inside = key(heap.type)
    return (
        composite.__class__,
        inside,
        definition.final,
        key(definition.supertypes),
        key(definition.describes),
        key(definition.descriptor),
    )

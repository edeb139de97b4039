"""What comes to a module: types, and entities that it defines or imports."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from wasmir.ir.checks import check_is, check_name, each_is
from wasmir.ir.imports import Import
from wasmir.ir.space import Entity, Importable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from wasmir.ir.module import Module
    from wasmir.ir.type import Type
    from wasmir.types import FuncType, SubType, ValType

__all__ = ["add_group", "added", "imported", "tag_type", "type_of"]

E = TypeVar("E", bound=Entity)
I = TypeVar("I", bound=Importable)  # noqa: E741 - as short as its sibling


def type_of(module: Module, type_: Type | FuncType) -> Type:
    """The entry that a function type stands for, or the entry itself."""
    from wasmir.types import FuncType

    return module.func_type(type_.params, type_.results) if isinstance(type_, FuncType) else type_


def tag_type(module: Module, params: Iterable[ValType] | Type) -> Type:
    """The type of a tag, from what its exceptions carry, or itself."""
    from wasmir.ir.type import Type

    return params if isinstance(params, Type) else module.func_type(params)


def add_group(
    module: Module, size: int, define: Callable[[list[Type]], Sequence[SubType]]
) -> list[Type]:
    """See :meth:`wasmir.ir.module.Module.add_group`."""
    from wasmir.ir.type import Group, Type
    from wasmir.types import FuncType, SubType

    space = module.types
    blank = SubType(FuncType())
    group = Group()
    group.types = [Type(blank, group) for _ in range(size)]
    for type_ in group.types:
        type_._join(module, 0, None)
    definitions = each_is(define(group.types), SubType, "a SubType")
    if len(definitions) != size:
        raise ValueError(f"{size} definitions are expected, not {len(definitions)}")
    for type_, definition in zip(group.types, definitions, strict=True):
        type_.definition = definition
        space._add(type_)
        if type_.stands_for_its_function_type and type_.func is not None:
            module._by_func_type.setdefault(type_.func, type_)
    return group.types


def added(module: Module, entity: E, name: str | None, exported: str | None) -> E:
    """Something new that the module defines, behind all others of its sort."""
    # Before anything is done.
    check_is(entity, Entity, "an entity")
    entity.check_fields()
    if exported is not None:
        module.exports.check_free(exported)
    if name is not None:
        check_name(name)
    space = module.space(entity.space)
    entity._join(module, 0, None)
    space._add(entity)
    if name is not None:
        entity.name = name
    if exported is not None:
        module.exports.add(exported, cast("Importable", entity))
    return entity


def imported(importer: Module, module: str, name: str, entity: I, *, exact: bool = False) -> I:
    """Something new that a module imports, behind all others of its sort that it does."""
    for given in (module, name):
        check_name(given)
    entity.check_fields()
    imports = importer.imports
    space = importer.space(entity.space)
    entity._join(importer, 0, None)
    entity.imported = Import(module, name, entity, exact=exact)
    space._add(entity, imported=True)
    imports._items.append(entity.imported)
    return entity

"""Imports and exports.

Source: specification, Structure, "Imports" and "Exports".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, overload

from wasmir.ir.checks import check_is, check_name, each_is
from wasmir.ir.space import Importable, reordered

if TYPE_CHECKING:
    from wasmir.ir.module import Module
    from wasmir.ir.type import Type
    from wasmir.types import GlobalType, MemoryType, TableType

__all__ = ["Export", "Exports", "ExternKind", "Import", "Imports"]


class ExternKind(StrEnum):
    """What is imported or exported; the value is the name of its index space, and so these are
    the same: ``import_.kind is ExternKind.FUNC`` and ``import_.kind == "func"``.
    """

    FUNC = "func"
    TABLE = "table"
    MEMORY = "memory"
    GLOBAL = "global"
    TAG = "tag"

    @property
    def code(self) -> int:
        """How it is encoded."""
        return _CODES[self]

    @property
    def space(self) -> str:
        """The index space of such things."""
        return self.value


_KINDS = {str(kind.value): kind for kind in ExternKind}
_CODES = {kind: code for code, kind in enumerate(ExternKind)}


class Import:
    """One import. ``exact`` is custom-descriptors' exact function import."""

    __slots__ = ("_group", "_read", "entity", "exact", "module", "name")

    def __init__(self, module: str, name: str, entity: Importable, *, exact: bool = False) -> None:
        self.module = module
        self.name = name
        self.entity = entity
        self.exact = exact
        # The group in the input that it was read from, and its state as of then.
        self._group: Any = None
        self._read: tuple[Any, ...] = ()

    @property
    def kind(self) -> ExternKind:
        return _KINDS[self.entity.space]

    @property
    def type(self) -> Type | TableType | MemoryType | GlobalType:
        """An entity for functions and tags, a value otherwise."""
        return self.entity.type  # type: ignore[attr-defined,no-any-return]

    def _state(self) -> tuple[Any, ...]:
        return self.module, self.name, self.entity, self.exact

    def _restore(self, state: tuple[Any, ...]) -> None:
        self.module, self.name, self.entity, self.exact = state

    def __str__(self) -> str:
        return f'"{self.module}" "{self.name}"'

    def __repr__(self) -> str:
        return f"<import {self}, {self.entity!r}>"


class Imports(Sequence[Import]):
    """The imports in order. What is imported of one sort has its indices in this order."""

    def __init__(self, module: Module, items: list[Import]) -> None:
        self._module = module
        self._items = items
        self._all_read = list(items)

    @overload
    def __getitem__(self, index: int) -> Import: ...
    @overload
    def __getitem__(self, index: slice) -> list[Import]: ...
    def __getitem__(self, index: int | slice) -> Import | list[Import]:
        return self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Import]:
        return iter(self._items)

    def find(self, module: str, name: str) -> Import | None:
        """The first import of that module and name: there may be more."""
        wanted = module, name
        return next((each for each in self._items if (each.module, each.name) == wanted), None)

    def remove(self, import_: Import) -> None:
        """Take an import out, with what it imports."""
        check_is(import_, Import, "an import")
        self._module.space(import_.entity.space).remove(import_.entity)

    def reorder(self, imports: Iterable[Import]) -> None:
        """Put all imports into a new order. Raises ValueError where some are missing or new."""
        wanted = reordered(self._items, imports, "import")
        self._items[:] = wanted
        for kind in ExternKind:
            entities = [each.entity for each in wanted if each.kind is kind]
            space: Any = self._module.space(kind.space)
            if entities != space[: len(entities)]:
                space._items[: len(entities)] = entities
                space._moved()

    def _go_back(self) -> None:
        """To what was read."""
        self._items[:] = self._all_read
        for import_ in self._items:
            import_._restore(import_._read)

    def _forget(self, imports: set[Import]) -> None:
        self._items[:] = [each for each in self._items if each not in imports]

    def _follow(self, entities: list[Any]) -> None:
        """Let imports of one sort stand in the order of what they import."""
        if entities:
            space = entities[0].space
            places = [at for at, each in enumerate(self._items) if each.entity.space == space]
            for place, entity in zip(places, entities, strict=True):
                self._items[place] = entity.imported


class Export:
    """One export."""

    __slots__ = ("_read", "_wire", "entity", "name")

    def __init__(self, name: str, entity: Importable) -> None:
        self.name = name
        self.entity = entity
        # Where it begins in the input, where its index does, where it ends.
        self._wire: tuple[int, int, int] | None = None
        self._read: tuple[Any, ...] = ()

    @property
    def kind(self) -> ExternKind:
        return _KINDS[self.entity.space]

    def _state(self) -> tuple[Any, ...]:
        return self.name, self.entity

    def _restore(self, state: tuple[Any, ...]) -> None:
        self.name, self.entity = state

    def __str__(self) -> str:
        return f'"{self.name}"'

    def __repr__(self) -> str:
        return f"<export {self}, {self.entity!r}>"


class Exports(Sequence[Export]):
    """The exports in order."""

    def __init__(self, module: Module, items: list[Export]) -> None:
        self._module = module
        self._items = items
        self._all_read = list(items)

    @overload
    def __getitem__(self, index: int) -> Export: ...
    @overload
    def __getitem__(self, index: slice) -> list[Export]: ...
    def __getitem__(self, index: int | slice) -> Export | list[Export]:
        return self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Export]:
        return iter(self._items)

    def find(self, name: str) -> Export | None:
        """The export of that name."""
        return next((each for each in self._items if each.name == name), None)

    def of(self, entity: Importable) -> list[Export]:
        """The exports of one thing."""
        return [each for each in self._items if each.entity is entity]

    def add(self, name: str, entity: Importable) -> Export:
        """Export something. Raises ValueError for a name that is taken or can't be written, and for
        what is part of another module; TypeError for what can't be exported.
        """
        check_is(entity, Importable, "a function, table, memory, tag or global")
        if entity.module is not self._module:
            raise ValueError(f"{entity!r} is part of another module")
        self.check_free(name)
        return self._append(name, entity)

    def check_free(self, name: str) -> None:
        """Raise ValueError for a name that is taken, or can't be written; TypeError for none."""
        check_name(name)
        if self.find(name) is not None:
            raise ValueError(f"duplicate export name {name!r}")

    def _append(self, name: str, entity: Importable) -> Export:
        """The same for a name that is known to be free."""
        export = Export(name, entity)
        self._items.append(export)
        return export

    def remove(self, export: Export) -> None:
        """Take an export out. Raises ValueError where it isn't one of these."""
        check_is(export, Export, "an export")
        self._items.remove(export)

    def remove_all(self, exports: Iterable[Export]) -> None:
        """Take several out, at the cost of one."""
        gone = set(each_is(exports, Export, "an export"))
        self._items[:] = [each for each in self._items if each not in gone]

    def reorder(self, exports: Iterable[Export]) -> None:
        """Put all exports into a new order. Raises ValueError where some are missing or new."""
        wanted = reordered(self._items, exports, "export")
        self._items[:] = wanted

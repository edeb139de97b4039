"""Entities with an index, and the index spaces that they stand in.

An entity has two numbers. Its *index* is where it stands in its space now, and what the module is
written with. Its *code number* never changes: it is what code bytes name it by, those of the input
and those that were encoded since. As long as both are the same for all, bytes are copied; where
they differ, tokens are translated from the one to the other on the way out, and nothing has to be
decoded when something moves.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeAlias, TypeVar, cast, overload

from wasmir.ir.bulk import bulk_work
from wasmir.ir.checks import check_is
from wasmir.ir.codec import codec
from wasmir.ir.const import Const, FrozenConst

if TYPE_CHECKING:
    from wasmir.ir.imports import Import
    from wasmir.ir.module import Module

__all__ = [
    "SPACES",
    "Entity",
    "Importable",
    "Sorts",
    "Space",
    "check_member",
    "read_space",
    "reordered",
]


Sorts: TypeAlias = dict[str, tuple[tuple[type, ...], str]]
"""What attributes must be, and what to call that."""


class Entity:
    """What has an index; equal by identity, and part of one module for good."""

    __slots__ = ("_number", "_read", "_wire", "module")

    #: The name of its index space, as in :attr:`wasmir.isa.kinds.Kind.space`.
    space: ClassVar[str]
    #: What messages call it.
    what: ClassVar[str]

    module: Module
    _number: int
    # Where it stands in the input, and its state as of reading; None for what was added.
    _wire: tuple[int, int] | None
    _read: tuple[Any, ...]

    def _join(self, module: Module, number: int, wire: tuple[int, int] | None) -> None:
        self.module = module
        self._number = number
        self._wire = wire
        self._read = ()

    #: The attributes that are encoded.
    _fields: ClassVar[tuple[str, ...]] = ()

    #: What some of them must be, and what to call that.
    _sorts: ClassVar[Sorts] = {}

    def check_fields(self) -> None:
        """Raise TypeError where something that it is made of is of the wrong sort."""
        for field, (kinds, expected) in self._sorts.items():
            check_is(getattr(self, field), kinds, f"{self.what}: {field.lstrip('_')}: {expected}")

    def _state(self) -> tuple[Any, ...]:
        """All that is encoded of it: what tells whether it was changed, and what undoes that."""
        return tuple(map(_frozen, map(self.__getattribute__, self._fields)))

    def _restore(self, state: tuple[Any, ...]) -> None:
        for name, value in zip(self._fields, state, strict=True):
            setattr(self, name, _thawed(value))

    @property
    def index(self) -> int:
        """Where it stands in its space now. Raises InvalidError once it was removed."""
        return self.module.space(self.space).index(self)

    @property
    def is_removed(self) -> bool:
        return self not in self.module.space(self.space)

    @property
    def name(self) -> str | None:
        """The name that the name section gives; assignable."""
        return self.module.names.of(self)

    @name.setter
    def name(self, name: str | None) -> None:
        self.module.names.give(self, name)

    def __str__(self) -> str:
        if self._number < 0:
            return "(being built)"
        shown = f"{self._number} (removed)" if self.is_removed else str(self.index)
        name = self.name
        return shown if name is None else f'{shown} "{name}"'

    def __repr__(self) -> str:
        return f"<{self.what} {self}>"


def check_member(entity: Entity, module: Module) -> None:
    """Raise InvalidError for what no code of the module can mention."""
    from wasmir.errors import InvalidError

    if entity.module is not module:
        raise InvalidError(f"unknown {entity.what}: {entity} is part of another module")
    if entity._number < 0:
        raise InvalidError(
            f"unknown {entity.what}: it isn't part of the module, because its builder was never "
            "finished, or it is a snippet"
        )


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return _List(map(_frozen, value))
    return value._freeze() if isinstance(value, Const) else value


def _thawed(value: Any) -> Any:
    if isinstance(value, _List):
        return list(map(_thawed, value))
    return value.thaw() if isinstance(value, FrozenConst) else value


class _List(tuple[Any, ...]):
    """A list, as it was."""

    __slots__ = ()


class Importable(Entity):
    """What a module defines or imports."""

    __slots__ = ("imported",)

    #: The import, where it is imported.
    imported: Import | None

    def make_import(self, module: str, name: str) -> Import:
        """Let the module import it instead of defining it: the last import of its sort. What it was
        made of is gone; it stays the same object, so all that mentions it follows.

        Of what is imported already, the import gets the names. ``make_definition`` goes back.
        """
        from wasmir.ir.surgery import make_import

        return make_import(self, module, name)


E = TypeVar("E", bound=Entity)


T = TypeVar("T")

SPACES = {
    "type": ("type", "read_types"),
    "func": ("function", "read_functions"),
    "table": ("table", "read_tables"),
    "memory": ("memory", "read_memories"),
    "tag": ("tag", "read_tags"),
    "global": ("global", "read_globals"),
    "elem": ("element segment", "read_elements"),
    "data": ("data segment", "read_data"),
}
"""What messages call the entities of each space, and what reads them."""


def read_space(module: Module, name: str) -> Space[Any]:
    """An index space, as the input has it. Raises ValueError for a name that is none's."""
    if name not in SPACES:
        raise ValueError(f"no index space {name!r}; there are: {', '.join(SPACES)}")
    what, read = SPACES[name]
    with bulk_work():
        return Space(module, what, getattr(codec(), read)(module))


def reordered(items: list[T], wanted: Iterable[T], what: str) -> list[T]:
    """The same things in another order. Raises ValueError where some are missing or new."""
    order = list(wanted)
    if len(order) != len(items) or {*map(id, order)} != {*map(id, items)}:
        raise ValueError(f"not the same {what}s in another order")
    return order


class Space(Sequence[E], Generic[E]):
    """An index space: the entities of one sort in the order of their indices, imports first.

    Adding at the end moves nothing. Any other change moves entities to new indices, and whatever
    mentions them follows when the module is written.
    """

    def __init__(self, module: Module, what: str, items: list[E]) -> None:
        self._module = module
        #: What messages call its entities.
        self.what = what
        self._items = items
        # By code number.
        self._numbered = list(items)
        self._read_count = len(items)
        # By entity, while some code numbers aren't the indices.
        self._positions: dict[E, int] | None = None
        #: Whether some code number may not be the entity's index.
        self.moved = False

    @overload
    def __getitem__(self, index: int) -> E: ...
    @overload
    def __getitem__(self, index: slice) -> list[E]: ...
    def __getitem__(self, index: int | slice) -> E | list[E]:
        return self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[E]:
        return iter(self._items)

    def __reversed__(self) -> Iterator[E]:
        return reversed(self._items)

    def __contains__(self, entity: object) -> bool:
        return self._find(entity) is not None

    def _find(self, entity: Any) -> int | None:
        if not isinstance(entity, Entity) or entity.module is not self._module:
            return None
        if self.moved:
            if self._positions is None:
                self._positions = {each: index for index, each in enumerate(self._items)}
            return self._positions.get(cast("E", entity))
        number = entity._number
        known = number < len(self._items) and self._items[number] is entity
        return number if known else None

    def index(self, entity: Any, start: int = 0, stop: int | None = None) -> int:
        """The entity's index. Raises InvalidError where the space doesn't have it."""
        found = self._find(entity)
        if found is None or found < start or (stop is not None and found >= stop):
            from wasmir.errors import InvalidError

            raise InvalidError(f"unknown {self.what} {entity}: it isn't part of the module")
        return found

    def named(self, name: str) -> E | None:
        """The first that the name section gives this name."""
        return next((each for each in self._items if each.name == name), None)

    def numbered(self, number: int) -> E | None:
        """What code means by a number, removed or not; ``None`` where it means nothing."""
        return self._numbered[number] if number < len(self._numbered) else None

    def read_at(self, index: int) -> E:
        """What the input has at an index, wherever it is now. Raises InvalidError where that is
        nothing.
        """
        if index >= self._read_count:
            from wasmir.errors import InvalidError

            raise InvalidError(f"unknown {self.what} {index}")
        return self._numbered[index]

    def remove(self, entity: E) -> None:
        """Take an entity out. Whatever still mentions it when the module is written is an error.

        An import goes with what it imports.
        """
        self.remove_all([entity])

    def remove_all(self, entities: Iterable[E]) -> None:
        """Take several out, like :meth:`remove`, and at the cost of one."""
        gone: set[Any] = set(entities)
        if not gone:
            return
        for entity in gone:
            # Raises what it is to raise before anything is done.
            self.index(entity)
        self._items[:] = [each for each in self._items if each not in gone]
        self._moved()
        imports = {each.imported for each in gone if getattr(each, "imported", None) is not None}
        if imports:
            self._module.imports._forget(imports)
        self._module._forget(self)

    def reorder(self, entities: Iterable[E]) -> None:
        """Put all entities into a new order. Raises ValueError where some are missing or new, or
        where a defined one comes before an imported one.
        """
        wanted = reordered(self._items, entities, self.what)
        imports = [getattr(each, "imported", None) is not None for each in wanted]
        if imports != sorted(imports, reverse=True):
            raise ValueError(f"imported {self.what}s come before those that are defined")
        self._items[:] = wanted
        self._moved()
        self._module.imports._follow([each for each in wanted if getattr(each, "imported", None)])

    def _moved(self) -> None:
        self.moved = True
        self._positions = None

    def _add(self, entity: E, *, imported: bool = False) -> E:
        """Give the next code number, and a place behind all (imported: all imported) others."""
        entity._number = len(self._numbered)
        self._numbered.append(entity)
        if imported:
            place = self._imported()
            if place < len(self._items):
                self._items.insert(place, entity)
                self._moved()
                return entity
        self._items.append(entity)
        if self._positions is not None:
            self._positions[entity] = len(self._items) - 1
        return entity

    def _replace(self, entity: E) -> None:
        """Put an entity where it belongs now: between what is imported and what is defined."""
        items = self._items
        old = self.index(entity)
        del items[old]
        new = self._imported()
        items.insert(new, entity)
        self.moved = True
        if self._positions is not None:
            # Many are moved one after the other.
            for index in range(min(old, new), max(old, new) + 1):
                self._positions[items[index]] = index

    def _imported(self) -> int:
        """How many are imported. They come first."""
        return bisect_left(
            self._items, True, key=lambda each: getattr(each, "imported", None) is None
        )

    # For checkpoints.

    def _snapshot(self) -> tuple[Any, ...]:
        return list(self._items), len(self._numbered), self.moved

    def _go_back(self, items: list[E] | None, numbered: int = 0, moved: bool = False) -> None:
        """To a snapshot, or to what was read."""
        if items is None:
            items = self._numbered[: self._read_count]
            numbered = self._read_count
            for entity in items:
                if entity._fields and self.what != "function":
                    entity._restore(entity._read)
        self._items[:] = items
        del self._numbered[numbered:]
        self.moved = moved
        self._positions = None

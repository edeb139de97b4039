"""Code and entities of one module in another.

Code goes as bytes: its numbers are translated, token by token, from those of the one module to
those of the other, and nothing is decoded. What code mentions gets a twin in the other module when
its number is asked for the first time; what that twin is made of comes later, so nothing recurses.

Types that mean the same become the same entry.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from wasmir.errors import InvalidError
from wasmir.ir.codec import codec
from wasmir.ir.const import Const
from wasmir.ir.function import Function
from wasmir.ir.global_ import Global
from wasmir.ir.memory import Memory
from wasmir.ir.segment import Data, Element
from wasmir.ir.space import Entity, Importable
from wasmir.ir.table import Table
from wasmir.ir.tag import Tag
from wasmir.ir.type import Group, Type, definition_key
from wasmir.ir.uses import types_in
from wasmir.isa.mentions import SPACES
from wasmir.types import (
    ArrayType,
    Concrete,
    ContType,
    FieldType,
    FuncType,
    GlobalType,
    RefType,
    StructType,
    SubType,
    TableType,
)

if TYPE_CHECKING:
    from wasmir.ir.module import Module

__all__ = ["Importer"]

Choice: TypeAlias = Callable[[Importable], Importable | None]
"""What of the target stands for something of the source; ``None`` where it gets a twin."""


class Importer:
    """The way from a module, the source, to another, the target."""

    def __init__(self, source: Module, target: Module, choose: Choice | None = None) -> None:
        """``choose`` is asked once about each thing that may be imported or exported; it may make
        something in the target, by :meth:`importing` too.
        """
        source.read_all()
        target.read_all()
        self.source = source
        self.target = target
        self._choose = choose
        self._twins: dict[Entity, Entity] = {}
        # What is made of nothing yet.
        self._pending: list[tuple[Any, Any]] = []
        # Of the target's groups of the same types the first stands for all.
        self._groups: dict[tuple[object, ...], Group] = {}
        self._first: dict[Type, Type] = {}
        for group in dict.fromkeys(type_.group for type_ in target.types):
            key = _group_key(group, lambda each: self._first.get(each, each))
            first = self._groups.setdefault(key, group)
            self._first.update(zip(group.types, first.types, strict=True))
        self._renumbering = codec().renumbering(SPACES, self._number)

    def twin(self, entity: Any) -> Any:
        """What stands for an entity in the target, from now on. Raises InvalidError where it can't
        be had.
        """
        found = self._twins.get(entity)
        if found is None:
            found = self._made(entity)
        return found

    def has(self, entity: Entity) -> bool:
        """Whether something stands for an entity already."""
        return entity in self._twins

    def finish(self) -> None:
        """Give all twins what they are made of, which may bring others. Raises InvalidError,
        MalformedError.
        """
        target = self.target
        while self._pending:
            entity, twin = self._pending.pop()
            match entity:
                case Function():
                    twin._code = self._code(entity)
                    twin.label_names = entity.label_names
                case Element():
                    twin.items = [
                        self._const(item) if isinstance(item, Const) else self.twin(item)
                        for item in entity.items
                    ]
                    twin.table = None if entity.place is None else self.twin(entity.place)
                    twin.offset = self._const(entity.offset)
                case Data():
                    twin.memory = None if entity.place is None else self.twin(entity.place)
                    twin.offset = self._const(entity.offset)
                case Global() | Table():
                    twin.init = self._const(entity.init)
        # Code may mention data segments, and functions that something has to declare.
        target._data_counted |= self.source._data_counted
        target._takes_references = True

    # Code

    def _code(self, function: Function) -> bytes:
        try:
            return self._renumbering.body(function.code)
        except InvalidError as error:
            raise InvalidError(error.reason, str(function), error.offset) from None

    def _const(self, const: Const | None) -> Const | None:
        if const is None:
            return None
        return Const(self.target, code=self._renumbering.instructions(const.code))

    def _number(self, space: str, number: int) -> int:
        entity = self.source.space(space).numbered(number)
        if entity is None or entity.is_removed:
            raise InvalidError(f"unknown {self.source.space(space).what} {number}")
        found: int = self.twin(entity)._number
        return found

    # Entities

    def _made(self, entity: Any) -> Any:
        if entity.module is not self.source or entity.is_removed:
            raise InvalidError(f"unknown {entity.what} {entity}: it isn't part of the module")
        if isinstance(entity, Type):
            self._make_types(entity)
            return self._twins[entity]
        twin: Any = None
        if isinstance(entity, Importable) and self._choose is not None:
            twin = self._choose(entity)
        if twin is None:
            twin = self._imported(entity) if _is_imported(entity) else self._defined(entity)
            _copy_names(entity, twin)
        self._twins[entity] = twin
        return twin

    def _imported(self, entity: Any) -> Any:
        import_ = entity.imported
        return self.importing(entity, import_.module, import_.name, exact=import_.exact)

    def importing(self, entity: Any, module: str, name: str, *, exact: bool = False) -> Any:
        """A new import of the target that has the type of something of the source."""
        target = self.target
        match entity:
            case Function():
                return target.import_function(module, name, self.twin(entity.type), exact=exact)
            case Table():
                return target.import_table(module, name, self.type_(entity.type))
            case Memory():
                return target.import_memory(module, name, entity.type)
            case Global():
                return target.import_global(module, name, self.type_(entity.type))
            case Tag():
                return target.import_tag(module, name, self.twin(entity.type))
        raise TypeError(f"{entity!r} can't be imported")

    def _defined(self, entity: Any) -> Any:
        target = self.target
        twin: Any
        match entity:
            case Function():
                twin = target.add_function(self.twin(entity.type))
            case Table():
                twin = target.add_table(self.type_(entity.type))
            case Memory():
                return target.add_memory(entity.type)
            case Global():
                twin = target.add_global(self.type_(entity.type), Const(target))
            case Tag():
                return target.add_tag(self.twin(entity.type))
            case Element():
                declarative = entity.declarative
                element = Element(self.type_(entity.type), declarative=declarative)
                twin = target.add_element(element)
            case Data():
                twin = target.add_data(Data(entity.init))
            case _:
                raise TypeError(f"no entity: {entity!r}")
        self._pending.append((entity, twin))
        return twin

    # Types

    def type_(self, type_: Any) -> Any:
        """A type of any sort, with the target's entries of the type section in it."""
        return _translated(type_, self.twin)

    def same(self, theirs: Any, ours: Any) -> bool:
        """Whether a type of the source and one of the target mean the same."""

        def first(type_: Type) -> Type:
            return self._first.get(type_, type_)

        return bool(_translated(self.type_(theirs), first) == _translated(ours, first))

    def _make_types(self, type_: Type) -> None:
        """The twins of a type, of its group, and of all that these mention and have none."""
        wanted: dict[Group, None] = {}
        pending = [type_.group]
        while pending:
            group = pending.pop()
            if group in wanted or group.types[0] in self._twins:
                continue
            wanted[group] = None
            for each in group.types:
                pending += [other.group for other in types_in(each.definition)]
        # A group mentions itself and those in front of it.
        for group in sorted(wanted, key=lambda each: each.types[0].index):
            self._make_group(group)

    def _make_group(self, group: Group) -> None:
        members = set(group.types)

        def stand_in(type_: Any) -> Any:
            if type_ not in members and type_ not in self._twins:
                # Further back, which no type may mention.
                raise InvalidError(f"unknown type {type_}")
            return self._twins.get(type_)

        key = _group_key(group, stand_in)
        known = self._groups.get(key)
        if known is None:

            def define(types: list[Type]) -> list[SubType]:
                self._twins.update(zip(group.types, types, strict=True))
                return [self.type_(each.definition) for each in group.types]

            added = self.target.add_group(len(group.types), define)
            known = self._groups[key] = added[0].group
            for each, twin in zip(group.types, added, strict=True):
                _copy_names(each, twin)
        self._twins.update(zip(group.types, known.types, strict=True))


def _translated(type_: Any, entry: Callable[[Type], Type]) -> Any:
    """A type of any sort with other entries of the type section in it."""

    def inside(type_: Any) -> Any:
        return _translated(type_, entry)

    match type_:
        case Type():
            return entry(type_)
        case tuple():
            return tuple(map(inside, type_))
        case RefType(nullable, heap):
            return RefType(nullable, inside(heap))
        case Concrete(inner, exact):
            return Concrete(inside(inner), exact)
        case GlobalType(inner, mutable):
            return GlobalType(inside(inner), mutable)
        case TableType(element, limits):
            return TableType(inside(element), limits)
        case FieldType(storage, mutable):
            return FieldType(inside(storage), mutable)
        case FuncType(params, results):
            return FuncType(inside(params), inside(results))
        case StructType(fields):
            return StructType(inside(fields))
        case ArrayType(field):
            return ArrayType(inside(field))
        case ContType(inner):
            return ContType(inside(inner))
        case SubType(composite, final, supertypes, describes, descriptor):
            parts = composite, supertypes, describes, descriptor
            composite, supertypes, describes, descriptor = map(inside, parts)
            return SubType(composite, final, supertypes, describes, descriptor)
    return type_


def _group_key(group: Group, standing: Callable[[Any], Any]) -> tuple[object, ...]:
    """The same for groups of the same types, where ``standing`` gives the same entries for what is
    outside of the group.
    """
    places = {type_: place for place, type_ in enumerate(group.types)}

    def place(type_: Any) -> object:
        return places[type_] if type_ in places else standing(type_)

    return tuple(definition_key(each.definition, place) for each in group.types)


def _is_imported(entity: Any) -> bool:
    return getattr(entity, "imported", None) is not None


def _copy_names(entity: Any, twin: Any) -> None:
    if entity.name is not None:
        twin.name = entity.name
    if isinstance(entity, Function):
        twin.local_names = entity.local_names
    elif isinstance(entity, Type):
        twin.field_names = entity.field_names
        twin.param_names = entity.param_names

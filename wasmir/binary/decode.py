"""Reading sections into entities. Mirrors :mod:`wasmir.binary.encode`.

Source: specification, Binary Format, "Modules"; the proposals custom-descriptors and
compact-import-section for what each adds.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from wasmir.binary import sections as ids
from wasmir.errors import InvalidError
from wasmir.ir.function import Function
from wasmir.ir.imports import ExternKind, Import
from wasmir.ir.tag import Tag
from wasmir.ir.type import Type
from wasmir.types import (
    ArrayType,
    CompositeType,
    Concrete,
    ContType,
    Defined,
    FieldType,
    FuncType,
    GlobalType,
    Limits,
    MemoryType,
    NumType,
    RefType,
    StorageType,
    StructType,
    SubType,
    TableType,
    ValType,
    decode_heap,
    decode_ref_type,
    decode_storage_type,
    decode_value_type,
)
from wasmir.wire import Reader

if TYPE_CHECKING:
    from collections.abc import Callable

    from wasmir.ir.module import Module

__all__ = ["content", "read_functions", "read_imports", "read_tags", "read_types"]

T = TypeVar("T")


def content(module: Module, id_: int) -> Reader | None:
    """A reader over a section's content, where the module has the section."""
    for section in module.sections:
        if section.id == id_ and section.custom is None:
            return Reader(module.data, section.content, section.end)
    return None


def _entries(module: Module, id_: int, read: Callable[[Reader], T]) -> list[T]:
    reader = content(module, id_)
    if reader is None:
        return []
    entries = reader.vec(read)
    _finish(reader)
    return entries


def _finish(reader: Reader) -> None:
    if not reader.at_end():
        raise reader.error("section size mismatch: the section goes on behind its last entry")


# Types


def read_types(module: Module) -> list[Type]:
    groups = _entries(module, ids.TYPE, _read_group)
    entities: list[Type] = []
    for group in groups:
        for definition in group:
            entities.append(Type(definition, len(entities), alone=len(group) == 1))
    resolver = _Resolver(entities)
    for entity in entities:
        entity.definition = resolver.sub(entity.definition)
    return entities


def _read_group(reader: Reader) -> list[SubType]:
    if reader.peek() == 0x4E:
        reader.byte()
        return reader.vec(_read_sub_type)
    return [_read_sub_type(reader)]


def _read_sub_type(reader: Reader) -> SubType:
    form = reader.peek()
    supertypes: tuple[int, ...] = ()
    if form in (0x4F, 0x50):
        reader.byte()
        supertypes = tuple(reader.vec(Reader.u32))
    composite, describes, descriptor = _described(reader)
    return SubType(composite, form != 0x50, supertypes, describes, descriptor)


def _described(reader: Reader) -> tuple[CompositeType, int | None, int | None]:
    """custom-descriptors' clauses, then the composite type."""
    describes = descriptor = None
    if reader.peek() == 0x4C:
        reader.byte()
        describes = reader.u32()
    if reader.peek() == 0x4D:
        reader.byte()
        descriptor = reader.u32()
    return _read_composite(reader), describes, descriptor


def _read_composite(reader: Reader) -> CompositeType:
    start = reader.pos
    form = reader.byte()
    if form == 0x60:
        params = tuple(reader.vec(decode_value_type))
        return FuncType(params, tuple(reader.vec(decode_value_type)))
    if form == 0x5F:
        return StructType(tuple(reader.vec(_read_field)))
    if form == 0x5E:
        return ArrayType(_read_field(reader))
    if form == 0x5D:
        heap = decode_heap(reader)
        if not isinstance(heap, Concrete):
            raise reader.error("malformed continuation type: a type index is expected", start + 1)
        return ContType(heap)
    raise reader.error(f"malformed composite type {form:#04x}", start)


def _read_field(reader: Reader) -> FieldType:
    storage = decode_storage_type(reader)
    return FieldType(storage, _read_mutability(reader))


def _read_mutability(reader: Reader) -> bool:
    start = reader.pos
    flag = reader.byte()
    if flag > 1:
        raise reader.error("malformed mutability", start)
    return flag == 1


class _Resolver:
    """Puts entities where definitions have type indices."""

    def __init__(self, entities: list[Type]) -> None:
        self.entities = entities

    def at(self, index: int | Defined) -> Type:
        if isinstance(index, int):
            if index >= len(self.entities):
                raise InvalidError(f"unknown type {index}")
            return self.entities[index]
        raise TypeError(f"resolved already: {index}")

    def concrete(self, heap: Concrete) -> Concrete:
        return Concrete(self.at(heap.type), heap.exact)

    def value(self, type_: ValType) -> ValType:
        if isinstance(type_, RefType) and isinstance(type_.heap, Concrete):
            return RefType(type_.nullable, self.concrete(type_.heap))
        return type_

    def field(self, field: FieldType) -> FieldType:
        storage: StorageType = field.storage
        if isinstance(storage, RefType):
            return FieldType(self.value(storage), field.mutable)
        return field

    def composite(self, composite: CompositeType) -> CompositeType:
        match composite:
            case FuncType(params, results):
                return FuncType(tuple(map(self.value, params)), tuple(map(self.value, results)))
            case StructType(fields):
                return StructType(tuple(map(self.field, fields)))
            case ArrayType(field):
                return ArrayType(self.field(field))
            case ContType(heap):
                return ContType(self.concrete(heap))

    def sub(self, sub: SubType) -> SubType:
        return replace(
            sub,
            composite=self.composite(sub.composite),
            supertypes=tuple(map(self.at, sub.supertypes)),
            describes=None if sub.describes is None else self.at(sub.describes),
            descriptor=None if sub.descriptor is None else self.at(sub.descriptor),
        )


def _type_at(module: Module, index: int) -> Type:
    types_ = module.types
    if index >= len(types_):
        raise InvalidError(f"unknown type {index}")
    return types_[index]


# Imports

_COMPACT_ITEMS = 0x7F
_COMPACT_NAMES = 0x7E


def read_imports(module: Module) -> list[Import]:
    def read_group(reader: Reader) -> list[Import]:
        module_name = reader.name()
        name = reader.name()
        if name or reader.peek() not in (_COMPACT_ITEMS, _COMPACT_NAMES):
            return [_read_extern(module, reader, module_name, name)]
        # compact-import-section: an empty name and a kind that is none announce a group, in which
        # each item has a name and a type, or all of which share one type.
        if reader.byte() == _COMPACT_ITEMS:
            return reader.vec(lambda item: _read_extern(module, item, module_name, item.name()))
        shared = _read_extern(module, reader, module_name, "")
        return [replace(shared, name=name) for name in reader.vec(Reader.name)]

    return [import_ for group in _entries(module, ids.IMPORT, read_group) for import_ in group]


def _read_extern(module: Module, reader: Reader, module_name: str, name: str) -> Import:
    start = reader.pos
    code = reader.byte()
    type_: Type | TableType | MemoryType | GlobalType
    # Bit 5 marks an exact function import (custom-descriptors).
    exact = code == 0x20
    kind = ExternKind.FUNC if exact else code
    if kind == ExternKind.FUNC:
        type_ = _type_at(module, reader.u32())
    elif kind == ExternKind.TABLE:
        type_ = TableType(decode_ref_type(reader), read_limits(reader))
    elif kind == ExternKind.MEMORY:
        type_ = MemoryType(read_limits(reader, memory=True))
    elif kind == ExternKind.GLOBAL:
        value = decode_value_type(reader)
        type_ = GlobalType(value, _read_mutability(reader))
    elif kind == ExternKind.TAG:
        type_ = _read_tag_type(module, reader)
    else:
        raise reader.error("malformed import kind", start)
    return Import(module_name, name, ExternKind(kind), type_, exact)


def read_limits(reader: Reader, *, memory: bool = False) -> Limits:
    """Limits with their flags: 1 has a maximum, 2 shared, 4 of 64 bits, 8 has a page size."""
    start = reader.pos
    flags = reader.byte()
    if flags > (15 if memory else 7):
        raise reader.error("malformed limits flags", start)
    address = NumType.I64 if flags & 4 else NumType.I32
    read = reader.u64 if flags & 4 else reader.u32
    minimum = read()
    maximum = read() if flags & 1 else None
    page = reader.u32() if flags & 8 else None
    return Limits(minimum, maximum, address, bool(flags & 2), page)


def read_memories(module: Module) -> list[MemoryType]:
    """The memories that the module defines."""
    return _entries(module, ids.MEMORY, lambda each: MemoryType(read_limits(each, memory=True)))


# Functions and tags


def _read_tag_type(module: Module, reader: Reader) -> Type:
    start = reader.pos
    if reader.byte():
        raise reader.error("malformed tag attribute", start)
    return _type_at(module, reader.u32())


def read_tags(module: Module) -> list[Tag]:
    found: list[Tag] = []
    for import_ in module.imports:
        if isinstance(import_.type, Type) and import_.kind is ExternKind.TAG:
            found.append(Tag(import_.type, len(found), (import_.module, import_.name)))
    defined = _entries(module, ids.TAG, lambda reader: _read_tag_type(module, reader))
    for type_ in defined:
        found.append(Tag(type_, len(found)))
    return found


def read_functions(module: Module) -> list[Function]:
    found: list[Function] = []
    for import_ in module.imports:
        if isinstance(import_.type, Type) and import_.kind is ExternKind.FUNC:
            place = import_.module, import_.name
            found.append(Function(module, import_.type, len(found), place))
    types_ = module.types
    indices = _entries(module, ids.FUNCTION, Reader.u32)
    if indices and max(indices) >= len(types_):
        raise InvalidError(f"unknown type {max(indices)}")
    code = content(module, ids.CODE)
    if code is None:
        return found
    code.u32()  # equals the number of types: the container has checked it
    first = len(found)
    frames = code.frames(len(indices))
    _finish(code)
    found.extend(
        Function(module, types_[type_], index, None, start, end)
        for index, (type_, (start, end)) in enumerate(zip(indices, frames, strict=True), first)
    )
    return found

"""Reading sections into entities. Mirrors :mod:`wasmir.binary.encode`.

Source: specification, Binary Format, "Modules"; the proposals custom-descriptors and
compact-import-section for what each adds.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from wasmir.binary import sections as ids
from wasmir.errors import InvalidError
from wasmir.ir.const import Const
from wasmir.ir.function import Function
from wasmir.ir.global_ import Global
from wasmir.ir.imports import Export, ExternKind, Import
from wasmir.ir.memory import Memory
from wasmir.ir.segment import REF_FUNC, Data, Element
from wasmir.ir.table import Table
from wasmir.ir.tag import Tag
from wasmir.ir.type import Group, Type
from wasmir.types import (
    FUNCREF,
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

__all__ = [
    "content",
    "read_data",
    "read_elements",
    "read_exports",
    "read_functions",
    "read_globals",
    "read_imports",
    "read_memories",
    "read_start",
    "read_tables",
    "read_tags",
    "read_types",
]

T = TypeVar("T")


def content(module: Module, id_: int) -> Reader | None:
    """A reader over a section's content, where the module has the section."""
    for section in module.sections:
        if section.id == id_ and section.custom is None:
            return Reader(module.source, section.content, section.end)
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
    entities: list[Type] = []

    def read(reader: Reader) -> None:
        start = reader.pos
        group = Group()
        for definition in _read_group(reader):
            type_ = Type(definition, group)
            type_._join(module, len(entities), None)
            group.types.append(type_)
            entities.append(type_)
        group._wire = start, reader.pos

    _entries(module, ids.TYPE, read)
    resolver = _Resolver(entities)
    for entity in entities:
        entity.definition = resolver.sub(entity.definition)
        entity._read = entity._state()
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
    raise reader.error(f"malformed definition type {form:#04x}", start)


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

    def beside(self, what: str, index: int | Defined | None) -> Type | None:
        """What a clause of custom-descriptors names."""
        try:
            return None if index is None else self.at(index)
        except InvalidError as error:
            raise InvalidError(f"{what} type is outside rec group: {error.reason}") from None

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
            describes=self.beside("described", sub.describes),
            descriptor=self.beside("descriptor", sub.descriptor),
        )


def _type_at(module: Module, index: int) -> Type:
    return module.types.read_at(index)


# Imports

_COMPACT_ITEMS = 0x7F
_COMPACT_NAMES = 0x7E
_KINDS = {kind.code: kind for kind in ExternKind}


def read_imports(module: Module) -> list[Import]:
    numbers = dict.fromkeys(ExternKind, 0)

    def read_extern(reader: Reader, module_name: str, name: str | None) -> Import:
        import_ = _read_extern(module, reader, module_name, name)
        entity = import_.entity
        entity.imported = import_
        entity._join(module, numbers[import_.kind], None)
        entity._read = entity._state()
        numbers[import_.kind] += 1
        return import_

    def read_group(reader: Reader) -> list[Import]:
        start = reader.pos
        module_name = reader.name()
        name = reader.name()
        if name or reader.peek() not in (_COMPACT_ITEMS, _COMPACT_NAMES):
            found = [read_extern(reader, module_name, name)]
        # compact-import-section: an empty name and a kind that is none announce a group, in which
        # each item has a name and a type, or all of which share one type.
        elif reader.byte() == _COMPACT_ITEMS:
            found = reader.vec(lambda item: read_extern(item, module_name, None))
        else:
            type_at = reader.pos
            _read_extern(module, reader, module_name, "")
            after_type = reader.pos

            def shared(names: Reader) -> Import:
                type_again = Reader(module.source, type_at, after_type)
                return read_extern(type_again, module_name, names.name())

            found = reader.vec(shared)
        group = (start, reader.pos), found
        for import_ in found:
            import_._group = group
            import_._read = import_._state()
        return found

    return [import_ for group in _entries(module, ids.IMPORT, read_group) for import_ in group]


def _read_extern(module: Module, reader: Reader, module_name: str, name: str | None) -> Import:
    if name is None:
        name = reader.name()
    start = reader.pos
    code = reader.byte()
    entity: Function | Table | Memory | Global | Tag
    # Bit 5 marks an exact function import (custom-descriptors).
    exact = code == 0x20
    kind = ExternKind.FUNC if exact else _KINDS.get(code)
    if kind is ExternKind.FUNC:
        entity = Function(module, _type_at(module, reader.u32()), 0)
    elif kind is ExternKind.TABLE:
        entity = Table(_read_table_type(module, reader))
    elif kind is ExternKind.MEMORY:
        entity = Memory(MemoryType(read_limits(reader, memory=True)))
    elif kind is ExternKind.GLOBAL:
        entity = Global(_read_global_type(module, reader))
    elif kind is ExternKind.TAG:
        entity = Tag(_read_tag_type(module, reader))
    else:
        raise reader.error("malformed import kind", start)
    return Import(module_name, name, entity, exact=exact)


def read_limits(reader: Reader, *, memory: bool = False) -> Limits:
    """Limits with their flags: 1 has a maximum, 2 shared, 4 of 64 bits, 8 has a page size."""
    start = reader.pos
    flags = reader.byte()
    if flags > (15 if memory else 7):
        raise reader.error("malformed limits flags", start)
    address = NumType.I64 if flags & 4 else NumType.I32
    # Of 64 bits for either address type: what is too large for it is well-formed, and not valid.
    minimum = reader.u64()
    maximum = reader.u64() if flags & 1 else None
    at = reader.pos
    page = reader.u32() if flags & 8 else None
    if page is not None and page > 64:
        raise reader.error("invalid custom page size", at)
    return Limits(minimum, maximum, address, bool(flags & 2), page)


# What is defined


def _defined(
    module: Module, id_: int, kind: ExternKind, read: Callable[[Reader], Any]
) -> list[Any]:
    """The entities of one kind: those imported, then those of a section."""
    found: list[Any] = [each.entity for each in module.imports if each.kind is kind]

    def read_one(reader: Reader) -> None:
        start = reader.pos
        entity = read(reader)
        entity._join(module, len(found), (start, reader.pos))
        entity._read = entity._state()
        found.append(entity)

    _entries(module, id_, read_one)
    return found


def _read_table_type(module: Module, reader: Reader) -> TableType:
    element = _resolved(module, decode_ref_type(reader))
    return TableType(element, read_limits(reader))


def _read_table(module: Module, reader: Reader) -> Table:
    if reader.peek() != 0x40:
        return Table(_read_table_type(module, reader))
    reader.byte()
    start = reader.pos
    if reader.byte():
        raise reader.error("zero byte expected", start)
    return Table(_read_table_type(module, reader), _read_const(module, reader))


def read_tables(module: Module) -> list[Table]:
    return _defined(module, ids.TABLE, ExternKind.TABLE, lambda each: _read_table(module, each))


def read_memories(module: Module) -> list[Memory]:
    def read(reader: Reader) -> Memory:
        return Memory(MemoryType(read_limits(reader, memory=True)))

    return _defined(module, ids.MEMORY, ExternKind.MEMORY, read)


# A global's type as most are spelled.
_USUAL_GLOBAL = re.compile(
    rb"(?:[\x7b-\x7f\x68-\x75]|[\x63\x64](?:[\x68-\x75]|[\x80-\xff]{0,3}[\x00-\x3f]))[\x00\x01]"
).match


def _read_global_type(module: Module, reader: Reader) -> GlobalType:
    usual = _USUAL_GLOBAL(reader.data, reader.pos, reader.end)
    if usual is None:
        value = _resolved(module, decode_value_type(reader))
        return GlobalType(value, _read_mutability(reader))
    # There may be as many as there are classes and functions, of few types.
    known = module._global_types.get(usual[0])
    if known is None:
        value = _resolved(module, decode_value_type(reader))
        known = module._global_types[usual[0]] = GlobalType(value, _read_mutability(reader))
    reader.pos = usual.end()
    return known


def read_globals(module: Module) -> list[Global]:
    def read(reader: Reader) -> Global:
        return Global(_read_global_type(module, reader), _read_const(module, reader))

    return _defined(module, ids.GLOBAL, ExternKind.GLOBAL, read)


def _resolved(module: Module, type_: Any) -> Any:
    """A value type with the entity for the type index in it."""
    if isinstance(type_, RefType) and isinstance(type_.heap, Concrete):
        index = type_.heap.type
        if isinstance(index, int):
            return RefType(type_.nullable, Concrete(_type_at(module, index), type_.heap.exact))
    return type_


# Instructions with nothing in them that can be wrong: constants, global.get, ref.func, ref.null,
# sums and products; struct.new, array.new and the like; conversions. Their integers have few bytes,
# all of whose bits count.
_SURE = rb"[\x80-\xff]{0,3}[\x00-\x7f]"
_USUAL_CONST = re.compile(
    rb"((?:[\x41\x42\x23\xd2]" + _SURE + rb"|\x43.{4}|\x44.{8}|[\x6a-\x6c\x7c-\x7e]"
    rb"|\xd0(?:[\x68-\x75]|[\x80-\xff]{0,3}[\x00-\x3f])"
    rb"|\xfb(?:[\x00\x01\x06\x07]" + _SURE + rb"|\x08" + _SURE + _SURE + rb"|[\x1a-\x1c]))*)\x0b",
    re.DOTALL,
).match


def _read_const(module: Module, reader: Reader) -> Const:
    """A constant expression, strictly: each instruction up to the ``end``."""
    # Here, so that copying a module doesn't load the instruction table.
    from wasmir.isa.strict import decode_one
    from wasmir.isa.table import Trait

    start = reader.pos
    usual = _USUAL_CONST(reader.data, start, reader.end)
    if usual is not None:
        reader.pos = usual.end()
        return Const(module, code=usual[1])
    # What is open, by the name of what began its present part.
    opened: list[str] = []
    while True:
        at = reader.pos
        row = decode_one(reader)[0]
        if Trait.OPENS in row.traits:
            opened.append(row.name)
        elif row.name == "end":
            if not opened:
                return Const(module, code=reader.data[start:at])
            opened.pop()
        elif row.name in _BEHIND:
            if not opened or opened[-1] not in _BEHIND[row.name]:
                raise reader.error(f"unexpected {row.name}: nothing that it is part of is open", at)
            opened[-1] = row.name
            if row.name == "delegate":
                opened.pop()


# What a part of a structured instruction stands behind.
_BEHIND = {
    "else": {"if"},
    "catch": {"try", "catch"},
    "catch_all": {"try", "catch"},
    "delegate": {"try"},
}


# Exports, start, segments


def read_exports(module: Module) -> list[Export]:
    # There may be as many as functions, so this says what it does in few calls.
    spaces = [module.space(kind.space) for kind in ExternKind]
    everything = [space._numbered[: space._read_count] for space in spaces]

    def read(reader: Reader) -> Export:
        start = reader.pos
        name = reader.name()
        at = reader.pos
        kind = reader.byte()
        if kind >= len(everything):
            raise reader.error("malformed export kind", at)
        index = reader.u32()
        if index >= len(everything[kind]):
            raise InvalidError(f"unknown {spaces[kind].what} {index}")
        export = Export(name, everything[kind][index])
        export._wire = start, at + 1, reader.pos
        export._read = name, export.entity
        return export

    return _entries(module, ids.EXPORT, read)


def _at(module: Module, space: str, index: int) -> Any:
    """What the input means by an index, wherever that has gone since."""
    return module.space(space).read_at(index)


def read_start(module: Module) -> Function | None:
    reader = content(module, ids.START)
    if reader is None:
        return None
    function: Function = _at(module, "func", reader.u32())
    _finish(reader)
    return function


def read_elements(module: Module) -> list[Element]:
    found: list[Element] = []

    def read(reader: Reader) -> None:
        start = reader.pos
        element = _read_element(module, reader)
        element._join(module, len(found), (start, reader.pos))
        element._read = element._state()
        found.append(element)

    _entries(module, ids.ELEMENT, read)
    return found


def _read_element(module: Module, reader: Reader) -> Element:
    """Bit 0 of the flags: not active; bit 1: a table index, or declarative; bit 2: expressions."""
    start = reader.pos
    flags = reader.u32()
    if flags > 7:
        raise reader.error("malformed elements segment kind", start)
    active, explicit, expressions = not flags & 1, bool(flags & 2), bool(flags & 4)
    element = Element(FUNCREF, declarative=not active and explicit)
    if active:
        element.table = _at(module, "table", reader.u32() if explicit else 0)
        element.offset = _read_const(module, reader)
    if not active or explicit:
        if expressions:
            element.type = _resolved(module, decode_ref_type(reader))
        else:
            at = reader.pos
            if reader.byte():
                raise reader.error("malformed element kind", at)
    if expressions:
        element.items = reader.vec(lambda each: _read_const(module, each))
    else:
        element.type = REF_FUNC
        element.items = reader.vec(lambda each: _at(module, "func", each.u32()))
    return element


def read_data(module: Module) -> list[Data]:
    found: list[Data] = []

    def read(reader: Reader) -> None:
        start = reader.pos
        flags = reader.u32()
        if flags > 2:
            raise reader.error("malformed data segment kind", start)
        data = Data()
        if flags != 1:
            data.memory = _at(module, "memory", reader.u32() if flags else 0)
            data.offset = _read_const(module, reader)
        size = reader.length()
        data._slice = reader.pos, reader.pos + size
        data._init = None
        reader.pos += size
        data._join(module, len(found), (start, reader.pos))
        data._read = data._state()
        found.append(data)

    _entries(module, ids.DATA, read)
    return found


# Functions and tags


def _read_tag_type(module: Module, reader: Reader) -> Type:
    start = reader.pos
    if reader.byte():
        raise reader.error("malformed tag attribute", start)
    return _type_at(module, reader.u32())


def read_tags(module: Module) -> list[Tag]:
    return _defined(
        module, ids.TAG, ExternKind.TAG, lambda reader: Tag(_read_tag_type(module, reader))
    )


def read_functions(module: Module) -> list[Function]:
    found: list[Any] = [each.entity for each in module.imports if each.kind is ExternKind.FUNC]
    indices: list[int] = []
    section = content(module, ids.FUNCTION)
    if section is not None:
        indices = section.u32s()
        _finish(section)
    if indices:
        module.types.read_at(max(indices))
    types_ = module.types._numbered
    code = content(module, ids.CODE)
    if code is None:
        return found
    code.u32()  # equals the number of types: the container has checked it
    frames = code.frames(len(indices))
    _finish(code)
    new = object.__new__
    add = found.append
    # There are many: they are made without a call of ``__init__``.
    for number, (type_, (start, end)) in enumerate(zip(indices, frames, strict=True), len(found)):
        function = new(Function)
        function.module = module
        function._type = types_[type_]
        function.imported = None
        function._number = number
        function._start = start
        function._end = end
        function._code = None
        function._body = None
        add(function)
    return found

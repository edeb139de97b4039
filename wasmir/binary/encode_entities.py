"""Entities as the sections have them. Mirrors the readers of :mod:`wasmir.binary.decode`.

Source: specification, Binary Format, "Modules".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wasmir.errors import InvalidError, UnsupportedError
from wasmir.ir.function import Function
from wasmir.ir.global_ import Global
from wasmir.ir.memory import Memory
from wasmir.ir.segment import REF_FUNC, Data, Element
from wasmir.ir.space import check_member
from wasmir.ir.table import Table
from wasmir.ir.tag import Tag
from wasmir.types import (
    FUNCREF,
    ArrayType,
    CompositeType,
    Concrete,
    FieldType,
    FuncType,
    GlobalType,
    Limits,
    NumType,
    RefType,
    StructType,
    SubType,
    TableType,
    encode_heap,
    encode_value_type,
)
from wasmir.wire import Writer

if TYPE_CHECKING:
    from wasmir.binary.shift import Shift
    from wasmir.ir.const import Const
    from wasmir.ir.imports import Export, Import
    from wasmir.ir.module import Module
    from wasmir.ir.space import Entity
    from wasmir.ir.type import Group

__all__ = ["Spelling"]

_END = b"\x0b"


class Spelling:
    """Writes entities; with indices, or, without a ``shift``, with code numbers.

    Entities that were read and never changed spell the same in both where nothing that they
    mention moved: then their bytes are copied.
    """

    def __init__(self, module: Module, shift: Shift | None) -> None:
        self.module = module
        self.shift = shift
        # Constant expressions with indices, by what they are with code numbers.
        self._consts: dict[bytes, bytes] = {}
        self._global_types: dict[GlobalType, bytes] = {}

    def index(self, space: str, entity: Any) -> int:
        """The number to write for an entity that something mentions."""
        if not hasattr(entity, "space") or entity.space != space:
            what = self.module.space(space).what
            raise TypeError(f"{entity!r} stands where a {what} is expected")
        check_member(entity, self.module)
        return entity._number if self.shift is None else self.shift.index(space, entity._number)

    def const(self, const: Const) -> bytes:
        """A constant expression, with its ``end``."""
        return self._const(const.code) + _END

    def stays(self, const: Const) -> bool:
        """Whether a constant expression is written as it is with code numbers."""
        code = const.code
        return self._const(code) == code

    def _const(self, code: bytes) -> bytes:
        if self.shift is None:
            return code
        known = self._consts.get(code)
        if known is None:
            known = self._consts[code] = self.shift.instructions(code)
        return known

    # Types

    def value_type(self, type_: Any) -> bytes:
        return encode_value_type(self._plain(type_))

    def _plain(self, type_: Any) -> Any:
        if isinstance(type_, RefType) and isinstance(type_.heap, Concrete):
            heap = type_.heap
            return RefType(type_.nullable, Concrete(self.index("type", heap.type), heap.exact))
        return type_

    def group(self, group: Group) -> bytes:
        """A recursive group; a type alone without the group around it."""
        writer = Writer()
        if len(group.types) != 1:
            writer.byte(0x4E)
            writer.unsigned(len(group.types))
        for type_ in group.types:
            self._sub_type(writer, type_.definition)
        return writer.getvalue()

    def _sub_type(self, writer: Writer, sub: SubType) -> None:
        if not sub.final or sub.supertypes:
            writer.byte(0x4F if sub.final else 0x50)
            writer.unsigned(len(sub.supertypes))
            for supertype in sub.supertypes:
                writer.unsigned(self.index("type", supertype))
        if sub.describes is not None:
            writer.byte(0x4C)
            writer.unsigned(self.index("type", sub.describes))
        if sub.descriptor is not None:
            writer.byte(0x4D)
            writer.unsigned(self.index("type", sub.descriptor))
        self._composite(writer, sub.composite)

    def _composite(self, writer: Writer, composite: CompositeType) -> None:
        if isinstance(composite, FuncType):
            writer.byte(0x60)
            for types in (composite.params, composite.results):
                writer.unsigned(len(types))
                for type_ in types:
                    writer.put(self.value_type(type_))
        elif isinstance(composite, StructType):
            writer.byte(0x5F)
            writer.vec(composite.fields, self._field)
        elif isinstance(composite, ArrayType):
            writer.byte(0x5E)
            self._field(writer, composite.field)
        else:
            writer.byte(0x5D)
            heap = composite.type
            writer.put(encode_heap(Concrete(self.index("type", heap.type), heap.exact)))

    def _field(self, writer: Writer, field: FieldType) -> None:
        writer.put(self.value_type(field.storage))
        writer.byte(field.mutable)

    def _limits(self, writer: Writer, limits: Limits) -> None:
        wide = limits.address is NumType.I64
        writer.byte(
            (limits.maximum is not None)
            | limits.shared << 1
            | wide << 2
            | (limits.page_size_log2 is not None) << 3
        )
        writer.unsigned(limits.minimum)
        if limits.maximum is not None:
            writer.unsigned(limits.maximum)
        if limits.page_size_log2 is not None:
            writer.unsigned(limits.page_size_log2)

    def _table_type(self, writer: Writer, type_: TableType) -> None:
        writer.put(self.value_type(type_.element))
        self._limits(writer, type_.limits)

    def _global_type(self, writer: Writer, type_: GlobalType) -> None:
        known = self._global_types.get(type_)
        if known is None:
            known = self.value_type(type_.type) + bytes((type_.mutable,))
            self._global_types[type_] = known
        writer.put(known)

    def _tag_type(self, writer: Writer, tag: Tag) -> None:
        writer.byte(0)
        writer.unsigned(self.index("type", tag.type))

    # Imports and exports

    def import_(self, import_: Import) -> bytes:
        """An import, in the form that needs no group."""
        writer = Writer()
        writer.name(import_.module)
        writer.name(import_.name)
        entity = import_.entity
        writer.byte(0x20 if import_.exact else import_.kind.code)
        match entity:
            case Function():
                writer.unsigned(self.index("type", entity.type))
            case Table():
                self._table_type(writer, entity.type)
            case Memory():
                self._limits(writer, entity.type.limits)
            case Global():
                self._global_type(writer, entity.type)
            case Tag():
                self._tag_type(writer, entity)
        return writer.getvalue()

    def export(self, export: Export) -> bytes:
        writer = Writer()
        writer.name(export.name)
        writer.byte(export.kind.code)
        writer.unsigned(self.exported(export))
        return writer.getvalue()

    def exported(self, export: Export) -> int:
        """The number to write for what is exported. Raises InvalidError where that was removed."""
        try:
            return self.index(export.entity.space, export.entity)
        except InvalidError as error:
            raise InvalidError(f"{error.reason}, by export {export}") from None

    # What is defined

    def entity(self, entity: Entity) -> bytes:
        """What a section has of an entity. Raises InvalidError where it mentions what is gone."""
        writer = Writer()
        try:
            match entity:
                case Table():
                    self._table(writer, entity)
                case Memory():
                    self._limits(writer, entity.type.limits)
                case Global():
                    self._global(writer, entity)
                case Tag():
                    self._tag_type(writer, entity)
                case Element():
                    self._element(writer, entity)
                case Data():
                    self._data(writer, entity)
        except InvalidError as error:
            raise InvalidError(f"{error.reason}, by {entity.what} {entity}") from None
        return writer.getvalue()

    def _table(self, writer: Writer, table: Table) -> None:
        if table.init is not None:
            writer.put(b"\x40\x00")
        self._table_type(writer, table.type)
        if table.init is not None:
            writer.put(self.const(table.init))

    def _global(self, writer: Writer, global_: Global) -> None:
        if global_.init is None:
            raise UnsupportedError(f"{global_!r} is defined, and has no initial value")
        self._global_type(writer, global_.type)
        writer.put(self.const(global_.init))

    def _element(self, writer: Writer, element: Element) -> None:
        functions = element.type == REF_FUNC and all(
            isinstance(item, Function) for item in element.items
        )
        # Bit 2 of the flags: expressions.
        form = 0 if functions else 4
        if element.offset is not None:
            table = 0 if element.table is None else self.index("table", element.table)
            # Bit 1: the table and the type are spelled out.
            explicit = table != 0 or not (functions or element.type == FUNCREF)
            writer.byte(form | explicit << 1)
            if explicit:
                writer.unsigned(table)
            writer.put(self.const(element.offset))
        else:
            explicit = True
            writer.byte(form | element.declarative << 1 | 1)
        if explicit:
            writer.put(b"\x00" if functions else self.value_type(element.type))
        writer.unsigned(len(element.items))
        for item in element.items:
            if not isinstance(item, Function):
                writer.put(self.const(item))
            elif functions:
                writer.unsigned(self.index("func", item))
            else:
                raise UnsupportedError(
                    f"{element!r} lists a function, so its type has to be {REF_FUNC}, and all of "
                    "its items functions"
                )

    def _data(self, writer: Writer, data: Data) -> None:
        """What is in front of the bytes and their number."""
        if data.offset is None:
            writer.byte(1)
            return
        memory = 0 if data.memory is None else self.index("memory", data.memory)
        writer.byte(2 if memory else 0)
        if memory:
            writer.unsigned(memory)
        writer.put(self.const(data.offset))

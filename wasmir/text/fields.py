"""The fields of a module's text, but for functions that have code.

Each method gives one field, without the indentation of its first line.

Source: specification, Text Format, "Modules"; the proposals custom-descriptors, custom-page-sizes,
threads and compact-import-section for what each adds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wasmir.errors import UnsupportedError
from wasmir.ir.function import Function
from wasmir.ir.global_ import Global
from wasmir.ir.memory import Memory
from wasmir.ir.segment import REF_FUNC
from wasmir.ir.table import Table
from wasmir.ir.tag import Tag
from wasmir.text.names import byte_strings, quoted
from wasmir.types import FUNCREF, ArrayType, ContType, FuncType, NumType, StructType
from wasmir.wire import Reader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wasmir.ir.const import Const
    from wasmir.ir.custom import Custom
    from wasmir.ir.imports import Export, Import
    from wasmir.ir.segment import Data, Element
    from wasmir.ir.space import Entity
    from wasmir.ir.type import Group, Type
    from wasmir.text.code import Bodies
    from wasmir.text.names import Called, Identifiers
    from wasmir.types import CompositeType, FieldType, GlobalType, Limits, SubType, TableType

__all__ = ["Fields"]

_GROUP = 0x4E
_COMPACT_NAMES = 0x7E
_IN_A_LINE = 16
"""So many functions of an element segment."""


def _spaced(*parts: str) -> str:
    return " ".join(filter(None, parts))


class Fields:
    """What makes fields of a module's entities."""

    def __init__(self, identifiers: Identifiers, bodies: Bodies) -> None:
        self._identifiers = identifiers
        self._bodies = bodies

    def head(self, entity: Entity) -> str:
        """What an entity is called, and its index as a comment."""
        called = self._identifiers.called(entity)
        return _spaced(called.identifier, f"(;{entity.index};)", called.annotation)

    # Types

    def group(self, group: Group) -> str:
        """A recursive group; a type alone without the group around it, if it was read so."""
        wire = group._wire
        explicit = wire is not None and self._identifiers.module.source[wire[0]] == _GROUP
        if len(group.types) == 1 and not explicit:
            return self._type(group.types[0])
        types = "".join(f"\n    {self._type(each)}" for each in group.types)
        return f"(rec{types}\n  )"

    def _type(self, type_: Type) -> str:
        return f"(type {self.head(type_)} {self._sub(type_, type_.definition)})"

    def _sub(self, type_: Type, sub: SubType) -> str:
        parts = [
            f"({word} {self._mention(each)})"
            for word, each in (("describes", sub.describes), ("descriptor", sub.descriptor))
            if each is not None
        ]
        shown = _spaced(*parts, self._composite(type_, sub.composite))
        if sub.final and not sub.supertypes:
            return shown
        above = map(self._mention, sub.supertypes)
        return f"(sub {_spaced('final' if sub.final else '', *above, shown)})"

    def _mention(self, entity: Any) -> str:
        return self._identifiers.mention(entity)

    def _composite(self, type_: Type, composite: CompositeType) -> str:
        match composite:
            case FuncType():
                named = self._signature(composite, self._identifiers.params(type_))
                return f"({_spaced('func', named)})"
            case StructType(fields):
                called = self._identifiers.fields(type_)
                shown = (
                    f"({_spaced('field', str(called.get(at, '')), self._field(field))})"
                    for at, field in enumerate(fields)
                )
                return f"({_spaced('struct', *shown)})"
            case ArrayType(field):
                return f"(array {self._field(field)})"
            case ContType(heap):
                return f"(cont {self._mention(heap.type)})"

    def _field(self, field: FieldType) -> str:
        return self._mutable(field.storage, field.mutable)

    def _mutable(self, type_: Any, mutable: bool) -> str:
        shown = self._identifiers.value(type_)
        return f"(mut {shown})" if mutable else shown

    # Imports and exports

    def imports(self, imports: Iterable[Import]) -> Iterator[tuple[Import, str]]:
        """Fields of imports, each with the first import in it: a compact group is one field."""
        rest = list(imports)
        at = 0
        while at < len(rest):
            first = rest[at]
            read = first._group
            together = [first] if read is None else rest[at : at + len(read[1])]
            if read is not None and together == read[1] and self._compact(read[0]) is not None:
                yield first, self._import_group(together, read[0])
                at += len(together)
            else:
                yield first, self._import(first)
                at += 1

    def _compact(self, wire: tuple[int, int]) -> int | None:
        """The byte that says which sort of compact group this is; ``None`` of a plain import."""
        reader = Reader(self._identifiers.module.source, *wire)
        reader.name()
        if reader.name():
            return None
        sort = reader.byte()
        return sort if sort >= _COMPACT_NAMES else None

    def _import(self, import_: Import) -> str:
        return f"(import {quoted(import_.module)} {quoted(import_.name)} {self._extern(import_)})"

    def _import_group(self, imports: list[Import], wire: tuple[int, int]) -> str:
        """A compact group; separate fields where its imports no longer have a module in common."""
        module = imports[0].module
        if any(each.module != module for each in imports):
            return "\n  ".join(map(self._import, imports))
        # All of one type have no place for what each is called; then it is written out.
        named = any(any(self._identifiers.called(each.entity)) for each in imports)
        types = {self._extern(each, bare=True) for each in imports}
        if self._compact(wire) == _COMPACT_NAMES and len(types) == 1 and not named:
            items = [*(f"(item {quoted(each.name)})" for each in imports), *types]
        else:
            items = [f"(item {quoted(each.name)} {self._extern(each)})" for each in imports]
        lines = "".join(f"\n    {item}" for item in items)
        return f"(import {quoted(module)}{lines}\n  )"

    def _extern(self, import_: Import, *, bare: bool = False) -> str:
        """What is imported; ``bare`` of what it is called."""
        entity: Any = import_.entity
        head = "" if bare else self.head(entity)
        match entity:
            case Function():
                type_ = self.type_use(entity, bare=bare)
                return f"({_spaced('func', head, f'(exact {type_})' if import_.exact else type_)})"
            case Table():
                return f"({_spaced('table', head, self._table_type(entity.type))})"
            case Memory():
                return f"({_spaced('memory', head, self._limits(entity.type.limits))})"
            case Global():
                return f"({_spaced('global', head, self._global_type(entity.type))})"
            case Tag():
                return f"({_spaced('tag', head, self._tag_type(entity))})"
        raise TypeError(f"no import: {entity!r}")

    def type_use(self, function: Function, *, bare: bool = False) -> str:
        """``(type 3) (param $x i32) (result i32)``. Raises InvalidError for another type."""
        func = function.func_type
        names = {} if bare else self._identifiers.locals(function)
        return _spaced(f"(type {self._mention(function.type)})", self._signature(func, names))

    def _signature(self, func: FuncType, names: dict[int, Called]) -> str:
        """Parameters and results, of which some parameters have names."""
        if names.keys().isdisjoint(range(len(func.params))):
            return self._identifiers.signature(func)
        params = self.declared("param", [(1, each) for each in func.params], names)
        return _spaced(params, self._identifiers.signature(FuncType((), func.results)))

    def declared(
        self, word: str, groups: Iterable[tuple[int, Any]], names: dict[int, Called], first: int = 0
    ) -> str:
        """Parameters or locals, numbered from ``first`` on: those without names together."""
        parts: list[str] = []
        together: list[str] = []
        at = first
        for number, type_ in groups:
            shown = self._identifiers.value(type_)
            for called in map(names.get, range(at, at + number)):
                if called is None:
                    together.append(shown)
                    continue
                if together:
                    parts.append(f"({word} {' '.join(together)})")
                    together = []
                parts.append(f"({word} {called} {shown})")
            at += number
        if together:
            parts.append(f"({word} {' '.join(together)})")
        return " ".join(parts)

    def export(self, export: Export) -> str:
        """An export."""
        what = f"{export.entity.space} {self._mention(export.entity)}"
        return f"(export {quoted(export.name)} ({what}))"

    def start(self, function: Function) -> str:
        """The start function."""
        return f"(start {self._mention(function)})"

    # What is defined

    def table(self, table: Table) -> str:
        """A table."""
        init = "" if table.init is None else self._expression(table.init)
        return f"({_spaced('table', self.head(table), self._table_type(table.type), init)})"

    def memory(self, memory: Memory) -> str:
        """A memory."""
        return f"(memory {self.head(memory)} {self._limits(memory.type.limits)})"

    def tag(self, tag: Tag) -> str:
        """A tag."""
        return f"(tag {self.head(tag)} {self._tag_type(tag)})"

    def global_(self, global_: Global) -> str:
        """A global."""
        if global_.init is None:
            raise UnsupportedError(f"{global_!r} is defined, and has no initial value")
        type_ = self._global_type(global_.type)
        init = self._expression(global_.init)
        return f"({_spaced('global', self.head(global_), type_, init)})"

    def _table_type(self, type_: TableType) -> str:
        return f"{self._limits(type_.limits, table=True)} {self._identifiers.value(type_.element)}"

    def _global_type(self, type_: GlobalType) -> str:
        return self._mutable(type_.type, type_.mutable)

    def _tag_type(self, tag: Tag) -> str:
        func = tag.type.func
        spelled = "" if func is None else self._identifiers.signature(func)
        return _spaced(f"(type {self._mention(tag.type)})", spelled)

    def _limits(self, limits: Limits, *, table: bool = False) -> str:
        shared = "shared" if limits.shared else ""
        page = limits.page_size_log2
        return _spaced(
            shared if table else "",
            "i64" if limits.address is NumType.I64 else "",
            str(limits.minimum),
            "" if limits.maximum is None else str(limits.maximum),
            "" if table else shared,
            "" if page is None else f"(pagesize {1 << page:#x})",
        )

    def _expression(self, const: Const, word: str = "") -> str:
        """A constant expression; behind ``word`` where it isn't the one instruction in it."""
        instrs = self._bodies.constant(const.code)
        if len(instrs) == 1:
            return f"({instrs[0]})"
        shown = " ".join(instrs)
        return f"({_spaced(word, shown)})" if word else shown

    # Segments

    def element(self, element: Element) -> str:
        """An element segment."""
        functions = [each for each in element.items if isinstance(each, Function)]
        if len(functions) == len(element.items) and element.type == REF_FUNC:
            type_ = "func"
            items = [self._mention(each) for each in functions]
        else:
            type_ = self._identifiers.value(element.type)
            items = [self._item(each) for each in element.items]
        where = "declare" if element.declarative else ""
        if element.offset is not None:
            first = element.table is None or element.table.index == 0
            wire = element._wire
            explicit = (
                not first
                or (type_ != "func" and element.type != FUNCREF)
                # The first is understood; but it was read with the table named.
                or (wire is not None and self._identifiers.module.source[wire[0]] & 2 != 0)
            )
            table = "0" if element.table is None else self._mention(element.table)
            where = f"(table {table})" if explicit else ""
            where = _spaced(where, self._expression(element.offset, "offset"))
        lines = [" ".join(items[at : at + _IN_A_LINE]) for at in range(0, len(items), _IN_A_LINE)]
        if len(lines) > 1:
            lines = [f"\n    {line}" for line in lines] + ["\n  "]
            return f"({_spaced('elem', self.head(element), where, type_)}{''.join(lines)})"
        return f"({_spaced('elem', self.head(element), where, type_, *lines)})"

    def _item(self, item: Function | Const) -> str:
        if isinstance(item, Function):
            return f"(ref.func {self._mention(item)})"
        return self._expression(item, "item")

    def data(self, data: Data) -> str:
        """A data segment."""
        where = ""
        if data.offset is not None:
            if data.memory is not None and data.memory.index:
                where = f"(memory {self._mention(data.memory)})"
            where = _spaced(where, self._expression(data.offset, "offset"))
        return f"({_spaced('data', self.head(data), where)}{_strings(data.init)})"

    def custom(self, custom: Custom, place: str) -> str:
        """A custom section."""
        return f"({_spaced('@custom', quoted(custom.name), place)}{_strings(custom.data)})"


def _strings(data: bytes) -> str:
    strings = byte_strings(data) or ['""']
    if len(strings) == 1:
        return f" {strings[0]}"
    return "".join(f"\n    {each}" for each in strings) + "\n  "

"""Modules: what stands outside of function bodies, and the whole.

Source: specification 3.0, Validation, "Modules", "Types" and "Constant Expressions"; the proposals
threads, custom-page-sizes, stack-switching and custom-descriptors for what each adds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from wasmir.errors import InvalidError
from wasmir.features import (
    BULK_MEMORY,
    COMPACT_IMPORTS,
    CUSTOM_DESCRIPTORS,
    CUSTOM_PAGE_SIZES,
    EXCEPTIONS,
    FUNCTION_REFERENCES,
    GC,
    MEMORY64,
    MULTI_MEMORY,
    MULTI_VALUE,
    MUTABLE_GLOBAL,
    REFERENCE_TYPES,
    STACK_SWITCHING,
    THREADS,
)
from wasmir.ir.function import Function
from wasmir.ir.imports import ExternKind
from wasmir.ir.segment import REF_FUNC
from wasmir.types import (
    FUNCREF,
    ArrayType,
    ContType,
    FieldType,
    FuncType,
    NumType,
    PackedType,
    RefType,
    StructType,
)
from wasmir.validate.subtyping import named

if TYPE_CHECKING:
    from collections.abc import Callable

    from wasmir.ir.const import Const
    from wasmir.ir.module import Module
    from wasmir.ir.segment import Data, Element
    from wasmir.ir.space import Entity
    from wasmir.ir.tag import Tag
    from wasmir.ir.type import Type
    from wasmir.types import Limits, TableType, ValType
    from wasmir.validate.code import Code

__all__ = ["Sections"]


class Sections:
    """Checks everything but function bodies, and tells :class:`Code` what there is."""

    def __init__(self, code: Code) -> None:
        self.code = code
        self.module: Module = code.module

    def check(self) -> None:
        """Check it all. Raises MalformedError, InvalidError."""
        module = self.module
        if module._data_counted:
            self.code.require(BULK_MEMORY, "a data count section")
        self._types()
        self._each("import", module.imports, self._import)
        imported = len([each for each in module.globals if each.imported is not None])
        for function in module.functions:
            if function.imported is None and function.type.func is None:
                raise InvalidError(
                    f"unknown type: type {function.type} is no function type", str(function)
                )
        self._each("table", module.tables, lambda table: self._table(table, imported))
        self._each("memory", module.memories, lambda memory: self._memory(memory.type.limits))
        if len(module.memories) > 1:
            self.code.require(MULTI_MEMORY, "a module with multiple memories")
        if len(module.tables) > 1:
            self.code.require(REFERENCE_TYPES, "a module with multiple tables")
        self._each("tag", module.tags, self._tag)
        self._each("global", module.globals, self._global)
        self._exports()
        self._start()
        self._each("element segment", module.elements, self._element)
        self._each("data segment", module.data, self._data)

    def _each(self, what: str, entities: Any, check: Callable[[Any], None]) -> None:
        """Check all of a sort; errors say which one it is, and where that stands."""
        for number, entity in enumerate(entities):
            try:
                check(entity)
            except InvalidError as error:
                if error.function is None and error.offset is None:
                    wire = getattr(entity, "_wire", None)
                    error.offset = wire[0] if wire is not None else None
                    error.reason += f"; in {what} {number}"
                raise

    # Types

    def _types(self) -> None:
        types, code = self.code.types, self.code
        count = 0
        for type_ in self.module.types:
            group = type_.group
            if type_ is not group.types[0]:
                continue
            start, count = count, count + len(group.types)
            try:
                if len(group.types) != 1:
                    code.require(GC, "a recursive group")
                for place, entry in enumerate(group.types, start):
                    self._check_above(entry, place)
                types.add_group(group)
                for entry in group.types:
                    self._definition(entry)
            except InvalidError as error:
                if error.offset is None and group._wire is not None:
                    error.offset = group._wire[0]
                raise

    def _check_above(self, type_: Type, place: int) -> None:
        """Supertypes come before; what else is mentioned is looked for when the group is added."""
        _check_inside(type_)
        for above in type_.definition.supertypes:
            if self._number(above) >= place:
                raise InvalidError(f"unknown type {above}: the super type comes later")

    def _number(self, type_: Any) -> int:
        return self.module.types.index(type_)

    def _definition(self, type_: Type) -> None:
        definition, code = type_.definition, self.code
        composite = definition.composite
        if not definition.final or definition.supertypes:
            code.require(GC, "a sub type")
        if len(definition.supertypes) > 1:
            raise InvalidError(f"sub type {type_} has more than one super type")
        self._composite(composite)
        if definition.describes is not None or definition.descriptor is not None:
            self._descriptors(type_)
        code.types.check_declared(type_)

    def _composite(self, composite: Any) -> None:
        code = self.code
        match composite:
            case FuncType(params, results):
                for type_ in (*params, *results):
                    code.check_type(type_)
                if len(results) > 1:
                    code.require(MULTI_VALUE, "a function type with several results")
            case StructType(fields):
                code.require(GC, "a structure type")
                for field in fields:
                    self._field(field)
            case ArrayType(field):
                code.require(GC, "an array type")
                self._field(field)
            case ContType(heap):
                code.require(STACK_SWITCHING, "a continuation type")
                if cast("Type", heap.type).func is None:
                    raise InvalidError(f"non-function type {heap.type}: a continuation of it")

    def _field(self, field: FieldType) -> None:
        if not isinstance(field.storage, PackedType):
            self.code.check_type(field.storage)

    def _descriptors(self, type_: Type) -> None:
        """custom-descriptors: the described type and its descriptor name each other."""
        definition = type_.definition
        self.code.require(CUSTOM_DESCRIPTORS, "a descriptor clause")
        is_struct = isinstance(definition.composite, StructType)
        described, descriptor = (
            cast("Type | None", definition.describes),
            cast("Type | None", definition.descriptor),
        )
        if not is_struct:
            clause = "described" if descriptor is None else "descriptor"
            raise InvalidError(f"{clause} type must be a struct: type {type_} with the clause")
        if descriptor is not None and descriptor.definition.describes is not type_:
            raise InvalidError(
                f"type is not described by its descriptor: {descriptor}, of type {type_}"
            )
        if described is not None:
            if self._number(described) >= self._number(type_):
                raise InvalidError(f"forward use of described type {described} by type {type_}")
            if described.definition.descriptor is not type_:
                raise InvalidError(
                    f"described type is not described by descriptor: {described}, by type {type_}"
                )

    # Types of what can be imported

    def _import(self, import_: Any) -> None:
        entity = import_.entity
        if _is_compact(self.module, import_):
            self.code.require(COMPACT_IMPORTS, "a group of imports")
        if import_.kind is ExternKind.FUNC:
            if entity.type.func is None:
                raise InvalidError(f"unknown type: type {entity.type} is no function type")
            if import_.exact:
                self.code.require(CUSTOM_DESCRIPTORS, "an exact function import")
        elif import_.kind is ExternKind.GLOBAL and entity.type.mutable:
            self.code.require(MUTABLE_GLOBAL, "an imported mutable global")

    def _table(self, table: Any, visible: int) -> None:
        code, type_ = self.code, table.type
        self._table_type(type_)
        element = code.types.value(type_.element)
        if table.init is not None:
            code.require(FUNCTION_REFERENCES, "a table with an initial value")
            self._constant(table.init, element, visible)
        elif table.imported is None and not type_.element.nullable:
            raise InvalidError(f"type mismatch: {element} has no default, and the table no value")

    def _table_type(self, type_: TableType) -> None:
        if type_.element != FUNCREF:
            self.code.check_type(type_.element)
        if type_.limits.shared:
            raise InvalidError("a table can't be shared")
        self._limits(type_.limits, "table")

    def _limits(self, limits: Limits, what: str) -> None:
        if limits.address is NumType.I64:
            self.code.require(MEMORY64, f"a {what} of 64 bits")
        if limits.maximum is not None and limits.minimum > limits.maximum:
            raise InvalidError(
                "size minimum must not be greater than maximum: "
                f"{limits.minimum} > {limits.maximum}"
            )

    def _memory(self, limits: Limits) -> None:
        code = self.code
        page = 16
        if limits.page_size_log2 is not None:
            code.require(CUSTOM_PAGE_SIZES, "a memory with a page size")
            page = limits.page_size_log2
            if page not in (0, 16):
                raise InvalidError(f"invalid custom page size: 2^{page} bytes")
        self._limits(limits, "memory")
        # As many pages as addresses allow; of single bytes one page less, which fits the limit.
        bits = 64 if limits.address is NumType.I64 else 32
        most = (1 << bits) - 1 if page == 0 else 1 << (bits - page)
        if max(limits.minimum, limits.maximum or 0) > most:
            told = "65536 pages (4GiB)" if (bits, page) == (32, 16) else f"{most} pages"
            raise InvalidError(f"memory size must be at most {told}")
        if limits.shared:
            code.require(THREADS, "a shared memory")
            if limits.maximum is None:
                raise InvalidError("shared memory must have maximum")

    def _tag(self, tag: Tag) -> None:
        self.code.require(EXCEPTIONS, "a tag")
        func = tag.type.func
        if func is None:
            raise InvalidError(f"unknown type: type {tag.type} is no function type")
        if func.results and STACK_SWITCHING not in self.code.features:
            raise InvalidError("non-empty tag result type")

    def _global(self, global_: Any) -> None:
        type_ = global_.type.type
        self.code.check_type(type_)
        wanted = self.code.types.value(type_)
        if global_.init is not None:
            self._constant(global_.init, wanted, self.module.globals.index(global_))

    # What refers to other things

    def _exports(self) -> None:
        seen: dict[str, Any] = {}
        for export in self.module.exports:
            if export.name in seen:
                raise InvalidError(
                    f"duplicate export name {export.name!r}",
                    None,
                    export._wire[0] if export._wire else None,
                )
            seen[export.name] = export
            entity: Any = export.entity
            self._check_part(entity)
            if isinstance(entity, Function):
                self.code.declared.add(entity)
            elif export.kind is ExternKind.GLOBAL and entity.type.mutable:
                self.code.require(MUTABLE_GLOBAL, "an exported mutable global")

    def _check_part(self, entity: Entity) -> None:
        """That something is part of the module still."""
        space = self.module.space(entity.space)
        if space.moved or entity.module is not self.module:
            space.index(entity)

    def _start(self) -> None:
        start = self.module.start
        if start is None:
            return
        self._check_part(start)
        func = start.func_type
        if func.params or func.results:
            raise InvalidError(f"start function {start} must have type [] -> [], it has {func}")

    def _element(self, element: Element) -> None:
        code = self.code
        everything = len(self.module.globals)
        # Lists of functions are as old as segments.
        if element.type != FUNCREF and (
            element.type != REF_FUNC
            or any(not isinstance(each, Function) for each in element.items)
        ):
            code.check_type(element.type)
        type_ = cast("RefType", code.types.value(element.type))
        if element.offset is not None:
            table = element.table
            if table is None:
                raise InvalidError("unknown table 0")
            self._check_part(table)
            wanted = code.types.value(table.type.element)
            if not code.types.matches(type_, wanted):
                raise InvalidError(
                    f"type mismatch: the table has elements of type {named(wanted)}, the segment "
                    f"{named(type_)}"
                )
            self._constant(element.offset, table.type.limits.address, everything)
        else:
            code.require(BULK_MEMORY, "a passive or declarative element segment")
        for item in element.items:
            if isinstance(item, Function):
                code.declared.add(item)
                self._check_part(item)
            else:
                self._constant(item, type_, everything)

    def _data(self, data: Data) -> None:
        if data.offset is None:
            self.code.require(BULK_MEMORY, "a passive data segment")
            return
        memory = data.memory
        if memory is None:
            raise InvalidError("unknown memory 0")
        self._check_part(memory)
        self._constant(data.offset, memory.type.limits.address, len(self.module.globals))

    def _constant(self, const: Const, wanted: ValType, visible: int) -> None:
        self.code.check_constant(const.code, wanted, visible)


def _check_inside(type_: Type) -> None:
    """A type and its descriptor are of one recursive group."""
    definition = type_.definition
    for other, what in (
        (definition.descriptor, "descriptor"),
        (definition.describes, "described"),
    ):
        if other is not None and cast("Type", other).group is not type_.group:
            raise InvalidError(f"{what} type is outside rec group: {other}, of type {type_}")


def _is_compact(module: Module, import_: Any) -> bool:
    """Whether an import is spelled in a group: then its kind is none."""
    group = import_._group
    if group is None:
        return False
    start = group[0][0]
    return len(group[1]) > 1 or _after_names(module.source, start) in (0x7E, 0x7F)


def _after_names(data: bytes, start: int) -> int:
    from wasmir.wire import Reader

    reader = Reader(data, start)
    reader.name()
    return reader.byte() if reader.name() == "" else 0

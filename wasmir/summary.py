"""What a module is, at a glance: sections, counts, exception handling, features."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from wasmir.features import EXTENDED_CONST
from wasmir.ir.checks import check_module
from wasmir.ir.codec import codec
from wasmir.ir.const import Const
from wasmir.ir.global_ import Global
from wasmir.ir.imports import ExternKind
from wasmir.ir.segment import REF_FUNC
from wasmir.ir.type import Type
from wasmir.types import (
    FUNCREF,
    AbstractHeap,
    ArrayType,
    ContType,
    FuncType,
    HeapType,
    Limits,
    NumType,
    RefType,
    StorageType,
    StructType,
    SubType,
)
from wasmir.wire import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from wasmir.ir.codec import Section
    from wasmir.ir.function import Function
    from wasmir.ir.module import Module
    from wasmir.isa.table import Row

__all__ = ["ExceptionHandling", "SectionSummary", "Summary", "exception_dialect", "summarize"]

_LEGACY = ("try", "catch", "catch_all", "delegate", "rethrow")
_EXNREF = ("try_table", "throw_ref")


@dataclass
class SectionSummary:
    """A section: ``entries`` is ``None`` for custom sections, which have a ``name``."""

    id: int
    name: str
    offset: int
    size: int
    entries: int | None


@dataclass
class ExceptionHandling:
    """``dialect`` is ``legacy``, ``exnref``, ``mixed``, ``neutral`` (throws only) or ``none``."""

    dialect: str
    instructions: dict[str, int]
    functions: int


@dataclass
class Summary:
    """Sizes and offsets are in bytes."""

    size: int
    sections: list[SectionSummary]
    functions: dict[str, int]
    instructions: int
    exceptions: ExceptionHandling
    features: list[str]
    imports: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def summarize(
    module: Module, track: Callable[[Sequence[Function]], Iterable[Function]] | None = None
) -> Summary:
    """Look at everything once. ``track`` wraps the functions, to show progress.

    Raises MalformedError and InvalidError where the code can't be read.
    """
    check_module(module)
    functions = module.functions
    defined = [function for function in functions if function.imported is None]
    rows: Counter[Row] = Counter()
    with_handlers = 0
    for function in defined if track is None else track(defined):
        seen = codec().count_instructions(function)
        rows.update(seen)
        with_handlers += any(row.name in ("try", "try_table") for row in seen)
    imported = Counter(each.kind for each in module.imports)
    return Summary(
        size=len(module.source),
        sections=[_section(module, section) for section in module.sections],
        functions={"imported": len(functions) - len(defined), "defined": len(defined)},
        instructions=sum(rows.values()),
        exceptions=_exceptions(rows, with_handlers),
        features=sorted(_features(module, rows)),
        imports={kind.value: imported[kind] for kind in ExternKind if kind in imported},
    )


def exception_dialect(module: Module) -> str:
    """The dialect of the first function that catches or rethrows anything: ``legacy``, ``exnref``,
    or ``none`` where no function does. Raises MalformedError.
    """
    check_module(module)
    for function in module.functions:
        code = function.code if function.imported is None else b""
        if not any(opcode in code for opcode in _OPCODES):
            continue
        names = {row.name for row, _ in function.distinct_instructions()}
        if not names.isdisjoint(_LEGACY):
            return "legacy"
        if not names.isdisjoint(_EXNREF):
            return "exnref"
    return "none"


# Bytes that stand in code which has `try`, `try_table` or `throw_ref`, and may be part of others.
_OPCODES = (b"\x06", b"\x1f", b"\x0a")


def _section(module: Module, section: Section) -> SectionSummary:
    custom = section.custom
    size = section.end - section.start
    if custom is not None:
        return SectionSummary(0, custom.name, section.start, size, None)
    name = codec().section_name(section.id)
    entries = codec().section_entries(module, section)
    return SectionSummary(section.id, name, section.start, size, entries)


def _exceptions(rows: Counter[Row], functions: int) -> ExceptionHandling:
    counts = {row.name: count for row, count in rows.items()}
    legacy = any(name in counts for name in _LEGACY)
    exnref = any(name in counts for name in _EXNREF)
    if legacy and exnref:
        dialect = "mixed"
    elif legacy or exnref:
        dialect = "legacy" if legacy else "exnref"
    else:
        dialect = "neutral" if "throw" in counts else "none"
    named = (*_LEGACY, *_EXNREF, "throw")
    return ExceptionHandling(dialect, {n: counts[n] for n in named if n in counts}, functions)


# What extended-const adds to constant expressions.
_EXTENDED = {
    f"{type_}.{operation}" for type_ in ("i32", "i64") for operation in ("add", "sub", "mul")
}


def _consts(module: Module) -> Iterator[Const]:
    found: list[Const | None] = [global_.init for global_ in module.globals]
    found += [table.init for table in module.tables]
    found += [element.offset for element in module.elements]
    found += [data.offset for data in module.data]
    for element in module.elements:
        found += [item for item in element.items if isinstance(item, Const)]
    return (const for const in found if const is not None)


def _features(module: Module, rows: Counter[Row]) -> set[str]:
    """The proposals that the instructions, the types and the imports and definitions need."""
    found = {row.proposal.name for row in rows}
    found.discard("mvp")
    for type_ in module.types:
        found |= _of_definition(type_.definition)
        if not type_.alone:
            found.add("gc")
    if module.tags:
        found.add("exceptions")
    if len(module.memories) > 1:
        found.add("multi-memory")
    limits: list[Limits] = [each.type.limits for each in module.memories]
    limits += [each.type.limits for each in module.tables]
    if any(each.address is NumType.I64 for each in limits):
        found.add("memory64")
    if any(each.shared for each in limits):
        found.add("threads")
    if any(instr.row.name in _EXTENDED for const in _consts(module) for instr in const.instrs):
        found.add(EXTENDED_CONST.name)
    if any(each.page_size_log2 is not None for each in limits):
        found.add("custom-page-sizes")
    found |= _of_externals(module) | _of_tables_and_segments(module)
    # Legacy instructions come with tags, which both dialects share.
    if "legacy-exceptions" in found and not any(row.name in _EXNREF for row in rows):
        found.discard("exceptions")
    return found


def _of_definition(definition: SubType) -> set[str]:
    """What a type definition needs."""
    composite = definition.composite
    found: set[str] = set()
    if isinstance(composite, FuncType):
        found.update(*map(_of_type, composite.params + composite.results))
        if len(composite.results) > 1:
            found.add("multi-value")
    elif isinstance(composite, ContType):
        found.add("stack-switching")
    else:
        found.add("gc")
        fields = composite.fields if isinstance(composite, StructType) else (composite.field,)
        found.update(*(_of_type(each.storage) for each in fields))
    if definition.supertypes or not definition.final:
        found.add("gc")
    if definition.describes is not None or definition.descriptor is not None:
        found.add("custom-descriptors")
    return found


def _of_type(type_: StorageType) -> set[str]:
    """What a value needs to be of this type."""
    if type_ is NumType.V128:
        return {"simd"}
    if not isinstance(type_, RefType):
        return set()
    found = {"reference-types"} if type_.nullable else {"reference-types", "function-references"}
    return found | _of_heap(type_.heap)


def _of_heap(heap: HeapType) -> set[str]:
    if isinstance(heap, AbstractHeap):
        return _HEAPS.get(heap, {"gc"})
    found = {"custom-descriptors"} if heap.exact else set()
    if isinstance(heap.type, Type):
        composite = heap.type.definition.composite
        if isinstance(composite, StructType | ArrayType):
            return found | {"gc"}
        if isinstance(composite, ContType):
            return found | {"stack-switching"}
    return found | {"function-references"}


# What abstract heap types need; those that aren't here came with gc.
_HEAPS: dict[AbstractHeap, set[str]] = {
    AbstractHeap.FUNC: set(),
    AbstractHeap.EXTERN: set(),
    AbstractHeap.EXN: {"exceptions"},
    AbstractHeap.NOEXN: {"exceptions"},
    AbstractHeap.CONT: {"stack-switching"},
    AbstractHeap.NOCONT: {"stack-switching"},
}


def _of_externals(module: Module) -> set[str]:
    """What imports and exports need, and the values of globals."""
    found: set[str] = set()
    for external in (*module.imports, *module.exports):
        entity = external.entity
        if isinstance(entity, Global) and entity.type.mutable:
            found.add("mutable-global")
    for global_ in module.globals:
        found |= _of_type(global_.type.type)
    if any(each.exact for each in module.imports):
        found.add("custom-descriptors")
    if any(
        _is_compact(module, *span)
        for span in {each._group[0] for each in module.imports if each._group}
    ):
        found.add("compact-imports")
    return found


def _is_compact(module: Module, start: int, end: int) -> bool:
    """Whether these bytes are a group of imports, in place of one import: an empty name, and a kind
    that is none.
    """
    reader = Reader(module.source, start, end)
    reader.name()
    return not reader.name() and reader.peek() in (0x7E, 0x7F)


def _of_tables_and_segments(module: Module) -> set[str]:
    """What tables need beyond one of functions, and segments beyond active ones of functions."""
    found: set[str] = set()
    for table in module.tables:
        if table.type.element != FUNCREF:
            found |= _of_type(table.type.element)
        if table.init is not None:
            found.add("function-references")
    if len(module.tables) > 1:
        found.add("reference-types")
    if any(data.offset is None for data in module.data):
        found.add("bulk-memory")
    for element in module.elements:
        if element.offset is None and not element.declarative:
            found.add("bulk-memory")
        if element.declarative or any(isinstance(item, Const) for item in element.items):
            found.add("reference-types")
        if element.type not in (FUNCREF, REF_FUNC):
            found |= _of_type(element.type)
    return found

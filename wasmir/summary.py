"""What a module is, at a glance: sections, counts, exception handling, features."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from wasmir.features import EXTENDED_CONST
from wasmir.ir.codec import codec
from wasmir.ir.const import Const
from wasmir.types import ContType, FuncType, Limits, NumType

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
    functions = module.functions
    defined = [function for function in functions if function.imported is None]
    rows: Counter[Row] = Counter()
    with_handlers = 0
    for function in defined if track is None else track(defined):
        seen = codec().count_instructions(function)
        rows.update(seen)
        with_handlers += any(row.name in ("try", "try_table") for row in seen)
    return Summary(
        size=len(module.source),
        sections=[_section(module, section) for section in module.sections],
        functions={"imported": len(functions) - len(defined), "defined": len(defined)},
        instructions=sum(rows.values()),
        exceptions=_exceptions(rows, with_handlers),
        features=sorted(_features(module, rows)),
        imports={
            kind.name.lower(): count
            for kind, count in sorted(Counter(each.kind for each in module.imports).items())
        },
    )


def exception_dialect(module: Module) -> str:
    """The dialect of the first function that catches or rethrows anything: ``legacy``, ``exnref``,
    or ``none`` where no function does. Raises MalformedError.
    """
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
        composite = type_.definition.composite
        if isinstance(composite, FuncType):
            if len(composite.results) > 1:
                found.add("multi-value")
        else:
            found.add("stack-switching" if isinstance(composite, ContType) else "gc")
        if not type_.alone or type_.definition.supertypes or not type_.definition.final:
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
    # Legacy instructions come with tags, which both dialects share.
    if "legacy-exceptions" in found and not any(row.name in _EXNREF for row in rows):
        found.discard("exceptions")
    return found

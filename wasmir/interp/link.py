"""Linking: what is given for imports, and whether it is of the type that is asked for.

Source: specification 3.0, Execution, "Modules", and Validation, "Import Matching".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wasmir.interp.boundary import host_function
from wasmir.interp.entities import Func, Global, Memory, Table, Tag
from wasmir.interp.faults import LinkError
from wasmir.interp.heap import matches
from wasmir.ir.imports import ExternKind
from wasmir.types import GlobalType

if TYPE_CHECKING:
    from wasmir.interp.heap import RunType, Types
    from wasmir.ir.imports import Import
    from wasmir.types import Limits

__all__ = ["linked"]

_WANTED = {
    ExternKind.FUNC: (Func, "a function"),
    ExternKind.TABLE: (Table, "a table"),
    ExternKind.MEMORY: (Memory, "a memory"),
    ExternKind.GLOBAL: (Global, "a global"),
    ExternKind.TAG: (Tag, "a tag"),
}


def linked(import_: Import, imports: Any, types: Types) -> Any:
    """What an import stands for. Raises LinkError."""
    given = _given(import_, imports)
    if import_.kind is ExternKind.FUNC and callable(given) and not isinstance(given, Func):
        type_ = types[import_.entity.type]  # type: ignore[attr-defined]
        return Func(type_, host_function(given, type_), f"{import_.module}.{import_.name}")
    if import_.kind is ExternKind.GLOBAL and not isinstance(given, (Func, Table, Memory, Tag)):
        given = _constant(import_, given, types)
    class_, what = _WANTED[import_.kind]
    if not isinstance(given, class_):
        raise _incompatible(import_, f"{what} is expected, not {given!r}")
    why = _CHECKS[import_.kind](import_, given, types)
    if why:
        raise _incompatible(import_, why)
    return given


def _given(import_: Import, imports: Any) -> Any:
    from wasmir.interp.instance import Instance

    module = imports.get(import_.module)
    if isinstance(module, Instance):
        module = module.exports
    if not isinstance(module, Mapping) or import_.name not in module:
        raise LinkError(f"unknown import {import_}")
    return module[import_.name]


def _incompatible(import_: Import, why: str) -> LinkError:
    return LinkError(f"incompatible import type for {import_}: {why}")


def _constant(import_: Import, given: Any, types: Types) -> Global | Any:
    """A mere value for an immutable global."""
    if isinstance(given, Global):
        return given
    wanted: GlobalType = import_.entity.type  # type: ignore[attr-defined]
    try:
        return Global(GlobalType(types.value(wanted.type), wanted.mutable), given)
    except (TypeError, ValueError) as error:
        raise _incompatible(import_, str(error)) from None


def _function(import_: Import, given: Func, types: Types) -> str | None:
    wanted: RunType = types[import_.entity.type]  # type: ignore[attr-defined]
    if given.type is wanted or (not import_.exact and wanted in given.type.above):
        return None
    return f"{wanted} is expected, not {given.type}"


def _tag(import_: Import, given: Tag, types: Types) -> str | None:
    wanted = types[import_.entity.type]  # type: ignore[attr-defined]
    return None if given.type is wanted else f"{wanted} is expected, not {given.type}"


def _global(import_: Import, given: Global, types: Types) -> str | None:
    wanted: GlobalType = import_.entity.type  # type: ignore[attr-defined]
    theirs, ours = given.type.type, types.value(wanted.type)
    if given.type.mutable != wanted.mutable:
        return "one of them is mutable"
    fits = theirs == ours if wanted.mutable else matches(theirs, ours)
    return None if fits else f"{ours} is expected, not {theirs}"


def _limits(given: Limits, wanted: Limits) -> str | None:
    if given.address is not wanted.address:
        return f"addresses are {wanted.address}, not {given.address}"
    if given.minimum < wanted.minimum:
        return f"it is smaller, {given.minimum}, than {wanted.minimum}"
    if wanted.maximum is not None and (given.maximum is None or given.maximum > wanted.maximum):
        return f"its maximum is {given.maximum}, not at most {wanted.maximum}"
    return None


def _page(limits: Limits) -> int:
    """The size of a page, in bytes."""
    return 1 << (16 if limits.page_size_log2 is None else limits.page_size_log2)


def _memory(import_: Import, given: Memory, _types: Types) -> str | None:
    wanted: Limits = import_.entity.type.limits  # type: ignore[attr-defined]
    theirs = given.current
    if theirs.shared != wanted.shared:
        return "one of them is shared"
    if given.page != _page(wanted):
        return "memory types incompatible: their pages aren't of the same size"
    return _limits(theirs, wanted)


def _table(import_: Import, given: Table, types: Types) -> str | None:
    wanted = import_.entity.type  # type: ignore[attr-defined]
    ours = types.value(wanted.element)
    if given.type.element != ours:
        return f"{ours} is expected, not {given.type.element}"
    return _limits(given.current, wanted.limits)


_CHECKS: dict[ExternKind, Any] = {
    ExternKind.FUNC: _function,
    ExternKind.TABLE: _table,
    ExternKind.MEMORY: _memory,
    ExternKind.GLOBAL: _global,
    ExternKind.TAG: _tag,
}

"""Which things of a module an immediate mentions, whatever its kind: one place for all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from wasmir.isa.kinds import Clause, Handler, Kind, MemArg
from wasmir.types import AbstractHeap, Concrete, NumType, RefType

if TYPE_CHECKING:
    from collections.abc import Callable

    from wasmir.isa.table import Row

__all__ = ["SPACES", "mentioned_spaces", "renamed"]

SPACES = frozenset({"type", "func", "table", "memory", "tag", "global", "elem", "data"})
"""The index spaces of a module; labels, locals and fields have theirs elsewhere."""

Rename: TypeAlias = "Callable[[str, Any], Any]"


def mentioned_spaces(row: Row) -> frozenset[str]:
    """The module's index spaces that the immediates of an instruction mention."""
    found: frozenset[str] = frozenset()
    return found.union(*(immediate.kind.spaces for immediate in row.immediates)) & SPACES


def renamed(kind: Kind[Any], value: Any, rename: Rename) -> Any:
    """The value of an immediate with ``rename(space, what)`` in place of all that it mentions.

    What is mentioned may be an index or the thing itself, before and after; so this translates
    indices, puts things where indices stand, and the other way about.
    """
    if not kind.spaces & SPACES:
        return value
    if isinstance(value, tuple):
        return tuple(_renamed(kind, each, rename) for each in value)
    return _renamed(kind, value, rename)


def _renamed(kind: Kind[Any], value: Any, rename: Rename) -> Any:
    match value:
        case MemArg():
            return replace(value, memory=rename("memory", value.memory))
        case Clause(tag=None):
            return value
        case Clause() | Handler():
            return replace(value, tag=rename("tag", value.tag))
        case RefType():
            return RefType(value.nullable, _renamed(kind, value.heap, rename))
        case Concrete():
            return Concrete(rename("type", value.type), value.exact)
        case AbstractHeap() | NumType() | None:
            return value
    return rename(cast("str", kind.space), value)

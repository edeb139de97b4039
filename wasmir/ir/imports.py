"""Imports."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wasmir.ir.type import Type
    from wasmir.types import GlobalType, MemoryType, TableType

__all__ = ["ExternKind", "Import"]


class ExternKind(IntEnum):
    """What is imported or exported; the value is the encoding."""

    FUNC = 0
    TABLE = 1
    MEMORY = 2
    GLOBAL = 3
    TAG = 4


@dataclass(slots=True, eq=False)
class Import:
    """One import. ``type`` is an entity for functions and tags, a value otherwise.

    ``exact`` is custom-descriptors' exact function import.
    """

    module: str
    name: str
    kind: ExternKind
    type: Type | TableType | MemoryType | GlobalType
    exact: bool = False

"""How the IR reaches the binary format, which stands above it.

The IR is lazy: it decodes when somebody looks. What decodes is :mod:`wasmir.binary`, and imports
point from there to here, never back. So this is the contract that the binary package fulfils, and
the one place that names it, as text, on first use.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wasmir.ir.code import Body, Instr
    from wasmir.ir.custom import Custom
    from wasmir.ir.function import Function
    from wasmir.ir.imports import Import
    from wasmir.ir.module import Module
    from wasmir.ir.survey import Survey
    from wasmir.ir.tag import Tag
    from wasmir.ir.type import Type
    from wasmir.isa.table import Row
    from wasmir.types import MemoryType

__all__ = ["Codec", "Section", "codec"]


class Section:
    """Where a section stands in the input: ``data[start:end]``, its content from ``content`` on.

    ``custom`` is the entity that stands for a custom section.
    """

    __slots__ = ("content", "custom", "end", "id", "start")

    def __init__(self, id_: int, start: int, content: int, end: int) -> None:
        self.id = id_
        self.start = start
        self.content = content
        self.end = end
        self.custom: Custom | None = None


class Codec(Protocol):
    """What the IR asks of a binary format. All methods raise MalformedError on bad bytes."""

    def read_sections(self, data: bytes) -> list[Section]: ...
    def read_types(self, module: Module) -> list[Type]: ...
    def read_imports(self, module: Module) -> list[Import]: ...
    def read_functions(self, module: Module) -> list[Function]: ...
    def read_memories(self, module: Module) -> list[MemoryType]: ...
    def read_tags(self, module: Module) -> list[Tag]: ...
    def read_function_names(self, module: Module) -> dict[int, str]: ...
    def decode_body(self, function: Function) -> Body: ...
    def survey(self, function: Function, name: str) -> Survey | None: ...
    def encode_body(self, body: Body, *, consume: bool = False) -> bytes: ...
    def declared_locals(self, body: Body) -> int: ...
    def count_instructions(self, function: Function) -> dict[Row, int]: ...
    def section_name(self, id_: int) -> str: ...
    def section_entries(self, module: Module, section: Section) -> int: ...
    def split(self, module: Module, run: bytes) -> list[Instr]: ...
    def run_effects(self, module: Module) -> Mapping[bytes, int]: ...
    def dissolve(self, body: Body) -> None: ...
    def require_target_feature(self, module: Module, name: str) -> None: ...
    def code_moved(self, module: Module, functions: list[int]) -> dict[str, str]: ...
    def encode_module(self, module: Module) -> Iterable[bytes | memoryview]: ...


@cache
def codec() -> Codec:
    """The binary codec."""
    return cast("Codec", importlib.import_module("wasmir.binary"))

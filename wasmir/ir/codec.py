"""How the IR reaches the binary format, which stands above it.

The IR is lazy: it decodes when somebody looks. What decodes is :mod:`wasmir.binary`, and imports
point from there to here, never back. So this is the contract that the binary package fulfils, and
the one place that names it, as text, on first use.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from wasmir.errors import WasmError
    from wasmir.features import Feature
    from wasmir.ir.code import Body, Instr, Item
    from wasmir.ir.custom import Custom
    from wasmir.ir.encoded import Encoded
    from wasmir.ir.function import Function
    from wasmir.ir.global_ import Global
    from wasmir.ir.imports import Export, Import
    from wasmir.ir.memory import Memory
    from wasmir.ir.module import Module
    from wasmir.ir.names import NameMap, Names
    from wasmir.ir.offsets import Moves, Tracking
    from wasmir.ir.outline import Survey
    from wasmir.ir.segment import Data, Element
    from wasmir.ir.space import Entity
    from wasmir.ir.table import Table
    from wasmir.ir.tag import Tag
    from wasmir.ir.type import Type
    from wasmir.ir.walk import RawInstr
    from wasmir.isa.table import Row
    from wasmir.types import ValType

__all__ = [
    "CodeMentions",
    "Codec",
    "Printer",
    "Renumbering",
    "Section",
    "Validator",
    "codec",
    "printer",
    "validator",
]


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


class CodeMentions(Protocol):
    """What code mentions of some index spaces: sets of tokens that mention something, and what each
    of them does.

    A token is an instruction's bytes, or stands for all the locals of a function; some that mention
    nothing may be among them. Raises MalformedError where code is no code, InvalidError where it
    mentions what there isn't; offsets are within what was looked at.
    """

    def narrow(self, spaces: frozenset[str]) -> None:
        """Look for mentions of these spaces only, from now on."""

    def in_instructions(self, code: bytes) -> set[bytes]: ...
    def in_code(self, code: bytes) -> set[bytes]:
        """In a function's code: locals, then instructions."""
        ...

    def __getitem__(self, token: bytes) -> tuple[tuple[Row | None, Entity], ...]:
        """What a token mentions, and the instruction's row; ``None`` for locals."""
        ...


class Renumbering(Protocol):
    """Code with other numbers for what it mentions of some index spaces; nothing is decoded for
    that, and padded numbers keep their length. Raises MalformedError, and what gives the numbers
    does.
    """

    def instructions(self, code: bytes) -> bytes: ...
    def body(self, code: bytes) -> bytes:
        """A function's code: locals, then instructions."""
        ...


class Codec(Protocol):
    """What the IR asks of a binary format. All methods raise MalformedError on bad bytes."""

    def read_sections(self, data: bytes) -> list[Section]: ...
    def read_types(self, module: Module) -> list[Type]: ...
    def read_imports(self, module: Module) -> list[Import]: ...
    def read_functions(self, module: Module) -> list[Function]: ...
    def read_tables(self, module: Module) -> list[Table]: ...
    def read_memories(self, module: Module) -> list[Memory]: ...
    def read_tags(self, module: Module) -> list[Tag]: ...
    def read_globals(self, module: Module) -> list[Global]: ...
    def read_exports(self, module: Module) -> list[Export]: ...
    def read_start(self, module: Module) -> Function | None: ...
    def read_elements(self, module: Module) -> list[Element]: ...
    def read_data(self, module: Module) -> list[Data]: ...
    def read_names(self, module: Module) -> Names: ...
    def decode_body(self, function: Function, *, expanded: bool = False) -> Body: ...
    def having(self, functions: Iterable[Function], name: str) -> list[Function]: ...
    def survey(self, function: Function) -> Survey: ...
    def opened_arity(self, module: Module, opening: bytes) -> int: ...
    def outline_effect(self, module: Module, items: Iterable[Item]) -> int: ...
    def may_throw(self, run: bytes) -> bool: ...
    def encode_body(self, body: Body, *, consume: bool = False) -> bytes: ...
    def encode_instrs(self, module: Module, instrs: Iterable[Instr]) -> bytes: ...
    def encode_items(self, function: Function, items: list[Item]) -> bytes: ...
    def declared_locals(self, body: Body) -> int: ...
    def local_groups(self, module: Module, code: bytes) -> list[tuple[int, ValType]]: ...
    def distinct_instructions(self, code: bytes) -> list[tuple[Row, tuple[Any, ...]]]: ...
    def count_instructions(self, function: Function) -> dict[Row, int]: ...
    def section_name(self, id_: int) -> str: ...
    def section_entries(self, module: Module, section: Section) -> int: ...
    def split(self, module: Module, run: bytes) -> list[Instr]: ...
    def raw_instructions(self, function: Function) -> Iterator[RawInstr]: ...
    def block_offsets(self, function: Function) -> list[int]: ...
    def block_sizes(self, function: Function) -> list[tuple[int, int]]: ...
    def locals_end(self, function: Function) -> int: ...
    def splice(
        self,
        function: Function,
        places: Iterable[tuple[int, bytes]],
        added_locals: Sequence[tuple[int, ValType]],
    ) -> None: ...
    def splice_entry(
        self, function: Function, run: bytes, added_locals: Sequence[tuple[int, ValType]]
    ) -> None: ...
    def shift_locals(self, function: Function, before: int, after: int) -> None: ...
    def substitute(
        self,
        module: Module,
        names: frozenset[str],
        choose: Callable[[Instr], Instr | None],
        functions: Iterable[Function],
    ) -> list[Function]: ...
    def renumbered_types(
        self, codes: Sequence[bytes], numbers: Mapping[int, int]
    ) -> list[bytes]: ...
    def renumbering(
        self, spaces: frozenset[str], index: Callable[[str, int], int]
    ) -> Renumbering: ...
    def run_effects(self, module: Module) -> Mapping[bytes, int]: ...
    def expand(self, body: Body) -> None: ...
    def dissolve(self, body: Body) -> None: ...
    def declarations_lost(self, module: Module) -> set[Function]: ...
    def tracking(self, module: Module) -> Tracking | None: ...
    def note_origin(self, body: Body, data: bytes) -> None: ...
    def trace_moves(self, body: Body, data: bytes) -> Moves: ...
    def moved_labels(
        self, function: Function, written: bytes, names: NameMap, moves: Moves
    ) -> NameMap: ...
    def respelled_moves(self, before: bytes, after: bytes) -> Moves: ...
    def code_mentions(self, module: Module, spaces: frozenset[str] = ...) -> CodeMentions: ...
    def code_frames(self, data: bytes) -> list[tuple[int, int]]: ...
    def encode_module(self, module: Module) -> Encoded: ...


@cache
def codec() -> Codec:
    """The binary codec."""
    return cast("Codec", importlib.import_module("wasmir.binary"))


class Validator(Protocol):
    """What the IR asks of the validator, which stands above it like the codec."""

    def find_errors(
        self,
        module: Module,
        features: Iterable[Feature | str] | str | None,
        only: Iterable[Function] | None,
        jobs: int,
        track: Callable[[Sequence[Function]], Iterable[Function]] | None,
    ) -> Iterator[WasmError]: ...
    def value_matches(self, module: Module, sub: ValType, wanted: ValType) -> bool: ...


@cache
def validator() -> Validator:
    """The validator."""
    return cast("Validator", importlib.import_module("wasmir.validate"))


class Printer(Protocol):
    """What the IR asks of the printer, which stands above it, too."""

    def module_text(self, module: Module, *, names: bool, offsets: bool, folded: bool) -> str: ...
    def function_text(
        self, function: Function, *, names: bool, offsets: bool, folded: bool
    ) -> str: ...


@cache
def printer() -> Printer:
    """The printer of the text format."""
    return cast("Printer", importlib.import_module("wasmir.text"))

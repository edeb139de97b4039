"""The container: the preamble, and sections one behind the other.

Source: specification, Binary Format, "Modules".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wasmir.errors import MalformedError, UnsupportedError
from wasmir.ir.codec import Section
from wasmir.ir.custom import Custom
from wasmir.wire import Reader

if TYPE_CHECKING:
    from wasmir.ir.module import Module

__all__ = [
    "CODE",
    "CUSTOM",
    "DATA",
    "DATA_COUNT",
    "ELEMENT",
    "EXPORT",
    "FUNCTION",
    "GLOBAL",
    "IMPORT",
    "MEMORY",
    "NAMES",
    "ORDER",
    "START",
    "TABLE",
    "TAG",
    "TYPE",
    "read_sections",
    "section_entries",
    "section_name",
]

CUSTOM, TYPE, IMPORT, FUNCTION, TABLE, MEMORY, GLOBAL, EXPORT, START, ELEMENT = range(10)
CODE, DATA, DATA_COUNT, TAG = range(10, 14)

NAMES = {
    0: "custom",
    1: "type",
    2: "import",
    3: "function",
    4: "table",
    5: "memory",
    13: "tag",
    6: "global",
    7: "export",
    8: "start",
    9: "element",
    12: "data count",
    10: "code",
    11: "data",
}

#: Where a section id stands among the others; custom sections stand anywhere.
ORDER = {id_: place for place, id_ in enumerate(NAMES)}

_MAGIC = b"\0asm"
_VERSION = b"\1\0\0\0"


def read_sections(data: bytes) -> list[Section]:
    """Walk the sections. Their contents are not read, but for custom sections' names."""
    _check_preamble(data)
    reader = Reader(data, 8)
    sections: list[Section] = []
    counts: dict[int, int] = {}
    place = 0
    while not reader.at_end():
        start = reader.pos
        id_ = reader.byte()
        if id_ not in ORDER:
            raise MalformedError(f"malformed section id {id_}", start)
        size = reader.length()
        section = Section(id_, start, reader.pos, reader.pos + size)
        if id_ == CUSTOM:
            content = Reader(data, section.content, section.end)
            name = content.name()
            section.custom = Custom(name, data, content.pos, section.end)
        else:
            if ORDER[id_] <= place:
                raise MalformedError(
                    f"unexpected content after last section: {NAMES[id_]} section is repeated "
                    "or out of order",
                    start,
                )
            place = ORDER[id_]
            if id_ in (FUNCTION, CODE, DATA, DATA_COUNT):
                counts[id_] = Reader(data, section.content, section.end).u32()
        reader.pos = section.end
        sections.append(section)
    if counts.get(FUNCTION, 0) != counts.get(CODE, 0):
        raise MalformedError("function and code section have inconsistent lengths", len(data))
    if DATA_COUNT in counts and counts[DATA_COUNT] != counts.get(DATA, 0):
        raise MalformedError("data count and data section have inconsistent lengths", len(data))
    return sections


def section_name(id_: int) -> str:
    return NAMES[id_]


def section_entries(module: Module, section: Section) -> int:
    """How many entries a section has; a start section has one."""
    if section.id == START:
        return 1
    return Reader(module.source, section.content, section.end).u32()


def _check_preamble(data: bytes) -> None:
    magic, version = data[:4], data[4:8]
    if not data:
        raise MalformedError("unexpected end: the input is empty", 0)
    if magic != _MAGIC:
        if _MAGIC.startswith(data):
            raise MalformedError("unexpected end", len(data))
        raise MalformedError(f"magic header not detected{_guess(data)}", 0)
    if version == _VERSION:
        return
    if len(version) < 4:
        raise MalformedError("unexpected end", len(data))
    if version[2:] == b"\1\0":
        raise UnsupportedError(
            "this is a component, not a core module; its core modules come out of it with "
            "`wasm-tools component unbundle --module-dir DIR`",
            offset=4,
        )
    raise MalformedError(f"unknown binary version {version.hex(' ')}", 4)


def _guess(data: bytes) -> str:
    """What else the input may be."""
    head = data[:512].lstrip()
    # Before the text format: Zstandard's magic number begins with a parenthesis.
    if head.startswith((b"\x1f\x8b", b"PK\x03\x04", b"\x28\xb5\x2f\xfd")):
        return ": this is compressed; unpack it first"
    if head.startswith((b"(", b";;")):
        return ": this looks like the text format; `wasm-tools parse` makes a binary of it"
    if head.startswith(b"BC\xc0\xde"):
        return ": this is LLVM bitcode; link it first"
    if head.startswith(b"!<arch>"):
        return ": this is an archive of object files; link it first"
    return ""

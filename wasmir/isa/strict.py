"""One instruction, strictly: bytes to row and immediates, and back.

Every legal spelling is read, padded LEB128 integers included; the canonical one is written.

Source: specification, Binary Format, "Instructions".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wasmir.isa.table import BY_CODE, PREFIXES

if TYPE_CHECKING:
    from wasmir.isa.table import Row
    from wasmir.wire import Reader, Writer

__all__ = ["decode_one", "encode_one"]


def decode_one(reader: Reader) -> tuple[Row, tuple[Any, ...]]:
    """The next instruction, and its immediates as :mod:`wasmir.isa.kinds` reads them."""
    start = reader.pos
    first = reader.byte()
    if first in PREFIXES:
        number = reader.u32()
        row = BY_CODE.get((first, number))
    else:
        number = None
        row = BY_CODE.get((0, first))
    if row is None:
        spelled = f"{first:02x}" if number is None else f"{first:02x} {number:02x}"
        raise reader.error(f"illegal opcode {spelled}", start)
    return row, tuple([immediate.kind.read(reader) for immediate in row.immediates])


def encode_one(writer: Writer, row: Row, values: tuple[Any, ...]) -> None:
    """Mirrors :func:`decode_one`."""
    writer.put(row.opcode)
    for immediate, value in zip(row.immediates, values, strict=True):
        immediate.kind.write(writer, value)

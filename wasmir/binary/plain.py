"""Instructions with nothing but naturals in them, most of which are indices: a quick way for what
most distinct tokens are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from wasmir.isa import kinds
from wasmir.isa.mentions import SPACES
from wasmir.isa.table import ROWS

if TYPE_CHECKING:
    from wasmir.isa.table import Row

__all__ = ["NATURALS", "maybe_padded", "plain_naturals"]

NATURALS = frozenset(
    {
        kinds.LOCAL,
        kinds.GLOBAL,
        kinds.FUNC,
        kinds.TYPE,
        kinds.TYPE_USE,
        kinds.TABLE,
        kinds.TAG,
        kinds.FIELD,
        kinds.COUNT,
    }
)
"""The kinds of naturals of up to 32 bits that have one spelling without padding."""

# A padded integer ends like this; much else does, too.
maybe_padded = re.compile(rb"[\x80-\xff][\x00\x7f]").search

# Rows with nothing but naturals, by opcode: a number, or two bytes with a prefix. With each comes
# where the naturals begin, and the space of the module that each of them is an index into.
_ROWS: dict[object, tuple[Row, int, list[str | None]]] = {
    row.opcode if row.prefix else row.number: (
        row,
        len(row.opcode),
        [
            immediate.kind.space if immediate.kind.space in SPACES else None
            for immediate in row.immediates
        ],
    )
    for row in ROWS
    if row.immediates
    and all(immediate.kind in NATURALS for immediate in row.immediates)
    and not (row.prefix and len(row.opcode) > 2)
}


def plain_naturals(token: bytes) -> tuple[Row, int, list[str | None], list[int]] | None:
    """For an instruction of an opcode and naturals, without padding: its row, where the naturals
    begin, the space of the module that each is an index into, and the naturals. ``None`` for what
    isn't, or might not be.
    """
    found = _ROWS.get(token[0]) or _ROWS.get(token[:2])
    if found is None:
        return None
    row, start, spaces = found
    if maybe_padded(token, start) is not None:
        return None
    naturals = []
    value = shift = 0
    for byte in token[start:]:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            if value >= 1 << 32:
                return None
            naturals.append(value)
            value = shift = 0
    return row, start, spaces, naturals

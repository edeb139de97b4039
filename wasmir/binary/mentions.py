"""What code mentions: per distinct token, because there are few of these. Nothing is decoded twice.

See :mod:`wasmir.isa.tokens` for the scanner, and :mod:`wasmir.ir.uses` for who asks.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

from wasmir.binary.memo import memo_of
from wasmir.ir.space import Entity
from wasmir.isa import tokens
from wasmir.isa.kinds import VALUE_TYPES
from wasmir.isa.mentions import SPACES, renamed
from wasmir.isa.strict import decode_one
from wasmir.types import RefType, decode_value_type
from wasmir.wire import Reader

if TYPE_CHECKING:
    from wasmir.ir.module import Module
    from wasmir.isa.table import Row

__all__ = ["CodeMentions", "code_mentions"]

# No instruction begins with this byte: what stands behind it is a function's locals.
_LOCALS = b"\xff"

_token_of = itemgetter(1)


def code_mentions(module: Module, spaces: frozenset[str] = SPACES) -> CodeMentions:
    """See :class:`wasmir.ir.codec.CodeMentions`."""
    return CodeMentions(module, spaces)


class CodeMentions(dict[bytes, "tuple[tuple[Row | None, Entity], ...]"]):
    """What each distinct token mentions, see :class:`wasmir.ir.codec.CodeMentions`."""

    def __init__(self, module: Module, spaces: frozenset[str]) -> None:
        # What the scanner finds no (further) instruction in is an empty token.
        super().__init__({b"": ()})
        self._memo = memo_of(module)
        self.narrow(spaces)

    def narrow(self, spaces: frozenset[str]) -> None:
        self.spaces = spaces
        self._scan = tokens.mentions(spaces) if spaces else None

    def in_instructions(self, code: bytes, start: int = 0) -> set[bytes]:
        scan = self._scan
        if scan is None:
            return set()
        whole = scan(code, start, len(code))
        if not tokens.gave_up(whole):
            return set(map(_token_of, whole))
        found: set[bytes] = set()
        for portion in tokens.scanned(scan, code, start, len(code)):
            found.update(map(_token_of, portion))
        return found

    def in_code(self, code: bytes) -> set[bytes]:
        start = tokens.skip_locals(code, 0, len(code))
        found = self.in_instructions(code, start)
        # Without a byte of these, no local is of a type that is defined.
        if "type" in self.spaces and (0x63 in code[:start] or 0x64 in code[:start]):
            found.add(_LOCALS + code[:start])
        return found

    def __missing__(self, token: bytes) -> tuple[tuple[Row | None, Entity], ...]:
        plain = self._memo.plain_immediates(token)
        if plain is None:
            mentioned = self._mentioned(token)
        else:
            row, things = plain
            mentioned = tuple((row, each) for each in things if isinstance(each, Entity))
        self[token] = mentioned
        return mentioned

    def _mentioned(self, token: bytes) -> tuple[tuple[Row | None, Entity], ...]:
        # In the order of the immediates, each once.
        found: dict[tuple[Row | None, Entity], None] = {}
        row: Any = None

        def note(space: str, number: int) -> int:
            found[row, self._memo.at(space, number)] = None
            return number

        if token[:1] == _LOCALS:
            reader = Reader(token, 1)
            for _ in range(reader.count()):
                reader.u32()
                type_: Any = decode_value_type(reader)
                if isinstance(type_, RefType):
                    renamed(VALUE_TYPES, type_, note)
        else:
            row, values = decode_one(Reader(token))
            for immediate, value in zip(row.immediates, values, strict=True):
                renamed(immediate.kind, value, note)
        return tuple(found)

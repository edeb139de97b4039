"""A function's code as single instructions with their offsets, without a tree."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from wasmir.binary.decode_code import code_of
from wasmir.errors import MalformedError
from wasmir.ir.walk import RawInstr
from wasmir.isa import tokens
from wasmir.isa.strict import decode_one
from wasmir.isa.table import Row, Trait
from wasmir.wire import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wasmir.ir.function import Function

__all__ = ["code_tokens", "distinct_instructions", "raw_instructions"]


def raw_instructions(function: Function) -> Iterator[RawInstr]:
    """See :func:`wasmir.ir.walk.instructions`, which says what it raises."""
    data, start, end = code_of(function)
    depth = 1
    for pos, token in code_tokens(data, tokens.skip_locals(data, start, end), end):
        if not depth:
            raise MalformedError("END opcode expected: the body goes on behind its end", pos)
        try:
            row, values, nesting = _meaning(token)
        except MalformedError as error:
            raise MalformedError(error.reason, pos + error.offset) from None
        depth += nesting
        yield RawInstr(pos, row, values)
    if depth:
        raise MalformedError("unexpected end: END opcode expected", end)


def distinct_instructions(code: bytes) -> list[tuple[Row, tuple[Any, ...]]]:
    """See :meth:`wasmir.ir.function.Function.distinct_instructions`."""
    end = len(code)
    found: set[bytes] = set()
    for portion in tokens.split_whole(code, tokens.skip_locals(code, 0, end), end):
        found.update(portion)
    return [_meaning(token)[:2] for token in sorted(found)]


def code_tokens(data: bytes, pos: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Each instruction's offset and bytes, whatever they mean."""
    for portion in tokens.split_whole(data, pos, end):
        for token in portion:
            yield pos, token
            pos += len(token)


@lru_cache(maxsize=1 << 16)
def _meaning(token: bytes) -> tuple[Row, tuple[Any, ...], int]:
    """Row and raw immediates, which are the same in any module; how many labels it opens."""
    row, values = decode_one(Reader(token))
    return row, values, (Trait.OPENS in row.traits) - (Trait.CLOSES in row.traits)

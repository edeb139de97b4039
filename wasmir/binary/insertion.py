"""More instructions between those that are there; nothing is decoded for it, and none is touched.

What is added moves the rest and changes nothing about it, so where each instruction went is known
to the byte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wasmir.binary.decode_code import code_of
from wasmir.binary.encode_code import encode_locals
from wasmir.ir.offsets import Moves
from wasmir.isa import tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wasmir.ir.function import Function
    from wasmir.types import ValType

__all__ = ["locals_end", "splice", "splice_entry"]


def locals_end(function: Function) -> int:
    """Where the first instruction stands, from the start of a settled function's code."""
    code = function.code
    return tokens.skip_locals(code, 0, len(code))


def splice(
    function: Function,
    places: Iterable[tuple[int, bytes]],
    added_locals: Sequence[tuple[int, ValType]],
) -> None:
    """See :meth:`wasmir.ir.function.Function.insert`; the function is settled."""
    code = function.code
    start = tokens.skip_locals(code, 0, len(code))
    declared = encode_locals(code[:start], added_locals) if added_locals else code[:start]
    pieces = [declared]
    put = pieces.append
    before = start
    for offset, run in places:
        if offset < before:
            raise ValueError(f"offsets ascend, from {start} on: {offset} comes behind {before}")
        put(code[before:offset])
        put(run)
        before = offset
    if before >= len(code):
        raise ValueError(f"offset {before} is behind the last instruction, at {len(code) - 1}")
    put(code[before:])
    tracking = function.module._tracking
    if tracking is not None and tracking.covers(function):
        tracking.settled(function, _moves(pieces, start, len(code)))
    function._code = b"".join(pieces)


def splice_entry(
    function: Function, run: bytes, added_locals: Sequence[tuple[int, ValType]]
) -> None:
    """See :meth:`wasmir.ir.function.Function.insert_at_entry`; the function is settled."""
    tracking = function.module._tracking
    if tracking is not None and tracking.covers(function):
        splice(function, [(locals_end(function), run)], added_locals)
        return
    data, start, end = code_of(function)
    begin = tokens.skip_locals(data, start, end)
    declared = data[start:begin]
    if added_locals:
        declared = encode_locals(declared, added_locals)
    function._code = declared + run + data[begin:end]


def _moves(pieces: list[bytes], start: int, size: int) -> Moves:
    """Where code went; every other piece is new but for the first, the locals' declarations."""
    at = len(pieces[0])
    found = [(0, 0, start if at == start else 1)]
    old = start
    for number, piece in enumerate(pieces[1:], 1):
        # An end that has nothing behind it has a place, too.
        if number % 2 and piece:
            found.append((old, at, len(piece)))
            old += len(piece)
        at += len(piece)
    found.append((size, at, 1))
    return Moves(found)

"""Basic blocks: where control comes in, in code that nobody decoded.

The scanner of :mod:`wasmir.isa.tokens` gives runs and control instructions. Where control gets to,
and whether anything goes to the end of a block, follows from the branches that stand in front.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from wasmir.binary.decode_code import code_of
from wasmir.binary.scan_code import code_tokens
from wasmir.errors import InvalidError, MalformedError
from wasmir.isa import kinds, tokens
from wasmir.isa.strict import decode_one
from wasmir.isa.table import ROWS, Row, Trait
from wasmir.wire import Reader

if TYPE_CHECKING:
    from wasmir.ir.function import Function

__all__ = ["block_offsets", "block_sizes"]

# What an instruction does to control. Plain integers, as in the decoder, and the frequent ones
# first: the loop over them is what takes the time.
(
    END,
    # To its label, or on.
    PERHAPS,
    # Opens a block that control enters as it comes.
    OPEN,
    # To its label, and never on.
    AWAY,
    IF,
    LOOP,
    ELSE,
    HANDLER,
    # The same as above with any number of labels.
    PERHAPS_MANY,
    AWAY_MANY,
    TRY_TABLE,
    # Stands where a control instruction is expected only because nobody could count it.
    STRAIGHT,
    # No instruction: the end of the data.
    NOTHING,
) = range(13)

_NAMED = {
    "end": END,
    "delegate": END,
    "if": IF,
    "loop": LOOP,
    "else": ELSE,
    "catch": HANDLER,
    "catch_all": HANDLER,
    "try_table": TRY_TABLE,
}

_BEHIND = "END opcode expected: the body goes on behind its end"

# Of an open block, in one number: whether control goes to its end; whether it does for want of an
# `else`; whether control got to its start; whether it is a loop.
_REACHED, _NO_ELSE, _ENTERED, _IS_LOOP = 1, 2, 4, 8


class _Actions(dict[bytes, tuple[int, Any]]):
    """What each distinct control token does, and its labels as places from the end of the list of
    open blocks: one, or a list. The same in any module.
    """

    # So that not every `br_table` that ever was stays in memory.
    limit = 1 << 16

    def __missing__(self, token: bytes) -> tuple[int, Any]:
        if len(self) > self.limit:
            self.clear()
        if not token:
            action: tuple[int, Any] = NOTHING, None
        else:
            action = _action(*decode_one(Reader(token)))
        self[token] = action
        return action


_ACTIONS = _Actions()


def _action(row: Row, values: tuple[Any, ...]) -> tuple[int, Any]:
    labels = sorted({~depth for depth in _depths(row, values)})
    known = _NAMED.get(row.name)
    if known is not None:
        return known, labels
    if Trait.OPENS in row.traits:
        return OPEN, None
    if Trait.TERMINATES in row.traits:
        return (AWAY, labels[0]) if len(labels) == 1 else (AWAY_MANY, labels)
    if Trait.BRANCHES in row.traits:
        return (PERHAPS, labels[0]) if len(labels) == 1 else (PERHAPS_MANY, labels)
    return STRAIGHT, None


def _depths(row: Row, values: tuple[Any, ...]) -> list[int]:
    """The labels that control may go to."""
    found: list[int] = []
    if row.name == "rethrow":
        # It names a block, and nothing goes to its end.
        return found
    for immediate, value in zip(row.immediates, values, strict=True):
        if immediate.kind is kinds.LABEL:
            found.append(value)
        elif immediate.kind is kinds.LABELS:
            found += value
        elif immediate.kind in (kinds.CATCHES, kinds.HANDLERS):
            found += [each.label for each in value if each.label is not None]
    return found


def block_offsets(function: Function) -> list[int]:
    """See :func:`wasmir.ir.blocks.block_offsets`."""
    return _found(function)[0]


def block_sizes(function: Function) -> list[tuple[int, int]]:
    """See :func:`wasmir.ir.blocks.basic_blocks`."""
    starts, stops = _found(function)
    data, start, end = code_of(function)
    begin = tokens.skip_locals(data, start, end)
    sizes = [0] * len(starts)
    # Where the next block begins, and where the one before it is over.
    block = -1
    edges = iter([*starts, end - start])
    stopped = iter([*stops, end - start])
    edge, stop = next(edges), next(stopped)
    counts = False
    for place, token in code_tokens(data, begin, end):
        pos = place - start
        if pos == stop:
            counts = False
            stop = next(stopped)
        if pos == edge:
            block += 1
            counts = True
            edge = next(edges)
        if counts and not _SHAPES(token):
            sizes[block] += 1
    return list(zip(starts, sizes, strict=True))


# What only says how blocks are nested, by its first byte; prefixed opcodes have none of it.
_SHAPES = re.compile(
    b"["
    + b"".join(
        re.escape(row.opcode)
        for row in ROWS
        if row.name != "if" and row.traits & {Trait.OPENS, Trait.CLOSES, Trait.SEPARATES}
    )
    + b"]"
).match


def _found(function: Function) -> tuple[list[int], list[int]]:
    """Where blocks begin, and where control ends: behind what it never goes on behind. Both count
    from the start of the code.
    """
    data, start, end = code_of(function)
    begin = tokens.skip_locals(data, start, end)
    actions = _ACTIONS
    pos = begin - start
    starts: list[int] = []
    stops: list[int] = []
    # The function's own label first.
    stack = [_ENTERED]
    # Whether control gets here; and whether a block begins with the next instruction.
    live = fresh = True
    try:
        for portion in tokens.scanned(tokens.skeleton(), data, begin, end):
            for run, token, _ in portion:
                if run:
                    if fresh:
                        starts.append(pos)
                        fresh = False
                    pos += len(run)
                action, label = actions[token]
                if action == END:
                    flags = stack.pop()
                    if flags & (_REACHED | _NO_ELSE) and not flags & _IS_LOOP:
                        live = fresh = True
                    if not stack and pos + len(token) != end - start:
                        raise MalformedError(_BEHIND, pos + len(token))
                elif action == PERHAPS:
                    if live:
                        stack[label] |= _REACHED
                        if fresh:
                            starts.append(pos)
                        fresh = True
                elif action == OPEN:
                    stack.append(_ENTERED if live else 0)
                elif action == AWAY:
                    if live:
                        stack[label] |= _REACHED
                        if fresh:
                            starts.append(pos)
                        stops.append(pos + len(token))
                        live = fresh = False
                elif action == IF:
                    if fresh:
                        starts.append(pos)
                    fresh = live
                    stack.append(_ENTERED | _NO_ELSE if live else 0)
                elif action == LOOP:
                    fresh = live
                    stack.append(_ENTERED | _IS_LOOP if live else _IS_LOOP)
                elif action in (ELSE, HANDLER):
                    flags = stack[-1] & ~_NO_ELSE
                    stack[-1] = flags | live
                    live = fresh = flags & _ENTERED != 0
                elif action == TRY_TABLE:
                    if live:
                        for each in label:
                            stack[each] |= _REACHED
                    stack.append(_ENTERED if live else 0)
                elif action != NOTHING:
                    if fresh:
                        starts.append(pos)
                        fresh = False
                    if live and action != STRAIGHT:
                        for each in label:
                            stack[each] |= _REACHED
                        live = fresh = action == PERHAPS_MANY
                        if not live:
                            stops.append(pos + len(token))
                pos += len(token)
    except IndexError:
        if stack:
            raise InvalidError("unknown label", str(function)) from None
        raise MalformedError(_BEHIND, pos) from None
    if stack:
        raise MalformedError("unexpected end: END opcode expected", pos)
    return starts, stops

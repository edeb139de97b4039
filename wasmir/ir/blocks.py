"""Basic blocks of a function, without a tree: what coverage counts and metering charges for."""

from __future__ import annotations

from typing import NamedTuple

from wasmir.ir.checks import check_is
from wasmir.ir.codec import codec
from wasmir.ir.function import Function

__all__ = ["BasicBlock", "basic_blocks", "block_offsets"]


class BasicBlock(NamedTuple):
    """Instructions of which the first one is the only way in and the last one the only way out,
    but for exceptions, traps and what calls do.
    """

    offset: int
    """Where its first instruction stands, from the start of the function's code."""
    instructions: int
    """How many they are. Not counted is what only says how blocks are nested: ``block``, ``loop``,
    ``try``, ``try_table``, ``else``, ``catch``, ``catch_all``, ``delegate``, ``end``.
    """


def basic_blocks(function: Function) -> list[BasicBlock]:
    """The basic blocks of a function in the order of its code, without what is never reached and
    without empty ones.

    A block begins with the function, behind ``loop``, ``if``, ``else``, ``catch`` and
    ``catch_all``, behind a branch that may not be taken, and where a block ends to whose end a
    branch goes, or an arm of an ``if`` or a handler. Nothing is decoded for it. An open body is
    settled. Raises MalformedError, InvalidError for unknown labels, UnsupportedError for an
    imported function.
    """
    check_is(function, Function, "a function")
    function._settle_code()
    return [BasicBlock(*each) for each in codec().block_sizes(function)]


def block_offsets(function: Function) -> list[int]:
    """The :attr:`BasicBlock.offset` of each, in a fifth of the time. Raises the same."""
    check_is(function, Function, "a function")
    function._settle_code()
    return codec().block_offsets(function)

"""Function bodies as lines: tokens, what they say, and how far they are indented.

A body is split into tokens, and each is looked up in :class:`~wasmir.text.words.Words`: all of that
runs in C. What takes steps of its own is control instructions, which cut a body into stretches of
one depth each. A stretch is joined at once, by a separator with the indentation in it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate, compress, count
from typing import TYPE_CHECKING

from wasmir.errors import MalformedError
from wasmir.isa import tokens
from wasmir.text.labels import NamedLabels, NumberedLabels
from wasmir.text.words import (
    BRANCHES,
    CATCHES,
    CATCHES_ALL,
    DELEGATES,
    ELSE,
    ENDS,
    IF,
    TRY,
    Words,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wasmir.text.labels import Labels
    from wasmir.text.names import Called, Identifiers

__all__ = ["Bodies", "Lines", "joined", "separator"]

_DEEPEST = 50
"""Deeper blocks are indented no further, or a deep nest would be quadratic in size."""

_SEPARATORS = ["\n" + "  " * (depth + 2) for depth in range(_DEEPEST + 1)]

_LEFT_OUT = "(; ... ;)"

_END_EXPECTED = "unexpected end of section or function: END opcode expected"
# What must be open where the next part of a block begins.
_BEHIND = {ELSE: (IF,), CATCHES: (TRY, CATCHES), CATCHES_ALL: (TRY, CATCHES), DELEGATES: (TRY,)}


def separator(depth: int) -> str:
    """What stands before a line at a depth of blocks, in a function."""
    return _SEPARATORS[min(depth, _DEEPEST)]


class Lines:
    """Code as lines, the ``end`` of the whole not among them."""

    __slots__ = ("depths", "pos", "prefixes", "starts", "texts", "tokens")

    def __init__(self, found: list[bytes], pos: int) -> None:
        #: The instructions' bytes.
        self.tokens = found
        #: Where the first of them stands in what was read.
        self.pos = pos
        #: What each says.
        self.texts: list[str] = []
        #: Comments and annotations that some begin with, by line.
        self.prefixes: dict[int, str] = {}
        #: Stretches of one depth: with which line each begins, and how deep it is.
        self.starts = [0]
        self.depths = [0]

    @property
    def offsets(self) -> list[int]:
        """Where each instruction stands, and where the last one ends."""
        return list(accumulate(map(len, self.tokens), initial=self.pos))


def joined(lines: Lines, within: tuple[int, int] | None = None) -> str:
    """The lines, each behind the separator that belongs there; those with bytes ``within`` some, if
    so asked, and a comment where others are left out.
    """
    texts = lines.texts
    for at, prefix in lines.prefixes.items():
        texts[at] = f"{prefix} {texts[at]}"
    starts, depths = lines.starts, lines.depths
    if within is not None:
        starts, depths = _part(lines, *within)
    pieces: list[str] = []
    put = pieces.append
    for start, end, depth in zip(starts, [*starts[1:], len(texts)], depths, strict=True):
        if start < end:
            between = _SEPARATORS[depth] if depth < _DEEPEST else _SEPARATORS[_DEEPEST]
            put(between)
            put(between.join(texts[start:end]))
    return "".join(pieces)


def _part(lines: Lines, first: int, end: int) -> tuple[list[int], list[int]]:
    """The stretches of lines with bytes in a part of the input, once the others are taken out."""
    offsets = lines.offsets
    count = len(lines.texts)
    behind = bisect_left(offsets, end, hi=count)
    start = min(max(bisect_right(offsets, first, hi=count) - 1, 0), behind)
    if behind < count:
        lines.texts[behind:] = [_LEFT_OUT]
    if start:
        lines.texts[:start] = [_LEFT_OUT]
    gone = max(start - 1, 0)
    starts = [min(max(each - gone, 0), len(lines.texts)) for each in lines.starts]
    return starts, lines.depths


class Bodies:
    """What turns the code of a module's functions into lines, one after the other."""

    def __init__(self, identifiers: Identifiers) -> None:
        self.words = Words(identifiers)
        self._split = tokens.split()
        self._numbered = NumberedLabels(self.words)

    def constant(self, code: bytes) -> list[str]:
        """The instructions of a constant expression, given without its ``end``."""
        self.words.enter({})
        return self.lines(code + b"\x0b", 0, len(code) + 1, {}).texts

    def lines(self, data: bytes, pos: int, end: int, labels: Mapping[int, Called]) -> Lines:
        """The code there. ``labels`` is what labels are called, in the order of their blocks.

        Raises MalformedError.
        """
        found = self._split(data, pos, end)
        if found and not found[-1]:
            found = [each for part in tokens.split_whole(data, pos, end) for each in part]
        lines = Lines(found, pos)
        try:
            lines.texts = list(map(self.words.__getitem__, found))
        except MalformedError:
            self._fail(lines)
        control = self.words.control
        marks = list(compress(count(), map(control.__contains__, found)))
        if labels:
            self._arrange(lines, marks, NamedLabels(self.words, labels))
        else:
            self._numbered.begin()
            self._arrange(lines, marks, self._numbered)
        # The last line is the end of the whole.
        lines.texts.pop()
        return lines

    def _fail(self, lines: Lines) -> None:
        """Raise what is wrong with a token, with where it stands."""
        for token, pos in zip(lines.tokens, lines.offsets, strict=False):
            try:
                _ = self.words[token]
            except MalformedError as error:
                raise MalformedError(error.reason, pos + error.offset) from None

    def _arrange(self, lines: Lines, marks: list[int], labels: Labels) -> None:
        """Find out how deep lines are, and let those with labels say so."""
        found, texts = lines.tokens, lines.texts
        cut, to_depth = lines.starts.append, lines.depths.append
        control = self.words.control
        opened: list[int] = []
        for at in marks:
            token = found[at]
            does = control[token]
            if does == BRANCHES:
                texts[at] = labels.branch(token)
                continue
            if does == ENDS:
                if not opened:
                    break
                opened.pop()
                labels.close()
                cut(at)
            elif does <= TRY:
                texts[at] = labels.open(token)
                opened.append(does)
                cut(at + 1)
            else:
                # The next part of a block, or what ends one in place of an `end`.
                if not opened or opened[-1] not in _BEHIND[does]:
                    reason = f"unexpected {texts[at]}: nothing that it is part of is open"
                    raise MalformedError(reason, lines.offsets[at])
                opened.pop()
                cut(at)
                if does == DELEGATES:
                    labels.close()
                    texts[at] = labels.branch(token)
                else:
                    to_depth(len(opened))
                    opened.append(does)
                    cut(at + 1)
            to_depth(len(opened))
        else:
            raise MalformedError(_END_EXPECTED, lines.offsets[-1])
        if at != len(found) - 1:
            reason = "END opcode expected: the body goes on behind its end"
            raise MalformedError(reason, lines.offsets[at + 1])

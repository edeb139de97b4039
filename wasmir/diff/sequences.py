"""What two sequences have in common, and where they differ.

Sequences of instructions are long, and most of what is in them is there many times over, so they
are cut where something stands once in each: at an instruction, else at a few in a row. What is left
between the cuts is short.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from difflib import SequenceMatcher
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

__all__ = ["Block", "common_blocks", "grouped", "rising"]

_SHORT = 1 << 14
"""Stretches whose lengths have at most this product are compared element by element: this may take
its square, at worst."""

_PORTION = 64

_GRAMS = (1, 3, 8, 24)
"""So many elements in a row are looked for that stand once in each sequence."""


class Block(NamedTuple):
    """``a[i : i + size]`` equals ``b[j : j + size]``."""

    i: int
    j: int
    size: int


def common_blocks(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[Block]:
    """What the sequences have in common, in order; blocks don't touch in both, and none is empty.

    Not always the most that they could have in common: the time is about proportional to the
    lengths.
    """
    found: list[Block] = []
    pending = [(0, len(a), 0, len(b))]
    while pending:
        i, i_end, j, j_end = pending.pop()
        start = i
        while i < i_end and j < j_end and a[i] == b[j]:
            i += 1
            j += 1
        if i > start:
            found.append(Block(start, j - (i - start), i - start))
        end = i_end
        while i_end > i and j_end > j and a[i_end - 1] == b[j_end - 1]:
            i_end -= 1
            j_end -= 1
        if i_end < end:
            found.append(Block(i_end, j_end, end - i_end))
        if i == i_end or j == j_end:
            continue
        if (i_end - i) * (j_end - j) <= _SHORT:
            matcher = SequenceMatcher(None, a[i:i_end], b[j:j_end], autojunk=False)
            found += [
                Block(i + each.a, j + each.b, each.size) for each in matcher.get_matching_blocks()
            ]
            continue
        # A cut is in the stretch behind it, whose beginning it is.
        bounds = [(i, j), *_cuts(a, (i, i_end), b, (j, j_end)), (i_end, j_end)]
        if len(bounds) == 2:
            # Nothing stands out: what is at the same place is compared, in portions.
            steps = zip(
                range(i + _PORTION, i_end, _PORTION),
                range(j + _PORTION, j_end, _PORTION),
                strict=False,
            )
            bounds[1:1] = steps
        if len(bounds) == 2:
            # One is short and the other is long, and neither has anything of its own.
            continue
        pending += [(p, p_end, q, q_end) for (p, q), (p_end, q_end) in pairwise(bounds)]
    return _joined(found)


def _cuts(
    a: Sequence[Hashable], of_a: tuple[int, int], b: Sequence[Hashable], of_b: tuple[int, int]
) -> list[tuple[int, int]]:
    """Where the same stands, once in each stretch, and in the same order."""
    for size in _GRAMS:
        at_a, at_b = _single(a, *of_a, size), _single(b, *of_b, size)
        both = [(place, at_b[gram]) for gram, place in at_a.items() if gram in at_b]
        if both:
            return [both[at] for at in rising([place for _, place in both])]
    return []


def _single(
    items: Sequence[Hashable], start: int, end: int, size: int
) -> dict[tuple[Hashable, ...], int]:
    """What stands there once, so many in a row, and where; in order."""
    part = items[start:end]
    grams = list(zip(*(part[shift:] for shift in range(size)), strict=False))
    counts = Counter(grams)
    return {gram: start + at for at, gram in enumerate(grams) if counts[gram] == 1}


def rising(values: Sequence[int]) -> list[int]:
    """The places of a longest rising part of some different numbers."""
    ends: list[int] = []
    places: list[int] = []
    before: list[int] = []
    for at, value in enumerate(values):
        length = bisect_left(ends, value)
        before.append(places[length - 1] if length else -1)
        if length == len(ends):
            ends.append(value)
            places.append(at)
        else:
            ends[length] = value
            places[length] = at
    found = []
    at = places[-1] if places else -1
    while at >= 0:
        found.append(at)
        at = before[at]
    return found[::-1]


def _joined(blocks: list[Block]) -> list[Block]:
    found: list[Block] = []
    for block in sorted(blocks):
        if not block.size:
            continue
        if found:
            last = found[-1]
            if last.i + last.size == block.i and last.j + last.size == block.j:
                found[-1] = Block(last.i, last.j, last.size + block.size)
                continue
        found.append(block)
    return found


def grouped(
    blocks: Sequence[Block], of_a: int, of_b: int, context: int
) -> Iterator[list[tuple[bool, int, int, int, int]]]:
    """The differences with so much of ``context`` around them, in groups: whether it is the same,
    and ``a[i:i_end]``, ``b[j:j_end]``, for lengths ``of_a`` and ``of_b``.
    """
    group: list[tuple[bool, int, int, int, int]] = []
    i = j = 0
    for at, block in enumerate((*blocks, Block(of_a, of_b, 0))):
        if i < block.i or j < block.j:
            group.append((False, i, block.i, j, block.j))
        i, j, size = block
        last = at >= len(blocks) - 1 and i + size == of_a and j + size == of_b
        if group and (last or size > 2 * context):
            behind = min(context, size)
            if behind:
                group.append((True, i, i + behind, j, j + behind))
            yield group
            group = []
        if last:
            return
        ahead = size if group else min(context, size)
        i, j = i + size, j + size
        if ahead:
            group.append((True, i - ahead, i, j - ahead, j))

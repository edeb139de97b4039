"""What sequences have in common is in both, in order, and the rest makes the one of the other."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasmir.diff.sequences import common_blocks, grouped, rising

few = st.lists(st.integers(0, 3), max_size=40)
many = st.lists(st.integers(0, 1000), max_size=40)


def check(a: list[int], b: list[int]) -> int:
    """Everything that must hold; how much is in both."""
    blocks = common_blocks(a, b)
    i = j = 0
    for at, block in enumerate(blocks):
        assert block.size > 0
        assert block.i >= i
        assert block.j >= j
        assert not at or (block.i, block.j) != (i, j)
        i, j = block.i + block.size, block.j + block.size
        assert a[block.i : i] == b[block.j : j]
    for context in (0, 1, 3, 1000):
        made: list[int] = []
        i = j = 0
        for group in grouped(blocks, len(a), len(b), context):
            assert not all(same for same, *_ in group)
            _, start, _, other, _ = group[0]
            assert a[i:start] == b[j:other]
            made += a[i:start]
            for same, i_from, i, j_from, j in group:
                assert not same or (a[i_from:i] == b[j_from:j] and context > 0)
                made += b[j_from:j]
            for same, first, last, *_ in (group[0], group[-1]):
                assert not same or last - first <= context
        assert a[i:] == b[j:]
        assert made + a[i:] == b
    return sum(block.size for block in blocks)


@given(st.one_of(st.tuples(few, few), st.tuples(many, many)))
def test_any_two_sequences(both: tuple[list[int], list[int]]) -> None:
    check(*both)


@given(many, st.data())
def test_edited_sequences(a: list[int], data: st.DataObject) -> None:
    b = list(a)
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(b)))
        b[at : at + data.draw(st.integers(0, 2))] = data.draw(
            st.lists(st.integers(0, 9), max_size=2)
        )
    check(a, b)


@pytest.mark.parametrize("different", [2, 10, 1000, 10**6])
def test_long_sequences(different: int) -> None:
    """Little of what is in both is missed, and the time doesn't grow with the square."""
    choose = random.Random(different)
    a = [choose.randrange(different) for _ in range(20_000)]
    b = list(a)
    for _ in range(100):
        at = choose.randrange(len(b))
        b[at : at + 2] = [choose.randrange(different)]
    assert check(a, b) > 19_500


def test_sequences_in_which_nothing_stands_out() -> None:
    assert check([0] * 2000, [0, 1] * 1000) == 1000
    check([0] * 20_000, [0, 1] * 60)
    check([0, 1] * 60, [0] * 20_000)
    assert check([], [1]) == check([1], []) == check([], []) == 0


@given(st.lists(st.integers(), unique=True, max_size=8))
def test_rising(values: list[int]) -> None:
    from itertools import combinations

    found = [values[at] for at in rising(values)]
    assert found == sorted(found)
    longest = max(
        size
        for size in range(len(values) + 1)
        for part in combinations(values, size)
        if list(part) == sorted(part)
    )
    assert len(found) == longest

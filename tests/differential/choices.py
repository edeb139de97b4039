"""What a random module is made from: bytes, each of which is one choice of whoever writes it.

Zero is always the simplest choice, and so is every one behind the end of the bytes. So any bytes
mean a module, shorter bytes and smaller ones a simpler module, and what Hypothesis or
:mod:`tests.differential.minimise` does to the bytes makes modules small.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, TypeVar

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Case", "Choices", "cases", "seeded"]

T = TypeVar("T")

MOST_FUNCTIONS = 4
LONGEST = 360


@dataclass(frozen=True)
class Case:
    """The choices for one module: for the module itself, and for each of its functions."""

    module: bytes
    functions: tuple[bytes, ...]


class Choices:
    """Choices one after another."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def below(self, count: int) -> int:
        """A number from 0 up to ``count``, which is 256 at most. A smaller byte is no larger."""
        at = self._at
        if at >= len(self._data):
            return 0
        self._at = at + 1
        return (self._data[at] * count) >> 8

    def pick(self, options: Sequence[T]) -> T:
        """One of several; the first is the simplest."""
        return options[self.below(len(options))]

    def rarely(self, times: int) -> bool:
        """True once in so many times, and never behind the end."""
        return self.below(times) == times - 1

    @property
    def done(self) -> bool:
        """Whether nothing but the simplest is left to choose."""
        return self._at >= len(self._data)


def seeded(seed: int) -> Case:
    """The case of a number: the same one every time."""
    random = Random(seed)
    count = random.randint(1, MOST_FUNCTIONS)
    return Case(
        random.randbytes(4),
        tuple(random.randbytes(random.randint(LONGEST // 8, LONGEST)) for _ in range(count)),
    )


def cases() -> st.SearchStrategy[Case]:
    """All cases."""
    functions = st.lists(st.binary(max_size=LONGEST), min_size=1, max_size=MOST_FUNCTIONS)
    return st.builds(Case, st.binary(max_size=4), functions.map(tuple))

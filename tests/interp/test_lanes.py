"""Operations on all lanes at a time, beside the same on one after the other."""

from __future__ import annotations

import operator
from random import Random
from struct import Struct
from typing import TYPE_CHECKING

import pytest

from tests.modules import SCALE
from wasmir.interp.lanes import Lanes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

LETTERS = {8: "B", 16: "H", 32: "I", 64: "Q"}


class OneByOne:
    """Vectors taken apart and put together."""

    def __init__(self, width: int) -> None:
        letter, count = LETTERS[width], 128 // width
        self.width = width
        self._unsigned = Struct(f"<{count}{letter}")
        self._signed = Struct(f"<{count}{letter.lower()}")

    def lanes(self, vector: int, *, signed: bool) -> Sequence[int]:
        layout = self._signed if signed else self._unsigned
        return layout.unpack(vector.to_bytes(16, "little"))

    def joined(self, lanes: Iterable[int]) -> int:
        full = (1 << self.width) - 1
        return int.from_bytes(self._unsigned.pack(*(lane & full for lane in lanes)), "little")

    def random(self, random: Random) -> int:
        half, full = 1 << self.width - 1, (1 << self.width) - 1
        special = (0, 1, half - 1, half, full)
        count = 128 // self.width
        return self.joined(
            random.choice((random.choice(special), random.randrange(full))) for _ in range(count)
        )


def _clamped(low: int, high: int, change: Callable[[int, int], int]) -> Callable[[int, int], int]:
    return lambda a, b: max(low, min(high, change(a, b)))


def _mask(compare: Callable[[int, int], bool]) -> Callable[[int, int], int]:
    return lambda a, b: -compare(a, b)


def _expected(name: str, width: int) -> Callable[[int, int], int]:
    """What a lane becomes."""
    half, full = 1 << width - 1, (1 << width) - 1
    word = name.removesuffix("_u").removesuffix("_s")
    comparisons = {each: getattr(operator, each) for each in ("eq", "ne", "lt", "gt", "le", "ge")}
    if word in comparisons:
        return _mask(comparisons[word])
    low, high = (-half, half - 1) if name.endswith("_s") else (0, full)
    found: dict[str, Callable[[int, int], int]] = {
        "add": operator.add,
        "sub": operator.sub,
        "neg": lambda a, _: -a,
        "abs": lambda a, _: abs(a),
        "add_sat": _clamped(low, high, operator.add),
        "sub_sat": _clamped(low, high, operator.sub),
        "avgr": lambda a, b: a + b + 1 >> 1,
        "min": min,
        "max": max,
        "shl": lambda a, by: a << by % width,
        "shr": lambda a, by: a >> by % width,
    }
    return found[word]


@pytest.mark.parametrize("width", LETTERS)
def test_all_lanes_at_a_time(width: int) -> None:
    random, reference = Random(width), OneByOne(width)
    for name, (function, count) in Lanes(width).operations().items():
        if name == "splat":
            lane = random.randrange(1 << 64)
            assert function(lane) == reference.joined([lane] * (128 // width))
            continue
        expected = _expected(name, width)
        signed = name.endswith("_s") or name == "abs"
        for _ in range(60 * SCALE):
            a, b = reference.random(random), reference.random(random)
            left, right = (reference.lanes(each, signed=signed) for each in (a, b))
            if name.startswith("sh"):
                b = random.randrange(1 << 32)  # an amount for all lanes
                right = [b] * len(left)
            wanted = reference.joined(map(expected, left, right))
            assert function(*(a, b)[:count]) == wanted, f"{name} {a:#x} {b:#x}"

"""Lanes of integers in a vector, all of them at a time.

A vector is one integer. What would carry from one lane into the next is left out and put right
afterwards, so that a handful of operations on 128 bits does what a loop over lanes would; and
conditions are masks, of which a lane has all bits or none.

Source: specification 3.0, Execution, "Numerics"; H. S. Warren, Hacker's Delight, chapter 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ALL", "Lanes"]

ALL = (1 << 128) - 1


class Lanes:
    """Operations on lanes of so many bits, by the part of an instruction's name behind the shape.
    Amounts of shifts are taken modulo the width.
    """

    def __init__(self, width: int) -> None:
        self._last = width - 1
        #: All bits of a lane.
        self._full = (1 << width) - 1
        #: The lowest bit of every lane, and the highest.
        self._ones = sum(1 << at for at in range(0, 128, width))
        self._high = self._ones << self._last
        self._low = ALL ^ self._high
        self._left = [self._ones * (self._full << by & self._full) for by in range(width)]
        self._right = [self._ones * (self._full >> by) for by in range(width)]

    def operations(self) -> dict[str, tuple[Callable[..., int], int]]:
        """What there is, and how many operands it takes."""
        return {
            "add": (self.add, 2),
            "sub": (self.sub, 2),
            "neg": (self.neg, 1),
            "abs": (self.abs, 1),
            "splat": (self.splat, 1),
            "eq": (self.eq, 2),
            "ne": (self.ne, 2),
            "shl": (self.shl, 2),
            "shr_u": (self.shr_u, 2),
            "shr_s": (self.shr_s, 2),
            "add_sat_u": (self.add_sat_u, 2),
            "sub_sat_u": (self.sub_sat_u, 2),
            "add_sat_s": (self.add_sat_s, 2),
            "sub_sat_s": (self.sub_sat_s, 2),
            "avgr_u": (self.avgr_u, 2),
            **self._ordered("u", self._below),
            **self._ordered("s", self._below_signed),
        }

    def _ordered(
        self, sign: str, below: Callable[[int, int], int]
    ) -> dict[str, tuple[Callable[..., int], int]]:
        """What compares; ``below`` gives the mask of lanes where the first is less."""

        def least(a: int, b: int) -> int:
            return b ^ (a ^ b) & below(a, b)

        def most(a: int, b: int) -> int:
            return a ^ (a ^ b) & below(a, b)

        return {
            f"lt_{sign}": (below, 2),
            f"gt_{sign}": (lambda a, b: below(b, a), 2),
            f"le_{sign}": (lambda a, b: below(b, a) ^ ALL, 2),
            f"ge_{sign}": (lambda a, b: below(a, b) ^ ALL, 2),
            f"min_{sign}": (least, 2),
            f"max_{sign}": (most, 2),
        }

    def _mask(self, high: int) -> int:
        """Lanes whose highest bit is set; ``high`` has no other bits."""
        return (high >> self._last) * self._full

    def add(self, a: int, b: int) -> int:
        return (a & self._low) + (b & self._low) ^ (a ^ b) & self._high

    def sub(self, a: int, b: int) -> int:
        high = self._high
        return (a | high) - (b & self._low) ^ (a ^ b ^ high) & high

    def neg(self, a: int) -> int:
        return self.sub(0, a)

    def abs(self, a: int) -> int:
        signs = (a & self._high) >> self._last
        # The one that is added to what was turned around carries nowhere.
        return (a ^ signs * self._full) + signs

    def splat(self, a: int) -> int:
        return (a & self._full) * self._ones

    def ne(self, a: int, b: int) -> int:
        differing = a ^ b
        return self._mask(((differing & self._low) + self._low | differing) & self._high)

    def eq(self, a: int, b: int) -> int:
        return self.ne(a, b) ^ ALL

    def _below(self, a: int, b: int) -> int:
        # The borrow out of each lane.
        borrow = (a ^ ALL) & b | (a ^ b ^ ALL) & self.sub(a, b)
        return self._mask(borrow & self._high)

    def _below_signed(self, a: int, b: int) -> int:
        return self._below(a ^ self._high, b ^ self._high)

    def shl(self, a: int, by: int) -> int:
        by &= self._last
        return a << by & self._left[by]

    def shr_u(self, a: int, by: int) -> int:
        by &= self._last
        return a >> by & self._right[by]

    def shr_s(self, a: int, by: int) -> int:
        by &= self._last
        sign = self._mask(a & self._high)
        return a >> by & self._right[by] | sign & (self._right[by] ^ ALL)

    def add_sat_u(self, a: int, b: int) -> int:
        found = self.add(a, b)
        carry = a & b | (a | b) & (found ^ ALL)
        return found | self._mask(carry & self._high)

    def sub_sat_u(self, a: int, b: int) -> int:
        return self.sub(a, b) & (self._below(a, b) ^ ALL)

    def add_sat_s(self, a: int, b: int) -> int:
        found = self.add(a, b)
        return self._saturated(a, found, (a ^ b ^ ALL) & (a ^ found))

    def sub_sat_s(self, a: int, b: int) -> int:
        found = self.sub(a, b)
        return self._saturated(a, found, (a ^ b) & (a ^ found))

    def _saturated(self, a: int, found: int, overflow: int) -> int:
        """Where it overflowed, the end of the range that the first operand is nearer to."""
        end = self._mask(a & self._high) ^ self._low
        return found ^ (found ^ end) & self._mask(overflow & self._high)

    def avgr_u(self, a: int, b: int) -> int:
        return (a | b) - ((a ^ b) >> 1 & self._right[1])

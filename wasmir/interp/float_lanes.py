"""Arithmetic on lanes of floats in a vector.

Lanes are rounded when they are packed: what double precision has more is enough for that to be the
only rounding (S. A. Figueroa, "When is double rounding innocuous?"). A NaN may become another one,
as the specification allows. Written out lane by lane, because a loop takes twice as long.

Source: specification 3.0, Execution, "Numerics".
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from wasmir.interp import floats

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ARITHMETIC", "DOUBLES", "SINGLES"]

SINGLES, DOUBLES = Struct("<4f"), Struct("<2d")
_unpack4, _pack4 = SINGLES.unpack, SINGLES.pack
_unpack2, _pack2 = DOUBLES.unpack, DOUBLES.pack
_from_bytes = int.from_bytes


def _infinite(a: int, b: int, change: Callable[[float, float], float]) -> int:
    """Where a result is too large for an f32: it is infinite."""
    left, right = _unpack4(a.to_bytes(16, "little")), _unpack4(b.to_bytes(16, "little"))
    lanes = [floats.round32(change(x, y)) for x, y in zip(left, right, strict=True)]
    return _from_bytes(_pack4(*lanes), "little")


def _add4(a: int, b: int) -> int:
    a0, a1, a2, a3 = _unpack4(a.to_bytes(16, "little"))
    b0, b1, b2, b3 = _unpack4(b.to_bytes(16, "little"))
    try:
        return _from_bytes(_pack4(a0 + b0, a1 + b1, a2 + b2, a3 + b3), "little")
    except OverflowError:
        return _infinite(a, b, float.__add__)


def _sub4(a: int, b: int) -> int:
    a0, a1, a2, a3 = _unpack4(a.to_bytes(16, "little"))
    b0, b1, b2, b3 = _unpack4(b.to_bytes(16, "little"))
    try:
        return _from_bytes(_pack4(a0 - b0, a1 - b1, a2 - b2, a3 - b3), "little")
    except OverflowError:
        return _infinite(a, b, float.__sub__)


def _mul4(a: int, b: int) -> int:
    a0, a1, a2, a3 = _unpack4(a.to_bytes(16, "little"))
    b0, b1, b2, b3 = _unpack4(b.to_bytes(16, "little"))
    try:
        return _from_bytes(_pack4(a0 * b0, a1 * b1, a2 * b2, a3 * b3), "little")
    except OverflowError:
        return _infinite(a, b, float.__mul__)


def _div4(a: int, b: int) -> int:
    left, right = _unpack4(a.to_bytes(16, "little")), _unpack4(b.to_bytes(16, "little"))
    try:
        return _from_bytes(_pack4(*map(floats.divide, left, right)), "little")
    except OverflowError:
        return _infinite(a, b, floats.divide)


def _sqrt4(a: int) -> int:
    return _from_bytes(_pack4(*map(floats.root, _unpack4(a.to_bytes(16, "little")))), "little")


def _add2(a: int, b: int) -> int:
    a0, a1 = _unpack2(a.to_bytes(16, "little"))
    b0, b1 = _unpack2(b.to_bytes(16, "little"))
    return _from_bytes(_pack2(a0 + b0, a1 + b1), "little")


def _sub2(a: int, b: int) -> int:
    a0, a1 = _unpack2(a.to_bytes(16, "little"))
    b0, b1 = _unpack2(b.to_bytes(16, "little"))
    return _from_bytes(_pack2(a0 - b0, a1 - b1), "little")


def _mul2(a: int, b: int) -> int:
    a0, a1 = _unpack2(a.to_bytes(16, "little"))
    b0, b1 = _unpack2(b.to_bytes(16, "little"))
    return _from_bytes(_pack2(a0 * b0, a1 * b1), "little")


def _div2(a: int, b: int) -> int:
    left, right = _unpack2(a.to_bytes(16, "little")), _unpack2(b.to_bytes(16, "little"))
    return _from_bytes(_pack2(*map(floats.divide, left, right)), "little")


def _sqrt2(a: int) -> int:
    return _from_bytes(_pack2(*map(floats.root, _unpack2(a.to_bytes(16, "little")))), "little")


ARITHMETIC: dict[str, tuple[Callable[..., int], int]] = {
    "f32x4.add": (_add4, 2),
    "f32x4.sub": (_sub4, 2),
    "f32x4.mul": (_mul4, 2),
    "f32x4.div": (_div4, 2),
    "f32x4.sqrt": (_sqrt4, 1),
    "f64x2.add": (_add2, 2),
    "f64x2.sub": (_sub2, 2),
    "f64x2.mul": (_mul2, 2),
    "f64x2.div": (_div2, 2),
    "f64x2.sqrt": (_sqrt2, 1),
}
"""By instruction, and how many operands it takes."""

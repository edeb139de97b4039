"""Floating point numbers: f32 in a double's clothes, and what Python does differently.

An f64 is a Python float, bit for bit. An f32 is the Python float of the same value; a NaN is the
double whose fraction begins with the f32's, the bit that says whether it signals included. Python's
own conversions would set that bit, so NaNs are widened and narrowed here by their patterns.
Arithmetic is done in doubles and then rounded: for sums, differences, products, quotients and
square roots that is the correctly rounded result, because a double has more than twice an f32's
digits.

Source: specification, Execution, "Numerics", "Floating-Point Operations".
"""

from __future__ import annotations

import math
from struct import Struct

from wasmir.interp.faults import Trap

__all__ = [
    "f32_bits",
    "f32_from_bits",
    "f64_bits",
    "f64_from_bits",
]

_F32 = Struct("<f")
_F64 = Struct("<d")
_U32 = Struct("<I")
_U64 = Struct("<Q")
_pack32, _unpack32, _load32, _store32 = _F32.pack, _F32.unpack, _F32.unpack_from, _F32.pack_into
_pack64, _unpack64 = _F64.pack, _F64.unpack
_bits32, _pattern32, _load_bits32, _store_bits32 = (
    _U32.unpack,
    _U32.pack,
    _U32.unpack_from,
    _U32.pack_into,
)
_bits64, _pattern64 = _U64.unpack, _U64.pack

INFINITY = math.inf
NAN: float = _unpack64(_pattern64(0x7FF8 << 48))[0]
_SIGN = 1 << 63


def f64_bits(value: float) -> int:
    """The pattern of an f64."""
    bits: int = _bits64(_pack64(value))[0]
    return bits


def f64_from_bits(bits: int) -> float:
    """The f64 with a pattern."""
    value: float = _unpack64(_pattern64(bits))[0]
    return value


def f32_bits(value: float) -> int:
    """The pattern of an f32, given as the Python float that stands for it."""
    bits: int
    if value == value:
        bits = _bits32(_pack32(value))[0]
        return bits
    bits = _bits64(_pack64(value))[0]
    fraction = bits >> 29 & 0x7FFFFF
    # A NaN that came from elsewhere may have all its payload where an f32 has no room.
    return bits >> 32 & 0x80000000 | 0x7F800000 | (fraction or 0x400000)


def f32_from_bits(bits: int) -> float:
    """The Python float that stands for the f32 with a pattern."""
    value: float
    if bits & 0x7FFFFFFF <= 0x7F800000:
        value = _unpack32(_pattern32(bits))[0]
        return value
    value = _unpack64(
        _pattern64((bits & 0x80000000) << 32 | 0x7FF0 << 48 | (bits & 0x7FFFFF) << 29)
    )[0]
    return value


def round32(value: float) -> float:
    """The f32 nearest to the result of arithmetic."""
    try:
        rounded: float = _unpack32(_pack32(value))[0]
    except OverflowError:
        return math.copysign(INFINITY, value)
    return rounded


def load32(memory: bytearray, address: int) -> float:
    value: float = _load32(memory, address)[0]
    if value == value:
        return value
    return f32_from_bits(_load_bits32(memory, address)[0])


def store32(memory: bytearray, address: int, value: float) -> None:
    if value == value:
        _store32(memory, address, value)
    else:
        _store_bits32(memory, address, f32_bits(value))


def demote(value: float) -> float:
    # The product makes a signalling NaN a quiet one.
    return round32(value * 1.0)


def divide(a: float, b: float) -> float:
    if b:
        return a / b
    if b != b or a != a:
        return a * 1.0 if a != a else b * 1.0
    if not a:
        return NAN
    return math.copysign(INFINITY, a) * math.copysign(1.0, b)


def root(a: float) -> float:
    if a >= 0.0:
        return math.sqrt(a)
    if a != a:
        return a * 1.0
    return a if a == 0.0 else NAN


def minimum(a: float, b: float) -> float:
    if a < b:
        return a
    if b < a:
        return b
    if a != a:
        return a * 1.0
    if b != b:
        return b * 1.0
    # Equal: of two zeros the negative one.
    return a if math.copysign(1.0, a) < 0 else b


def maximum(a: float, b: float) -> float:
    if a > b:
        return a
    if b > a:
        return b
    if a != a:
        return a * 1.0
    if b != b:
        return b * 1.0
    return b if math.copysign(1.0, a) < 0 else a


def pseudo_minimum(a: float, b: float) -> float:
    return min(a, b)


def pseudo_maximum(a: float, b: float) -> float:
    return max(a, b)


# From here on a double has no digits behind the point.
_WHOLE = float(1 << 52)


def ceiling(a: float) -> float:
    if -_WHOLE < a < _WHOLE:
        return math.copysign(math.ceil(a), a)
    return a * 1.0


def floor(a: float) -> float:
    if -_WHOLE < a < _WHOLE:
        return math.copysign(math.floor(a), a)
    return a * 1.0


def truncate(a: float) -> float:
    if -_WHOLE < a < _WHOLE:
        return math.copysign(math.trunc(a), a)
    return a * 1.0


def nearest(a: float) -> float:
    if -_WHOLE < a < _WHOLE:
        # Python's round, too, goes to the even one of two that are equally near.
        return math.copysign(round(a), a)
    return a * 1.0


def to_integer(a: float, low: int, high: int, mask: int) -> int:
    """``trunc``: raises Trap where the result isn't in ``range(low, high)``."""
    if a != a:
        raise Trap("invalid conversion to integer")
    if a in (INFINITY, -INFINITY):
        raise Trap("integer overflow")
    value = math.trunc(a)
    if low <= value < high:
        return value & mask
    raise Trap("integer overflow")


def saturate(a: float, low: int, high: int, mask: int) -> int:
    """``trunc_sat``: the nearest in ``range(low, high)``, 0 of NaN."""
    if a != a:
        return 0
    if a <= low:
        return low & mask
    if a >= high:
        return high - 1 & mask
    return math.trunc(a) & mask


def integer_to_32(value: int) -> float:
    """The f32 nearest to an integer of up to 64 bits."""
    if -(1 << 53) <= value <= 1 << 53:
        return round32(float(value))
    # Rounded to odd first, so that rounding twice is rounding once.
    magnitude = abs(value)
    shift = magnitude.bit_length() - 40
    kept = magnitude >> shift
    if magnitude & (1 << shift) - 1:
        kept |= 1
    return round32(math.ldexp(-kept if value < 0 else kept, shift))

"""Vectors: how instructions on v128 are emitted.

A vector is an integer of 128 bits, its first byte the lowest, so that bitwise operations are
Python's own. All others take it apart into lanes, each a number, and put it together again.
Relaxed instructions give the result that the deterministic profile has, but for products with sums,
which are rounded twice.

Source: specification 3.0, Execution, "Vector Instructions" and "Numerics".
"""

from __future__ import annotations

import operator
from struct import Struct
from typing import TYPE_CHECKING, Any

from wasmir.interp import floats
from wasmir.interp.emit import UNKNOWN, Emitter, rule
from wasmir.interp.float_lanes import ARITHMETIC, DOUBLES, SINGLES
from wasmir.interp.lanes import ALL, Lanes
from wasmir.interp.memory import address, memory_name
from wasmir.isa.table import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from wasmir.isa.kinds import MemArg

__all__ = ["HELPERS"]

HELPERS: dict[str, Any] = {}

# Lanes

_LETTERS = {8: "B", 16: "H", 32: "I", 64: "Q"}
_INTEGERS = {8: "i8x16", 16: "i16x8", 32: "i32x4", 64: "i64x2"}
_FLOATS = {32: "f32x4", 64: "f64x2"}
_UNSIGNED = {width: Struct(f"<{128 // width}{letter}") for width, letter in _LETTERS.items()}
_SIGNED = {width: Struct(f"<{128 // width}{letter.lower()}") for width, letter in _LETTERS.items()}


def _split(width: int, sign: str) -> Callable[[int], Sequence[int]]:
    unpack = (_SIGNED if sign == "s" else _UNSIGNED)[width].unpack

    def split(vector: int) -> Sequence[int]:
        return unpack(vector.to_bytes(16, "little"))

    return split


def _join(width: int) -> Callable[[Iterable[int]], int]:
    """Of lanes, of which the lowest bits count."""
    pack, mask = _UNSIGNED[width].pack, (1 << width) - 1

    def join(lanes: Iterable[int]) -> int:
        return int.from_bytes(pack(*[lane & mask for lane in lanes]), "little")

    return join


_unsigned = {width: _split(width, "u") for width in _LETTERS}
_signed = {width: _split(width, "s") for width in _LETTERS}
_joined = {width: _join(width) for width in _LETTERS}


def _singles_of(vector: int) -> Sequence[float]:
    lanes = _unpack_singles(vector.to_bytes(16, "little"))
    total = lanes[0] + lanes[1] + lanes[2] + lanes[3]
    if total == total:
        return lanes
    # There may be a NaN, some of which Python changes when it unpacks them.
    return [floats.f32_from_bits(lane) for lane in _unsigned[32](vector)]


def _of_singles(lanes: Iterable[float]) -> int:
    lanes = tuple(lanes)
    total = lanes[0] + lanes[1] + lanes[2] + lanes[3]
    if total == total:
        return int.from_bytes(_pack_singles(*lanes), "little")
    return _joined[32]([floats.f32_bits(lane) for lane in lanes])


def _doubles_of(vector: int) -> Sequence[float]:
    return _unpack_doubles(vector.to_bytes(16, "little"))


def _of_doubles(lanes: Iterable[float]) -> int:
    return int.from_bytes(_pack_doubles(*lanes), "little")


_unpack_singles, _pack_singles = SINGLES.unpack, SINGLES.pack
_unpack_doubles, _pack_doubles = DOUBLES.unpack, DOUBLES.pack
_numbers: dict[int, Callable[[int], Sequence[float]]] = {32: _singles_of, 64: _doubles_of}
_vector: dict[int, Callable[[Iterable[float]], int]] = {32: _of_singles, 64: _of_doubles}


# Emitting


def _define(name: str, function: Callable[..., Any], operands: int) -> None:
    """An instruction that is a call of a helper, with its immediates behind its operands. Not all
    operations exist for all shapes: what the table doesn't have is left out.
    """
    if name not in BY_NAME:
        return
    helper = name.replace(".", "_")
    HELPERS[helper] = function

    @rule(name)
    def emit(e: Emitter, immediates: tuple[Any, ...]) -> None:
        popped = e.pop_many(operands)
        shown = ", ".join([*(each.exact for each in popped), *map(repr, immediates)])
        e.op(f"{helper}({shown})", *popped)


def _inline(name: str, template: str, operands: int) -> None:
    @rule(name)
    def emit(e: Emitter, _: tuple[Any, ...]) -> None:
        popped = e.pop_many(operands)
        e.op(template.format(*(each.exact for each in popped)), *popped)


@rule("v128.const")
def _const(e: Emitter, immediates: tuple[Any, ...]) -> None:
    from wasmir.interp.emit import constant

    e.push(constant(int.from_bytes(immediates[0], "little")))


def _unary(
    name: str,
    change: Callable[[Any], Any],
    split: Callable[[int], Any],
    join: Callable[[Any], int],
) -> None:
    _define(name, lambda a: join([change(lane) for lane in split(a)]), 1)


def _binary(
    name: str,
    change: Callable[[Any, Any], Any],
    split: Callable[[int], Any],
    join: Callable[[Any], int],
) -> None:
    _define(name, lambda a, b: join(list(map(change, split(a), split(b)))), 2)


def _clamped(change: Callable[[int, int], int], low: int, high: int) -> Callable[[int, int], int]:
    return lambda a, b: max(low, min(high, change(a, b)))


def _bitwise() -> None:
    _inline("v128.not", f"({{0}} ^ {ALL})", 1)
    _inline("v128.and", "({0} & {1})", 2)
    _inline("v128.or", "({0} | {1})", 2)
    _inline("v128.xor", "({0} ^ {1})", 2)
    _inline("v128.andnot", f"({{0}} & ({{1}} ^ {ALL}))", 2)
    _inline("v128.any_true", "({0} != 0)", 1)
    _define("v128.bitselect", select, 3)


def select(a: int, b: int, mask: int) -> int:
    return b ^ (a ^ b) & mask


def _integers(width: int) -> None:
    shape = _INTEGERS[width]
    unsigned, signed, join = _unsigned[width], _signed[width], _joined[width]
    full = (1 << width) - 1
    for name, (function, operands) in Lanes(width).operations().items():
        _define(f"{shape}.{name}", function, operands)
    _define(f"{shape}.all_true", lambda a: 0 not in unsigned(a), 1)
    _define(f"{shape}.bitmask", _bitmask_of_bytes if width == 8 else _bitmask(width), 1)
    _extract(f"{shape}.extract_lane_u" if width < 32 else f"{shape}.extract_lane", width)
    if width < 32:
        mask = 0xFFFFFFFF
        _define(f"{shape}.extract_lane_s", lambda a, lane: signed(a)[lane] & mask, 1)

    def replace(a: int, value: int, lane: int) -> int:
        return a & ~(full << lane * width) | (value & full) << lane * width

    _define(f"{shape}.replace_lane", replace, 2)
    if width > 8:
        _binary(f"{shape}.mul", operator.mul, unsigned, join)
    if width < 32:
        _narrow(width, -(1 << width - 1), (1 << width - 1) - 1, full)
    if width > 8:
        _widen(width)
        lane_select = f"{shape}.relaxed_laneselect"
    else:
        lane_select = "i8x16.relaxed_laneselect"
        _unary("i8x16.popcnt", int.bit_count, unsigned, join)
    _define(lane_select, select, 3)


def _extract(name: str, width: int, function: str = "") -> None:
    """A lane as the integer that it is, or what a function makes of that."""
    full = (1 << width) - 1

    @rule(name)
    def emit(e: Emitter, immediates: tuple[Any, ...]) -> None:
        vector = e.pop()
        shift = immediates[0] * width
        text = f"({vector.text} >> {shift} & {full})" if shift else f"({vector.text} & {full})"
        e.op(f"{function}{text}", vector, bits=UNKNOWN if function else width)


def _bitmask(width: int) -> Callable[[int], int]:
    signed = _signed[width]

    def bitmask(a: int) -> int:
        return sum(1 << at for at, lane in enumerate(signed(a)) if lane < 0)

    return bitmask


# Bit 8 n of a factor comes to bit 56 + n of the product.
_GATHER = sum(1 << 7 * (8 - at) for at in range(8))
_SIGNS = sum(1 << at for at in range(0, 64, 8))


def _bitmask_of_bytes(a: int) -> int:
    low, high = a >> 7 & _SIGNS, a >> 71 & _SIGNS
    return low * _GATHER >> 56 & 255 | (high * _GATHER >> 56 & 255) << 8


def _narrow(width: int, least: int, most: int, full: int) -> None:
    shape, source = _INTEGERS[width], _INTEGERS[2 * width]
    split, join = _signed[2 * width], _joined[width]
    for sign, low, high in (("s", least, most), ("u", 0, full)):

        def narrow(a: int, b: int, low: int = low, high: int = high) -> int:
            return join([max(low, min(high, lane)) for lane in (*split(a), *split(b))])

        _define(f"{shape}.narrow_{source}_{sign}", narrow, 2)


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt,
    "gt": operator.gt,
    "le": operator.le,
    "ge": operator.ge,
}


def _widen(width: int) -> None:
    """From lanes of half the width."""
    shape, source, half = _INTEGERS[width], _INTEGERS[width // 2], 64 // (width // 2)
    join = _joined[width]
    for sign, split in (("s", _signed[width // 2]), ("u", _unsigned[width // 2])):
        for part, which in (("low", slice(None, half)), ("high", slice(half, None))):

            def extend(a: int, split: Any = split, which: slice = which) -> int:
                return join(split(a)[which])

            def multiply(a: int, b: int, split: Any = split, which: slice = which) -> int:
                return join(map(operator.mul, split(a)[which], split(b)[which]))

            _define(f"{shape}.extend_{part}_{source}_{sign}", extend, 1)
            _define(f"{shape}.extmul_{part}_{source}_{sign}", multiply, 2)

        def pairs(a: int, split: Any = split) -> int:
            lanes = split(a)
            return join(map(operator.add, lanes[::2], lanes[1::2]))

        _define(f"{shape}.extadd_pairwise_{source}_{sign}", pairs, 1)


def _dots() -> None:
    words, bytes_ = _signed[16], _signed[8]

    def dot(split: Any, a: int, b: int) -> list[int]:
        products = list(map(operator.mul, split(a), split(b)))
        return list(map(operator.add, products[::2], products[1::2]))

    def dot_add(a: int, b: int, c: int) -> int:
        # Its intermediate sums are of 16 bits, and saturate.
        sums = [max(-32768, min(32767, lane)) for lane in dot(bytes_, a, b)]
        both = map(operator.add, sums[::2], sums[1::2])
        return _joined[32](map(operator.add, both, _signed[32](c)))

    def dot_bytes(a: int, b: int) -> int:
        return _joined[16]([max(-32768, min(32767, lane)) for lane in dot(bytes_, a, b)])

    _define("i32x4.dot_i16x8_s", lambda a, b: _joined[32](dot(words, a, b)), 2)
    _define("i16x8.relaxed_dot_i8x16_i7x16_s", dot_bytes, 2)
    _define("i32x4.relaxed_dot_i8x16_i7x16_add_s", dot_add, 3)
    for name in ("q15mulr_sat_s", "relaxed_q15mulr_s"):
        rounded = _clamped(lambda a, b: a * b + 0x4000 >> 15, -32768, 32767)
        _binary(f"i16x8.{name}", rounded, words, _joined[16])


def _permutations() -> None:
    # Bytes that say which bytes are wanted are translated into those.
    def swizzle(a: int, b: int) -> int:
        table = a.to_bytes(256, "little")
        return int.from_bytes(b.to_bytes(16, "little").translate(table), "little")

    def shuffle(a: int, b: int, lanes: bytes) -> int:
        table = (a | b << 128).to_bytes(256, "little")
        return int.from_bytes(lanes.translate(table), "little")

    _define("i8x16.swizzle", swizzle, 2)
    _define("i8x16.relaxed_swizzle", swizzle, 2)
    _define("i8x16.shuffle", shuffle, 2)


def _comparison(width: int, compare: Callable[[Any, Any], bool]) -> Callable[[int, int], int]:
    unpack, pack = (SINGLES if width == 32 else DOUBLES).unpack, _SIGNED[width].pack

    def lanes(a: int, b: int) -> int:
        left, right = unpack(a.to_bytes(16, "little")), unpack(b.to_bytes(16, "little"))
        return int.from_bytes(pack(*map(operator.neg, map(compare, left, right))), "little")

    return lanes


def _floating(width: int) -> None:
    shape, split, join = _FLOATS[width], _numbers[width], _vector[width]
    count = 128 // width
    rounded: Callable[[float], float] = floats.round32 if width == 32 else float

    for name, choose in {
        "min": floats.minimum,
        "max": floats.maximum,
        "pmin": floats.pseudo_minimum,
        "pmax": floats.pseudo_maximum,
        "relaxed_min": floats.minimum,
        "relaxed_max": floats.maximum,
    }.items():
        _binary(f"{shape}.{name}", choose, split, join)
    for name, rounding in {
        "ceil": floats.ceiling,
        "floor": floats.floor,
        "trunc": floats.truncate,
        "nearest": floats.nearest,
    }.items():
        _unary(f"{shape}.{name}", rounding, split, join)
    for name, compare in {**_COMPARISONS, "eq": operator.eq, "ne": operator.ne}.items():
        _define(f"{shape}.{name}", _comparison(width, compare), 2)
    signs = sum(1 << at for at in range(width - 1, 128, width))
    _inline(f"{shape}.abs", f"({{0}} & {ALL ^ signs})", 1)
    _inline(f"{shape}.neg", f"({{0}} ^ {signs})", 1)
    _define(f"{shape}.splat", lambda a: join([a] * count), 1)
    _extract(f"{shape}.extract_lane", width, f"f{width}_from_bits")

    def replace(a: int, value: float, lane: int) -> int:
        found = list(split(a))
        found[lane] = value
        return join(found)

    _define(f"{shape}.replace_lane", replace, 2)

    def multiply_add(a: int, b: int, c: int, factor: float) -> int:
        return join(
            [
                rounded(rounded(factor * x * y) + z)
                for x, y, z in zip(split(a), split(b), split(c), strict=True)
            ]
        )

    _define(f"{shape}.relaxed_madd", lambda a, b, c: multiply_add(a, b, c, 1.0), 3)
    _define(f"{shape}.relaxed_nmadd", lambda a, b, c: multiply_add(a, b, c, -1.0), 3)


def _conversions() -> None:
    words = _joined[32]
    for sign, low, high in (("s", -(1 << 31), 1 << 31), ("u", 0, 1 << 32)):

        def saturated(a: int, split: Any, more: int = 0, low: int = low, high: int = high) -> int:
            found = [floats.saturate(lane, low, high, 0xFFFFFFFF) for lane in split(a)]
            return words(found + [0] * more)

        def from_singles(a: int, saturated: Any = saturated) -> int:
            return int(saturated(a, _numbers[32]))

        def from_doubles(a: int, saturated: Any = saturated) -> int:
            return int(saturated(a, _numbers[64], 2))

        for prefix in ("trunc_sat", "relaxed_trunc"):
            _define(f"i32x4.{prefix}_f32x4_{sign}", from_singles, 1)
            _define(f"i32x4.{prefix}_f64x2_{sign}_zero", from_doubles, 1)
        split = (_signed if sign == "s" else _unsigned)[32]

        def to_singles(a: int, split: Any = split) -> int:
            return _vector[32](map(floats.integer_to_32, split(a)))

        def to_doubles(a: int, split: Any = split) -> int:
            return _vector[64](map(float, split(a)[:2]))

        _define(f"f32x4.convert_i32x4_{sign}", to_singles, 1)
        _define(f"f64x2.convert_low_i32x4_{sign}", to_doubles, 1)

    def demote(a: int) -> int:
        return _vector[32]([*map(floats.demote, _numbers[64](a)), 0.0, 0.0])

    def promote(a: int) -> int:
        return _vector[64]([lane * 1.0 for lane in _numbers[32](a)[:2]])

    _define("f32x4.demote_f64x2_zero", demote, 1)
    _define("f64x2.promote_low_f32x4", promote, 1)


# Memory

_halves = Struct("<QQ").unpack_from
_put = Struct("<16s").pack_into


def load_vector(memory: bytearray, at: int) -> int:
    low: int
    high: int
    low, high = _halves(memory, at)
    return low | high << 64


def store_vector(memory: bytearray, at: int, value: int) -> None:
    _put(memory, at, value.to_bytes(16, "little"))


def _load(name: str, function: Callable[..., int], operands: int = 0) -> None:
    helper = name.replace(".", "_")
    HELPERS[helper] = function

    @rule(name)
    def emit(e: Emitter, immediates: tuple[Any, ...]) -> None:
        memarg: MemArg = immediates[0]
        base, *more = e.pop_many(1 + operands)
        parts = [memory_name(e, memarg.memory), address(e, base, memarg)]
        parts += [*(each.exact for each in more), *map(str, immediates[1:])]
        e.trapping(f"{helper}({', '.join(parts)}))", base, *more)


def _store(name: str, function: Callable[..., None]) -> None:
    helper = name.replace(".", "_")
    HELPERS[helper] = function

    @rule(name)
    def emit(e: Emitter, immediates: tuple[Any, ...]) -> None:
        memarg: MemArg = immediates[0]
        base, value = e.pop_many(2)
        parts = [memory_name(e, memarg.memory), address(e, base, memarg), value.exact]
        parts += map(str, immediates[1:])
        e.statement(f"{helper}({', '.join(parts)})", base, value)


def _memory() -> None:
    _load("v128.load", load_vector)
    _store("v128.store", store_vector)
    for width, letter in _LETTERS.items():
        one = Struct(f"<{letter}")
        ones = sum(1 << at for at in range(0, 128, width))
        full = (1 << width) - 1

        def splat(memory: bytearray, at: int, get: Any = one.unpack_from, ones: int = ones) -> int:
            return int(get(memory, at)[0] * ones)

        def lane(
            memory: bytearray,
            at: int,
            vector: int,
            number: int,
            get: Any = one.unpack_from,
            width: int = width,
            full: int = full,
        ) -> int:
            by = number * width
            return int(vector & ~(full << by) | get(memory, at)[0] << by)

        def store(
            memory: bytearray,
            at: int,
            vector: int,
            number: int,
            put: Any = one.pack_into,
            width: int = width,
            full: int = full,
        ) -> None:
            put(memory, at, vector >> number * width & full)

        def zero(memory: bytearray, at: int, get: Any = one.unpack_from) -> int:
            return int(get(memory, at)[0])

        _load(f"v128.load{width}_splat", splat)
        _load(f"v128.load{width}_lane", lane, 1)
        _store(f"v128.store{width}_lane", store)
        if width >= 32:
            _load(f"v128.load{width}_zero", zero)
        if width < 64:
            for sign, cased in (("s", letter.lower()), ("u", letter)):
                half = Struct(f"<{64 // width}{cased}").unpack_from

                def extend(memory: bytearray, at: int, get: Any = half, width: int = width) -> int:
                    return _joined[2 * width](get(memory, at))

                _load(f"v128.load{width}x{64 // width}_{sign}", extend)


_bitwise()
for _name, (_function, _operands) in ARITHMETIC.items():
    _define(_name, _function, _operands)
for _width in _LETTERS:
    _integers(_width)
_dots()
_permutations()
for _width in _FLOATS:
    _floating(_width)
_conversions()
_memory()

"""Linear memory: loads, stores, what works on ranges, and atomics.

A memory is a bytearray. Addresses are unsigned, so one that is out of bounds makes Python raise
IndexError or struct.error, of which the trap is made; nothing is compared beforehand. Atomic
accesses are plain ones, in order, for there is one thread.

Source: specification, Execution, "Memory Instructions"; the proposals threads, memory64.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any

from wasmir.interp import floats
from wasmir.interp.emit import MASKS, UNKNOWN, Emitter, Expr, rule
from wasmir.interp.faults import Trap
from wasmir.types import NumType

if TYPE_CHECKING:
    from collections.abc import Callable

    from wasmir.interp.entities import Memory
    from wasmir.isa.kinds import MemArg

__all__ = ["HELPERS", "address", "bounds", "memory_name", "ranged", "result"]

OUT_OF_BOUNDS = "out of bounds memory access"

HELPERS: dict[str, Any] = {"load32": floats.load32, "store32": floats.store32}

_FORMATS = {8: "<B", 16: "<H", 32: "<I", 64: "<Q"}
_SIGNED = {8: "<b", 16: "<h", 32: "<i"}
for _width, _format in _FORMATS.items():
    HELPERS[f"get{_width}"] = Struct(_format).unpack_from
    HELPERS[f"put{_width}"] = Struct(_format).pack_into
for _width, _format in _SIGNED.items():
    HELPERS[f"get{_width}s"] = Struct(_format).unpack_from
HELPERS["get32f"] = Struct("<f").unpack_from
HELPERS["put32f"] = Struct("<f").pack_into
HELPERS["get64f"] = Struct("<d").unpack_from
HELPERS["put64f"] = Struct("<d").pack_into


def helper(function: Callable[..., Any]) -> Callable[..., Any]:
    HELPERS[function.__name__] = function
    return function


def address(e: Emitter, base: Expr, memarg: MemArg) -> str:
    """The effective address, which has a bit more than the address type."""
    del e
    if base.const is not None:
        return str(base.const + memarg.offset)
    return f"{base.exact} + {memarg.offset}" if memarg.offset else base.exact


def memory_name(e: Emitter, memory: Any) -> str:
    """The bytes of a memory."""
    return e.name(f"m{memory._number}")


def entity_name(e: Emitter, memory: Any) -> str:
    return e.name(f"M{memory._number}")


# Loads and stores


def _load(name: str, template: str, *, wide: int = 0, bits: int = UNKNOWN) -> None:
    """``{0}`` is the memory, ``{1}`` the address."""

    @rule(name)
    def emit(e: Emitter, immediates: tuple[Any, ...]) -> None:
        memarg: MemArg = immediates[0]
        base = e.pop()
        text = template.format(memory_name(e, memarg.memory), address(e, base, memarg))
        e.trapping(f"{text})", base, wide=wide, bits=bits)


def _store(name: str, template: str, size: int = UNKNOWN) -> None:
    """``{0}`` is the memory, ``{1}`` the address, ``{2}`` the value, in so many bits."""

    @rule(name)
    def emit(e: Emitter, immediates: tuple[Any, ...]) -> None:
        memarg: MemArg = immediates[0]
        value = e.pop()
        base = e.pop()
        mask = (1 << size) - 1
        if value.const is not None:
            shown = str(value.const & mask)
        elif size == UNKNOWN or value.fits(size):
            shown = value.exact
        else:
            shown = f"{value.text} & {mask}"
        text = template.format(memory_name(e, memarg.memory), address(e, base, memarg), shown)
        e.statement(text, base, value)


# Python changes some NaNs when it packs and unpacks f32, so they take another way.


@rule("f32.load")
def _load_single(e: Emitter, immediates: tuple[Any, ...]) -> None:
    memarg: MemArg = immediates[0]
    base = e.simple(e.pop())
    where = f"{memory_name(e, memarg.memory)}, {address(e, base, memarg)}"
    e.trapping(f"w if (w := get32f({where})[0]) == w else load32({where}))", base)


@rule("f32.store")
def _store_single(e: Emitter, immediates: tuple[Any, ...]) -> None:
    memarg: MemArg = immediates[0]
    value = e.pop()
    base = e.simple(e.pop())
    value = e.simple(value)
    where = f"{memory_name(e, memarg.memory)}, {address(e, base, memarg)}, {value.text}"
    e.statement(f"put32f({where}) if {value.text} == {value.text} else store32({where})")


def _scalars() -> None:
    _load("i32.load", "get32({0}, {1})[0]", bits=32)
    _load("i64.load", "get64({0}, {1})[0]", bits=64)
    _load("f64.load", "get64f({0}, {1})[0]")
    _store("i32.store", "put32({0}, {1}, {2})")
    _store("i64.store", "put64({0}, {1}, {2})")
    _store("f64.store", "put64f({0}, {1}, {2})")
    for width in (32, 64):
        _load(f"i{width}.load8_u", "{0}[{1}]", bits=8)
        _load(f"i{width}.load8_s", "get8s({0}, {1})[0]", wide=width)
        _load(f"i{width}.load16_u", "get16({0}, {1})[0]", bits=16)
        _load(f"i{width}.load16_s", "get16s({0}, {1})[0]", wide=width)
        _store(f"i{width}.store8", "{0}[{1}] = {2}", 8)
        _store(f"i{width}.store16", "put16({0}, {1}, {2})", 16)
    _load("i64.load32_u", "get32({0}, {1})[0]", bits=32)
    _load("i64.load32_s", "get32s({0}, {1})[0]", wide=64)
    _store("i64.store32", "put32({0}, {1}, {2})", 32)


# Whole memories and ranges


def _is_64(memory: Any) -> bool:
    return memory.type.limits.address is NumType.I64


@rule("memory.size")
def _size(e: Emitter, immediates: tuple[Any, ...]) -> None:
    e.reading(f"{entity_name(e, immediates[0])}.pages")


@rule("memory.grow")
def _grow(e: Emitter, immediates: tuple[Any, ...]) -> None:
    [memory] = immediates
    pages = e.pop()
    e.effect(pages)
    mask = MASKS[64 if _is_64(memory) else 32]
    text = f"{entity_name(e, memory)}.grow({pages.exact}) & {mask}"
    e.stack.append(result(e, text))


def result(e: Emitter, text: str) -> Expr:
    """What an expression with an effect gives, in a variable; it stands at its place."""
    e.lines.append(f"#{e.ordinal}")
    return e.settled(Expr(text))


def bounds(start: int, count: int, size: int) -> None:
    if start + count > size:
        raise Trap(OUT_OF_BOUNDS)


@helper
def memory_fill(memory: bytearray, start: int, value: int, count: int) -> None:
    bounds(start, count, len(memory))
    memory[start : start + count] = bytes((value & 255,)) * count


@helper
def memory_copy(target: bytearray, source: bytearray, to: int, start: int, count: int) -> None:
    bounds(start, count, len(source))
    bounds(to, count, len(target))
    target[to : to + count] = source[start : start + count]


@helper
def memory_init(memory: bytearray, data: bytes, to: int, start: int, count: int) -> None:
    bounds(start, count, len(data))
    bounds(to, count, len(memory))
    memory[to : to + count] = data[start : start + count]


def ranged(e: Emitter, function: str, *first: str) -> None:
    """A call of a helper with three operands, the last of which says how much work it is."""
    operands = e.pop_many(3)
    if e.fuel:
        e.effect(*operands)
        operands = [e.simple(each) for each in operands]
        e.line(f"F.left -= {operands[2].text} >> 4")
        e.marked("if F.left < 0: starve()")
    shown = ", ".join([*first, *(each.exact for each in operands)])
    e.statement(f"{function}({shown})", *operands)


@rule("memory.fill")
def _fill(e: Emitter, immediates: tuple[Any, ...]) -> None:
    ranged(e, "memory_fill", memory_name(e, immediates[0]))


@rule("memory.copy")
def _copy(e: Emitter, immediates: tuple[Any, ...]) -> None:
    target, source = immediates
    ranged(e, "memory_copy", memory_name(e, target), memory_name(e, source))


@rule("memory.init")
def _init(e: Emitter, immediates: tuple[Any, ...]) -> None:
    data, memory = immediates
    segment = f"D[{data._number}]"
    ranged(e, "memory_init", memory_name(e, memory), segment)


@rule("data.drop")
def _drop(e: Emitter, immediates: tuple[Any, ...]) -> None:
    e.statement(f"D[{immediates[0]._number}] = b''")


# Atomics


@helper
def aligned(at: int, size: int) -> int:
    if at & size - 1:
        raise Trap("unaligned atomic")
    return at


@helper
def wait(memory: Memory, at: int, width: int, expected: int, timeout: int) -> int:
    """What a thread that nobody wakes sees: another value, or that its time is over."""
    aligned(at, width >> 3)
    if at + (width >> 3) > len(memory.data):
        raise Trap(OUT_OF_BOUNDS)
    if not memory.type.limits.shared:
        raise Trap("expected shared memory")
    found = int.from_bytes(memory.data[at : at + (width >> 3)], "little")
    if found != expected:
        return 1
    if timeout >> 63:
        raise Trap("waiting for ever: there is no other thread")
    return 2


@helper
def notify(memory: Memory, at: int, _count: int) -> int:
    aligned(at, 4)
    if at + 4 > len(memory.data):
        raise Trap(OUT_OF_BOUNDS)
    return 0


_CHANGES: dict[str, Callable[[int, int], int]] = {
    "add": lambda old, value: old + value,
    "sub": lambda old, value: old - value,
    "and": lambda old, value: old & value,
    "or": lambda old, value: old | value,
    "xor": lambda old, value: old ^ value,
    "xchg": lambda _old, value: value,
}


def _changing(change: Callable[[int, int], int], width: int) -> Callable[..., int]:
    packed = Struct(_FORMATS[width])
    get, put, mask = packed.unpack_from, packed.pack_into, (1 << width) - 1

    def changed(memory: bytearray, at: int, value: int) -> int:
        aligned(at, width >> 3)
        old: int = get(memory, at)[0]
        put(memory, at, change(old, value) & mask)
        return old

    return changed


def _exchanging(width: int) -> Callable[..., int]:
    packed = Struct(_FORMATS[width])
    get, put, mask = packed.unpack_from, packed.pack_into, (1 << width) - 1

    def exchanged(memory: bytearray, at: int, expected: int, value: int) -> int:
        aligned(at, width >> 3)
        old: int = get(memory, at)[0]
        if old == expected:
            put(memory, at, value & mask)
        return old

    return exchanged


def _atomic(name: str, function: str, count: int) -> None:
    """A helper with an effect and a result, of the address and ``count`` more operands."""

    @rule(name)
    def emit(e: Emitter, immediates: tuple[Any, ...]) -> None:
        memarg: MemArg = immediates[0]
        base, *operands = e.pop_many(1 + count)
        e.effect(base, *operands)
        shown = ", ".join(
            [
                memory_name(e, memarg.memory),
                address(e, base, memarg),
                *(each.exact for each in operands),
            ]
        )
        e.stack.append(result(e, f"{function}({shown})"))


def _atomics() -> None:
    for type_, width in (("i32", 32), ("i64", 64)):
        for size in (8, 16, 32, 64):
            if size > width:
                continue
            narrow = "" if size == width else str(size)
            sign = "_u" if narrow else ""
            where = f"{{0}}, aligned({{1}}, {size >> 3})"
            _load(f"{type_}.atomic.load{narrow}{sign}", f"get{size}({where})[0]")
            _store(f"{type_}.atomic.store{narrow}", f"put{size}({where}, {{2}})", size)
            for change, function in _CHANGES.items():
                HELPERS[f"{change}{size}"] = _changing(function, size)
                _atomic(f"{type_}.atomic.rmw{narrow}.{change}{sign}", f"{change}{size}", 1)
            HELPERS[f"cmpxchg{size}"] = _exchanging(size)
            _atomic(f"{type_}.atomic.rmw{narrow}.cmpxchg{sign}", f"cmpxchg{size}", 2)


@rule("memory.atomic.wait32")
def _wait32(e: Emitter, immediates: tuple[Any, ...]) -> None:
    _wait(e, immediates[0], 32)


@rule("memory.atomic.wait64")
def _wait64(e: Emitter, immediates: tuple[Any, ...]) -> None:
    _wait(e, immediates[0], 64)


def _wait(e: Emitter, memarg: MemArg, width: int) -> None:
    base, expected, timeout = e.pop_many(3)
    e.effect(base, expected, timeout)
    at = address(e, base, memarg)
    memory = entity_name(e, memarg.memory)
    text = f"wait({memory}, {at}, {width}, {expected.exact}, {timeout.exact})"
    e.stack.append(result(e, text))


@rule("memory.atomic.notify")
def _notify(e: Emitter, immediates: tuple[Any, ...]) -> None:
    memarg: MemArg = immediates[0]
    base, count = e.pop_many(2)
    at = address(e, base, memarg)
    e.trapping(f"notify({entity_name(e, memarg.memory)}, {at}, {count.exact}))", base, count)


@rule("atomic.fence")
def _fence(_e: Emitter, _immediates: tuple[Any, ...]) -> None:
    """Nobody else looks."""


_scalars()
_atomics()

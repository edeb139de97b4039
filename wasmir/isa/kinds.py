"""The kinds of immediates: how each is read, written, shown and sampled.

Values are raw, as the wire has them: indices are integers, types are :mod:`wasmir.types` values
with integer type indices, floats are bit patterns. Reading is strict and accepts every legal
spelling; writing is canonical.

Source: specification, Binary Format and Text Format, "Instructions"; the proposals threads,
exception-handling (legacy), stack-switching and custom-descriptors for what each adds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from wasmir.types import (
    AbstractHeap,
    Concrete,
    HeapType,
    NumType,
    RefType,
    ValType,
    decode_heap,
    decode_value_type,
    encode_heap,
    encode_value_type,
)
from wasmir.wire import Reader, Writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

__all__ = [
    "BLOCK_TYPE",
    "BY_NAME",
    "CAST_FLAGS",
    "CATCHES",
    "COUNT",
    "DATA",
    "ELEM",
    "F32",
    "F64",
    "FIELD",
    "FUNC",
    "GLOBAL",
    "HANDLERS",
    "HEAP",
    "I32",
    "I64",
    "LABEL",
    "LABELS",
    "LANE2",
    "LANE4",
    "LANE8",
    "LANE16",
    "LOCAL",
    "MEMARG0",
    "MEMARG1",
    "MEMARG2",
    "MEMARG3",
    "MEMARG4",
    "MEMORY",
    "REF",
    "REF_NULL",
    "SHUFFLE",
    "TABLE",
    "TAG",
    "TYPE",
    "TYPE_USE",
    "V128",
    "VALUE_TYPES",
    "ZERO",
    "CatchKind",
    "Clause",
    "Handler",
    "Kind",
    "MemArg",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Kind(Generic[T]):
    """A kind of immediate. Equal by identity: there is one of each.

    ``show`` gives the WAT operand, with raw indices; "" where WAT leaves it out.
    ``space`` is the index space that the value names or, for a compound value, mainly names;
    ``spaces`` are all that it may mention. ``bound`` is a number that validation needs: the lane
    count of a lane index, the log2 of the natural alignment of a memarg.
    """

    name: str
    read: Callable[[Reader], T]
    write: Callable[[Writer, T], None]
    show: Callable[[T], str]
    sample: Callable[[Random], T]
    space: str | None = None
    spaces: frozenset[str] = frozenset()
    bound: int | None = None

    def __repr__(self) -> str:
        return f"<kind {self.name}>"

    def __reduce__(self) -> tuple[Callable[[str], Kind[Any]], tuple[str]]:
        # Copying and pickling keep the identity.
        return _by_name, (self.name,)


def _by_name(name: str) -> Kind[Any]:
    return BY_NAME[name]


# Indices and other naturals


def _show_nothing(_value: object) -> str:
    return ""


def _sample_u32(random: Random) -> int:
    """Half of them small, half with any number of bits, so that every LEB128 length comes up."""
    bits = 3 if random.random() < 0.5 else random.randrange(33)
    return random.getrandbits(bits)


def _index(space: str) -> Kind[int]:
    spaces = frozenset({space})
    return Kind(space, Reader.u32, Writer.unsigned, str, _sample_u32, space, spaces)


TYPE = _index("type")
FUNC = _index("func")
TABLE = _index("table")
MEMORY = _index("memory")
TAG = _index("tag")
GLOBAL = _index("global")
ELEM = _index("elem")
DATA = _index("data")
LOCAL = _index("local")
LABEL = _index("label")
FIELD = _index("field")

TYPE_USE: Kind[int] = Kind(
    "type-use",
    Reader.u32,
    Writer.unsigned,
    "(type {})".format,
    _sample_u32,
    "type",
    frozenset({"type"}),
)
"""The function type of an indirect call."""

COUNT: Kind[int] = Kind("count", Reader.u32, Writer.unsigned, str, _sample_u32)
"""The length of ``array.new_fixed``."""


def _read_zero(reader: Reader) -> int:
    start = reader.pos
    if reader.byte():
        raise reader.error("zero byte expected", start)
    return 0


ZERO: Kind[int] = Kind("zero", _read_zero, Writer.byte, _show_nothing, lambda _random: 0)
"""The reserved byte of ``atomic.fence``."""


# Constants


def _signed_sampler(bits: int) -> Callable[[Random], int]:
    def sample(random: Random) -> int:
        value = random.getrandbits(random.randrange(bits))
        return ~value if random.random() < 0.5 else value

    return sample


I32: Kind[int] = Kind("i32", Reader.s32, Writer.signed, str, _signed_sampler(32))
I64: Kind[int] = Kind("i64", Reader.s64, Writer.signed, str, _signed_sampler(64))


def _show_float(pattern: int, exponent_bits: int, fraction_bits: int) -> str:
    """A float as WAT has it, exactly: ``0x1.8p+1``, ``-inf``, ``nan:0x200000``."""
    fraction = pattern & ((1 << fraction_bits) - 1)
    exponent = (pattern >> fraction_bits) & ((1 << exponent_bits) - 1)
    sign = "-" if pattern >> (fraction_bits + exponent_bits) else ""
    bias = (1 << (exponent_bits - 1)) - 1
    if exponent == (1 << exponent_bits) - 1:
        if not fraction:
            return f"{sign}inf"
        canonical = fraction == 1 << (fraction_bits - 1)
        return f"{sign}nan" if canonical else f"{sign}nan:{fraction:#x}"
    if not exponent:
        if not fraction:
            return f"{sign}0x0p+0"
        # Subnormal: shift the leading one to where a normal number has its hidden one.
        shift = fraction_bits + 1 - fraction.bit_length()
        fraction = (fraction << shift) & ((1 << fraction_bits) - 1)
        exponent = 1 - shift
    # Hex digits hold four bits each; the fraction's last one may be partial.
    spare = -fraction_bits % 4
    digits = f"{fraction << spare:0{(fraction_bits + spare) // 4}x}".rstrip("0")
    point = "." if digits else ""
    return f"{sign}0x1{point}{digits}p{exponent - bias:+d}"


def _float(name: str, size: int, exponent_bits: int) -> Kind[int]:
    special_exponents = (0, (1 << exponent_bits) - 1)
    fraction_bits = size * 8 - 1 - exponent_bits

    def read(reader: Reader) -> int:
        return int.from_bytes(reader.take(size), "little")

    def write(writer: Writer, pattern: int) -> None:
        writer.put(pattern.to_bytes(size, "little"))

    def show(pattern: int) -> str:
        return _show_float(pattern, exponent_bits, fraction_bits)

    def sample(random: Random) -> int:
        if random.random() < 0.5:
            return random.getrandbits(size * 8)
        exponent = random.choice(special_exponents)
        fraction = random.choice((0, 1 << (fraction_bits - 1), random.getrandbits(fraction_bits)))
        sign = random.getrandbits(1)
        return ((sign << exponent_bits | exponent) << fraction_bits) | fraction

    return Kind(name, read, write, show, sample)


F32 = _float("f32", 4, 8)
F64 = _float("f64", 8, 11)


def _show_v128(value: bytes) -> str:
    lanes = (int.from_bytes(value[at : at + 4], "little") for at in range(0, 16, 4))
    return " ".join(["i32x4", *(f"0x{lane:08x}" for lane in lanes)])


def _read_16(reader: Reader) -> bytes:
    return reader.take(16)


V128: Kind[bytes] = Kind(
    "v128", _read_16, Writer.put, _show_v128, lambda random: random.randbytes(16)
)
SHUFFLE: Kind[bytes] = Kind(
    "shuffle",
    _read_16,
    Writer.put,
    lambda value: " ".join(map(str, value)),
    lambda random: bytes(random.randrange(32) for _ in range(16)),
    bound=32,
)
"""The 16 lanes of ``i8x16.shuffle``. Lanes out of bounds are invalid, not malformed."""


def _lane(count: int) -> Kind[int]:
    """A lane index; as above, validation checks the bound."""

    def sample(random: Random) -> int:
        return random.randrange(count)

    return Kind(f"lane{count}", Reader.byte, Writer.byte, str, sample, bound=count)


LANE2 = _lane(2)
LANE4 = _lane(4)
LANE8 = _lane(8)
LANE16 = _lane(16)


# Memory accesses


@dataclass(frozen=True, slots=True)
class MemArg:
    """Alignment (a hint, but for atomics), constant offset and memory of a memory access."""

    align_log2: int
    offset: int = 0
    memory: int = 0


def _read_memarg(reader: Reader) -> MemArg:
    start = reader.pos
    flags = reader.u32()
    if flags >= 0x80:
        raise reader.error("malformed memop flags", start)
    # Bit 6 says that a memory index follows. It may follow although it is 0.
    memory = reader.u32() if flags & 0x40 else 0
    return MemArg(flags & 0x3F, reader.u64(), memory)


def _write_memarg(writer: Writer, value: MemArg) -> None:
    if value.memory:
        writer.unsigned(value.align_log2 | 0x40)
        writer.unsigned(value.memory)
    else:
        writer.unsigned(value.align_log2)
    writer.unsigned(value.offset)


def _memarg(natural: int) -> Kind[MemArg]:
    """``natural`` is the log2 of the access's width in bytes, the largest alignment allowed."""

    def show(value: MemArg) -> str:
        operands = []
        if value.memory:
            operands.append(str(value.memory))
        if value.offset:
            operands.append(f"offset={value.offset}")
        if value.align_log2 != natural:
            operands.append(f"align={1 << value.align_log2}")
        return " ".join(operands)

    def sample(random: Random) -> MemArg:
        # Offsets of 32 bits, which are legal for both address types.
        memory = _sample_u32(random) if random.random() < 0.3 else 0
        return MemArg(random.randrange(natural + 1), _sample_u32(random), memory)

    spaces = frozenset({"memory"})
    return Kind(
        f"memarg{natural}", _read_memarg, _write_memarg, show, sample, "memory", spaces, natural
    )


MEMARG0 = _memarg(0)
MEMARG1 = _memarg(1)
MEMARG2 = _memarg(2)
MEMARG3 = _memarg(3)
MEMARG4 = _memarg(4)


# Types


def _sample_heap(random: Random) -> HeapType:
    if random.random() < 0.5:
        return random.choice(tuple(AbstractHeap))
    return Concrete(_sample_u32(random), exact=random.random() < 0.3)


def _sample_value_type(random: Random) -> ValType:
    if random.random() < 0.5:
        return random.choice(tuple(NumType))
    return RefType(random.random() < 0.5, _sample_heap(random))


def _write_heap(writer: Writer, heap: HeapType) -> None:
    writer.put(encode_heap(heap))


def _write_value_type(writer: Writer, type_: ValType) -> None:
    writer.put(encode_value_type(type_))


_IN_TYPES = frozenset({"type"})

HEAP: Kind[HeapType] = Kind("heap", decode_heap, _write_heap, str, _sample_heap, "type", _IN_TYPES)


def _ref(name: str, *, nullable: bool) -> Kind[RefType]:
    """A reference type. The opcode says whether it is nullable, the immediate says the rest."""

    def read(reader: Reader) -> RefType:
        return RefType(nullable, decode_heap(reader))

    def write(writer: Writer, type_: RefType) -> None:
        writer.put(encode_heap(type_.heap))

    def sample(random: Random) -> RefType:
        return RefType(nullable, _sample_heap(random))

    return Kind(name, read, write, str, sample, "type", _IN_TYPES)


REF = _ref("ref", nullable=False)
REF_NULL = _ref("ref-null", nullable=True)


def _read_cast_flags(reader: Reader) -> int:
    start = reader.pos
    flags = reader.byte()
    if flags > 3:
        raise reader.error("malformed br_on_cast flags", start)
    return flags


CAST_FLAGS: Kind[int] = Kind(
    "cast-flags",
    _read_cast_flags,
    Writer.byte,
    _show_nothing,
    lambda random: random.randrange(4),
)
"""``br_on_cast`` and its kin: bit 0 makes the source nullable, bit 1 the target. WAT has them as
part of the two reference types, so :meth:`wasmir.isa.table.Row.operands` shows the three together.
"""


def _read_block_type(reader: Reader) -> ValType | int | None:
    start = reader.pos
    first = reader.peek()
    if first == 0x40:
        reader.pos += 1
        return None
    # A type index is a non-negative s33, so that a single byte from 0x40 on is none.
    if 0x40 < first < 0x80:
        return decode_value_type(reader)
    index = reader.s33()
    if index < 0:
        raise reader.error("malformed block type", start)
    return index


def _write_block_type(writer: Writer, value: ValType | int | None) -> None:
    if value is None:
        writer.byte(0x40)
    elif isinstance(value, int):
        writer.signed(value)
    else:
        _write_value_type(writer, value)


def _show_block_type(value: ValType | int | None) -> str:
    if value is None:
        return ""
    return f"(type {value})" if isinstance(value, int) else f"(result {value})"


def _sample_block_type(random: Random) -> ValType | int | None:
    return random.choice((None, _sample_value_type(random), _sample_u32(random)))


BLOCK_TYPE: Kind[ValType | int | None] = Kind(
    "block-type",
    _read_block_type,
    _write_block_type,
    _show_block_type,
    _sample_block_type,
    "type",
    _IN_TYPES,
)


# Vectors


def _vector(
    name: str,
    *,
    read: Callable[[Reader], T],
    write: Callable[[Writer, T], None],
    show: Callable[[tuple[T, ...]], str],
    sample: Callable[[Random], T],
    space: str,
    spaces: frozenset[str],
) -> Kind[tuple[T, ...]]:
    def read_all(reader: Reader) -> tuple[T, ...]:
        return tuple(reader.vec(read))

    def write_all(writer: Writer, values: tuple[T, ...]) -> None:
        writer.vec(values, write)

    def sample_all(random: Random) -> tuple[T, ...]:
        return tuple(sample(random) for _ in range(random.randrange(4)))

    return Kind(name, read_all, write_all, show, sample_all, space, spaces)


def _show_spaced(values: tuple[object, ...]) -> str:
    return " ".join(map(str, values))


def _show_results(types: tuple[ValType, ...]) -> str:
    return f"(result {_show_spaced(types)})" if types else "(result)"


VALUE_TYPES = _vector(
    "value-types",
    read=decode_value_type,
    write=_write_value_type,
    show=_show_results,
    sample=_sample_value_type,
    space="type",
    spaces=_IN_TYPES,
)
"""The types of the annotated ``select``. Any number is well-formed, only one is valid."""


def _read_labels(reader: Reader) -> tuple[int, ...]:
    return (*reader.u32s(), reader.u32())


def _write_labels(writer: Writer, labels: tuple[int, ...]) -> None:
    writer.vec(labels[:-1], Writer.unsigned)
    writer.unsigned(labels[-1])


LABELS: Kind[tuple[int, ...]] = Kind(
    "labels",
    _read_labels,
    _write_labels,
    _show_spaced,
    lambda random: tuple(_sample_u32(random) for _ in range(random.randrange(1, 5))),
    "label",
    frozenset({"label"}),
)
"""The labels of ``br_table``; the last is the default, so there is always one."""


class CatchKind(Enum):
    """The four catch clauses of ``try_table``; the value is the encoding."""

    CATCH = 0
    CATCH_REF = 1
    CATCH_ALL = 2
    CATCH_ALL_REF = 3

    @property
    def has_tag(self) -> bool:
        return self.value < 2

    @property
    def has_ref(self) -> bool:
        return self.value % 2 == 1

    def __str__(self) -> str:
        return self.name.lower()


_CATCH_KINDS = tuple(CatchKind)


@dataclass(frozen=True, slots=True)
class Clause:
    """A catch clause of ``try_table``. ``label`` counts from outside the ``try_table``."""

    kind: CatchKind
    tag: int | None
    label: int

    def __str__(self) -> str:
        tag = "" if self.tag is None else f" {self.tag}"
        return f"({self.kind}{tag} {self.label})"


def _read_clause(reader: Reader) -> Clause:
    start = reader.pos
    code = reader.byte()
    if code >= len(_CATCH_KINDS):
        raise reader.error("malformed catch clause", start)
    kind = _CATCH_KINDS[code]
    tag = reader.u32() if kind.has_tag else None
    return Clause(kind, tag, reader.u32())


def _write_clause(writer: Writer, clause: Clause) -> None:
    writer.byte(clause.kind.value)
    if clause.tag is not None:
        writer.unsigned(clause.tag)
    writer.unsigned(clause.label)


def _sample_clause(random: Random) -> Clause:
    kind = random.choice(_CATCH_KINDS)
    return Clause(kind, _sample_u32(random) if kind.has_tag else None, _sample_u32(random))


_TAGS_AND_LABELS = frozenset({"tag", "label"})

CATCHES = _vector(
    "catches",
    read=_read_clause,
    write=_write_clause,
    show=_show_spaced,
    sample=_sample_clause,
    space="label",
    spaces=_TAGS_AND_LABELS,
)


@dataclass(frozen=True, slots=True)
class Handler:
    """stack-switching: a handler of ``resume``, ``(on tag label)`` or ``(on tag switch)``."""

    tag: int
    label: int | None

    def __str__(self) -> str:
        return f"(on {self.tag} {'switch' if self.label is None else self.label})"


def _read_handler(reader: Reader) -> Handler:
    start = reader.pos
    code = reader.byte()
    if code > 1:
        raise reader.error("malformed on clause", start)
    return Handler(reader.u32(), None if code else reader.u32())


def _write_handler(writer: Writer, handler: Handler) -> None:
    writer.byte(handler.label is None)
    writer.unsigned(handler.tag)
    if handler.label is not None:
        writer.unsigned(handler.label)


HANDLERS = _vector(
    "handlers",
    read=_read_handler,
    write=_write_handler,
    show=_show_spaced,
    sample=lambda random: Handler(_sample_u32(random), random.choice((None, _sample_u32(random)))),
    space="label",
    spaces=_TAGS_AND_LABELS,
)

BY_NAME: dict[str, Kind[Any]] = {
    value.name: value for value in tuple(globals().values()) if isinstance(value, Kind)
}
"""Every kind by its name."""

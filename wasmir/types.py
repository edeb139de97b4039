"""The types of the specification as frozen values, equal by value.

A concrete heap type refers to an entry of the module's type section. As read from bytes it is the
plain type index; inside the IR it is the entity itself (a :class:`Defined`), so that nothing goes
stale when indices move.

Source: specification, "Types" (Structure and Binary Format); the proposals custom-descriptors,
stack-switching, threads, custom-page-sizes, memory64 for what each adds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from wasmir.wire import Reader, encode_signed, encode_unsigned

__all__ = [
    "ANYREF",
    "EXNREF",
    "EXTERNREF",
    "F32",
    "F64",
    "FUNCREF",
    "I32",
    "I64",
    "V128",
    "AbstractHeap",
    "ArrayType",
    "CompositeType",
    "Concrete",
    "ContType",
    "Defined",
    "FieldType",
    "FuncType",
    "GlobalType",
    "HeapType",
    "Limits",
    "MemoryType",
    "NumType",
    "PackedType",
    "RefType",
    "StorageType",
    "StructType",
    "SubType",
    "TableType",
    "ValType",
]


class Defined:
    """Base of the entity that a concrete heap type refers to; equal by identity."""

    __slots__ = ()


class NumType(Enum):
    """Number and vector types; the value is the encoding."""

    I32 = 0x7F
    I64 = 0x7E
    F32 = 0x7D
    F64 = 0x7C
    V128 = 0x7B

    def __str__(self) -> str:
        return self.name.lower()


I32 = NumType.I32
I64 = NumType.I64
F32 = NumType.F32
F64 = NumType.F64
V128 = NumType.V128


class PackedType(Enum):
    """Packed storage types of structs and arrays."""

    I8 = 0x78
    I16 = 0x77

    def __str__(self) -> str:
        return self.name.lower()


class AbstractHeap(Enum):
    """Abstract heap types; the value is the encoding, as a byte of a negative s33."""

    ANY = 0x6E
    EQ = 0x6D
    I31 = 0x6C
    STRUCT = 0x6B
    ARRAY = 0x6A
    NONE = 0x71
    FUNC = 0x70
    NOFUNC = 0x73
    EXTERN = 0x6F
    NOEXTERN = 0x72
    EXN = 0x69
    NOEXN = 0x74
    CONT = 0x68
    NOCONT = 0x75

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Concrete:
    """A heap type from the type section: an index (as read) or the entity (in the IR).

    ``exact`` is custom-descriptors' ``(exact $t)``.
    """

    type: int | Defined
    exact: bool = False

    def __str__(self) -> str:
        shown = str(self.type)
        return f"(exact {shown})" if self.exact else shown


HeapType: TypeAlias = AbstractHeap | Concrete


_SHORTHAND = {
    AbstractHeap.NONE: "nullref",
    AbstractHeap.NOFUNC: "nullfuncref",
    AbstractHeap.NOEXTERN: "nullexternref",
    AbstractHeap.NOEXN: "nullexnref",
    AbstractHeap.NOCONT: "nullcontref",
}


@dataclass(frozen=True, slots=True)
class RefType:
    """``(ref null? heap)``. Nullable abstract ones have a one-byte shorthand, which is used."""

    nullable: bool
    heap: HeapType

    def __str__(self) -> str:
        if self.nullable and isinstance(self.heap, AbstractHeap):
            return _SHORTHAND.get(self.heap, f"{self.heap}ref")
        return f"(ref {'null ' if self.nullable else ''}{self.heap})"


FUNCREF = RefType(True, AbstractHeap.FUNC)
EXTERNREF = RefType(True, AbstractHeap.EXTERN)
ANYREF = RefType(True, AbstractHeap.ANY)
EXNREF = RefType(True, AbstractHeap.EXN)

ValType: TypeAlias = NumType | RefType
StorageType: TypeAlias = NumType | RefType | PackedType


@dataclass(frozen=True, slots=True)
class FieldType:
    """A struct's field, or an array's element."""

    storage: StorageType
    mutable: bool

    def __str__(self) -> str:
        return f"(mut {self.storage})" if self.mutable else str(self.storage)


@dataclass(frozen=True, slots=True)
class FuncType:
    params: tuple[ValType, ...] = ()
    results: tuple[ValType, ...] = ()

    def __str__(self) -> str:
        params = " ".join(map(str, self.params))
        results = " ".join(map(str, self.results))
        return f"[{params}] -> [{results}]"


@dataclass(frozen=True, slots=True)
class StructType:
    fields: tuple[FieldType, ...]


@dataclass(frozen=True, slots=True)
class ArrayType:
    field: FieldType


@dataclass(frozen=True, slots=True)
class ContType:
    """stack-switching: a continuation of a function type."""

    type: Concrete


CompositeType: TypeAlias = FuncType | StructType | ArrayType | ContType


@dataclass(frozen=True, slots=True)
class SubType:
    """One entry of a recursive group; ``describes`` and ``descriptor`` are custom-descriptors'."""

    composite: CompositeType
    final: bool = True
    supertypes: tuple[int | Defined, ...] = ()
    describes: int | Defined | None = None
    descriptor: int | Defined | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds in pages (memories) or elements (tables).

    ``address`` is the address type (memory64); ``page_size_log2`` is custom-page-sizes'.
    """

    minimum: int
    maximum: int | None = None
    address: NumType = NumType.I32
    shared: bool = False
    page_size_log2: int | None = None


@dataclass(frozen=True, slots=True)
class TableType:
    element: RefType
    limits: Limits


@dataclass(frozen=True, slots=True)
class MemoryType:
    limits: Limits


@dataclass(frozen=True, slots=True)
class GlobalType:
    type: ValType
    mutable: bool


def encode_heap(heap: HeapType, index_of: dict[Defined, int] | None = None) -> bytes:
    """The binary form of a heap type; ``index_of`` numbers the entities."""
    if isinstance(heap, AbstractHeap):
        return heap.value.to_bytes(1, "little")
    if isinstance(heap.type, int):
        index = heap.type
    elif index_of is None:
        raise ValueError(f"{heap} has no index here")
    else:
        index = index_of[heap.type]
    return b"\x62" + encode_unsigned(index) if heap.exact else encode_signed(index)


def encode_value_type(type_: StorageType, index_of: dict[Defined, int] | None = None) -> bytes:
    """The binary form of a value, reference or packed type, shorthands used."""
    if not isinstance(type_, RefType):
        return bytes((type_.value,))
    heap = encode_heap(type_.heap, index_of)
    if type_.nullable:
        return heap if isinstance(type_.heap, AbstractHeap) else b"\x63" + heap
    return b"\x64" + heap


_NUMBERS = {type_.value: type_ for type_ in NumType}
_PACKED = {type_.value: type_ for type_ in PackedType}
_HEAPS = {heap.value: heap for heap in AbstractHeap}
_SHORT_REFS = {heap.value: RefType(True, heap) for heap in AbstractHeap}


def decode_heap(reader: Reader) -> HeapType:
    """Mirrors :func:`encode_heap`; concrete types come as indices."""
    start = reader.pos
    first = reader.peek()
    if (abstract := _HEAPS.get(first)) is not None:
        reader.pos += 1
        return abstract
    if first == 0x62:
        reader.pos += 1
        return Concrete(reader.u32(), exact=True)
    index = reader.s33()
    if index < 0:
        raise reader.error("malformed heap type", start)
    return Concrete(index)


def decode_ref_type(reader: Reader) -> RefType:
    start = reader.pos
    first = reader.byte()
    if (short := _SHORT_REFS.get(first)) is not None:
        return short
    if first in (0x63, 0x64):
        return RefType(first == 0x63, decode_heap(reader))
    raise reader.error("malformed reference type", start)


def decode_value_type(reader: Reader) -> ValType:
    """Mirrors :func:`encode_value_type`, but for packed types."""
    first = reader.peek()
    if (number := _NUMBERS.get(first)) is not None:
        reader.pos += 1
        return number
    if first in _SHORT_REFS or first in (0x63, 0x64):
        return decode_ref_type(reader)
    raise reader.error("malformed value type")


def decode_storage_type(reader: Reader) -> StorageType:
    """Mirrors :func:`encode_value_type`."""
    first = reader.peek()
    if (packed := _PACKED.get(first)) is not None:
        reader.pos += 1
        return packed
    if first in _NUMBERS or first in _SHORT_REFS or first in (0x63, 0x64):
        return decode_value_type(reader)
    raise reader.error("malformed storage type")

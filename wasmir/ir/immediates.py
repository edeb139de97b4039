"""Immediates as people write them, checked and made into what an instruction holds."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from wasmir.ir.code import BlockType, Clause, Label, Node, On
from wasmir.ir.space import Entity
from wasmir.ir.type import Type
from wasmir.isa import kinds
from wasmir.isa.kinds import MemArg
from wasmir.types import AbstractHeap, Concrete, HeapType, NumType, RefType

if TYPE_CHECKING:
    from collections.abc import Callable

    from wasmir.ir.module import Module
    from wasmir.isa.table import Row
    from wasmir.types import ValType

__all__ = [
    "Where",
    "block_type",
    "checker",
    "entity_module",
    "floating",
    "label",
    "memarg",
    "ref_type",
]


class Where(NamedTuple):
    """What an error message names: the instruction, and which of its immediates."""

    row: Row
    name: str

    def wrong_type(self, expected: str, value: object) -> TypeError:
        simple = value is None or isinstance(value, (int, float, str, bytes))
        shown = f"{value!r:.40}" if simple else f"an object of type {type(value).__name__}"
        return TypeError(f"{self.row.name}: {self.name} must be {expected}, not {shown}")

    def wrong_value(self, expected: str, value: object) -> ValueError:
        return ValueError(f"{self.row.name}: {self.name} must be {expected}, not {value!r:.60}")


def _integer(where: Where, value: object, low: int, high: int, what: str = "an integer") -> int:
    """A plain integer: a truth value or a float with an integral value is a mistake here."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise where.wrong_type(what, value)
    if not low <= value <= high:
        raise where.wrong_value(f"from {low} to {high}", value)
    return int(value)


_U32 = (1 << 32) - 1
_U64 = (1 << 64) - 1


def _u32(where: Where, value: object) -> int:
    return _integer(where, value, 0, _U32)


def _const(bits: int) -> Callable[[Where, object], int]:
    half, whole = 1 << (bits - 1), 1 << bits

    def check(where: Where, value: object) -> int:
        number = _integer(where, value, -half, whole - 1)
        return number - whole if number >= half else number

    return check


_FORMATS = {kinds.F32: ("<f", "<I", 32, 23), kinds.F64: ("<d", "<Q", 64, 52)}


def floating(where: Where, kind: kinds.Kind[Any], value: object, bits: object) -> int:
    """The bit pattern of a float, which is rounded to the nearest, ties to even, as in WAT."""
    packing, unpacking, width, fraction_bits = _FORMATS[kind]
    if bits is not None:
        if value is not None:
            raise TypeError(f"{where.row.name}: {where.name} or bits, not both")
        return _integer(Where(where.row, "bits"), bits, 0, (1 << width) - 1)
    if not isinstance(value, float):
        # An integer could be meant as a number or as a bit pattern.
        raise where.wrong_type("a float, or its bit pattern given as bits=", value)
    double: int = struct.unpack("<Q", struct.pack("<d", value))[0]
    if value != value and width == 32:  # noqa: PLR0124 - only NaNs aren't equal to themselves
        # Converting could make a signalling NaN quiet; the payload's upper bits are taken instead.
        payload = (double & ((1 << 52) - 1)) >> (52 - fraction_bits)
        if not payload:
            raise where.wrong_value("a NaN whose payload fits, or given as bits=", f"{double:#x}")
        return double >> 63 << 31 | 0x7F80_0000 | payload
    try:
        pattern: int = struct.unpack(unpacking, struct.pack(packing, value))[0]
    except OverflowError:
        raise where.wrong_value(f"in the range of {kind.name}", value) from None
    return pattern


def memarg(
    row: Row, kind: kinds.Kind[Any], offset: object, align: object, memory: object
) -> MemArg:
    """``align`` is in bytes; ``None`` is the natural alignment."""
    natural = kind.bound
    if align is None:
        log2 = 0 if natural is None else natural
    else:
        where = Where(row, "align")
        size = _integer(where, align, 1, 1 << 63)
        log2 = size.bit_length() - 1
        if size != 1 << log2:
            raise where.wrong_value("a power of two", size)
        if natural is not None and log2 > natural:
            raise where.wrong_value(f"at most {1 << natural}, the natural alignment", size)
    # An entity, in the end; the dataclass says int for what is on the wire.
    place: Any = _entity("memory")(Where(row, "memory"), memory)
    return MemArg(log2, _integer(Where(row, "offset"), offset, 0, _U64), place)


def _lanes(where: Where, value: object) -> bytes:
    if not isinstance(value, Iterable) or isinstance(value, str):
        raise where.wrong_type("16 lane indices", value)
    lanes = [_integer(where, lane, 0, 31, "lane indices, integers") for lane in value]
    if len(lanes) != 16:
        raise where.wrong_value("16 lane indices", lanes)
    return bytes(lanes)


def _v128(where: Where, value: object) -> bytes:
    if not isinstance(value, (bytes, bytearray)):
        raise where.wrong_type("16 bytes, the lowest first", value)
    if len(value) != 16:
        raise where.wrong_value("16 bytes", bytes(value))
    return bytes(value)


# What has a name in the module


_ENTITIES = {
    "func": "a Function, as in module.functions",
    "table": "a Table, as in module.tables, or 0 for the first",
    "memory": "a Memory, as in module.memories, or 0 for the first",
    "tag": "a Tag, as in module.tags",
    "global": "a Global, as in module.globals",
    "elem": "an Element, as in module.elements",
    "data": "a Data, as in module.data",
    "type": "a Type, as in module.types or from module.func_type(params, results)",
}
_OR_FIRST = ("table", "memory")


def _entity(space: str) -> Callable[[Where, object], Any]:
    """No indices: they go stale. But one that WAT leaves out needs no module to name it."""

    def check(where: Where, value: object) -> Any:
        if isinstance(value, Entity) and value.space == space:
            return value
        if type(value) is int and value == 0 and space in _OR_FIRST:
            return 0
        raise where.wrong_type(_ENTITIES[space], value)

    return check


def label(where: Where, value: object) -> Label:
    if not isinstance(value, Label):
        raise where.wrong_type("the block that is branched to, or the Body: no depth", value)
    return value


def _all_of(where: Where, values: object, cls: type[Any], expected: str) -> list[Any]:
    # A body can be iterated, too, and is one label.
    if not isinstance(values, Iterable) or isinstance(values, (str, bytes, Node)):
        raise where.wrong_type(expected, values)
    found = list(values)
    for value in found:
        if not isinstance(value, cls):
            raise where.wrong_type(expected, value)
    return found


def _labels(where: Where, value: object) -> tuple[Label, ...]:
    labels = _all_of(
        where, value, Label, "labels (blocks or the Body), of which the last is default"
    )
    if not labels:
        raise ValueError(f"{where.row.name}: {where.name} must end with the default label")
    return tuple(labels)


def _clauses(where: Where, value: object) -> list[Clause]:
    return _all_of(where, value, Clause, "catch clauses, as Clause objects of the tree")


def _handlers(where: Where, value: object) -> list[On]:
    return _all_of(where, value, On, "handlers, as On objects of the tree")


# Types


def _heap(where: Where, value: object) -> HeapType:
    if isinstance(value, Type):
        return Concrete(value)
    if isinstance(value, AbstractHeap) or (
        isinstance(value, Concrete) and isinstance(value.type, Type)
    ):
        return value
    raise where.wrong_type("a heap type: AbstractHeap, or Concrete of a Type of the module", value)


def ref_type(where: Where, value: object) -> RefType:
    """A reference type, whose heap type names no index."""
    if not isinstance(value, RefType):
        raise where.wrong_type("a RefType", value)
    _heap(where, value.heap)
    return value


def _ref(nullable: bool) -> Callable[[Where, object], RefType]:
    def check(where: Where, value: object) -> RefType:
        if not isinstance(value, RefType):
            return RefType(nullable, _heap(where, value))
        if value.nullable != nullable:
            base = where.row.mnemonic
            state, other = ("not ", base) if nullable else ("", f"{base}_null")
            raise ValueError(
                f"{where.row.name}: {where.name} {value} is {state}nullable; that is ops.{other}"
            )
        return ref_type(where, value)

    return check


def _value_type(where: Where, value: object) -> ValType:
    if isinstance(value, NumType):
        return value
    if not isinstance(value, RefType):
        raise where.wrong_type("value types, NumType or RefType", value)
    return ref_type(where, value)


def _value_types(where: Where, value: object) -> tuple[ValType, ...]:
    types = _all_of(where, value, object, "value types, NumType or RefType")
    return tuple([_value_type(where, each) for each in types])


# Those that no module is needed for, one object of each.
_SHORT: dict[ValType | None, BlockType] = {}


def block_type(where: Where, value: object) -> BlockType:
    """The short forms need no module, so they can stand in any."""
    if isinstance(value, BlockType):
        return value
    if value is not None and not isinstance(value, (NumType, RefType)):
        raise where.wrong_type(
            "None, a value type (NumType or RefType), or a BlockType; one with parameters or "
            "several results is module.block_type(params, results)",
            value,
        )
    if isinstance(value, RefType):
        ref_type(where, value)
    results = () if value is None else (value,)
    if entity_module(results) is not None:
        # Not to be kept: it would keep its module.
        return BlockType((), results)
    return _SHORT.setdefault(value, BlockType((), results))


_CHECKS: dict[str, Callable[[Where, Any], Any]] = {
    "i32": _const(32),
    "i64": _const(64),
    "v128": _v128,
    "shuffle": _lanes,
    "local": _u32,
    "field": _u32,
    "count": _u32,
    **{space: _entity(space) for space in _ENTITIES},
    "type-use": _entity("type"),
    "label": label,
    "labels": _labels,
    "catches": _clauses,
    "handlers": _handlers,
    "heap": _heap,
    "ref": _ref(nullable=False),
    "ref-null": _ref(nullable=True),
    "value-types": _value_types,
    "block-type": block_type,
    "zero": lambda _where, _value: 0,
}


def checker(kind: kinds.Kind[Any]) -> Callable[[Where, object], Any]:
    """What makes that which an instruction holds of what is given for an immediate.

    It raises TypeError for the wrong sort of thing, ValueError for what is out of range.
    """
    if kind.name.startswith("lane"):
        last = (kind.bound or 0) - 1
        return lambda where, value: _integer(where, value, 0, last)
    return _CHECKS[kind.name]


def entity_module(values: Iterable[Any]) -> Module | None:
    """The module of the entities among the values and in them; ``None`` if there are none.

    Raises ValueError for entities of several modules.
    """
    found: Module | None = None
    for entity in filter(lambda each: isinstance(each, Entity), map(_entity_in, values)):
        module = entity.module
        if found is not None and module is not found:
            raise ValueError(f"{entity!r} is part of another module than what it stands with")
        found = module
    return found


def _entity_in(value: Any) -> Any:
    if isinstance(value, RefType):
        value = value.heap
    if isinstance(value, Concrete):
        return value.type
    return value.memory if isinstance(value, MemArg) else value

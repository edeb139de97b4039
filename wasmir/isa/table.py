"""The table: all that wasmir knows about each instruction, one row apiece.

Sources: specification 3.0, Binary Format, "Instructions", and its appendix "Index of Instructions";
for what isn't in 3.0 the overviews of the proposals, which the headings in the table name.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from wasmir.features import (
    BULK_MEMORY,
    CUSTOM_DESCRIPTORS,
    EXCEPTIONS,
    FP16,
    FUNCTION_REFERENCES,
    GC,
    LEGACY_EXCEPTIONS,
    MVP,
    REFERENCE_TYPES,
    RELAXED_SIMD,
    SATURATING_FLOAT_TO_INT,
    SIGN_EXTENSION,
    SIMD,
    STACK_SWITCHING,
    TAIL_CALL,
    THREADS,
    WIDE_ARITHMETIC,
)
from wasmir.isa.kinds import BY_NAME as KINDS
from wasmir.types import AbstractHeap, NumType, RefType
from wasmir.wire import encode_unsigned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wasmir.features import Feature
    from wasmir.isa.kinds import Kind
    from wasmir.types import ValType

__all__ = [
    "BY_CODE",
    "BY_NAME",
    "PREFIXES",
    "ROWS",
    "AddressOf",
    "Immediate",
    "Row",
    "StackEntry",
    "Trait",
]


class Trait(Enum):
    """What is true of an instruction whatever surrounds it."""

    OPENS = "opens a block, which an instruction that CLOSES ends"
    SEPARATES = "ends one part of a block and begins the next: else, catch, catch_all"
    CLOSES = "ends a block: end, delegate"
    BRANCHES = "has labels among its immediates; so a delegate and a rethrow have this too"
    TERMINATES = "control never reaches what follows, so the stack is polymorphic there"
    CALLS = "other code runs before the next instruction does, and may do anything, throw included"
    THROWS = "may throw in its own name; what a callee throws is a matter of CALLS"
    LOADS = "reads a linear memory"
    STORES = "writes a linear memory"
    ATOMIC = "an atomic access, whose alignment must be exactly the natural one, or a fence"
    CONSTANT = "may stand in a constant expression (global.get: of an immutable global)"

    # Enum's own hash goes through Python code and the name; there is one object of each.
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"Trait.{self.name}"


OPENS = Trait.OPENS
SEPARATES = Trait.SEPARATES
CLOSES = Trait.CLOSES
BRANCHES = Trait.BRANCHES
TERMINATES = Trait.TERMINATES
CALLS = Trait.CALLS
THROWS = Trait.THROWS
LOADS = Trait.LOADS
STORES = Trait.STORES
ATOMIC = Trait.ATOMIC
CONSTANT = Trait.CONSTANT


@dataclass(frozen=True, slots=True)
class AddressOf:
    """In a stack type: the address type of the memory or table that an immediate names.

    ``immediates`` are positions in ``Row.immediates``. Of two, it is the smaller address type: i64
    if both are, as the length of ``memory.copy`` has it.
    """

    immediates: tuple[int, ...]

    def __str__(self) -> str:
        return "@" + "&".join(map(str, self.immediates))


StackEntry: TypeAlias = "ValType | AddressOf"


@dataclass(frozen=True, slots=True)
class Immediate:
    """A named immediate. No two of a row have the same name."""

    name: str
    kind: Kind[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One instruction. Rows are equal by identity: there is one of each.

    ``name`` is the mnemonic, followed by a word where two opcodes share one (``select t``,
    ``ref.test null``, ``ref.cast null``, ``ref.cast_desc_eq null``), so that it is unique.
    Either ``params`` and ``results`` say the stack type, or ``rule`` names the validation rule that
    works it out from the context.
    """

    prefix: int
    number: int
    name: str
    immediates: tuple[Immediate, ...]
    params: tuple[StackEntry, ...] | None
    results: tuple[StackEntry, ...] | None
    rule: str | None
    traits: frozenset[Trait]
    proposal: Feature
    opcode: bytes

    @property
    def mnemonic(self) -> str:
        """What WAT calls it."""
        return self.name.partition(" ")[0]

    def operands(self, values: tuple[Any, ...]) -> str:
        """The immediates as WAT has them, with raw indices, after the mnemonic."""
        arrange = _ARRANGED.get(self.name)
        if arrange is not None:
            return arrange(self, values)
        return _join(
            immediate.kind.show(value)
            for immediate, value in zip(self.immediates, values, strict=True)
        )

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<row {self.name}>"

    def __reduce__(self) -> tuple[Callable[[int, int], Row], tuple[int, int]]:
        # Copying and pickling keep the identity.
        return _by_code, (self.prefix, self.number)


def _by_code(prefix: int, number: int) -> Row:
    return BY_CODE[prefix, number]


# Where WAT doesn't have the immediates in wire order


def _join(shown: Iterable[str]) -> str:
    return " ".join(filter(None, shown))


def _swapped(row: Row, values: tuple[Any, ...]) -> str:
    """``memory.init $memory $data``, but on the wire the data index comes first."""
    first, second = row.immediates
    return _join((second.kind.show(values[1]), first.kind.show(values[0])))


def _cast(_row: Row, values: tuple[Any, ...]) -> str:
    """``br_on_cast $label (ref null $source) (ref $target)``, of which flags say the ``null``."""
    flags, label, source, target = values
    return f"{label} {RefType(bool(flags & 1), source)} {RefType(bool(flags & 2), target)}"


_ARRANGED: dict[str, Callable[[Row, tuple[Any, ...]], str]] = {
    "call_indirect": _swapped,
    "return_call_indirect": _swapped,
    "memory.init": _swapped,
    "table.init": _swapped,
    "br_on_cast": _cast,
    "br_on_cast_fail": _cast,
    "br_on_cast_desc_eq": _cast,
    "br_on_cast_desc_eq_fail": _cast,
}


# How rows are spelled below

_ENTRIES: dict[str, StackEntry] = {
    **{str(type_): type_ for type_ in NumType},
    "eqref": RefType(True, AbstractHeap.EQ),
    "i31ref": RefType(True, AbstractHeap.I31),
    "(i31)": RefType(False, AbstractHeap.I31),
    "arrayref": RefType(True, AbstractHeap.ARRAY),
    "@0": AddressOf((0,)),
    "@1": AddressOf((1,)),
    "@0&1": AddressOf((0, 1)),
}

_Entries: TypeAlias = "tuple[StackEntry, ...] | None"


@cache
def _stack_type(spelled: str) -> tuple[_Entries, _Entries, str | None]:
    """Parameters, results and rule; ``spelled`` is a stack type if it has an arrow."""
    before, arrow, after = spelled.partition("->")
    if not arrow:
        return None, None, spelled
    params = tuple(_ENTRIES[entry] for entry in before.split())
    return params, tuple(_ENTRIES[entry] for entry in after.split()), None


@cache
def _immediates(spelled: str) -> tuple[Immediate, ...]:
    """``name:kind``, or just the kind where the name is the same."""
    immediates = []
    for word in spelled.split():
        name, _, kind = word.partition(":")
        immediates.append(Immediate(name, KINDS[kind or name]))
    return tuple(immediates)


@cache
def _traits(*traits: Trait) -> frozenset[Trait]:
    return frozenset(traits)


def _r(
    prefix: int,
    number: int,
    name: str,
    immediates: str,
    type_: str,
    proposal: Feature,
    *traits: Trait,
) -> Row:
    if not prefix:
        opcode = bytes((number,))
    elif number < 0x80:
        opcode = bytes((prefix, number))
    else:
        opcode = bytes((prefix,)) + encode_unsigned(number)
    return Row(
        prefix,
        number,
        name,
        _immediates(immediates),
        *_stack_type(type_),
        _traits(*traits),
        proposal,
        opcode,
    )


# Prefix (0 for none), number, name, immediates, stack type or rule, proposal, traits.
# fmt: off
ROWS: tuple[Row, ...] = (
    # Control
    _r(0x00, 0x00, "unreachable", "", "unreachable", MVP, TERMINATES),
    _r(0x00, 0x01, "nop", "", "->", MVP),
    _r(0x00, 0x02, "block", "type:block-type", "block", MVP, OPENS),
    _r(0x00, 0x03, "loop", "type:block-type", "loop", MVP, OPENS),
    _r(0x00, 0x04, "if", "type:block-type", "if", MVP, OPENS),
    _r(0x00, 0x05, "else", "", "else", MVP, SEPARATES),
    _r(0x00, 0x06, "try", "type:block-type", "try", LEGACY_EXCEPTIONS, OPENS),
    _r(0x00, 0x07, "catch", "tag", "catch", LEGACY_EXCEPTIONS, SEPARATES),
    _r(0x00, 0x08, "throw", "tag", "throw", EXCEPTIONS, TERMINATES, THROWS),
    _r(0x00, 0x09, "rethrow", "label", "rethrow", LEGACY_EXCEPTIONS, TERMINATES, THROWS, BRANCHES),
    _r(0x00, 0x0A, "throw_ref", "", "throw_ref", EXCEPTIONS, TERMINATES, THROWS),
    _r(0x00, 0x0B, "end", "", "end", MVP, CLOSES),
    _r(0x00, 0x0C, "br", "label", "br", MVP, BRANCHES, TERMINATES),
    _r(0x00, 0x0D, "br_if", "label", "br_if", MVP, BRANCHES),
    _r(0x00, 0x0E, "br_table", "labels", "br_table", MVP, BRANCHES, TERMINATES),
    _r(0x00, 0x0F, "return", "", "return", MVP, TERMINATES),
    _r(0x00, 0x10, "call", "func", "call", MVP, CALLS),
    _r(0x00, 0x11, "call_indirect", "type:type-use table", "call_indirect", MVP, CALLS),
    _r(0x00, 0x12, "return_call", "func", "return_call", TAIL_CALL, CALLS, TERMINATES),
    _r(
        0x00, 0x13, "return_call_indirect", "type:type-use table", "return_call_indirect",
        TAIL_CALL, CALLS, TERMINATES,
    ),
    _r(0x00, 0x14, "call_ref", "type", "call_ref", FUNCTION_REFERENCES, CALLS),
    _r(
        0x00, 0x15, "return_call_ref", "type", "return_call_ref", FUNCTION_REFERENCES,
        CALLS, TERMINATES,
    ),
    _r(0x00, 0x18, "delegate", "label", "delegate", LEGACY_EXCEPTIONS, CLOSES, BRANCHES),
    _r(0x00, 0x19, "catch_all", "", "catch_all", LEGACY_EXCEPTIONS, SEPARATES),
    _r(
        0x00, 0x1F, "try_table", "type:block-type catches", "try_table", EXCEPTIONS,
        OPENS, BRANCHES,
    ),
    # Parametric
    _r(0x00, 0x1A, "drop", "", "drop", MVP),
    _r(0x00, 0x1B, "select", "", "select", MVP),
    _r(0x00, 0x1C, "select t", "types:value-types", "select_t", REFERENCE_TYPES),
    # Variables
    _r(0x00, 0x20, "local.get", "local", "local_get", MVP),
    _r(0x00, 0x21, "local.set", "local", "local_set", MVP),
    _r(0x00, 0x22, "local.tee", "local", "local_tee", MVP),
    _r(0x00, 0x23, "global.get", "global", "global_get", MVP, CONSTANT),
    _r(0x00, 0x24, "global.set", "global", "global_set", MVP),
    _r(0x00, 0x25, "table.get", "table", "table_get", REFERENCE_TYPES),
    _r(0x00, 0x26, "table.set", "table", "table_set", REFERENCE_TYPES),
    # Memory
    _r(0x00, 0x28, "i32.load", "memarg:memarg2", "@0 -> i32", MVP, LOADS),
    _r(0x00, 0x29, "i64.load", "memarg:memarg3", "@0 -> i64", MVP, LOADS),
    _r(0x00, 0x2A, "f32.load", "memarg:memarg2", "@0 -> f32", MVP, LOADS),
    _r(0x00, 0x2B, "f64.load", "memarg:memarg3", "@0 -> f64", MVP, LOADS),
    _r(0x00, 0x2C, "i32.load8_s", "memarg:memarg0", "@0 -> i32", MVP, LOADS),
    _r(0x00, 0x2D, "i32.load8_u", "memarg:memarg0", "@0 -> i32", MVP, LOADS),
    _r(0x00, 0x2E, "i32.load16_s", "memarg:memarg1", "@0 -> i32", MVP, LOADS),
    _r(0x00, 0x2F, "i32.load16_u", "memarg:memarg1", "@0 -> i32", MVP, LOADS),
    _r(0x00, 0x30, "i64.load8_s", "memarg:memarg0", "@0 -> i64", MVP, LOADS),
    _r(0x00, 0x31, "i64.load8_u", "memarg:memarg0", "@0 -> i64", MVP, LOADS),
    _r(0x00, 0x32, "i64.load16_s", "memarg:memarg1", "@0 -> i64", MVP, LOADS),
    _r(0x00, 0x33, "i64.load16_u", "memarg:memarg1", "@0 -> i64", MVP, LOADS),
    _r(0x00, 0x34, "i64.load32_s", "memarg:memarg2", "@0 -> i64", MVP, LOADS),
    _r(0x00, 0x35, "i64.load32_u", "memarg:memarg2", "@0 -> i64", MVP, LOADS),
    _r(0x00, 0x36, "i32.store", "memarg:memarg2", "@0 i32 ->", MVP, STORES),
    _r(0x00, 0x37, "i64.store", "memarg:memarg3", "@0 i64 ->", MVP, STORES),
    _r(0x00, 0x38, "f32.store", "memarg:memarg2", "@0 f32 ->", MVP, STORES),
    _r(0x00, 0x39, "f64.store", "memarg:memarg3", "@0 f64 ->", MVP, STORES),
    _r(0x00, 0x3A, "i32.store8", "memarg:memarg0", "@0 i32 ->", MVP, STORES),
    _r(0x00, 0x3B, "i32.store16", "memarg:memarg1", "@0 i32 ->", MVP, STORES),
    _r(0x00, 0x3C, "i64.store8", "memarg:memarg0", "@0 i64 ->", MVP, STORES),
    _r(0x00, 0x3D, "i64.store16", "memarg:memarg1", "@0 i64 ->", MVP, STORES),
    _r(0x00, 0x3E, "i64.store32", "memarg:memarg2", "@0 i64 ->", MVP, STORES),
    _r(0x00, 0x3F, "memory.size", "memory", "-> @0", MVP),
    _r(0x00, 0x40, "memory.grow", "memory", "@0 -> @0", MVP),
    # Numeric
    _r(0x00, 0x41, "i32.const", "value:i32", "-> i32", MVP, CONSTANT),
    _r(0x00, 0x42, "i64.const", "value:i64", "-> i64", MVP, CONSTANT),
    _r(0x00, 0x43, "f32.const", "value:f32", "-> f32", MVP, CONSTANT),
    _r(0x00, 0x44, "f64.const", "value:f64", "-> f64", MVP, CONSTANT),
    _r(0x00, 0x45, "i32.eqz", "", "i32 -> i32", MVP),
    _r(0x00, 0x46, "i32.eq", "", "i32 i32 -> i32", MVP),
    _r(0x00, 0x47, "i32.ne", "", "i32 i32 -> i32", MVP),
    _r(0x00, 0x48, "i32.lt_s", "", "i32 i32 -> i32", MVP),
    _r(0x00, 0x49, "i32.lt_u", "", "i32 i32 -> i32", MVP),
    _r(0x00, 0x4A, "i32.gt_s", "", "i32 i32 -> i32", MVP),
    _r(0x00, 0x4B, "i32.gt_u", "", "i32 i32 -> i32", MVP),
    _r(0x00, 0x4C, "i32.le_s", "", "i32 i32 -> i32", MVP),
    _r(0x00, 0x4D, "i32.le_u", "", "i32 i32 -> i32", MVP),
    _r(0x00, 0x4E, "i32.ge_s", "", "i32 i32 -> i32", MVP),
    _r(0x00, 0x4F, "i32.ge_u", "", "i32 i32 -> i32", MVP),
    _r(0x00, 0x50, "i64.eqz", "", "i64 -> i32", MVP),
    _r(0x00, 0x51, "i64.eq", "", "i64 i64 -> i32", MVP),
    _r(0x00, 0x52, "i64.ne", "", "i64 i64 -> i32", MVP),
    _r(0x00, 0x53, "i64.lt_s", "", "i64 i64 -> i32", MVP),
    _r(0x00, 0x54, "i64.lt_u", "", "i64 i64 -> i32", MVP),
    _r(0x00, 0x55, "i64.gt_s", "", "i64 i64 -> i32", MVP),
    _r(0x00, 0x56, "i64.gt_u", "", "i64 i64 -> i32", MVP),
    _r(0x00, 0x57, "i64.le_s", "", "i64 i64 -> i32", MVP),
    _r(0x00, 0x58, "i64.le_u", "", "i64 i64 -> i32", MVP),
    _r(0x00, 0x59, "i64.ge_s", "", "i64 i64 -> i32", MVP),
    _r(0x00, 0x5A, "i64.ge_u", "", "i64 i64 -> i32", MVP),
    _r(0x00, 0x5B, "f32.eq", "", "f32 f32 -> i32", MVP),
    _r(0x00, 0x5C, "f32.ne", "", "f32 f32 -> i32", MVP),
    _r(0x00, 0x5D, "f32.lt", "", "f32 f32 -> i32", MVP),
    _r(0x00, 0x5E, "f32.gt", "", "f32 f32 -> i32", MVP),
    _r(0x00, 0x5F, "f32.le", "", "f32 f32 -> i32", MVP),
    _r(0x00, 0x60, "f32.ge", "", "f32 f32 -> i32", MVP),
    _r(0x00, 0x61, "f64.eq", "", "f64 f64 -> i32", MVP),
    _r(0x00, 0x62, "f64.ne", "", "f64 f64 -> i32", MVP),
    _r(0x00, 0x63, "f64.lt", "", "f64 f64 -> i32", MVP),
    _r(0x00, 0x64, "f64.gt", "", "f64 f64 -> i32", MVP),
    _r(0x00, 0x65, "f64.le", "", "f64 f64 -> i32", MVP),
    _r(0x00, 0x66, "f64.ge", "", "f64 f64 -> i32", MVP),
    _r(0x00, 0x67, "i32.clz", "", "i32 -> i32", MVP),
    _r(0x00, 0x68, "i32.ctz", "", "i32 -> i32", MVP),
    _r(0x00, 0x69, "i32.popcnt", "", "i32 -> i32", MVP),
    _r(0x00, 0x6A, "i32.add", "", "i32 i32 -> i32", MVP, CONSTANT),
    _r(0x00, 0x6B, "i32.sub", "", "i32 i32 -> i32", MVP, CONSTANT),
    _r(0x00, 0x6C, "i32.mul", "", "i32 i32 -> i32", MVP, CONSTANT),
    _r(0x00, 0x6D, "i32.div_s", "", "i32 i32 -> i32", MVP),
    _r(0x00, 0x6E, "i32.div_u", "", "i32 i32 -> i32", MVP),
    _r(0x00, 0x6F, "i32.rem_s", "", "i32 i32 -> i32", MVP),
    _r(0x00, 0x70, "i32.rem_u", "", "i32 i32 -> i32", MVP),
    _r(0x00, 0x71, "i32.and", "", "i32 i32 -> i32", MVP),
    _r(0x00, 0x72, "i32.or", "", "i32 i32 -> i32", MVP),
    _r(0x00, 0x73, "i32.xor", "", "i32 i32 -> i32", MVP),
    _r(0x00, 0x74, "i32.shl", "", "i32 i32 -> i32", MVP),
    _r(0x00, 0x75, "i32.shr_s", "", "i32 i32 -> i32", MVP),
    _r(0x00, 0x76, "i32.shr_u", "", "i32 i32 -> i32", MVP),
    _r(0x00, 0x77, "i32.rotl", "", "i32 i32 -> i32", MVP),
    _r(0x00, 0x78, "i32.rotr", "", "i32 i32 -> i32", MVP),
    _r(0x00, 0x79, "i64.clz", "", "i64 -> i64", MVP),
    _r(0x00, 0x7A, "i64.ctz", "", "i64 -> i64", MVP),
    _r(0x00, 0x7B, "i64.popcnt", "", "i64 -> i64", MVP),
    _r(0x00, 0x7C, "i64.add", "", "i64 i64 -> i64", MVP, CONSTANT),
    _r(0x00, 0x7D, "i64.sub", "", "i64 i64 -> i64", MVP, CONSTANT),
    _r(0x00, 0x7E, "i64.mul", "", "i64 i64 -> i64", MVP, CONSTANT),
    _r(0x00, 0x7F, "i64.div_s", "", "i64 i64 -> i64", MVP),
    _r(0x00, 0x80, "i64.div_u", "", "i64 i64 -> i64", MVP),
    _r(0x00, 0x81, "i64.rem_s", "", "i64 i64 -> i64", MVP),
    _r(0x00, 0x82, "i64.rem_u", "", "i64 i64 -> i64", MVP),
    _r(0x00, 0x83, "i64.and", "", "i64 i64 -> i64", MVP),
    _r(0x00, 0x84, "i64.or", "", "i64 i64 -> i64", MVP),
    _r(0x00, 0x85, "i64.xor", "", "i64 i64 -> i64", MVP),
    _r(0x00, 0x86, "i64.shl", "", "i64 i64 -> i64", MVP),
    _r(0x00, 0x87, "i64.shr_s", "", "i64 i64 -> i64", MVP),
    _r(0x00, 0x88, "i64.shr_u", "", "i64 i64 -> i64", MVP),
    _r(0x00, 0x89, "i64.rotl", "", "i64 i64 -> i64", MVP),
    _r(0x00, 0x8A, "i64.rotr", "", "i64 i64 -> i64", MVP),
    _r(0x00, 0x8B, "f32.abs", "", "f32 -> f32", MVP),
    _r(0x00, 0x8C, "f32.neg", "", "f32 -> f32", MVP),
    _r(0x00, 0x8D, "f32.ceil", "", "f32 -> f32", MVP),
    _r(0x00, 0x8E, "f32.floor", "", "f32 -> f32", MVP),
    _r(0x00, 0x8F, "f32.trunc", "", "f32 -> f32", MVP),
    _r(0x00, 0x90, "f32.nearest", "", "f32 -> f32", MVP),
    _r(0x00, 0x91, "f32.sqrt", "", "f32 -> f32", MVP),
    _r(0x00, 0x92, "f32.add", "", "f32 f32 -> f32", MVP),
    _r(0x00, 0x93, "f32.sub", "", "f32 f32 -> f32", MVP),
    _r(0x00, 0x94, "f32.mul", "", "f32 f32 -> f32", MVP),
    _r(0x00, 0x95, "f32.div", "", "f32 f32 -> f32", MVP),
    _r(0x00, 0x96, "f32.min", "", "f32 f32 -> f32", MVP),
    _r(0x00, 0x97, "f32.max", "", "f32 f32 -> f32", MVP),
    _r(0x00, 0x98, "f32.copysign", "", "f32 f32 -> f32", MVP),
    _r(0x00, 0x99, "f64.abs", "", "f64 -> f64", MVP),
    _r(0x00, 0x9A, "f64.neg", "", "f64 -> f64", MVP),
    _r(0x00, 0x9B, "f64.ceil", "", "f64 -> f64", MVP),
    _r(0x00, 0x9C, "f64.floor", "", "f64 -> f64", MVP),
    _r(0x00, 0x9D, "f64.trunc", "", "f64 -> f64", MVP),
    _r(0x00, 0x9E, "f64.nearest", "", "f64 -> f64", MVP),
    _r(0x00, 0x9F, "f64.sqrt", "", "f64 -> f64", MVP),
    _r(0x00, 0xA0, "f64.add", "", "f64 f64 -> f64", MVP),
    _r(0x00, 0xA1, "f64.sub", "", "f64 f64 -> f64", MVP),
    _r(0x00, 0xA2, "f64.mul", "", "f64 f64 -> f64", MVP),
    _r(0x00, 0xA3, "f64.div", "", "f64 f64 -> f64", MVP),
    _r(0x00, 0xA4, "f64.min", "", "f64 f64 -> f64", MVP),
    _r(0x00, 0xA5, "f64.max", "", "f64 f64 -> f64", MVP),
    _r(0x00, 0xA6, "f64.copysign", "", "f64 f64 -> f64", MVP),
    _r(0x00, 0xA7, "i32.wrap_i64", "", "i64 -> i32", MVP),
    _r(0x00, 0xA8, "i32.trunc_f32_s", "", "f32 -> i32", MVP),
    _r(0x00, 0xA9, "i32.trunc_f32_u", "", "f32 -> i32", MVP),
    _r(0x00, 0xAA, "i32.trunc_f64_s", "", "f64 -> i32", MVP),
    _r(0x00, 0xAB, "i32.trunc_f64_u", "", "f64 -> i32", MVP),
    _r(0x00, 0xAC, "i64.extend_i32_s", "", "i32 -> i64", MVP),
    _r(0x00, 0xAD, "i64.extend_i32_u", "", "i32 -> i64", MVP),
    _r(0x00, 0xAE, "i64.trunc_f32_s", "", "f32 -> i64", MVP),
    _r(0x00, 0xAF, "i64.trunc_f32_u", "", "f32 -> i64", MVP),
    _r(0x00, 0xB0, "i64.trunc_f64_s", "", "f64 -> i64", MVP),
    _r(0x00, 0xB1, "i64.trunc_f64_u", "", "f64 -> i64", MVP),
    _r(0x00, 0xB2, "f32.convert_i32_s", "", "i32 -> f32", MVP),
    _r(0x00, 0xB3, "f32.convert_i32_u", "", "i32 -> f32", MVP),
    _r(0x00, 0xB4, "f32.convert_i64_s", "", "i64 -> f32", MVP),
    _r(0x00, 0xB5, "f32.convert_i64_u", "", "i64 -> f32", MVP),
    _r(0x00, 0xB6, "f32.demote_f64", "", "f64 -> f32", MVP),
    _r(0x00, 0xB7, "f64.convert_i32_s", "", "i32 -> f64", MVP),
    _r(0x00, 0xB8, "f64.convert_i32_u", "", "i32 -> f64", MVP),
    _r(0x00, 0xB9, "f64.convert_i64_s", "", "i64 -> f64", MVP),
    _r(0x00, 0xBA, "f64.convert_i64_u", "", "i64 -> f64", MVP),
    _r(0x00, 0xBB, "f64.promote_f32", "", "f32 -> f64", MVP),
    _r(0x00, 0xBC, "i32.reinterpret_f32", "", "f32 -> i32", MVP),
    _r(0x00, 0xBD, "i64.reinterpret_f64", "", "f64 -> i64", MVP),
    _r(0x00, 0xBE, "f32.reinterpret_i32", "", "i32 -> f32", MVP),
    _r(0x00, 0xBF, "f64.reinterpret_i64", "", "i64 -> f64", MVP),
    _r(0x00, 0xC0, "i32.extend8_s", "", "i32 -> i32", SIGN_EXTENSION),
    _r(0x00, 0xC1, "i32.extend16_s", "", "i32 -> i32", SIGN_EXTENSION),
    _r(0x00, 0xC2, "i64.extend8_s", "", "i64 -> i64", SIGN_EXTENSION),
    _r(0x00, 0xC3, "i64.extend16_s", "", "i64 -> i64", SIGN_EXTENSION),
    _r(0x00, 0xC4, "i64.extend32_s", "", "i64 -> i64", SIGN_EXTENSION),
    # References
    _r(0x00, 0xD0, "ref.null", "heap", "ref_null", REFERENCE_TYPES, CONSTANT),
    _r(0x00, 0xD1, "ref.is_null", "", "ref_is_null", REFERENCE_TYPES),
    _r(0x00, 0xD2, "ref.func", "func", "ref_func", REFERENCE_TYPES, CONSTANT),
    _r(0x00, 0xD3, "ref.eq", "", "eqref eqref -> i32", GC),
    _r(0x00, 0xD4, "ref.as_non_null", "", "ref_as_non_null", FUNCTION_REFERENCES),
    _r(0x00, 0xD5, "br_on_null", "label", "br_on_null", FUNCTION_REFERENCES, BRANCHES),
    _r(0x00, 0xD6, "br_on_non_null", "label", "br_on_non_null", FUNCTION_REFERENCES, BRANCHES),
    # Stack switching (proposal stack-switching, Explainer, "Binary format")
    _r(0x00, 0xE0, "cont.new", "type", "cont_new", STACK_SWITCHING),
    _r(0x00, 0xE1, "cont.bind", "source:type target:type", "cont_bind", STACK_SWITCHING),
    _r(0x00, 0xE2, "suspend", "tag", "suspend", STACK_SWITCHING, CALLS, THROWS),
    _r(0x00, 0xE3, "resume", "type handlers", "resume", STACK_SWITCHING, BRANCHES, CALLS),
    _r(
        0x00, 0xE4, "resume_throw", "type tag handlers", "resume_throw", STACK_SWITCHING,
        BRANCHES, CALLS, THROWS,
    ),
    _r(
        0x00, 0xE5, "resume_throw_ref", "type handlers", "resume_throw_ref", STACK_SWITCHING,
        BRANCHES, CALLS, THROWS,
    ),
    _r(0x00, 0xE6, "switch", "type tag", "switch", STACK_SWITCHING, CALLS, THROWS),
    # 0xFB: structs, arrays, i31, casts (gc)
    _r(0xFB, 0x00, "struct.new", "type", "struct_new", GC, CONSTANT),
    _r(0xFB, 0x01, "struct.new_default", "type", "struct_new_default", GC, CONSTANT),
    _r(0xFB, 0x02, "struct.get", "type field", "struct_get", GC),
    _r(0xFB, 0x03, "struct.get_s", "type field", "struct_get_packed", GC),
    _r(0xFB, 0x04, "struct.get_u", "type field", "struct_get_packed", GC),
    _r(0xFB, 0x05, "struct.set", "type field", "struct_set", GC),
    _r(0xFB, 0x06, "array.new", "type", "array_new", GC, CONSTANT),
    _r(0xFB, 0x07, "array.new_default", "type", "array_new_default", GC, CONSTANT),
    _r(0xFB, 0x08, "array.new_fixed", "type count", "array_new_fixed", GC, CONSTANT),
    _r(0xFB, 0x09, "array.new_data", "type data", "array_new_data", GC),
    _r(0xFB, 0x0A, "array.new_elem", "type elem", "array_new_elem", GC),
    _r(0xFB, 0x0B, "array.get", "type", "array_get", GC),
    _r(0xFB, 0x0C, "array.get_s", "type", "array_get_packed", GC),
    _r(0xFB, 0x0D, "array.get_u", "type", "array_get_packed", GC),
    _r(0xFB, 0x0E, "array.set", "type", "array_set", GC),
    _r(0xFB, 0x0F, "array.len", "", "arrayref -> i32", GC),
    _r(0xFB, 0x10, "array.fill", "type", "array_fill", GC),
    _r(0xFB, 0x11, "array.copy", "target:type source:type", "array_copy", GC),
    _r(0xFB, 0x12, "array.init_data", "type data", "array_init_data", GC),
    _r(0xFB, 0x13, "array.init_elem", "type elem", "array_init_elem", GC),
    _r(0xFB, 0x14, "ref.test", "target:ref", "ref_test", GC),
    _r(0xFB, 0x15, "ref.test null", "target:ref-null", "ref_test", GC),
    _r(0xFB, 0x16, "ref.cast", "target:ref", "ref_cast", GC),
    _r(0xFB, 0x17, "ref.cast null", "target:ref-null", "ref_cast", GC),
    _r(
        0xFB, 0x18, "br_on_cast", "flags:cast-flags label source:heap target:heap",
        "br_on_cast", GC, BRANCHES,
    ),
    _r(
        0xFB, 0x19, "br_on_cast_fail", "flags:cast-flags label source:heap target:heap",
        "br_on_cast_fail", GC, BRANCHES,
    ),
    _r(0xFB, 0x1A, "any.convert_extern", "", "any_convert_extern", GC, CONSTANT),
    _r(0xFB, 0x1B, "extern.convert_any", "", "extern_convert_any", GC, CONSTANT),
    _r(0xFB, 0x1C, "ref.i31", "", "i32 -> (i31)", GC, CONSTANT),
    _r(0xFB, 0x1D, "i31.get_s", "", "i31ref -> i32", GC),
    _r(0xFB, 0x1E, "i31.get_u", "", "i31ref -> i32", GC),
    # 0xFB: descriptors (proposal custom-descriptors, Overview, "Binary format")
    _r(0xFB, 0x20, "struct.new_desc", "type", "struct_new_desc", CUSTOM_DESCRIPTORS, CONSTANT),
    _r(
        0xFB, 0x21, "struct.new_default_desc", "type", "struct_new_default_desc",
        CUSTOM_DESCRIPTORS, CONSTANT,
    ),
    _r(0xFB, 0x22, "ref.get_desc", "type", "ref_get_desc", CUSTOM_DESCRIPTORS),
    _r(0xFB, 0x23, "ref.cast_desc_eq", "target:ref", "ref_cast_desc_eq", CUSTOM_DESCRIPTORS),
    _r(
        0xFB, 0x24, "ref.cast_desc_eq null", "target:ref-null", "ref_cast_desc_eq",
        CUSTOM_DESCRIPTORS,
    ),
    _r(
        0xFB, 0x25, "br_on_cast_desc_eq", "flags:cast-flags label source:heap target:heap",
        "br_on_cast_desc_eq", CUSTOM_DESCRIPTORS, BRANCHES,
    ),
    _r(
        0xFB, 0x26, "br_on_cast_desc_eq_fail", "flags:cast-flags label source:heap target:heap",
        "br_on_cast_desc_eq_fail", CUSTOM_DESCRIPTORS, BRANCHES,
    ),
    # 0xFC: saturating conversions, bulk operations, tables
    _r(0xFC, 0x00, "i32.trunc_sat_f32_s", "", "f32 -> i32", SATURATING_FLOAT_TO_INT),
    _r(0xFC, 0x01, "i32.trunc_sat_f32_u", "", "f32 -> i32", SATURATING_FLOAT_TO_INT),
    _r(0xFC, 0x02, "i32.trunc_sat_f64_s", "", "f64 -> i32", SATURATING_FLOAT_TO_INT),
    _r(0xFC, 0x03, "i32.trunc_sat_f64_u", "", "f64 -> i32", SATURATING_FLOAT_TO_INT),
    _r(0xFC, 0x04, "i64.trunc_sat_f32_s", "", "f32 -> i64", SATURATING_FLOAT_TO_INT),
    _r(0xFC, 0x05, "i64.trunc_sat_f32_u", "", "f32 -> i64", SATURATING_FLOAT_TO_INT),
    _r(0xFC, 0x06, "i64.trunc_sat_f64_s", "", "f64 -> i64", SATURATING_FLOAT_TO_INT),
    _r(0xFC, 0x07, "i64.trunc_sat_f64_u", "", "f64 -> i64", SATURATING_FLOAT_TO_INT),
    _r(0xFC, 0x08, "memory.init", "data memory", "@1 i32 i32 ->", BULK_MEMORY, STORES),
    _r(0xFC, 0x09, "data.drop", "data", "->", BULK_MEMORY),
    _r(
        0xFC, 0x0A, "memory.copy", "target:memory source:memory", "@0 @1 @0&1 ->", BULK_MEMORY,
        LOADS, STORES,
    ),
    _r(0xFC, 0x0B, "memory.fill", "memory", "@0 i32 @0 ->", BULK_MEMORY, STORES),
    _r(0xFC, 0x0C, "table.init", "elem table", "table_init", BULK_MEMORY),
    _r(0xFC, 0x0D, "elem.drop", "elem", "->", BULK_MEMORY),
    _r(0xFC, 0x0E, "table.copy", "target:table source:table", "table_copy", BULK_MEMORY),
    _r(0xFC, 0x0F, "table.grow", "table", "table_grow", REFERENCE_TYPES),
    _r(0xFC, 0x10, "table.size", "table", "-> @0", REFERENCE_TYPES),
    _r(0xFC, 0x11, "table.fill", "table", "table_fill", REFERENCE_TYPES),
    _r(0xFC, 0x13, "i64.add128", "", "i64 i64 i64 i64 -> i64 i64", WIDE_ARITHMETIC),
    _r(0xFC, 0x14, "i64.sub128", "", "i64 i64 i64 i64 -> i64 i64", WIDE_ARITHMETIC),
    _r(0xFC, 0x15, "i64.mul_wide_s", "", "i64 i64 -> i64 i64", WIDE_ARITHMETIC),
    _r(0xFC, 0x16, "i64.mul_wide_u", "", "i64 i64 -> i64 i64", WIDE_ARITHMETIC),
    # 0xFC: half precision (proposal half-precision, Overview, "Binary format")
    _r(0xFC, 0x30, "f32.load_f16", "memarg:memarg1", "@0 -> f32", FP16, LOADS),
    _r(0xFC, 0x31, "f32.store_f16", "memarg:memarg1", "@0 f32 ->", FP16, STORES),
    # 0xFD: vectors (simd)
    _r(0xFD, 0x00, "v128.load", "memarg:memarg4", "@0 -> v128", SIMD, LOADS),
    _r(0xFD, 0x01, "v128.load8x8_s", "memarg:memarg3", "@0 -> v128", SIMD, LOADS),
    _r(0xFD, 0x02, "v128.load8x8_u", "memarg:memarg3", "@0 -> v128", SIMD, LOADS),
    _r(0xFD, 0x03, "v128.load16x4_s", "memarg:memarg3", "@0 -> v128", SIMD, LOADS),
    _r(0xFD, 0x04, "v128.load16x4_u", "memarg:memarg3", "@0 -> v128", SIMD, LOADS),
    _r(0xFD, 0x05, "v128.load32x2_s", "memarg:memarg3", "@0 -> v128", SIMD, LOADS),
    _r(0xFD, 0x06, "v128.load32x2_u", "memarg:memarg3", "@0 -> v128", SIMD, LOADS),
    _r(0xFD, 0x07, "v128.load8_splat", "memarg:memarg0", "@0 -> v128", SIMD, LOADS),
    _r(0xFD, 0x08, "v128.load16_splat", "memarg:memarg1", "@0 -> v128", SIMD, LOADS),
    _r(0xFD, 0x09, "v128.load32_splat", "memarg:memarg2", "@0 -> v128", SIMD, LOADS),
    _r(0xFD, 0x0A, "v128.load64_splat", "memarg:memarg3", "@0 -> v128", SIMD, LOADS),
    _r(0xFD, 0x0B, "v128.store", "memarg:memarg4", "@0 v128 ->", SIMD, STORES),
    _r(0xFD, 0x0C, "v128.const", "value:v128", "-> v128", SIMD, CONSTANT),
    _r(0xFD, 0x0D, "i8x16.shuffle", "lanes:shuffle", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x0E, "i8x16.swizzle", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x0F, "i8x16.splat", "", "i32 -> v128", SIMD),
    _r(0xFD, 0x10, "i16x8.splat", "", "i32 -> v128", SIMD),
    _r(0xFD, 0x11, "i32x4.splat", "", "i32 -> v128", SIMD),
    _r(0xFD, 0x12, "i64x2.splat", "", "i64 -> v128", SIMD),
    _r(0xFD, 0x13, "f32x4.splat", "", "f32 -> v128", SIMD),
    _r(0xFD, 0x14, "f64x2.splat", "", "f64 -> v128", SIMD),
    _r(0xFD, 0x15, "i8x16.extract_lane_s", "lane:lane16", "v128 -> i32", SIMD),
    _r(0xFD, 0x16, "i8x16.extract_lane_u", "lane:lane16", "v128 -> i32", SIMD),
    _r(0xFD, 0x17, "i8x16.replace_lane", "lane:lane16", "v128 i32 -> v128", SIMD),
    _r(0xFD, 0x18, "i16x8.extract_lane_s", "lane:lane8", "v128 -> i32", SIMD),
    _r(0xFD, 0x19, "i16x8.extract_lane_u", "lane:lane8", "v128 -> i32", SIMD),
    _r(0xFD, 0x1A, "i16x8.replace_lane", "lane:lane8", "v128 i32 -> v128", SIMD),
    _r(0xFD, 0x1B, "i32x4.extract_lane", "lane:lane4", "v128 -> i32", SIMD),
    _r(0xFD, 0x1C, "i32x4.replace_lane", "lane:lane4", "v128 i32 -> v128", SIMD),
    _r(0xFD, 0x1D, "i64x2.extract_lane", "lane:lane2", "v128 -> i64", SIMD),
    _r(0xFD, 0x1E, "i64x2.replace_lane", "lane:lane2", "v128 i64 -> v128", SIMD),
    _r(0xFD, 0x1F, "f32x4.extract_lane", "lane:lane4", "v128 -> f32", SIMD),
    _r(0xFD, 0x20, "f32x4.replace_lane", "lane:lane4", "v128 f32 -> v128", SIMD),
    _r(0xFD, 0x21, "f64x2.extract_lane", "lane:lane2", "v128 -> f64", SIMD),
    _r(0xFD, 0x22, "f64x2.replace_lane", "lane:lane2", "v128 f64 -> v128", SIMD),
    _r(0xFD, 0x23, "i8x16.eq", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x24, "i8x16.ne", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x25, "i8x16.lt_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x26, "i8x16.lt_u", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x27, "i8x16.gt_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x28, "i8x16.gt_u", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x29, "i8x16.le_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x2A, "i8x16.le_u", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x2B, "i8x16.ge_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x2C, "i8x16.ge_u", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x2D, "i16x8.eq", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x2E, "i16x8.ne", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x2F, "i16x8.lt_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x30, "i16x8.lt_u", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x31, "i16x8.gt_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x32, "i16x8.gt_u", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x33, "i16x8.le_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x34, "i16x8.le_u", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x35, "i16x8.ge_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x36, "i16x8.ge_u", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x37, "i32x4.eq", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x38, "i32x4.ne", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x39, "i32x4.lt_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x3A, "i32x4.lt_u", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x3B, "i32x4.gt_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x3C, "i32x4.gt_u", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x3D, "i32x4.le_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x3E, "i32x4.le_u", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x3F, "i32x4.ge_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x40, "i32x4.ge_u", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x41, "f32x4.eq", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x42, "f32x4.ne", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x43, "f32x4.lt", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x44, "f32x4.gt", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x45, "f32x4.le", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x46, "f32x4.ge", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x47, "f64x2.eq", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x48, "f64x2.ne", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x49, "f64x2.lt", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x4A, "f64x2.gt", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x4B, "f64x2.le", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x4C, "f64x2.ge", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x4D, "v128.not", "", "v128 -> v128", SIMD),
    _r(0xFD, 0x4E, "v128.and", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x4F, "v128.andnot", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x50, "v128.or", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x51, "v128.xor", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x52, "v128.bitselect", "", "v128 v128 v128 -> v128", SIMD),
    _r(0xFD, 0x53, "v128.any_true", "", "v128 -> i32", SIMD),
    _r(0xFD, 0x54, "v128.load8_lane", "memarg:memarg0 lane:lane16", "@0 v128 -> v128", SIMD, LOADS),
    _r(0xFD, 0x55, "v128.load16_lane", "memarg:memarg1 lane:lane8", "@0 v128 -> v128", SIMD, LOADS),
    _r(0xFD, 0x56, "v128.load32_lane", "memarg:memarg2 lane:lane4", "@0 v128 -> v128", SIMD, LOADS),
    _r(0xFD, 0x57, "v128.load64_lane", "memarg:memarg3 lane:lane2", "@0 v128 -> v128", SIMD, LOADS),
    _r(0xFD, 0x58, "v128.store8_lane", "memarg:memarg0 lane:lane16", "@0 v128 ->", SIMD, STORES),
    _r(0xFD, 0x59, "v128.store16_lane", "memarg:memarg1 lane:lane8", "@0 v128 ->", SIMD, STORES),
    _r(0xFD, 0x5A, "v128.store32_lane", "memarg:memarg2 lane:lane4", "@0 v128 ->", SIMD, STORES),
    _r(0xFD, 0x5B, "v128.store64_lane", "memarg:memarg3 lane:lane2", "@0 v128 ->", SIMD, STORES),
    _r(0xFD, 0x5C, "v128.load32_zero", "memarg:memarg2", "@0 -> v128", SIMD, LOADS),
    _r(0xFD, 0x5D, "v128.load64_zero", "memarg:memarg3", "@0 -> v128", SIMD, LOADS),
    _r(0xFD, 0x5E, "f32x4.demote_f64x2_zero", "", "v128 -> v128", SIMD),
    _r(0xFD, 0x5F, "f64x2.promote_low_f32x4", "", "v128 -> v128", SIMD),
    _r(0xFD, 0x60, "i8x16.abs", "", "v128 -> v128", SIMD),
    _r(0xFD, 0x61, "i8x16.neg", "", "v128 -> v128", SIMD),
    _r(0xFD, 0x62, "i8x16.popcnt", "", "v128 -> v128", SIMD),
    _r(0xFD, 0x63, "i8x16.all_true", "", "v128 -> i32", SIMD),
    _r(0xFD, 0x64, "i8x16.bitmask", "", "v128 -> i32", SIMD),
    _r(0xFD, 0x65, "i8x16.narrow_i16x8_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x66, "i8x16.narrow_i16x8_u", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x67, "f32x4.ceil", "", "v128 -> v128", SIMD),
    _r(0xFD, 0x68, "f32x4.floor", "", "v128 -> v128", SIMD),
    _r(0xFD, 0x69, "f32x4.trunc", "", "v128 -> v128", SIMD),
    _r(0xFD, 0x6A, "f32x4.nearest", "", "v128 -> v128", SIMD),
    _r(0xFD, 0x6B, "i8x16.shl", "", "v128 i32 -> v128", SIMD),
    _r(0xFD, 0x6C, "i8x16.shr_s", "", "v128 i32 -> v128", SIMD),
    _r(0xFD, 0x6D, "i8x16.shr_u", "", "v128 i32 -> v128", SIMD),
    _r(0xFD, 0x6E, "i8x16.add", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x6F, "i8x16.add_sat_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x70, "i8x16.add_sat_u", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x71, "i8x16.sub", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x72, "i8x16.sub_sat_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x73, "i8x16.sub_sat_u", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x74, "f64x2.ceil", "", "v128 -> v128", SIMD),
    _r(0xFD, 0x75, "f64x2.floor", "", "v128 -> v128", SIMD),
    _r(0xFD, 0x76, "i8x16.min_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x77, "i8x16.min_u", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x78, "i8x16.max_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x79, "i8x16.max_u", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x7A, "f64x2.trunc", "", "v128 -> v128", SIMD),
    _r(0xFD, 0x7B, "i8x16.avgr_u", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x7C, "i16x8.extadd_pairwise_i8x16_s", "", "v128 -> v128", SIMD),
    _r(0xFD, 0x7D, "i16x8.extadd_pairwise_i8x16_u", "", "v128 -> v128", SIMD),
    _r(0xFD, 0x7E, "i32x4.extadd_pairwise_i16x8_s", "", "v128 -> v128", SIMD),
    _r(0xFD, 0x7F, "i32x4.extadd_pairwise_i16x8_u", "", "v128 -> v128", SIMD),
    _r(0xFD, 0x80, "i16x8.abs", "", "v128 -> v128", SIMD),
    _r(0xFD, 0x81, "i16x8.neg", "", "v128 -> v128", SIMD),
    _r(0xFD, 0x82, "i16x8.q15mulr_sat_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x83, "i16x8.all_true", "", "v128 -> i32", SIMD),
    _r(0xFD, 0x84, "i16x8.bitmask", "", "v128 -> i32", SIMD),
    _r(0xFD, 0x85, "i16x8.narrow_i32x4_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x86, "i16x8.narrow_i32x4_u", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x87, "i16x8.extend_low_i8x16_s", "", "v128 -> v128", SIMD),
    _r(0xFD, 0x88, "i16x8.extend_high_i8x16_s", "", "v128 -> v128", SIMD),
    _r(0xFD, 0x89, "i16x8.extend_low_i8x16_u", "", "v128 -> v128", SIMD),
    _r(0xFD, 0x8A, "i16x8.extend_high_i8x16_u", "", "v128 -> v128", SIMD),
    _r(0xFD, 0x8B, "i16x8.shl", "", "v128 i32 -> v128", SIMD),
    _r(0xFD, 0x8C, "i16x8.shr_s", "", "v128 i32 -> v128", SIMD),
    _r(0xFD, 0x8D, "i16x8.shr_u", "", "v128 i32 -> v128", SIMD),
    _r(0xFD, 0x8E, "i16x8.add", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x8F, "i16x8.add_sat_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x90, "i16x8.add_sat_u", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x91, "i16x8.sub", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x92, "i16x8.sub_sat_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x93, "i16x8.sub_sat_u", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x94, "f64x2.nearest", "", "v128 -> v128", SIMD),
    _r(0xFD, 0x95, "i16x8.mul", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x96, "i16x8.min_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x97, "i16x8.min_u", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x98, "i16x8.max_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x99, "i16x8.max_u", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x9B, "i16x8.avgr_u", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x9C, "i16x8.extmul_low_i8x16_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x9D, "i16x8.extmul_high_i8x16_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x9E, "i16x8.extmul_low_i8x16_u", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0x9F, "i16x8.extmul_high_i8x16_u", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xA0, "i32x4.abs", "", "v128 -> v128", SIMD),
    _r(0xFD, 0xA1, "i32x4.neg", "", "v128 -> v128", SIMD),
    _r(0xFD, 0xA3, "i32x4.all_true", "", "v128 -> i32", SIMD),
    _r(0xFD, 0xA4, "i32x4.bitmask", "", "v128 -> i32", SIMD),
    _r(0xFD, 0xA7, "i32x4.extend_low_i16x8_s", "", "v128 -> v128", SIMD),
    _r(0xFD, 0xA8, "i32x4.extend_high_i16x8_s", "", "v128 -> v128", SIMD),
    _r(0xFD, 0xA9, "i32x4.extend_low_i16x8_u", "", "v128 -> v128", SIMD),
    _r(0xFD, 0xAA, "i32x4.extend_high_i16x8_u", "", "v128 -> v128", SIMD),
    _r(0xFD, 0xAB, "i32x4.shl", "", "v128 i32 -> v128", SIMD),
    _r(0xFD, 0xAC, "i32x4.shr_s", "", "v128 i32 -> v128", SIMD),
    _r(0xFD, 0xAD, "i32x4.shr_u", "", "v128 i32 -> v128", SIMD),
    _r(0xFD, 0xAE, "i32x4.add", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xB1, "i32x4.sub", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xB5, "i32x4.mul", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xB6, "i32x4.min_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xB7, "i32x4.min_u", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xB8, "i32x4.max_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xB9, "i32x4.max_u", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xBA, "i32x4.dot_i16x8_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xBC, "i32x4.extmul_low_i16x8_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xBD, "i32x4.extmul_high_i16x8_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xBE, "i32x4.extmul_low_i16x8_u", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xBF, "i32x4.extmul_high_i16x8_u", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xC0, "i64x2.abs", "", "v128 -> v128", SIMD),
    _r(0xFD, 0xC1, "i64x2.neg", "", "v128 -> v128", SIMD),
    _r(0xFD, 0xC3, "i64x2.all_true", "", "v128 -> i32", SIMD),
    _r(0xFD, 0xC4, "i64x2.bitmask", "", "v128 -> i32", SIMD),
    _r(0xFD, 0xC7, "i64x2.extend_low_i32x4_s", "", "v128 -> v128", SIMD),
    _r(0xFD, 0xC8, "i64x2.extend_high_i32x4_s", "", "v128 -> v128", SIMD),
    _r(0xFD, 0xC9, "i64x2.extend_low_i32x4_u", "", "v128 -> v128", SIMD),
    _r(0xFD, 0xCA, "i64x2.extend_high_i32x4_u", "", "v128 -> v128", SIMD),
    _r(0xFD, 0xCB, "i64x2.shl", "", "v128 i32 -> v128", SIMD),
    _r(0xFD, 0xCC, "i64x2.shr_s", "", "v128 i32 -> v128", SIMD),
    _r(0xFD, 0xCD, "i64x2.shr_u", "", "v128 i32 -> v128", SIMD),
    _r(0xFD, 0xCE, "i64x2.add", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xD1, "i64x2.sub", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xD5, "i64x2.mul", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xD6, "i64x2.eq", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xD7, "i64x2.ne", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xD8, "i64x2.lt_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xD9, "i64x2.gt_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xDA, "i64x2.le_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xDB, "i64x2.ge_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xDC, "i64x2.extmul_low_i32x4_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xDD, "i64x2.extmul_high_i32x4_s", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xDE, "i64x2.extmul_low_i32x4_u", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xDF, "i64x2.extmul_high_i32x4_u", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xE0, "f32x4.abs", "", "v128 -> v128", SIMD),
    _r(0xFD, 0xE1, "f32x4.neg", "", "v128 -> v128", SIMD),
    _r(0xFD, 0xE3, "f32x4.sqrt", "", "v128 -> v128", SIMD),
    _r(0xFD, 0xE4, "f32x4.add", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xE5, "f32x4.sub", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xE6, "f32x4.mul", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xE7, "f32x4.div", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xE8, "f32x4.min", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xE9, "f32x4.max", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xEA, "f32x4.pmin", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xEB, "f32x4.pmax", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xEC, "f64x2.abs", "", "v128 -> v128", SIMD),
    _r(0xFD, 0xED, "f64x2.neg", "", "v128 -> v128", SIMD),
    _r(0xFD, 0xEF, "f64x2.sqrt", "", "v128 -> v128", SIMD),
    _r(0xFD, 0xF0, "f64x2.add", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xF1, "f64x2.sub", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xF2, "f64x2.mul", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xF3, "f64x2.div", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xF4, "f64x2.min", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xF5, "f64x2.max", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xF6, "f64x2.pmin", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xF7, "f64x2.pmax", "", "v128 v128 -> v128", SIMD),
    _r(0xFD, 0xF8, "i32x4.trunc_sat_f32x4_s", "", "v128 -> v128", SIMD),
    _r(0xFD, 0xF9, "i32x4.trunc_sat_f32x4_u", "", "v128 -> v128", SIMD),
    _r(0xFD, 0xFA, "f32x4.convert_i32x4_s", "", "v128 -> v128", SIMD),
    _r(0xFD, 0xFB, "f32x4.convert_i32x4_u", "", "v128 -> v128", SIMD),
    _r(0xFD, 0xFC, "i32x4.trunc_sat_f64x2_s_zero", "", "v128 -> v128", SIMD),
    _r(0xFD, 0xFD, "i32x4.trunc_sat_f64x2_u_zero", "", "v128 -> v128", SIMD),
    _r(0xFD, 0xFE, "f64x2.convert_low_i32x4_s", "", "v128 -> v128", SIMD),
    _r(0xFD, 0xFF, "f64x2.convert_low_i32x4_u", "", "v128 -> v128", SIMD),
    # 0xFD 0x100: relaxed vectors (relaxed-simd)
    _r(0xFD, 0x100, "i8x16.relaxed_swizzle", "", "v128 v128 -> v128", RELAXED_SIMD),
    _r(0xFD, 0x101, "i32x4.relaxed_trunc_f32x4_s", "", "v128 -> v128", RELAXED_SIMD),
    _r(0xFD, 0x102, "i32x4.relaxed_trunc_f32x4_u", "", "v128 -> v128", RELAXED_SIMD),
    _r(0xFD, 0x103, "i32x4.relaxed_trunc_f64x2_s_zero", "", "v128 -> v128", RELAXED_SIMD),
    _r(0xFD, 0x104, "i32x4.relaxed_trunc_f64x2_u_zero", "", "v128 -> v128", RELAXED_SIMD),
    _r(0xFD, 0x105, "f32x4.relaxed_madd", "", "v128 v128 v128 -> v128", RELAXED_SIMD),
    _r(0xFD, 0x106, "f32x4.relaxed_nmadd", "", "v128 v128 v128 -> v128", RELAXED_SIMD),
    _r(0xFD, 0x107, "f64x2.relaxed_madd", "", "v128 v128 v128 -> v128", RELAXED_SIMD),
    _r(0xFD, 0x108, "f64x2.relaxed_nmadd", "", "v128 v128 v128 -> v128", RELAXED_SIMD),
    _r(0xFD, 0x109, "i8x16.relaxed_laneselect", "", "v128 v128 v128 -> v128", RELAXED_SIMD),
    _r(0xFD, 0x10A, "i16x8.relaxed_laneselect", "", "v128 v128 v128 -> v128", RELAXED_SIMD),
    _r(0xFD, 0x10B, "i32x4.relaxed_laneselect", "", "v128 v128 v128 -> v128", RELAXED_SIMD),
    _r(0xFD, 0x10C, "i64x2.relaxed_laneselect", "", "v128 v128 v128 -> v128", RELAXED_SIMD),
    _r(0xFD, 0x10D, "f32x4.relaxed_min", "", "v128 v128 -> v128", RELAXED_SIMD),
    _r(0xFD, 0x10E, "f32x4.relaxed_max", "", "v128 v128 -> v128", RELAXED_SIMD),
    _r(0xFD, 0x10F, "f64x2.relaxed_min", "", "v128 v128 -> v128", RELAXED_SIMD),
    _r(0xFD, 0x110, "f64x2.relaxed_max", "", "v128 v128 -> v128", RELAXED_SIMD),
    _r(0xFD, 0x111, "i16x8.relaxed_q15mulr_s", "", "v128 v128 -> v128", RELAXED_SIMD),
    _r(0xFD, 0x112, "i16x8.relaxed_dot_i8x16_i7x16_s", "", "v128 v128 -> v128", RELAXED_SIMD),
    _r(
        0xFD, 0x113, "i32x4.relaxed_dot_i8x16_i7x16_add_s", "", "v128 v128 v128 -> v128",
        RELAXED_SIMD,
    ),
    # 0xFD 0x120: half precision (proposal half-precision, Overview, "Binary format")
    # Binaryen agrees on the numbers, but spells 0x14B promote_low_f16x8 and lacks 0x14C and 0x14D.
    _r(0xFD, 0x120, "f16x8.splat", "", "f32 -> v128", FP16),
    _r(0xFD, 0x121, "f16x8.extract_lane", "lane:lane8", "v128 -> f32", FP16),
    _r(0xFD, 0x122, "f16x8.replace_lane", "lane:lane8", "v128 f32 -> v128", FP16),
    _r(0xFD, 0x130, "f16x8.abs", "", "v128 -> v128", FP16),
    _r(0xFD, 0x131, "f16x8.neg", "", "v128 -> v128", FP16),
    _r(0xFD, 0x132, "f16x8.sqrt", "", "v128 -> v128", FP16),
    _r(0xFD, 0x133, "f16x8.ceil", "", "v128 -> v128", FP16),
    _r(0xFD, 0x134, "f16x8.floor", "", "v128 -> v128", FP16),
    _r(0xFD, 0x135, "f16x8.trunc", "", "v128 -> v128", FP16),
    _r(0xFD, 0x136, "f16x8.nearest", "", "v128 -> v128", FP16),
    _r(0xFD, 0x137, "f16x8.eq", "", "v128 v128 -> v128", FP16),
    _r(0xFD, 0x138, "f16x8.ne", "", "v128 v128 -> v128", FP16),
    _r(0xFD, 0x139, "f16x8.lt", "", "v128 v128 -> v128", FP16),
    _r(0xFD, 0x13A, "f16x8.gt", "", "v128 v128 -> v128", FP16),
    _r(0xFD, 0x13B, "f16x8.le", "", "v128 v128 -> v128", FP16),
    _r(0xFD, 0x13C, "f16x8.ge", "", "v128 v128 -> v128", FP16),
    _r(0xFD, 0x13D, "f16x8.add", "", "v128 v128 -> v128", FP16),
    _r(0xFD, 0x13E, "f16x8.sub", "", "v128 v128 -> v128", FP16),
    _r(0xFD, 0x13F, "f16x8.mul", "", "v128 v128 -> v128", FP16),
    _r(0xFD, 0x140, "f16x8.div", "", "v128 v128 -> v128", FP16),
    _r(0xFD, 0x141, "f16x8.min", "", "v128 v128 -> v128", FP16),
    _r(0xFD, 0x142, "f16x8.max", "", "v128 v128 -> v128", FP16),
    _r(0xFD, 0x143, "f16x8.pmin", "", "v128 v128 -> v128", FP16),
    _r(0xFD, 0x144, "f16x8.pmax", "", "v128 v128 -> v128", FP16),
    _r(0xFD, 0x145, "i16x8.trunc_sat_f16x8_s", "", "v128 -> v128", FP16),
    _r(0xFD, 0x146, "i16x8.trunc_sat_f16x8_u", "", "v128 -> v128", FP16),
    _r(0xFD, 0x147, "f16x8.convert_i16x8_s", "", "v128 -> v128", FP16),
    _r(0xFD, 0x148, "f16x8.convert_i16x8_u", "", "v128 -> v128", FP16),
    _r(0xFD, 0x149, "f16x8.demote_f32x4_zero", "", "v128 -> v128", FP16),
    _r(0xFD, 0x14A, "f16x8.demote_f64x2_zero", "", "v128 -> v128", FP16),
    _r(0xFD, 0x14B, "f32x4.promote_f16x8_low", "", "v128 -> v128", FP16),
    _r(0xFD, 0x14C, "i16x8.trunc_f16x8_s", "", "v128 -> v128", FP16),
    _r(0xFD, 0x14D, "i16x8.trunc_f16x8_u", "", "v128 -> v128", FP16),
    _r(0xFD, 0x14E, "f16x8.madd", "", "v128 v128 v128 -> v128", FP16),
    _r(0xFD, 0x14F, "f16x8.nmadd", "", "v128 v128 v128 -> v128", FP16),
    # 0xFE: atomics (proposal threads)
    _r(0xFE, 0x00, "memory.atomic.notify", "memarg:memarg2", "@0 i32 -> i32", THREADS, ATOMIC),
    _r(
        0xFE, 0x01, "memory.atomic.wait32", "memarg:memarg2", "@0 i32 i64 -> i32", THREADS,
        LOADS, ATOMIC,
    ),
    _r(
        0xFE, 0x02, "memory.atomic.wait64", "memarg:memarg3", "@0 i64 i64 -> i32", THREADS,
        LOADS, ATOMIC,
    ),
    _r(0xFE, 0x03, "atomic.fence", "reserved:zero", "->", THREADS, ATOMIC),
    _r(0xFE, 0x10, "i32.atomic.load", "memarg:memarg2", "@0 -> i32", THREADS, LOADS, ATOMIC),
    _r(0xFE, 0x11, "i64.atomic.load", "memarg:memarg3", "@0 -> i64", THREADS, LOADS, ATOMIC),
    _r(0xFE, 0x12, "i32.atomic.load8_u", "memarg:memarg0", "@0 -> i32", THREADS, LOADS, ATOMIC),
    _r(0xFE, 0x13, "i32.atomic.load16_u", "memarg:memarg1", "@0 -> i32", THREADS, LOADS, ATOMIC),
    _r(0xFE, 0x14, "i64.atomic.load8_u", "memarg:memarg0", "@0 -> i64", THREADS, LOADS, ATOMIC),
    _r(0xFE, 0x15, "i64.atomic.load16_u", "memarg:memarg1", "@0 -> i64", THREADS, LOADS, ATOMIC),
    _r(0xFE, 0x16, "i64.atomic.load32_u", "memarg:memarg2", "@0 -> i64", THREADS, LOADS, ATOMIC),
    _r(0xFE, 0x17, "i32.atomic.store", "memarg:memarg2", "@0 i32 ->", THREADS, STORES, ATOMIC),
    _r(0xFE, 0x18, "i64.atomic.store", "memarg:memarg3", "@0 i64 ->", THREADS, STORES, ATOMIC),
    _r(0xFE, 0x19, "i32.atomic.store8", "memarg:memarg0", "@0 i32 ->", THREADS, STORES, ATOMIC),
    _r(0xFE, 0x1A, "i32.atomic.store16", "memarg:memarg1", "@0 i32 ->", THREADS, STORES, ATOMIC),
    _r(0xFE, 0x1B, "i64.atomic.store8", "memarg:memarg0", "@0 i64 ->", THREADS, STORES, ATOMIC),
    _r(0xFE, 0x1C, "i64.atomic.store16", "memarg:memarg1", "@0 i64 ->", THREADS, STORES, ATOMIC),
    _r(0xFE, 0x1D, "i64.atomic.store32", "memarg:memarg2", "@0 i64 ->", THREADS, STORES, ATOMIC),
    _r(
        0xFE, 0x1E, "i32.atomic.rmw.add", "memarg:memarg2", "@0 i32 -> i32", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x1F, "i64.atomic.rmw.add", "memarg:memarg3", "@0 i64 -> i64", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x20, "i32.atomic.rmw8.add_u", "memarg:memarg0", "@0 i32 -> i32", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x21, "i32.atomic.rmw16.add_u", "memarg:memarg1", "@0 i32 -> i32", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x22, "i64.atomic.rmw8.add_u", "memarg:memarg0", "@0 i64 -> i64", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x23, "i64.atomic.rmw16.add_u", "memarg:memarg1", "@0 i64 -> i64", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x24, "i64.atomic.rmw32.add_u", "memarg:memarg2", "@0 i64 -> i64", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x25, "i32.atomic.rmw.sub", "memarg:memarg2", "@0 i32 -> i32", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x26, "i64.atomic.rmw.sub", "memarg:memarg3", "@0 i64 -> i64", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x27, "i32.atomic.rmw8.sub_u", "memarg:memarg0", "@0 i32 -> i32", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x28, "i32.atomic.rmw16.sub_u", "memarg:memarg1", "@0 i32 -> i32", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x29, "i64.atomic.rmw8.sub_u", "memarg:memarg0", "@0 i64 -> i64", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x2A, "i64.atomic.rmw16.sub_u", "memarg:memarg1", "@0 i64 -> i64", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x2B, "i64.atomic.rmw32.sub_u", "memarg:memarg2", "@0 i64 -> i64", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x2C, "i32.atomic.rmw.and", "memarg:memarg2", "@0 i32 -> i32", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x2D, "i64.atomic.rmw.and", "memarg:memarg3", "@0 i64 -> i64", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x2E, "i32.atomic.rmw8.and_u", "memarg:memarg0", "@0 i32 -> i32", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x2F, "i32.atomic.rmw16.and_u", "memarg:memarg1", "@0 i32 -> i32", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x30, "i64.atomic.rmw8.and_u", "memarg:memarg0", "@0 i64 -> i64", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x31, "i64.atomic.rmw16.and_u", "memarg:memarg1", "@0 i64 -> i64", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x32, "i64.atomic.rmw32.and_u", "memarg:memarg2", "@0 i64 -> i64", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x33, "i32.atomic.rmw.or", "memarg:memarg2", "@0 i32 -> i32", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x34, "i64.atomic.rmw.or", "memarg:memarg3", "@0 i64 -> i64", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x35, "i32.atomic.rmw8.or_u", "memarg:memarg0", "@0 i32 -> i32", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x36, "i32.atomic.rmw16.or_u", "memarg:memarg1", "@0 i32 -> i32", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x37, "i64.atomic.rmw8.or_u", "memarg:memarg0", "@0 i64 -> i64", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x38, "i64.atomic.rmw16.or_u", "memarg:memarg1", "@0 i64 -> i64", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x39, "i64.atomic.rmw32.or_u", "memarg:memarg2", "@0 i64 -> i64", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x3A, "i32.atomic.rmw.xor", "memarg:memarg2", "@0 i32 -> i32", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x3B, "i64.atomic.rmw.xor", "memarg:memarg3", "@0 i64 -> i64", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x3C, "i32.atomic.rmw8.xor_u", "memarg:memarg0", "@0 i32 -> i32", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x3D, "i32.atomic.rmw16.xor_u", "memarg:memarg1", "@0 i32 -> i32", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x3E, "i64.atomic.rmw8.xor_u", "memarg:memarg0", "@0 i64 -> i64", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x3F, "i64.atomic.rmw16.xor_u", "memarg:memarg1", "@0 i64 -> i64", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x40, "i64.atomic.rmw32.xor_u", "memarg:memarg2", "@0 i64 -> i64", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x41, "i32.atomic.rmw.xchg", "memarg:memarg2", "@0 i32 -> i32", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x42, "i64.atomic.rmw.xchg", "memarg:memarg3", "@0 i64 -> i64", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x43, "i32.atomic.rmw8.xchg_u", "memarg:memarg0", "@0 i32 -> i32", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x44, "i32.atomic.rmw16.xchg_u", "memarg:memarg1", "@0 i32 -> i32", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x45, "i64.atomic.rmw8.xchg_u", "memarg:memarg0", "@0 i64 -> i64", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x46, "i64.atomic.rmw16.xchg_u", "memarg:memarg1", "@0 i64 -> i64", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x47, "i64.atomic.rmw32.xchg_u", "memarg:memarg2", "@0 i64 -> i64", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x48, "i32.atomic.rmw.cmpxchg", "memarg:memarg2", "@0 i32 i32 -> i32", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x49, "i64.atomic.rmw.cmpxchg", "memarg:memarg3", "@0 i64 i64 -> i64", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x4A, "i32.atomic.rmw8.cmpxchg_u", "memarg:memarg0", "@0 i32 i32 -> i32", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x4B, "i32.atomic.rmw16.cmpxchg_u", "memarg:memarg1", "@0 i32 i32 -> i32", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x4C, "i64.atomic.rmw8.cmpxchg_u", "memarg:memarg0", "@0 i64 i64 -> i64", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x4D, "i64.atomic.rmw16.cmpxchg_u", "memarg:memarg1", "@0 i64 i64 -> i64", THREADS,
        LOADS, STORES, ATOMIC,
    ),
    _r(
        0xFE, 0x4E, "i64.atomic.rmw32.cmpxchg_u", "memarg:memarg2", "@0 i64 i64 -> i64", THREADS,
        LOADS, STORES, ATOMIC,
    ),
)
# fmt: on

# Pairs, because `prefix << 8 | number` runs into the next prefix from 0xFD 0x100 on.
BY_CODE: dict[tuple[int, int], Row] = {(row.prefix, row.number): row for row in ROWS}
"""Every row by prefix (0 for none) and number."""

BY_NAME: dict[str, Row] = {row.name: row for row in ROWS}
"""Every row by its name."""

PREFIXES: frozenset[int] = frozenset(row.prefix for row in ROWS) - {0}
"""The bytes that are followed by a number."""

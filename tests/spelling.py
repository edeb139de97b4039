"""Instructions and function bodies in all of their legal spellings, padded integers above all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeGuard

from tests.modules import padded, signed, unsigned
from wasmir.isa import kinds
from wasmir.isa.table import BY_NAME, ROWS, Row, Trait
from wasmir.types import AbstractHeap, Concrete, HeapType, NumType, RefType, ValType

if TYPE_CHECKING:
    from random import Random

    from wasmir.isa.kinds import Kind, MemArg


class Speller:
    """Writes an instruction in any of its legal spellings.

    ``common`` stays true as long as it is one of those that the scanner is there for: opcode,
    flags, counts and value types in their shortest forms, whatever the lengths of indices, offsets
    and constants.
    """

    def __init__(self, random: Random, *, pad: float) -> None:
        self.random = random
        self.pad = pad
        self.common = True
        self.out = bytearray()

    def wants_more(self) -> bool:
        return self.random.random() < self.pad

    def integer(self, value: int, bits: int = 32, *, sign: bool = False) -> None:
        if self.wants_more():
            self.out += padded(self.random, value, bits, sign=sign)
        else:
            self.out += signed(value) if sign else unsigned(value)

    def rigid(self, value: int) -> None:
        """A u32 that is nearly always in its shortest form: a count, flags, a sub-opcode."""
        start = len(self.out)
        self.integer(value)
        self.common = self.common and self.out[start:] == unsigned(value)

    def small(self, count: int, limit: int) -> None:
        self.rigid(count)
        self.common = self.common and count <= limit

    def heap(self, heap: HeapType) -> None:
        if isinstance(heap, AbstractHeap):
            self.out.append(heap.value)
        else:
            assert isinstance(heap.type, int)
            if heap.exact:
                self.common = False
                self.out.append(0x62)
                self.integer(heap.type)
            else:
                self.integer(heap.type, 33, sign=True)

    def value_type(self, type_: ValType) -> None:
        if isinstance(type_, NumType):
            self.out.append(type_.value)
        elif type_.nullable and isinstance(type_.heap, AbstractHeap) and not self.wants_more():
            self.out.append(type_.heap.value)
        else:
            self.out.append(0x63 if type_.nullable else 0x64)
            self.heap(type_.heap)

    def memarg(self, value: MemArg) -> None:
        more = value.memory != 0 or self.wants_more()
        self.rigid(value.align_log2 | (0x40 if more else 0))
        if more:
            self.common = False
            self.integer(value.memory)
        self.integer(value.offset, 64)

    def block_type(self, value: ValType | int | None) -> None:
        if value is None:
            self.out.append(0x40)
        elif isinstance(value, int):
            self.integer(value, 33, sign=True)
        else:
            self.value_type(value)

    def clauses(self, values: tuple[kinds.Clause, ...]) -> None:
        self.small(len(values), 2)
        for clause in values:
            self.out.append(clause.kind.value)
            if clause.tag is not None:
                self.integer(clause.tag)
            self.integer(clause.label)

    def handlers(self, values: tuple[kinds.Handler, ...]) -> None:
        self.small(len(values), 1)
        for handler in values:
            self.out.append(handler.label is None)
            self.integer(handler.tag)
            if handler.label is not None:
                self.integer(handler.label)

    def immediate(self, kind: Kind[Any], value: Any) -> None:  # noqa: ANN401 - the kind says
        match kind.name:
            case "i32" | "i64":
                self.integer(value, int(kind.name[1:]), sign=True)
            case "f32" | "f64":
                self.out += value.to_bytes(int(kind.name[1:]) // 8, "little")
            case "v128" | "shuffle":
                self.out += value
            case "zero" | "cast-flags" | "lane2" | "lane4" | "lane8" | "lane16":
                self.out.append(value)
            case "heap":
                self.heap(value)
            case "ref" | "ref-null":
                self.heap(value.heap)
            case "block-type":
                self.block_type(value)
            case "value-types":
                self.small(len(value), 1)
                for type_ in value:
                    self.value_type(type_)
            case "labels":
                self.small(len(value) - 1, 4)
                for label in value:
                    self.integer(label)
            case "catches":
                self.clauses(value)
            case "handlers":
                self.handlers(value)
            case name if name.startswith("memarg"):
                self.memarg(value)
            case _:
                # A plain u32; a kind that isn't would not round-trip in the first test.
                self.integer(value)

    def instruction(self, row: Row, values: tuple[Any, ...]) -> bytes:
        self.out.clear()
        self.common = True
        if row.prefix:
            self.out.append(row.prefix)
            self.rigid(row.number)
        else:
            self.out.append(row.number)
        for immediate, value in zip(row.immediates, values, strict=True):
            self.immediate(immediate.kind, value)
        return bytes(self.out)


def sample(row: Row, random: Random) -> tuple[Any, ...]:
    return tuple(immediate.kind.sample(random) for immediate in row.immediates)


# Whole bodies

TYPES, FUNCTIONS, TAGS, OTHERS = 200, 4, 150, 140
"""How many of each the modules of random bodies have: enough for indices of two bytes."""

_STRAIGHT = [
    row
    for row in ROWS
    if not row.traits & {Trait.OPENS, Trait.SEPARATES, Trait.CLOSES, Trait.BRANCHES}
]
_BRANCHES = [
    row
    for row in ROWS
    if Trait.BRANCHES in row.traits and row.name not in {"delegate", "try_table"}
]


class BodyWriter:
    """Random well-formed code: properly nested, indices and labels in range, types at random."""

    def __init__(self, random: Random, *, pad: float) -> None:
        self.random = random
        self.speller = Speller(random, pad=pad)
        self.out = bytearray()

    def put(self, row: Row, depth: int) -> None:
        self.out += self.speller.instruction(row, self.values(row, depth))

    def values(self, row: Row, depth: int) -> tuple[Any, ...]:
        return tuple(self.value(immediate.kind, depth) for immediate in row.immediates)

    def heap(self, heap: HeapType) -> HeapType:
        if isinstance(heap, Concrete):
            return Concrete(self.random.randrange(TYPES), heap.exact)
        return heap

    def in_range(self, type_: ValType) -> ValType:
        return RefType(type_.nullable, self.heap(type_.heap)) if _is_ref(type_) else type_

    def value(self, kind: Kind[Any], depth: int) -> Any:  # noqa: ANN401 - the kind says
        random = self.random
        spaces = {"type": TYPES, "type-use": TYPES, "func": FUNCTIONS, "tag": TAGS, "label": depth}
        spaces |= dict.fromkeys(("table", "memory", "global", "elem", "data"), OTHERS)
        if kind.name in spaces:
            return random.randrange(spaces[kind.name])
        value = kind.sample(random)
        if isinstance(value, kinds.MemArg):
            return replace(value, memory=value.memory % OTHERS)
        match kind.name:
            case "heap":
                return self.heap(value)
            case "ref" | "ref-null":
                return self.in_range(value)
            case "block-type":
                if value is None:
                    return None
                return random.randrange(TYPES) if isinstance(value, int) else self.in_range(value)
            case "value-types":
                return tuple(map(self.in_range, value))
            case "labels":
                return tuple(random.randrange(depth) for _ in range(random.choice([1, 3, 200])))
            case "catches":
                return tuple(self.clause(clause, depth) for clause in value)
            case "handlers":
                return tuple(self.handler(handler, depth) for handler in value)
        return value

    def clause(self, clause: kinds.Clause, depth: int) -> kinds.Clause:
        tag = None if clause.tag is None else self.random.randrange(TAGS)
        return kinds.Clause(clause.kind, tag, self.random.randrange(depth))

    def handler(self, handler: kinds.Handler, depth: int) -> kinds.Handler:
        label = None if handler.label is None else self.random.randrange(depth)
        return kinds.Handler(self.random.randrange(TAGS), label)

    def locals(self) -> None:
        groups = self.random.choice([0, 1, 2, 12])
        self.speller.out.clear()
        self.speller.integer(groups)
        for _ in range(groups):
            self.speller.integer(self.random.choice([0, 1, 300]))
            self.speller.value_type(self.in_range(self.random.choice(_VALUE_TYPES)))
        self.out += self.speller.out

    def sequence(self, depth: int, budget: int) -> None:
        """``depth`` labels are open; ``budget`` bounds nesting and length."""
        random = self.random
        for _ in range(random.randrange(budget + 1)):
            choice = random.randrange(10)
            if choice < 4:
                self.put(random.choice(_STRAIGHT), depth)
            elif choice < 6:
                self.put(random.choice(_BRANCHES), depth)
            else:
                self.structured(depth, budget // 2)

    def structured(self, depth: int, budget: int) -> None:
        random = self.random
        name = random.choice(["block", "loop", "if", "try", "try", "try", "try_table"])
        self.put(BY_NAME[name], depth)
        self.sequence(depth + 1, budget)
        if name == "if" and random.random() < 0.5:
            self.put(BY_NAME["else"], depth)
            self.sequence(depth + 1, budget)
        if name == "try":
            if random.random() < 0.3:
                self.put(BY_NAME["delegate"], depth)
                return
            for _ in range(random.randrange(3)):
                self.put(BY_NAME["catch"], depth)
                self.sequence(depth + 1, budget)
            if random.random() < 0.5:
                self.put(BY_NAME["catch_all"], depth)
                self.sequence(depth + 1, budget)
        self.put(BY_NAME["end"], depth)

    def body(self, budget: int) -> bytes:
        self.out.clear()
        self.locals()
        self.sequence(1, budget)
        self.put(BY_NAME["end"], 1)
        return bytes(self.out)


def _is_ref(type_: ValType) -> TypeGuard[RefType]:
    return isinstance(type_, RefType)


_VALUE_TYPES: list[ValType] = [
    *NumType,
    RefType(True, AbstractHeap.EXN),
    RefType(False, AbstractHeap.ANY),
    RefType(True, Concrete(3)),
]

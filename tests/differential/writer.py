"""Random code that is valid, whatever the choices; what catches exceptions is up to a subclass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.differential.assemble import (
    CALL_BACK,
    CALL_BACK_CATCHING,
    EXT,
    F64,
    FIRST_FUNCTION,
    FUEL,
    I31,
    I32,
    I64,
    LOG,
    LOG_REF,
    RAISE,
    SN,
    TAGS,
    THROW_JS,
    THROW_WASM,
    TYPE_S,
    TYPE_T,
    V128,
    A,
    S,
    Skeleton,
    T,
    Tag,
    Type,
    Types,
    block_type,
)
from tests.modules import signed, unsigned

if TYPE_CHECKING:
    from tests.differential.choices import Choices

__all__ = ["DEPTH", "LOCALS", "NON_NULL", "RESULTS", "Label", "Writer"]

DEPTH = 6
"""How deep statements nest, at most."""

LOCALS: Final[dict[Type, tuple[int, ...]]] = {
    I32: (0, 1, 2, 3),
    I64: (4,),
    F64: (5,),
    V128: (6,),
    SN: (7,),
    S: (8,),
    A: (9,),
    I31: (10,),
    EXT: (11,),
}
"""Which locals have a type: two parameters, and what every function declares."""
NON_NULL = frozenset({S, A, I31})
"""Types whose locals have no value at first."""

RESULTS: Final[tuple[Types, ...]] = (
    (I32,),
    (),
    (I32, I64),
    (SN, I32),
    (S,),
    (F64, EXT, I32),
    (I31, F64),
)
"""What functions return."""

_STRUCTURED_RESULTS: Final[tuple[Types, ...]] = (
    *[()] * 10,
    (I32,),
    (I32,),
    (I32, I64),
    (S,),
    (SN, I32),
    (V128,),
    (EXT,),
    (I31, F64),
    (A,),
    (SN,),
    (I64, I32, I32),
)
_PARAMS: Final[tuple[Types, ...]] = ((I32,), (I32, I32), (S,), (I64, I32), (V128,), (SN, I32))

DROP, SELECT, RETURN, UNREACHABLE = b"\x1a", b"\x1b", b"\x0f", b"\x00"
# The last divides, and may trap.
_BINARY = (b"\x6a", b"\x6b", b"\x73", b"\x48", b"\x71", b"\x6a", b"\x73", b"\x6a", b"\x6d")


@dataclass(frozen=True)
class Label:
    """What stands around: what a branch to it takes, and whether ``rethrow`` may name it."""

    kind: str
    types: Types
    caught: bool = False


class Writer:
    """Writes one function."""

    #: Whether it has locals without default.
    without_default = False

    def __init__(
        self, choices: Choices, skeleton: Skeleton, signatures: list[Types], results: Types
    ) -> None:
        self.c = choices
        self.skeleton = skeleton
        self.signatures = signatures
        self.results = results
        self.out = bytearray()
        self.labels = [Label("function", results)]
        #: The locals without default that have a value here.
        self.set: set[Type] = set()

    def code(self) -> bytes:
        """Locals and instructions."""
        # Code that isn't reached by one way only can't read such locals, so less can be moved.
        self.without_default = self.c.rarely(2)
        self.out += self.declarations() + FUEL
        self.sequence(self.results, DEPTH)
        return bytes(self.out) + b"\x0b"

    def declarations(self) -> bytes:
        return unsigned(len(LOCALS)) + self.groups()

    def groups(self) -> bytes:
        """The locals that every function has: of those without default, some have others."""
        return b"".join(
            bytes([2 if type_ == I32 else len(numbers)])
            + (I32 if type_ in NON_NULL and not self.without_default else type_)
            for type_, numbers in LOCALS.items()
        )

    # Sequences

    def sequence(self, results: Types, depth: int, below: Types = ()) -> None:
        """Statements, then the results or a jump; ``below`` is on the stack already."""
        c = self.c
        kept = below
        if below and not c.rarely(3):
            kept = ()
            if below == results and c.rarely(2):
                return
            self.sink_all(below)
        more = 2 if depth == DEPTH and not c.done else 0
        for _ in range(more + c.below(4 if depth > 0 else 2)):
            self.statement(depth)
        if c.rarely(4):
            self.jump(depth)
            if c.rarely(3):
                self.dead_code(results, depth)
            return
        self.sink_all(kept)
        for type_ in results:
            self.value(type_, depth - 1)

    def dead_code(self, results: Types, depth: int) -> None:
        """Behind a jump: operands may come from nowhere."""
        c = self.c
        if c.rarely(2):
            types = c.pick(_PARAMS)
            self.structured(c.pick(_STRUCTURED_RESULTS), min(depth, 2), params=types)
            self.out += UNREACHABLE
        else:
            self.statement(min(depth, 2))
        if c.rarely(2):
            for type_ in results:
                self.value(type_, 0)

    def sink_all(self, types: Types) -> None:
        for type_ in reversed(types):
            self.sink(type_)

    def sink(self, type_: Type) -> None:
        """Take an operand, in one way or another."""
        choice = self.c.below(4)
        if choice in {1, 2}:
            self.observe(type_)
        elif choice == 3 and type_ in LOCALS:
            self.set_local(type_)
        else:
            self.out += DROP

    def observe(self, type_: Type) -> None:
        """Take an operand to where it can be seen from outside."""
        self.out += {
            I32: b"",
            I64: b"\xa7",
            F64: b"\xfc\x02",
            V128: b"\xfd\x1b\x00",
            EXT: b"",
        }.get(type_, b"\xfb\x1b")
        number = type_ in {I32, I64, F64, V128}
        self.out += b"\x10" + unsigned(LOG if number else LOG_REF)

    def set_local(self, type_: Type) -> None:
        if type_ in NON_NULL and not self.without_default:
            self.out += DROP
            return
        self.out += b"\x21" + unsigned(self.c.pick(LOCALS[type_]))
        self.set.add(type_)

    # Values

    def value(self, type_: Type, depth: int) -> None:
        """Push an operand."""
        c = self.c
        if depth > 0 and c.rarely(5):
            self.structured((type_,), depth)
        elif c.rarely(12) and (type_,) in self.signatures:
            self.call((type_,))
        elif type_ == I32:
            self.number(depth)
        elif type_ == SN:
            self.nullable(depth)
        elif type_ == EXT:
            if c.rarely(2):
                self.number(0)
                self.out += b"\xfb\x1c\xfb\x1b"
            else:
                self.get_local(EXT)
        elif c.rarely(2) and (type_ in self.set or type_ not in NON_NULL) and type_ in LOCALS:
            self.get_local(type_)
        else:
            self.made(type_, depth)

    def get_local(self, type_: Type) -> None:
        self.out += b"\x20" + unsigned(self.c.pick(LOCALS[type_]))

    def number(self, depth: int) -> None:
        c = self.c
        choice = c.below(12)
        if choice < 1:
            self.out += b"\x41" + signed(c.below(32))
        elif choice < 6:
            self.get_local(I32)
        elif choice < 8 and depth > 0:
            self.number(depth - 1)
            # The first operand waits below whatever the second is.
            self.value(I32, depth - 1)
            self.out += c.pick(_BINARY)
        elif choice == 8:
            self.from_other(depth)
        elif choice == 9 and self.skeleton.memory:
            self.address()
            self.out += b"\x28\2\4"
        elif choice == 10 and depth > 0:
            self.number(0)
            self.number(0)
            self.number(depth - 1)
            self.out += SELECT
        else:
            self.out += b"\x23\1"

    def from_other(self, depth: int) -> None:
        """An i32 that is made from some other type."""
        c = self.c
        choice = c.below(8)
        if choice == 0:
            self.value(I64, depth - 1)
            self.out += b"\xa7"
        elif choice == 1:
            self.value(F64, depth - 1)
            self.out += b"\xfc\x02"
        elif choice == 2:
            self.value(V128, depth - 1)
            self.out += b"\xfd\x1b\1"
        elif choice == 3:
            self.value(I31, depth - 1)
            self.out += b"\xfb\x1d"
        elif choice == 4:
            self.value(A, depth - 1)
            self.out += b"\x41" + signed(c.below(9) // 4) + b"\xfb\x0b\2"  # 2 is out of bounds
        elif choice == 5:
            self.value(S, depth - 1)
            self.out += b"\xfb\2\0\0"
        elif choice == 6 and c.rarely(3):
            self.value(SN, depth - 1)
            self.out += b"\xfb\2\0\0"  # a null traps
        else:
            self.value(SN, depth - 1)
            self.out += b"\xd1" if c.rarely(2) else b"\xfb\x14\1"

    def nullable(self, depth: int) -> None:
        choice = self.c.below(4)
        if choice == 0:
            self.out += b"\xd0\0"
        elif choice == 1:
            self.get_local(SN)
        elif choice == 2:
            self.out += b"\x23\2"
        elif self.c.rarely(2):
            self.made(T, depth)
        else:
            self.value(S, depth - 1)

    def made(self, type_: Type, depth: int) -> None:
        """A new value."""
        # A memory64 address is one more way to an i64.
        self.value(I32, depth - 1) if depth > 0 else self.number(0)
        if type_ == A:
            self.number(0)
        self.out += {
            I64: b"\xac",
            F64: b"\xb7",
            V128: b"\xfd\x11",
            S: b"\x42\7\xfb\0\0",
            T: b"\x42\x09\x41\1\xfb\0\1",
            I31: b"\xfb\x1c",
            A: b"\xfb\x08\2\2",
        }[type_]

    def address(self) -> None:
        self.number(0)
        self.out += b"\x41\xf0\0\x71"
        if self.skeleton.memory == 2:
            self.out += b"\xad"

    # Statements

    def statement(self, depth: int) -> None:
        c = self.c
        choice = c.below(24)
        if choice < 3:
            self.out += b"\x41" + signed(c.below(100)) + b"\x10" + unsigned(LOG)
        elif choice < 7:
            self.number(1)
            self.out += b"\x10" + unsigned(c.pick((RAISE, RAISE, RAISE, THROW_JS, THROW_WASM)))
        elif choice < 9:
            type_ = c.pick((I32, S, I64, V128, SN, A, I31, F64, EXT))
            self.value(type_, depth - 1)
            self.set_local(type_)
        elif choice == 9:
            results = c.pick(self.signatures)
            self.call(results)
            self.sink_all(results)
        elif choice == 10:
            self.number(0)
            self.out += b"\x10" + unsigned(c.pick((CALL_BACK, CALL_BACK_CATCHING)))
            self.sink(I32)
        elif choice == 11:
            self.branch_if(depth)
        elif choice == 12:
            self.branch_on(depth)
        elif choice == 13:
            self.store(depth)
        elif choice == 14 and c.rarely(8):
            self.nest(depth)
        elif depth > 0:
            results = c.pick(_STRUCTURED_RESULTS)
            self.structured(results, depth)
            self.sink_all(results)

    def store(self, depth: int) -> None:
        """Change what outlives the call."""
        choice = self.c.below(3)
        if choice == 0 and self.skeleton.memory:
            self.address()
            self.value(I32, depth - 1)
            self.out += b"\x36\2\4"
        elif choice == 1:
            self.value(SN, depth - 1)
            self.out += b"\x24\2"
        else:
            self.value(I32, depth - 1)
            self.out += b"\x24\1"

    def nest(self, depth: int) -> None:
        """Labels so deep that their numbers take two bytes."""
        count = 130
        self.out += b"\x02\x40" * count
        self.labels += [Label("block", ())] * count
        before = set(self.set)
        self.statement(depth)
        self.set = set(before)
        del self.labels[-count:]
        self.out += b"\x0b" * count

    def call(self, results: Types, *, tail: bool = False) -> None:
        """Call a function with such results."""
        c = self.c
        callee = c.pick([n for n, each in enumerate(self.signatures) if each == results])
        self.number(0)
        self.number(0)
        if not c.rarely(4):
            self.out += (b"\x12" if tail else b"\x10") + unsigned(FIRST_FUNCTION + callee)
            return
        type_ = unsigned(self.skeleton.type_index((I32, I32), results))
        if c.rarely(2):
            # Typed function references: through another local there would be nothing new to see.
            self.out += b"\xd2" + unsigned(FIRST_FUNCTION + callee)
            self.out += (b"\x15" if tail else b"\x14") + type_
        else:
            self.out += b"\x41" + signed(callee)
            self.out += (b"\x13" if tail else b"\x11") + type_ + b"\0"

    # Branches

    def depth_of(self, index: int) -> bytes:
        return unsigned(len(self.labels) - 1 - index)

    def label(self) -> int:
        """The index of some label: the innermost ones are more likely."""
        c = self.c
        count = len(self.labels)
        return count - 1 - c.below(min(count, 3 if c.rarely(2) else count, 200))

    def values(self, types: Types, depth: int = 0) -> None:
        for type_ in types:
            self.value(type_, depth)

    def branch_if(self, depth: int) -> None:
        index = self.label()
        types = self.labels[index].types
        self.values(types)
        self.number(depth - 1)
        self.out += b"\x0d" + self.depth_of(index)
        self.sink_all(types)

    def branch_on(self, depth: int) -> None:
        """``br_on_null`` and its kin, to a label that suits one of them."""
        c = self.c
        fitting = [n for n, each in enumerate(self.labels) if each.types[-1:] in {(S,), (SN,)}]
        if not fitting or c.rarely(3):
            index = self.label()
            types = self.labels[index].types
            self.values(types)
            self.nullable(depth - 1)
            self.out += b"\xd5" + self.depth_of(index)
            self.sink_all((*types, S))
            return
        index = fitting[-1 - c.below(min(len(fitting), 200))]
        types = self.labels[index].types
        self.values(types[:-1])
        self.nullable(depth - 1)
        target = self.depth_of(index)
        heap = c.pick((TYPE_S, TYPE_T))
        if c.rarely(2):
            self.out += b"\xd6" + target
            self.sink_all(types[:-1])
        elif types[-1] == SN and c.rarely(2):
            # From (ref null $s) to (ref $heap); what fails is (ref null $s).
            self.out += b"\xfb\x19\1" + target + bytes([TYPE_S, heap])
            self.sink_all((*types[:-1], S if heap == TYPE_S else T))
        else:
            self.out += b"\xfb\x18\1" + target + bytes([TYPE_S, heap])
            self.sink_all((*types[:-1], SN))

    def jump(self, depth: int) -> None:
        """Something that control doesn't come back from."""
        c = self.c
        if c.rarely(3):
            self.values((I32, S)[: c.below(3)])  # operands that are left behind
        choice = c.below(12)
        if choice < 2:
            self.values(self.results)
            self.out += RETURN
        elif choice < 5:
            index = self.label()
            self.values(self.labels[index].types, depth - 1)
            self.out += b"\x0c" + self.depth_of(index)
        elif choice == 5:
            self.branch_table()
        elif choice < 8:
            self.throw(depth)
        elif choice == 8:
            self.call(self.results, tail=True)
        elif choice == 9 and c.rarely(3):
            self.out += UNREACHABLE
        else:
            self.throw_again(depth)

    def branch_table(self) -> None:
        c = self.c
        types = self.labels[self.label()].types
        alike = [n for n, each in enumerate(self.labels) if each.types == types][-200:]
        chosen = [alike[-1 - c.below(len(alike))] for _ in range(1 + c.below(3))]
        self.values(types)
        self.number(0)
        self.out += b"\x0e" + unsigned(len(chosen) - 1) + b"".join(map(self.depth_of, chosen))

    def throw(self, depth: int) -> None:
        tag = self.some_tag()
        self.values(tag.payload, depth - 1)
        self.out += b"\x08" + unsigned(tag.index)

    def some_tag(self) -> Tag:
        return self.c.pick(TAGS)

    def throw_again(self, depth: int) -> None:
        """Throw what was caught, if anything was."""
        raise NotImplementedError

    # Structure

    def structured(self, results: Types, depth: int, params: Types | None = None) -> None:
        """A structured instruction; ``params`` are there already, if given."""
        c = self.c
        if params is None:
            params = c.pick(_PARAMS) if c.rarely(6) else ()
            self.values(params, depth - 1)
        choice = c.below(12)
        if choice < 1:
            self.opened(b"\x02", Label("block", results), params, results, depth)
        elif choice < 3:
            self.loop(params, results, depth)
        elif choice < 4:
            self.if_(params, results, depth)
        else:
            self.catching(params, results, depth)
            return
        self.out += b"\x0b"

    def opened(
        self, opcode: bytes, label: Label, params: Types, results: Types, depth: int
    ) -> None:
        """All but the end."""
        self.out += opcode + block_type(self.skeleton, params, results)
        self.inside(label, params, results, depth)

    def inside(self, label: Label, below: Types, results: Types, depth: int) -> None:
        before = set(self.set)
        self.labels.append(label)
        self.sequence(results, depth - 1, below)
        self.labels.pop()
        self.set = set(before)

    def loop(self, params: Types, results: Types, depth: int) -> None:
        self.out += b"\x03" + block_type(self.skeleton, params, results) + FUEL
        self.inside(Label("loop", params), params, results, depth)

    def if_(self, params: Types, results: Types, depth: int) -> None:
        self.number(0)
        label = Label("if", results)
        self.opened(b"\x04", label, params, results, depth)
        if params != results or self.c.rarely(2):
            self.out += b"\x05"
            self.inside(label, params, results, depth)

    def catching(self, params: Types, results: Types, depth: int) -> None:
        """Something that catches exceptions, with its end."""
        raise NotImplementedError

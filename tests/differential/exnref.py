"""Random modules, dense in exnref exception handling: what compilers write, more that has a legacy
form, and what has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.differential.assemble import (
    EXN,
    I32,
    LOG,
    REF_EXN,
    TAGS,
    S,
    Tag,
    Type,
    Types,
    block_type,
)
from tests.differential.choices import Case, cases
from tests.differential.legacy import module_of
from tests.differential.writer import LOCALS, Label, Writer
from tests.modules import signed, unsigned

if TYPE_CHECKING:
    from hypothesis import strategies as st

__all__ = ["exnref_module", "exnref_modules"]

_FIRST = sum(map(len, LOCALS.values()))
_LOCALS = 4
"""Locals for exceptions: so many, behind all others."""

THROW_REF = b"\x0a"


def exnref_modules() -> st.SearchStrategy[bytes]:
    """Valid modules with exnref exception handling."""
    return cases().map(exnref_module)


def exnref_module(case: Case) -> bytes:
    """The module of a case."""
    return module_of(case, ExnrefWriter)


@dataclass(frozen=True)
class _Clause:
    tag: Tag | None
    ref: bool
    #: The landing, by its number among those of the same statement.
    landing: int

    def encoded(self, label: bytes) -> bytes:
        if self.tag is None:
            return (b"\3" if self.ref else b"\2") + label
        return (b"\1" if self.ref else b"\0") + unsigned(self.tag.index) + label


class ExnrefWriter(Writer):
    """``try_table`` with all kinds of clauses, and ``throw_ref``.

    A function may be *wild*: then it treats exceptions as values.
    """

    wild = False
    #: Locals that hold the exceptions of the handlers around.
    kept: tuple[int, ...] = ()

    def code(self) -> bytes:
        self.wild = self.c.rarely(4)
        return super().code()

    def declarations(self) -> bytes:
        return unsigned(len(LOCALS) + 1) + self.groups() + bytes([_LOCALS]) + EXN

    # Exceptions as values

    def label(self) -> int:
        index = super().label()
        # Where a branch would take an exception along.
        while not self.wild and self.labels[index].types[-1:] in {(EXN,), (REF_EXN,)}:
            index -= 1
        return index

    def value(self, type_: Type, depth: int) -> None:
        if type_ not in {EXN, REF_EXN}:
            super().value(type_, depth)
        elif type_ == EXN and self.c.rarely(16):
            self.out += b"\xd0" + EXN
        else:
            self.out += b"\x20" + self.some_local()
            self.out += b"\xd4" if type_ == REF_EXN else b""

    def some_local(self) -> bytes:
        return unsigned(_FIRST + self.c.below(_LOCALS))

    def sink(self, type_: Type) -> None:
        if type_ not in {EXN, REF_EXN}:
            super().sink(type_)
        elif self.wild and self.c.rarely(3):
            self.out += b"\x21" + self.some_local()
        else:
            self.out += b"\x1a"

    def statement(self, depth: int) -> None:
        if self.wild and self.c.rarely(6):
            self.strange(depth)
        else:
            super().statement(depth)

    def strange(self, depth: int) -> None:
        """Something with exceptions as values."""
        c = self.c
        choice = c.below(8)
        landings = [n for n, each in enumerate(self.labels) if each.kind == "landing"]
        if choice == 7 and landings:
            index = c.pick(landings[:200])
            types = self.labels[index].types
            self.values(types)
            self.nullable(0)
            self.out += b"\xd5" + self.depth_of(index)
            self.sink_all((*types, S))
        elif choice == 0:
            self.value(EXN, 0)
            self.out += b"\xd1\x10" + unsigned(LOG)
        elif choice == 1:
            self.value(EXN, 0)
            self.value(EXN, 0)
            self.number(0)
            self.out += b"\x1c\1" + EXN + b"\x21" + self.some_local()
        elif choice == 2:
            self.value(EXN, 0)
            self.out += b"\x21" + self.some_local()
        elif choice == 3:
            self.number(0)
            self.out += b"\x04\x40"
            self.value(EXN, 0)
            self.out += THROW_REF + b"\x0b"
        elif choice == 4:
            self.value(EXN, 0)
            if c.rarely(2):
                self.loop((EXN,), (), 0)
            else:
                self.opened(b"\x02", Label("block", ()), (EXN,), (), 0)
            self.out += b"\x0b"
        elif choice == 5:
            self.opened(b"\x02", Label("block", (EXN,)), (), (EXN,), depth - 1)
            self.out += b"\x0b\x1a"
        else:
            self.value(EXN, 0)
            self.out += b"\x22" + self.some_local() + b"\x1a"

    def throw_again(self, depth: int) -> None:
        c = self.c
        if self.wild and c.rarely(3):
            self.value(EXN, depth)
        elif self.kept:
            number = self.kept[-1 - c.below(min(len(self.kept), 3))]
            self.out += b"\x20" + unsigned(number)
        else:
            self.throw(depth)
            return
        self.out += THROW_REF

    # try_table

    def catching(self, params: Types, results: Types, depth: int) -> None:
        before = set(self.set)
        if self.c.rarely(3):
            self.direct(params, results, depth)
        else:
            self.landed(params, results, depth)
        self.set = set(before)

    def some_clauses(self, landings: list[Types]) -> list[_Clause]:
        """Clauses, and what their landings take."""
        c = self.c
        clauses: list[_Clause] = []
        for _ in range(1 + c.below(3)):
            tag = None if c.rarely(3) else c.pick(TAGS)
            if clauses and c.rarely(8):
                tag = clauses[-1].tag
            ref = not c.rarely(3)
            types = () if tag is None else tag.payload
            if ref:
                types += (REF_EXN if c.rarely(6) else EXN,)
            same = [n for n, each in enumerate(landings) if each == types]
            if not same or c.rarely(2):
                landings.append(types)
                same = [len(landings) - 1]
            clauses.append(_Clause(tag, ref, same[0]))
        return clauses

    def landed(self, params: Types, results: Types, depth: int) -> None:
        """Handlers behind landings of their own::

        block $out block $b block $a try_table (… $a) (… $b) … end br $out end … br $out end … end
        """
        c = self.c
        self.out += b"\x02" + block_type(self.skeleton, params, results)
        self.labels.append(Label("block", results))
        out = len(self.labels) - 1
        landings: list[Types] = []
        clauses = self.some_clauses(landings)
        for types in reversed(landings):
            self.out += b"\x02" + block_type(self.skeleton, params, types)
            self.labels.append(Label("landing", types))
        before = set(self.set)
        if c.rarely(4) and not params:
            # Two that land together.
            self.table(clauses[: 1 + c.below(3)], (), (), depth - 1)
            self.statement(depth - 2)
        self.table(clauses, params, results, depth)
        self.out += b"\x0c" + self.depth_of(out)
        for number, types in enumerate(landings):
            self.set = set(before)
            self.labels.pop()
            self.out += b"\x0b"
            self.handler(types, results, depth)
            if number < len(landings) - 1:
                self.out += b"\x0c" + self.depth_of(out)
        self.labels.pop()
        self.out += b"\x0b"

    def table(self, clauses: list[_Clause], params: Types, results: Types, depth: int) -> None:
        """A ``try_table`` whose landings are the innermost labels."""
        self.out += b"\x1f" + block_type(self.skeleton, params, results) + unsigned(len(clauses))
        for clause in clauses:
            self.out += clause.encoded(unsigned(clause.landing))
        self.inside(Label("try_table", results), params, results, depth)
        self.out += b"\x0b"

    def direct(self, params: Types, results: Types, depth: int) -> None:
        """Clauses that go to labels that are there."""
        c = self.c
        encoded = []
        for _ in range(c.below(4)):
            tag = None if c.rarely(3) else c.pick(TAGS)
            payload = () if tag is None else tag.payload
            kept = {(*payload, EXN), (*payload, REF_EXN)}
            fitting = [
                n
                for n, each in enumerate(self.labels)
                if each.types == payload
                or (each.types in kept and (self.wild or each.kind == "landing"))
            ]
            landings = [n for n in fitting if self.labels[n].kind == "landing"]
            if landings and c.rarely(2):
                # Perhaps past other handlers, which must not see it.
                fitting = landings
            if not fitting:
                continue
            index = fitting[-1 - c.below(min(len(fitting), 200))]
            ref = self.labels[index].types != payload
            encoded.append(_Clause(tag, ref, 0).encoded(self.depth_of(index)))
        self.out += b"\x1f" + block_type(self.skeleton, params, results) + unsigned(len(encoded))
        self.out += b"".join(encoded)
        self.inside(Label("try_table", results), params, results, depth)
        self.out += b"\x0b"

    # Behind a landing

    def handler(self, types: Types, results: Types, depth: int) -> None:
        """What a landing leaves is there; leave the results, or don't come out."""
        before = set(self.set)
        kept = self.kept
        if types[-1:] in {(EXN,), (REF_EXN,)}:
            self.with_exception(types, results, depth)
        else:
            self.sequence(results, depth - 1, types)
        self.kept = kept
        self.set = set(before)

    def with_exception(self, types: Types, results: Types, depth: int) -> None:
        c = self.c
        payload = types[:-1]
        number = _FIRST + len(self.kept) % _LOCALS
        choice = c.below(10)
        if choice < 2:
            # Kept on the stack under the code.
            self.out += b"\x41" + signed(c.below(100)) + b"\x10" + unsigned(LOG)
            if c.rarely(2):
                self.statement(depth - 2)
            self.out += THROW_REF
        elif choice == 2:
            self.out += b"\x1a"
            self.sequence(results, depth - 2, payload)
        elif choice == 3:
            self.out += THROW_REF
        elif choice == 4 and self.wild:
            self.opened(b"\x02", Label("block", results), types, results, depth - 2)
            self.out += b"\x0b"
        else:
            tee = c.rarely(3)
            self.out += (b"\x22" if tee else b"\x21") + unsigned(number)
            self.out += b"\x1a" if tee else b""
            self.kept = (*self.kept, number)
            self.sink_all(payload)
            self.thrown_or(results, number, depth)

    def thrown_or(self, results: Types, number: int, depth: int) -> None:
        c = self.c
        again = b"\x20" + unsigned(number) + THROW_REF
        choice = c.below(4)
        if choice == 0:
            self.statement(depth - 2)
            self.out += again
        elif choice < 3:
            self.number(0)
            self.out += b"\x04\x40"
            self.labels.append(Label("if", ()))
            self.values((I32,) * c.below(2))
            self.out += again
            self.labels.pop()
            self.out += b"\x0b"
            self.sequence(results, depth - 2)
        else:
            self.sequence(results, depth - 2)

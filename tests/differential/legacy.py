"""Random modules, dense in legacy exception handling, which reach every legal shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.differential.assemble import (
    FUEL,
    I32,
    I64,
    LOG,
    RAISE,
    TAGS,
    Function,
    Skeleton,
    Tag,
    Types,
    block_type,
)
from tests.differential.choices import Case, Choices, cases
from tests.differential.writer import RESULTS, RETURN, Label, Writer
from tests.modules import signed, unsigned

if TYPE_CHECKING:
    from hypothesis import strategies as st

__all__ = ["legacy_module", "legacy_modules", "module_of"]


def legacy_modules() -> st.SearchStrategy[bytes]:
    """Valid modules with legacy exception handling."""
    return cases().map(legacy_module)


def legacy_module(case: Case) -> bytes:
    """The module of a case."""
    return module_of(case, LegacyWriter)


def module_of(case: Case, writer: type[Writer]) -> bytes:
    """The module that a writer makes of a case."""
    choices = Choices(case.module)
    skeleton = Skeleton(choices.pick((0, 0, 0, 0, 0, 1, 2)))
    streams = [Choices(data) for data in case.functions]
    signatures = [each.pick(RESULTS) for each in streams]
    for stream, results in zip(streams, signatures, strict=True):
        code = writer(stream, skeleton, signatures, results).code()
        skeleton.functions.append(Function(results, code))
    return skeleton.assemble()


class LegacyWriter(Writer):
    """``try`` with all that may follow it, and ``rethrow``."""

    def catching(self, params: Types, results: Types, depth: int) -> None:
        c = self.c
        before = set(self.set)
        if c.rarely(10):
            self.sink_all(params)
            self.tower(depth)
            self.set = set(before)
            self.values(results)
            return
        self.opened(b"\x06", Label("try", results), params, results, depth)
        if c.rarely(5):
            # It counts from outside the try, and may name the function.
            self.out += b"\x18" + self.depth_of(self.label())
            return
        tags: list[Tag] = []
        for _ in range(c.below(4)):
            tag = tags[-1] if tags and c.rarely(8) else self.some_tag()
            tags.append(tag)
            self.out += b"\x07" + unsigned(tag.index)
            self.handler(tag.payload, results, depth)
        if c.rarely(2):
            self.out += b"\x19"
            self.handler((), results, depth)
        self.set = set(before)
        self.out += b"\x0b"

    def tower(self, depth: int) -> None:
        """Trys right inside one another, which delegate to one another and beyond."""
        c = self.c
        count = 2 + c.below(4)
        tags = [self.some_tag() for _ in range(2)]
        self.out += b"\x06\x40" * count
        self.labels += [Label("try", ())] * count
        before = set(self.set)
        self.number(0)
        self.out += b"\x10" + unsigned(RAISE)
        self.statement(depth - 3)
        for level in reversed(range(count)):
            self.set = set(before)
            self.labels.pop()
            if level == count - 1 or c.rarely(2):
                height = len(self.labels)
                self.out += b"\x18" + self.depth_of(height - 1 - c.below(min(height, count + 1)))
                continue
            for _ in range(c.below(3)):
                tag = c.pick(tags)
                self.out += b"\x07" + unsigned(tag.index)
                self.handler(tag.payload, (), depth - 3)
            if c.rarely(3):
                self.out += b"\x19"
                self.handler((), (), depth - 3)
            self.out += b"\x0b"

    def some_tag(self) -> Tag:
        c = self.c
        # Half of them of those that go through the host.
        return c.pick(TAGS[:4]) if c.rarely(3) else c.pick(TAGS)

    def throw_again(self, depth: int) -> None:
        caught = [n for n, each in enumerate(self.labels) if each.caught]
        if not caught:
            self.throw(depth)
            return
        index = caught[-1 - self.c.below(min(len(caught), 4))]
        self.out += b"\x09" + self.depth_of(index)

    # Handlers

    def handler(self, payload: Types, results: Types, depth: int) -> None:
        c = self.c
        before = set(self.set)
        self.labels.append(Label("try", results, caught=True))
        choice = c.below(16)
        if choice < 5:
            self.sequence(results, depth - 1, payload)
        elif choice == 5:
            self.cleanup(payload)
        elif choice == 6:
            self.drop_some(payload)
            self.out += b"\x09\0"
        elif choice == 7 and payload == results:
            pass
        elif choice < 10:
            self.way_out(payload, depth)
        elif choice == 10:
            self.twice(payload, results, depth)
        elif choice == 11:
            self.from_inside(payload, results, depth)
        elif choice == 12:
            self.wrapped(payload, results, depth)
        elif choice == 13:
            self.sink_all(payload)
            self.ladder(1 + c.below(3))
            self.values(results, depth - 2)
        else:
            self.sink_all(payload)
            self.sequence(results, depth - 2)
        self.labels.pop()
        self.set = set(before)

    def drop_some(self, payload: Types) -> None:
        self.out += b"\x1a" * self.c.below(len(payload) + 1)

    def cleanup(self, payload: Types) -> None:
        """What compilers write."""
        self.sink_all(payload)
        self.out += b"\x41" + signed(self.c.below(100)) + b"\x10" + unsigned(LOG) + b"\x09\0"

    def way_out(self, payload: Types, depth: int) -> None:
        """Nothing but a branch, with the payload if there is a label that takes just that, or its
        end.
        """
        c = self.c
        ends = [
            n
            for n, each in enumerate(self.labels)
            if each.types == payload[len(payload) - len(each.types) :]
        ]
        exact = [n for n in ends if self.labels[n].types == payload]
        chosen = exact if exact and not c.rarely(4) else ends
        if not chosen:
            self.jump(depth)
            return
        index = chosen[-1 - c.below(min(len(chosen), 200))]
        self.out += RETURN if index == 0 and c.rarely(2) else b"\x0c" + self.depth_of(index)

    def twice(self, payload: Types, results: Types, depth: int) -> None:
        """Two places that may throw the exception again."""
        self.sink_all(payload)
        self.perhaps_again(depth)
        self.sequence((), depth - 2)
        self.again_or(results, depth)

    def perhaps_again(self, depth: int) -> None:
        """Throw what was caught once more, or go on."""
        c = self.c
        kind = c.pick(("if", "block", "loop"))
        if kind == "if":
            self.number(0)
            self.out += b"\x04\x40"
        else:
            self.out += b"\x02\x40" if kind == "block" else b"\x03\x40" + FUEL
            self.number(0)
            self.out += b"\x0d\0"
        self.labels.append(Label(kind, ()))
        self.values((I32, I64)[: c.below(3)])
        self.throw_again(depth)
        self.labels.pop()
        self.out += b"\x0b"

    def ladder(self, levels: int) -> None:
        """Handlers in one another, each with exceptions of its own and of those around to throw."""
        if levels:
            self.out += b"\x06\x40"
            self.labels.append(Label("try", ()))
            self.number(0)
            self.out += b"\x10" + unsigned(RAISE)
            self.labels[-1] = Label("try", (), caught=True)
            self.out += b"\x19"
            self.ladder(levels - 1)
            self.labels.pop()
            self.out += b"\x0b"
        self.perhaps_again(0)

    def again_or(self, results: Types, depth: int) -> None:
        if self.c.rarely(2):
            self.throw_again(depth)
        else:
            self.values(results, depth - 2)

    def from_inside(self, payload: Types, results: Types, depth: int) -> None:
        """A try in whose body the exception is thrown again, and perhaps caught again."""
        c = self.c
        self.sink_all(payload)
        before = set(self.set)
        self.out += b"\x06" + block_type(self.skeleton, (), results)
        self.labels.append(Label("try", results))
        self.statement(depth - 2)
        self.throw_again(depth)
        self.labels.pop()
        self.set = set(before)
        if c.rarely(2):
            tag = self.some_tag()
            self.out += b"\x07" + unsigned(tag.index)
            self.handler(tag.payload, results, depth - 2)
        if not c.rarely(3):
            self.out += b"\x19"
            self.handler((), results, depth - 2)
        self.out += b"\x0b"

    def wrapped(self, payload: Types, results: Types, depth: int) -> None:
        """The payload goes into a block."""
        self.opened(b"\x02", Label("block", results), payload, results, depth - 1)
        self.out += b"\x0b"

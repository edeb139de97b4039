"""Coverage: how often each block, or each function, was entered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from wasmir import (
    GlobalType,
    Limits,
    MemoryType,
    NumType,
    Pass,
    PassError,
    PassReport,
    UnsupportedError,
    ops,
)
from wasmir.passes.additions import name_for
from wasmir.passes.coverage import CoverageMap, MappedFunction, counted_places
from wasmir.passes.selection import chosen_code, defined_functions, one_of
from wasmir.passes.tree import all_or_nothing, refuse_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wasmir import Function, Instr, Memory, Module

__all__ = ["Count"]

_MEMORY = "__wasmir_counters"
# With a number behind it.
_GLOBAL = "__wasmir_counter_"
# Each has an export, which is looked up by its name when the next one is added.
_MOST_GLOBALS = 10_000
# The size of a page, as a power of two.
_PAGE = 16


@dataclass(frozen=True)
class Count(Pass):
    """Count how often each basic block is entered, or each function.

    Before::

        (func $f (param i32)
          local.get 0
          if
            call $g
          end)

    After::

        (memory $counters (export "__wasmir_counters") 1)
        (func $f (param i32)
          i32.const 0
          i32.const 0
          i32.load $counters offset=0
          i32.const 1
          i32.add
          i32.store $counters offset=0
          local.get 0
          if
            ...                              ;; the same at offset 4
            call $g
          end)

    A block is what :func:`wasmir.basic_blocks` says: instructions that run one after the other,
    but for exceptions and traps; what is never reached, and what is empty, has no counter, unless
    it is the whole function.
    Counters wrap around; take ``bits=64`` where 2^32 is not enough. They aren't atomic: of threads
    that count the same at a time, some may go uncounted.

    ``into`` says where they are. ``memory`` is a new memory, exported; where the module has one
    already, engines need multi-memory. ``globals`` are exported one by one, ``__wasmir_counter_0``
    and so on, for few counters. ``grow`` takes new pages at the end of the module's own first
    memory, which must be its own, and exported for the host to read: it does for programs that get
    all of their memory by ``memory.grow``, and not for those whose allocator takes what is there
    from the start, as Emscripten's does.

    The map from counters to functions and offsets is the custom section ``wasmir.coverage``, which
    :class:`wasmir.passes.coverage.CoverageMap` reads; ``map=false`` leaves it out.

    Raises PassError for a glob that matches no function, UnsupportedError for object files, for a
    module that counts already, where there would be too many globals, and where the memory can't
    grow: the module is as it was then.
    """

    name: ClassVar[str] = "count"

    where: str = field(default="blocks", metadata={"help": "what is counted: blocks or functions"})
    functions: str = field(
        default="", metadata={"help": "globs of functions, separated by blanks; all if empty"}
    )
    into: str = field(default="memory", metadata={"help": "where: memory, globals or grow"})
    bits: int = field(default=32, metadata={"help": "of each counter: 32 or 64"})
    map: bool = field(
        default=True, metadata={"help": "the section wasmir.coverage, which tells what is what"}
    )

    def run(self, module: Module) -> PassReport:
        """Put counters into the functions, or raise and leave the module as it was."""
        one_of(f"{self.name}: where", self.where, ("blocks", "functions"))
        one_of(f"{self.name}: into", self.into, ("memory", "globals", "grow"))
        if self.bits not in (32, 64):
            raise PassError(f"{self.name}: bits is 32 or 64, not {self.bits}")
        refuse_object(module)
        if any(export.name.startswith((_MEMORY, _GLOBAL)) for export in module.exports):
            raise UnsupportedError("the module counts already")
        with all_or_nothing(module):
            return self._count(module)

    def _count(self, module: Module) -> PassReport:
        chosen = chosen_code(self.name, self.functions, module)
        wanted = set(chosen)
        starts = {each: each.offset if each.is_raw else None for each in chosen}

        def places(function: Function) -> list[int]:
            if function not in wanted:
                return []
            return counted_places(function, self.where)

        blocks = dict(zip(defined_functions(module), self.edit(module, places), strict=True))
        found: list[MappedFunction] = []
        first: dict[Function, int] = {}
        total = 0
        for function in chosen:
            offsets = blocks[function]
            found.append(
                MappedFunction(function.index, function.name, total, starts[function], offsets)
            )
            first[function] = total
            total += len(offsets)
        report = PassReport(self.name, len(found), {"counters": total})
        if not total:
            return report
        export, base, run_of = self._counters(module, total)

        def insert(function: Function) -> None:
            number = first.get(function)
            if number is not None:
                places = blocks[function]
                function.insert(zip(places, run_of(number, len(places)), strict=True))

        self.edit(module, insert)
        if self.map:
            into = "globals" if self.into == "globals" else "memory"
            CoverageMap(self.where, into, export, base, self.bits, found).add_to(module)
        return report

    def _counters(
        self, module: Module, total: int
    ) -> tuple[str, int, Callable[[int, int], Iterator[bytes]]]:
        """Make room for counters: what it is exported as, where the first is, and what counts so
        many from a number on.
        """
        size = self.bits // 8
        if self.into == "globals":
            return _GLOBAL, 0, self._globals(module, total)
        pages = -(-total * size >> _PAGE)
        if self.into == "grow":
            export, memory, base = self._grown(module, pages)
        else:
            type_ = MemoryType(Limits(pages, pages))
            export, base = _MEMORY, 0
            memory = module.add_memory(type_, name=name_for(module, export), exported=export)
        load, store = (
            (ops.i32.load, ops.i32.store) if self.bits == 32 else (ops.i64.load, ops.i64.store)
        )
        address = (
            ops.i32.const(0) if memory.type.limits.address is NumType.I32 else ops.i64.const(0)
        )
        one, add = _one(self.bits)
        # Either access ends in its offset, of one byte here.
        head = module.run([address, address, load(memory=memory)])[:-1]
        middle = module.run([one, add, store(memory=memory)])[:-1]

        def runs(number: int, count: int) -> Iterator[bytes]:
            for at in range(base + number * size, base + (number + count) * size, size):
                offset = _unsigned(at)
                yield head + offset + middle + offset

        return export, base, runs

    def _grown(self, module: Module, pages: int) -> tuple[str, Memory, int]:
        """The module's own memory with some pages more: what it is exported as, and where they
        begin.
        """
        memory = next(iter(module.memories), None)
        if memory is None or memory.imported is not None:
            raise UnsupportedError("into=grow needs a memory of the module's own: take into=memory")
        names = [export.name for export in module.exports if export.entity is memory]
        if not names:
            raise UnsupportedError("into=grow: nobody could read a memory that isn't exported")
        limits = memory.type.limits
        if limits.page_size_log2 not in (None, _PAGE):
            raise UnsupportedError("into=grow: the memory has pages of its own size")
        most = 1 << ((32 if limits.address is NumType.I32 else 64) - _PAGE)
        if limits.minimum + pages > most:
            raise UnsupportedError("into=grow: the memory has no room left: take into=memory")
        maximum = None if limits.maximum is None else min(limits.maximum + pages, most)
        memory.type = MemoryType(
            Limits(limits.minimum + pages, maximum, limits.address, limits.shared)
        )
        return names[0], memory, limits.minimum << _PAGE

    def _globals(self, module: Module, total: int) -> Callable[[int, int], Iterator[bytes]]:
        if total > _MOST_GLOBALS:
            raise UnsupportedError(
                f"{total} counters are too many for globals of their own: take into=memory"
            )
        type_ = NumType.I32 if self.bits == 32 else NumType.I64
        zero = ops.i32.const(0) if self.bits == 32 else ops.i64.const(0)
        counters = [
            module.add_global(
                GlobalType(type_, mutable=True),
                module.const(zero),
                exported=f"{_GLOBAL}{number}",
            )
            for number in range(total)
        ]
        one, add = _one(self.bits)

        def runs(number: int, count: int) -> Iterator[bytes]:
            for each in counters[number : number + count]:
                yield module.run([ops.global_.get(each), one, add, ops.global_.set(each)])

        return runs


def _one(bits: int) -> tuple[Instr, Instr]:
    """What adds one."""
    if bits == 32:
        return ops.i32.const(1), ops.i32.add()
    return ops.i64.const(1), ops.i64.add()


def _unsigned(value: int) -> bytes:
    """LEB128."""
    if value < 1 << 7:
        return bytes((value,))
    if value < 1 << 14:
        return bytes((value & 0x7F | 0x80, value >> 7))
    if value < 1 << 21:
        return bytes((value & 0x7F | 0x80, value >> 7 & 0x7F | 0x80, value >> 14))
    if value < 1 << 28:
        low, high = value & 0x7F | 0x80, value >> 14 & 0x7F | 0x80
        return bytes((low, value >> 7 & 0x7F | 0x80, high, value >> 21))
    return bytes((value & 0x7F | 0x80,)) + _unsigned(value >> 7)

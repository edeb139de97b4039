"""What the counters of ``count`` and the numbers of ``trace-blocks`` stand for.

Either pass leaves a map in the module, as the custom section ``wasmir.coverage``: JSON, with all
offsets as those of the module that was instrumented. :class:`CoverageMap` reads it::

    coverage = CoverageMap.of(Module.from_file("counted.wasm"))
    for function in coverage.read(memory_bytes):
        print(function.name, function.covered, "of", len(function.blocks))

Where a memory was dumped to a file, ``python -m wasmir.passes.coverage MODULE DUMP`` prints that;
instead of the module it takes the map alone, which :meth:`CoverageMap.to_json` writes.
"""

from __future__ import annotations

import json
import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wasmir import Module, PassError, UnsupportedError, block_offsets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wasmir import Function

__all__ = ["BlockCount", "CoverageMap", "FunctionCoverage", "MappedFunction", "counted_places"]

SECTION = "wasmir.coverage"


@dataclass(frozen=True)
class MappedFunction:
    """The counters of one function: consecutive ones, one for each block."""

    #: Its index in the module that was instrumented, and its name there.
    index: int
    name: str | None
    #: The number of its first counter.
    first: int
    #: Where its code began in the file that the module was read from; ``None`` where other edits
    #: had changed the code before, so that nothing in the file stands for the blocks.
    start: int | None
    #: Where each block begins, from the start of the code.
    blocks: Sequence[int]


@dataclass(frozen=True)
class BlockCount:
    """How often a block was entered."""

    #: The number of the counter.
    counter: int
    #: Where its first instruction stands in the file; see :attr:`MappedFunction.start`.
    offset: int | None
    count: int


@dataclass(frozen=True)
class FunctionCoverage:
    """How often the blocks of a function were entered."""

    index: int
    name: str | None
    blocks: list[BlockCount] = field(default_factory=list)

    @property
    def covered(self) -> int:
        """How many were entered at all."""
        return sum(each.count > 0 for each in self.blocks)


@dataclass(frozen=True)
class CoverageMap:
    """All counters of a module."""

    #: ``blocks`` or ``functions``.
    where: str
    #: Where the counters are: ``memory``, ``globals``, or ``none`` for numbers that are only told.
    into: str
    #: The export that has them; of globals what their names begin with.
    export: str
    #: Where in the memory the first one is.
    base: int
    #: How many bits each has.
    bits: int
    functions: list[MappedFunction] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many counters there are."""
        if not self.functions:
            return 0
        last = self.functions[-1]
        return last.first + len(last.blocks)

    @classmethod
    def of(cls, module: Module) -> CoverageMap:
        """The map that a module has. Raises UnsupportedError where it has none, PassError where
        nobody can read it.
        """
        custom = module.custom(SECTION)
        if custom is None:
            raise UnsupportedError(f"the module has no {SECTION!r} section: nothing was counted")
        try:
            return cls.from_json(custom.data)
        except PassError as error:
            raise PassError(f"the section {SECTION!r}: {error}") from error

    @classmethod
    def from_json(cls, text: str | bytes) -> CoverageMap:
        """The map that :meth:`to_json` wrote. Raises PassError where this is none."""
        try:
            found: dict[str, Any] = json.loads(text)
            functions = [MappedFunction(**each) for each in found.pop("functions")]
            return cls(**found, functions=functions)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise PassError(f"this is no map of counters: {error}") from error

    def to_json(self) -> str:
        """The map as the section has it, to be kept in a file beside the module: then
        ``strip{sections=wasmir.coverage}`` leaves it out of that.
        """
        # ``dataclasses.asdict`` would copy each number.
        found = {**vars(self), "functions": [vars(each) for each in self.functions]}
        return json.dumps(found, separators=(",", ":"), ensure_ascii=False)

    def add_to(self, module: Module) -> None:
        """Put the map into a module."""
        module.add_custom(SECTION, self.to_json().encode())

    def read(
        self, counters: bytes | bytearray | memoryview | Sequence[int]
    ) -> list[FunctionCoverage]:
        """What counters say, by function. They are the bytes of the memory that has them, or the
        numbers themselves. Raises ValueError where there are too few.
        """
        numbers: Sequence[int] = ()
        if isinstance(counters, (bytes, bytearray, memoryview)):
            end = self.base + self.size * (self.bits // 8)
            if len(counters) >= end:
                layout = f"<{self.size}{'I' if self.bits == 32 else 'Q'}"
                numbers = struct.unpack(layout, counters[self.base : end])
        else:
            numbers = counters
        if len(numbers) < self.size:
            raise ValueError(f"there are {self.size} counters, and these are fewer")
        return [
            FunctionCoverage(
                each.index,
                each.name,
                [
                    BlockCount(
                        each.first + place,
                        None if each.start is None else each.start + block,
                        numbers[each.first + place],
                    )
                    for place, block in enumerate(each.blocks)
                ],
            )
            for each in self.functions
        ]


def counted_places(function: Function, where: str) -> list[int]:
    """The places that have a number, for :meth:`Function.insert`: each of the ``blocks``, or the
    start of the function; that of an empty one in any case.
    """
    return (where == "blocks" and block_offsets(function)) or [function.first_offset]


def main(module: str, dump: str) -> None:
    """Print what the counters of a module, or of a map in a file, say: a line for each function."""
    data = Path(module).read_bytes()
    is_map = data.lstrip()[:1] == b"{"
    coverage = CoverageMap.from_json(data) if is_map else CoverageMap.of(Module.from_bytes(data))
    for each in coverage.read(Path(dump).read_bytes()):
        name = "" if each.name is None else f" {each.name}"
        sys.stdout.write(f"{each.covered:6} of {len(each.blocks):6}  {each.index}{name}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

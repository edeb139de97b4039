"""Injecting into a module: at the entry of many functions and in front of basic blocks without
decoding any code, everywhere else by a :class:`Probe`; and what was injected where.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wasmir.ir.blocks import basic_blocks
from wasmir.ir.bulk import bulk_work
from wasmir.ir.checks import check_is, value_types
from wasmir.ir.code import Instr
from wasmir.ir.function import Function
from wasmir.ir.module import Module
from wasmir.ir.place import row_of
from wasmir.ir.probe import Injection, Mode, Probe
from wasmir.ir.seq import checked_items

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from wasmir.ir.blocks import BasicBlock
    from wasmir.ir.code import Item
    from wasmir.ir.space import Entity
    from wasmir.types import ValType

__all__ = ["Injector"]


class Injector:
    """Injects into functions of a module, and keeps a list of what it did.

    ::

        injector = Injector(module)
        injector.entry(lambda function: [ops.i32.const(function.index), ops.call(entered)])
        with injector.probe(module.functions.named("main")) as probe:
            probe.exit([ops.call(done)])
        print(injector.report())
    """

    def __init__(self, module: Module) -> None:
        check_is(module, Module, "a module")
        self.module = module
        #: What was injected where, in the order in which it was done.
        self.injections: list[Injection] = []
        # How many entities there are, of spaces that somebody has read; what isn't read yet is new
        # if it isn't in the input.
        self._counts = {name: len(space._numbered) for name, space in module._spaces.items()}

    def probe(self, function: Function) -> Probe:
        """A probe whose injections come into the list."""
        return Probe(function, self.injections)

    def entry(
        self,
        make: Callable[[Function], Iterable[Item]],
        functions: Iterable[Function] | None = None,
        *,
        added_locals: Sequence[ValType] = (),
    ) -> None:
        """Inject what ``make`` gives at the entry of functions, by default of all that the module
        defines, each of which is settled.

        ``added_locals`` are locals of what is injected, which begin at
        :attr:`Function.local_count` as it is when ``make`` is called. Raises MalformedError,
        InvalidError for labels that stand outside of what is injected, UnsupportedError for an
        import: then nothing was injected.
        """
        groups = [(1, each) for each in value_types("added_locals", added_locals)]
        found: list[tuple[Injection, bytes]] = []
        with bulk_work():
            for function in self._functions(functions):
                first = function.first_offset
                offset = function.offset + first if function.is_raw else None
                items = tuple(checked_items(make(function)))
                run = function.encode_items(items)
                # Only one tree is in memory at a time.
                function.settle()
                found.append((Injection(function, Mode.FUNCTION_ENTRY, "", offset, items), run))
            for injection, run in found:
                injection.function.insert_at_entry(run, groups)
                self.injections.append(injection)

    def basic_blocks(
        self,
        make: Callable[[Function, BasicBlock], Iterable[Item]],
        functions: Iterable[Function] | None = None,
    ) -> None:
        """Inject what ``make`` gives in front of each basic block (see :func:`basic_blocks`) of
        functions, by default of all that the module defines. Raises like :meth:`entry`.
        """
        found: list[tuple[Function, list[tuple[int, bytes]]]] = []
        injections: list[Injection] = []
        with bulk_work():
            for function in self._functions(functions):
                function.settle()
                start = function.offset if function.is_raw else None
                places = []
                for block in basic_blocks(function):
                    items = tuple(checked_items(make(function, block)))
                    places.append((block.offset, function.encode_items(items)))
                    offset = None if start is None else start + block.offset
                    injections.append(Injection(function, Mode.BASIC_BLOCK, "", offset, items))
                found.append((function, places))
            for function, places in found:
                function.insert(places)
            self.injections += injections

    def _functions(self, functions: Iterable[Function] | None) -> list[Function]:
        """Those that are given, each once, or all that have code. Raises UnsupportedError for one
        that hasn't.
        """
        if functions is None:
            return [each for each in self.module.functions if each.imported is None]
        found = list(dict.fromkeys(functions))
        for each in found:
            check_is(each, Function, "a function")
            each.check_defined()
        return found

    @property
    def added(self) -> list[Entity]:
        """What the module has that it didn't have when the injector was made: imports, functions,
        memories, globals, types, ... by space.
        """
        return [
            entity
            for name, space in sorted(self.module._spaces.items())
            for entity in space._numbered[self._counts.get(name, space._read_count) :]
            if not entity.is_removed
        ]

    def report(self) -> dict[str, Any]:
        """What was done, as a script or ``json.dumps`` would want it: ``injections``, each with the
        function's index and name, the mode, the instruction and its offset in the input, and what
        was injected; and ``added``, by space, the indices of what is new.
        """
        added: dict[str, list[int]] = {}
        for entity in self.added:
            added.setdefault(entity.space, []).append(entity.index)
        return {
            "injections": [
                {
                    "function": each.function.index,
                    "name": each.function.name,
                    "mode": each.mode.value,
                    "instruction": each.instruction,
                    "offset": each.offset,
                    "items": [text for item in each.items for text in _shown(self.module, item)],
                }
                for each in self.injections
            ],
            "added": added,
        }


def _shown(module: Module, item: Item) -> list[str]:
    """An item, by instruction; of a block its first."""
    if isinstance(item, bytes):
        return [str(each) for each in module.instructions(item)]
    return [str(item) if isinstance(item, Instr) else row_of(item).name]

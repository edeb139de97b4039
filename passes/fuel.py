"""Metering: what runs is paid for, and stops where nothing is left."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from wasmir import (
    FuncType,
    If,
    Pass,
    PassError,
    PassReport,
    UnsupportedError,
    basic_blocks,
    ops,
)
from wasmir.passes.additions import EXPORTS, add_state, is_there
from wasmir.passes.patterns import functions_called
from wasmir.passes.selection import chosen_code, import_named, one_of
from wasmir.passes.tree import all_or_nothing, refuse_object

if TYPE_CHECKING:
    from wasmir import Function, Item, Module

__all__ = ["Fuel"]

_EXPORT = "__wasmir_fuel"


@dataclass(frozen=True)
class Fuel(Pass):
    """Take fuel for each basic block, one for each of its instructions, before it runs; trap where
    there isn't enough.

    Before::

        (func $f (param i32)
          loop
            local.get 0
            br_if 0
          end)

    After::

        (global $fuel (export "__wasmir_fuel") (mut i64) (i64.const 0))
        (func $f (param i32)
          loop
            global.get $fuel
            i64.const 2
            i64.sub
            global.set $fuel
            global.get $fuel
            i64.const 0
            i64.lt_s
            if
              unreachable
            end
            local.get 0
            br_if 0
          end)

    The host fills the exported global up, before the first call and whenever it likes, or with
    ``export=functions`` calls ``__wasmir_fuel_get`` and ``__wasmir_fuel_set``, for glue that takes
    no exported i64 (Emscripten's for dynamic linking); ``budget`` is what there is at first, which
    a start function needs. Nothing is paid twice, and what wasn't
    run for a trap or an exception in the midst of a block isn't paid back. A loop without an end
    has no end of blocks, so it stops; a single instruction, as ``memory.fill``, costs one whatever
    it does. Where fuel ran out, it is negative, and every further call traps until it is filled.

    With ``hook`` a function is called in place of the trap, and what runs goes on if it returns,
    with what it put into the global. It is one that the module has, by any of its names, and then
    it isn't metered itself; or else an import.

    Raises PassError for a glob that matches no function, UnsupportedError for object files, for a
    hook of a type other than ``[] -> []`` and for a module that is metered already: the module is
    as it was then.
    """

    name: ClassVar[str] = "fuel"

    functions: str = field(
        default="", metadata={"help": "globs of functions, separated by blanks; all if empty"}
    )
    budget: int = field(default=0, metadata={"help": "how much there is at first"})
    hook: str = field(
        default="",
        metadata={"help": "what to call where it runs out: a function, or an import MODULE.NAME"},
    )

    export: str = field(
        default="global",
        metadata={"help": "how the host reaches the fuel: global, functions, or none"},
    )

    def run(self, module: Module) -> PassReport:
        """Meter the functions, or raise and leave the module as it was."""
        one_of(f"{self.name}: export", self.export, EXPORTS)
        if not 0 <= self.budget < 1 << 63:
            raise PassError(f"{self.name}: budget is from 0 to 2^63 - 1, not {self.budget}")
        refuse_object(module)
        if is_there(module, _EXPORT):
            raise UnsupportedError("the module is metered already")
        with all_or_nothing(module):
            checkpoint = module.checkpoint()
            chosen = set(chosen_code(self.name, self.functions, module))
            empty: list[Item] = [ops.unreachable()]
            if self.hook:
                hook = self._hook(module)
                empty = [ops.call(hook)]
                chosen.discard(hook)
            fuel = add_state(module, _EXPORT, self.budget, self.export)
            take = ops.global_.get(fuel)
            keep = ops.global_.set(fuel)
            block = module.block_type()
            runs: dict[int, bytes] = {}

            def meter(function: Function) -> int:
                if function not in chosen:
                    return 0
                blocks = basic_blocks(function)
                for cost in {each.instructions for each in blocks} - runs.keys():
                    runs[cost] = function.encode_items(
                        [
                            *(take, ops.i64.const(cost), ops.i64.sub(), keep),
                            *(take, ops.i64.const(0), ops.i64.lt_s()),
                            If(block, list(empty)),
                        ]
                    )
                function.insert((each.offset, runs[each.instructions]) for each in blocks)
                return len(blocks)

            counts = self.edit(module, meter)
            if not any(counts):
                module.rollback(checkpoint)
        return PassReport(self.name, sum(count > 0 for count in counts), {"blocks": sum(counts)})

    def _hook(self, module: Module) -> Function:
        """The function to call, imported if the module has none."""
        known = dict(functions_called(module)).get(self.hook)
        if known is None:
            return module.import_function(
                *import_named(f"{self.name}: hook", self.hook), FuncType()
            )
        if known.func_type != FuncType():
            raise UnsupportedError(f"the hook must be of type [] -> []: function {known} is not")
        return known

"""A trace: the host hears of each block that is entered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from wasmir import FuncType, NumType, Pass, PassReport, ops
from wasmir.passes.coverage import CoverageMap, MappedFunction, counted_places
from wasmir.passes.selection import chosen_code, import_named, one_of
from wasmir.passes.tree import all_or_nothing, refuse_object

if TYPE_CHECKING:
    from wasmir import Function, Module

__all__ = ["TraceBlocks"]


@dataclass(frozen=True)
class TraceBlocks(Pass):
    """Call an import at the start of each basic block, or of each function, with its number.

    Before::

        (func $f (param i32)
          local.get 0
          if
            call $g
          end)

    After::

        (import "wasmir" "block" (func $block (param i32)))
        (func $f (param i32)
          i32.const 0
          call $block
          local.get 0
          if
            i32.const 1
            call $block
            call $g
          end)

    Blocks are those of ``count``, which has the same numbers; the section ``wasmir.coverage`` tells
    what they stand for (:class:`wasmir.passes.coverage.CoverageMap`). The import must return; what
    it throws, the function throws.

    Raises PassError for a glob that matches no function, UnsupportedError for object files: the
    module is as it was then.
    """

    name: ClassVar[str] = "trace-blocks"

    where: str = field(default="blocks", metadata={"help": "what is told: blocks or functions"})
    functions: str = field(
        default="", metadata={"help": "globs of functions, separated by blanks; all if empty"}
    )
    hook: str = field(
        default="wasmir.block", metadata={"help": "the import that is called, as MODULE.NAME"}
    )

    def run(self, module: Module) -> PassReport:
        """Put the calls there, or raise and leave the module as it was."""
        one_of(f"{self.name}: where", self.where, ("blocks", "functions"))
        hook = import_named(f"{self.name}: hook", self.hook)
        refuse_object(module)
        with all_or_nothing(module):
            chosen = chosen_code(self.name, self.functions, module)
            # By the indices that functions have before there is an import more.
            found: list[tuple[Function, MappedFunction]] = []
            total = 0
            for each in chosen:
                start = each.offset if each.is_raw else None
                places = counted_places(each, self.where)
                mapped = MappedFunction(each.index, each.name, total, start, places)
                found.append((each, mapped))
                total += len(places)
            if total:
                told = module.import_function(*hook, FuncType((NumType.I32,)))
                for function, mapped in found:
                    numbers = range(mapped.first, mapped.first + len(mapped.blocks))
                    runs = [module.run([ops.i32.const(n), ops.call(told)]) for n in numbers]
                    function.insert(zip(mapped.blocks, runs, strict=True))
                functions = [mapped for _, mapped in found]
                CoverageMap(self.where, "none", self.hook, 0, 32, functions).add_to(module)
        return PassReport(self.name, len(found), {"places": total})

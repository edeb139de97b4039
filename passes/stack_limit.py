"""A limit to how deep calls nest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from wasmir import (
    Function,
    GlobalType,
    If,
    Loop,
    NumType,
    Pass,
    PassError,
    PassReport,
    Probe,
    Structured,
    Try,
    TryTable,
    UnsupportedError,
    ops,
)
from wasmir.passes.additions import name_for
from wasmir.passes.boundary import Dialect, chosen_dialect, survey_boundary, used_dialect
from wasmir.passes.selection import chosen_code
from wasmir.passes.tree import all_or_nothing, refuse_object

if TYPE_CHECKING:
    from wasmir import Global, Item, Label, Module, Place

__all__ = ["StackLimit"]

_EXPORT = "__wasmir_depth"
_MOST = (1 << 31) - 1


@dataclass(frozen=True)
class StackLimit(Pass):
    """Count how deep calls nest, and trap where they nest deeper than a limit.

    Where an engine's own stack ends depends on the engine, its tiers and its flags; here it is the
    same call everywhere.

    Before::

        (func $f (param i32) (result i32)
          try (result i32)
            (call $g (local.get 0))
          catch $tag
          end)

    After::

        (global $depth (export "__wasmir_depth") (mut i32) (i32.const 0))
        (func $f (param i32) (result i32)
          (local $before i32)
          (local.tee $before (global.get $depth))
          (i32.ge_u (i32.const 10000))
          if
            unreachable
          end
          (global.set $depth (i32.add (local.get $before) (i32.const 1)))
          try (result i32)
            (call $g (local.get 0))
          catch $tag
            (global.set $depth (i32.add (local.get $before) (i32.const 1)))
          end
          (global.set $depth (local.get $before)))

    Wherever a function is left the depth is what it was before. A tail call leaves its function,
    so it nests no deeper. An exception takes frames away without a word: whoever catches it puts
    the depth back to its own, counted or not, and so do, where the module's code catches anything,
    the functions that the host can call. In a module without exception handling an exception of
    the host's that passes through leaves the depth as it was thrown at, and so does a trap
    everywhere: the host sets the exported global to 0 before it calls again, or to what it was
    where it swallowed the trap. ``dialect`` (exnref or legacy) makes such a module catch.

    Raises PassError for a glob that matches no function, UnsupportedError for object files, where
    the module has a limit already, and where a dialect is asked for that it doesn't use: the module
    is as it was then.
    """

    name: ClassVar[str] = "stack-limit"

    limit: int = field(default=10_000, metadata={"help": "how many calls may be active at once"})
    functions: str = field(
        default="", metadata={"help": "globs of functions that count; all if empty"}
    )
    dialect: str = field(
        default="auto", metadata={"help": "exnref, legacy, none, or what the module's code uses"}
    )

    def run(self, module: Module) -> PassReport:
        """Limit the depth, or raise and leave the module as it was."""
        if not 0 < self.limit <= _MOST:
            raise PassError(f"{self.name}: limit is from 1 to {_MOST}, not {self.limit}")
        refuse_object(module)
        if module.exports.find(_EXPORT) is not None:
            raise UnsupportedError("the module has a limit already")
        with all_or_nothing(module):
            checkpoint = module.checkpoint()
            chosen = set(chosen_code(self.name, self.functions, module))
            used = used_dialect(module)
            dialect = Dialect.NONE
            if used is not None or self.dialect != "auto":
                dialect = chosen_dialect(used, self.dialect)
            boundary = survey_boundary(module)
            gates = {*boundary.exported, *boundary.referred}
            depth = module.add_global(
                GlobalType(NumType.I32, mutable=True),
                module.const(ops.i32.const(0)),
                name=name_for(module, _EXPORT),
                exported=_EXPORT,
            )

            def limit(function: Function) -> bool:
                caught = dialect if function in gates else Dialect.NONE
                if function in chosen or caught is not Dialect.NONE or _catches(function):
                    self._limit(function, depth, caught, counts=function in chosen)
                return function in chosen

            counts = self.edit(module, limit)
            if not any(counts):
                module.rollback(checkpoint)
        handlers = 0 if dialect is Dialect.NONE else len(gates & chosen)
        return PassReport(self.name, sum(counts), {"handlers at the boundary": handlers})

    def _limit(self, function: Function, depth: Global, caught: Dialect, *, counts: bool) -> None:
        """Let a function count; or, where it isn't among those that do, put the depth back where
        it catches.
        """
        with Probe(function) as probe:
            before = probe.add_local(NumType.I32)
            restore: list[Item] = [ops.local.get(before), ops.global_.set(depth)]
            own = restore
            if counts:
                one = [ops.i32.const(1), ops.i32.add()]
                own = [ops.local.get(before), *one, ops.global_.set(depth)]
            blocks: dict[Label, Place] = {}
            landings: dict[Label, None] = {}
            for place in probe.nodes():
                item = place.item
                if isinstance(item, Structured):
                    blocks[item] = place
                if isinstance(item, Try):
                    for clause in item.catches:
                        probe.start_of(place, clause.items, own)
                elif isinstance(item, TryTable):
                    landings |= dict.fromkeys(clause.label for clause in item.clauses)
            for label in landings:
                # Others come there too, with the depth that they are at anyway. The function's
                # own label isn't among the blocks: whoever goes there leaves.
                if isinstance(label, Loop):
                    probe.start_of(blocks[label], label.items, own)
                elif label in blocks:
                    probe.after(blocks[label], own)
            if not counts:
                probe.entry([ops.global_.get(depth), ops.local.set(before)])
                if caught is not Dialect.NONE:
                    probe.exit(restore, exceptions=caught.value)
                return
            refused = If(function.module.block_type(), [ops.unreachable()])
            probe.entry(
                [
                    *(ops.global_.get(depth), ops.local.tee(before)),
                    *(ops.i32.const(self.limit), ops.i32.ge_u(), refused, *own),
                ]
            )
            probe.exit(restore, exceptions=caught.value)


def _catches(function: Function) -> bool:
    """Whether the function has handlers."""
    return any(row.name in ("try", "try_table") for row, _ in function.distinct_instructions())

"""Putting an instance back as instantiation left it, in place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from wasmir import FuncType, Module, Pass, PassReport, UnsupportedError, ops
from wasmir.passes.additions import name_for
from wasmir.passes.reset_code import Restore
from wasmir.passes.reset_plan import EXPORT, ResetOptions, find_targets
from wasmir.passes.reset_sizes import VirtualState
from wasmir.passes.tree import all_or_nothing, refuse_object

if TYPE_CHECKING:
    from collections.abc import Collection

    from wasmir import Function, Global, Instr, Memory, Table
    from wasmir.passes.reset_plan import Targets

__all__ = ["ResetOptions", "ResetPlan", "ResetState", "plan_reset"]


def plan_reset(module: Module, options: ResetOptions | None = None) -> ResetPlan:
    """See whether the module can be reset in place. Nothing of it is changed.

    Raises UnsupportedError with every reason against it, and what would help; MalformedError and
    InvalidError for a module that is broken.
    """
    refuse_object(module)
    return ResetPlan(module, find_targets(module, options or ResetOptions()))


class ResetPlan:
    """What a reset will do, and the means to do it.

    ``start`` is the module's start function and ``init`` what the host calls after instantiation,
    both as they were when the plan was made: whoever resets the module calls them when all is back.
    ``left`` says what stays as it is, where that was accepted.
    """

    def __init__(self, module: Module, targets: Targets) -> None:
        self.start: Function | None = module.start
        self.init: tuple[Function, ...] = tuple(targets.init)
        self.left: tuple[str, ...] = tuple(targets.left)
        #: Known once the plan was carried out: functions whose code was changed, and counts of
        #: what else was.
        self.functions = 0
        self.counts: dict[str, int] = {}
        self._targets = targets
        self._built = False

    def build(self, module: Module, keep: Collection[Global] = ()) -> Function:
        """Make the module one that can be reset; the function ``[] -> []`` that puts back all but
        the globals in ``keep``. It calls neither the start function nor the exports of ``init``.

        Segments that were active become passive, and a new start function copies them before it
        calls the one that was there. Globals that are added to the module later are not put back.
        To be called once, inside of something that undoes what is half done if it raises:
        MalformedError and InvalidError, for code that is broken.
        """
        if self._built:
            raise UnsupportedError("a reset is built once")
        self._built = True
        targets = self._targets
        whole: list[Memory | Table] = [*targets.memories, *targets.tables]
        # Before there are globals of ours.
        wanted = [each for each in module.globals if each.type.mutable and each not in keep]
        mutable = [each for each in wanted if each.imported is None]
        imported = [each for each in wanted if each in targets.globals]
        restore = Restore(module, targets)
        state = VirtualState(module, whole, restore.segments)
        function = restore.function(state, mutable, imported)
        self.functions = state.functions
        self.counts = {
            "memories": len(targets.memories),
            "tables": len(targets.tables),
            "globals": len(mutable) + len(imported),
            "segments": len(restore.segments),
        }
        for feature in ("bulk-memory", "multivalue", "mutable-globals", "reference-types"):
            module.require_target_feature(feature)
        return function


@dataclass(frozen=True)
class ResetState(Pass):
    """Export ``__wasmir_reset_state``, which puts the instance back as instantiation left it, in
    place: exports, their identities and what the host holds of them stay.

    It is ``[] -> []``, and it may be called when none of the module's code is running, in an
    instance that trapped, too. Put back are memories, tables, mutable globals and which segments
    are dropped; then the start function is called, and the exports that ``init`` names, as the host
    called them after instantiation.

    Before::

        (memory 1)
        (data (i32.const 8) "abc")
        (global $count (mut i32) (i32.const 7))
        (func $more (result i32)
          i32.const 1
          memory.grow)
        (func $size (result i32)
          memory.size)

    After::

        (memory 1)
        (data $abc "abc")                      ;; passive: copied by whoever wants it
        (global $count (mut i32) (i32.const 7))
        (global $hidden (mut i32) (i32.const 0))  ;; pages at the end that aren't there
        (start $start)                         ;; calls $apply, and then what was called before
        (func $apply
          (memory.init $abc (i32.const 8) (i32.const 0) (i32.const 3)))
        (func $more (result i32)
          i32.const 1
          call $grow)                          ;; takes what is hidden, before memory.grow
        (func $size (result i32)
          memory.size
          global.get $hidden
          i32.sub)
        (func (export "__wasmir_reset_state")
          ;; memory.fill, in pieces of 1 GiB
          (global.set $hidden (i32.sub (memory.size) (i32.const 1)))
          call $apply
          (global.set $count (i32.const 7))
          ;; then start, and init
        )

    What has to be known of it:

    * A memory or table that was grown stays as large as it is, and a module that grows it is told
      the size that it should have (one that only the host grows for it sees the real size). So an
      instance may run out of memory and be reset any number of times, and grows no further. But an
      access between the size that it is told and the real one doesn't trap after a reset, as it
      would in a new instance; it finds zero (null in a table). The host sees the real size.
    * The engine keeps the bytes of the data segments beside the memory: they may be wanted again.
    * All of a memory is written to, so all its pages are in use afterwards.
    * What the host wrote into the instance after instantiation, but for what ``init`` covers, is
      gone, as it would be from a new one, and what it holds of it (pointers, indices) is stale.
    * A side module (``dylink.0``) puts back its own part of the memory and the table, from
      ``__memory_base`` and ``__table_base`` on. What it allocated elsewhere isn't given back. With
      ``include-imports`` it is taken for the program that side modules are loaded into, and memory
      and table are put back as a whole. What the linker assigns (``GOT.mem``, ``GOT.func``) stays.
    * Needs a valid module that is linked. Passes that add globals have to come before.

    Refused with UnsupportedError, and nothing changed: an imported or shared memory or table, an
    imported mutable global, unless an option says what to do; objects that can be changed (structs,
    arrays) in immutable globals or passive element segments, because these can't be given new ones.
    """

    name: ClassVar[str] = "reset-state"

    include_imports: bool = field(
        default=False,
        metadata={
            "help": "put imported memories (taken for all zero before instantiation), tables and "
            "mutable globals back as well: right if no other instance uses them"
        },
    )
    accept_partial: bool = field(
        default=False,
        metadata={"help": "leave what is shared or imported as it is, instead of refusing"},
    )
    init: str = field(
        default="auto",
        metadata={
            "help": "exports to call after it, as the host does after instantiation; auto: "
            "__wasm_apply_data_relocs, _initialize or __wasm_call_ctors, __wbindgen_start; or none"
        },
    )

    def run(self, module: Module) -> PassReport:
        """Add the reset, or raise and leave the module as it was.

        Raises UnsupportedError with all reasons; InvalidError and MalformedError for code that
        is broken.
        """
        report = PassReport(self.name)
        options = ResetOptions(self.include_imports, self.accept_partial, self.init)
        with all_or_nothing(module):
            plan = plan_reset(module, options)
            restore = plan.build(module)
            whole = module.add_function(FuncType(), name=name_for(module, EXPORT), exported=EXPORT)
            calls: list[Instr] = [ops.call(restore)]
            calls += [ops.call(plan.start)] if plan.start is not None else []
            for each in plan.init:
                calls.append(ops.call(each))
                calls += [ops.drop() for _ in each.func_type.results]
            whole.body.seq.extend(calls)
            report.functions = plan.functions
            report.counts = plan.counts
            report.notes += [f"a reset leaves {what}" for what in plan.left]
        return report

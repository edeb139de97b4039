"""Landing pads: handlers around exports, or around calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from wasmir import (
    EXNREF,
    Block,
    Catch,
    Clause,
    Function,
    FuncType,
    NumType,
    Pass,
    PassReport,
    Rethrow,
    Try,
    TryTable,
    UnsupportedError,
    ops,
)
from wasmir.passes.adapters import caught_by, redirect_references
from wasmir.passes.boundary import (
    OURS,
    Dialect,
    by_name,
    dialect_of,
    find_stack_pointer,
    matching,
)
from wasmir.passes.tree import all_or_nothing, refuse_object

if TYPE_CHECKING:
    from wasmir import BlockType, Global, Instr, Item, Module, Tag

__all__ = ["InsertLandingPads"]

_ACTIONS = ("rethrow", "status", "abort")


@dataclass(frozen=True)
class InsertLandingPads(Pass):
    """Wrap exports, or calls, in handlers: clean up, return a status, or forbid unwinding.

    A pad is a function of its own, which calls the original. With ``call`` it calls a function of
    the module (``[] -> []``) when an exception arrives. Then

    * ``then=rethrow`` lets the exception go on: a cleanup;
    * ``then=status`` returns: what it returned before, or ``success`` where that was nothing, and
      ``failure`` for an exception: ``catch_unwind`` at the boundary;
    * ``then=abort`` traps: a function that must not unwind, as ``extern "C"`` has it.

    That is for ``panics``, all exceptions by default; ``others`` says what any other does. An
    export's pad also puts the shadow stack pointer back, or each escape would leak a frame.

    Before::

        (export "f" (func $f))

    After, for ``call=cleanup``::

        (func $pad
          global.get $sp
          local.set $saved
          block $landing (result exnref)
            try_table (catch_all_ref $landing)
              call $f
            end
            return
          end
          local.get $saved
          global.set $sp
          call $cleanup
          throw_ref)
        (export "f" (func $pad))

    In the legacy dialect it is ``try (call $f) catch_all ... rethrow 0 end``.
    """

    name: ClassVar[str] = "insert-landing-pads"

    where: str = field(default="exports", metadata={"help": "exports, or calls of functions"})
    functions: str = field(
        default="*", metadata={"help": "which, by name: glob patterns, separated by blanks"}
    )
    exclude: str = field(default="", metadata={"help": "which of them not"})
    call: str = field(default="", metadata={"help": "the function to call, by name or export"})
    then: str = field(default="rethrow", metadata={"help": "rethrow, status or abort"})
    panics: str = field(default="*", metadata={"help": "the tags that this is for, by name"})
    others: str = field(default="rethrow", metadata={"help": "other exceptions: rethrow or abort"})
    success: int = field(default=0, metadata={"help": "the status of a function without results"})
    failure: int = field(default=1, metadata={"help": "what is returned for an exception"})
    restore_stack_pointer: str = field(
        default="auto", metadata={"help": "put the shadow stack pointer back: auto, NAME, false"}
    )
    dialect: str = field(default="auto", metadata={"help": "exnref, legacy, or the module's"})

    def run(self, module: Module) -> PassReport:
        """Raises UnsupportedError where there is nothing to wrap, or no way to."""
        for what, value, known in (
            ("where", self.where, ("exports", "calls")),
            ("then", self.then, _ACTIONS),
            ("others", self.others, ("rethrow", "abort")),
        ):
            if value not in known:
                raise UnsupportedError(f"{self.name}: {what}={value}, not {', '.join(known)}")
        refuse_object(module)
        report = PassReport(self.name)
        with all_or_nothing(module):
            _Pads(self, module, report).run()
        return report


class _Pads:
    def __init__(self, wanted: InsertLandingPads, module: Module, report: PassReport) -> None:
        self.wanted = wanted
        self.module = module
        self.report = report
        self.dialect = dialect_of(module, wanted.dialect)
        if self.dialect is Dialect.NONE:
            raise UnsupportedError("landing pads need exception handling: dialect=none has none")
        self.tags: tuple[Tag, ...] | None = self._panics()
        self.cleanup = self._cleanup()
        self.pointer: Global | None = None

    def run(self) -> None:
        wanted, module = self.wanted, self.module
        if wanted.where == "exports":
            named = {
                export.name: export.entity
                for export in module.exports
                if isinstance(export.entity, Function) and not export.name.startswith(OURS)
            }
        else:
            named = by_name(module, module.functions)
        chosen = matching(named, wanted.functions) - matching(named, wanted.exclude)
        if not chosen:
            raise UnsupportedError(
                f"{wanted.name}: functions={wanted.functions!r} selects none of the "
                f"{len(named)} {'exports' if wanted.where == 'exports' else 'named functions'}"
            )
        originals = [each for each in module.functions if not each.imported]
        functions = dict.fromkeys(named[name] for name in named if name in chosen)
        if self.cleanup is not None:
            functions.pop(self.cleanup, None)
        if wanted.where == "exports":
            self.pointer = find_stack_pointer(module, wanted.restore_stack_pointer)
            if self.pointer is None and wanted.restore_stack_pointer != "false":
                self.report.notes.append("no stack pointer was found that could be restored")
        pads = {each: self._pad(each) for each in functions}
        if wanted.where == "exports":
            for export in module.exports:
                if export.name in chosen and export.entity in pads:
                    export.entity = pads[export.entity]
            self._redirect_references(pads, originals)
        else:

            def choose(instr: Instr) -> Instr | None:
                pad = pads.get(instr.immediates[0])
                if pad is None:
                    return None
                return ops.call(pad) if instr.row.name == "call" else ops.return_call(pad)

            changed = module.substitute(("call", "return_call"), choose, originals)
            self.report.functions = len(changed)
        self.report.counts["pads"] = len(pads)

    def _redirect_references(
        self, pads: dict[Function, Function], originals: list[Function]
    ) -> None:
        """``exports.f === table.get(i)`` stays true, unless a pad's type is another one."""
        same = {f: pad for f, pad in pads.items() if pad.func_type == f.func_type}
        redirect_references(self.module, same, (), originals)

    def _panics(self) -> tuple[Tag, ...] | None:
        """``None`` for all exceptions."""
        if self.wanted.panics == "*":
            return None
        named = by_name(self.module, self.module.tags)
        chosen = matching(named, self.wanted.panics)
        if not chosen:
            raise UnsupportedError(
                f"{self.wanted.name}: panics={self.wanted.panics!r} matches no tag; "
                f"there are: {', '.join(sorted(named)) or 'none with a name'}"
            )
        return tuple(dict.fromkeys(named[name] for name in named if name in chosen))

    def _cleanup(self) -> Function | None:
        name = self.wanted.call
        if not name:
            return None
        function = by_name(self.module, self.module.functions).get(name)
        if function is None:
            raise UnsupportedError(f"call={name}: there is no such function")
        if function.func_type != FuncType():
            raise UnsupportedError(f"call={name}: it has type {function.func_type}, not [] -> []")
        return function

    def _pad(self, function: Function) -> Function:
        module, wanted = self.module, self.wanted
        params, results = function.func_type.params, function.func_type.results
        returned = results
        before: list[Item] = []
        if wanted.then == "status":
            returned = self._status_type(function)
        type_ = function.type if returned == results else module.func_type(params, returned)
        pad = module.add_function(type_)
        restore: list[Item] = []
        if self.pointer is not None:
            saved = pad.body.add_local(self.pointer.type.type)
            before = [ops.global_.get(self.pointer), ops.local.set(saved)]
            restore = [ops.local.get(saved), ops.global_.set(self.pointer)]
        call: list[Item] = [*map(ops.local.get, range(len(params))), ops.call(function)]
        if returned != results:
            call.append(ops.i32.const(wanted.success))
        clean: list[Item] = [*restore]
        if self.cleanup is not None:
            clean.append(ops.call(self.cleanup))
        block = module.block_type((), returned)
        make = self._legacy if self.dialect is Dialect.LEGACY else self._exnref
        pad.body.items = [*before, *make(pad, block, call, clean, restore)]
        return pad

    def _status_type(self, function: Function) -> tuple[NumType, ...]:
        results = function.func_type.results
        numbers = (NumType.I32, NumType.I64, NumType.F32, NumType.F64)
        if not results:
            if self.wanted.where == "calls":
                raise UnsupportedError(
                    "then=status at calls: the callee has no result, and its callers expect none",
                    str(function),
                )
            return (NumType.I32,)
        if len(results) == 1 and results[0] in numbers:
            return results  # type: ignore[return-value]
        raise UnsupportedError(
            f"then=status: the results {function.func_type.results} have no room for a status",
            str(function),
        )

    def _failed(self, pad: Function) -> list[Item]:
        value = self.wanted.failure
        match pad.func_type.results[0]:
            case NumType.I64:
                return [ops.i64.const(value), ops.return_()]
            case NumType.F32:
                return [ops.f32.const(float(value)), ops.return_()]
            case NumType.F64:
                return [ops.f64.const(float(value)), ops.return_()]
        return [ops.i32.const(value), ops.return_()]

    def _legacy(
        self, pad: Function, block: BlockType, call: list[Item], clean: list[Item], back: list[Item]
    ) -> list[Item]:
        attempt = Try(block, call)

        def ends(action: str) -> list[Item]:
            if action == "rethrow":
                return [Rethrow(attempt)]
            return self._failed(pad) if action == "status" else [ops.unreachable()]

        for tag in self.tags or ():
            dropped: list[Item] = [ops.drop() for _ in tag.params]
            attempt.catches.append(Catch(tag, [*dropped, *clean, *ends(self.wanted.then)]))
        if self.tags is None:
            attempt.catches.append(Catch(None, [*clean, *ends(self.wanted.then)]))
        else:
            attempt.catches.append(Catch(None, [*back, *ends(self.wanted.others)]))
        return [attempt]

    def _exnref(
        self, pad: Function, block: BlockType, call: list[Item], clean: list[Item], back: list[Item]
    ) -> list[Item]:
        exception = self.module.block_type((), (EXNREF,))

        def ends(action: str) -> list[Item]:
            if action == "rethrow":
                return [ops.throw_ref()]
            return [ops.drop(), *self._failed(pad)] if action == "status" else [ops.unreachable()]

        panic = Block(exception)
        clauses = [Clause(None, panic, ref=True)]
        inside = panic.items
        if self.tags is None:
            panic.items += [TryTable(block, clauses, call), ops.return_()]
            return [panic, *clean, *ends(self.wanted.then)]
        other = Block(exception)
        caught = pad.body.add_local(EXNREF)
        clauses, inside = caught_by(self.module, self.tags, panic, caught)
        clauses.append(Clause(None, other, ref=True))
        protected = TryTable(block, clauses, call)
        inside[:0] = [protected, ops.return_()]
        other.items = [panic, *clean, *ends(self.wanted.then)]
        return [other, *back, *ends(self.wanted.others)]

"""What the recovery passes have in common: one plan of what stands at a module's boundary.

Each pass asks for part of it, ``recover`` for all; either way every gate and door has one adapter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wasmir import (
    EXNREF,
    EXTERNREF,
    Function,
    FuncType,
    If,
    NumType,
    PassReport,
    UnsupportedError,
    ops,
)
from wasmir.passes.adapters import Adapters, Mark, install
from wasmir.passes.boundary import (
    JS_TAG,
    OURS,
    Boundary,
    Dialect,
    by_name,
    chosen_dialect,
    find_stack_pointer,
    is_js_tag,
    kept_by_glue,
    matching,
    read_record,
    survey_boundary,
    used_dialect,
    write_record,
)
from wasmir.passes.guard import TERMINATED, Guard
from wasmir.passes.reset_plan import names_wrongly
from wasmir.passes.reset_state import ResetOptions, plan_reset
from wasmir.passes.tree import all_or_nothing, refuse_object

if TYPE_CHECKING:
    from collections.abc import Callable

    from wasmir import Item, Module, Tag
    from wasmir.passes.reset_state import ResetPlan

__all__ = ["Wishes", "apply"]

I32 = NumType.I32

_MARKED_BY_BINDGEN = "__wbindgen_wrapped_jstag"


@dataclass(frozen=True)
class Wishes:
    """What is to stand at the boundary."""

    #: The pass that asks.
    name: str
    dialect: str = "auto"
    #: ``host``, ``wasm``, or empty for no guards.
    notice: str = ""
    tag: bool = False
    #: ``jstag`` lets the legacy dialect import ``WebAssembly.JSTag`` to mark exceptions.
    identity: str = ""
    on_foreign: str = "auto"
    stack_pointer: str = "none"
    tables: str = "guard"
    auto_reset: bool = False
    leaf: str = ""
    tail_calls: bool = False
    share: str = "auto"
    #: Exports that are called again after a reset.
    init: str = "auto"
    #: ``auto``: where it can be done; ``true``: or else an error; ``false``.
    reset: str = "auto"
    include_imports: bool = False
    accept_partial: bool = False


def apply(module: Module, wishes: Wishes) -> PassReport:
    """Put adapters at the boundary. Raises UnsupportedError; then nothing was changed."""
    report = PassReport(wishes.name)
    if wishes.notice and (read_record(module) or {}).get("notice"):
        report.notes.append("the module is recovered already: nothing was changed")
        return report
    for option, value, known in (
        ("tables", wishes.tables, ("guard", "exports-only")),
        ("on_foreign", wishes.on_foreign, ("auto", "survive", "abort")),
        ("identity", wishes.identity, ("", "jstag")),
        ("reset", wishes.reset, ("auto", "true", "false")),
        ("share", wishes.share, ("auto", "true", "false")),
    ):
        if value not in known:
            names = ", ".join(each for each in known if each)
            raise UnsupportedError(f"{wishes.name}: {option}={value}: there are {names}")
    refuse_object(module)
    with all_or_nothing(module):
        _Work(module, wishes, report).run()
    return report


class _Work:
    def __init__(self, module: Module, wishes: Wishes, report: PassReport) -> None:
        self.module = module
        self.wishes = wishes
        self.report = report
        self.note = report.notes.append

    def run(self) -> None:
        module, wishes = self.module, self.wishes
        boundary = survey_boundary(module)
        if not (boundary.exported or boundary.referred or boundary.imports):
            raise UnsupportedError(
                "nothing to guard: the module exports no function of its own and imports none"
            )
        originals = [each for each in module.functions if not each.imported]
        used = used_dialect(module)
        has_handlers = used is not None
        dialect = chosen_dialect(used, wishes.dialect)
        known = tuple(module.tags)
        adapters = Adapters(module, dialect, known=known)
        adapters.indirect = bool(boundary.visible) and wishes.tables == "guard"
        adapters.has_casts = dialect is Dialect.EXNREF
        adapters.share = None if wishes.share == "auto" else wishes.share == "true"
        if boundary.visible and not adapters.indirect:
            self.note(
                f"tables=exports-only, but {boundary.visible[0]}: calls that the host makes "
                "through references are not guarded"
            )
        adapters.stack_pointer = find_stack_pointer(module, wishes.stack_pointer)
        if wishes.stack_pointer != "none" and adapters.stack_pointer is None:
            self.note("no stack pointer was found that could be restored: none is")
        if dialect is Dialect.NONE:
            self.note(
                "without exception handling: exceptions pass unseen, refusals are traps, the "
                "stack pointer is not restored"
            )
        if wishes.notice and any(each.type.limits.shared for each in module.memories):
            self.note(
                "memory is shared, but each thread's instance has a state of its own: the others "
                "don't see that one aborted"
            )
        plan = self._reset() if wishes.notice else None
        if wishes.tag:
            adapters.mark = self._mark(dialect, known)
        if wishes.notice:
            adapters.guard = Guard(
                module, dialect, in_wasm=wishes.notice == "wasm", auto=wishes.auto_reset
            )
            adapters.leaves = self._leaves(boundary)
            self._foreign(adapters, has_handlers=has_handlers)
        self._surround(adapters, boundary, originals, plan)
        counts = self.report.counts
        counts["gates"] = len(adapters.gates)
        counts["doors"] = len(adapters.doors) + len(adapters.indirect_doors)
        if adapters.guard is not None:
            self._record(adapters, known)

    def _mark(self, dialect: Dialect, known: tuple[Tag, ...]) -> Mark | None:
        module = self.module
        if _MARKED_BY_BINDGEN in by_name(module, known):
            self.note("wasm-bindgen marks foreign exceptions in this module already")
            return None
        match dialect:
            case Dialect.EXNREF:
                return Mark(module.add_tag((EXNREF,)))
            case Dialect.LEGACY if self.wishes.identity == "jstag":
                js_tag = next((each for each in known if is_js_tag(each)), None)
                if js_tag is not None:
                    self.note("the module names WebAssembly.JSTag itself: nothing is foreign")
                    return None
                js_tag = module.import_tag(*JS_TAG, (EXTERNREF,))
                return Mark(module.add_tag((EXTERNREF,)), js_tag)
            case Dialect.LEGACY:
                self.note(
                    "foreign exceptions are not marked: in the legacy dialect that needs the "
                    "import WebAssembly.JSTag, which identity=jstag asks for"
                )
            case Dialect.NONE:
                pass
        return None

    def _foreign(self, adapters: Adapters, *, has_handlers: bool) -> None:
        wish = self.wishes.on_foreign
        if not (self.wishes.tag or wish != "auto"):
            return
        aborts = wish == "abort" or (wish == "auto" and not has_handlers)
        if adapters.dialect is Dialect.NONE:
            aborts = False
        adapters.foreign_aborts = aborts
        why = (
            "as asked"
            if wish != "auto"
            else f"the module has {'' if has_handlers else 'no '}handlers"
        )
        what = "terminate the instance" if aborts else "leave it alive"
        self.note(f"foreign exceptions that leave the module for good {what}: {why}")

    def _leaves(self, boundary: Boundary) -> frozenset[Function]:
        if not self.wishes.leaf:
            return frozenset()
        names = {
            f"{each.imported.module}.{each.imported.name}": each
            for each in boundary.imports
            if each.imported is not None
        }
        found = matching(names, self.wishes.leaf)
        if not found:
            raise UnsupportedError(f"leaf: no imported function matches {self.wishes.leaf!r}")
        return frozenset(names[name] for name in found)

    def _reset(self) -> ResetPlan | None:
        """What a reset in place will do, where there can be one, and it is wanted."""
        wish = self.wishes.reset
        if wish == "false":
            return None
        try:
            wishes = self.wishes
            options = ResetOptions(wishes.include_imports, wishes.accept_partial, wishes.init)
            plan = plan_reset(self.module, options)
        except UnsupportedError as error:
            # What was asked for by name is there, or it was a mistake to ask.
            if wish == "true" or names_wrongly(self.module, self.wishes.init):
                raise
            self.note(error.reason)
            return None
        self.report.notes += [
            f"{why}: with such glue, make a new instance instead of a reset in place"
            for why in kept_by_glue(self.module)
        ]
        return plan

    def _again(self, plan: ResetPlan, adapters: Adapters) -> Function | None:
        """The gate of what runs after a reset: the start function, and what glue calls once."""
        functions = [*([] if plan.start is None else [plan.start]), *plan.init]
        if not functions:
            return None
        again = self.module.add_function(FuncType())
        again.body.items = [
            item
            for each in functions
            for item in (ops.call(each), *[ops.drop() for _ in each.func_type.results])
        ]
        return adapters.gate(again)

    def _surround(
        self,
        adapters: Adapters,
        boundary: Boundary,
        originals: list[Function],
        plan: ResetPlan | None,
    ) -> None:
        module, guard = self.module, adapters.guard
        adapters.add_gates([*boundary.exported, *(boundary.referred if adapters.indirect else ())])
        adapters.add_doors(boundary.imports)
        if guard is not None:
            self._intrinsics(adapters, boundary, guard)
        changed = install(adapters, originals, tail_calls=self.wishes.tail_calls)
        if guard is not None:
            for function in boundary.intrinsics.values():
                if function in adapters.doors and function.imported is not None:
                    module.imports.remove(function.imported)
            if plan is None:
                guard.build(None, None)
            else:
                start = self._again(plan, adapters)
                guard.build(plan.build(module, guard.globals), start)
                self.report.notes += [f"a reset leaves {what}" for what in plan.left]
        self.report.functions = len(changed)

    def _intrinsics(self, adapters: Adapters, boundary: Boundary, guard: Guard) -> None:
        asking = FuncType((), (I32,))
        known: dict[str, tuple[FuncType, Callable[[], list[Item]]]] = {
            "set_on_abort": (
                FuncType((I32,), (I32,)),
                lambda: self._set_on_abort(guard, adapters),
            ),
            "is_terminated": (asking, lambda: guard.is_state(TERMINATED)),
            "epoch": (asking, lambda: [ops.global_.get(guard.epoch)]),
            "schedule_reinit": (FuncType(), lambda: guard.set(guard.scheduled, 1)),
        }
        for name, function in boundary.intrinsics.items():
            if name == "take_exception":
                # That of another pass.
                continue
            if name not in known:
                names = ", ".join(sorted(known))
                raise UnsupportedError(f'the import "wasmir" "{name}" is none of: {names}')
            type_, build = known[name]
            if function.func_type != type_:
                raise UnsupportedError(
                    f'the import "wasmir" "{name}" has type {function.func_type}, not {type_}'
                )
            inside = self.module.add_function(function.type)
            inside.body.items = build()
            adapters.doors[function] = inside

    def _set_on_abort(self, guard: Guard, adapters: Adapters) -> list[Item]:
        table = next(iter(self.module.tables), None)
        if table is None or table is guard.hook or table is adapters.table:
            raise UnsupportedError(
                'the import "wasmir" "set_on_abort" names a place in the function table, '
                "and the module has none"
            )
        wide = table.type.limits.address is NumType.I64
        place: list[Item] = [ops.local.get(0), *([ops.i64.extend_i32_u()] if wide else [])]
        return [
            ops.global_.get(guard.hook_index),
            ops.i32.const(0),
            ops.local.get(0),
            If(
                self.module.block_type((), (guard.hook.type.element,)),
                [*place, ops.table.get(table)],
                [ops.ref.null(guard.hook.type.element.heap)],
            ),
            ops.table.set(guard.hook),
            ops.local.get(0),
            ops.global_.set(guard.hook_index),
            *guard.set(guard.hook_is_bare, 0 if adapters.indirect else 1),
        ]

    def _record(self, adapters: Adapters, known: tuple[Tag, ...]) -> None:
        module = self.module
        panics = [_panic_name(module, tag) for tag in known if not is_js_tag(tag)]
        mark = adapters.mark
        write_record(
            module,
            notice=self.wishes.notice,
            dialect=adapters.dialect.value,
            tables=self.wishes.tables,
            reset=module.exports.find(OURS + "reset_state") is not None,
            panics=panics,
            mark=None if mark is None else "exnref" if mark.js_tag is None else "externref",
        )


def _panic_name(module: Module, tag: Tag) -> str:
    """The name that a tag is exported by as one that means a panic: the one that it has, or the
    next that is free.
    """
    stem = f"{OURS}panic_"
    for export in module.exports.of(tag):
        if export.name.startswith(stem):
            return export.name
    number = 0
    while module.exports.find(f"{stem}{number}") is not None:
        number += 1
    module.exports.add(f"{stem}{number}", tag)
    return f"{stem}{number}"

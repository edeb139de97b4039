"""Legacy exception handling to exnref: ``try`` becomes ``try_table``.

Sources: specification 3.0 for ``try_table`` and ``throw_ref``; the exception-handling proposal's
legacy documents for ``try``, ``catch``, ``catch_all``, ``delegate`` and ``rethrow``.

How it works. A function's outline says where its trys are, who encloses whom, and which
``rethrow`` belongs to which clause. Then, outside in, each try is given a plan: which clauses stay,
where each of them lands, which label normal completion goes to, and how a clause that rethrows
keeps its exception. Last, inside out, the outline is rewritten by the plans. Labels are objects, so
nothing that stands between is touched, and no depth is ever computed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from wasmir import (
    EXNREF,
    Block,
    Br,
    Clause,
    Item,
    Label,
    Module,
    Opened,
    Pass,
    PassReport,
    Region,
    TryTable,
)
from wasmir.passes.legacy_handlers import Handler, Landing, Plan, chain, falls_off
from wasmir.passes.legacy_plans import Common, Planning
from wasmir.passes.tree import all_or_nothing, refuse_object

if TYPE_CHECKING:
    from wasmir import Function

__all__ = ["LegacyToExnref"]

# What replaces a try goes into the list that the try stands in, up to so many items.
_MOST_SPLICED = 500


@dataclass(frozen=True)
class LegacyToExnref(Pass):
    """Rewrite legacy exception handling as exnref.

    Needs a valid module that is linked (no ``linking`` or ``reloc.*`` sections). Guarantees a
    valid module without legacy instructions, with the same results, side effects and exceptions,
    their identity included. Without legacy instructions nothing is changed. ``try_table`` that is
    there already stays as it is.

    Before::

        try
          call $f
        catch_all
          call $cleanup
          rethrow 0
        end

    After, where the try is the last thing in its function; else ``return`` is a branch to a block
    around it all::

        block $landing (result exnref)
          try_table (catch_all_ref $landing)
            call $f
          end
          return
        end
        call $cleanup                ;; the exnref waits below
        throw_ref

    Most handlers clean up and throw on. Such a one goes behind all code with the same handlers
    around it, where trys that clean up alike share it::

        block $landing (result exnref)
          try_table (catch_all_ref $landing)
            call $f
          end
          call $g
          try_table (catch_all_ref $landing)
            call $h
          end
          return
        end
        call $cleanup
        throw_ref

    Fields switch single optimisations off; the result means the same with any of them.
    """

    name: ClassVar[str] = "legacy-to-exnref"

    direct: bool = field(default=True, metadata={"help": "branches as handlers become labels"})
    elide: bool = field(default=True, metadata={"help": "use labels that are there already"})
    unreachable: bool = field(default=True, metadata={"help": "no jump where no way leads"})
    order: bool = field(default=True, metadata={"help": "let a handler fall through"})
    prune: bool = field(default=True, metadata={"help": "leave out clauses that can't match"})
    propagate: bool = field(default=True, metadata={"help": "don't catch just to rethrow"})
    stack: bool = field(default=True, metadata={"help": "keep exnrefs on the stack where possible"})
    hoist: bool = field(default=True, metadata={"help": "put what only cleans up behind the code"})
    share: bool = field(default=True, metadata={"help": "one landing for handlers that are alike"})
    quiet: bool = field(
        default=False,
        metadata={"help": "no try where nothing can throw: looks at all code in trys"},
    )
    jump: bool = field(
        default=False, metadata={"help": "branch to a handler that is known: faster, and longer"}
    )

    def run(self, module: Module) -> PassReport:
        """Convert every function, or raise and leave the module as it was.

        Raises UnsupportedError for an object file, InvalidError and MalformedError for a body
        that breaks the rules which conversion relies on.
        """
        report = PassReport(self.name)
        with all_or_nothing(module):
            self._convert(module, report)
        return report

    def _convert(self, module: Module, report: PassReport) -> None:
        common = Common(module, self)
        linked = not any(custom.relocatable for custom in module.customs)

        def convert(function: Function) -> int | None:
            trys = _Conversion(self, function.survey(), common).run()
            if trys is None:
                function.close()
            elif not linked:
                refuse_object(module)
            return trys

        wanted = module.functions_with("try")
        found = [trys for trys in self.edit(module, convert, wanted) if trys is not None]
        report.functions = len(found)
        report.counts["try"] = sum(found)
        if found:
            for name in ("exception-handling", "multivalue", "reference-types"):
                module.require_target_feature(name)


class _Conversion(Planning):
    """One function."""

    def run(self) -> int | None:
        """Convert; how many live trys there were, or ``None`` where nothing had to be done."""
        self.make_plans()
        if not (self.plans or self.leaves or self.cleanups):
            return 0 if self.cut_dead_code() else None
        self.cut_dead_code()
        plans = self.decide()
        self.rewrite_leaves()
        self.rewrite_cleanups()
        if self.slots:
            self.first_local = self.body.add_local(EXNREF, self.slots)
            for handler, local in self.in_locals:
                self.throw_from_local(handler, self.first_local + local)
        self.rewrite(plans)
        self.finish()
        for plan in self.plans:
            if plan.handlers:
                # They refer to each other, and are too many to wait for a collector.
                plan.handlers.clear()
                plan.chained = None
        return len(self.plans) + len(self.leaves) + len(self.cleanups)

    def decide(self) -> list[Plan]:
        """Decide what becomes of each try that has a plan; those that control may come to."""
        plans = self.plans
        dropped = False
        for plan in plans:
            if plan.outer is not None and plan.outer.dropped:
                dropped = True
                self.drop(plan.handlers)
            elif plan.throw is not None:
                self.plan_cleanup(plan, plan.throw)
            elif plan.try_.delegate is not None:
                self.plan_delegate(plan)
            else:
                self.plan_try(plan)
        if dropped:
            plans = [plan for plan in plans if plan.outer is None or not plan.outer.dropped]
        return plans

    # Rewriting

    def rewrite(self, plans: list[Plan]) -> None:
        """Put in place of each try what its plan says."""
        # Inside out, and in one list from the back: what was noted of the others stays true.
        for plan in reversed(plans):
            if plan.landing is not None:
                # Its try_table is whole, but for a tail.
                table: Any = plan.catching
                if (region := plan.try_.region) in self.tails:
                    table.items = self.with_tail(region, plan.out)
                plan.items[plan.index] = table
            elif plan.try_.delegate is None:
                self.rewrite_try(plan)
            else:
                self.rewrite_delegate(plan)

    def rewrite_try(self, plan: Plan) -> None:
        try_ = plan.try_
        handlers = plan.handlers
        if not handlers:
            self.replace_by_block(plan)
            return
        table = plan.catching
        if table is None:
            table = TryTable(try_.type, [])
        table.clauses = [Clause(h.tag, h.label, h.ref) for h in handlers]
        comes_out = self.comes_out(plan)
        table.items = self.body_of(plan)
        landings = [h for h in handlers if h.landing is not None and h.hoisted is None]
        items: list[Item] = [table]
        if landings:
            items = self.around(plan, table, landings, comes_out=comes_out)
        own = plan.own
        if own is not None and own in self.used:
            own.items = items
            plan.items[plan.index] = own
        else:
            # The order that landings were put in has the one that goes on, if any does, at the end.
            stops = bool(landings) and not landings[-1].goes_on
            self.put(plan, items, stops=stops, strays=any(h.strays for h in landings))

    def comes_out(self, plan: Plan) -> bool:
        """Whether control comes out of the end of the try's body, where nothing else is done."""
        region = plan.try_.region
        return region is None or (region not in self.tails and falls_off(region))

    def body_of(self, plan: Plan) -> list[Item]:
        region = plan.try_.region
        return plan.try_.items if region is None else self.with_tail(region, plan.out)

    def around(
        self, plan: Plan, table: TryTable, landings: list[Handler], *, comes_out: bool
    ) -> list[Item]:
        """The table in the blocks of landings, each with its handler behind it."""
        items: list[Item] = [table]
        last = landings[-1]
        if len(landings) > 1 and self.options.order:
            # The outermost handler needs no jump, so one that goes on should be it.
            last = next((h for h in landings if h.goes_on), last)
            landings.remove(last)
            landings.append(last)
        if plan.try_.region in self.tails or (self.options.unreachable and not comes_out):
            # Nobody falls off the end, so it may as well have the landing's type.
            first = landings[0]
            table.type = self.common.landing_type(plan.try_.type, first.tag, first.ref)
        else:
            items.append(self.jump(plan.out))
        for handler in landings:
            goes_on = handler.goes_on
            if handler.landing is not None:
                items = self.landed(handler.landing, items)
            if handler is not last and goes_on:
                if handler.strays and handler.region is not None:
                    items.append(Opened(handler.region, 0))
                items.append(self.jump(plan.out))
        return items

    def standing(self, plan: Plan) -> Opened:
        """Which label is the innermost where the try stands."""
        for index in range(plan.index - 1, -1, -1):
            # Nothing was rewritten there yet.
            item = plan.items[index]
            if isinstance(item, Opened):
                return item
        return Opened(plan.region, 0)

    def put(self, plan: Plan, items: list[Item], *, stops: bool, strays: bool) -> None:
        """Put items where the try is. Many of them come in a block: each try around them would
        have to copy them once more. ``stops`` says that control doesn't come out of them, and
        ``strays`` that they end at another height than they began, see :class:`Opened`.
        """
        if len(items) <= _MOST_SPLICED:
            if stops and plan.items[-1] is plan.try_:
                plan.region.stops = True
            if strays:
                items.append(self.standing(plan))
            plan.items[plan.index : plan.index + 1] = items
        else:
            plan.items[plan.index] = Block(plan.try_.type, items)

    def landed(self, landing: Landing, items: list[Item]) -> list[Item]:
        """The landing's block around the items, and its code behind it."""
        landing.block.items = items
        if landing.local is None:
            return [landing.block, *landing.items]
        keep = self.common.module.instr("local.set", self.first_local + landing.local)
        return [landing.block, keep, *landing.items]

    def with_tail(self, region: Region, out: Label) -> list[Item]:
        """A region's items; where handlers were hoisted to it, in their landings' blocks, with a
        jump to where control goes from the region's end, and with the code of the handlers behind.
        """
        items = region.items
        tail = self.tails.get(region)
        if tail is None:
            return items
        if falls_off(region):
            if region.level:
                items.append(Opened(region, 0))
            items.append(self.jump(out))
        for landing in tail.landings:
            items = self.landed(landing, items)
        return items

    def rewrite_leaves(self) -> None:
        """Like the plans of other delegates, without the plan: nothing names such a try, and it
        is the only item there before and after.
        """
        clauses: list[Clause] = []
        for try_, items, index, scope, outer in self.leaves:
            if outer is not None and outer.dropped:
                continue
            if chain(scope)[0] and self.throws(try_):
                if not clauses:
                    clauses.append(Clause(None, self.trampoline_handler().label, True))
                items[index] = TryTable(try_.type, clauses, try_.items)
            else:
                items[index] = try_.items[0] if try_.items else b""

    def rewrite_cleanups(self) -> None:
        """The same for trys that clean up: each is a ``try_table`` that names a landing."""
        for try_, region, index, scope, outer, throw in self.cleanups:
            if outer is not None and outer.dropped:
                continue
            landing = self.cleanup_landing(try_, region, scope, outer, throw)
            region.items[index] = TryTable(try_.type, landing.clauses, try_.items)

    def rewrite_delegate(self, plan: Plan) -> None:
        table = plan.catching
        if plan.clauses is None or table is None:
            self.replace_by_block(plan)
            return
        table.clauses = [Clause(h.tag, h.label, h.ref) for h in plan.clauses]
        table.items = self.body_of(plan)
        plan.items[plan.index] = table

    def replace_by_block(self, plan: Plan) -> None:
        """A try that catches nothing of its own: a block, if anything branches to its end."""
        own = plan.own
        stops = not self.comes_out(plan)
        items = self.body_of(plan)
        if own is not None and own in self.used:
            own.items = items
            plan.items[plan.index] = own
            return
        region = plan.try_.region
        strays = region is not None and (region.level != 0 or region in self.tails)
        self.put(plan, items, stops=stops, strays=strays)

    def finish(self) -> None:
        """Put what goes around and behind all code of regions that were there before."""
        for table in self.tables:
            table.items = self.with_tail(table.region, table)
        trampoline = self.trampoline
        region = self.survey.region
        if trampoline is not None:
            block: Any = trampoline.label
            self.tail_of(region).landings.append(Landing(block, trampoline.items))
        self.body.items = self.with_tail(region, self.body)

    def throw_from_local(self, handler: Handler, local: int) -> None:
        """Put what throws the exception that was kept in the place of each ``rethrow``."""
        module = self.common.module
        get = module.run([module.instr("local.get", local)])
        for rethrow, items, region in handler.rethrows:
            scope = handler.plan.parent if region is None else self.places[region][0]
            known = self.known_handler(scope)
            throw = self.common.throw_ref if known is None else Br(self.use(known.label))
            if region is None:
                items[-1:] = [get, throw]
            else:
                # There is an empty run in front of it.
                index = items.index(rethrow)
                items[index - 1 : index + 1] = [get, throw]

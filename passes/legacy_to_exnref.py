"""Legacy exception handling to exnref: ``try`` becomes ``try_table``.

Sources: specification 3.0 for ``try_table`` and ``throw_ref``; the exception-handling proposal's
legacy documents for ``try``, ``catch``, ``catch_all``, ``delegate`` and ``rethrow``.

How it works. A first walk over a function's tree finds the trys, who encloses whom, and which
``rethrow`` belongs to which clause. Then, outside in, each try is given a plan: which clauses stay,
where each of them lands, which label normal completion goes to, and how a clause that rethrows
keeps its exception. Last, inside out, the tree is rewritten by the plans. Labels are objects, so
nothing that stands between is touched, and no depth is ever computed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from wasmir import (
    EXNREF,
    Block,
    BlockType,
    Body,
    Br,
    Clause,
    Context,
    Function,
    Instr,
    InvalidError,
    Item,
    Label,
    Loop,
    Module,
    Pass,
    PassReport,
    Structured,
    Survey,
    Tag,
    Try,
    TryTable,
    falls_through,
)
from wasmir.passes.legacy_handlers import Handler, Plan, Scope, chain
from wasmir.passes.tree import all_or_nothing, refuse_object

__all__ = ["LegacyToExnref"]

# An exnref that waits under this many operands is dug out with `drop`s, one byte each; keeping it
# in a local takes four.
_MOST_DROPS = 3

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
        trys = 0
        common = _Common(module, self)
        for function in self.track(module.functions, "functions"):
            if function.imported is not None:
                continue
            survey = function.survey_with("try")
            if survey is None:
                continue
            found = _Conversion(self, survey, common).run()
            if found is None:
                function.close()
            else:
                if not report.functions:
                    refuse_object(module)
                function.settle()
                trys += found
                report.functions += 1
        report.counts["try"] = trys
        if report.functions:
            for name in ("exception-handling", "multivalue", "reference-types"):
                module.require_target_feature(name)


# What is known of longer runs isn't kept: they hardly come again.
_SHORT_RUN = 80


class _Common:
    """What is the same for all functions of a module."""

    def __init__(self, module: Module, options: LegacyToExnref) -> None:
        self.module = module
        self.options = options
        self.return_ = module.instr("return")
        self.throw_ref = module.instr("throw_ref")
        self.drop = module.instr("drop")
        #: What the landings take and leave: by the type of the try, the tag, whether there is an
        #: exnref.
        self.landing_types: dict[tuple[BlockType, Tag | None, bool], BlockType] = {}
        #: What throws an exception again that is under so many operands.
        self.throws: list[list[Item]] = [
            [*[self.drop] * drops, self.throw_ref] for drops in range(_MOST_DROPS + 1)
        ]
        #: What follows a run at the start of a handler, instead of ``rethrow``; ``None`` where the
        #: exception can't wait on the stack. Cleanup code comes again and again.
        self.after: dict[bytes, list[Item] | None] = {}

    def throw_after(self, run: bytes) -> list[Item] | None:
        """What :attr:`after` holds for a run, or would if the run were not too long for it."""
        drops = self.module.stack_effect((run,))
        fits = self.options.stack and drops <= _MOST_DROPS
        throw = self.throws[max(drops, 0)] if fits else None
        if len(run) <= _SHORT_RUN:
            self.after[run] = throw
        return throw


class _Conversion:
    """One function."""

    def __init__(self, options: LegacyToExnref, survey: Survey, common: _Common) -> None:
        self.options = options
        self.survey = survey
        self.common = common
        self.body: Body = survey.body
        self.function: Function = survey.body.function
        self.results = len(self.function.func_type.results)
        self.plans: list[Plan] = []
        self.plan_of: dict[Label, Plan] = {}
        #: Trys with nothing but a run in them that delegate to the caller: the try, the list that
        #: it stands in, where, and what is active there.
        self.leaves: list[tuple[Try, list[Item], int, Scope | None]] = []
        #: Handlers that keep the exception in a local, each with its number among those.
        self.in_locals: list[tuple[Handler, int]] = []
        #: Locals that hold exceptions.
        self.slots = 0
        self.first_local = 0
        #: Labels of ours that something goes to.
        self.used: set[Label] = set()
        #: What leaves the function past handlers that must not see it.
        self.trampoline: Handler | None = None

    def run(self) -> int | None:
        """Convert; how many live trys there were, or ``None`` where nothing had to be done."""
        self.make_plans()
        plans = self.plans
        if not plans and not self.leaves:
            return 0 if self.cut_dead_code() else None
        self.cut_dead_code()
        for plan in plans:
            if plan.try_.delegate is not None:
                self.plan_delegate(plan)
            elif not self.plan_cleanup(plan):
                self.plan_try(plan)
        self.rewrite_leaves()
        if self.slots:
            self.first_local = self.body.add_local(EXNREF, self.slots)
            for handler, local in self.in_locals:
                get = self.common.module.instr("local.get", self.first_local + local)
                self.throw_again(handler, [get, self.common.throw_ref])
        # Inside out, and in one list from the back: what was noted of the others stays true.
        for plan in reversed(plans):
            if plan.cleanup is not None:
                self.rewrite_cleanup(plan, plan.cleanup)
            elif plan.try_.delegate is None:
                self.rewrite_try(plan)
            else:
                self.rewrite_delegate(plan)
        self.finish()
        return len(plans) + len(self.leaves)

    # What there is

    def make_plans(self) -> None:
        """A plan for each try, outer before inner, with all that the survey knows of it."""
        survey = self.survey
        body = self.body
        plans, plan_of, leaves = self.plans, self.plan_of, self.leaves
        # What is active in each context, and the innermost handler around it.
        places: dict[Context, tuple[Scope | None, Handler | None]] = {None: (None, None)}
        for try_, items, index, enclosing, context in survey.sites:
            scope, outer = places[context]
            if isinstance(try_, TryTable):
                places[try_] = Scope(scope, try_), outer
                continue
            if try_.delegate is body and len(try_.items) == 1 and isinstance(try_.items[0], bytes):
                leaves.append((try_, items, index, scope))
                continue
            plan = plan_of[try_] = Plan(try_, items, index, enclosing, scope, outer)
            places[try_] = plan, outer
            plans.append(plan)
            for catch in try_.catches:
                handler = Handler(catch.tag, catch.items)
                places[catch] = scope, handler
                plan.handlers.append(handler)
        for try_, context in survey.delegates:
            plan_of[try_].target = places[context][0]
        for items, caught in survey.rethrows:
            caught_by = places[caught][1] if caught is not None else None
            if caught_by is None:
                raise InvalidError(
                    "invalid rethrow label: it names no try of which this is in a handler",
                    str(self.function),
                )
            caught_by.rethrows.append(items)
        for user in survey.users:
            for label in {user.label} if isinstance(user, Clause) else set(user.labels):
                if label.__class__ is Try:
                    plan_of[label].used_by(user)

    def cut_dead_code(self) -> bool:
        """Cut off what control never gets to; whether there was a try in it.

        Nothing is known about such code: operand heights have no meaning there. Cutting behind an
        instruction that control doesn't come out of is always valid, for the stack is polymorphic
        there and suits any end.
        """
        pending = []
        for items, index in self.survey.dead:
            pending.append(items[index:])
            del items[index:]
        while pending:
            for item in pending.pop():
                if isinstance(item, Try):
                    return True
                if isinstance(item, Structured):
                    pending.extend(item.sequences())
        return False

    # Plans, outside in

    def plan_try(self, plan: Plan) -> None:
        """Decide what becomes of a try with handlers, or with neither handlers nor delegate."""
        try_ = plan.try_
        outer = plan.outer
        if outer is not None and outer.free:
            for handler in plan.handlers:
                handler.free = outer.free
        if len(plan.handlers) > 1 and self.options.prune:
            self.drop_duplicates(plan)
        handlers = plan.handlers
        if self.options.propagate:
            # From the end: what is caught just to be thrown on might as well not be caught.
            while handlers and self.only_rethrows(handlers[-1]):
                handlers.pop()
        # A clause can't name its own try_table: what it names must enclose it.
        within = not handlers
        direct: list[tuple[Handler, Label]] = []
        for handler in handlers:
            if handler.rethrows:
                handler.ref = True
                self.place_exception(handler)
            elif (target := self.direct_target(plan, handler)) is not None:
                direct.append((handler, target))
                within = within or target is try_
                continue
            within = True
            handler.landing = handler.own = Block(self.landing_type(plan, handler))
        out = self.label_that_is_there(plan) if plan.items[-1] is try_ else None
        if out is None:
            out = plan.own = Block(try_.type) if within else TryTable(try_.type, [])
        plan.out = out
        for handler, target in direct:
            handler.landing = self.use(self.resolve(target))
        if plan.users is not None:
            self.retarget_users(plan)

    def plan_cleanup(self, plan: Plan) -> bool:
        """What :meth:`plan_try` does, in less time, for what nearly every try is: one handler that
        takes everything, and is a run and a ``rethrow`` for which the exception can wait on the
        stack. Whether it is one.
        """
        handlers = plan.handlers
        if len(handlers) != 1:
            return False
        handler = handlers[0]
        items = handler.items
        if handler.tag is not None or len(items) != 2 or not handler.rethrows:
            return False
        run = items[0]
        # A rethrow may also be in what the handler ends in.
        if not isinstance(run, bytes) or handler.rethrows[0] is not items:
            return False
        common = self.common
        throw = common.after[run] if run in common.after else common.throw_after(run)
        if throw is None:
            return False
        items[1:] = throw
        try_ = plan.try_
        handler.ref = True
        landing = Block(self.landing_type(plan, handler))
        handler.landing = handler.own = plan.cleanup = landing
        out = self.label_that_is_there(plan) if plan.items[-1] is try_ else None
        if out is None:
            out = plan.own = Block(try_.type)
        plan.out = out
        if plan.users is not None:
            self.retarget_users(plan)
        return True

    def plan_delegate(self, plan: Plan) -> None:
        """Decide what becomes of a try that delegates.

        What its body throws must be handled as if thrown at the target. Where the handlers in
        between make no difference, nothing is needed. Else a ``try_table`` goes straight to the
        landings of the target's handlers, which enclose it; and what none of those takes, but one
        in between would, leaves the function by the trampoline.
        """
        natural, _ = chain(plan.parent)
        if plan.target is None:
            # To the caller, which is what compilers mostly mean: past whatever there is.
            if natural:
                plan.clauses = [self.trampoline_handler()]
        else:
            wanted, complete = chain(plan.target)
            if wanted != natural:
                plan.clauses = list(wanted)
                tags = {handler.tag for handler in wanted}
                if not complete and any(h.tag is None or h.tag not in tags for h in natural):
                    plan.clauses.append(self.trampoline_handler())
        out = self.label_that_is_there(plan) if plan.items[-1] is plan.try_ else None
        if plan.clauses is not None:
            plan.own = TryTable(plan.try_.type, [])
        elif out is None:
            plan.own = Block(plan.try_.type)
        plan.out = out if out is not None else plan.own or plan.try_
        if plan.users is not None:
            self.retarget_users(plan)

    def trampoline_handler(self) -> Handler:
        if self.trampoline is None:
            handler = self.trampoline = Handler(None, [])
            handler.ref = True
            handler.landing = handler.own = Block(self.common.module.block_type((), (EXNREF,)))
        return self.trampoline

    def drop_duplicates(self, plan: Plan) -> None:
        """The same index is the same tag; different indices may be, too, so those stay."""
        seen: set[Tag | None] = set()
        kept = []
        for handler in plan.handlers:
            if handler.tag not in seen:
                seen.add(handler.tag)
                kept.append(handler)
        plan.handlers = kept

    def only_rethrows(self, handler: Handler) -> bool:
        """Whether a handler does nothing but drop its payload, or leave it, and rethrow."""
        items = handler.items
        if len(items) != 1 and (handler.tag is None or len(items) != 2):
            return False
        if len(handler.rethrows) != 1 or handler.rethrows[0] is not items:
            return False
        if len(items) == 1:
            return True
        first = items[0]
        # An instruction takes a byte at least, and there is no more to drop than the payload.
        return (
            isinstance(first, bytes)
            and len(first) <= handler.arity
            and all(instr.row.name == "drop" for instr in self.common.module.instructions(first))
        )

    def direct_target(self, plan: Plan, handler: Handler) -> Label | None:
        """The label that does all that the handler does, if there is one.

        A clause is a branch that carries the payload. So it can stand for a handler that is
        nothing but the way out of the try, a branch, or a return; the label must take exactly the
        payload, while a branch could also leave some behind.
        """
        if not self.options.direct or len(handler.items) > 1:
            return None
        if not handler.items:
            target: Label = plan.try_
        else:
            (item,) = handler.items
            if isinstance(item, Br):
                target = item.label
            elif isinstance(item, Instr) and item.row.name == "return":
                target = self.body
            else:
                return None
        return target if self.arity(target) == handler.arity else None

    def place_exception(self, handler: Handler) -> None:
        """Keep the exception on the stack, under the handler's operands, or in a local.

        A handler can't reach below the operands it starts with, and a branch out of it discards
        them, so what waits at the bottom is safe until the one ``rethrow`` at the handler's end.
        """
        items = handler.items
        rethrows = handler.rethrows
        if len(rethrows) == 1 and rethrows[0] is items and not handler.arity and self.options.stack:
            drops = self.common.module.stack_effect(items[:-1]) if len(items) > 1 else 0
            if drops <= _MOST_DROPS:
                self.throw_again(handler, self.common.throws[max(drops, 0)])
                return
        # A handler inside this one must not overwrite its local; one beside it may.
        handler.local = handler.free
        self.in_locals.append((handler, handler.local))
        handler.free += 1
        self.slots = max(self.slots, handler.free)

    def throw_again(self, handler: Handler, throw: list[Item]) -> None:
        """Put what throws the exception that was kept in the place of each ``rethrow``, which is
        the last in its list, for what was behind it was dead.
        """
        for items in handler.rethrows:
            items[-1:] = throw

    def landing_type(self, plan: Plan, handler: Handler) -> BlockType:
        """What the landing takes through to the try_table, and what arrives there."""
        key = plan.try_.type, handler.tag, handler.ref
        type_ = self.common.landing_types.get(key)
        if type_ is None:
            payload = () if handler.tag is None else handler.tag.params
            results = (*payload, EXNREF) if handler.ref else payload
            type_ = self.common.module.block_type(plan.try_.type.params, results)
            self.common.landing_types[key] = type_
        return type_

    # Labels

    def label_that_is_there(self, plan: Plan) -> Label | None:
        """The label of what the try is the last thing in (it is), if a branch there does the same
        as falling off the end of both. A loop's label is at its start, so never that of a loop.
        """
        enclosing = plan.enclosing
        if not self.options.elide or enclosing.__class__ is Loop:
            return None
        # Valid code has exactly the results on the stack at an end: equal counts suffice.
        if self.arity(enclosing) != len(plan.try_.type.results):
            return None
        return self.resolve(enclosing)

    def resolve(self, label: Label) -> Label:
        """The label that stands for one of the original."""
        plan = self.plan_of.get(label)
        return label if plan is None else plan.out

    def use(self, label: Label) -> Label:
        """Note that something goes to the label, so that its block has to be there."""
        self.used.add(label)
        return label

    def retarget_users(self, plan: Plan) -> None:
        for user in plan.users or ():
            user.retarget(plan.try_, self.use(plan.out))

    def arity(self, label: Label) -> int:
        """How many operands a branch to the label takes."""
        if isinstance(label, Structured):
            return len(label.type.params if isinstance(label, Loop) else label.type.results)
        return self.results

    def jump(self, label: Label) -> Item:
        """The shortest way to the label, from anywhere inside it."""
        if label is self.body:
            return self.common.return_
        self.used.add(label)
        return Br(label)

    # Rewriting, inside out

    def rewrite_try(self, plan: Plan) -> None:
        try_ = plan.try_
        handlers = plan.handlers
        if not handlers:
            self.replace_by_block(plan)
            return
        own = plan.own
        table = own if isinstance(own, TryTable) else TryTable(try_.type, [])
        table.clauses = [Clause(h.tag, h.landing, h.ref) for h in handlers]
        table.items = try_.items
        items: list[Item] = [table]
        landings = [handler for handler in handlers if handler.own is not None]
        if landings:
            last = landings[-1]
            if len(landings) > 1 and self.options.order:
                # The outermost handler needs no jump, so one that goes on should be it.
                last = next((h for h in landings if falls_through(h.items)), last)
                landings.remove(last)
                landings.append(last)
            if self.options.unreachable and not falls_through(try_.items):
                # Nobody falls off the end, so it may as well have the landing's type.
                table.type = self.landing_type(plan, landings[0])
            else:
                items.append(self.jump(plan.out))
            for handler in landings:
                items = self.landed(handler, items)
                if handler is not last and falls_through(items):
                    items.append(self.jump(plan.out))
        if own in self.used and isinstance(own, Block):
            own.items = items
            plan.items[plan.index] = own
        else:
            self.put(plan, items)

    def rewrite_cleanup(self, plan: Plan, landing: Block) -> None:
        """Mirrors :meth:`plan_cleanup`."""
        try_ = plan.try_
        body = try_.items
        table = TryTable(try_.type, [Clause(None, landing, True)], body)
        if self.options.unreachable and not falls_through(body):
            table.type = landing.type
            landing.items.append(table)
        else:
            landing.items += (table, self.jump(plan.out))
        items = plan.handlers[0].items
        items.insert(0, landing)
        own = plan.own
        if own is not None and own in self.used:
            own.items = items
            plan.items[plan.index] = own
        else:
            self.put(plan, items)

    def put(self, plan: Plan, items: list[Item]) -> None:
        """Put items where the try is. Many of them come in a block: each try around them would
        have to copy them once more.
        """
        if len(items) == 1:
            plan.items[plan.index] = items[0]
        elif len(items) <= _MOST_SPLICED:
            plan.items[plan.index : plan.index + 1] = items
            items.clear()
        else:
            plan.items[plan.index] = Block(plan.try_.type, items)

    def landed(self, handler: Handler, items: list[Item]) -> list[Item]:
        """The landing block around the items, and the handler's code behind it."""
        landed: list[Item] = []
        if handler.own is not None:
            handler.own.items = items
            landed.append(handler.own)
        if handler.local is not None:
            landed.append(self.common.module.instr("local.set", self.first_local + handler.local))
        landed += handler.items
        # Whoever looks for what this list had finds it where it is now; memory is for one copy.
        handler.items.clear()
        return landed

    def rewrite_leaves(self) -> None:
        """Like the plans of other delegates, without the plan: nothing names such a try, and it
        is the only item there before and after.
        """
        clauses: list[Clause] = []
        for try_, items, index, scope in self.leaves:
            if chain(scope)[0]:
                if not clauses:
                    clauses.append(Clause(None, self.trampoline_handler().landing, True))
                items[index] = TryTable(try_.type, clauses, try_.items)
            else:
                items[index] = try_.items[0]

    def rewrite_delegate(self, plan: Plan) -> None:
        table = plan.own
        if plan.clauses is None or not isinstance(table, TryTable):
            self.replace_by_block(plan)
            return
        table.clauses = [Clause(h.tag, h.landing, h.ref) for h in plan.clauses]
        table.items = plan.try_.items
        plan.items[plan.index] = table

    def replace_by_block(self, plan: Plan) -> None:
        """A try that catches nothing of its own: a block, if anything branches to its end."""
        own = plan.own
        if isinstance(own, Block) and own in self.used:
            own.items = plan.try_.items
            plan.items[plan.index] = own
        else:
            self.put(plan, plan.try_.items)

    def finish(self) -> None:
        """Put the trampoline around everything.

        ::

            block $trampoline (result exnref)
              ...                             ;; try_table (catch_all_ref $trampoline)
              return
            end
            throw_ref
        """
        trampoline = None if self.trampoline is None else self.trampoline.own
        if trampoline is None:
            return
        body = self.body
        trampoline.items = body.items
        if falls_through(body.items):
            body.items.append(self.common.return_)
        body.items = [trampoline, self.common.throw_ref]

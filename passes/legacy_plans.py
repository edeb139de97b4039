"""What becomes of each legacy try: the planning half of legacy-to-exnref."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wasmir import (
    EXNREF,
    Block,
    Br,
    Catch,
    Clause,
    InvalidError,
    Opened,
    RefType,
    Rethrow,
    Structured,
    Try,
    TryTable,
)
from wasmir.passes.legacy_handlers import (
    Budget,
    Handler,
    Landing,
    Plan,
    Scope,
    Tail,
    chain,
    content,
    falls_off,
    home_of,
    likeness,
    lists_within,
    stays_within,
)

if TYPE_CHECKING:
    from wasmir import BlockType, Body, Function, Item, Label, Module, Region, Survey, Tag
    from wasmir.passes.legacy_to_exnref import LegacyToExnref

__all__ = ["Common", "Planning"]

# An exnref that waits under this many operands is dug out with `drop`s, one byte each; keeping it
# in a local takes four.
_MOST_DROPS = 3

# From a handler in a handler in ... nothing is hoisted beyond that.
_DEEPEST = 50

# See Budget: for each function, and more for each try in it.
_LOOKED_AT = 20_000
_LOOKED_AT_EACH = 20

# What is known of longer runs isn't kept: they hardly come again.
_SHORT_RUN = 80


class Common:
    """What is the same for all functions of a module."""

    def __init__(self, module: Module, options: LegacyToExnref) -> None:
        self.module = module
        self.options = options
        # As parts of runs, which is all that an outline has of them, too.
        self.return_ = module.run([module.instr("return")])
        self.throw_ref = module.run([module.instr("throw_ref")])
        self.drop = module.run([module.instr("drop")])
        #: A handler that is nothing but a ``return``.
        self.returns: list[Item] = [self.return_]
        #: What the landings take and leave: by what the place takes, the tag, whether there is an
        #: exnref.
        self.landing_types: dict[tuple[BlockType | None, Tag | None, bool], BlockType] = {}
        #: What throws an exception again that is under so many operands.
        self.throws = [drops * self.drop + self.throw_ref for drops in range(_MOST_DROPS + 1)]
        #: What follows a run at the start of a handler, instead of ``rethrow``; ``None`` where the
        #: exception can't wait on the stack. Cleanup code comes again and again.
        self.after: dict[bytes, bytes | None] = {}
        #: Whether a function with such declarations has locals that must be set before they are
        #: read.
        self.unset: dict[bytes, bool] = {}

    def throw_after(self, run: bytes) -> bytes | None:
        """What :attr:`after` holds for a run, or would if the run were not too long for it."""
        drops = self.module.stack_effect((run,))
        fits = self.options.stack and drops <= _MOST_DROPS
        throw = self.throws[max(drops, 0)] if fits else None
        if len(run) <= _SHORT_RUN:
            self.after[run] = throw
        return throw

    def landing_type(self, place: BlockType | None, tag: Tag | None, ref: bool) -> BlockType:
        """What a landing takes through to the code inside, which is what the type of the place
        says, and what arrives there.
        """
        key = place, tag, ref
        type_ = self.landing_types.get(key)
        if type_ is None:
            payload = () if tag is None else tag.params
            results = (*payload, EXNREF) if ref else payload
            params = () if place is None else place.params
            type_ = self.module.block_type(params, results)
            self.landing_types[key] = type_
        return type_

    def may_move(self, body: Body) -> bool:
        """Whether code may go where it isn't known which locals were set: all have a value from
        the beginning.
        """
        unset = self.unset.get(body.locals_wire)
        if unset is None:
            unset = any(
                isinstance(type_, RefType) and not type_.nullable for _, type_ in body.local_groups
            )
            self.unset[body.locals_wire] = unset
        return not unset


class Planning:
    """The plans for one function: which clauses stay, where each of them lands, which label normal
    completion goes to, and how a clause that throws its exception again keeps it.
    """

    def __init__(self, options: LegacyToExnref, survey: Survey, common: Common) -> None:
        self.options = options
        self.survey = survey
        self.common = common
        self.body: Body = survey.body
        self.function: Function = survey.body.function
        self.hoists = options.hoist and common.may_move(survey.body)
        self.budget = Budget(_LOOKED_AT + _LOOKED_AT_EACH * len(survey.sites))
        #: How many handlers a region is inside of, down to code with the same handlers around it.
        self.depths: dict[Region, int] = {}
        self.plans: list[Plan] = []
        self.plan_of: dict[Label, Plan] = {}
        #: Those that were there before.
        self.tables: list[TryTable] = []
        #: Trys with nothing but a run in them that delegate to the caller: the try, the list that
        #: it stands in, where, what is active there, and the handler around it.
        self.leaves: list[tuple[Try, list[Item], int, Scope | None, Handler | None]] = []
        #: Trys with nothing but a run in them, and a cleanup for which the exception can wait on
        #: the stack: the same, but with the region, and with what throws the exception again.
        self.cleanups: list[tuple[Try, Region, int, Scope | None, Handler | None, bytes]] = []
        #: What is active in each region, and the innermost handler around it.
        self.places: dict[Region, tuple[Scope | None, Handler | None]] = {}
        #: Handlers that keep the exception in a local, each with its number among those.
        self.in_locals: list[tuple[Handler, int]] = []
        #: Locals that hold exceptions.
        self.slots = 0
        self.first_local = 0
        #: Labels of ours that something goes to.
        self.used: set[Label] = set()
        self.tails: dict[Region, Tail] = {}
        #: What leaves the function past handlers that must not see it.
        self.trampoline: Handler | None = None

    # What there is

    def make_plans(self) -> None:
        """A plan for each try, outer before inner, with all that the survey knows of it."""
        survey = self.survey
        body = self.body
        plans, plan_of, leaves, places = self.plans, self.plan_of, self.leaves, self.places
        places[survey.region] = None, None
        cleanups = self.cleanups
        depths = self.depths
        clauses: dict[Catch, Handler] = {}
        for try_, here, index in survey.sites:
            scope, outer = places[here]
            if isinstance(try_, TryTable):
                places[try_.region] = Scope(scope, try_), outer
                self.tables.append(try_)
                continue
            region = try_.region
            if region is None and try_.delegate is body:
                leaves.append((try_, here.items, index, scope, outer))
                continue
            throw = self.throw_behind(try_, here)
            if throw is not None and region is None:
                cleanups.append((try_, here, index, scope, outer, throw))
                continue
            plan = plan_of[try_] = Plan(try_, here, index, scope, outer)
            plans.append(plan)
            if region is not None:
                places[region] = plan, outer
            if throw is not None:
                plan.throw = throw
                continue
            for catch in try_.catches:
                handler = Handler(catch.tag, catch.items, catch.region)
                handler.plan = plan
                if catch.region is not None:
                    places[catch.region] = scope, handler
                    depths[catch.region] = depths.get(here, 0) + 1
                    clauses[catch] = handler
                plan.handlers.append(handler)
        for try_, target in survey.delegates:
            plan_of[try_].target = places[target][0]
        for rethrow, items, region, clause in survey.rethrows:
            if clause is None:
                raise InvalidError(
                    "invalid rethrow label: it names no try of which this is in a handler",
                    str(self.function),
                )
            clauses[clause].rethrows += ((rethrow, items, region),)
        for user in survey.users:
            for label in {user.label} if isinstance(user, Clause) else set(user.labels):
                if label.__class__ is Try:
                    plan_of[label].used_by(user)

    def cut_dead_code(self) -> bool:
        """Cut out what control never gets to; whether there was a try in it.

        Nothing is known about such code: operand heights have no meaning there. Cutting behind an
        instruction that control doesn't come out of is always valid, for the stack is polymorphic
        there and suits any end.
        """
        found = False
        for items, start, end, has_try in reversed(self.survey.dead):
            # What was noted of places behind it has to stay true.
            items[start:end] = [] if end == len(items) else [b""] * (end - start)
            found = found or has_try
        return found

    # Plans, outside in

    def plan_try(self, plan: Plan) -> None:
        """Decide what becomes of a try with handlers, or with neither handlers nor delegate."""
        try_ = plan.try_
        handlers = plan.handlers
        self.drop_needless(plan)
        hoists = self.may_leave(plan.region) and self.may_hoist(plan)
        # A clause can't name its own try_table: what it names must enclose it.
        within = not handlers
        direct: list[tuple[Handler, Label]] = []
        alike: dict[object, Landing] = {}
        for handler in handlers:
            if handler.rethrows:
                handler.ref = True
            elif (target := self.direct_target(handler)) is not None:
                direct.append((handler, target))
                within = within or target is try_
                continue
            if hoists and self.hoisted(plan, handler):
                continue
            within = True
            key = self.key(handler)
            if key is not None and key in alike:
                handler.label = alike[key].block
                continue
            block = Block(self.common.landing_type(try_.type, handler.tag, handler.ref))
            handler.landing = Landing(block, handler.items)
            handler.label = block
            self.place_exception(handler)
            if key is not None:
                alike[key] = handler.landing
        out = self.label_that_is_there(plan)
        if out is None:
            if within:
                out = plan.own = Block(try_.type)
            else:
                out = plan.catching = TryTable(try_.type, [])
        plan.out = out
        for handler, target in direct:
            handler.label = self.use(self.resolve(target))
        if plan.users is not None:
            self.retarget_users(plan)

    def throws(self, try_: Try) -> bool:
        """Whether an exception may come out of the try's body, as far as anybody looks."""
        if not self.options.quiet:
            return True
        for items in lists_within(try_.items, self.budget):
            if self.survey.may_throw(item for item in items if not isinstance(item, Structured)):
                return True
        return self.budget.items < 0

    def may_leave(self, region: Region) -> bool:
        """Whether the handlers of a try that stands in a region may be hoisted."""
        return self.hoists and self.depths.get(region, 0) <= _DEEPEST

    def drop_needless(self, plan: Plan) -> None:
        """Do without clauses, where that makes no difference."""
        handlers = plan.handlers
        for handler in handlers:
            if handler.region is None and isinstance(last := handler.items[-1], Rethrow):
                handler.rethrows = ((last, handler.items, None),)
            if plan.outer is not None:
                handler.free = plan.outer.free
        if handlers and not self.throws(plan.try_):
            self.drop(handlers)
        if len(handlers) > 1 and self.options.prune:
            self.drop_duplicates(plan)
        if self.options.propagate:
            # From the end: what is caught just to be thrown on might as well not be caught.
            while handlers and self.only_rethrows(handlers[-1]):
                handlers.pop()
        if len(handlers) > 1 and self.options.share:
            self.drop_covered(handlers)

    def key(self, handler: Handler) -> object:
        """What is equal of handlers that can share a landing in one place, if this one can."""
        like = likeness(handler) if self.options.share else None
        return None if like is None else (handler.tag and handler.tag.params, handler.ref, like)

    def throw_behind(self, try_: Try, here: Region) -> bytes | None:
        """What throws the exception again at the end of a cleanup that may be hoisted. That is what
        nearly every try has: one handler that takes everything, and is a run and a ``rethrow`` for
        which the exception can wait on the stack. ``None`` for any other try.
        """
        catches = try_.catches
        if len(catches) != 1 or not self.hoists:
            return None
        catch = catches[0]
        if catch.region is not None or catch.tag is not None:
            return None
        if self.depths and not self.may_leave(here):
            return None
        run = catch.items[0]
        if not isinstance(run, bytes):
            # Nothing but the rethrow.
            return None
        after = self.common.after
        throw = after[run] if run in after else self.common.throw_after(run)
        if throw is None or (self.options.quiet and not self.throws(try_)):
            return None
        return throw

    def plan_cleanup(self, plan: Plan, throw: bytes) -> None:
        """What :meth:`plan_try` does, in less time, for a cleanup that can be hoisted."""
        try_ = plan.try_
        landing = plan.landing = self.cleanup_landing(
            try_, plan.region, plan.parent, plan.outer, throw
        )
        table = plan.catching = TryTable(try_.type, landing.clauses, try_.items)
        plan.out = self.label_that_is_there(plan) or table
        if plan.users is not None:
            self.retarget_users(plan)

    def cleanup_landing(
        self,
        try_: Try,
        region: Region,
        scope: Scope | None,
        outer: Handler | None,
        throw: bytes,
    ) -> Landing:
        """The landing for the cleanup of a try that stands in a region, in a scope and a handler:
        one that is there already, or one that gets the run and what throws the exception again.
        """
        items = try_.catches[0].items
        run = items[0]
        home = region
        if isinstance(home.context, Catch):
            home = home_of(home)
        tail = self.tail_of(home)
        landing = tail.alike.get(run)
        if landing is None or (
            region is not home and landing.number < self.least_number(region, outer, home)
        ):
            items[1:] = self.known_throw(throw, scope) if self.options.jump else (throw,)
            landing = self.new_landing(None, True, items, home, tail)
            landing.clauses = [Clause(None, landing.block, True)]
            if self.options.share:
                tail.alike[run] = landing
        return landing

    def may_hoist(self, plan: Plan) -> bool:
        """Whether it is any good. A handler that goes on stays where it is, and so does the jump
        around it: then the other handlers are as small there, unless the home has its own already.
        """
        if not any(handler.goes_on for handler in plan.handlers):
            return True
        home = home_of(plan.region)
        return home in self.tails or not falls_off(home)

    def hoisted(self, plan: Plan, handler: Handler) -> bool:
        """Let the handler's code go behind all code with the same handlers around it, if it may:
        it must not come back from there.
        """
        if handler.goes_on:
            return False
        home = home_of(plan.region)
        if stays_within(handler, plan, home, self.budget):
            return False
        tail = self.tail_of(home)
        key = self.key(handler)
        landing = None if key is None else tail.alike.get(key)
        least = self.least_number(plan.region, plan.outer, home)
        if landing is None or landing.number < least:
            landing = self.new_landing(handler.tag, handler.ref, handler.items, home, tail)
            handler.landing = handler.hoisted = landing
            self.place_exception(handler)
            if key is not None:
                tail.alike[key] = landing
        handler.label = landing.block
        return True

    def tail_of(self, home: Region) -> Tail:
        """The region's tail, which it has from then on."""
        tail = self.tails.get(home)
        if tail is None:
            tail = self.tails[home] = Tail()
        return tail

    def new_landing(
        self, tag: Tag | None, ref: bool, items: list[Item], home: Region, tail: Tail
    ) -> Landing:
        context = home.context
        place = context.type if isinstance(context, (Try, TryTable)) else None
        block = Block(self.common.landing_type(place, tag, ref))
        landing = Landing(block, items, len(tail.landings))
        tail.landings.append(landing)
        return landing

    def least_number(self, region: Region, outer: Handler | None, home: Region) -> int:
        """Of a landing around code in a region: if that is a hoisted handler's, the code is behind
        the landings inside of its own.
        """
        while region is not home and outer is not None:
            if outer.hoisted is not None:
                return outer.hoisted.number + 1
            region, outer = outer.plan.region, outer.plan.outer
        return 0

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
        if plan.clauses is not None and not self.throws(plan.try_):
            plan.clauses = None
        out = self.label_that_is_there(plan)
        if plan.clauses is not None:
            plan.catching = TryTable(plan.try_.type, [])
        elif out is None:
            plan.own = Block(plan.try_.type)
        plan.out = out or plan.catching or plan.own or plan.try_
        if plan.users is not None:
            self.retarget_users(plan)

    def trampoline_handler(self) -> Handler:
        """What leaves the function past handlers that must not see it.

        ::

            block $trampoline (result exnref)
              ...                             ;; try_table (catch_all_ref $trampoline)
              return
            end
            throw_ref

        Its block is around all others, so that it can be named from wherever code goes.
        """
        if self.trampoline is None:
            handler = self.trampoline = Handler(None, [self.common.throw_ref])
            handler.ref = True
            handler.label = Block(self.common.landing_type(None, None, True))
        return self.trampoline

    def drop_duplicates(self, plan: Plan) -> None:
        """The same index is the same tag; different indices may be, too, so those stay."""
        seen: set[Tag | None] = set()
        kept = []
        for handler in plan.handlers:
            if handler.tag not in seen:
                seen.add(handler.tag)
                kept.append(handler)
            else:
                handler.dropped = True
        plan.handlers[:] = kept

    def drop(self, handlers: list[Handler]) -> None:
        """Let go of handlers that control never comes to."""
        for handler in handlers:
            handler.dropped = True
        handlers.clear()

    def drop_covered(self, handlers: list[Handler]) -> None:
        """In front of a clause that takes everything, one that does the same once it has dropped
        its payload makes no difference.
        """
        if handlers[-1].tag is not None or (like := likeness(handlers[-1])) is None:
            return
        while len(handlers) > 1:
            handler = handlers[-2]
            drops = self.common.drop * handler.arity
            first = next(iter(content(handler.items)), b"")
            payload_dropped = isinstance(first, bytes) and first.startswith(drops)
            if not payload_dropped or likeness(handler, skip=len(drops)) != like:
                return
            del handlers[-2]

    def only_rethrows(self, handler: Handler) -> bool:
        """Whether a handler does nothing but drop its payload, or leave it, and rethrow."""
        if len(handler.rethrows) != 1:
            return False
        items = content(handler.items)
        if items.pop() is not handler.rethrows[0][0]:
            return False
        if not items:
            return True
        first = items[0]
        # There is no more to drop than the payload.
        return (
            len(items) == 1
            and isinstance(first, bytes)
            and len(first) <= handler.arity
            and not first.strip(self.common.drop)
        )

    def direct_target(self, handler: Handler) -> Label | None:
        """The label that does all that the handler does, if there is one.

        A clause is a branch that carries the payload. So it can stand for a handler that is
        nothing but the way out of the try, a branch, or a return; the label must take exactly the
        payload, while a branch could also leave some behind.
        """
        if not self.options.direct or len(handler.items) > 4:
            return None
        items = content(handler.items)
        if not items:
            target: Label = handler.plan.try_
        elif len(items) == 1 and isinstance(items[0], Br):
            target = items[0].label
        elif items == self.common.returns:
            target = self.body
        else:
            return None
        return target if self.survey.arity(target) == handler.arity else None

    def place_exception(self, handler: Handler) -> None:
        """Keep the exception on the stack, under the handler's operands, or in a local.

        A handler can't reach below the operands it starts with, and a branch out of it discards
        them, so what waits at the bottom is safe until the one ``rethrow`` at the handler's end.
        """
        items = handler.items
        rethrows = handler.rethrows
        if not rethrows:
            return
        last = items[-1]
        if (
            len(rethrows) == 1
            and rethrows[0][0] is last
            and not handler.arity
            and self.options.stack
        ):
            drops = self.survey.stack_effect(items[:-1])
            if drops <= _MOST_DROPS:
                throw = self.known_throw(self.common.throws[max(drops, 0)], handler.plan.parent)
                if handler.strays and handler.region is not None:
                    items[-1:] = [Opened(handler.region, 0), *throw]
                else:
                    items[-1:] = throw
                return
        # A handler inside this one must not overwrite its local; one beside it may.
        local = handler.free
        self.in_locals.append((handler, local))
        if handler.landing is not None:
            handler.landing.local = local
        handler.free += 1
        self.slots = max(self.slots, handler.free)

    def known_throw(self, throw: bytes, scope: Scope | None) -> list[Item]:
        """What throws the exception under so many operands; or a branch to where it would go."""
        handler = self.known_handler(scope)
        if handler is None:
            return [throw]
        branch = Br(self.use(handler.label))
        # A branch takes what it needs from under nothing, and drops the rest.
        return [throw.removesuffix(self.common.throw_ref), branch] if handler.ref else [branch]

    def known_handler(self, scope: Scope | None) -> Handler | None:
        """The handler that takes whatever is thrown in a scope, where branches may go there."""
        if not self.options.jump:
            return None
        found, _ = chain(scope)
        return found[0] if found and found[0].tag is None else None

    # Labels

    def label_that_is_there(self, plan: Plan) -> Label | None:
        """The label of what the try is the last thing in (it is), if a branch there does the same
        as falling off the end of both. A loop's label is at its start, so never that of a loop.
        """
        enclosing = self.survey.last.get(plan.try_)
        if enclosing is None or not self.options.elide:
            return None
        # Valid code has exactly the results on the stack at an end: equal counts suffice.
        if self.survey.arity(enclosing) != len(plan.try_.type.results):
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

    def jump(self, label: Label) -> Item:
        """The shortest way to the label, from anywhere inside it."""
        if label is self.body:
            return self.common.return_
        self.used.add(label)
        return Br(label)

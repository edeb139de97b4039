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
from typing import ClassVar, TypeAlias

from wasmir import (
    EXNREF,
    Block,
    BlockType,
    Body,
    Br,
    Branch,
    Catch,
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
    UnsupportedError,
    bulk_work,
    falls_through,
)

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
        with bulk_work():
            checkpoint = module.checkpoint()
            try:
                self._convert(module, report)
            except BaseException:
                module.rollback(checkpoint)
                raise
        return report

    def _convert(self, module: Module, report: PassReport) -> None:
        trys = 0
        landing_types: _LandingTypes = {}
        converted: list[Function] = []
        for function in self.track(module.functions, "functions"):
            if function.imported is not None:
                continue
            survey = function.survey_with("try")
            if survey is None:
                continue
            found = _Conversion(self, survey, landing_types).run()
            if found is None:
                function.close()
            else:
                if not converted:
                    _refuse_object(module)
                function.settle()
                trys += found
                converted.append(function)
        report.functions = len(converted)
        report.counts["try"] = trys
        if converted:
            for name in ("exception-handling", "multivalue", "reference-types"):
                module.require_target_feature(name)


def _refuse_object(module: Module) -> None:
    """Raise UnsupportedError for an object file, whose relocations name places in the code."""
    for custom in module.customs:
        if custom.relocatable:
            raise UnsupportedError(
                f"a relocatable object (it has a {custom.name!r} section) can't be converted: "
                "its relocations name places in the code; link it first"
            )


# Hundreds of thousands of these are made for a large module. Defaults are attributes of the class,
# so that making one costs no more than what is particular to it.


class _Scope:
    """What is active somewhere in a function: the handlers of a ``try_table`` of the input, or of
    a legacy try (then it is a :class:`_Plan`), and behind them those of ``parent``.
    """

    #: The chain from here, once it is known.
    chained: tuple[list[_Handler], bool] | None = None
    parent: _Scope | None
    table: TryTable

    def __init__(self, parent: _Scope | None, table: TryTable) -> None:
        self.parent = parent
        self.table = table


class _Handler:
    """A clause: of a legacy try, or (``tag``, ``ref`` and ``landing`` only) of a ``try_table``.

    ``landing`` is the label that a ``try_table`` names for it: that of a block of ours, behind
    which the handler's code stands, or one that does all that the handler did.
    """

    #: Whether it needs the exception itself.
    ref = False
    landing: Label
    #: The landing, where it is a block of ours.
    own: Block | None = None
    #: Where the exception is kept: the local's number among those for exceptions, or the number
    #: of operands above it on the stack.
    local: int | None = None
    drops = 0
    #: The first local for exceptions that is free inside.
    free = 0

    def __init__(self, tag: Tag | None, items: list[Item], scope: _Scope | None = None) -> None:
        self.tag = tag
        self.items = items
        #: What is active in it.
        self.scope = scope
        #: The lists that end in a ``rethrow`` of what this clause caught.
        self.rethrows: list[list[Item]] = []

    @property
    def arity(self) -> int:
        """How many operands the payload is."""
        return 0 if self.tag is None else len(self.tag.params)


class _Plan(_Scope):
    """A legacy try: where it stands, and what becomes of it. As a scope: what its body is in."""

    #: What names the try as a label.
    users: list[Branch | Clause] | None = None
    #: Of a delegate: where the search for a handler goes on, and the clauses it needs.
    target: _Scope | None = None
    clauses: list[_Handler] | None = None
    #: The block that stands for the try, if any.
    own: Block | TryTable | None = None

    def __init__(
        self,
        try_: Try,
        items: list[Item],
        index: int,
        enclosing: Label,
        scope: _Scope | None,
        outer: _Handler | None,
    ) -> None:
        self.parent = scope
        #: The handler that it stands in.
        self.outer = outer
        self.try_ = try_
        #: The list that it stands in, and where; the label of what has that list.
        self.items = items
        self.index = index
        self.enclosing = enclosing
        self.handlers: list[_Handler] = []
        #: The label of normal completion.
        self.out: Label = try_

    def used_by(self, user: Branch | Clause) -> None:
        if self.users is None:
            self.users = []
        self.users.append(user)


_LandingTypes: TypeAlias = dict[tuple[BlockType, Tag | None, bool], BlockType]


class _Conversion:
    """One function."""

    def __init__(
        self, options: LegacyToExnref, survey: Survey, landing_types: _LandingTypes
    ) -> None:
        self.options = options
        self.survey = survey
        self.body: Body = survey.body
        self.function: Function = survey.body.function
        self.module = self.function.module
        self.landing_types = landing_types
        self.return_ = self.module.instr("return")
        self.throw_ref = self.module.instr("throw_ref")
        self.plans: list[_Plan] = []
        self.plan_of: dict[Label, _Plan] = {}
        #: Trys with nothing but a run in them that delegate to the caller: the try, the list that
        #: it stands in, where, and what is active there.
        self.leaves: list[tuple[Try, list[Item], int, _Scope | None]] = []
        self.handler_of: dict[Catch, _Handler] = {}
        #: What is active in the `try_table`s of the input, and the handler that they stand in.
        self.tables: dict[TryTable, tuple[_Scope, _Handler | None]] = {}
        #: Locals that hold exceptions.
        self.slots = 0
        self.first_local = 0
        #: Labels of ours that something goes to.
        self.used: set[Label] = set()
        #: What leaves the function past handlers that must not see it.
        self.trampoline: _Handler | None = None

    def run(self) -> int | None:
        """Convert; how many live trys there were, or ``None`` where nothing had to be done."""
        self.make_plans()
        plans = self.plans
        if not plans and not self.leaves:
            return 0 if self.cut_dead_code() else None
        self.cut_dead_code()
        for plan in plans:
            if plan.try_.delegate is None:
                self.plan_try(plan)
            else:
                self.plan_delegate(plan)
        self.rewrite_leaves()
        if self.slots:
            self.first_local = self.body.add_local(EXNREF, self.slots)
        for plan in plans:
            for handler in plan.handlers:
                if handler.rethrows:
                    self.rewrite_rethrows(handler)
        # Inside out, and in one list from the back: what was noted of the others stays true.
        for plan in reversed(plans):
            if plan.try_.delegate is None:
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
        plans, plan_of, handler_of = self.plans, self.plan_of, self.handler_of
        for try_, items, index, enclosing, context in survey.sites:
            scope, outer = self.scope_and_handler(context)
            if isinstance(try_, TryTable):
                self.tables[try_] = _Scope(scope, try_), outer
                continue
            if try_.delegate is body and len(try_.items) == 1 and isinstance(try_.items[0], bytes):
                self.leaves.append((try_, items, index, scope))
                continue
            plan = plan_of[try_] = _Plan(try_, items, index, enclosing, scope, outer)
            plans.append(plan)
            for catch in try_.catches:
                handler = handler_of[catch] = _Handler(catch.tag, catch.items, scope)
                plan.handlers.append(handler)
        for try_, context in survey.delegates:
            plan_of[try_].target = self.scope_and_handler(context)[0]
        for items, caught in survey.rethrows:
            if caught is None:
                raise InvalidError(
                    "invalid rethrow label: it names no try of which this is in a handler",
                    str(self.function),
                )
            handler_of[caught].rethrows.append(items)
        for user in survey.users:
            for label in {user.label} if isinstance(user, Clause) else set(user.labels):
                if label.__class__ is Try:
                    plan_of[label].used_by(user)

    def scope_and_handler(self, context: Context) -> tuple[_Scope | None, _Handler | None]:
        """What is active in a context, and the innermost handler around it."""
        if context is None:
            return None, None
        if isinstance(context, Catch):
            handler = self.handler_of[context]
            return handler.scope, handler
        if isinstance(context, TryTable):
            return self.tables[context]
        plan = self.plan_of[context]
        return plan, plan.outer

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

    def plan_try(self, plan: _Plan) -> None:
        """Decide what becomes of a try with handlers, or with neither handlers nor delegate."""
        try_ = plan.try_
        if plan.outer is not None and plan.outer.free:
            for handler in plan.handlers:
                handler.free = plan.outer.free
        if len(plan.handlers) > 1 and self.options.prune:
            self.drop_duplicates(plan)
        handlers = plan.handlers
        if self.options.propagate:
            # From the end: what is caught just to be thrown on might as well not be caught.
            while handlers and len(handlers[-1].items) <= 2 and self.only_rethrows(handlers[-1]):
                handlers.pop()
        # A clause can't name its own try_table: what it names must enclose it.
        within = not handlers
        direct: list[tuple[_Handler, Label]] = []
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

    def plan_delegate(self, plan: _Plan) -> None:
        """Decide what becomes of a try that delegates.

        What its body throws must be handled as if thrown at the target. Where the handlers in
        between make no difference, nothing is needed. Else a ``try_table`` goes straight to the
        landings of the target's handlers, which enclose it; and what none of those takes, but one
        in between would, leaves the function by the trampoline.
        """
        natural, _ = self.chain(plan.parent)
        if plan.target is None:
            # To the caller, which is what compilers mostly mean: past whatever there is.
            if natural:
                plan.clauses = [self.trampoline_handler()]
        else:
            wanted, complete = self.chain(plan.target)
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

    def trampoline_handler(self) -> _Handler:
        if self.trampoline is None:
            handler = self.trampoline = _Handler(None, [])
            handler.ref = True
            handler.landing = handler.own = Block(self.module.block_type((), (EXNREF,)))
        return self.trampoline

    def chain(self, scope: _Scope | None) -> tuple[list[_Handler], bool]:
        """The handlers that an exception meets from the scope outwards, each tag once; and whether
        the last of them takes everything. Outside the function nothing is known.
        """
        # The scopes that contribute, innermost first, down to one whose chain is known.
        path: list[_Scope] = []
        found: list[_Handler] = []
        complete = False
        if scope is not None and scope.chained is not None:
            return scope.chained
        while scope is not None:
            if scope.chained is not None:
                found, complete = scope.chained
                break
            path.append(scope)
            delegates = isinstance(scope, _Plan) and scope.try_.delegate is not None
            scope = scope.target if isinstance(scope, _Plan) and delegates else scope.parent
        for link in reversed(path):
            if isinstance(link, _Plan):
                own = link.handlers
            else:
                own = [self.handler_like(clause) for clause in link.table.clauses]
            tags = {handler.tag for handler in own}
            if None in tags:
                found, complete = own, True
            elif own:
                found = own + [handler for handler in found if handler.tag not in tags]
            link.chained = found, complete
        return found, complete

    def handler_like(self, clause: Clause) -> _Handler:
        """A ``try_table`` clause of the input in the shape of our own."""
        handler = _Handler(clause.tag, [])
        handler.ref = clause.ref
        handler.landing = clause.label
        return handler

    def drop_duplicates(self, plan: _Plan) -> None:
        """The same index is the same tag; different indices may be, too, so those stay."""
        seen: set[Tag | None] = set()
        kept = []
        for handler in plan.handlers:
            if handler.tag not in seen:
                seen.add(handler.tag)
                kept.append(handler)
        plan.handlers = kept

    def only_rethrows(self, handler: _Handler) -> bool:
        """Whether a handler of two items at most does nothing but drop its payload, or leave it,
        and rethrow.
        """
        items = handler.items
        if len(handler.rethrows) != 1 or handler.rethrows[0] is not items:
            return False
        if len(items) == 1:
            return True
        first = items[0]
        # An instruction takes a byte at least, and there is no more to drop than the payload.
        return (
            isinstance(first, bytes)
            and len(first) <= handler.arity
            and all(instr.row.name == "drop" for instr in self.module.instructions(first))
        )

    def direct_target(self, plan: _Plan, handler: _Handler) -> Label | None:
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

    def place_exception(self, handler: _Handler) -> None:
        """Keep the exception on the stack, under the handler's operands, or in a local.

        A handler can't reach below the operands it starts with, and a branch out of it discards
        them, so what waits at the bottom is safe until the one ``rethrow`` at the handler's end.
        """
        items = handler.items
        if (
            self.options.stack
            and not handler.arity
            and len(handler.rethrows) == 1
            and handler.rethrows[0] is items
        ):
            drops = self.module.stack_effect(items[:-1]) if len(items) > 1 else 0
            if drops <= _MOST_DROPS:
                handler.drops = drops
                return
        # A handler inside this one must not overwrite its local; one beside it may.
        handler.local = handler.free
        handler.free += 1
        self.slots = max(self.slots, handler.free)

    def landing_type(self, plan: _Plan, handler: _Handler) -> BlockType:
        """What the landing takes through to the try_table, and what arrives there."""
        key = plan.try_.type, handler.tag, handler.ref
        type_ = self.landing_types.get(key)
        if type_ is None:
            payload = () if handler.tag is None else handler.tag.params
            results = (*payload, EXNREF) if handler.ref else payload
            type_ = self.module.block_type(plan.try_.type.params, results)
            self.landing_types[key] = type_
        return type_

    # Labels

    def label_that_is_there(self, plan: _Plan) -> Label | None:
        """The label of what the try is the last thing in (it is), if a branch there does the same
        as falling off the end of both. A loop's label is at its start, so never that of a loop.
        """
        enclosing = plan.enclosing
        if (
            not self.options.elide
            or isinstance(enclosing, Loop)
            # Valid code has exactly the results on the stack at an end: equal counts suffice.
            or self.arity(enclosing) != len(plan.try_.type.results)
        ):
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

    def retarget_users(self, plan: _Plan) -> None:
        for user in plan.users or ():
            user.retarget(plan.try_, self.use(plan.out))

    def arity(self, label: Label) -> int:
        """How many operands a branch to the label takes."""
        if isinstance(label, Structured):
            return len(label.type.params if isinstance(label, Loop) else label.type.results)
        return len(self.function.func_type.results)

    def jump(self, label: Label) -> Item:
        """The shortest way to the label, from anywhere inside it."""
        if label is self.body:
            return self.return_
        self.used.add(label)
        return Br(label)

    # Rewriting, inside out

    def rewrite_rethrows(self, handler: _Handler) -> None:
        """Each list ends in the ``rethrow``, for what was behind it was dead."""
        throw: list[Item] = [self.throw_ref]
        if handler.local is not None:
            throw.insert(0, self.module.instr("local.get", self.first_local + handler.local))
        elif handler.drops:
            throw[:0] = [self.module.instr("drop")] * handler.drops
        for items in handler.rethrows:
            items[-1:] = throw

    def rewrite_try(self, plan: _Plan) -> None:
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

    def put(self, plan: _Plan, items: list[Item]) -> None:
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

    def landed(self, handler: _Handler, items: list[Item]) -> list[Item]:
        """The landing block around the items, and the handler's code behind it."""
        landed: list[Item] = []
        if handler.own is not None:
            handler.own.items = items
            landed.append(handler.own)
        if handler.local is not None:
            landed.append(self.module.instr("local.set", self.first_local + handler.local))
        landed += handler.items
        # Whoever looks for what this list had finds it where it is now; memory is for one copy.
        handler.items.clear()
        return landed

    def rewrite_leaves(self) -> None:
        """Like the plans of other delegates, without the plan: nothing names such a try, and it
        is the only item there before and after.
        """
        for try_, items, index, scope in self.leaves:
            if self.chain(scope)[0]:
                landing = self.trampoline_handler().landing
                items[index] = TryTable(try_.type, [Clause(None, landing, True)], try_.items)
            else:
                items[index] = try_.items[0]

    def rewrite_delegate(self, plan: _Plan) -> None:
        table = plan.own
        if plan.clauses is None or not isinstance(table, TryTable):
            self.replace_by_block(plan)
            return
        table.clauses = [Clause(h.tag, h.landing, h.ref) for h in plan.clauses]
        table.items = plan.try_.items
        plan.items[plan.index] = table

    def replace_by_block(self, plan: _Plan) -> None:
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
            body.items.append(self.return_)
        body.items = [trampoline, self.throw_ref]

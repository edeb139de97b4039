"""What legacy-to-exnref knows of the handlers in a function, and plans for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wasmir import (
    Branch,
    Clause,
    Opened,
    Region,
    Resume,
    Rethrow,
    Structured,
    Try,
    TryTable,
    terminates,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wasmir import Block, Item, Label, Tag

__all__ = [
    "Budget",
    "Handler",
    "Landing",
    "Plan",
    "Scope",
    "Tail",
    "chain",
    "content",
    "falls_off",
    "home_of",
    "likeness",
    "lists_within",
    "stays_within",
]

# Hundreds of thousands of these are made for a large module, and slots are quicker to make.


class Scope:
    """What is active somewhere in a function: the handlers of a ``try_table`` of the input, or of
    a legacy try (then it is a :class:`Plan`), and behind them those of ``parent``.
    """

    __slots__ = ("chained", "parent", "table")
    table: TryTable

    def __init__(self, parent: Scope | None, table: TryTable) -> None:
        #: The chain from here, once it is known.
        self.chained: tuple[list[Handler], bool] | None = None
        self.parent = parent
        self.table = table


class Landing:
    """A block that clauses name, and the code behind its end."""

    __slots__ = ("block", "clauses", "items", "local", "number")
    #: Of a cleanup's: those of each ``try_table`` that comes here.
    clauses: list[Clause]

    def __init__(self, block: Block, items: list[Item], number: int = 0) -> None:
        #: The local that the exception goes to, as a number among those for exceptions.
        self.local: int | None = None
        self.block = block
        self.items = items
        #: Of a hoisted one: how many such landings its block encloses.
        self.number = number


class Tail:
    """The hoisted landings of a region: the blocks around its code, and what stands behind that.

    The first is the innermost block. Behind its end stands its code, inside of all other blocks.
    """

    __slots__ = ("alike", "landings")

    def __init__(self) -> None:
        self.landings: list[Landing] = []
        #: The last landing for handlers that are alike.
        self.alike: dict[object, Landing] = {}


class Handler:
    """A clause: of a legacy try, or (``tag``, ``ref`` and ``label`` only) of a ``try_table``.

    ``label`` is what a ``try_table`` names for it: that of a landing, or one that does all that the
    handler did.
    """

    __slots__ = (
        "dropped",
        "free",
        "hoisted",
        "items",
        "label",
        "landing",
        "plan",
        "ref",
        "region",
        "rethrows",
        "tag",
    )
    label: Label
    #: Of a legacy one: the plan for its try.
    plan: Plan

    def __init__(self, tag: Tag | None, items: list[Item], region: Region | None = None) -> None:
        self.tag = tag
        self.items = items
        #: ``None`` for a run, if that, and ``rethrow 0``.
        self.region = region
        #: Whether it needs the exception itself.
        self.ref = False
        #: The landing with its code, where it has one to itself or is the first to have it.
        self.landing: Landing | None = None
        #: The same, if that isn't next to the try.
        self.hoisted: Landing | None = None
        #: Whether it can't come to it, so that nothing in it counts.
        self.dropped = False
        #: The first local for exceptions that is free inside.
        self.free = 0
        #: Each ``rethrow`` of what this clause caught, and the list that it stands in.
        self.rethrows: tuple[tuple[Rethrow, list[Item], Region | None], ...] = ()

    @property
    def goes_on(self) -> bool:
        """Whether control comes out of its end."""
        return self.region is not None and falls_off(self.region)

    @property
    def strays(self) -> bool:
        """Whether its items, as read, end with more labels open than they began with, as far as
        those see that follow: see :class:`Opened`.
        """
        return self.region is not None and self.region.level != 0

    @property
    def arity(self) -> int:
        """How many operands the payload is."""
        return 0 if self.tag is None else len(self.tag.params)


class Plan(Scope):
    """A legacy try: where it stands, and what becomes of it. As a scope: what its body is in."""

    __slots__ = (
        "catching",
        "clauses",
        "handlers",
        "index",
        "items",
        "landing",
        "out",
        "outer",
        "own",
        "region",
        "target",
        "throw",
        "try_",
        "users",
    )
    #: The label of normal completion.
    out: Label

    def __init__(
        self,
        try_: Try,
        region: Region,
        index: int,
        scope: Scope | None,
        outer: Handler | None,
    ) -> None:
        self.chained = None
        self.parent = scope
        #: The handler that it stands in.
        self.outer = outer
        self.try_ = try_
        #: The region that it stands in, the list of that, and where in it.
        self.region = region
        self.items = region.items
        self.index = index
        #: Of a cleanup that will be hoisted: what throws the exception again. Such a plan has no
        #: handlers, but a landing as soon as it is made.
        self.throw: bytes | None = None
        self.landing: Landing | None = None
        self.handlers: list[Handler] = []
        #: What names the try as a label.
        self.users: list[Branch | Clause] | None = None
        #: Of a delegate: where the search for a handler goes on, and the clauses it needs.
        self.target: Scope | None = None
        self.clauses: list[Handler] | None = None
        #: The block around what stands for the try, if any, and the ``try_table`` in it.
        self.own: Block | None = None
        self.catching: TryTable | None = None

    def used_by(self, user: Branch | Clause) -> None:
        if self.users is None:
            self.users = []
        self.users.append(user)


def chain(scope: Scope | None) -> tuple[list[Handler], bool]:
    """The handlers that an exception meets from the scope outwards, each tag once; and whether
    the last of them takes everything. Outside the function nothing is known.
    """
    # The scopes that contribute, innermost first, down to one whose chain is known.
    path: list[Scope] = []
    found: list[Handler] = []
    complete = False
    if scope is not None and scope.chained is not None:
        return scope.chained
    while scope is not None:
        if scope.chained is not None:
            found, complete = scope.chained
            break
        path.append(scope)
        delegates = isinstance(scope, Plan) and scope.try_.delegate is not None
        scope = scope.target if isinstance(scope, Plan) and delegates else scope.parent
    for link in reversed(path):
        if not isinstance(link, Plan):
            own = [handler_like(clause) for clause in link.table.clauses]
        elif link.landing is not None:
            own = [handler_like(Clause(None, link.landing.block, True))]
        else:
            own = link.handlers
        tags = {handler.tag for handler in own}
        if None in tags:
            found, complete = own, True
        elif own:
            found = own + [handler for handler in found if handler.tag not in tags]
        link.chained = found, complete
    return found, complete


def handler_like(clause: Clause) -> Handler:
    """A ``try_table`` clause in the shape of our own."""
    handler = Handler(clause.tag, [])
    handler.ref = clause.ref
    handler.label = clause.label
    return handler


# The code of regions


def falls_off(region: Region) -> bool:
    """Whether the end of a region's list can be reached by falling off it."""
    return not (region.stops or terminates(region.items[-1]))


def content(items: list[Item]) -> list[Item]:
    """The items that stand for instructions."""
    return [item for item in items if item and not isinstance(item, (Region, Opened))]


def home_of(region: Region) -> Region:
    """The widest code with the same handlers: a handler's is that around its try."""
    while region.outer is not None and not isinstance(region.context, (Try, TryTable)):
        region = region.outer
    return region


def stays_within(handler: Handler, plan: Plan, home: Region, budget: Budget) -> bool:
    """Whether a handler goes somewhere that is not around its home's code too, and not in itself;
    or throws an exception again that was caught there. Behind that code it couldn't go there, and
    would have an exception to throw whose handler is over. Where that takes too long to find out,
    too.
    """
    between: list[Region] = [home]
    inner: set[Label] = {plan.try_}
    caught: set[Label] = set()
    while plan.region is not home and plan.outer is not None:
        between.append(plan.region)
        plan = plan.outer.plan
        caught.add(plan.try_)
        # Branches to it name what will stand there by now.
        inner.add(plan.own or plan.catching or plan.try_)
    found = strayed(handler.items, budget)
    return found is None or any(
        label in (caught if rethrown else inner)
        or (isinstance(label, Opened) and label.region in between)
        for label, rethrown in found
    )


class Budget:
    """How many items may be looked at that are inside of others, in one function: what is nested
    deeply would be looked at again at each level.
    """

    def __init__(self, items: int) -> None:
        self.items = items


def lists_within(items: list[Item], budget: Budget) -> Iterator[list[Item]]:
    """A list and all that are inside of it, as far as the budget goes: it is below 0 then."""
    pending = [items]
    while pending:
        inside = pending.pop()
        budget.items -= len(inside)
        if budget.items < 0:
            return
        yield inside
        for item in inside:
            if isinstance(item, Structured):
                pending += item.sequences()


def strayed(items: list[Item], budget: Budget) -> list[tuple[Label, bool]] | None:
    """What branches in some items name, and all that is inside of them, each with whether it is a
    ``rethrow`` that does; ``None`` where looking costs too much.
    """
    found: list[tuple[Label, bool]] = []
    for inside in lists_within(items, budget):
        for item in inside:
            if isinstance(item, Branch):
                found += [(label, isinstance(item, Rethrow)) for label in item.labels]
            elif isinstance(item, TryTable):
                found += [(clause.label, False) for clause in item.clauses]
    return None if budget.items < 0 else found


def likeness(handler: Handler, *, skip: int = 0) -> tuple[object, ...] | None:
    """What two handlers have in common that do the same, but for the first ``skip`` bytes; ``None``
    for one that is like no other.
    """
    region = handler.region
    own = [rethrow for rethrow, _, _ in handler.rethrows]
    found: list[object] = []
    for item in handler.items:
        if item is region or item == b"":
            continue
        if isinstance(item, bytes):
            if item[skip:]:
                found.append(item[skip:])
            skip = 0
        elif isinstance(item, Opened):
            found.append(_place(item, region))
        elif isinstance(item, Rethrow):
            found.append("rethrow" if item in own else item.label)
        elif isinstance(item, Branch) and not isinstance(item, Resume):
            found += (item.__class__, *(_place(label, region) for label in item.labels))
            found.append(getattr(item, "row", None))
            found.append(getattr(item, "immediates", None))
        else:
            return None
    return tuple(found)


def _place(label: Label, region: Region | None) -> object:
    if isinstance(label, Opened):
        return (None if label.region is region else label.region), label.height
    return label

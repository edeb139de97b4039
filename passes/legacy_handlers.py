"""What legacy-to-exnref knows of the handlers in a function, and plans for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wasmir import Block, Branch, Clause, Item, Label, Tag, Try, TryTable

__all__ = ["Handler", "Plan", "Scope", "chain"]

# Hundreds of thousands of these are made for a large module. Defaults are attributes of the class,
# so that making one costs no more than what is particular to it.


class Scope:
    """What is active somewhere in a function: the handlers of a ``try_table`` of the input, or of
    a legacy try (then it is a :class:`Plan`), and behind them those of ``parent``.
    """

    #: The chain from here, once it is known.
    chained: tuple[list[Handler], bool] | None = None
    parent: Scope | None
    table: TryTable

    def __init__(self, parent: Scope | None, table: TryTable) -> None:
        self.parent = parent
        self.table = table


class Handler:
    """A clause: of a legacy try, or (``tag``, ``ref`` and ``landing`` only) of a ``try_table``.

    ``landing`` is the label that a ``try_table`` names for it: that of a block of ours, behind
    which the handler's code stands, or one that does all that the handler did.
    """

    #: Whether it needs the exception itself.
    ref = False
    landing: Label
    #: The landing, where it is a block of ours.
    own: Block | None = None
    #: Where the exception is kept, if not on the stack: the local's number among those for
    #: exceptions.
    local: int | None = None
    #: The first local for exceptions that is free inside.
    free = 0

    def __init__(self, tag: Tag | None, items: list[Item]) -> None:
        self.tag = tag
        self.items = items
        #: The lists that end in a ``rethrow`` of what this clause caught.
        self.rethrows: list[list[Item]] = []

    @property
    def arity(self) -> int:
        """How many operands the payload is."""
        return 0 if self.tag is None else len(self.tag.params)


class Plan(Scope):
    """A legacy try: where it stands, and what becomes of it. As a scope: what its body is in."""

    #: What names the try as a label.
    users: list[Branch | Clause] | None = None
    #: Of a delegate: where the search for a handler goes on, and the clauses it needs.
    target: Scope | None = None
    clauses: list[Handler] | None = None
    #: The block that stands for the try, if any.
    own: Block | TryTable | None = None
    #: The label of normal completion.
    out: Label
    #: The landing of a cleanup; ``None`` for any other try.
    cleanup: Block | None = None

    def __init__(
        self,
        try_: Try,
        items: list[Item],
        index: int,
        enclosing: Label,
        scope: Scope | None,
        outer: Handler | None,
    ) -> None:
        self.parent = scope
        #: The handler that it stands in.
        self.outer = outer
        self.try_ = try_
        #: The list that it stands in, and where; the label of what has that list.
        self.items = items
        self.index = index
        self.enclosing = enclosing
        self.handlers: list[Handler] = []

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
        if isinstance(link, Plan):
            own = link.handlers
        else:
            own = [handler_like(clause) for clause in link.table.clauses]
        tags = {handler.tag for handler in own}
        if None in tags:
            found, complete = own, True
        elif own:
            found = own + [handler for handler in found if handler.tag not in tags]
        link.chained = found, complete
    return found, complete


def handler_like(clause: Clause) -> Handler:
    """A ``try_table`` clause of the input in the shape of our own."""
    handler = Handler(clause.tag, [])
    handler.ref = clause.ref
    handler.landing = clause.label
    return handler

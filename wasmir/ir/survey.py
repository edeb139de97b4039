"""Where exceptions are caught in a function: what a pass over handlers asks first.

The decoder notes it while it builds the tree. Of a tree that is open already, :func:`walk` finds
the same by a walk.
"""

from __future__ import annotations

from operator import length_hint
from typing import TYPE_CHECKING, Any, TypeAlias

from wasmir.ir.code import (
    Body,
    Branch,
    Catch,
    Clause,
    If,
    Item,
    Label,
    Rethrow,
    Structured,
    Try,
    TryTable,
    terminates,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Context", "Site", "Survey", "walk"]

Context: TypeAlias = Try | Catch | TryTable | None
"""What a place is in, as far as exceptions go: the body of a ``try`` or of a ``try_table``, or a
handler; the innermost counts. ``None`` outside of all.
"""

Site: TypeAlias = tuple[Try | TryTable, list[Item], int, Label, Context]
"""A ``try`` or ``try_table``; the list that it stands in, and at which index; the label of what
has that list; the context of the place.
"""


class Survey:
    """The exception handling of one body, as of when it was asked for.

    Dead code, which is what stands in a list behind an instruction that control doesn't come out
    of, is left out of all lists but ``dead``.
    """

    __slots__ = ("body", "dead", "delegates", "rethrows", "sites", "users")

    def __init__(self, body: Body) -> None:
        self.body = body
        #: Each ``try`` and ``try_table``, outer before inner, in wire order.
        self.sites: list[Site] = []
        #: Each ``delegate`` that doesn't name the function: its ``try``, and the context that what
        #: it throws is thrown in: "as if thrown at the label", so in the body of the ``try`` that
        #: it names, or in the handler if it stands in one of that.
        self.delegates: list[tuple[Try, Context]] = []
        #: The list that each ``rethrow`` is the last item of, and the clause that caught what it
        #: throws again; ``None`` where it is in no handler of the label that it names, which is
        #: invalid.
        self.rethrows: list[tuple[list[Item], Catch | None]] = []
        #: Each branch and each clause that names a ``try`` as its label.
        self.users: list[Branch | Clause] = []
        #: Each list with dead code, and the index at which that begins.
        self.dead: list[tuple[list[Item], int]] = []


# A list that is being walked: the items to come, itself, its label, the context in it.
_Frame: TypeAlias = tuple["Iterator[Any]", list[Item], Label, Context]


def walk(body: Body) -> Survey:
    """Walk a tree."""
    found = Survey(body)
    # The context in each label that is open.
    contexts: dict[Label, Context] = {}
    waiting: list[_Frame] = [(iter(body.items), body.items, body, None)]
    while waiting:
        rest, items, label, context = waiting.pop()
        contexts[label] = context
        for item in rest:
            if isinstance(item, bytes):
                continue
            if isinstance(item, Structured):
                waiting.append((rest, items, label, context))
                inside = context
                if isinstance(item, (Try, TryTable)):
                    index = len(items) - length_hint(rest) - 1
                    found.sites.append((item, items, index, label, context))
                    inside = item
                if isinstance(item, TryTable):
                    found.users += [c for c in item.clauses if isinstance(c.label, Try)]
                elif isinstance(item, If) and item.else_items is not None:
                    waiting.append((iter(item.else_items), item.else_items, item, inside))
                elif isinstance(item, Try):
                    if item.delegate is not None and item.delegate is not body:
                        found.delegates.append((item, contexts.get(item.delegate)))
                    waiting += [(iter(c.items), c.items, item, c) for c in reversed(item.catches)]
                waiting.append((iter(item.items), item.items, item, inside))  # type: ignore[attr-defined]
                break
            if isinstance(item, Rethrow):
                caught = contexts.get(item.label) if isinstance(item.label, Try) else None
                found.rethrows.append((items, caught if isinstance(caught, Catch) else None))
            elif isinstance(item, Branch) and any(isinstance(to, Try) for to in item.labels):
                found.users.append(item)
            left = length_hint(rest)
            if left and terminates(item):
                found.dead.append((items, len(items) - left))
                break
    return found

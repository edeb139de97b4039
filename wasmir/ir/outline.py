"""Outlines: bodies of which only the exception handling is a tree.

A pass over handlers wants to know where exceptions are caught, and to rearrange that; the blocks,
loops and branches in between are none of its business. So in an outline only ``try`` and
``try_table`` are nodes. All else stays in runs, and a run may open blocks that another one ends::

    block                       ;; run
      local.get 0               ;; run
      try                       ;; Try
        call $f
        br_if 0                 ;; BrIf: it leaves a region
      catch_all
        loop ... br_if 0 end    ;; run
      end
    end                         ;; run

A **region** is code throughout which the same handlers are active: the function's, the body of a
``try`` or a ``try_table``, or a handler. What stays inside of its region means the same wherever
the region goes, so it is in runs, branches included. What leaves it is a node of its own, and its
label an object: the ``try``, the ``try_table``, the body; or, for a block that is in a run, an
:class:`Opened`, which says of which region and how far in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from wasmir.ir.code import Catch, Label, Loop, Resume, Rethrow, Structured, Try, TryTable
from wasmir.ir.codec import codec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wasmir.ir.code import Body, Branch, Clause, Item

__all__ = ["OUTLINED", "Context", "Opened", "Placed", "Region", "Site", "Survey"]

# What never stands in a run of an outline.
OUTLINED = frozenset({"try", "catch", "catch_all", "delegate", "rethrow", "try_table"})

Context: TypeAlias = Try | Catch | TryTable | None
"""Whose region it is; ``None`` for the function's."""


class Region(Label):
    """A list of items in an outline. Where it has nodes in it, the region itself is the first item;
    wherever the items go it goes with them, and what :class:`Opened` counts from is where it
    stands.
    """

    __slots__ = ("base", "context", "items", "level", "outer", "stops")

    def __init__(self, base: int, outer: Region | None, context: Context) -> None:
        #: How many labels were open around the label of the region's own node, as read.
        self.base = base
        #: The region that the ``try`` or ``try_table`` stands in.
        self.outer = outer
        self.context = context
        self.items: list[Item] = [self]
        #: The height of the last :class:`Opened` among the items; -1 where it isn't known.
        self.level = 0
        #: Whether control never gets to the end: the last instruction as read is one that it
        #: doesn't come out of, or what is behind that is dead.
        self.stops = False


class Opened(Label):
    """The label of what runs of a region have opened: ``height`` labels into the region, 0 for
    where its items begin.

    As an item it says that this is the innermost label here. One stands in front of each node that
    isn't at the height of the last, and behind code that is put into another region's list if it
    ends at another height than it began.
    """

    __slots__ = ("height", "opening", "region")

    def __init__(self, region: Region, height: int, opening: bytes = b"") -> None:
        self.region = region
        self.height = height
        #: The instruction that opens the block; empty where nobody can branch there by this.
        self.opening = opening

    @property
    def _height(self) -> int:  # type: ignore[override]
        return self.region._height + self.height


class Placed(bytes):
    """A run, or nothing in front of a branch or ``try_table``, of a function whose offsets are
    tracked.
    """

    #: Where it stood in the code that was decoded, locals included.
    offset: int


Site: TypeAlias = tuple[Try | TryTable, Region, int]
"""A ``try`` or ``try_table``; the region that it stands in, and at which index."""


class Survey:
    """The exception handling of one body, as of when it was decoded.

    Dead code, which is what stands behind an instruction that control doesn't come out of, is left
    out of all lists but ``dead``.
    """

    __slots__ = ("body", "dead", "delegates", "last", "region", "rethrows", "sites", "users")

    def __init__(self, body: Body, region: Region) -> None:
        self.body = body
        #: The function's region. Nodes and clauses have a ``region`` of their own.
        self.region = region
        #: Each ``try`` and ``try_table``, outer before inner, in wire order.
        self.sites: list[Site] = []
        #: Those of them that are the last thing in what they stand in, if a branch to its label
        #: goes where control goes from there, so not in loops: that label.
        self.last: dict[Try | TryTable, Label] = {}
        #: Each ``delegate`` that doesn't name the function: its ``try``, and the region that what
        #: it throws is thrown in: "as if thrown at the label", so in the body of the ``try`` that
        #: it names, or in the handler if it stands in one of that.
        self.delegates: list[tuple[Try, Region]] = []
        #: Each ``rethrow`` but those of clauses without a region: itself, the list that it stands
        #: in, behind an empty run, and the region of that; and the clause that caught what it
        #: throws again, ``None`` where it is in no handler of the label that it names, which is
        #: invalid.
        self.rethrows: list[tuple[Rethrow, list[Item], Region, Catch | None]] = []
        #: Each branch and each clause that names a ``try`` as its label.
        self.users: list[Branch | Clause] = []
        #: Dead code: lists, each with where it begins and ends in it, and whether a ``try`` is in
        #: it. Within a list, what begins first comes first.
        self.dead: list[tuple[list[Item], int, int, bool]] = []

    def arity(self, label: Label) -> int:
        """How many operands a branch to the label takes."""
        if isinstance(label, Opened):
            return codec().opened_arity(self.body.function.module, label.opening)
        if isinstance(label, Loop):
            return len(label.type.params)
        if isinstance(label, Structured):
            return len(label.type.results)
        return len(self.body.function.func_type.results)

    def stack_effect(self, items: Iterable[Item]) -> int:
        """How far items of the outline, from a place where no block is open in runs to another
        one, raise the operand stack (lower it, where negative).
        """
        return codec().outline_effect(self.body.function.module, items)

    def may_throw(self, items: Iterable[Item]) -> bool:
        """Whether an exception can come out of items of the outline, or out of what they call.
        Traps are none; a tail call throws from another frame.
        """
        throws = codec().may_throw
        pending = list(items)
        while pending:
            item = pending.pop()
            if isinstance(item, bytes):
                if throws(item):
                    return True
            elif isinstance(item, Structured):
                for inside in item.sequences():
                    pending += inside
            elif isinstance(item, (Rethrow, Resume)):
                return True
        return False

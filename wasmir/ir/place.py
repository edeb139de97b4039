"""Where instructions stand, and editing there.

A place stays true while places of its own walk are edited. Each edit of a list notes what was taken
out and put in; a place goes through those that came after it when it is asked where it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from wasmir.ir.checks import check_is
from wasmir.ir.code import (
    Block,
    Br,
    BrIf,
    BrOn,
    BrTable,
    If,
    Instr,
    Loop,
    Node,
    Resume,
    Rethrow,
    Structured,
    Try,
    TryTable,
)
from wasmir.ir.seq import check_instruction, expand_list
from wasmir.ir.tree import named_labels
from wasmir.isa.table import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

    from wasmir.ir.build import Snippet
    from wasmir.ir.code import Body, Item, Label
    from wasmir.ir.function import Function
    from wasmir.ir.seq import Instruction
    from wasmir.isa.table import Row

    Code: TypeAlias = Iterable[Instruction] | Function | Snippet

__all__ = ["Frame", "Located", "Place", "Walk", "row_of"]

S = TypeVar("S", Block, If, Loop, Try, TryTable)


class Walk:
    """What the places of one walk have in common."""

    __slots__ = ("body", "expands", "frame", "frames", "reshaped", "unwrapped")

    def __init__(self, body: Body, *, expands: bool) -> None:
        self.body = body
        #: Whether runs are replaced by their instructions.
        self.expands = expands
        #: The list in which it is, while it goes on.
        self.frame: Frame | None = None
        #: The latest of each list, by the identity of the list, which its frame keeps alive.
        self.frames: dict[int, Frame] = {}
        #: Whether a block was put around something or taken from around it.
        self.reshaped = False
        #: From where to where in which list the items of what was unwrapped are.
        self.unwrapped: dict[Place, tuple[Frame, int, int]] = {}


class _Edit(NamedTuple):
    """``removed`` items from ``at`` on made room for ``added`` others. If they are elsewhere now,
    ``into`` says in which list, and from which index on.
    """

    at: int
    removed: int
    added: int
    into: tuple[Frame, int] | None
    #: What the list is from then on.
    next: Frame


class Frame:
    """A list of items that is being walked, between two edits. Its ``node``, whose list it is, is a
    place in the list that encloses it, so an item's place costs the same at any depth.
    """

    __slots__ = ("depth", "edit", "items", "label", "node", "walk")

    def __init__(self, walk: Walk, label: Label, items: list[Item], node: Place | None) -> None:
        self.walk = walk
        self.label = label
        self.items = items
        #: Where the label stands; ``None`` of the body.
        self.node = node
        #: How many labels enclosed it when it was walked.
        self.depth: int = 0 if node is None else node._frame.depth + 1
        #: What made it another one.
        self.edit: _Edit | None = None
        walk.frames[id(items)] = self

    def splice(
        self,
        start: int,
        stop: int,
        items: list[Item],
        into: tuple[Frame, int] | None = None,
    ) -> Frame:
        """Replace items; what the list is from then on."""
        self.items[start:stop] = items
        after = Frame(self.walk, self.label, self.items, self.node)
        self.edit = _Edit(start, stop - start, len(items), into, after)
        return after

    def enclosing(self) -> Iterator[Label]:
        """The labels around its items, the innermost first and the body last."""
        frame = self
        yield frame.label
        while frame.node is not None:
            frame = frame.node._follow()
            yield frame.label

    def latest(self, index: int) -> tuple[Frame, int]:
        """What the list is now, and where a walk goes on or ends that was to do so at an index."""
        frame = self
        while (edit := frame.edit) is not None:
            if edit.at + edit.removed <= index:
                index += edit.added - edit.removed
            frame = edit.next
        return frame, index


class Place:
    """Where an instruction stands: ``place.items[place.index] is place.item``.

    It can be edited there, at once: what is put in isn't walked, and the walk goes on behind it.
    What an edit doesn't touch is encoded as the same bytes as before. What is put in are
    instructions and nodes, no runs; or a function or snippet, whose code it is then that is put in,
    see :mod:`wasmir.ir.inline`.

    ``until`` is a place behind this one in the same list, of the same walk: then it is all from
    this one to that one that is meant.
    """

    __slots__ = ("_frame", "_index", "item")

    def __init__(self, item: Instruction, index: int, frame: Frame) -> None:
        #: The instruction or node.
        self.item = item
        self._index = index
        self._frame = frame

    # Where it is

    @property
    def offset(self) -> int | None:
        """Where its first byte stands in the module's input, if it is a function that was walked,
        whose code is the input's.
        """
        return None

    @property
    def row(self) -> Row:
        """The instruction's row."""
        return row_of(self.item)

    @property
    def index(self) -> int:
        """Where in :attr:`items` it stands. Raises ValueError where it was taken out by an edit."""
        self._follow()
        return self._index

    @property
    def items(self) -> list[Item]:
        """The list that the item stands in."""
        return self._follow().items

    @property
    def label(self) -> Label:
        """The innermost label that encloses it: the node that has :attr:`items`, or the body."""
        return self._follow().label

    @property
    def depth(self) -> int:
        """How many structured instructions enclose it: the label index of the body, seen from
        here.
        """
        frame = self._follow()
        if frame.walk.reshaped:
            return sum(1 for _ in self.enclosing()) - 1
        return frame.depth

    def enclosing(self) -> Iterator[Label]:
        """The enclosing labels, the innermost first and the body last: by label index."""
        return self._follow().enclosing()

    @property
    def path(self) -> tuple[Label, ...]:
        """The enclosing labels, the body first. Made when it is asked for, at a cost that grows
        with the depth.
        """
        return tuple(self.enclosing())[::-1]

    @property
    def is_gone(self) -> bool:
        """Whether an edit took it out of the tree."""
        try:
            self._follow()
        except ValueError:
            return True
        return False

    def _follow(self) -> Frame:
        """The frame, once all edits since are taken into account."""
        frame, index = self._frame, self._index
        while (edit := frame.edit) is not None:
            frame = edit.next
            if index >= edit.at + edit.removed:
                index += edit.added - edit.removed
            elif index >= edit.at:
                if edit.into is None:
                    raise ValueError(f"{self.row.name} was taken out of the tree by an edit")
                frame, start = edit.into
                index += start - edit.at
        self._frame, self._index = frame, index
        return frame

    # Editing

    def insert_before(self, items: Code) -> None:
        """Put instructions in front."""
        start, _ = self._range(None)
        self._frame.splice(start, start, self._made(items))

    def insert_after(self, items: Code) -> None:
        """Put instructions behind; behind a structured instruction is behind its end."""
        _, stop = self._range(None)
        self._frame.splice(stop, stop, self._made(items))

    def replace(self, items: Code, *, until: Place | None = None) -> None:
        """Put instructions, any number of them, in its place."""
        start, stop = self._range(until)
        self._frame.splice(start, stop, self._made(items))

    def delete(self, *, until: Place | None = None) -> None:
        """Take it out, with all that is inside."""
        self.replace((), until=until)

    def wrap(self, node: S, *, until: Place | None = None) -> S:
        """Put a structured instruction around it, ``place.wrap(ops.block())``, behind what that has
        inside already; of an ``if``, that is the first arm. Gives the node.

        Raises TypeError for what is no structured instruction.
        """
        start, stop = self._range(until)
        check_is(node, Structured, "a structured instruction")
        frame = self._frame
        if frame.walk.expands:
            expand_list(frame.walk.body.function.module, node.items)
        place = Place(node, start, frame)
        inner = Frame(frame.walk, node, node.items, place)
        at = len(node.items)
        node.items += frame.items[start:stop]
        # It is there from this edit on.
        place._frame = frame.splice(start, stop, [node], (inner, at))
        frame.walk.reshaped = True
        return node

    def unwrap(self) -> None:
        """Put what is inside a structured instruction in its place; handlers go.

        Raises TypeError for an ``if``, whose condition would be left, and for what has nothing
        inside; ValueError where something inside names its label, and while the walk is inside.
        """
        item = self.item
        if not isinstance(item, (Block, Loop, Try, TryTable)):
            raise TypeError(f"{self.row.name} can't be unwrapped: only block, loop, try, try_table")
        start, stop = self._range(None)
        frame = self._frame
        walk = frame.walk
        if any(label is item for label in named_labels(item.items)):
            raise ValueError(f"{self.row.name} can't be unwrapped: its label is named inside")
        if walk.frame is not None and item in walk.frame.enclosing():
            raise ValueError(f"{self.row.name} can't be unwrapped while it is walked")
        if walk.expands:
            expand_list(walk.body.function.module, item.items)
        inside = list(item.items)
        item.items.clear()
        after = frame.splice(start, stop, inside)
        known = walk.frames.get(id(item.items))
        if known is not None:
            known.edit = _Edit(0, len(inside), 0, (after, start), after)
        walk.unwrapped[self] = after, start, start + len(inside)
        walk.reshaped = True

    def _made(self, code: Code) -> list[Item]:
        """What is to be put in."""
        from wasmir.ir.build import Snippet
        from wasmir.ir.function import Function

        if isinstance(code, (Function, Snippet)):
            return self._frame.walk.body.inlined(code)
        check_is(code, Iterable, "instructions, a function or a snippet")
        found: list[Item] = list(code)
        for item in found:
            check_instruction(item)
        return found

    def _range(self, until: Place | None) -> tuple[int, int]:
        """From this place to another one. Raises ValueError where there is no such range."""
        frame = self._follow()
        if until is not None:
            check_is(until, Place, "a place")
        last = self if until is None else until
        if last._follow() is not frame or last._index < self._index:
            raise ValueError(
                f"{last!r} isn't a later one than {self!r} in the same list, of the same walk"
            )
        for place in (self, last):
            items = frame.items
            if place._index >= len(items) or items[place._index] is not place.item:
                raise ValueError(f"the tree was changed since {place!r} was walked")
        return self._index, last._index + 1

    def __repr__(self) -> str:
        return f"<place of {self.row.name} at index {self._index}, depth {self._frame.depth}>"


class Located(Place):
    """A place in code that is the input's."""

    __slots__ = ("_offset",)

    def __init__(self, item: Instruction, index: int, frame: Frame, offset: int | None) -> None:
        super().__init__(item, index, frame)
        self._offset = offset

    @property
    def offset(self) -> int | None:
        return self._offset


_ROWS: dict[type, Row] = {
    Block: BY_NAME["block"],
    Loop: BY_NAME["loop"],
    If: BY_NAME["if"],
    Try: BY_NAME["try"],
    TryTable: BY_NAME["try_table"],
    Br: BY_NAME["br"],
    BrIf: BY_NAME["br_if"],
    BrTable: BY_NAME["br_table"],
    Rethrow: BY_NAME["rethrow"],
}


def row_of(item: Instr | Node) -> Row:
    """The table's row of an instruction or node."""
    if isinstance(item, (Instr, BrOn, Resume)):
        return item.row
    row = _ROWS.get(item.__class__)
    if row is None:
        raise TypeError(f"no instruction: {item!r}")
    return row

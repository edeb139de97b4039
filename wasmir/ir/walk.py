"""Every instruction of a function, one after the other, for those who read.

:func:`walk` goes through the tree, and says of each instruction where it stands and what encloses
it. :func:`instructions` goes through the code as it stands in the module's input, without a tree,
and says at which byte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from wasmir.errors import UnsupportedError
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
from wasmir.ir.codec import codec
from wasmir.ir.seq import expand_list, refuse_outline
from wasmir.isa.table import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wasmir.ir.code import Body, Item, Label
    from wasmir.ir.function import Function
    from wasmir.ir.seq import Instruction
    from wasmir.isa.table import Row

__all__ = ["Place", "RawInstr", "instructions", "row_of", "walk"]


class _Frame:
    """A list of items that is being walked. Frames of enclosing lists are linked, so an item's
    place costs the same at any depth.
    """

    __slots__ = ("depth", "items", "label", "outer")

    def __init__(self, label: Label, items: list[Item], outer: _Frame | None) -> None:
        self.label = label
        self.items = items
        self.outer = outer
        self.depth: int = 0 if outer is None else outer.depth + 1


class Place:
    """Where an instruction stands: ``place.items[place.index] is place.item``."""

    __slots__ = ("_frame", "index", "item")

    def __init__(self, item: Instruction, index: int, frame: _Frame) -> None:
        #: The instruction or node.
        self.item = item
        #: Where in :attr:`items` it stands.
        self.index = index
        self._frame = frame

    @property
    def row(self) -> Row:
        """The instruction's row."""
        return row_of(self.item)

    @property
    def items(self) -> list[Item]:
        """The list that the item stands in."""
        return self._frame.items

    @property
    def label(self) -> Label:
        """The innermost label that encloses it: the node that has :attr:`items`, or the body."""
        return self._frame.label

    @property
    def depth(self) -> int:
        """How many structured instructions enclose it: the label index of the body, seen from
        here.
        """
        return self._frame.depth

    def enclosing(self) -> Iterator[Label]:
        """The enclosing labels, the innermost first and the body last: by label index."""
        frame: _Frame | None = self._frame
        while frame is not None:
            yield frame.label
            frame = frame.outer

    @property
    def path(self) -> tuple[Label, ...]:
        """The enclosing labels, the body first. Made when it is asked for, at a cost that grows
        with the depth.
        """
        return tuple(self.enclosing())[::-1]

    def __repr__(self) -> str:
        return f"<place of {self.row.name} at index {self.index}, depth {self.depth}>"


def walk(body: Body) -> Iterator[Place]:
    """Each instruction and node of the tree in wire order, with its place; a structured
    instruction comes before what is inside.

    Each list of items that is entered has its runs expanded, so that places have an index.
    Replacing the item at the place that came last is fine, and what is inside its replacement is
    not walked; otherwise the tree must stay as it is until the walk is over. Raises ValueError of
    an outline, MalformedError where a run is no code.
    """
    refuse_outline(body)
    module = body.function.module
    expand_list(module, body.items)
    frame = _Frame(body, body.items, None)
    # For each list that isn't walked to its end: its frame, and what comes next in it. Those of
    # the arms of one instruction wait one upon the other.
    waiting: list[tuple[_Frame, int]] = [(frame, 0)]
    while waiting:
        frame, index = waiting.pop()
        items = frame.items
        while index < len(items):
            item = cast("Instruction", items[index])
            yield Place(item, index, frame)
            index += 1
            if isinstance(item, Structured):
                waiting.append((frame, index))
                for inside in reversed(item.sequences()):
                    expand_list(module, inside)
                    waiting.append((_Frame(item, inside, frame), 0))
                break


class RawInstr(NamedTuple):
    """An instruction as it stands in the input; ``immediates`` are raw, see
    :mod:`wasmir.isa.kinds`: indices and labels are integers.
    """

    offset: int
    """Where its first byte stands in the module's input."""
    row: Row
    immediates: tuple[Any, ...]

    def __str__(self) -> str:
        return f"{self.row.mnemonic} {self.row.operands(self.immediates)}".rstrip()


def instructions(function: Function) -> Iterator[RawInstr]:
    """Each instruction of a function's code in wire order, ``else``, ``catch`` and ``end``
    included, straight from the module's input: no tree is built, and nothing is kept.

    Raises UnsupportedError for an imported function, ValueError for one that isn't raw any more:
    its instructions have no offsets, :func:`walk` has them. MalformedError comes, with the offset,
    when the iteration is at what is wrong.
    """
    if function.imported is not None:
        raise UnsupportedError("an imported function has no body", str(function))
    if not function.is_raw:
        raise ValueError(
            f"function {function} is no longer raw, so its code has no offsets in the input: "
            "walk(function.body) has its instructions, function.close() drops an open tree"
        )
    return codec().raw_instructions(function)


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

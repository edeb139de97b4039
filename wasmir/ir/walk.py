"""Every instruction of a function, one after the other.

:func:`walk` goes through the tree, and says of each instruction where it stands and what encloses
it; :func:`skeleton` does so for control structure, and looks into nothing else.
:func:`instructions` goes through the code as it stands in the module's input, without a tree, and
says at which byte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from wasmir.ir.checks import check_is
from wasmir.ir.code import Body, Node, Structured, terminates
from wasmir.ir.codec import codec
from wasmir.ir.function import Function
from wasmir.ir.place import Frame, Located, Place, Walk, row_of
from wasmir.ir.seq import expand_list, refuse_outline
from wasmir.isa.table import Trait

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wasmir.ir.code import Item, Label
    from wasmir.ir.seq import Instruction
    from wasmir.isa.table import Row

__all__ = ["Place", "RawInstr", "instructions", "row_of", "skeleton", "walk"]

# Behind the end of any list.
_ALL = 1 << 62

# What the tree implies, and has no item for.
_IMPLIED = frozenset({Trait.SEPARATES, Trait.CLOSES})


def walk(code: Body | Function) -> Iterator[Place]:
    """Each instruction and node of the tree in wire order, with its place; a structured
    instruction comes before what is inside.

    Each list of items that is entered has its runs expanded, so that places have an index. What is
    to be changed on the way is changed at the places: see :class:`Place`. Replacing the item at the
    place that came last is fine, too, and what is inside its replacement is not walked; otherwise
    the tree must stay as it is until the walk is over.

    Of a function, rather than its body, places have offsets, too, as long as its code is the
    input's. Raises ValueError of an outline, MalformedError where a run is no code.
    """
    body = _body(code)
    offsets = _offsets(code) if isinstance(code, Function) else None
    return _places(Walk(body, expands=True), offsets)


def skeleton(code: Body | Function) -> Iterator[Place]:
    """The control structure, with places: blocks, branches, and instructions that end control
    flow. What is between them isn't looked into, so that runs stay runs; indices count them, too.

    Raises ValueError of an outline.
    """
    return (
        place
        for place in _places(Walk(_body(code), expands=False), None)
        if isinstance(place.item, Node) or terminates(place.item)
    )


def _body(code: Body | Function) -> Body:
    check_is(code, (Body, Function), "a function, or its body,")
    body = code if isinstance(code, Body) else code.body
    refuse_outline(body)
    return body


def _places(walk: Walk, offsets: Iterator[int] | None) -> Iterator[Place]:
    module = walk.body.function.module
    # For each list that isn't walked to its end: its frame, what comes next in it, and what isn't
    # walked any more. Those of the arms of one instruction wait one upon the other.
    waiting: list[tuple[Frame, int, int]] = []

    def enter(label: Label, items: list[Item], node: Place | None) -> None:
        if walk.expands:
            expand_list(module, items)
        waiting.append((Frame(walk, label, items, node), 0, _ALL))

    enter(walk.body, walk.body.items, None)
    try:
        while waiting:
            frame, index, stop = waiting.pop()
            _, stop = frame.latest(stop)
            frame, index = frame.latest(index)
            walk.frame = frame
            items = frame.items
            while index < stop and index < len(items):
                item = cast("Instruction", items[index])
                place = (
                    Place(item, index, frame)
                    if offsets is None
                    else Located(item, index, frame, next(offsets, None))
                )
                yield place
                index += 1
                if frame.edit is not None:
                    _, stop = frame.latest(stop)
                    frame, index = frame.latest(index)
                    if place.is_gone:
                        if place in walk.unwrapped:
                            # What was inside comes next, wherever it is now.
                            waiting += [(frame, index, stop), walk.unwrapped[place]]
                            break
                        continue
                if isinstance(item, Structured):
                    waiting.append((frame, index, stop))
                    for inside in reversed(item.sequences()):
                        enter(item, inside, place)
                    break
    finally:
        walk.frame = None


def _offsets(function: Function) -> Iterator[int] | None:
    """Where the instructions of a function's tree begin in the input, if that is its code still."""
    if (
        not function._end
        or function.code != function.module.source[function._start : function._end]
    ):
        return None
    return (
        each.offset
        for each in codec().raw_instructions(function)
        if _IMPLIED.isdisjoint(each.row.traits)
    )


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
    check_is(function, Function, "a function")
    function.check_defined()
    if not function.is_raw:
        raise ValueError(
            f"function {function} is no longer raw, so its code has no offsets in the input: "
            "walk(function.body) has its instructions, function.close() drops an open tree"
        )
    return codec().raw_instructions(function)

"""A sequence of a tree as a list of instructions.

The lists of a tree hold runs: bytes that nobody has looked into. :class:`Seq` is a view of such a
list in which there are none. A run that somebody looks at is replaced in the list by its
instructions, which are encoded as the same bytes again, however they were spelled; so looking
changes nothing but memory, and what isn't looked at stays a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableSequence
from typing import TYPE_CHECKING, TypeAlias, cast, overload

from wasmir.ir.checks import check_is
from wasmir.ir.code import Branch, Instr, Item, Label, Node, Structured
from wasmir.ir.codec import codec
from wasmir.isa.table import Trait

if TYPE_CHECKING:
    from wasmir.ir.code import Body
    from wasmir.ir.module import Module

__all__ = [
    "Instruction",
    "Seq",
    "check_instruction",
    "checked_items",
    "expand",
    "expand_list",
    "refuse_outline",
]

Instruction: TypeAlias = Instr | Node
"""What a :class:`Seq` consists of: a straight-line instruction, or a node."""

# What a node stands for, or what a structured instruction implies.
_NODES_ONLY = frozenset({Trait.OPENS, Trait.SEPARATES, Trait.CLOSES, Trait.BRANCHES})


def check_instruction(item: object) -> None:
    """Raise TypeError for what can't stand among instructions."""
    if isinstance(item, Instr):
        if not item.row.traits.isdisjoint(_NODES_ONLY):
            raise TypeError(f"{item.row.name} stands in a tree as a node, never as an Instr")
    elif isinstance(item, bytes):
        raise TypeError(
            "a run (bytes) is no instruction: give those that it holds, module.instructions(run), "
            "or put it into the list of items itself"
        )
    elif not isinstance(item, (Branch, Structured)):
        raise TypeError(
            f"an Instr, a branch or a structured instruction expected, not {type(item).__name__}"
        )


def checked_items(items: object) -> list[Item]:
    """The items of a list that somebody gives. Raises TypeError for what is no list of
    instructions, nodes and runs.
    """
    if isinstance(items, (str, bytes, Label)):
        raise TypeError(f"a list of items expected, not {type(items).__name__}")
    check_is(items, Iterable, "a list of items")
    found = list(cast("Iterable[Item]", items))
    for item in found:
        if not isinstance(item, bytes):
            check_instruction(item)
    return found


def refuse_outline(body: Body) -> None:
    """Raise ValueError for an outline, whose runs don't consist of straight-line instructions."""
    if body.outline:
        raise ValueError(
            f"function {body.function}: the runs of an outline may hold whole blocks; "
            "ask for function.body, which is the full tree"
        )


class Seq(MutableSequence[Instruction]):
    """A list of items of a tree (``body.items``, ``block.items``, ``catch.items``, ...) as a list
    of instructions and nodes, without runs. Made by :attr:`Body.seq` and :meth:`Body.seq_of`.

    It behaves like a list of its elements; slices of it are lists, and it equals the list of its
    elements. What is put in must be an :class:`Instr`, a branch or a structured instruction,
    else it raises TypeError. Raises MalformedError where a run that it comes upon is no code.

    There may be several Seqs of a list, and the list may be changed directly too, but for this: no
    run may get into it while a Seq of it is in use.

    How much is expanded: appending, and inserting at the start, nothing; the last element, the
    last run; iterating and indexing from the start, about twice of what is asked for; all else,
    everything.
    """

    __slots__ = ("_front", "_items", "_length", "_module", "_next")

    def __init__(self, body: Body, items: list[Item]) -> None:
        """Raises ValueError where the body is an outline: its runs may hold whole blocks."""
        refuse_outline(body)
        self._module = body.function.module
        self._items = items
        # So many items at the start are known to be no runs, if the list is still so long and what
        # comes next is still that: a run, by its identity, unless it is the end.
        self._front = 0
        self._length = len(items)
        self._next: Item | None = None

    # Looking

    def _look(self, stop: int) -> None:
        """Expand runs until the first ``stop`` items are none.

        More of them, so that whoever goes on item by item has the list spliced a few times only.
        """
        items = self._items
        front = self._known_front()
        if front < stop and front < len(items):
            found, taken = _expanded(self._module, items, front, max(stop, 2 * front + 16))
            if found is not None:
                items[front : front + taken] = found
            front += taken if found is None else len(found)
        while front < len(items) and not isinstance(items[front], bytes):
            front += 1
        self._note(front)

    def _all(self) -> list[Instruction]:
        """The list itself, without any runs."""
        items = self._items
        if self._known_front() < len(items):
            self._look(1 << 62)
        return cast("list[Instruction]", items)

    def _last(self) -> list[Item]:
        """The list, whose last item is no run."""
        items = self._items
        while items and isinstance(items[-1], bytes):
            front = self._known_front()
            items[-1:] = codec().split(self._module, items[-1])
            self._note(front)
        return items

    def _known_front(self) -> int:
        items = self._items
        front = self._front
        if len(items) != self._length or (front < len(items) and items[front] is not self._next):
            # Changed behind our back.
            return 0
        return front

    def _note(self, front: int) -> None:
        """The list has been changed by us, and so many items at its start are no runs."""
        items = self._items
        self._front = front
        self._length = len(items)
        self._next = items[front] if front < len(items) else None

    def __iter__(self) -> Iterator[Instruction]:
        items = self._items
        index = 0
        while True:
            if index >= self._known_front():
                self._look(index + 1)
                if index >= len(items):
                    return
            item = items[index]
            if isinstance(item, bytes):
                self._front = index
                continue
            yield item
            index += 1

    def __len__(self) -> int:
        return len(self._all())

    def __bool__(self) -> bool:
        # An empty run is possible, and is nothing.
        return any(self._items)

    @overload
    def __getitem__(self, index: int) -> Instruction: ...
    @overload
    def __getitem__(self, index: slice) -> list[Instruction]: ...
    def __getitem__(self, index: int | slice) -> Instruction | list[Instruction]:
        if isinstance(index, slice):
            return self._all()[index]
        items = self._reach(index)
        try:
            item = items[index]
        except IndexError:
            raise IndexError("index out of range of the sequence") from None
        if isinstance(item, bytes):
            # Put there behind our back.
            self._front = 0
            return self._all()[index]
        return item

    def _reach(self, index: int) -> list[Item]:
        """The list, in which ``index`` means what it means here."""
        if index == -1:
            return self._last()
        if index < 0:
            return cast("list[Item]", self._all())
        if index >= self._known_front():
            self._look(index + 1)
        return self._items

    def __reversed__(self) -> Iterator[Instruction]:
        return reversed(self._all())

    def __contains__(self, value: object) -> bool:
        return any(item is value or item == value for item in self)

    def index(self, value: object, start: int = 0, stop: int | None = None) -> int:
        """Where the first element equal to ``value`` stands. Raises ValueError if none does."""
        elements = self._all()
        try:
            return elements.index(
                cast("Instruction", value), start, len(elements) if stop is None else stop
            )
        except ValueError:
            raise ValueError(f"not in the sequence: {value}") from None

    def count(self, value: object) -> int:
        return self._all().count(cast("Instruction", value))

    def copy(self) -> list[Instruction]:
        """A list of the elements, which the tree knows nothing of."""
        return list(self._all())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Seq):
            return self._all() == other._all()
        return self._all() == other if isinstance(other, list) else NotImplemented

    # Changeable, as lists are.
    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<seq of {len(self._items)} items of function code>"

    # Changing

    @overload
    def __setitem__(self, index: int, value: Instruction) -> None: ...
    @overload
    def __setitem__(self, index: slice, value: Iterable[Instruction]) -> None: ...
    def __setitem__(self, index: int | slice, value: Instruction | Iterable[Instruction]) -> None:
        if isinstance(index, slice):
            elements = _checked(value)
            self._all()[index] = elements
            self._settled()
            return
        check_instruction(value)
        items = self._reach(index)
        try:
            items[index] = cast("Instruction", value)
        except IndexError:
            raise IndexError("index out of range of the sequence") from None

    def __delitem__(self, index: int | slice) -> None:
        if index == -1 and self._items:
            self._drop_last()
            return
        try:
            del self._all()[index]
        except IndexError:
            raise IndexError("index out of range of the sequence") from None
        self._settled()

    def _drop_last(self) -> None:
        items = self._last()
        if not items:
            raise IndexError("index out of range of the sequence")
        front = self._known_front()
        del items[-1]
        self._note(min(front, len(items)))

    def insert(self, index: int, value: Instruction) -> None:
        check_instruction(value)
        if index == 0:
            front = self._known_front()
            self._items.insert(0, value)
            self._note(front + 1)
            return
        self._all().insert(index, value)
        self._settled()

    def append(self, value: Instruction) -> None:
        check_instruction(value)
        self._extend([value])

    def extend(self, values: Iterable[Instruction]) -> None:
        self._extend(_checked(values))

    def _extend(self, values: list[Instruction]) -> None:
        items = self._items
        front = self._known_front()
        complete = front == len(items)
        items.extend(values)
        self._note(len(items) if complete else front)

    def clear(self) -> None:
        self._items.clear()
        self._settled()

    def reverse(self) -> None:
        self._all().reverse()

    def _settled(self) -> None:
        """The list has been changed by us, and has no runs."""
        self._note(len(self._items))


def _checked(values: object) -> list[Instruction]:
    """All of them or none."""
    if not isinstance(values, Iterable):
        raise TypeError(f"instructions expected, not {type(values).__name__}")
    elements = list(values)
    if isinstance(values, (bytes, bytearray)):
        check_instruction(bytes(values))
    for element in elements:
        check_instruction(element)
    return elements


def _expanded(
    module: Module, items: list[Item], start: int, stop: int
) -> tuple[list[Item] | None, int]:
    """The items from ``start`` on without runs, until they reach to ``stop``, and how many items
    of the list these are; ``None`` in their place if none of them is a run.
    """
    split = codec().split
    wanted = stop - start
    found: list[Item] = []
    runs = taken = 0
    # No slice of the list: it may be long, and little of it wanted.
    while len(found) < wanted and start + taken < len(items):
        item = items[start + taken]
        taken += 1
        if isinstance(item, bytes):
            found += split(module, item)
            runs += 1
        else:
            found.append(item)
    return (found if runs else None), taken


def expand_list(module: Module, items: list[Item]) -> None:
    """Replace every run in the list itself by its instructions; lists inside stay as they are."""
    if bytes in map(type, items):
        found, _ = _expanded(module, items, 0, 1 << 62)
        if found is not None:
            items[:] = found


def expand(body: Body) -> None:
    """Replace every run of the whole tree. Mirrors :meth:`Body.expand`."""
    refuse_outline(body)
    codec().expand(body)

"""Injecting into one function: around its instructions, where its branches go, wherever it is left.

A :class:`Probe` collects what is wanted while somebody walks the tree, and puts it there in the
end, so that places stay what they are meanwhile::

    with Probe(function) as probe:
        for place in probe.places():
            if place.row.name == "memory.grow":
                probe.before(place, [ops.call(growing)])
        probe.exit([ops.call(left)], exceptions="exnref")

What is injected runs beside the code: it must leave the operand stack as it finds it, its branches
go to blocks of its own, and it isn't itself looked at (a ``return`` in it is no exit).
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, Self, TypeAlias

from wasmir.ir.checks import check_is
from wasmir.ir.code import (
    Block,
    Br,
    Branch,
    BrTable,
    Catch,
    Clause,
    If,
    Instr,
    Node,
    Rethrow,
    Structured,
    Try,
    TryTable,
    falls_through,
    terminates,
)
from wasmir.ir.codec import codec
from wasmir.ir.edges import Edges
from wasmir.ir.function import Function
from wasmir.ir.place import Place
from wasmir.ir.seq import checked_items
from wasmir.ir.walk import skeleton, walk
from wasmir.isa.table import Trait
from wasmir.types import EXNREF, NumType, RefType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType

    from wasmir.ir.code import Body, Item, Label
    from wasmir.types import ValType

__all__ = ["Injection", "Mode", "Probe", "Snippet"]

Snippet: TypeAlias = "Sequence[Item] | Callable[[], Iterable[Item]]"
"""What is injected: instructions, runs, and nodes. Blocks and branches have identity, so what has
any and may be put in several places has to be made for each: by a callable.
"""


class Mode(Enum):
    """Where something was injected, from what it is about."""

    FUNCTION_ENTRY = "function entry"
    FUNCTION_EXIT = "function exit"
    BEFORE = "before"
    AFTER = "after"
    ALTERNATE = "alternate"
    BLOCK_ENTRY = "block entry"
    BLOCK_EXIT = "block exit"
    EDGE = "edge"
    SEMANTIC_AFTER = "semantic after"
    BASIC_BLOCK = "basic block"


class Injection(NamedTuple):
    """Something that was injected somewhere: one for each place."""

    function: Function
    mode: Mode
    #: The instruction that it was done at; empty for the function itself.
    instruction: str
    #: Where that stands in the module's input (of a function its first instruction, or its last
    #: ``end``); ``None`` where the code wasn't the input's any more.
    offset: int | None
    items: tuple[Item, ...]


class Wanted:
    """A snippet, on its way to one place or more."""

    __slots__ = ("mode", "snippet")

    def __init__(self, snippet: Snippet, mode: Mode, *, once: bool = False) -> None:
        """``once``: it goes to one place only. Raises ValueError for what can't go to more."""
        self.snippet = snippet if callable(snippet) else checked_items(snippet)
        self.mode = mode
        made = () if callable(self.snippet) else self.snippet
        if not once and any(isinstance(each, Node) for each in made):
            raise ValueError(
                f"blocks and branches stand in one place only, and {mode.value} may be several: "
                "give a callable that makes them"
            )

    def items(self) -> list[Item]:
        """The items, for one more place."""
        return checked_items(self.snippet()) if callable(self.snippet) else list(self.snippet)


class _Around:
    """What is wanted at one item of a list."""

    __slots__ = ("after", "before", "instead", "place")

    def __init__(self, place: Place) -> None:
        self.place = place
        self.before: list[Wanted] = []
        self.instead: Wanted | None = None
        self.after: list[Wanted] = []


class _List:
    """What is wanted in one list of items."""

    __slots__ = ("around", "end", "items", "place", "start")

    def __init__(self, items: list[Item]) -> None:
        self.items = items
        #: Of the block whose list it is, if something is wanted at its start or end.
        self.place: Place | None = None
        self.start: list[Wanted] = []
        self.around: dict[int, _Around] = {}
        self.end: list[Wanted] = []


class Probe:
    """See the module's text. Nothing is done where the ``with`` ends in an exception.

    The function is open from then on; where a snippet can't be made in the end it is closed again,
    if it wasn't open before. ``injections``, where it is given, is added to: what was injected
    where.
    """

    def __init__(self, function: Function, injections: list[Injection] | None = None) -> None:
        """Raises UnsupportedError for an imported function, MalformedError, InvalidError."""
        check_is(function, Function, "a function")
        self.function = function
        #: What was done, once it is, if anybody wants to know.
        self.injections = injections
        self._was_open = function.is_open
        self._is_input = function.is_raw
        self._body: Body = function.body
        self._locals: list[tuple[int, ValType]] = []
        self._lists: dict[int, _List] = {}
        self._edges = Edges(function.module)
        self._entry: list[Wanted] = []
        # Of blocks, and of the body: what runs where control leaves them.
        self._exits: dict[Label, list[Wanted]] = {}
        self._exceptions: tuple[str, list[Wanted]] | None = None
        # What was put somewhere: because of what is at which place, and what that is.
        self._made: list[tuple[Wanted, object, str, list[Item]]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            return
        try:
            self._apply()
        except BaseException:
            if not self._was_open:
                self.function.close()
            raise

    # What is asked for

    def places(self) -> Iterator[Place]:
        """:func:`walk`; the tree must stay as it is."""
        return walk(self._body)

    def nodes(self) -> Iterator[Place]:
        """:func:`skeleton`: blocks, branches, and what control never goes on behind. Much
        cheaper. Not to be mixed with :meth:`places`, in which these have other indices.
        """
        return skeleton(self._body)

    def add_local(self, type_: ValType, count: int = 1) -> int:
        """More locals, for what is injected; the index of the first. They are zero or null at
        the function's entry only.
        """
        check_is(type_, (NumType, RefType), "a value type, as I32 is,")
        check_is(count, int, "a number of locals")
        if count < 0:
            raise ValueError(f"there can't be {count} locals")
        first = self._body.local_count + sum(count for count, _ in self._locals)
        self._locals.append((count, type_))
        return first

    def entry(self, snippet: Snippet) -> None:
        """At the function's entry, once for each call of it."""
        self._entry.append(Wanted(snippet, Mode.FUNCTION_ENTRY, once=True))

    def exit(self, snippet: Snippet, *, exceptions: str = "none") -> None:
        """Wherever the function is left: at its end, at each ``return`` and each branch to the
        function's label, and in front of tail calls (when their arguments are there).

        With ``exceptions``, ``exnref`` or ``legacy`` (an engine may refuse a module that mixes
        them: :func:`exception_dialect` says what it has), where an exception leaves it, too; it
        goes on behind what is injected. With ``none`` exceptions pass by. A trap can't be seen, and
        neither can a stack that is thrown away while it is suspended. What the snippet itself
        throws leaves the function; in front of a tail call it counts as the function's own.
        """
        wanted = Wanted(snippet, Mode.FUNCTION_EXIT)
        if exceptions == "none":
            self._exits.setdefault(self._body, []).append(wanted)
            return
        if exceptions not in ("exnref", "legacy"):
            raise ValueError(f"exceptions={exceptions!r}: there are exnref, legacy and none")
        if self._exceptions is None:
            self._exceptions = exceptions, []
        if self._exceptions[0] != exceptions:
            raise ValueError("one function has one dialect of exception handling")
        self._exceptions[1].append(wanted)

    def before(self, place: Place, snippet: Snippet, *, mode: Mode = Mode.BEFORE) -> None:
        """In front of an instruction, when its operands are there."""
        self._at(place).before.append(Wanted(snippet, mode, once=True))

    def after(self, place: Place, snippet: Snippet, *, mode: Mode = Mode.AFTER) -> None:
        """Behind an instruction; of a block, behind its end, where branches to it go, too (those
        to a loop don't). Raises ValueError where control never goes on behind it.
        """
        if terminates(place.item):
            raise ValueError(f"control never goes on behind {place.row.name}")
        self._at(place).after.append(Wanted(snippet, mode, once=True))

    def alternate(self, place: Place, snippet: Snippet) -> None:
        """In place of an instruction, or of a whole block: it must take and leave the same."""
        around = self._at(place)
        if around.instead is not None:
            raise ValueError(f"{place.row.name} is replaced already")
        around.instead = Wanted(snippet, Mode.ALTERNATE, once=True)

    def block_entry(self, place: Place, snippet: Snippet) -> None:
        """Where control enters a block: of an ``if`` either arm, of a loop each time round; of a
        ``try`` its body (:meth:`start_of` has handlers).
        """
        node = _structured(place)
        sequences = list(node.sequences())
        if isinstance(node, If) and node.else_items is None:
            node.else_items = []
            sequences.append(node.else_items)
        elif isinstance(node, Try):
            del sequences[1:]
        wanted = Wanted(snippet, Mode.BLOCK_ENTRY)
        for items in sequences:
            self._list(items, place).start.append(wanted)

    def block_exit(self, place: Place, snippet: Snippet) -> None:
        """Wherever control leaves a block: behind its end, and where it branches, returns or calls
        its way out. Exceptions that leave it aren't seen.
        """
        wanted = Wanted(snippet, Mode.BLOCK_EXIT)
        self._exits.setdefault(_structured(place), []).append(wanted)
        self._at(place).after.append(wanted)

    def start_of(self, place: Place, items: list[Item], snippet: Snippet) -> None:
        """At the start of one of the lists of a block: an arm of an ``if``, a handler."""
        _check_list(place, items)
        self._list(items, place).start.append(Wanted(snippet, Mode.BLOCK_ENTRY, once=True))

    def end_of(self, place: Place, items: list[Item], snippet: Snippet) -> None:
        """At the end of such a list, where control falls off it."""
        _check_list(place, items)
        self._list(items, place).end.append(Wanted(snippet, Mode.BLOCK_EXIT, once=True))

    def edge(self, place: Place, label: Label, snippet: Snippet, *, mode: Mode = Mode.EDGE) -> None:
        """Where a branch, or a clause of a ``try_table``, takes control to a label, and only then;
        what it brings along is on the stack. Raises ValueError where it never goes there.
        """
        if not any(label is each for each in _targets(place.item)):
            raise ValueError(f"{place.row.name} doesn't go to that label")
        self._to(place, label, Wanted(snippet, mode, once=True))

    def semantic_after(self, place: Place, snippet: Snippet) -> None:
        """Where control goes from an instruction: behind it, at the targets of a branch, at the
        end of a block however that is reached; of a ``return``, in front of it. Raises ValueError
        for what control leaves the function from in another way.
        """
        item = place.item
        mode = Mode.SEMANTIC_AFTER
        if isinstance(item, Instr) and item.row.name == "return":
            self.before(place, snippet, mode=mode)
            return
        if isinstance(item, Branch) and not isinstance(item, Rethrow):
            # One for all edges that there are, and for going on.
            wanted = Wanted(snippet, mode)
            for label in dict.fromkeys(item.labels):
                self._to(place, label, wanted)
            if not terminates(item):
                self._at(place).after.append(wanted)
            return
        self.after(place, snippet, mode=mode)

    def _at(self, place: Place) -> _Around:
        check_is(place, Place, "a place")
        if place._frame.walk.body is not self._body:
            raise ValueError(f"{place!r} isn't one of function {self.function}")
        around = self._list(place.items).around
        found = around.get(place.index)
        if found is None:
            found = around[place.index] = _Around(place)
        return found

    def _list(self, items: list[Item], place: Place | None = None) -> _List:
        found = self._lists.get(id(items))
        if found is None:
            found = self._lists[id(items)] = _List(items)
        found.place = found.place or place
        return found

    # Doing it

    def _apply(self) -> None:
        body = self._body
        if self.function._body is not body:
            raise ValueError(f"function {self.function} was settled before all was injected")
        offsets = self._offsets()
        body.added_locals += self._locals
        # What the function's own instructions know as its label, and where they stand.
        label: Label = body
        inside = body.items
        if self._exceptions is not None:
            label = self._catch(*self._exceptions)
        if self._exits:
            self._leave(label, inside)
        outside = body.items
        for wanted in self._lists.values():
            self._rewrite(wanted)
        self._edges.land(self._make)
        outside[:0] = [item for each in self._entry for item in self._make(each, None)]
        if self.injections is not None:
            self.injections += [
                Injection(
                    self.function, wanted.mode, name, offsets.get(key or wanted.mode), tuple(items)
                )
                for wanted, key, name, items in self._made
            ]

    def _offsets(self) -> dict[object, int]:
        """Where what stands in each place stood in the input, by list and index; and where the
        function begins and ends. Empty where nobody wants to know, or the code isn't the input's.
        """
        if self.injections is None or not self._is_input:
            return {}
        code = list(codec().raw_instructions(self.function))
        starts = [each.offset for each in code if each.row.traits.isdisjoint(_IMPLIED)]
        found: dict[object, int] = {
            Mode.FUNCTION_ENTRY: code[0].offset,
            Mode.FUNCTION_EXIT: code[-1].offset,
        }
        split = self.function.module.instructions
        number = 0
        waiting: list[tuple[list[Item], int]] = [(self._body.items, 0)]
        while waiting:
            items, index = waiting.pop()
            while index < len(items):
                item = items[index]
                if isinstance(item, bytes):
                    number += len(split(item))
                else:
                    found[id(items), index] = starts[number]
                    number += 1
                index += 1
                if isinstance(item, Structured):
                    waiting.append((items, index))
                    waiting += [(inside, 0) for inside in reversed(item.sequences())]
                    break
        return found

    def _make(self, wanted: Wanted, place: Place | None) -> list[Item]:
        """The items for one more place, which is noted."""
        items = wanted.items()
        key = None if place is None else (id(place.items), place.index)
        self._made.append((wanted, key, "" if place is None else place.row.name, items))
        return items

    def _catch(self, dialect: str, exits: list[Wanted]) -> Label:
        """Put all that there is into a handler; what left the function leaves that instead."""
        body = self._body
        function = self.function
        inside = body.items
        type_ = function.module.block_type((), function.func_type.results)
        made = [item for each in exits for item in self._make(each, None)]
        wrapper: Try | TryTable
        if dialect == "legacy":
            wrapper = Try(type_, inside)
            wrapper.catches.append(Catch(None, [*made, Rethrow(wrapper)]))
            around: list[Item] = [wrapper]
        else:
            caught = Block(function.module.block_type((), [EXNREF]))
            done = Block(type_)
            wrapper = TryTable(type_, [Clause(None, caught, ref=True)], inside)
            caught.items = [wrapper, Br(done)]
            done.items = [caught, *made, function.module.instr("throw_ref")]
            around = [done]
        for place in skeleton(body):
            self._redirect(place, wrapper, exits)
        body.items = [*around, *(item for each in exits for item in self._make(each, None))]
        self._edges.renamed(body, wrapper)
        if body in self._exits:
            self._exits[wrapper] = self._exits.pop(body)
        return wrapper

    def _redirect(self, place: Place, label: Label, exits: list[Wanted]) -> None:
        """Let an instruction go to the label that went to the function's."""
        body, item = self._body, place.item
        if isinstance(item, Branch):
            item.retarget(body, label)
        elif isinstance(item, TryTable):
            for clause in item.clauses:
                clause.retarget(body, label)
        elif isinstance(item, Try) and item.delegate is body:
            item.delegate = label
        elif isinstance(item, Instr) and item.row.name == "return":
            around = self._at(place)
            if around.instead is None:
                around.instead = Wanted([Br(label)], Mode.FUNCTION_EXIT, once=True)
        elif _leaves(item):
            self._at(place).before += exits

    def _leave(self, top: Label, inside: list[Item]) -> None:
        """Work out where control leaves what has an exit; ``top`` stands for the function, and has
        the items ``inside``.
        """
        # Of each list: the blocks with exits that enclose it, the innermost first.
        known: dict[int, list[Label]] = {}
        for place in skeleton(self._body):
            around = known.get(id(place.items))
            if around is None:
                around = [each for each in place.enclosing() if each in self._exits]
                known[id(place.items)] = around
            if not around:
                continue
            if _leaves(place.item):
                for block in around:
                    self._at(place).before += self._exits[block]
                continue
            targets = dict.fromkeys(_targets(place.item))
            if not targets:
                continue
            heights = {label: height for height, label in enumerate(place.enclosing())}
            for label in targets:
                for block in around:
                    # A branch to a block's own end comes by what stands behind that.
                    if heights[label] > heights[block] or label is block is top:
                        for wanted in self._exits[block]:
                            self._to(place, label, wanted)
        if top in self._exits and falls_through(inside):
            self._list(inside).end += self._exits[top]

    def _to(self, place: Place, label: Label, wanted: Wanted) -> None:
        """What runs where an instruction takes control to a label."""
        item = place.item
        if isinstance(item, (Br, BrTable)) and all(label is each for each in item.labels):
            self._at(place).before.append(wanted)
        else:
            self._edges.add(place, label, wanted)

    def _rewrite(self, wanted: _List) -> None:
        """Put into a list what goes there."""
        items = wanted.items
        new: list[Item] = []

        def put(wishes: list[Wanted], place: Place | None) -> None:
            for each in wishes:
                new.extend(self._make(each, place))

        put(wanted.start, wanted.place)
        last = 0
        for index in sorted(wanted.around):
            around = wanted.around[index]
            if index >= len(items) or items[index] is not around.place.item:
                raise ValueError("the tree was changed before all was injected")
            new += items[last:index]
            put(around.before, around.place)
            if around.instead is None:
                new.append(items[index])
            else:
                put([around.instead], around.place)
            put(around.after, around.place)
            last = index + 1
        new += items[last:]
        put(wanted.end, wanted.place)
        items[:] = new


# What a block's node stands for besides itself.
_IMPLIED = frozenset({Trait.CLOSES, Trait.SEPARATES})


def _structured(place: Place) -> Structured:
    if not isinstance(place.item, Structured):
        raise TypeError(f"{place.row.name} is no block")
    return place.item


def _check_list(place: Place, items: list[Item]) -> None:
    if not any(items is each for each in _structured(place).sequences()):
        raise ValueError(f"that list of items is none of the {place.row.name}'s")


def _targets(item: Item) -> tuple[Label, ...]:
    """The labels that control may go to from an item."""
    if isinstance(item, TryTable):
        return tuple(clause.label for clause in item.clauses)
    if isinstance(item, Branch) and not isinstance(item, Rethrow):
        return item.labels
    return ()


def _leaves(item: Item) -> bool:
    """Whether control leaves the function there, for its caller or for another function."""
    return isinstance(item, Instr) and (
        item.row.name == "return" or {Trait.TERMINATES, Trait.CALLS} <= item.row.traits
    )

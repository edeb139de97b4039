"""Where caught exceptions go in a function: the analysis under exnref-to-legacy.

Legacy exception handling has no values for exceptions: ``rethrow`` names the handler that it
stands in. So before an ``exnref`` can be given up, it has to be known, of each ``throw_ref``, which
landing its operand comes from. This walks a function like a validator, over operand stacks on which
an operand is one of two things: an ordinary value, of which nothing is known, or an exception,
of which it is known where it landed.

A *landing* is a block that clauses with ``_ref`` name as their label: what stands behind it, to the
end of the list that it stands in, is its *region*, where its exception may be thrown again::

    block $landing (result exnref)
      try_table (catch_all_ref $landing)
        ...
      end
      br $out
    end
    ...                                       ;; the region
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from wasmir import (
    AbstractHeap,
    Block,
    Body,
    Br,
    Branch,
    BrIf,
    BrOn,
    BrTable,
    Catch,
    Clause,
    If,
    Instr,
    Item,
    Label,
    Loop,
    Module,
    RefType,
    Resume,
    Rethrow,
    Structured,
    Try,
    TryTable,
    Type,
    ValType,
    arity,
    terminates,
)

__all__ = ["Arrival", "Flow", "RefusedError", "Region", "exception_types", "mentions_exceptions"]

_EXCEPTIONS = frozenset({AbstractHeap.EXN, AbstractHeap.NOEXN})


def mentions_exceptions(thing: object) -> bool:
    """Whether a type, or an immediate that holds types, has exceptions in it."""
    if isinstance(thing, RefType):
        return thing.heap in _EXCEPTIONS
    if isinstance(thing, AbstractHeap):
        return thing in _EXCEPTIONS
    if isinstance(thing, tuple):
        return any(map(mentions_exceptions, thing))
    if isinstance(thing, Type):
        return thing.func is not None and exception_types(thing.func.params, thing.func.results)
    return False


def exception_types(*types: tuple[ValType, ...]) -> bool:
    """Whether an exception is among some types."""
    return any(mentions_exceptions(each) for each in types)


class RefusedError(Exception):
    """What can't be said in the legacy dialect. ``ordinal`` counts instructions from the start of
    the function, ``else`` and ``end`` among them.
    """

    def __init__(self, reason: str, ordinal: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.ordinal = ordinal


class _Unknown:
    """An exception of which it isn't known where it landed."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


_NULL = _Unknown("it may be null")
_MIXED = _Unknown("it may be one of several, or one that was caught before")

_Value: TypeAlias = Block | _Unknown | None
"""An operand: an exception, by its landing, or anything else."""

_State: TypeAlias = tuple[Block | _Unknown, ...]
"""What the locals for exceptions hold."""


@dataclass(eq=False)
class Arrival:
    """A clause with ``_ref``, seen from its landing."""

    table: TryTable
    clause: Clause
    #: Whether a handler stands between that the region was not in.
    exposed: bool


@dataclass(eq=False)
class Region:
    """A landing and what stands behind it, in the list ``items`` that ``owner`` has."""

    landing: Block
    items: list[Item]
    owner: Label
    #: Operands below the landing, in what ``owner`` opened, and in all.
    height: int
    base: int
    arrivals: list[Arrival] = field(default_factory=list)
    #: Whether control gets to the end of the region.
    falls: bool = False
    #: Whether it ends, by falling or by a branch, with no operands but those that go along.
    exact: bool = False


class _Frame:
    """A list that is being walked."""

    __slots__ = (
        "at",
        "base",
        "dead",
        "exits",
        "items",
        "kept",
        "next",
        "node",
        "params",
        "regions",
        "start",
        "thrown",
    )

    def __init__(self, node: Label, items: list[Item], base: int, state: _State) -> None:
        self.node = node
        self.items = items
        self.at = 0
        #: Whether what is left of it is dead.
        self.dead = False
        self.kept: list[Item] = []
        #: The height of the operand stack outside.
        self.base = base
        #: The locals where it starts; where its label is gone to, if it is.
        self.start = state
        self.exits: _State | None = None
        #: The locals wherever something may be thrown in it.
        self.thrown = state
        #: What else the node has: clauses, or the second arm.
        self.next: list[tuple[Catch | None, list[Item]]] = []
        self.params: list[_Value] = []
        self.regions: list[Region] = []


def _joined(one: _State | None, other: _State) -> _State:
    if one is None or one == other:
        return other
    return tuple(a if a is b else _MIXED for a, b in zip(one, other, strict=True))


class Flow:
    """The walk over one function, whose tree is expanded.

    Raises RefusedError for what has no legacy form. When it is done, what kept exceptions in locals
    and on the stack is gone from the tree; each ``throw_ref`` is a :class:`Rethrow` whose label is
    its landing; dead code is cut off.
    """

    def __init__(self, module: Module, body: Body) -> None:
        self.module = module
        self.body = body
        #: Slots of the locals that hold exceptions.
        self.slots: dict[int, int] = {}
        #: By landing.
        self.regions: dict[Block, Region] = {}
        #: Those whose end nobody gets to, so that its type doesn't matter.
        self.endless: set[Structured] = set()
        #: Those that exceptions are taken into, as operands.
        self.takers: set[Structured] = set()
        #: `try_table`s with nothing below them in the list that they stand in.
        self.flat: set[TryTable] = set()
        #: How many operands a branch at the end of a list leaves behind.
        self.ends: dict[Label, int] = {}
        #: `try_table`s that catch what another around them catches, in the same way.
        self.same: dict[TryTable, TryTable] = {}
        self.unreachable = module.instr("unreachable")
        self._loops: dict[Loop, _State] = {}
        self._note_locals()

    def _note_locals(self) -> None:
        index = len(self.body.function.func_type.params)
        # There may be 2^32 of them, so only those that the code mentions count.
        declared: list[range] = []
        for count, type_ in self.body.local_groups:
            if mentions_exceptions(type_):
                declared.append(range(index, index + count))
            index += count
        if not declared:
            return
        mentioned = {
            item.immediates[0]
            for item in self.body
            if isinstance(item, Instr) and item.row.name in _LOCALS
        }
        for number in sorted(mentioned):
            if any(number in each for each in declared):
                self.slots[number] = len(self.slots)

    def run(self) -> None:
        """Walk until nothing new is learned of loops; then leave the tree as it should be."""
        before: dict[Loop, _State] | None = None
        while before != self._loops:
            before = dict(self._loops)
            self._walk()
        for items, kept in self._kept:
            items[:] = kept

    # One walk

    def _walk(self) -> None:
        self.regions.clear()
        self.endless.clear()
        self.takers.clear()
        self.flat.clear()
        self.same.clear()
        self.ends.clear()
        self._kept: list[tuple[list[Item], list[Item]]] = []
        self._stack: list[_Value] = []
        self._state: _State = (_NULL,) * len(self.slots)
        self._ordinal = -1
        self._open: set[Block] = set()
        frame = _Frame(self.body, self.body.items, 0, self._state)
        self._frames = [frame]
        self._frame_of: dict[Label, _Frame] = {self.body: frame}
        while self._frames:
            frame = self._frames[-1]
            if frame.at == len(frame.items):
                self._ordinal += 1
                self._end(frame, reachable=not frame.dead)
                continue
            item = frame.items[frame.at]
            frame.at += 1
            self._ordinal += 1
            if isinstance(item, Instr):
                goes_on = self._instr(frame, item)
            elif isinstance(item, Structured):
                self._enter(frame, item)
                continue
            else:
                goes_on = self._branch(frame, item)
            if not goes_on:
                self._cut(frame)

    def _cut(self, frame: _Frame) -> None:
        """What is left of the list is dead."""
        self._ordinal += _count(frame.items[frame.at :])
        frame.at = len(frame.items)
        frame.dead = True

    def refuse(self, reason: str) -> RefusedError:
        return RefusedError(reason, self._ordinal)

    # Instructions

    def _instr(self, frame: _Frame, item: Instr) -> bool:
        """Walk over an instruction; whether control comes out of it."""
        name = item.row.name
        if name in _LOCALS and item.immediates[0] in self.slots:
            self._exception_local(name, self.slots[item.immediates[0]])
            return True
        if name == "drop":
            if self._taken(1)[0] is None:
                frame.kept.append(item)
            return True
        if name == "throw_ref":
            frame.kept.append(self._thrown_again(self._taken(1)[0]))
            return False
        if any(map(mentions_exceptions, item.immediates)):
            raise self.refuse(f"{item.row.mnemonic} with a type that has exceptions in it")
        frame.kept.append(item)
        if terminates(item):
            if name == "return":
                self._note_exact(frame, self._arity(self.body))
            self._ordinary(self._last_operands(item), name)
            return False
        taken, given = arity(item)
        self._ordinary(taken, name)
        self._stack += [None] * given
        return True

    def _last_operands(self, item: Instr) -> int:
        """How many operands an instruction takes that control doesn't come out of."""
        name = item.row.name
        if name == "return":
            return self._arity(self.body)
        if name == "throw":
            return len(item.immediates[0].params)
        if name.startswith("return_call"):
            callee = item.immediates[0]
            func = callee.func if isinstance(callee, Type) else callee.func_type
            return 0 if func is None else len(func.params) + (name != "return_call")
        return 0

    def _exception_local(self, name: str, slot: int) -> None:
        """The instruction goes: what it moves is no value any more."""
        if name == "local.get":
            self._stack.append(self._state[slot])
            return
        value = self._stack[-1] if name == "local.tee" else self._taken(1)[0]
        if value is None:
            raise self.refuse("an exception from elsewhere")
        state = self._state
        self._change((*state[:slot], value, *state[slot + 1 :]))

    def _change(self, state: _State) -> None:
        """The locals hold something else now, and so they may wherever something is thrown."""
        self._state = state
        for frame in self._frames:
            if isinstance(frame.node, (Try, TryTable)):
                frame.thrown = _joined(frame.thrown, self._state)

    def _thrown_again(self, value: _Value) -> Rethrow:
        if not isinstance(value, Block):
            reason = value.reason if value is not None else "it comes from elsewhere"
            raise self.refuse(f"throw_ref of an exception of which {reason}")
        if value not in self._open:
            raise self.refuse("throw_ref where the handler of its exception has ended")
        return Rethrow(value)

    def _taken(self, count: int) -> list[_Value]:
        """Take operands from the stack."""
        stack = self._stack
        place = len(stack) - count
        self._reach(place)
        taken = stack[place:]
        del stack[place:]
        return taken

    def _ordinary(self, count: int, what: str) -> None:
        """Take operands of which none may be an exception."""
        if count and any(each is not None for each in self._taken(count)):
            raise self.refuse(f"{what} takes an exception")

    def _reach(self, place: int) -> None:
        """Operands from this height on are used."""
        frame = self._frames[-1]
        if place < frame.base:
            raise self.refuse("type mismatch: operands are missing")
        for region in frame.regions:
            if place < frame.base + region.height:
                raise self.refuse("code behind a landing uses operands from before it")

    def _branch(self, frame: _Frame, item: Item) -> bool:
        """Walk over a branch; whether control comes out of it."""
        frame.kept.append(item)
        if isinstance(item, Rethrow):
            return False
        if isinstance(item, (BrIf, BrTable)):
            self._ordinary(1, "a branch")
        given = 0
        if isinstance(item, (BrOn, Resume)):
            if item.row.name == "resume_throw_ref" or any(
                map(mentions_exceptions, item.immediates)
            ):
                raise self.refuse(f"{item.row.mnemonic} with an exception")
            taken, given = arity(item)
            self._ordinary(taken, item.row.mnemonic)
        assert isinstance(item, Branch)  # noqa: S101 - for type checkers; nothing else is left
        if isinstance(item, Br):
            self._note_exact(frame, self._arity(item.label))
        for label in set(item.labels):
            self._go(item, label)
        self._stack += [None] * given
        return not isinstance(item, (Br, BrTable))

    def _go(self, item: Branch, label: Label) -> None:
        """Control may go to the label, with the operands that it wants. What a ``br_on_*`` tests is
        not on the stack here, and only for ``br_on_null`` not the last of them; those for the
        labels of a ``resume`` come from elsewhere.
        """
        operands = 0 if isinstance(item, Resume) else self._arity(label)
        if isinstance(item, BrOn) and item.row.name != "br_on_null":
            operands -= 1
        place = len(self._stack) - operands
        self._reach(place)
        if any(each is not None for each in self._stack[place:]):
            raise self.refuse("a branch takes an exception along")
        self._join(label, self._state)

    def _note_exact(self, frame: _Frame, operands: int) -> None:
        """The list ends with a branch."""
        self.ends[frame.node] = len(self._stack) - operands
        for region in frame.regions:
            region.exact = self.ends[frame.node] == region.base

    def _join(self, label: Label, state: _State) -> None:
        if isinstance(label, Loop):
            self._loops[label] = _joined(self._loops.get(label), state)
        else:
            frame = self._frame_of[label]
            frame.exits = _joined(frame.exits, state)

    def _arity(self, label: Label) -> int:
        if isinstance(label, Structured):
            return len(label.type.params if isinstance(label, Loop) else label.type.results)
        return len(self.body.function.func_type.results)

    # Structure

    def _enter(self, outer: _Frame, node: Structured) -> None:
        if isinstance(node, If):
            self._ordinary(1, "if")
        outer.kept.append(node)
        params = self._taken(len(node.type.params))
        if any(each is not None for each in params):
            if isinstance(node, Loop):
                raise self.refuse("a loop takes an exception")
            self.takers.add(node)
        base = len(self._stack)
        if isinstance(node, Loop):
            self._state = self._loops[node] = _joined(self._loops.get(node), self._state)
        if isinstance(node, TryTable):
            self._enter_table(outer, node)
        first, *rest = _parts(node)
        frame = _Frame(node, first[1], base, self._state)
        frame.next = rest
        frame.params = params
        self._frames.append(frame)
        self._frame_of[node] = frame
        self._stack += params

    def _enter_table(self, outer: _Frame, table: TryTable) -> None:
        table.clauses = _needed(table.clauses)
        if len(self._stack) == outer.base:
            self.flat.add(table)
        exposed = False
        catches = [(each.tag, each.label, each.ref) for each in table.clauses]
        complete = bool(catches) and catches[-1][0] is None
        depth = {id(frame.node): at for at, frame in enumerate(self._frames)}
        # From the inside out: the frames that are left on the way to each landing.
        handlers = [at for at, frame in enumerate(self._frames) if _handles(frame)]
        for clause in table.clauses:
            if clause.ref:
                if not isinstance(clause.label, Block):
                    raise self.refuse("an exception is caught by the label of what is no block")
                inside = depth[id(clause.label)]
                exposed = any(at > inside for at in handlers)
                arrival = Arrival(table, clause, exposed)
                self._arrivals(clause.label).append(arrival)
        for at in reversed(handlers):
            other = self._frames[at].node
            if not isinstance(other, TryTable):
                break
            if [(each.tag, each.label, each.ref) for each in other.clauses] == catches:
                self.same[table] = other
                break
            if not complete:
                # What it doesn't catch, the next might.
                break

    def _arrivals(self, landing: Block) -> list[Arrival]:
        region = self.regions.get(landing)
        if region is None:
            frame = self._frame_of[landing]
            outer = self._frames[self._frames.index(frame) - 1]
            region = self.regions[landing] = Region(
                landing,
                outer.items,
                outer.node,
                frame.base - outer.base,
                frame.base,
            )
        return region.arrivals

    def _results(self, label: Label) -> tuple[ValType, ...]:
        if isinstance(label, Structured):
            return label.type.results
        return self.body.function.func_type.results

    def _end(self, frame: _Frame, *, reachable: bool) -> None:
        """The end of a list: of an arm, of a clause, or of all of a node."""
        node = frame.node
        results = self._results(node)
        if reachable:
            operands = self._taken(len(results))
            if any(each is not None for each in operands):
                raise self.refuse("an exception is the result of a block")
            frame.exits = _joined(frame.exits, self._state)
        for region in frame.regions:
            region.falls = reachable
            region.exact = region.exact or reachable
            self._open.discard(region.landing)
        frame.regions = []
        self._kept.append((frame.items, frame.kept))
        del self._stack[frame.base :]
        if frame.next:
            self._next_part(frame)
            return
        self._frames.pop()
        if not self._frames:
            return
        if isinstance(node, If) and node.else_items is None:
            frame.exits = _joined(frame.exits, frame.start)
        if isinstance(node, TryTable):
            for clause in node.clauses:
                self._join(clause.label, frame.thrown)
        self._leave(node, frame)

    def _next_part(self, frame: _Frame) -> None:
        clause, items = frame.next.pop(0)
        params = frame.params
        self._state = frame.start
        if clause is not None:
            # A handler: thrown in it, something is caught further out.
            self._state = frame.thrown
            params = [None] * (0 if clause.tag is None else len(clause.tag.params))
        frame.items = items
        frame.at = 0
        frame.dead = False
        frame.kept = []
        self._stack += params

    def _leave(self, node: Label, frame: _Frame) -> None:
        outer = self._frames[-1]
        if not isinstance(node, Structured):
            raise TypeError(node)
        if frame.exits is None:
            self._nobody_leaves(outer, node)
            return
        self._state = frame.exits
        landing = node if isinstance(node, Block) and node in self.regions else None
        if landing is not None:
            # Of the exceptions that landed there before, one can't be told from another.
            self._change(tuple(_MIXED if each is landing else each for each in self._state))
            region = self.regions[landing]
            outer.regions.append(region)
            self._open.add(landing)
            self._stack += [None] * (len(node.type.results) - 1)
            self._stack.append(landing)
        else:
            if exception_types(node.type.results):
                raise self.refuse("an exception is the result of a block")
            self._stack += [None] * len(node.type.results)

    def _nobody_leaves(self, outer: _Frame, node: Structured) -> None:
        """What stands behind is dead, whatever it looks like."""
        last = outer.at == len(outer.items)
        self.endless.add(node)
        if exception_types(node.type.results) or not last:
            outer.kept.append(self.unreachable)
        self._cut(outer)


_LOCALS = frozenset({"local.get", "local.set", "local.tee"})


def _handles(frame: _Frame) -> bool:
    """Whether what is thrown in the list may be caught by its node."""
    node = frame.node
    if isinstance(node, TryTable):
        return bool(node.clauses)
    if isinstance(node, Try):
        return frame.items is node.items and (bool(node.catches) or node.delegate is not None)
    return False


def _parts(node: Structured) -> list[tuple[Catch | None, list[Item]]]:
    """The lists of a node, with the clause that has each."""
    if isinstance(node, Try):
        return [(None, node.items), *((each, each.items) for each in node.catches)]
    return [(None, items) for items in node.sequences()]


def _needed(clauses: list[Clause]) -> list[Clause]:
    """Without those that can't match, because others match before."""
    found: list[Clause] = []
    tags: set[object] = set()
    for clause in clauses:
        if clause.tag in tags:
            continue
        found.append(clause)
        if clause.tag is None:
            break
        tags.add(clause.tag)
    return found


def _count(items: list[Item]) -> int:
    """How many instructions there are, ``else``, ``catch`` and ``end`` among them."""
    total = 0
    pending = [items]
    while pending:
        for item in pending.pop():
            total += 1
            if isinstance(item, Structured):
                inside = item.sequences()
                total += len(inside)
                pending.extend(inside)
    return total

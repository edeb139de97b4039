"""The control flow of a function: basic blocks, and how control goes from one to another.

Exceptions are edges like any other. Where handlers are active, a block ends behind each instruction
out of which an exception may come: so what is in front of it has been done when a handler is
reached, and what is behind it hasn't. Which handlers are reached is a matter of the tag, where an
instruction says which it throws; tags that are imported may be the same under two names. An
exception that leaves the function is an edge where the function itself throws it; that anything
which is called may end the function isn't said. Traps are no edges.

Source: specification, Execution, "Control Instructions" and "Exception Handling"; the legacy
proposal for ``delegate``: what it throws is as if thrown where its label is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from wasmir.ir.checks import check_is
from wasmir.ir.code import (
    Block,
    Br,
    BrIf,
    BrOn,
    BrTable,
    Catch,
    If,
    Instr,
    Loop,
    Resume,
    Rethrow,
    Structured,
    Try,
    TryTable,
)
from wasmir.ir.function import Function
from wasmir.ir.seq import expand_list
from wasmir.ir.tag import Tag
from wasmir.isa.table import Trait

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wasmir.ir.code import Item, Label
    from wasmir.ir.seq import Instruction

__all__ = ["ControlFlow", "Edge", "FlowBlock"]


class FlowBlock:
    """Instructions of which all are executed or none, but for traps; or where control ends.

    Smaller than :class:`wasmir.BasicBlock`, which an exception may leave anywhere.
    """

    __slots__ = ("handler", "instructions", "number", "predecessors", "successors")

    def __init__(self, handler: Catch | None = None) -> None:
        #: In the order of the code; -1 until all are known.
        self.number = -1
        #: Instructions and nodes of the tree, as :func:`~wasmir.ir.walk.walk` gives them. A ``try``
        #: and its like stand where control enters them.
        self.instructions: list[Instruction] = []
        #: The clause of a legacy ``try`` whose handler begins here.
        self.handler = handler
        self.successors: list[Edge] = []
        self.predecessors: list[Edge] = []

    def __repr__(self) -> str:
        return f"<block {self.number}, {len(self.instructions)} instructions>"


@dataclass(frozen=True, eq=False, slots=True)
class Edge:
    """A way that control may take.

    Kinds are ``next``; ``true`` and ``false`` of an ``if``; ``branch``; ``case`` (of a
    ``br_table``: ``cases``, ``None`` among them for the default); ``return``; ``catch`` (a ``tag``,
    ``None`` for all); ``throw``, out of the function; and ``suspend`` (a ``tag``).
    """

    source: FlowBlock
    target: FlowBlock
    kind: str
    tag: Tag | None = None
    cases: tuple[int | None, ...] = ()

    @property
    def is_exception(self) -> bool:
        """Whether an exception takes this way."""
        return self.kind in ("catch", "throw")

    def __str__(self) -> str:
        if self.kind == "catch":
            return "catch_all" if self.tag is None else f"catch {self.tag}"
        if self.kind == "suspend":
            return f"on {self.tag}"
        if self.kind == "case":
            return ", ".join("default" if each is None else str(each) for each in self.cases)
        return self.kind

    def __repr__(self) -> str:
        return f"<edge {self.source.number} -> {self.target.number}, {self}>"


class ControlFlow:
    """The basic blocks of a function as it is, in the order of its code.

    Each instruction is in exactly one of ``blocks``. ``exit`` is where the function returns, and
    ``uncaught`` where an exception that it throws leaves it, if it does; they have no instructions,
    and are not among ``blocks``. The function is open afterwards, its runs expanded. Raises
    UnsupportedError of an imported function, MalformedError, InvalidError.
    """

    def __init__(self, function: Function) -> None:
        check_is(function, Function, "a function")
        self.function = function
        builder = _Builder(function)
        builder.build()
        self.blocks = builder.blocks
        self.entry = self.blocks[0]
        self.exit = builder.exit
        self.uncaught = builder.uncaught if builder.uncaught.predecessors else None

    @property
    def nodes(self) -> list[FlowBlock]:
        """All blocks, the ends included."""
        return [*self.blocks, self.exit, *([self.uncaught] if self.uncaught is not None else [])]

    @property
    def edges(self) -> Iterator[Edge]:
        """All edges, by where they begin."""
        for block in self.blocks:
            yield from block.successors

    def reachable(self) -> set[FlowBlock]:
        """The blocks that control may get to."""
        found = {self.entry}
        pending = [self.entry]
        while pending:
            for edge in pending.pop().successors:
                if edge.target not in found:
                    found.add(edge.target)
                    pending.append(edge.target)
        return found


class _Handlers:
    """The handlers that are active somewhere, the innermost first."""

    __slots__ = ("node", "outer")

    def __init__(self, node: Try | TryTable, outer: _Handlers | None) -> None:
        self.node = node
        self.outer = outer


class _Frame:
    """A structured instruction, or the body, that is being gone through."""

    __slots__ = ("at", "condition", "handlers", "items", "later", "node", "outside")

    def __init__(
        self, node: Label, items: list[Item], handlers: _Handlers | None, outside: _Handlers | None
    ) -> None:
        self.node = node
        self.items = items
        self.at = 0
        #: The sequences that come behind this one.
        self.later: list[list[Item]] = []
        #: What is active here, and what around the instruction.
        self.handlers = handlers
        self.outside = outside
        #: Of an ``if``: where it is decided.
        self.condition: FlowBlock | None = None


class _Builder:
    """Goes through the tree once. Control is in ``current``, or on ways whose ends aren't known."""

    def __init__(self, function: Function) -> None:
        self.body = function.body
        self.module = function.module
        self.blocks: list[FlowBlock] = []
        self.exit = FlowBlock()
        self.uncaught = FlowBlock()
        self.edges: list[Edge] = []
        self.current: FlowBlock | None = None
        # Where ways begin, and of which kind they are.
        self.ways: list[tuple[FlowBlock, str]] = []
        self.frames: list[_Frame] = []
        # Where a branch to a label goes, and where handlers begin.
        self.targets: dict[Label, FlowBlock] = {self.body: self.exit}
        self.handlers: dict[Catch, FlowBlock] = {}
        self.arrived: set[FlowBlock] = set()

    def build(self) -> None:
        self.start(FlowBlock())
        self.enter(_Frame(self.body, self.body.items, None, None))
        while self.frames:
            frame = self.frames[-1]
            if frame.at < len(frame.items):
                frame.at += 1
                self.instruction(cast("Instruction", frame.items[frame.at - 1]), frame)
            else:
                self.end_of_sequence(frame)
        self.settle()

    # Blocks and edges

    def start(self, block: FlowBlock) -> FlowBlock:
        """Let control be in another block."""
        self.blocks.append(block)
        self.current = block
        return block

    def here(self) -> FlowBlock:
        """The block that comes next, or goes on. Nothing leads to the blocks of dead code."""
        return self.current if self.current is not None else self.fresh()

    def fresh(self) -> FlowBlock:
        """A new block, to which all ways lead that are open."""
        block = FlowBlock()
        self.go(block)
        return self.start(block)

    def go(self, target: FlowBlock, kind: str = "next") -> None:
        """End what is open: it leads to a block."""
        if self.current is not None:
            self.edge(self.current, target, kind)
            self.current = None
        for source, way in self.ways:
            self.edge(source, target, kind if way == "next" else way)
        self.ways.clear()

    def edge(
        self,
        source: FlowBlock,
        target: FlowBlock,
        kind: str,
        tag: Tag | None = None,
        cases: tuple[int | None, ...] = (),
    ) -> None:
        self.edges.append(Edge(source, target, kind, tag, cases))
        self.arrived.add(target)

    def stop(self) -> FlowBlock:
        """End the block: control doesn't go on behind it, unless ways are added."""
        block = self.here()
        self.current = None
        return block

    # Code

    def enter(self, frame: _Frame) -> None:
        expand_list(self.module, frame.items)
        self.frames.append(frame)

    def instruction(self, item: Instruction, frame: _Frame) -> None:
        if isinstance(item, Structured):
            self.structured(item, frame)
            return
        block = self.here()
        block.instructions.append(item)
        match item:
            case Br():
                self.edge(self.stop(), self.targets[item.label], self.way_to(item.label))
            case BrIf() | BrOn():
                self.edge(self.stop(), self.targets[item.label], "branch")
                self.ways.append((block, "next"))
            case BrTable():
                self.table(self.stop(), item)
            case Rethrow():
                self.throw(self.stop(), frame.handlers, None)
            case Resume():
                self.stop()
                for on in item.handlers:
                    if on.label is not None:
                        self.edge(block, self.targets[on.label], "suspend", on.tag)
                self.catch(block, frame.handlers, None)
                self.ways.append((block, "next"))
            case Instr():
                self.plain(block, item, frame)

    def way_to(self, label: Label) -> str:
        return "return" if label is self.body else "branch"

    def plain(self, block: FlowBlock, item: Instr, frame: _Frame) -> None:
        traits = item.row.traits
        if Trait.TERMINATES in traits:
            self.stop()
            if Trait.THROWS in traits:
                thrown = item.immediates[0] if item.immediates else None
                self.throw(block, frame.handlers, thrown if isinstance(thrown, Tag) else None)
            elif item.row.name != "unreachable":
                # A tail call throws from another frame.
                self.edge(block, self.exit, "return")
        elif frame.handlers is not None and (Trait.CALLS in traits or Trait.THROWS in traits):
            known = len(self.edges)
            self.catch(block, frame.handlers, None)
            if len(self.edges) > known:
                self.stop()
                self.ways.append((block, "next"))

    def table(self, block: FlowBlock, item: BrTable) -> None:
        cases: dict[FlowBlock, list[int | None]] = {}
        last = len(item.labels) - 1
        for at, label in enumerate(item.labels):
            cases.setdefault(self.targets[label], []).append(None if at == last else at)
        for target, numbers in cases.items():
            self.edge(block, target, "case", cases=tuple(numbers))

    def structured(self, item: Structured, frame: _Frame) -> None:
        if isinstance(item, Loop):
            # Branches come back to here.
            if self.current is None or self.current.instructions or self.current.handler:
                self.fresh()
            self.targets[item] = self.here()
        else:
            self.targets[item] = FlowBlock()
        block = self.here()
        block.instructions.append(item)
        first, *later = item.sequences()
        inside = _Frame(item, first, frame.handlers, frame.handlers)
        inside.later = later
        match item:
            case If():
                inside.condition = self.stop()
                self.ways.append((block, "true"))
            case Try():
                if item.delegate is not None:
                    inside.handlers = self.handlers_at(item.delegate)
                else:
                    inside.handlers = _Handlers(item, frame.handlers)
                for clause in item.catches:
                    self.handlers[clause] = FlowBlock(clause)
            case TryTable():
                inside.handlers = _Handlers(item, frame.handlers)
            case Block() | Loop():
                pass
        self.enter(inside)

    def handlers_at(self, label: Label) -> _Handlers | None:
        """What is active where a label is that is open."""
        return next(frame.handlers for frame in reversed(self.frames) if frame.node is label)

    def end_of_sequence(self, frame: _Frame) -> None:
        node = frame.node
        if node is self.body:
            self.go(self.exit, "return")
            self.frames.pop()
            return
        end = self.targets[node]
        if isinstance(node, Try) and node.catches:
            self.go(end)
            done = len(node.catches) - len(frame.later)
            if frame.later:
                self.start(self.handlers[node.catches[done]])
                self.next_sequence(frame)
                return
        elif isinstance(node, If):
            condition = cast("FlowBlock", frame.condition)
            if frame.later:
                self.go(end)
                self.ways.append((condition, "false"))
                self.next_sequence(frame)
                return
            if node.else_items is None:
                self.ways.append((condition, "false"))
        self.frames.pop()
        together = (self.current is not None) + len(self.ways)
        if not isinstance(node, Loop) and (end in self.arrived or together > 1):
            self.go(end)
            self.start(end)

    def next_sequence(self, frame: _Frame) -> None:
        """The other arm, or the next handler, where the handlers of its ``try`` aren't active."""
        frame.items = frame.later.pop(0)
        frame.at = 0
        frame.handlers = frame.outside
        expand_list(self.module, frame.items)

    # Exceptions

    def throw(self, block: FlowBlock, handlers: _Handlers | None, tag: Tag | None) -> None:
        """The function itself throws."""
        if not self.catch(block, handlers, tag):
            self.edge(block, self.uncaught, "throw")

    def catch(self, block: FlowBlock, handlers: _Handlers | None, tag: Tag | None) -> bool:
        """Lead to the handlers of an exception, of any tag where that isn't known; whether none
        gets past them.
        """
        taken: set[tuple[FlowBlock, Tag | None]] = set()
        while handlers is not None:
            for caught, target in self.clauses(handlers.node):
                if (target, caught) not in taken and _may_be(tag, caught):
                    taken.add((target, caught))
                    self.edge(block, target, "catch", caught)
                if caught is None or caught is tag:
                    return True
            handlers = handlers.outer
        return False

    def clauses(self, node: Try | TryTable) -> Iterator[tuple[Tag | None, FlowBlock]]:
        if isinstance(node, Try):
            for clause in node.catches:
                yield clause.tag, self.handlers[clause]
        else:
            for each in node.clauses:
                yield each.tag, self.targets[each.label]

    # The end

    def settle(self) -> None:
        """Leave out blocks without instructions that only lead on, and number the others."""
        entry = self.blocks[0]
        leads = {
            edge.source: edge.target
            for edge in self.edges
            if not edge.source.instructions and not edge.source.handler and edge.source is not entry
        }
        for edge in self.edges:
            if edge.source in leads:
                continue
            target = edge.target
            while target in leads:
                target = leads[target]
            kind = "return" if edge.kind == "next" and target is self.exit else edge.kind
            final = Edge(edge.source, target, kind, edge.tag, edge.cases)
            edge.source.successors.append(final)
            target.predecessors.append(final)
        self.blocks = [block for block in self.blocks if block not in leads]
        for number, block in enumerate([*self.blocks, self.exit, self.uncaught]):
            block.number = number


def _may_be(tag: Tag | None, caught: Tag | None) -> bool:
    """Whether an exception of a tag is caught by a clause. What is imported may be the same."""
    if tag is None or caught is None or tag is caught:
        return True
    return tag.imported is not None and caught.imported is not None

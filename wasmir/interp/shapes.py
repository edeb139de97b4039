"""What is to be known of a body before it is emitted: where branches go, and how deep things nest.

Python allows twenty statements of the kind that can be left (``while``, ``try``) in one another, so
what nests deeper has to be emitted in another form, see :mod:`wasmir.interp.control`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wasmir.ir.code import (
    Branch,
    BrTable,
    If,
    Instr,
    Item,
    Label,
    Loop,
    Structured,
    Try,
    TryTable,
)
from wasmir.ir.codec import codec

if TYPE_CHECKING:
    from wasmir.ir.code import Body
    from wasmir.ir.module import Module

__all__ = ["NEVER", "ROUNDED", "Analysis", "Shape", "clauses_of"]

NEVER = 1 << 20
"""The nesting of what can't be emitted as Python's own control flow at all."""

ROUNDED = frozenset(f"f32.{each}" for each in ("add", "sub", "mul", "div", "sqrt"))
"""Instructions whose results are those of an f64, rounded."""

# More clauses than this are looked up, not tried one by one.
_MANY_CLAUSES = 12


class Shape:
    """Of one structured instruction, or of the body.

    ``parts`` are its sequences without runs, ``starts`` the numbers of their first instructions in
    wire order, ``contexts`` what catches an exception that is thrown in each: a ``try`` or
    ``try_table``, or ``None`` for the caller.
    """

    __slots__ = ("contexts", "indent", "nest", "parts", "size", "starts", "targeted")

    def __init__(self) -> None:
        self.parts: list[list[Any]] = []
        self.starts: list[int] = []
        self.contexts: list[Label | None] = []
        #: Instructions, this one included.
        self.size = 0
        #: Whether a branch goes to it.
        self.targeted = False
        #: How many statements that can be left it takes, inside one another.
        self.nest = 0
        #: How deep its lines are indented at most.
        self.indent = 0


def clauses_of(node: Label) -> int:
    """How many clauses catch what is thrown in the body of an instruction."""
    if isinstance(node, Try):
        return len(node.catches)
    return len(node.clauses) if isinstance(node, TryTable) else 0


class _Open:
    """An instruction of which not everything was looked at."""

    __slots__ = ("at", "indent", "items", "nest", "nest_of_body", "node", "outer", "part", "shape")

    def __init__(self, node: Label, shape: Shape, outer: Label | None) -> None:
        self.node = node
        self.shape = shape
        #: What catches outside of it.
        self.outer = outer
        self.part = -1
        self.items: list[Any] = []
        self.at = 0
        self.nest = 0
        self.nest_of_body = 0
        self.indent = 0


class Analysis:
    """Of one body."""

    def __init__(self, body: Body) -> None:
        self.shapes: dict[Label, Shape] = {}
        #: Locals that something is assigned to.
        self.assigned: set[str] = set()
        #: All instructions in wire order.
        self.count = 0
        #: How many results are rounded to f32.
        self.rounds = 0
        self._targets: set[Label] = set()
        self._module = body.function.module
        self._walk(body)

    def items_in_order(self, body: Body) -> list[Item]:
        """All instructions and nodes, by their numbers."""
        found: list[Item] = []
        waiting = [iter(self.shapes[body].parts[0])]
        while waiting:
            for item in waiting[-1]:
                found.append(item)
                if isinstance(item, Structured):
                    waiting.extend(iter(part) for part in reversed(self.shapes[item].parts))
                    break
            else:
                waiting.pop()
        return found

    def _walk(self, body: Body) -> None:
        stack = [self._opened(body, (body.items,), None)]
        while stack:
            top = stack[-1]
            items, at = top.items, top.at
            while at < len(items):
                item = items[at]
                at += 1
                self.count += 1
                if item.__class__ is Instr:
                    name = item.row.name
                    if name in ("local.set", "local.tee"):
                        self.assigned.add(f"l{item.immediates[0]}")
                    elif name in ROUNDED:
                        self.rounds += 1
                elif isinstance(item, Branch):
                    self._targets.update(item.labels)
                    if isinstance(item, BrTable):
                        top.indent = max(top.indent, 4 + len(item.labels).bit_length())
                elif isinstance(item, Structured):
                    outer = top.shape.contexts[top.part]
                    opened = self._opened(item, item.sequences(), outer)
                    opened.shape.size = self.count - 1
                    self._contexts(opened, stack)
                    stack.append(opened)
                    break
            top.at = at
            if stack[-1] is not top:
                self._next_part(stack[-1])
                continue
            if top.part + 1 < len(top.shape.parts):
                self._next_part(top)
                continue
            stack.pop()
            self._close(top, stack[-1] if stack else None)

    def _opened(self, node: Label, sequences: tuple[list[Item], ...], outer: Label | None) -> _Open:
        shape = self.shapes[node] = Shape()
        shape.parts = [_flattened(self._module, each) for each in sequences]
        opened = _Open(node, shape, outer)
        if outer is None and not self.count:
            shape.contexts = [None]
        return opened

    def _next_part(self, opened: _Open) -> None:
        if opened.part == 0:
            opened.nest_of_body, opened.nest = opened.nest, 0
        opened.part += 1
        opened.items = opened.shape.parts[opened.part]
        opened.at = 0
        opened.shape.starts.append(self.count)

    def _contexts(self, opened: _Open, stack: list[_Open]) -> None:
        node = opened.node
        inner = opened.outer
        if isinstance(node, Try) and node.delegate is not None:
            # As if it were thrown where the label's instruction stands, in that part of it.
            inner = None
            for each in stack:
                if each.node is node.delegate:
                    inner = each.shape.contexts[each.part]
                    break
        elif clauses_of(node):
            inner = node
        opened.shape.contexts = [inner, *[opened.outer] * (len(opened.shape.parts) - 1)]

    def _close(self, closed: _Open, parent: _Open | None) -> None:
        node, shape = closed.node, closed.shape
        if closed.part <= 0:
            closed.nest_of_body, closed.nest = closed.nest, 0
        shape.targeted = node in self._targets and bool(parent)
        shape.size = self.count - shape.size
        nest, indent = closed.nest_of_body, closed.indent
        if clauses_of(node):
            nest += 1
            indent += 3
            if clauses_of(node) > _MANY_CLAUSES:
                nest = NEVER
        elif isinstance(node, Try) and node.delegate is not None:
            if shape.contexts[0] is not closed.outer:
                nest = NEVER
        elif isinstance(node, If):
            indent += 1
        nest = max(nest, closed.nest)
        if shape.targeted:
            nest += 1
            indent += 1
            if not isinstance(node, Loop):
                indent += 1
        shape.nest, shape.indent = nest, indent + 2
        if parent is not None:
            parent.nest = max(parent.nest, nest)
            parent.indent = max(parent.indent, indent)
        # Clauses of a try_table are branches from inside of it.
        if isinstance(node, TryTable):
            self._targets.update(clause.label for clause in node.clauses)


def _flattened(module: Module, items: list[Item]) -> list[Any]:
    """A sequence without runs; the tree stays as it is."""
    if bytes not in map(type, items):
        return items
    split = codec().split
    found: list[Any] = []
    for item in items:
        if isinstance(item, bytes):
            found += split(module, item)
        else:
            found.append(item)
    return found

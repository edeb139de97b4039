"""Control flow: trees to Python source, in two forms.

*Nested*: blocks become Python's own statements. A block that is branched to is a ``while True``
that is left by ``break``; a loop one that begins anew by ``continue``. A branch further out leaves
one ``while`` after the other: ``x`` is how many of them enclose the label, and each that is left on
the way looks at it. ::

    block $a                    while True:
      block $b                      while True:
        br_if $a (local.get 0)          if l0:
        ...                                 x = 1
      end                                   break
      ...                               ...
    end                                 break
                                    if x:
                                        x = 0
                                        break
                                    ...
                                    break

*Flat*: what nests deeper than Python allows, or can't be said that way, is cut into numbered pieces
(*leaves*) in one loop, which ``pc`` chooses among; leaves hold what is nested less deep in the
other form. What is thrown in a leaf is caught around the loop, and a table says which leaf goes on.

What a block takes and leaves is in variables that stand for places of the operand stack (``s3``)
wherever control flow meets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wasmir.errors import UnsupportedError
from wasmir.interp.emit import RULES, Emitter, Expr
from wasmir.interp.gc import described, test
from wasmir.interp.shapes import Analysis, Shape, clauses_of
from wasmir.ir.code import (
    Body,
    Br,
    BrIf,
    BrOn,
    BrTable,
    If,
    Instr,
    Label,
    Loop,
    Node,
    Resume,
    Rethrow,
    Structured,
    Try,
    TryTable,
    terminates,
)
from wasmir.isa.table import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wasmir.interp.program import Program

__all__ = ["FunctionEmitter"]

# What Python allows, less what the flat form and the escapes out of loops take.
NESTED = 15
_INDENTED = 60


class _Target:
    """Where a branch goes: to the ``while`` at a depth, to the leaf ``pc`` if that is the flat one.

    ``height`` is where on the stack the label's operands go, ``arity`` how many there are.
    """

    __slots__ = ("arity", "depth", "height", "pc")

    def __init__(self, depth: int, height: int, arity: int, pc: int | None = None) -> None:
        self.depth = depth
        self.height = height
        self.arity = arity
        self.pc = pc


class _Frame:
    """A structured instruction that is being emitted."""

    __slots__ = (
        "at",
        "base",
        "caught",
        "context",
        "end",
        "flat",
        "handler",
        "indent",
        "items",
        "leaves",
        "looping",
        "mark",
        "merged",
        "node",
        "ordinal",
        "params",
        "part",
        "results",
        "shape",
    )

    def __init__(self, node: Any, shape: Shape, base: int, results: int) -> None:
        self.node = node
        self.shape = shape
        #: The height of the stack below what it takes.
        self.base = base
        self.results = results
        self.part = 0
        self.items = shape.parts[0]
        self.at = 0
        self.ordinal = shape.starts[0]
        self.flat = False
        #: Whether a `while` of its own is open.
        self.looping = False
        #: Whether its results are in variables for places of the stack.
        self.merged = False
        self.params: list[Expr] = []
        self.indent = ""
        #: How many lines there were when its part began.
        self.mark = 0
        #: The variable for what was caught.
        self.caught = ""
        # The flat form's: what comes behind it, its clauses, and what dispatches to them.
        self.end = 0
        self.leaves: list[int] = []
        self.handler = 0
        self.context: Label | None = None


class FunctionEmitter(Emitter):
    """The source of one function.

    ``nested`` is how many statements that can be left may stand inside one another: 0 makes
    everything flat.
    """

    def __init__(
        self,
        program: Program,
        body: Body,
        *,
        fuel: bool = False,
        trace: bool = False,
        nested: int = NESTED,
    ) -> None:
        function = body.function
        super().__init__(program, function._number, fuel=fuel, trace=trace)
        self.function = function
        self.body = body
        self.analysis = Analysis(body)
        self.assigned = self.analysis.assigned
        self._nested = nested
        shape = self.analysis.shapes[body]
        self.is_flat = not self._fits(shape)
        self._frames: list[_Frame] = []
        self._targets: dict[Label, _Target] = {}
        # Labels that a branch, or the end of a part, was emitted to.
        self._reached: set[Label] = set()
        self._reachable = True
        # By depth: whether a branch to it continues, and where branches out of it go.
        self._continues = [False]
        self._escapes: list[set[int]] = [set()]
        self._uses_x = False
        # The flat form's
        self._leaves: dict[int, list[str]] = {}
        self._contexts: dict[int, Label | None] = {}
        self._handlers: dict[Label, int] = {}
        self._last_leaf = 0

    def _fits(self, shape: Shape) -> bool:
        return shape.nest <= self._nested and shape.indent <= _INDENTED

    # The whole

    def source(self) -> str:
        """The function as Python source."""
        params = self.function.func_type.params
        name = f"f{self.number}"
        header = f"def {name}({', '.join([f'l{at}' for at in range(len(params))])}):"
        if self.is_flat:
            self._open_while(continues=True)
            self.indent = ""
            self._start_leaf(self._new_leaf(), None)
        self._emit()
        self.end_segment()
        lines = [header, *self._declarations(len(params))]
        if self._uses_x:
            lines.append(" x = 0")
        if self.is_flat:
            lines += self._assembled()
        else:
            lines += [line if line[:1] == "#" else f" {line}" for line in self.lines if line]
            if len(lines) == 1:
                lines.append(" return")
        lines.append("")
        return "\n".join(lines)

    def _declarations(self, first: int) -> list[str]:
        from wasmir.interp.heap import default

        by_value: dict[str, list[str]] = {}
        at = first
        for count, type_ in self.body.local_groups:
            names = by_value.setdefault(repr(default(type_)), [])
            names += [f"l{each}" for each in range(at, at + count)]
            at += count
        lines = []
        for value, names in by_value.items():
            for start in range(0, len(names), 50):
                lines.append(f" {' = '.join(names[start : start + 50])} = {value}")
        return lines

    def _emit(self) -> None:
        body, shapes = self.body, self.analysis.shapes
        frame = _Frame(body, shapes[body], 0, len(self.function.func_type.results))
        self._frames.append(frame)
        while self._frames:
            frame = self._frames[-1]
            if frame.at < len(frame.items) and self._reachable:
                item = frame.items[frame.at]
                frame.at += 1
                self.ordinal = frame.ordinal
                self.count()
                if isinstance(item, Structured):
                    frame.ordinal += shapes[item].size
                    self.end_segment()
                    self._open(item)
                else:
                    frame.ordinal += 1
                    self._item(item)
                continue
            self.end_segment()
            if frame.node is body:
                if self._reachable:
                    self._return()
                self._frames.pop()
            else:
                self._close_part(frame)

    def _item(self, item: Any) -> None:
        if item.__class__ is Instr:
            handler = RULES.get(item.row.name)
            if handler is not None:
                handler(self, item.immediates)
            elif item.row.name == "return":
                self._return()
            else:
                raise self._unsupported(item.row.name)
            if terminates(item):
                self._reachable = False
                self.end_segment()
        else:
            self._branch(item)
            self.end_segment()

    def _unsupported(self, name: str) -> UnsupportedError:
        row = BY_NAME[name]
        return UnsupportedError(
            f"{name} ({row.proposal}) can't be evaluated", str(self.function)
        )

    def _return(self) -> None:
        values = self.pop_many(len(self.function.func_type.results))
        self.effect(*values)
        self.line(f"return {', '.join([each.exact for each in values])}")
        self._reachable = False

    # Python's loops

    @property
    def _depth(self) -> int:
        return len(self._continues) - 1

    def _open_while(self, *, continues: bool) -> None:
        self.line("while True:")
        self.indent += " "
        self._continues.append(continues)
        self._escapes.append(set())

    def _close_while(self, indent: str) -> None:
        """What comes behind a ``while``: whoever left it for a label further out goes on."""
        self._continues.pop()
        escapes = self._escapes.pop()
        self.indent = indent
        if not escapes:
            return
        self._uses_x = True
        depth = self._depth
        leave = "continue" if self._continues[depth] else "break"
        here = depth in escapes
        outer = {each for each in escapes if each < depth}
        self._escapes[depth] |= outer
        self.line("if x:")
        if not here:
            self.line(" break")
        elif not outer:
            self.line(" x = 0")
            self.line(f" {leave}")
        else:
            self.line(f" if x == {depth}:")
            self.line("  x = 0")
            self.line(f"  {leave}")
            self.line(" break")

    def _jump(self, target: _Target) -> None:
        if target.pc is not None:
            self.line(f"pc = {target.pc}")
        self._leave_for(target.depth)

    def _leave_for(self, depth: int) -> None:
        if depth == self._depth:
            self.line("continue" if self._continues[depth] else "break")
            return
        self.line(f"x = {depth}")
        self.line("break")
        for between in range(depth + 1, self._depth + 1):
            self._escapes[between].add(depth)

    # Leaves

    def _new_leaf(self) -> int:
        self._last_leaf += 1
        return self._last_leaf

    def _start_leaf(self, number: int, context: Label | None) -> None:
        self.end_segment()
        self.lines = self._leaves[number] = []
        self._contexts[number] = context
        self.indent = ""
        self._reachable = True

    def _go_to(self, leaf: int) -> None:
        self.line(f"pc = {leaf}")
        self.line("continue")

    def _assembled(self) -> list[str]:
        """The loop over all leaves."""
        handlers = [0] * (self._last_leaf + 1)
        for number, context in self._contexts.items():
            if context is not None:
                handlers[number] = self._handlers[context]
        lines = [" pc = 1"]
        indent = " "
        if any(handlers):
            lines += [" while True:", "  try:"]
            indent = "   "
        lines.append(f"{indent}while True:")
        _choose(lines, indent + " ", sorted(self._leaves.items()))
        if any(handlers):
            lines += [
                "  except Thrown as e:",
                f"   pc = {tuple(handlers)}[pc]",
                "   if not pc: raise",
                "   e.__traceback__ = None",
                "   ex = e",
            ]
        return lines

    # Opening

    def _open(self, node: Any) -> None:
        shape = self.analysis.shapes[node]
        condition = self.pop() if isinstance(node, If) else None
        self.settle_all()
        type_ = node.type
        base = len(self.stack) - len(type_.params)
        frame = _Frame(node, shape, base, len(type_.results))
        frame.params = self.stack[base:]
        frame.flat = self.is_flat and self._depth == 1 and not self._fits(shape)
        frame.indent = self.indent
        frame.context = self._context()
        self._frames.append(frame)
        if isinstance(node, Loop):
            self._open_loop(frame)
            return
        arity = len(type_.results)
        if frame.flat:
            frame.end = self._new_leaf()
            self._targets[node] = _Target(1, base, arity, frame.end)
            self._open_flat(frame, condition)
            return
        frame.merged = shape.targeted or isinstance(node, If) or bool(clauses_of(node))
        if shape.targeted:
            self._open_while(continues=False)
            frame.looping = True
            self._targets[node] = _Target(self._depth, base, arity)
        if condition is not None:
            self.line(f"if {condition.exact}:")
            self.indent += " "
        elif clauses_of(node):
            frame.caught = f"e{self.ordinal}"
            self.line(f"{frame.caught} = None")
            self.line("try:")
            self.indent += " "
        frame.mark = len(self.lines)

    def _context(self) -> Label | None:
        """What catches an exception that is thrown here."""
        frame = self._frames[-1]
        return frame.shape.contexts[frame.part]

    def _open_loop(self, frame: _Frame) -> None:
        if not frame.shape.targeted:
            frame.flat = False
            return
        base, node = frame.base, frame.node
        self.to_slots(self.pop_many(len(frame.params)), base)
        self.stack += [self.variable(f"s{at}") for at in range(base, base + len(frame.params))]
        if frame.flat:
            head = self._new_leaf()
            self._targets[node] = _Target(1, base, len(frame.params), head)
            self._go_to(head)
            self._start_leaf(head, frame.context)
            return
        self._open_while(continues=True)
        frame.looping = True
        self._targets[node] = _Target(self._depth, base, len(frame.params))

    def _open_flat(self, frame: _Frame, condition: Expr | None) -> None:
        node = frame.node
        if condition is not None:
            then, otherwise = self._new_leaf(), self._new_leaf()
            frame.leaves = [otherwise]
            self.line(f"pc = {then} if {condition.exact} else {otherwise}")
            self.line("continue")
            self._start_leaf(then, frame.context)
            return
        inner = frame.shape.contexts[0]
        if clauses_of(node):
            frame.caught = f"e{self.ordinal}"
            frame.handler = self._handlers[node] = self._new_leaf()
            frame.leaves = [self._new_leaf() for _ in frame.shape.parts[1:]]
        if inner is not frame.context:
            body = self._new_leaf()
            self._go_to(body)
            self._start_leaf(body, inner)

    # Closing

    def _close_part(self, frame: _Frame) -> None:
        if isinstance(frame.node, Loop):
            self._close_loop(frame)
            return
        if frame.flat:
            self._close_flat(frame)
            return
        if not frame.merged:
            self._frames.pop()
            return
        node = frame.node
        self._finish_part(frame)
        if isinstance(node, If):
            self._pass(frame)
            if self._next_part(frame):
                self.indent = self.indent[:-1]
                self.line("else:")
                self.indent += " "
                frame.mark = len(self.lines)
                return
            self.indent = self.indent[:-1]
            if node.else_items is None:
                self._reached.add(node)
                if frame.results and not self._are_slots(frame.params, frame.base):
                    self.line("else:")
                    self.indent += " "
                    self.to_slots(frame.params, frame.base)
                    self.indent = self.indent[:-1]
        elif clauses_of(node) and not self._close_try(frame):
            return
        if frame.looping:
            self.line("break")
            self._close_while(frame.indent)
        self._leave(frame)

    def _are_slots(self, exprs: Sequence[Expr], first: int) -> bool:
        return all(each.text == f"s{at}" for at, each in enumerate(exprs, first))

    def _pass(self, frame: _Frame) -> None:
        """Python's suites aren't empty."""
        if not any(line and line[0] != "#" for line in self.lines[frame.mark :]):
            self.line("pass")

    def _finish_part(self, frame: _Frame) -> None:
        """Where control falls off the end of a part: the results go where they belong."""
        if self._reachable:
            values = self.pop_many(frame.results)
            self.effect(*values)
            self.to_slots(values, frame.base)
            self._reached.add(frame.node)
        del self.stack[frame.base :]

    def _next_part(self, frame: _Frame) -> bool:
        """Go on with the next sequence, if there is one; the stack is as it is at its start, but
        for what handlers get.
        """
        frame.part += 1
        if frame.part >= len(frame.shape.parts):
            return False
        frame.items = frame.shape.parts[frame.part]
        frame.at = 0
        frame.ordinal = frame.shape.starts[frame.part]
        self._reachable = True
        if isinstance(frame.node, If):
            self.stack += frame.params
        return True

    def _leave(self, frame: _Frame) -> None:
        """Go on behind it, if anything gets there."""
        self._frames.pop()
        self._reachable = frame.node in self._reached
        del self.stack[frame.base :]
        self.stack += [self.variable(f"s{frame.base + at}") for at in range(frame.results)]
        if not self.stack:
            self.rest()

    def _close_loop(self, frame: _Frame) -> None:
        if not frame.shape.targeted:
            self._frames.pop()
            return
        if self._reachable:
            values = self.pop_many(frame.results)
            self.effect(*values)
            self.to_slots(values, frame.base)
        if frame.looping:
            if self._reachable:
                self.line("break")
            self._close_while(frame.indent)
        self._frames.pop()
        del self.stack[frame.base :]
        self.stack += [self.variable(f"s{frame.base + at}") for at in range(frame.results)]

    # Handlers

    def _close_try(self, frame: _Frame) -> bool:
        """Whether all of it is done."""
        node, caught = frame.node, frame.caught
        if frame.part == 0:
            self._pass(frame)
            self.indent = self.indent[:-1]
            self.line("except Thrown as e:")
            self.line(" e.__traceback__ = None")
            self.line(f" {caught} = e")
            self.line(f"if {caught} is not None:")
            self.indent += " "
            if isinstance(node, TryTable):
                self._clauses(node, caught)
                self.indent = self.indent[:-1]
                return True
        else:
            self._pass(frame)
            self.indent = self.indent[:-1]
        if self._next_part(frame):
            clause = node.catches[frame.part - 1]
            self._begin_clause(frame.part - 1, caught, clause.tag)
            frame.mark = len(self.lines)
            if clause.tag is not None:
                self._take_payload(caught, len(clause.tag.params))
            return False
        if node.catches[-1].tag is not None:
            self.line("else:")
            self.line(f" raise {caught}")
        self.indent = self.indent[:-1]
        return True

    def _begin_clause(self, number: int, caught: str, tag: Any) -> None:
        if tag is None:
            self.line("else:" if number else "if True:")
        else:
            which = "elif" if number else "if"
            self.line(f"{which} {caught}.tag is {self.name(f'X{tag._number}')}:")
        self.indent += " "

    def _take_payload(self, caught: str, count: int) -> None:
        """Push what an exception carries."""
        if not count:
            return
        names = []
        for _ in range(count):
            names.append(f"t{self._temps}")
            self._temps += 1
        self.line(f"{', '.join(names)}, = {caught}.values")
        self.stack += map(self.variable, names)

    def _clauses(self, node: TryTable, caught: str) -> None:
        """What a try_table does with an exception: it branches, or lets it go on."""
        height = len(self.stack)
        for number, clause in enumerate(node.clauses):
            self._begin_clause(number, caught, clause.tag)
            if clause.tag is not None:
                self._take_payload(caught, len(clause.tag.params))
            if clause.ref:
                self.stack.append(self.variable(caught))
            self._branch_to(clause.label)
            del self.stack[height:]
            self.indent = self.indent[:-1]
            if clause.tag is None:
                break
        else:
            self.line("else:")
            self.line(f" raise {caught}")

    def _close_flat(self, frame: _Frame) -> None:
        node = frame.node
        self._finish_part(frame)
        if self._reachable:
            self._go_to(frame.end)
        if isinstance(node, If):
            [otherwise] = frame.leaves
            if frame.part == 0:
                self._start_leaf(otherwise, frame.context)
                if self._next_part(frame):
                    return
                self._reached.add(node)
                self.to_slots(frame.params, frame.base)
                self._go_to(frame.end)
        elif isinstance(node, TryTable) and node.clauses:
            self._start_leaf(frame.handler, frame.context)
            self.line(f"{frame.caught} = ex")
            if len(node.clauses) > 12:
                self._many_clauses(node, frame)
            else:
                self._clauses(node, frame.caught)
        elif isinstance(node, Try) and node.catches:
            if frame.part == 0:
                self._start_leaf(frame.handler, frame.context)
                self._dispatch(node, frame)
            if self._next_part(frame):
                self._start_leaf(frame.leaves[frame.part - 1], frame.context)
                clause = node.catches[frame.part - 1]
                if clause.tag is not None:
                    self._take_payload(frame.caught, len(clause.tag.params))
                return
        if node in self._reached:
            self._start_leaf(frame.end, frame.context)
        self._leave(frame)

    def _dispatch(self, node: Try, frame: _Frame) -> None:
        """The leaf that chooses a clause. Of two for one tag the first counts."""
        caught = frame.caught
        self.line(f"{caught} = ex")
        leaves: dict[str, int] = {}
        otherwise = 0
        for clause, leaf in zip(node.catches, frame.leaves, strict=True):
            if clause.tag is None:
                otherwise = leaf
            else:
                leaves.setdefault(self.name(f"X{clause.tag._number}"), leaf)
        self._look_up(leaves, otherwise, caught)

    def _look_up(self, leaves: dict[str, int], otherwise: int, caught: str) -> None:
        shown = ", ".join([f"{tag}: {leaf}" for tag, leaf in leaves.items()])
        self.line(f"pc = {{{shown}}}.get({caught}.tag, {otherwise})")
        if not otherwise:
            self.line(f"if not pc: raise {caught}")
        self.line("continue")

    def _many_clauses(self, node: TryTable, frame: _Frame) -> None:
        """As above, each clause in a leaf of its own."""
        leaves: dict[str, int] = {}
        otherwise = 0
        found = []
        for clause in node.clauses:
            name = "" if clause.tag is None else self.name(f"X{clause.tag._number}")
            if name in leaves:
                continue
            leaf = self._new_leaf()
            found.append((leaf, clause))
            if clause.tag is None:
                otherwise = leaf
                break
            leaves[name] = leaf
        self._look_up(leaves, otherwise, frame.caught)
        for leaf, clause in found:
            self._start_leaf(leaf, frame.context)
            height = len(self.stack)
            if clause.tag is not None:
                self._take_payload(frame.caught, len(clause.tag.params))
            if clause.ref:
                self.stack.append(self.variable(frame.caught))
            self._branch_to(clause.label)
            del self.stack[height:]

    # Branches

    def _branch_to(self, label: Label) -> None:
        """Branch with the operands on the stack, which are gone then if it is the function's."""
        self._reached.add(label)
        if isinstance(label, Body):
            count = len(self.function.func_type.results)
            values = self.stack[len(self.stack) - count :]
            self.line(f"return {', '.join([each.exact for each in values])}")
            return
        target = self._targets[label]
        self.to_slots(self.stack[len(self.stack) - target.arity :], target.height)
        self._jump(target)

    def _branch_if(self, condition: str, label: Label) -> None:
        """A condition that was taken from the stack; operands stay if it isn't met."""
        self.line(f"if {condition}:")
        self.indent += " "
        self._branch_to(label)
        self.indent = self.indent[:-1]

    def _branch(self, item: Node) -> None:
        if isinstance(item, BrIf):
            condition = self.pop()
            self.settle_impure()
            self._branch_if(condition.exact, item.label)
        elif isinstance(item, Br):
            self._last_values(item.label)
            self._branch_to(item.label)
            self._reachable = False
        elif isinstance(item, BrTable):
            self._br_table(item)
            self._reachable = False
        elif isinstance(item, Rethrow):
            self.settle_impure()
            [caught] = [each.caught for each in self._frames if each.node is item.label]
            self.marked(f"raise {caught}")
            self._reachable = False
        elif isinstance(item, BrOn):
            self._br_on(item)
        else:
            assert isinstance(item, Resume)
            raise self._unsupported(item.row.name)

    def _last_values(self, label: Label) -> None:
        """Evaluate what is below the operands of a branch for good."""
        if isinstance(label, Body):
            arity = len(self.function.func_type.results)
        else:
            arity = self._targets[label].arity
        values = self.pop_many(arity)
        self.settle_impure()
        self.stack += values

    def _br_on(self, item: BrOn) -> None:
        name = item.row.name
        if name in ("br_on_null", "br_on_non_null"):
            reference = self.simple(self.pop())
            self.settle_impure()
            if name == "br_on_null":
                self._branch_if(f"{reference.text} is None", item.label)
                self.stack.append(reference)
            else:
                self.stack.append(reference)
                self._branch_if(f"{reference.text} is not None", item.label)
                self.pop()
            return
        flags, _, _, heap = item.immediates
        nullable = bool(flags & 2)
        if "desc" in name:
            wanted = self.simple(self.pop())
            reference = self.simple(self.pop())
            self.settle_impure()
            self.lines.append(f"#{self.ordinal}")
            condition = described(reference.text, wanted.text, nullable)
        else:
            reference = self.simple(self.pop())
            self.settle_impure()
            null = "is None or" if nullable else "is not None and"
            condition = f"{reference.text} {null} {test(self, heap)}({reference.text})"
        self.stack.append(reference)
        failing = name.endswith("_fail")
        self._branch_if(f"not ({condition})" if failing else condition, item.label)

    def _br_table(self, item: BrTable) -> None:
        index = self.pop()
        *labels, default = item.labels
        self._last_values(default)
        if self.stack and not all(each.is_simple for each in self.stack):
            # Each label gets them.
            self.stack.append(index)
            self.settle_all()
            index = self.pop()
        index = self.simple(index)
        leaves = [self._leaf_of(label) for label in (*labels, default)]
        if labels and None not in leaves:
            self._reached.update(item.labels)
            *some, last = leaves
            if len(some) == 1:
                chosen = f"{last} if {index.text} else {some[0]}"
            else:
                chosen = f"{tuple(some)}[{index.text}] if {index.text} < {len(some)} else {last}"
            self.line(f"pc = {chosen}")
            self._leave_for(1)
            return
        # Neighbours that go to the same label are one.
        runs: list[tuple[int, Label]] = []
        for at, label in enumerate(item.labels):
            if not runs or runs[-1][1] is not label:
                runs.append((at, label))
        self._choose_label(index.text, runs)

    def _leaf_of(self, label: Label) -> int | None:
        """The leaf that a branch without operands goes to, if it does."""
        if isinstance(label, Body):
            return None
        target = self._targets[label]
        return None if target.arity else target.pc

    def _choose_label(self, index: str, runs: list[tuple[int, Label]]) -> None:
        if len(runs) == 1:
            self._branch_to(runs[0][1])
            return
        middle = len(runs) // 2
        self.line(f"if {index} < {runs[middle][0]}:")
        self.indent += " "
        self._choose_label(index, runs[:middle])
        self.indent = self.indent[:-1]
        self.line("else:")
        self.indent += " "
        self._choose_label(index, runs[middle:])
        self.indent = self.indent[:-1]


def _choose(lines: list[str], indent: str, leaves: list[tuple[int, list[str]]]) -> None:
    """A tree of comparisons, with a leaf at each end."""
    if len(leaves) == 1:
        for line in leaves[0][1]:
            if line:
                lines.append(line if line[0] == "#" else f"{indent}{line}")
        return
    middle = len(leaves) // 2
    lines.append(f"{indent}if pc < {leaves[middle][0]}:")
    _choose(lines, indent + " ", leaves[:middle])
    lines.append(f"{indent}else:")
    _choose(lines, indent + " ", leaves[middle:])

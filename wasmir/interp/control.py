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

from wasmir.interp.emit import RULES, Expr
from wasmir.interp.jumps import JumpEmitter, Target
from wasmir.interp.shapes import Analysis, Shape, clauses_of
from wasmir.ir.code import (
    Body,
    If,
    Instr,
    Label,
    Loop,
    Structured,
    Try,
    TryTable,
    terminates,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wasmir.interp.program import Program

__all__ = ["FunctionEmitter"]

# From so many on it takes less time to make a place for rounding.
_MANY_ROUNDS = 6

# What Python allows, less what the flat form and the escapes out of loops take.
NESTED = 15
_INDENTED = 60


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


class FunctionEmitter(JumpEmitter):
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
        super().__init__(program, body.function, fuel=fuel, trace=trace)
        self.body = body
        self.analysis = Analysis(body)
        self.assigned = self.analysis.assigned
        loops = any(isinstance(node, Loop) for node in self.analysis.shapes)
        self.has_place = self.analysis.rounds >= (1 if loops else _MANY_ROUNDS)
        self._nested = nested
        self.is_flat = not self._fits(self.analysis.shapes[body])
        self._frames: list[_Frame] = []
        # What is left at its end by who goes further out.
        self._fallen: set[Label] = set()

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
        if self.has_place:
            lines.append(" v = place()")
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
            lines += [
                f" {' = '.join(names[start : start + 50])} = {value}"
                for start in range(0, len(names), 50)
            ]
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

    def _return(self) -> None:
        values = self.pop_many(len(self.function.func_type.results))
        self.effect(*values)
        self.line(f"return {', '.join([each.exact for each in values])}")
        self._reachable = False

    def _falls_to(self, label: Label) -> bool:
        frames = self._frames
        at = len(frames) - 1
        while not frames[at].looping:
            if not at:
                return False
            at -= 1
        if isinstance(label, Loop) or frames[at].node is label or frames[at].results:
            return False
        passed: list[Label] = []
        while True:
            at -= 1
            frame = frames[at]
            if frame.flat or frame.results or frame.at < len(frame.items):
                return False
            if frame.node is label:
                self._fallen.update(passed)
                return True
            if not at:
                return False
            passed.append(frame.node)

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
            self._targets[node] = Target(1, base, arity, frame.end)
            self._open_flat(frame, condition)
            return
        frame.merged = shape.targeted or isinstance(node, If) or bool(clauses_of(node))
        if shape.targeted:
            self._open_while(continues=False)
            frame.looping = True
            self._targets[node] = Target(self._depth, base, arity)
        if condition is not None:
            self.line(f"if {condition.exact}:")
            self.indent += " "
        elif clauses_of(node):
            frame.caught = self._caught[node] = f"e{self.ordinal}"
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
            self._targets[node] = Target(1, base, len(frame.params), head)
            self._go_to(head)
            self._start_leaf(head, frame.context)
            return
        self._open_while(continues=True)
        frame.looping = True
        self._targets[node] = Target(self._depth, base, len(frame.params))

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
            frame.caught = self._caught[node] = f"e{self.ordinal}"
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
            if self._reachable or frame.node in self._fallen:
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
        self.line(f"to = {{{shown}}}.get({caught}.tag, {otherwise})")
        if not otherwise:
            # While `pc` is still that of this leaf: it says what catches.
            self.line(f"if not to: raise {caught}")
        self.line("pc = to")
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

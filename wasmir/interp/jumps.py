"""Branches, in both forms that :mod:`wasmir.interp.control` tells of: how to get from one place of
a function to another in Python, which has no goto.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wasmir.errors import UnsupportedError
from wasmir.interp.emit import Emitter
from wasmir.interp.gc import described, test
from wasmir.ir.code import Body, Br, BrIf, BrOn, BrTable, Label, Node, Resume, Rethrow
from wasmir.isa.table import BY_NAME

if TYPE_CHECKING:
    from wasmir.interp.program import Program
    from wasmir.ir.function import Function

__all__ = ["JumpEmitter", "Target"]


class Target:
    """Where a branch goes: to the ``while`` at a depth, to the leaf ``pc`` if that is the flat one.

    ``height`` is where on the stack the label's operands go, ``arity`` how many there are.
    """

    __slots__ = ("arity", "depth", "height", "pc")

    def __init__(self, depth: int, height: int, arity: int, pc: int | None = None) -> None:
        self.depth = depth
        self.height = height
        self.arity = arity
        self.pc = pc


class JumpEmitter(Emitter):
    """Emits branches."""

    def __init__(self, program: Program, function: Function, *, fuel: bool, trace: bool) -> None:
        super().__init__(program, function._number, fuel=fuel, trace=trace)
        self.function = function
        self._targets: dict[Label, Target] = {}
        # The variables for what trys caught.
        self._caught: dict[Label, str] = {}
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

    def _unsupported(self, name: str) -> UnsupportedError:
        row = BY_NAME[name]
        return UnsupportedError(f"{name} ({row.proposal}) can't be evaluated", str(self.function))

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

    def _jump(self, target: Target) -> None:
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
        if target.pc is None and not target.arity and self._falls_to(label):
            self.line("break")
        else:
            self._jump(target)

    def _falls_to(self, label: Label) -> bool:
        """Whether whoever leaves the innermost ``while`` comes to the end of a label's instruction
        all the same. :class:`~wasmir.interp.control.FunctionEmitter` knows.
        """
        raise NotImplementedError

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
            caught = self._caught[item.label]
            self.marked(f"raise {caught}")
            self._reachable = False
        elif isinstance(item, BrOn):
            self._br_on(item)
        elif isinstance(item, Resume):
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
        lines += [line if line[0] == "#" else f"{indent}{line}" for line in leaves[0][1] if line]
        return
    middle = len(leaves) // 2
    lines.append(f"{indent}if pc < {leaves[middle][0]}:")
    _choose(lines, indent + " ", leaves[:middle])
    lines.append(f"{indent}else:")
    _choose(lines, indent + " ", leaves[middle:])

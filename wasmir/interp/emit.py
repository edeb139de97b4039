"""Straight-line code to Python source: expressions on an operand stack of pieces of text.

Nothing is evaluated when it is pushed: what stands on the stack while code is emitted is the text
of an expression, and only what has an effect becomes a statement, with its operands' text inside.
What was pushed before must still be evaluated before. So an expression that can trap, or that reads
what can change (*impure*), is assigned to a variable before any statement with such a thing in it;
and one that reads a local, before that is assigned to.

Integers are unsigned. Sums and the like may be *wide*, right in their lowest 32 or 64 bits only;
they are masked where a consumer needs all of the value.

Measured on the programs of ``tests.bench.interp``, and left because Python takes as long: locals of
the function's own for the memory and what is called, and addresses of which it is known that they
don't overflow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wasmir.interp.program import Program
    from wasmir.types import FuncType

__all__ = ["RULES", "Emitter", "Expr", "rule"]

# Parentheses within parentheses cost the parser of Python stack, of which there is an end.
_DEEPEST = 16

# More bits than any integer has.
UNKNOWN = 1 << 10

MASKS = {32: "4294967295", 64: "18446744073709551615"}
_NOTHING: frozenset[str] = frozenset()


class Expr:
    """The text of an expression.

    ``variables`` are those that it reads; ``wide`` is 0, or how many bits of it count; ``const``
    is its value where that is known. Integers are less than ``1 << bits``, once they are masked if
    they are wide. ``narrow`` is the text of a wide one's exact value where there is a better way to
    it than masking.
    """

    __slots__ = ("bits", "const", "depth", "impure", "narrow", "text", "variables", "wide")

    def __init__(
        self,
        text: str,
        variables: frozenset[str] = _NOTHING,
        *,
        impure: bool = False,
        wide: int = 0,
        depth: int = 0,
        const: int | None = None,
        bits: int = UNKNOWN,
        narrow: str = "",
    ) -> None:
        self.text = text
        self.variables = variables
        self.impure = impure
        self.wide = wide
        self.depth = depth
        self.const = const
        self.bits = bits
        self.narrow = narrow

    @property
    def exact(self) -> str:
        """The text, masked where it has to be."""
        if not self.wide:
            return self.text
        return self.narrow or f"({self.text} & {MASKS[self.wide]})"

    def fits(self, bits: int) -> bool:
        """Whether its text is known to give an integer of so many bits."""
        return self.bits <= bits and not self.wide

    @property
    def is_simple(self) -> bool:
        """Whether it may be written down twice."""
        return not self.depth and not self.impure


def constant(value: int) -> Expr:
    return Expr(str(value), const=value, bits=value.bit_length())


class Emitter:
    """The source of one function, as far as it is straight."""

    def __init__(self, program: Program, number: int, *, fuel: bool, trace: bool) -> None:
        self.program = program
        #: The function's code number.
        self.number = number
        self.fuel = fuel
        self.trace = trace
        self.lines: list[str] = []
        self.indent = ""
        self.stack: list[Expr] = []
        #: The number of the instruction that is being emitted, in wire order.
        self.ordinal = 0
        #: Locals that something is assigned to.
        self.assigned: set[str] = set()
        #: Names of the program's namespace that the source mentions.
        self.names: set[str] = set()
        self.tails = False
        #: Whether the function has a place in memory, ``v``, where doubles become f32.
        self.has_place = False
        self._temps = 0
        self._variables: dict[str, Expr] = {}
        # What is known of locals until control flow divides or meets: how many bits their values
        # have, and which of them stand in a variable twice, one after the other.
        self._bits: dict[str, int] = {}
        self._doubled: set[str] = set()
        # Where the fuel for the instructions of the current segment is to be taken, and how many.
        self._segment: int | None = None
        self._segment_indent = ""
        self._count = 0

    # Text

    def line(self, text: str) -> None:
        self.lines.append(self.indent + text)

    def marked(self, text: str) -> None:
        """A statement in which something can happen that tells its place."""
        self.lines.append(f"#{self.ordinal}")
        self.lines.append(self.indent + text)

    def name(self, name: str) -> str:
        self.names.add(name)
        return name

    # The stack

    def variable(self, name: str) -> Expr:
        found = self._variables.get(name)
        if found is None:
            found = self._variables[name] = Expr(name, frozenset({name}))
        return found

    def local(self, name: str) -> Expr:
        """A local, with what is known of it here."""
        bits = self._bits.get(name)
        if bits is None:
            return self.variable(name)
        return Expr(name, frozenset((name,)), bits=bits)

    def rounded(self, text: str, *operands: Expr) -> None:
        """Push the f32 that is nearest to an f64, given as with :meth:`op`."""
        if not self.has_place:
            self.op(f"round32({text})", *operands)
            return
        self.op(text, *operands)
        exact = self.pop()
        self.order(exact)
        self.line(f"v[0] = {exact.text}")
        self.stack.append(self.settled(Expr("v[0]")))

    def doubled(self, local: Expr, width: int) -> Expr:
        """A local's value twice, one after the other, in a variable."""
        name = f"d{width}{local.text}"
        if name not in self._doubled:
            self.settle_readers(name)
            self.line(f"{name} = {local.text} * {(1 << width) + 1}")
            self._doubled.add(name)
        return self.variable(name)

    def push(self, expr: Expr) -> None:
        if expr.depth > _DEEPEST or (self.trace and not expr.is_simple):
            expr = self.settled(expr)
        self.stack.append(expr)

    def pop(self) -> Expr:
        return self.stack.pop()

    def pop_many(self, count: int) -> list[Expr]:
        if not count:
            return []
        found = self.stack[-count:]
        del self.stack[-count:]
        return found

    def op(
        self,
        template: str,
        *operands: Expr,
        impure: bool = False,
        wide: int = 0,
        bits: int = UNKNOWN,
        narrow: str = "",
    ) -> None:
        """Push an expression made of operands, of which the template has the text."""
        if len(operands) == 1:
            [only] = operands
            variables, depth = only.variables, only.depth
            impure = impure or only.impure
        else:
            variables, depth = _NOTHING, 0
            for each in operands:
                variables = variables | each.variables if variables else each.variables
                depth = max(depth, each.depth)
                impure = impure or each.impure
        self.push(
            Expr(
                template,
                variables,
                impure=impure,
                wide=wide,
                depth=depth + 1,
                bits=bits,
                narrow=narrow,
            )
        )

    def trapping(self, text: str, *operands: Expr, wide: int = 0, bits: int = UNKNOWN) -> None:
        """Push an expression that can trap: it begins on a line of its own, below its place."""
        self.op(f"(\n#{self.ordinal}\n{text}", *operands, impure=True, wide=wide, bits=bits)

    def reading(self, text: str, *operands: Expr) -> None:
        """Push an expression that reads what statements can change, and can't trap."""
        self.op(text, *operands, impure=True)

    def settled(self, expr: Expr) -> Expr:
        """The value, in a variable that nothing else is assigned to while it is on the stack."""
        self.order(expr)
        name = f"t{self._temps}"
        self._temps += 1
        self.line(f"{name} = {expr.exact}")
        return Expr(name, frozenset((name,)), bits=expr.bits)

    def simple(self, expr: Expr) -> Expr:
        """The same, to be written down several times."""
        return expr if expr.is_simple and not expr.wide else self.settled(expr)

    def order(self, *exprs: Expr) -> None:
        """Before expressions that were taken from the stack are evaluated in a statement: evaluate
        what must come before them.
        """
        if any(each.impure for each in exprs):
            self.settle_impure()

    def settle_impure(self) -> None:
        stack = self.stack
        for at, each in enumerate(stack):
            if each.impure:
                # Those below are pure by now.
                each.impure = False
                stack[at] = self.settled(each)

    def settle_readers(self, name: str) -> None:
        """Before a variable is assigned to."""
        stack = self.stack
        for at, each in enumerate(stack):
            if name in each.variables:
                if each.impure:
                    self.settle_impure()
                    each = stack[at]  # noqa: PLW2901 - it is another one now
                    if name not in each.variables:
                        continue
                stack[at] = self.settled(each)

    def is_stable(self, at: int) -> bool:
        """Whether what stands there may be evaluated at any time, as often as one likes."""
        expr = self.stack[at]
        if expr.impure:
            return False
        for name in expr.variables:
            if name[0] == "s":
                if expr.text != f"s{at}":
                    return False
            elif name in self.assigned or name[0] == "d":
                return False
        return True

    def settle_all(self) -> None:
        """Before control flow: all that can change is evaluated."""
        self.settle_impure()
        for at in range(len(self.stack)):
            if not self.is_stable(at):
                self.stack[at] = self.settled(self.stack[at])

    def statement(self, text: str, *operands: Expr) -> None:
        """A statement with an effect, of operands that were popped."""
        self.effect(*operands)
        self.marked(text)
        self.rest()

    def effect(self, *operands: Expr) -> None:
        """Before a statement with an effect: what reads state is evaluated."""
        del operands
        self.settle_impure()

    def rest(self) -> None:
        """Where the stack is empty all temporary variables are free again."""
        if not self.stack:
            self._temps = 0

    def assign(self, name: str, expr: Expr) -> None:
        """Give a local a value."""
        self.order(expr)
        self.settle_readers(name)
        self.line(f"{name} = {expr.exact}")
        self._doubled -= {f"d32{name}", f"d64{name}"}
        if expr.bits < UNKNOWN:
            self._bits[name] = expr.bits
        else:
            self._bits.pop(name, None)
        self.rest()

    def to_slots(self, exprs: Iterable[Expr], first: int) -> None:
        """Assign to the variables that stand for places of the stack where control flow meets."""
        targets, values = [], []
        for at, expr in enumerate(exprs, first):
            name = f"s{at}"
            if expr.text != name:
                targets.append(name)
                values.append(expr.exact)
        if targets:
            self.line(f"{', '.join(targets)} = {', '.join(values)}")

    # Calls

    def call(self, function: str, type_: FuncType, *also: Expr) -> None:
        """A call with the operands on the stack; ``also`` was popped already, and is part of
        ``function``.
        """
        args = self.pop_many(len(type_.params))
        self.effect(*args, *also)
        call = f"{function}({', '.join([each.exact for each in args])})"
        count = len(type_.results)
        if not count:
            self.marked(call)
            self.rest()
            return
        names = []
        for _ in range(count):
            names.append(f"t{self._temps}")
            self._temps += 1
        self.marked(f"{', '.join(names)} = {call}")
        self.stack.extend(map(self.variable, names))

    # Segments, for fuel and traces

    def end_segment(self) -> None:
        """Here control flow divides, or comes from elsewhere as well."""
        at = self._segment
        if at is not None:
            self.lines[at : at + 2] = (
                f"{self._segment_indent}F.left -= {self._count}",
                f"{self._segment_indent}if F.left < 0: starve()",
            )
        self._segment = None
        self._count = 0
        self._bits.clear()
        self._doubled.clear()

    def count(self) -> None:
        """An instruction comes."""
        if self.fuel:
            if self._segment is None:
                self.lines.append(f"#{self.ordinal}")
                self._segment = len(self.lines)
                self._segment_indent = self.indent
                self.lines += ("", "")
            self._count += 1
        if self.trace:
            self.settle_impure()
            self.line(f"trace({self.number}, {self.ordinal})")


RULES: dict[str, Callable[[Emitter, tuple[Any, ...]], None]] = {}
"""How each straight-line instruction is emitted, by the name of its row; immediates as the IR has
them."""


def rule(
    *names: str,
) -> Callable[
    [Callable[[Emitter, tuple[Any, ...]], None]], Callable[[Emitter, tuple[Any, ...]], None]
]:
    """Register how instructions are emitted."""

    def register(
        handler: Callable[[Emitter, tuple[Any, ...]], None],
    ) -> Callable[[Emitter, tuple[Any, ...]], None]:
        for name in names:
            RULES[name] = handler
        return handler

    return register

"""The operand stack, as states of an automaton that grows while code is checked.

A stack is an immutable chain of types, one object for each content; what an instruction does to it
is worked out once and remembered in it, by instruction. A large module has millions of instructions
and some thousand stacks, so nearly always ``stack[instruction]`` is all there is to do, and
``functools.reduce`` does that for a whole body without running Python code.

A block begins with a stack of its own: what is below can't be reached from inside, so how deep
blocks are nested makes no new stacks.

Source: specification, Appendix, "Validation Algorithm".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from wasmir.errors import InvalidError, UnsupportedError
from wasmir.types import RefType
from wasmir.validate.subtyping import Bottom, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wasmir.types import ValType
    from wasmir.validate.subtyping import OperandType, Subtyping

__all__ = [
    "Action",
    "Frame",
    "Label",
    "Leaving",
    "Operands",
    "Ruled",
    "Shape",
    "Signature",
    "Stack",
    "Stacks",
]

HIGHEST = 1_000_000
"""More operands than any engine allows instructions in a function, and what stays affordable."""


class Stack(dict[Any, "Stack"]):
    """Operand types above the bottom of a block, and where each action leads from here.

    The bottom is the one without ``below``; where it is ``unreachable`` there is anything below.
    """

    __slots__ = ("_pushed", "below", "height", "home", "top", "unreachable")

    def __init__(
        self, home: Stacks, below: Stack | None, top: OperandType, *, unreachable: bool
    ) -> None:
        super().__init__()
        self.home = home
        self.below = below
        self.top = top
        self.unreachable = unreachable
        self.height: int = 0 if below is None else below.height + 1
        # Stacks with one operand more, by its type.
        self._pushed: dict[OperandType, Stack] | None = None

    def __missing__(self, action: Action) -> Stack:
        return action(self)

    def pushed(self, type_: OperandType) -> Stack:
        known = self._pushed
        if known is None:
            known = self._pushed = {}
        found = known.get(type_)
        if found is None:
            if self.height >= HIGHEST:
                raise UnsupportedError(f"more than {HIGHEST:,} operands on the stack")
            found = known[type_] = Stack(self.home, self, type_, unreachable=self.unreachable)
            self.home.count += 1
        return found

    def types(self, limit: int | None = None) -> list[OperandType]:
        """The operands' types, the top last; at most that many, from the top."""
        found: list[OperandType] = []
        stack = self
        while stack.below is not None and (limit is None or len(found) < limit):
            found.append(stack.top)
            stack = stack.below
        return found[::-1]

    # By identity, as no two have the same content.
    __hash__ = object.__hash__  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    def __repr__(self) -> str:
        return f"<stack {shown(self.types())}{' unreachable' if self.unreachable else ''}>"


Action: TypeAlias = Callable[[Stack], Stack]
"""What an instruction does to the operand stack; remembered in the stack, or not."""


Frame: TypeAlias = "tuple[Stack, Shape, Label, str, int]"
"""What is open: the stack outside, the block's shape, its label, what it is, and how many locals
without a default were set when it began. A plain tuple, because there are hundreds of thousands."""


class Stacks:
    """All stacks of one module."""

    def __init__(self, types: Subtyping) -> None:
        self.types = types
        self.count = 0
        self.empty = Stack(self, None, Bottom.ANY, unreachable=False)
        self.unreachable = Stack(self, None, Bottom.ANY, unreachable=True)
        self._signatures: dict[Any, Signature] = {}
        self._labels: dict[tuple[ValType, ...], Label] = {}
        self._shapes: dict[Any, Shape] = {}

    def signature(self, params: tuple[ValType, ...], results: tuple[OperandType, ...]) -> Signature:
        """The one action that takes and gives operands of these types."""
        found = self._signatures.get((params, results))
        if found is None:
            found = self._signatures[params, results] = Signature(self, params, results)
        return found

    def leaving(self, params: tuple[ValType, ...]) -> Signature:
        """The one that takes operands of these types, and never goes on."""
        found = self._signatures.get(params)
        if found is None:
            found = self._signatures[params] = Leaving(self, params, ())
        return found

    def label(self, types: tuple[ValType, ...]) -> Label:
        found = self._labels.get(types)
        if found is None:
            found = self._labels[types] = Label(self, types)
        return found

    def shape(self, params: tuple[ValType, ...], results: tuple[ValType, ...]) -> Shape:
        found = self._shapes.get((params, results))
        if found is None:
            found = self._shapes[params, results] = Shape(self, params, results)
        return found


def mismatch(expected: Sequence[object], stack: Stack) -> InvalidError:
    found = shown(stack.types(len(expected)))
    return InvalidError(
        f"type mismatch: instruction requires {shown(expected)} but stack has {found}"
    )


class Signature:
    """``[params] -> [results]``."""

    __slots__ = ("home", "params", "results")

    def __init__(
        self, home: Stacks, params: tuple[ValType, ...], results: tuple[OperandType, ...]
    ) -> None:
        self.home = home
        self.params = params
        self.results = results

    def taken(self, stack: Stack) -> Stack:
        """Without the parameters."""
        matches = self.home.types.matches
        after = stack
        for expected in reversed(self.params):
            if after.below is None:
                if after.unreachable:
                    continue
                raise mismatch(self.params, stack)
            if after.top is not expected and not matches(after.top, expected):
                raise mismatch(self.params, stack)
            after = after.below
        return after

    def __call__(self, stack: Stack) -> Stack:
        after = self.taken(stack)
        for type_ in self.results:
            after = after.pushed(type_)
        stack[self] = after
        return after


class Leaving(Signature):
    """Control never comes behind it."""

    __slots__ = ()

    def __call__(self, stack: Stack) -> Stack:
        self.taken(stack)
        after = stack[self] = self.home.unreachable
        return after


class Finishing(Signature):
    """The end of a block: the parameters are its results, and all that may be left."""

    __slots__ = ()

    def __call__(self, stack: Stack) -> Stack:
        after = self.taken(stack)
        if after.below is not None:
            raise InvalidError(
                f"type mismatch: block requires {shown(self.params)} but stack has "
                f"{shown(stack.types())}"
            )
        stack[self] = stack
        return stack


class Operands:
    """An operand stack that a rule works on."""

    __slots__ = ("stack", "start")

    def __init__(self, stack: Stack) -> None:
        self.start = stack
        self.stack = stack

    def any(self) -> OperandType:
        """Take one operand, whatever its type."""
        stack = self.stack
        if stack.below is None:
            if stack.unreachable:
                return Bottom.ANY
            raise InvalidError("type mismatch: instruction requires [any] but stack has []")
        self.stack = stack.below
        return stack.top

    def pop(self, *types: ValType) -> OperandType:
        """Take operands of these types, the last of which is on top; what the lowest was."""
        found: OperandType = Bottom.ANY
        matches = self.start.home.types.matches
        for expected in reversed(types):
            before = self.stack
            if before.below is None and not before.unreachable:
                raise mismatch(types, self.start)
            found = self.any()
            if not matches(found, expected):
                raise mismatch(types, self.start)
        return found

    def ref(self) -> RefType | Bottom:
        """Take a reference."""
        found = self.any()
        if isinstance(found, (RefType, Bottom)):
            return found
        raise InvalidError(
            f"type mismatch: instruction requires [ref] but stack has {shown([found])}"
        )

    def push(self, *types: OperandType) -> None:
        for type_ in types:
            self.stack = self.stack.pushed(type_)


class Ruled:
    """What depends on the stack, worked out by a rule."""

    __slots__ = ("_work",)

    def __init__(self, work: Callable[[Operands], None]) -> None:
        self._work = work

    def __call__(self, stack: Stack) -> Stack:
        operands = Operands(stack)
        self._work(operands)
        after = stack[self] = operands.stack
        return after


class Label:
    """What a branch to a label takes."""

    __slots__ = ("accepted", "br", "br_if", "home", "probe", "rules", "types")

    def __init__(self, home: Stacks, types: tuple[ValType, ...]) -> None:
        from wasmir.types import NumType

        self.home = home
        self.types = types
        self.br = home.leaving(types)
        self.br_if = home.signature((*types, NumType.I32), types)
        #: That the operands are there, which stay.
        self.probe = Probe(home, types, ())
        #: What has been found to fit, such as catch clauses.
        self.accepted: set[Any] = set()
        #: Actions of branches on references, by what they are.
        self.rules: dict[Any, Action] = {}


class Probe(Signature):
    """The parameters must be there, and stay."""

    __slots__ = ()

    def __call__(self, stack: Stack) -> Stack:
        self.taken(stack)
        stack[self] = stack
        return stack


class Shape:
    """What comes of a block's type."""

    __slots__ = (
        "else_less",
        "end",
        "enter",
        "enter_if",
        "finish",
        "label",
        "leave",
        "loop_label",
        "params",
        "results",
        "start",
    )

    def __init__(
        self, home: Stacks, params: tuple[ValType, ...], results: tuple[ValType, ...]
    ) -> None:
        from wasmir.types import NumType

        self.params = params
        self.results = results
        #: What the opening takes from the stack outside; ``None`` for nothing.
        self.enter = home.signature(params, ()) if params else None
        self.enter_if = home.signature((*params, NumType.I32), ())
        #: The stack inside at first, and at last.
        self.start = home.empty
        for type_ in params:
            self.start = self.start.pushed(type_)
        self.end = home.empty
        for type_ in results:
            self.end = self.end.pushed(type_)
        self.finish = Finishing(home, results, ())
        #: What comes on the stack outside; ``None`` for nothing.
        self.leave = home.signature((), results) if results else None
        self.label = home.label(results)
        self.loop_label = home.label(params)
        #: Whether an ``if`` may do without an ``else``.
        self.else_less = home.types.all_match(params, results)

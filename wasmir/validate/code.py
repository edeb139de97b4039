"""Function bodies: split into tokens, each of which is an action on the operand stack.

What a token does is worked out once per module, by its row or its rule; from then on a body is a
loop over dictionaries, which runs in C (see :mod:`wasmir.validate.stack`). Locals have the types
that each function gives them, so their tokens are given a meaning anew for each function.

Source: specification, Appendix, "Validation Algorithm".
"""

from __future__ import annotations

from bisect import bisect_right
from functools import reduce
from itertools import accumulate
from operator import getitem
from typing import TYPE_CHECKING, Any

from wasmir.errors import InvalidError, MalformedError, WasmError
from wasmir.features import CUSTOM_DESCRIPTORS
from wasmir.isa import tokens
from wasmir.isa.kinds import MemArg
from wasmir.isa.strict import decode_one
from wasmir.isa.table import BY_NAME, AddressOf, Row
from wasmir.types import NumType, RefType, decode_value_type
from wasmir.validate.context import Context
from wasmir.validate.control import FUNCTION
from wasmir.validate.rules import RULES
from wasmir.validate.stack import Stack
from wasmir.validate.subtyping import Bottom, named
from wasmir.wire import Reader, encode_unsigned, short_integer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wasmir.features import Feature
    from wasmir.ir.function import Function
    from wasmir.ir.module import Module
    from wasmir.ir.type import Type
    from wasmir.types import ValType
    from wasmir.validate.report import Trace
    from wasmir.validate.stack import Action, Frame, Stacks

__all__ = ["Code"]

_LOCAL_OPCODES = [BY_NAME[name].opcode for name in ("local.get", "local.set", "local.tee")]
_END_EXPECTED = "unexpected end of section or function: END opcode expected"
PREPARED = 512
"""As many locals have their tokens at hand; the others are looked up where they occur."""
_LOCAL_TOKENS = [
    opcode + encode_unsigned(number) for number in range(PREPARED) for opcode in _LOCAL_OPCODES
]
_DIALECTS = {
    **{BY_NAME[name]: "legacy" for name in ("try", "catch", "catch_all", "delegate", "rethrow")},
    **{BY_NAME[name]: "exnref" for name in ("try_table", "throw_ref")},
}


class Locals:
    """The locals of functions with one type and one declaration."""

    __slots__ = ("ends", "entries", "prepared", "shape", "tracked", "types")

    def __init__(self, code: Code, type_: Type, groups: list[tuple[int, ValType]]) -> None:
        func = type_.func
        if func is None:
            raise InvalidError(f"type mismatch: type {type_} is no function type")
        func = code.types.func(func)
        params = len(func.params)
        self.shape = code.stacks.shape((), func.results)
        self.types = [*func.params, *(type_ for count, type_ in groups if count)]
        counts = [*[1] * params, *(count for count, _ in groups if count)]
        #: Where each of the types ends, by index of locals.
        self.ends = list(accumulate(counts))
        #: The groups of locals that have no default, from the first to behind the last.
        self.tracked = [
            (self.ends[at] - counts[at], self.ends[at])
            for at, each in enumerate(self.types)
            if at >= params and isinstance(each, RefType) and not each.nullable
        ]
        self.prepared = min(self.ends[-1] if self.ends else 0, PREPARED)
        #: What the tokens of the first ones do; ``None`` where that isn't known beforehand.
        self.entries: dict[bytes, Action] | None = {}
        if self.tracked:
            self.entries = None
            return
        actions: list[Action] = []
        for each, count in zip(self.types, counts, strict=True):
            actions += code.local_actions(each) * min(count, PREPARED)
        self.entries = dict(zip(_LOCAL_TOKENS[: 3 * self.prepared], actions, strict=False))

    def at(self, number: int) -> ValType:
        found = bisect_right(self.ends, number)
        if found == len(self.ends):
            raise InvalidError(f"unknown local {number}")
        return self.types[found]


class Code(Context):
    """What checks function bodies, one after the other."""

    def __init__(self, module: Module, features: frozenset[Feature]) -> None:
        super().__init__(module, features)
        #: What is open, the function first.
        self.frames: list[Frame] = []
        #: Where the last ``end`` leads.
        self.done: Stack = _Done(self.stacks)
        #: The locals without a default that are set here, and the order in which they were.
        self.initialized: set[int] = set()
        self.order: list[int] = []
        #: The exception handling dialects that were seen, by name.
        self.dialects: set[str] = set()
        self.tokens = Tokens(self)
        self._split = tokens.split()
        self._locals: dict[tuple[Type, bytes], Locals] = {}
        self._current: Locals | None = None
        self._local_actions: dict[ValType, tuple[Action, Action, Action]] = {}
        # How many locals have entries now; and entries that hold for the present function only.
        self._entered = 0
        self._temporary: list[bytes] = []

    # Locals

    def local_actions(self, type_: ValType) -> tuple[Action, Action, Action]:
        """What getting, setting and teeing a local of a type do."""
        found = self._local_actions.get(type_)
        if found is None:
            signature = self.stacks.signature
            found = self._local_actions[type_] = (
                signature((), (type_,)),
                signature((type_,), ()),
                signature((type_,), (type_,)),
            )
        return found

    def local(self, number: int) -> ValType:
        """The type of a local of the present function. Raises InvalidError."""
        self.passing = True
        if self._current is None:
            raise InvalidError(f"unknown local {number}")
        return self._current.at(number)

    def is_tracked(self, number: int) -> bool:
        """Whether a local has no default, so that it must be set first."""
        if self._current is None:
            return False
        return any(start <= number < end for start, end in self._current.tracked)

    def forget(self, kept: int) -> None:
        """Locals that were set in a block aren't behind it."""
        while len(self.order) > kept:
            self.initialized.discard(self.order.pop())

    def _enter(self, locals_: Locals | None) -> None:
        """Give the tokens of locals their meaning."""
        meaning = self.tokens
        for token in self._temporary:
            meaning.pop(token, None)
        self._temporary.clear()
        if locals_ is self._current and locals_ is not None:
            return
        before, self._current = self._entered, locals_
        now = 0
        if locals_ is not None and locals_.entries is not None:
            now = locals_.prepared
            meaning.update(locals_.entries)
        for token in _LOCAL_TOKENS[3 * now : 3 * before]:
            del meaning[token]
        self._entered = now

    def note_passing(self, token: bytes) -> None:
        self._temporary.append(token)

    def _locals_of(self, type_: Type, declared: bytes, offset: int) -> Locals:
        key = type_, declared
        found = self._locals.get(key)
        if found is None:
            tokens.count_locals(declared, offset)
            reader = Reader(declared)
            groups = [
                (reader.u32(), self.value(decode_value_type(reader))) for _ in range(reader.count())
            ]
            found = self._locals[key] = Locals(self, type_, groups)
        return found

    # Bodies

    def check(self, function: Function) -> None:
        """Check a function's body. Raises MalformedError, InvalidError."""
        if function.is_raw:
            data, start, end = self.module.source, function._start, function._end
        else:
            data = function.code
            start, end = 0, len(data)
        self.function = function
        try:
            pos = tokens.skip_locals(data, start, end)
            locals_ = self._locals_of(function.type, data[start:pos], start)
        except WasmError as error:
            self._trace(function).fail(error, 0)
        try:
            stack = self._begin(locals_)
            found = self._split(data, pos, end)
            if found and not found[-1]:
                for portion in tokens.split_whole(data, pos, end):
                    stack = reduce(getitem, map(self.tokens.__getitem__, portion), stack)
            else:
                stack = reduce(getitem, map(self.tokens.__getitem__, found), stack)
            if stack is not self.done:
                raise MalformedError(_END_EXPECTED, end - pos)
        except (WasmError, IndexError):
            self._explain(self._trace(function), locals_, data, pos, end)

    def _begin(self, locals_: Locals) -> Stack:
        self._enter(locals_)
        self.frames.clear()
        self.initialized.clear()
        self.order.clear()
        shape = locals_.shape
        empty = self.stacks.empty
        self.frames.append((empty, shape, shape.label, FUNCTION, 0))
        return empty

    def _trace(self, function: Function) -> Trace:
        from wasmir.validate.report import Trace

        return Trace(self, function)

    def _explain(self, trace: Trace, locals_: Locals, data: bytes, pos: int, end: int) -> None:
        """Go through the body once more, slowly, and raise the error with where it is."""
        stack = self._begin(locals_)
        for token in self._tokens_or_fail(trace, data, pos, end):
            trace.at(pos, token)
            try:
                stack = stack[self.tokens[token]]
            except (WasmError, IndexError) as again:
                trace.fail(again, pos)
            pos += len(token)
            trace.passed()
        trace.fail(MalformedError(_END_EXPECTED, 0), end)

    def _tokens_or_fail(self, trace: Trace, data: bytes, pos: int, end: int) -> Iterator[bytes]:
        try:
            for portion in tokens.split_whole(data, pos, end):
                yield from portion
        except MalformedError as error:
            # What can't be split says itself where it is.
            trace.fail(error, 0)

    # Constant expressions

    def check_constant(self, code: bytes, wanted: ValType, visible: int) -> None:
        """Check a constant expression, which may get the first so many globals."""
        from wasmir.validate.constant import check_token

        self.function = None
        self._enter(None)
        stack = self.stacks.empty
        for portion in tokens.split_whole(code, 0, len(code)):
            for token in portion:
                check_token(self, token, visible)
                stack = stack[self.tokens[token]]
        _ = stack[self.stacks.shape((), (wanted,)).finish]

    # Instructions

    def check_cast(self, source: RefType, target: RefType) -> None:
        """That a branch on a cast goes from a type to one below, or with custom-descriptors
        anywhere in the hierarchy.
        """
        if CUSTOM_DESCRIPTORS in self.features:
            fits = self.types.top(source.heap) is self.types.top(target.heap)
        else:
            fits = self.types.matches(target, source)
        if not fits:
            raise InvalidError(f"type mismatch: {named(source)} can't be cast to {named(target)}")

    def action(self, row: Row, values: tuple[Any, ...]) -> Action:
        """What an instruction does."""
        if row.proposal not in self.features:
            self.require(row.proposal, row.name)
        dialect = _DIALECTS.get(row)
        if dialect is not None:
            self.dialects.add(dialect)
        if row.rule is not None:
            return RULES[row.rule](self, *values)
        addresses: dict[int, NumType] = {}
        for place, (immediate, value) in enumerate(zip(row.immediates, values, strict=True)):
            kind = immediate.kind
            if isinstance(value, MemArg):
                addresses[place] = self.check_memarg(row, kind, value)
            elif kind.space in ("memory", "table"):
                addresses[place] = self.address(kind.space, value)
            elif kind.space is not None and kind.space != "data":
                self.at(kind.space, value)
            elif kind.bound is not None:
                self.check_lanes(kind, value if isinstance(value, bytes) else (value,))
        # Behind the memory, as the specification has it.
        for immediate, value in zip(row.immediates, values, strict=True):
            if immediate.kind.space == "data":
                self.check_data(value)
        params, results = row.params or (), row.results or ()
        return self.stacks.signature(
            tuple(_entry(each, addresses) for each in params),
            tuple(_entry(each, addresses) for each in results),
        )


def _entry(entry: Any, addresses: dict[int, NumType]) -> ValType:
    """An entry of a row's type."""
    if not isinstance(entry, AddressOf):
        known: ValType = entry
        return known
    types = {addresses[place] for place in entry.immediates}
    return NumType.I32 if NumType.I32 in types else NumType.I64


class _Done(Stack):
    """Behind a function's last ``end``."""

    __slots__ = ()

    def __init__(self, home: Stacks) -> None:
        super().__init__(home, None, Bottom.ANY, unreachable=False)

    def __missing__(self, action: Action) -> Stack:
        raise MalformedError("END opcode expected: the body goes on behind its end", 0)


_I32_CONST = BY_NAME["i32.const"].opcode[0]
_I64_CONST = BY_NAME["i64.const"].opcode[0]
_CALL = BY_NAME["call"].opcode[0]
# Opcodes without prefix whose one immediate is a memory access.
_ACCESSES = frozenset(
    row.number
    for row in BY_NAME.values()
    if not row.prefix
    and len(row.immediates) == 1
    and row.immediates[0].kind.name.startswith("memarg")
)


class Tokens(dict[bytes, "Action"]):
    """What each token does."""

    def __init__(self, code: Code) -> None:
        super().__init__()
        self.code = code
        self._constants: dict[int, Action] = {}
        # Loads and stores with small offsets, by opcode and alignment.
        self._accesses: dict[bytes, Action] = {}
        # Calls, by the callee's type.
        self._calls: dict[Type, Action] = {}

    def __missing__(self, token: bytes) -> Action:
        # Most distinct tokens are constants and memory accesses with nothing in them that can be
        # wrong: as many bytes as these may have that many bits.
        first = token[0]
        found: Action | None
        if (first == _I32_CONST and len(token) < 6) or (first == _I64_CONST and len(token) < 11):
            found = self._constants.get(first)
            if found is not None:
                self[token] = found
                return found
        elif first in _ACCESSES and token[1] < 0x40 and len(token) < 7:
            found = self._accesses.get(token[:2])
            if found is not None:
                self[token] = found
                return found
        elif first == _CALL and len(token) < 6:
            # Functions are many, and their types are few.
            function = self.code.at("func", short_integer(token[1:], signed=False))
            found = self._calls.get(function._type)
            if found is not None:
                self[token] = found
                return found
        code = self.code
        row, values = decode_one(Reader(token))
        code.passing = False
        found = code.action(row, values)
        if code.passing:
            code.note_passing(token)
        elif first in (_I32_CONST, _I64_CONST):
            self._constants[first] = found
        elif first in _ACCESSES and token[1] < 0x40:
            self._accesses[token[:2]] = found
        elif first == _CALL:
            self._calls[code.at("func", values[0])._type] = found
        self[token] = found
        return found

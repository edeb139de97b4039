"""Instructions as text: what each distinct token says is worked out once.

That is the same wherever a token stands, but for two things. Locals have the names that each
function gives them, so tokens of locals that have names are given a meaning anew for each function.
Labels are depths in code; in text they are names, or depths with a comment that says which block is
meant. So what has labels says something else at each depth.

How far a line is indented isn't part of what is said.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING, Any

from wasmir.isa import kinds
from wasmir.isa.kinds import Clause, Handler, MemArg
from wasmir.isa.mentions import renamed
from wasmir.isa.strict import decode_one
from wasmir.isa.table import BY_NAME, Row, Trait
from wasmir.wire import Reader, encode_unsigned, short_integer

if TYPE_CHECKING:
    from collections.abc import Callable

    from wasmir.isa.kinds import Kind
    from wasmir.text.names import Called, Identifiers

    Resolve = Callable[[int], str]

__all__ = [
    "BRANCHES",
    "CATCHES",
    "CATCHES_ALL",
    "DELEGATES",
    "ELSE",
    "ENDS",
    "IF",
    "OPENS",
    "TRY",
    "Words",
]

# What control instructions do to the lines around them. The first three open a block.
OPENS, IF, TRY, BRANCHES, ENDS, ELSE, CATCHES, CATCHES_ALL, DELEGATES = range(9)

_DOES = {
    BY_NAME["if"]: IF,
    BY_NAME["try"]: TRY,
    BY_NAME["end"]: ENDS,
    BY_NAME["else"]: ELSE,
    BY_NAME["catch"]: CATCHES,
    BY_NAME["catch_all"]: CATCHES_ALL,
    BY_NAME["delegate"]: DELEGATES,
}
_LOCALS = [BY_NAME[name] for name in ("local.get", "local.set", "local.tee")]
_I32_CONST, _CALL = (BY_NAME[name].number for name in ("i32.const", "call"))
# Where the first is understood when all are.
_UNDERSTOOD = (kinds.MEMORY, kinds.TABLE)


def _does(row: Row) -> int | None:
    known = _DOES.get(row)
    if known is None:
        if Trait.OPENS in row.traits:
            return OPENS
        if Trait.BRANCHES in row.traits:
            return BRANCHES
    return known


class Words(dict[bytes, str]):
    """What each token says; of one with labels, what it says without a place."""

    def __init__(self, identifiers: Identifiers) -> None:
        super().__init__()
        self._identifiers = identifiers
        #: The control instructions among the tokens, and what each does.
        self.control: dict[bytes, int] = {}
        self._locals: dict[int, Called] = {}
        # The tokens of which this holds in the present function only.
        self._passing: list[bytes] = []

    def enter(self, locals_: dict[int, Called]) -> None:
        """Begin a function, whose locals are called so."""
        for token in self._passing:
            self.pop(token, None)
        self._passing.clear()
        self._locals = locals_
        for number, called in locals_.items():
            for row in _LOCALS if called.identifier else ():
                token = row.opcode + encode_unsigned(number)
                self[token] = f"{row.name} {called.identifier}"
                self._passing.append(token)

    def __missing__(self, token: bytes) -> str:
        # Most distinct tokens are constants and calls. In so few bytes, all bits count.
        if token[0] == _I32_CONST and len(token) < 6:
            found = f"i32.const {short_integer(token[1:], signed=True)}"
        elif token[0] == _CALL and len(token) < 6:
            function = short_integer(token[1:], signed=False)
            found = f"call {self._identifiers.numbered('func', function)}"
        else:
            row, values = decode_one(Reader(token))
            found = self.said(row, values, str)
            does = _does(row)
            if does is not None:
                self.control[token] = does
            if row in _LOCALS and token != row.opcode + encode_unsigned(values[0]):
                # Not the spelling that the next function would look for.
                self._passing.append(token)
        self[token] = found
        return found

    def placed(self, token: bytes, resolve: Resolve) -> str:
        """What a token with labels says at some place, where a depth is mentioned like that."""
        row, values = decode_one(Reader(token))
        return self.said(row, values, resolve)

    def said(self, row: Row, values: tuple[Any, ...], resolve: Resolve) -> str:
        """What an instruction says, in which labels are mentioned like that."""
        shown: list[Any] = []
        for immediate, value in zip(row.immediates, values, strict=True):
            if immediate.kind is kinds.FIELD:
                # The structure's type stands in front of it.
                shown.append(self._field(values[len(shown) - 1], value))
            else:
                shown.append(self._shown(immediate.kind, value, resolve))
        if row.immediates and row.immediates[0].kind is kinds.BLOCK_TYPE:
            rest = zip(row.immediates[1:], shown[1:], strict=True)
            said = [row.mnemonic, shown[0], *(each.kind.show(value) for each, value in rest)]
            return " ".join(filter(None, said))
        understood = [at for at, each in enumerate(row.immediates) if each.kind in _UNDERSTOOD]
        if all(shown[at] == self._first(row.immediates[at].kind) for at in understood):
            for at in understood:
                shown[at] = ""
        return f"{row.mnemonic} {row.operands(tuple(shown))}".rstrip() + _decimal(row, values)

    def _shown(self, kind: Kind[Any], value: Any, resolve: Resolve) -> Any:
        """The value of an immediate, with what :meth:`Kind.show` takes and that says it in text."""
        if kind is kinds.LOCAL:
            called = self._locals.get(value)
            return called.identifier or value if called else value
        if kind is kinds.BLOCK_TYPE:
            return self._block_type(value)
        value = renamed(kind, value, self._identifiers.numbered)
        if isinstance(value, MemArg):
            memory: object = value.memory
            return replace(value, memory=0) if memory == self._first(kind) else value
        if "label" not in kind.spaces:
            return value
        if isinstance(value, tuple):
            return tuple(_resolved(each, resolve) for each in value)
        return _resolved(value, resolve)

    def _first(self, kind: Kind[Any]) -> str:
        """How the first memory or table is mentioned."""
        entities = self._identifiers.module.space(kind.space or "")
        return self._identifiers.mention(entities[0]) if entities else "0"

    def _field(self, type_: int, field: int) -> str:
        entity = self._identifiers.module.types.numbered(type_)
        called = None if entity is None else self._identifiers.fields(entity).get(field)
        return str(field) if called is None else called.identifier or str(field)

    def _block_type(self, value: Any) -> str:
        if value is None:
            return ""
        if not isinstance(value, int):
            return f"(result {self._identifiers.value(value)})"
        type_ = self._identifiers.module.types.numbered(value)
        func = None if type_ is None else type_.func
        spelled = "" if func is None else self._identifiers.signature(func)
        return f"(type {self._identifiers.numbered('type', value)}) {spelled}".rstrip()


def _resolved(value: Any, resolve: Resolve) -> Any:
    """A label, or what has one, as text."""
    if isinstance(value, (Clause, Handler)):
        label: Any = None if value.label is None else resolve(value.label)
        return replace(value, label=label)
    return resolve(value)


def _decimal(row: Row, values: tuple[Any, ...]) -> str:
    """What a float is for people, as a comment: exact text has hexadecimal digits."""
    if not row.immediates or row.immediates[0].kind not in (kinds.F32, kinds.F64):
        return ""
    if row.immediates[0].kind is kinds.F64:
        number = struct.unpack("<d", struct.pack("<Q", values[0]))[0]
        spelled = repr(number)
    else:
        number = struct.unpack("<f", struct.pack("<I", values[0]))[0]
        # As few digits as tell it from its neighbours.
        tries = (f"{number:.{digits}g}" for digits in range(1, 10))
        spelled = next((each for each in tries if _single(each) == number), repr(number))
    return f" (;={spelled};)" if isfinite(number) else ""


def _single(spelled: str) -> float:
    """The float of 32 bits that a number in decimal is nearest to."""
    try:
        found: float = struct.unpack("<f", struct.pack("<f", float(spelled)))[0]
    except OverflowError:
        return float("inf")
    return found

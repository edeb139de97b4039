"""Translating code from code numbers to indices, token by token; nothing is decoded for it.

See :mod:`wasmir.ir.space` for why there are two numbers, and :mod:`wasmir.isa.tokens` for the
scanner: it leaves whatever mentions nothing that moved in runs, which are copied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wasmir.errors import InvalidError
from wasmir.isa import tokens
from wasmir.isa.kinds import VALUE_TYPES as _VALUE_TYPES
from wasmir.isa.mentions import SPACES, renamed
from wasmir.isa.strict import decode_one, encode_one
from wasmir.types import RefType, decode_value_type, encode_value_type
from wasmir.wire import Reader, Writer

if TYPE_CHECKING:
    from wasmir.ir.module import Module

__all__ = ["Shift"]


class Shift:
    """The way from code numbers to the indices that the module is written with."""

    def __init__(self, module: Module) -> None:
        self.module = module
        #: The index spaces where some code number isn't the index.
        self.spaces = frozenset(name for name in SPACES if _is_moved(module, name))
        self._scan = tokens.mentions(self.spaces) if self.spaces else None
        self._tokens = _Translated(self)
        self._memo: dict[tuple[str, int], int] = {}

    def index(self, space: str, number: int) -> int:
        """The index of what has a code number. Raises InvalidError where that was removed."""
        known = self._memo.get((space, number))
        if known is None:
            entity = self.module.space(space).numbered(number)
            if entity is None:
                # Means nothing, and goes on to.
                known = number
            elif entity.is_removed:
                raise InvalidError(f"unknown {entity.what}: {entity} is still mentioned")
            else:
                known = entity.index
            self._memo[space, number] = known
        return known

    def instructions(self, code: bytes, start: int = 0) -> bytes:
        """Instructions with indices for code numbers. Raises InvalidError, MalformedError."""
        scan = self._scan
        if scan is None:
            return code[start:] if start else code
        translated = self._tokens
        pieces: list[bytes] = []
        pos = start
        end = len(code)
        while True:
            found = scan(code, pos, end)
            for run, token, _ in found:
                pieces.append(run)
                pieces.append(translated[token])
            # At the end of the data the regex finds nothing once more; where it gave up, too.
            if not (len(found) > 1 and found[-2][2]):
                return b"".join(pieces)
            pos += sum(len(run) + len(token) for run, token, _ in found)
            reader = Reader(code, pos)
            decode_one(reader)
            pieces.append(translated[code[pos : reader.pos]])
            pos = reader.pos

    def body(self, code: bytes) -> bytes:
        """The same for a function's code: locals, then instructions."""
        after_locals = tokens.skip_locals(code, 0, len(code))
        declarations = code[:after_locals]
        if "type" in self.spaces:
            declarations = self._locals(declarations)
        return declarations + self.instructions(code, after_locals)

    def _locals(self, declarations: bytes) -> bytes:
        reader = Reader(declarations)
        writer = Writer()
        count = reader.count()
        writer.put(declarations[: reader.pos])
        for _ in range(count):
            start = reader.pos
            reader.u32()
            before = reader.pos
            type_ = decode_value_type(reader)
            shifted = self.value_type(type_)
            if shifted == type_:
                writer.put(declarations[start : reader.pos])
            else:
                writer.put(declarations[start:before] + encode_value_type(shifted))
        return writer.getvalue()

    def value_type(self, type_: Any) -> Any:
        """A type as read, with the index for the code number in it."""
        return renamed(_VALUE_TYPES, type_, self.index) if isinstance(type_, RefType) else type_


class _Translated(dict[bytes, bytes]):
    """What each token becomes."""

    def __init__(self, shift: Shift) -> None:
        super().__init__({b"": b""})
        self.shift = shift

    def __missing__(self, token: bytes) -> bytes:
        row, values = decode_one(Reader(token))
        shifted = tuple(
            renamed(immediate.kind, value, self.shift.index)
            for immediate, value in zip(row.immediates, values, strict=True)
        )
        if shifted == values:
            # Its spelling is its own, too.
            found = token
        else:
            writer = Writer()
            encode_one(writer, row, shifted)
            found = writer.getvalue()
        self[token] = found
        return found


def _is_moved(module: Module, name: str) -> bool:
    space = module._spaces.get(name)
    return space is not None and space.moved

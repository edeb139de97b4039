"""Where an error in a function body is, and what was going on there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from wasmir.errors import InvalidError, MalformedError, UnsupportedError, WasmError
from wasmir.isa.strict import decode_one
from wasmir.wire import Reader

if TYPE_CHECKING:
    from wasmir.ir.function import Function
    from wasmir.validate.code import Code

__all__ = ["Trace"]

SHOWN = 6
"""As many of the innermost open blocks are told of."""


class Trace:
    """Follows the check of one body, token by token."""

    def __init__(self, code: Code, function: Function) -> None:
        self._code = code
        self._function = function
        self._opened: list[int] = []
        self._token = b""
        self._pos = 0

    def at(self, pos: int, token: bytes) -> None:
        """The instruction at ``pos`` is next."""
        self._token = token
        self._pos = pos

    def passed(self) -> None:
        """The instruction is fine: note where the blocks that are open began."""
        depth = len(self._code.frames) - 1
        if depth > len(self._opened):
            self._opened.append(self._pos)
        else:
            del self._opened[max(depth, 0) :]

    def fail(self, error: Exception, pos: int) -> NoReturn:
        """Raise the error about the instruction at ``pos``, with all that is known of it."""
        function = str(self._function)
        # Code that was edited has no place in the file.
        raw = self._function.is_raw
        if isinstance(error, MalformedError):
            if not raw:
                raise InvalidError(error.reason, function) from None
            raise MalformedError(error.reason, pos + error.offset) from None
        offset = pos if raw else None
        if isinstance(error, UnsupportedError):
            raise UnsupportedError(error.reason, function, offset) from None
        if isinstance(error, IndexError):
            reason = f"unknown label: {max(len(self._code.frames), 1)} are open"
        elif isinstance(error, WasmError):
            reason = error.reason
        else:
            raise error
        raise InvalidError(reason + self._circumstances(), function, offset) from None

    def _circumstances(self) -> str:
        if not self._token:
            return ""
        row, values = decode_one(Reader(self._token))
        operands = row.operands(values)
        if len(operands) > 60:
            operands = operands[:60] + "…"
        shown = f"; at {row.mnemonic} {operands}".rstrip()
        # The instruction may have opened or closed a block before it failed.
        blocks = self._code.frames[1:]
        inside = [
            f"{frame[3]} ({opened:#x})" if self._function.is_raw else frame[3]
            for frame, opened in zip(blocks, self._opened, strict=False)
        ]
        if inside:
            more = len(inside) - SHOWN
            inside = inside[::-1][:SHOWN]
            shown += f" in {', '.join(inside)}"
            if more > 0:
                shown += f", and {more} more"
        return shown

"""Another number of parameters: what the locals behind them are called in code that is there.

Parameters and locals share one index space, so each local moves by as many as there are more or
fewer parameters. Code that nobody decoded is translated token by token, and stays undecoded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wasmir.binary.decode_code import code_of
from wasmir.binary.offsets import Respelling
from wasmir.errors import InvalidError
from wasmir.ir.code import Instr, Item, Structured
from wasmir.isa import kinds, tokens
from wasmir.isa.strict import decode_one, encode_one
from wasmir.isa.table import ROWS
from wasmir.wire import Reader, Writer

if TYPE_CHECKING:
    from wasmir.ir.function import Function

__all__ = ["shift_locals"]

_NAMES = frozenset(
    row.name for row in ROWS if any(each.kind is kinds.LOCAL for each in row.immediates)
)


def shift_locals(function: Function, before: int, after: int) -> None:
    """Make the code of a function with ``before`` parameters fit ``after`` of them.

    Parameters that are there before and after keep their indices. Raises InvalidError, with
    nothing changed, where the code mentions one that goes.
    """
    moved = _Moved(function, before, after)
    if function._body is not None and function._body.outline:
        function.settle()
    body = function._body
    tracking = function.module._tracking
    tracked = tracking is not None and tracking.covers(function)
    respelling = Respelling(function) if tracked else None
    if body is None:
        data, start, end = code_of(function)
        after_locals = tokens.skip_locals(data, start, end)
        function._code = data[start:after_locals] + moved.run(data[after_locals:end])
    else:
        lists: list[tuple[list[Item], list[Item]]] = []
        pending = [body.items]
        while pending:
            items = pending.pop()
            lists.append((items, [moved.item(item) for item in items]))
            for item in items:
                if isinstance(item, Structured):
                    pending.extend(item.sequences())
        for items, new in lists:
            items[:] = new
    if tracking is not None and respelling is not None:
        respelling.done(tracking)
    names = function.local_names
    if names:
        function.local_names = {
            index if index < before else index + after - before: name
            for index, name in names.items()
            if index < after or index >= before
        }


class _Moved(dict[bytes, bytes]):
    """What each token becomes."""

    def __init__(self, function: Function, before: int, after: int) -> None:
        super().__init__({b"": b""})
        self.function = function
        self.before = before
        self.after = after
        self.scan = tokens.picks(_NAMES)

    def index(self, index: int) -> int:
        if index >= self.before:
            return index + self.after - self.before
        if index >= self.after:
            raise InvalidError(
                f"unknown local {index}: the parameter goes with the new type, and the code still "
                "mentions it",
                str(self.function),
            )
        return index

    def __missing__(self, token: bytes) -> bytes:
        row, values = decode_one(Reader(token))
        if row.name not in _NAMES or self.index(values[0]) == values[0]:
            found = token
        else:
            writer = Writer()
            encode_one(writer, row, (self.index(values[0]),))
            found = writer.getvalue()
        self[token] = found
        return found

    def run(self, code: bytes) -> bytes:
        """Instructions, control instructions included."""
        pieces: list[bytes] = []
        for found in tokens.scanned(self.scan, code, 0, len(code)):
            for run, token, _ in found:
                pieces.append(run)
                pieces.append(self[token])
        return b"".join(pieces)

    def item(self, item: Item) -> Item:
        """An item of a tree; blocks stay what they are."""
        if isinstance(item, bytes):
            return self.run(item)
        if isinstance(item, Instr) and item.row.name in _NAMES:
            index = self.index(item.immediates[0])
            if index != item.immediates[0]:
                return self.function.module.instr(item.row.name, index)
        return item

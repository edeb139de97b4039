"""Other instructions in the place of some, token by token; nothing is decoded for it.

Mirrors :mod:`wasmir.binary.shift`, which does the same to indices on the way out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wasmir.binary.memo import memo_of
from wasmir.ir.checks import row_named
from wasmir.isa import tokens
from wasmir.isa.strict import decode_one
from wasmir.isa.table import Trait
from wasmir.wire import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wasmir.ir.code import Instr
    from wasmir.ir.function import Function
    from wasmir.ir.module import Module

__all__ = ["substitute"]

_SHAPES = frozenset({Trait.OPENS, Trait.CLOSES, Trait.SEPARATES, Trait.BRANCHES})


def substitute(
    module: Module,
    names: frozenset[str],
    choose: Callable[[Instr], Instr | None],
    functions: Iterable[Function],
) -> list[Function]:
    """See :meth:`wasmir.ir.module.Module.substitute`."""
    rows = [row_named(name) for name in sorted(names)]
    for row in rows:
        if not _SHAPES.isdisjoint(row.traits):
            raise ValueError(
                f"{row.name} is part of the tree: only single instructions are replaced"
            )
    scan = tokens.picks(names)
    replaced = _Replaced(module, names, choose)
    firsts = {row.opcode[:1] for row in rows}
    changed = []
    for function in functions:
        if function.imported is not None:
            continue
        function.settle()
        code = function.code
        if not any(first in code for first in firsts):
            continue
        start = tokens.skip_locals(code, 0, len(code))
        pieces = [code[:start]]
        for found in tokens.scanned(scan, code, start, len(code)):
            for run, token, _ in found:
                pieces.append(run)
                pieces.append(replaced[token])
        new = b"".join(pieces)
        if new != code:
            function._respell(new)
            changed.append(function)
    return changed


class _Replaced(dict[bytes, bytes]):
    """What each token becomes."""

    def __init__(
        self, module: Module, names: frozenset[str], choose: Callable[[Instr], Instr | None]
    ) -> None:
        super().__init__({b"": b""})
        self.names = names
        self.memo = memo_of(module)
        self.choose = choose

    def __missing__(self, token: bytes) -> bytes:
        # What the scanner can't count stands between runs as well, whatever it is.
        row, _ = decode_one(Reader(token))
        chosen = self.choose(self.memo.instr(token)) if row.name in self.names else None
        found = self[token] = token if chosen is None else self.memo.encode_instr(chosen)
        return found

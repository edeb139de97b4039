"""Functions as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wasmir.errors import InvalidError, UnsupportedError
from wasmir.ir.codec import codec
from wasmir.isa import tokens
from wasmir.text.code import Bodies, joined
from wasmir.text.fields import Fields
from wasmir.text.hints import Hints, moves_of
from wasmir.text.names import Identifiers
from wasmir.types import decode_value_type
from wasmir.wire import Reader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wasmir.ir.function import Function
    from wasmir.ir.module import Module
    from wasmir.text.code import Lines
    from wasmir.text.folded import Folding
    from wasmir.text.names import Called

__all__ = ["Printer", "Style"]

_MOST_LOCALS = 50_000
"""Text has a word for each, and engines take no more. A function may declare 2^32 in ten bytes."""


@dataclass(frozen=True)
class Style:
    """How a module is printed."""

    #: Identifiers from the name section; else everything is called by its index.
    names: bool = True
    #: Where each instruction and each field stands in the input, as a comment in front of it.
    offsets: bool = False
    #: Instructions with their operands in parentheses, as far as the stack allows.
    folded: bool = False


class Printer:
    """What prints a module's fields, one by one."""

    def __init__(self, module: Module, style: Style) -> None:
        self.module = module
        self.style = style
        self.identifiers = Identifiers(module, names=style.names)
        self.bodies = Bodies(self.identifiers)
        self.fields = Fields(self.identifiers, self.bodies)
        self.hints = Hints(module)
        self._folding: Folding | None = None
        # What declares locals without names, by its bytes.
        self._declarations: dict[bytes, str] = {}

    def function(self, function: Function, within: tuple[int, int] | None = None) -> str:
        """A function that is defined; of its instructions those with bytes ``within`` some of the
        input's, if so asked. Raises MalformedError, InvalidError, and UnsupportedError for more
        locals than text can name.
        """
        if function.is_raw:
            data, start, end = self.module.source, function._start, function._end
        else:
            data = function.code
            start, end = 0, len(data)
        named = self.identifiers.locals(function)
        pos = tokens.skip_locals(data, start, end)
        declared = self._locals(function, data[start:pos], start, named)
        self.bodies.words.enter(named)
        try:
            lines = self.bodies.lines(data, pos, end, self._labels(function))
        except InvalidError as error:
            # What code mentions was removed.
            raise InvalidError(error.reason, str(function)) from None
        self._prefix(function, lines, start)
        head = f"(func {self.fields.head(function)} {self.fields.type_use(function)}"
        if self.style.folded:
            if self._folding is None:
                from wasmir.text.folded import Folding

                self._folding = Folding(self.module, self.bodies.words)
            body = self._folding.folded(function, lines)
        else:
            body = joined(lines, None if within is None or not function.is_raw else within)
        return f"{head}{declared}{body}\n  )" if declared or body else f"{head})"

    def _locals(
        self, function: Function, declared: bytes, offset: int, named: dict[int, Called]
    ) -> str:
        """The declarations of locals, as lines."""
        if not named:
            known = self._declarations.get(declared)
            if known is not None:
                return known
        if tokens.count_locals(declared, offset) > _MOST_LOCALS:
            raise UnsupportedError(
                f"too many locals: text has a word for each, and engines take {_MOST_LOCALS:,}",
                str(function),
            )
        reader = Reader(declared)
        groups = [(reader.u32(), decode_value_type(reader)) for _ in range(reader.count())]
        first = len(function.func_type.params)
        shown = self.fields.declared("local", groups, named, first)
        found = f"\n    {shown}" if shown else ""
        if not named:
            self._declarations[declared] = found
        return found

    def _labels(self, function: Function) -> Mapping[int, Called]:
        """What labels are called, in the order of their blocks."""
        names = self.module.names
        known = names.indirect.get("label", {}).get(function._number) if self.style.names else None
        if not known:
            return {}
        if not function.is_raw and function._number not in names.given_labels:
            moves = moves_of(function)
            if moves is not None:
                known = codec().moved_labels(function, function.code, known, moves)
        return self.identifiers.labels(known)

    def _prefix(self, function: Function, lines: Lines, start: int) -> None:
        """What lines begin with: where they stood, and whether branches are likely."""
        hints = self.hints.of(function)
        offsets = self.style.offsets and function.is_raw
        if not hints and not offsets:
            return
        width = len(f"{lines.offsets[-1]:x}")
        for at, offset in enumerate(lines.offsets[: len(lines.texts)]):
            parts = [f"(;@{offset:0{width}x};)"] if offsets else []
            if offset - start in hints:
                parts.append(hints[offset - start])
            if parts:
                lines.prefixes[at] = " ".join(parts)

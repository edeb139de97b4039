"""Code as expressions: instructions with their operands in parentheses.

Folding says nothing new: ``(i32.add (local.get 0) (i32.const 1))`` is another spelling of three
instructions, operands first, and whatever is put into parentheses unfolds to what it was. So an
instruction takes what stands before it where that leaves exactly its operands, and else it stands
alone behind them. Legacy ``try`` has no folded form that assemblers read, so it stays as it is,
with expressions inside.

Source: specification, Text Format, "Folded Instructions".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from wasmir.errors import WasmError
from wasmir.ir.effects import row_arity
from wasmir.isa.mentions import renamed
from wasmir.isa.strict import decode_one
from wasmir.isa.table import BY_NAME
from wasmir.text.code import separator
from wasmir.text.words import DELEGATES, ENDS, IF, TRY
from wasmir.wire import Reader

if TYPE_CHECKING:
    from wasmir.ir.effects import Arity
    from wasmir.ir.function import Function
    from wasmir.ir.module import Module
    from wasmir.isa.table import Row
    from wasmir.text.code import Lines
    from wasmir.text.words import Words

__all__ = ["Folding"]

_WIDE = 80
"""Expressions of at most so many characters stand on one line."""

_UNKNOWN = (1 << 32, 0)
"""The arity of what makes no sense: its operands can't be told."""

_LOOP = BY_NAME["loop"]


class _Expression:
    """What an instruction makes of itself and its operands."""

    __slots__ = ("bodies", "end", "head", "line", "operands", "results")

    def __init__(self, head: str, operands: list[_Expression], results: int) -> None:
        #: What stands in front of the operands, the parenthesis included.
        self.head = head
        self.operands = operands
        #: How many values it leaves.
        self.results = results
        #: Of a block: its parts, each behind what it begins with.
        self.bodies: list[tuple[str, list[_Expression]]] = []
        #: What ends a legacy ``try``, which can't be an operand.
        self.end = ""
        #: All of it, where that is short.
        self.line = ""

    def shorten(self) -> None:
        """Note the whole as one line, where it fits."""
        lines = [each.line for each in self.operands]
        if all(lines) and len(self.head) + sum(map(len, lines)) + len(lines) < _WIDE:
            self.line = f"{' '.join([self.head, *lines])})"


class _Sequence:
    """Expressions one behind the other; those before ``base`` are nobody's operands any more."""

    __slots__ = ("base", "items")

    def __init__(self) -> None:
        self.items: list[_Expression] = []
        self.base = 0

    def take(self, count: int) -> list[_Expression]:
        """The expressions that leave exactly so many values, taken out; none where there aren't."""
        at = len(self.items)
        while count and at > self.base:
            item = self.items[at - 1]
            if not 0 < item.results <= count or item.end:
                break
            count -= item.results
            at -= 1
        if count:
            self.base = len(self.items)
            return []
        taken = self.items[at:]
        del self.items[at:]
        return taken


class _Open(NamedTuple):
    """A block that is open."""

    block: _Expression
    does: int
    #: What a branch to it takes.
    arity: int
    #: What it stands in.
    around: _Sequence


class Folding:
    """What turns lines into expressions."""

    def __init__(self, module: Module, words: Words) -> None:
        self._module = module
        self._control = words.control
        # By token; of branches, without what goes to their labels.
        self._arities: dict[bytes, Arity] = {}

    def folded(self, function: Function, lines: Lines) -> str:
        """The lines as expressions, each behind the separator that belongs there."""
        returned = len(function.func_type.results)
        sequence = _Sequence()
        whole = sequence.items
        opened: list[_Open] = []
        for at, (token, text) in enumerate(zip(lines.tokens, lines.texts, strict=False)):
            prefix = lines.prefixes.get(at, "")
            head = f"{prefix} ({text}" if prefix else f"({text}"
            does = self._control.get(token)
            if does is not None and does <= TRY:
                taken, given, arity = self._block(token)
                operands = sequence.take(1) if does == IF else []
                if taken:
                    sequence.base = len(sequence.items)
                block = _Expression(head if does != TRY else text, operands, given)
                opened.append(_Open(block, does, arity, sequence))
                sequence = _Sequence()
                block.bodies.append(("then" if does == IF else "", sequence.items))
            elif does in (ENDS, DELEGATES):
                block, kind, _, sequence = opened.pop()
                if kind == TRY:
                    block.end = text
                sequence.items.append(block)
            elif does is not None and text.startswith(("else", "catch")):
                sequence = _Sequence()
                opened[-1].block.bodies.append((text, sequence.items))
            else:
                taken, given = self._arity(token, returned, opened)
                expression = _Expression(head, sequence.take(taken), given)
                expression.shorten()
                sequence.items.append(expression)
        return _spelled(whole)

    def _block(self, token: bytes) -> tuple[int, int, int]:
        """How many values a block takes and gives, and how many a branch to it takes."""
        row, values = decode_one(Reader(token))
        if values[0] is None:
            return 0, 0, 0
        if not isinstance(values[0], int):
            return 0, 1, 0 if row is _LOOP else 1
        type_ = self._module.types.numbered(values[0])
        func = None if type_ is None else type_.func
        if func is None:
            return 0, 0, 0
        params, results = len(func.params), len(func.results)
        return params, results, params if row is _LOOP else results

    def _arity(self, token: bytes, returned: int, opened: list[_Open]) -> Arity:
        found = self._arities.get(token)
        if found is not None:
            return found
        row, values = decode_one(Reader(token))
        labels = _LABELLED.get(row.name)
        if row.name == "return":
            return returned, 0
        if labels is None:
            found = self._arities[token] = self._plain(row, values)
            return found
        label = values[0][-1] if row.name == "br_table" else values[0]
        if label > len(opened):
            return _UNKNOWN
        arity = returned if label == len(opened) else opened[-1 - label].arity
        return arity + labels[0], arity * labels[1]

    def _plain(self, row: Row, values: tuple[Any, ...]) -> Arity:
        """Of an instruction for which its place doesn't matter."""
        try:
            meant = tuple(
                renamed(immediate.kind, value, self._at)
                for immediate, value in zip(row.immediates, values, strict=True)
            )
            if row.name in _LEAVERS:
                return _LEAVERS[row.name]
            if row.name == "throw":
                return len(meant[0].params), 0
            if row.name.startswith("return_call"):
                row = BY_NAME[row.name.removeprefix("return_")]
                return row_arity(row, meant)[0], 0
            return row_arity(row, meant)
        except WasmError:
            return _UNKNOWN

    def _at(self, space: str, number: int) -> Any:
        """What code means by a number."""
        return self._module.space(space).read_at(number)


# What a branch takes beside the operands of its label, and whether it leaves those.
_LABELLED = {"br": (0, 0), "br_if": (1, 1), "br_table": (1, 0)}
_LEAVERS = {"unreachable": (0, 0), "rethrow": (0, 0), "throw_ref": (1, 0)}


def _spelled(whole: list[_Expression]) -> str:
    """The text of expressions. Iterative, so any nesting will do."""
    pieces: list[str] = []
    put = pieces.append
    # What comes next, last: expressions with their depths, and text that is finished.
    waiting: list[tuple[_Expression, int] | str] = [(each, 0) for each in reversed(whole)]
    while waiting:
        entry = waiting.pop()
        if isinstance(entry, str):
            put(entry)
            continue
        expression, depth = entry
        between = separator(depth)
        put(between)
        if expression.line:
            put(expression.line)
            continue
        put(expression.head)
        behind: list[tuple[_Expression, int] | str] = [
            (each, depth + 1) for each in expression.operands
        ]
        for word, items in expression.bodies:
            if expression.end:
                # Flat: parts begin with a line of their own.
                behind += [f"{between}{word}"] if word else []
                behind += [(each, depth + 1) for each in items]
            elif word:
                behind.append(f"{separator(depth + 1)}({word}")
                behind += [(each, depth + 2) for each in items]
                behind.append(f"{separator(depth + 1)})" if items else ")")
            else:
                behind += [(each, depth + 1) for each in items]
        if expression.end:
            behind.append(f"{between}{expression.end}")
        elif expression.bodies:
            behind.append(f"{between})")
        else:
            behind.append(")")
        waiting.extend(reversed(behind))
    return "".join(pieces)

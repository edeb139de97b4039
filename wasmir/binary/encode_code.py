"""Function bodies: tree to bytes. Mirrors :mod:`wasmir.binary.decode_code`.

Encoding walks the tree with a stack of its own, gives each label its height as it opens, and
computes the depths of branches from heights.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from wasmir.binary.decode_code import code_of, let_go
from wasmir.binary.memo import (
    CATCH_KINDS,
    TYPE_INDEX,
    Memo,
    encode_row,
    label_place,
    memo_of,
)
from wasmir.errors import InvalidError
from wasmir.ir.code import (
    Block,
    Body,
    Br,
    BrIf,
    BrOn,
    BrTable,
    Catch,
    If,
    Instr,
    Item,
    Label,
    Loop,
    Resume,
    Rethrow,
    Try,
    TryTable,
)
from wasmir.ir.outline import Opened, Placed, Region
from wasmir.isa import kinds
from wasmir.isa.table import BY_NAME
from wasmir.types import encode_value_type
from wasmir.wire import Reader, encode_unsigned

if TYPE_CHECKING:
    from wasmir.ir.function import Function
    from wasmir.ir.module import Module
    from wasmir.types import ValType

__all__ = ["encode_body", "encode_instrs", "encode_items", "encode_locals", "encode_pieces"]

# A closed label's height: far above any real one, so that the depth of a branch to it comes out
# negative, which no table of depths holds.
_CLOSED = 1 << 40

# Nesting that is looked at twice.
_DEEP = 4096

_STALE = "unknown label: a branch stands outside the block it names"


class _Depths(dict[int, bytes]):
    """Opcode and label index, by depth."""

    def __init__(self, opcode: bytes) -> None:
        self.opcode = opcode

    def __missing__(self, depth: int) -> bytes:
        if depth < 0:
            raise InvalidError(_STALE)
        data = self[depth] = self.opcode + encode_unsigned(depth)
        return data


_BR_DEPTHS = _Depths(b"\x0c")
_BR_IF_DEPTHS = _Depths(b"\x0d")
_RETHROW_DEPTHS = _Depths(b"\x09")
_DELEGATE_DEPTHS = _Depths(b"\x18")
_LABEL_DEPTHS = _COUNTS = _Depths(b"")
# One clause, and that `catch_all_ref`: what nearly every `try_table` has.
_CATCH_ALL_REF_DEPTHS = _Depths(b"\x01\x03")


def encode_body(body: Body, *, consume: bool = False) -> bytes:
    """A function's code: locals and instructions, without the size in front.

    ``consume`` takes the tree apart once it is encoded. Branches and blocks refer to each
    other, so without that only the cyclic collector would free them, at several times the cost
    of everything else.

    Raises InvalidError for a branch that stands outside the block it names, for a block that
    stands in two places, and for what is part of another module; the tree stays whole.
    """
    memo = memo_of(body.function.module)
    fresh: Any = body._fresh
    if fresh is not None and fresh.holds(body, spellings=memo.any_spelled):
        data, start, end = code_of(body.function)
        if consume:
            for items in fresh.lists:
                items.clear()
            let_go(body)
        return data[start:end]
    try:
        pieces, lists = _encode(memo, body)
        code = encode_locals(body.locals_wire, body.added_locals) + b"".join(pieces)
        data, start, end = code_of(body.function)
        if len(code) != end - start or not data.startswith(code, start):
            # What is as it was read stands where it stood.
            _check_distinct(lists)
    except InvalidError as error:
        raise InvalidError(error.reason, str(body.function)) from None
    except AttributeError as error:
        # A label that never was opened has no height at all; anything else is no label's fault.
        if "_height" not in str(error):
            raise
        raise InvalidError(_STALE, str(body.function)) from None
    if consume:
        for items in lists:
            items.clear()
        let_go(body)
    return code


def encode_instrs(module: Module, instrs: Iterable[Instr]) -> bytes:
    """Straight-line instructions, with code numbers."""
    return b"".join(map(memo_of(module).encode_instr, instrs))


def encode_pieces(body: Body) -> list[bytes]:
    """The same in pieces: the locals, then the tokens of nodes, and the runs as they are."""
    pieces, _ = _encode(memo_of(body.function.module), body)
    return [encode_locals(body.locals_wire, body.added_locals), *pieces]


def encode_items(function: Function, items: list[Item]) -> bytes:
    """Items by themselves, for a place in the function's code. Raises like :func:`encode_body`;
    a label around that place counts as unknown.
    """
    body = Body(function, b"\0")
    body.items = items
    try:
        pieces, lists = _encode(memo_of(function.module), body)
    except AttributeError as error:
        if "_height" not in str(error):
            raise
        raise InvalidError(_STALE, str(function)) from None
    _check_distinct(lists)
    # All but the function's own `end`.
    return b"".join(pieces[:-1])


def encode_locals(wire: bytes, added: Sequence[tuple[int, ValType]]) -> bytes:
    """Declarations of locals as they were read, and of more behind them."""
    if not added:
        return wire
    reader = Reader(wire)
    groups = reader.u32()
    more = b"".join(
        encode_unsigned(count) + encode_value_type(type_, TYPE_INDEX) for count, type_ in added
    )
    return encode_unsigned(groups + len(added)) + wire[reader.pos :] + more


def _encode(memo: Memo, body: Body) -> tuple[list[bytes], list[list[Item]]]:
    """The instructions' bytes, and all lists of the tree. One loop, whatever the nesting; mirrors
    :func:`_build`.
    """
    out: list[bytes] = []
    emit = out.append
    key = memo.key
    blocks, loops, ifs, tries, tables = memo.openers
    br_ifs, brs = _BR_IF_DEPTHS, _BR_DEPTHS
    only_clause = memo.only_clause
    wires = body._wires
    # The height of the innermost open label; the body's own is 0.
    top = 0
    body._height = 0
    # For each open one: what goes on behind it, itself, the parts it still has, and its closing.
    stack: list[tuple[Iterator[Any], Any, _Parts | None, bytes]] = []
    kept = body._kept
    # Any: it is exact classes that tell the items apart, which is quick, but lost on type checkers.
    walk: Iterator[Any] = iter(_as_read(memo, kept, body.items) if kept else body.items)
    # Lists of the tree that are done with.
    spent: list[list[Item]] = []
    # Of an outline: the regions that are open, and the height of the innermost; -1 where none is.
    regions: list[Region] = []
    floor = -1
    deepest = _DEEP
    while True:
        if top > deepest:
            # A block inside itself would have no end.
            deepest = 2 * top
            _check_distinct([item.items for _, item, _, _ in stack])
        for item in walk:
            kind = item.__class__
            if kind is bytes:
                emit(item)
            elif kind is Instr:
                emit(item._code if item._memo is key else memo.encode_instr(item))
            elif kind is BrIf:
                emit(br_ifs[top - item.label._height])
                if wires and item in wires:
                    out[-1] = _spelled(wires, item, (top - item.label._height,), out[-1])
            elif kind is Block or kind is Loop:
                emit(blocks[item.type] if kind is Block else loops[item.type])
                stack.append((walk, item, None, b"\x0b"))
                top += 1
                item._height = top
                items = item.items
                walk = iter(_as_read(memo, kept, items) if kept else items)
                break
            elif kind is Br:
                emit(brs[top - item.label._height])
                if wires and item in wires:
                    out[-1] = _spelled(wires, item, (top - item.label._height,), out[-1])
            elif kind is If:
                emit(ifs[item.type])
                items = item.items
                if item.else_items is None:
                    parts = None
                    # So common that it is worth not opening anything.
                    if len(items) == 1 and items[0].__class__ is bytes:
                        emit(items[0])
                        emit(b"\x0b")
                        spent.append(items)
                        continue
                else:
                    parts = iter(((b"\x05", item.else_items),))
                stack.append((walk, item, parts, b"\x0b"))
                top += 1
                item._height = top
                walk = iter(_as_read(memo, kept, items) if kept else items)
                break
            elif kind is TryTable:
                emit(tables[item.type])
                clauses = item.clauses
                if len(clauses) == 1 and not wires:
                    clause = clauses[0]
                    if clause.tag is None and clause.ref:
                        emit(_CATCH_ALL_REF_DEPTHS[top - clause.label._height])
                    else:
                        emit(only_clause[clause.tag, clause.ref])
                        emit(_LABEL_DEPTHS[top - clause.label._height])
                else:
                    emit(_encode_clauses(memo, item, top, wires))
                items = item.items
                if len(items) == 1 and items[0].__class__ is bytes:
                    emit(items[0])
                    emit(b"\x0b")
                    spent.append(items)
                    continue
                stack.append((walk, item, None, b"\x0b"))
                top += 1
                item._height = top
                items = item.items
                walk = iter(_as_read(memo, kept, items) if kept else items)
                break
            elif kind is Try:
                emit(tries[item.type])
                parts = None
                close = b"\x0b"
                if item.catches:
                    parts = iter([(_encode_catch(memo, c, wires), c.items) for c in item.catches])
                elif item.delegate is not None:
                    depth = top - item.delegate._height
                    close = _DELEGATE_DEPTHS[depth]
                    if wires:
                        close = _spelled(wires, item, (depth,), close)
                stack.append((walk, item, parts, close))
                top += 1
                item._height = top
                items = item.items
                walk = iter(_as_read(memo, kept, items) if kept else items)
                break
            elif kind is Opened:
                top = item.region._height + item.height
                if top >= _CLOSED:
                    raise InvalidError(_STALE)
            elif kind is Region:
                item._height = floor = top
                regions.append(item)
            elif kind is Rethrow:
                emit(_RETHROW_DEPTHS[top - item.label._height])
                if wires and item in wires:
                    out[-1] = _spelled(wires, item, (top - item.label._height,), out[-1])
            elif kind is Placed:
                emit(item)
            else:
                emit(_encode_branch(memo, item, top, wires))
        else:
            if not stack:
                emit(b"\x0b")
                body._height = _CLOSED
                for region in regions:
                    region._height = _CLOSED
                spent.append(body.items)
                return out, spent
            walk, node, parts, close = stack.pop()
            if parts is not None:
                part = next(parts, None)
                if part is not None:
                    emit(part[0])
                    top = node._height
                    stack.append((walk, node, parts, close))
                    walk = iter(_as_read(memo, kept, part[1]) if kept else part[1])
                    continue
                spent.extend(node.sequences())
            else:
                spent.append(node.items)
            emit(close)
            top = node._height - 1
            node._height = _CLOSED
            while floor > top:
                regions.pop()._height = _CLOSED
                floor = regions[-1]._height if regions else -1


def _as_read(memo: Memo, kept: _Kept, items: list[Item]) -> list[Item]:
    """A list's items; its runs, where it holds nothing but what they were expanded to."""
    known = kept.get(id(items))
    if known is None or items != known[2]:
        return items
    # Equal instructions may be spelled differently. Hardly any module has such.
    if memo.any_spelled and not all(map(operator.is_, items, known[2])):
        return items
    return known[1]


def _check_distinct(lists: list[list[Item]]) -> None:
    if len({*map(id, lists)}) != len(lists):
        raise InvalidError("a block stands in two places, or in itself")


_Parts: TypeAlias = Iterator[tuple[bytes, list[Item]]]
_Kept: TypeAlias = dict[int, tuple[list[Item], list[Item], list[Item]]]
_Wires: TypeAlias = dict[object, tuple[Any, bytes]]


def _spelled(wires: _Wires, node: object, values: Any, shortest: bytes) -> bytes:
    """The spelling that was read, where it still means the same; else the shortest."""
    known = wires.get(node)
    return shortest if known is None or known[0] != values else known[1]


def _depth(label: Label, top: int) -> int:
    depth = top - label._height
    if depth < 0:
        raise InvalidError(_STALE)
    return depth


def _encode_catch(memo: Memo, clause: Catch, wires: _Wires) -> bytes:
    if clause.tag is None:
        return b"\x19"
    index = memo.number("tag", clause.tag)
    return _spelled(wires, clause, (index,), b"\x07" + encode_unsigned(index))


def _encode_clauses(memo: Memo, table: TryTable, top: int, wires: _Wires) -> bytes:
    # Labels count from outside the try_table, which isn't open yet.
    clauses = table.clauses
    heads = memo.clause_heads
    pieces = [_COUNTS[len(clauses)]]
    for clause in clauses:
        pieces.append(heads[clause.tag, clause.ref])
        pieces.append(_LABEL_DEPTHS[top - clause.label._height])
    shortest = b"".join(pieces)
    if table not in wires:
        return shortest
    values = tuple(
        kinds.Clause(
            CATCH_KINDS[clause.tag is None, clause.ref],
            None if clause.tag is None else clause.tag._number,
            top - clause.label._height,
        )
        for clause in clauses
    )
    return _spelled(wires, table, values, shortest)


def _encode_branch(memo: Memo, node: Item, top: int, wires: _Wires) -> bytes:
    values: tuple[Any, ...]
    if isinstance(node, BrTable):
        row = BY_NAME["br_table"]
        values = (tuple(_depth(label, top) for label in node.labels),)
    elif isinstance(node, (BrOn, Resume)):
        row = node.row
        place = label_place(row)
        rest = list(memo.numbers(row, node.immediates))
        if isinstance(node, BrOn):
            rest[place] = _depth(node.label, top)
        else:
            rest[place] = tuple(
                kinds.Handler(
                    memo.number("tag", on.tag), None if on.label is None else _depth(on.label, top)
                )
                for on in node.handlers
            )
        values = tuple(rest)
    else:
        raise TypeError(f"no item of a sequence: {node!r}")
    return _spelled(wires, node, values, encode_row(row, values))

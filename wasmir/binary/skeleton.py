"""Function bodies: bytes to tree, and tree to bytes.

Decoding works on what :mod:`wasmir.isa.tokens` finds: a run, then one control instruction.
The run goes into the tree as it is. What the control instruction means is looked up by its bytes,
so the work on each distinct spelling is done once per module; a spelling seen for the first time,
and one that the token regex can't count, goes through the strict decoder.

Encoding is the mirror: it walks the tree with a stack of its own, gives each label its height as
it opens, and computes the depths of branches from heights.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from wasmir.errors import InvalidError, MalformedError
from wasmir.ir.code import (
    Block,
    BlockType,
    Body,
    Br,
    BrIf,
    BrOn,
    BrTable,
    Branch,
    Catch,
    Clause,
    If,
    Instr,
    Item,
    Label,
    Loop,
    Node,
    On,
    Resume,
    Rethrow,
    Structured,
    Try,
    TryTable,
)
from wasmir.ir.effects import instruction_effect
from wasmir.ir.function import Function
from wasmir.ir.tag import Tag
from wasmir.ir.type import Type
from wasmir.isa import kinds, tokens
from wasmir.isa.strict import decode_one, encode_one
from wasmir.isa.table import BY_NAME, Row, Trait
from wasmir.types import Concrete, RefType, ValType, encode_value_type
from wasmir.wire import Reader, Writer, encode_signed, encode_unsigned

if TYPE_CHECKING:
    from wasmir.ir.module import Module

__all__ = [
    "TYPE_INDEX",
    "Memo",
    "count_instructions",
    "declared_locals",
    "decode_body",
    "decode_body_with",
    "dissolve",
    "encode_body",
    "memo_of",
    "run_effect",
    "split",
]

# What a control token does to the decoder, the frequent ones first. Plain integers, because the
# loop over them is the hottest of the library.
(
    _END,
    _BR_IF,
    _IF,
    _BLOCK,
    _BR,
    _TRY,
    _INSTR,
    _RETHROW,
    _CATCH,
    _LOOP,
    _DELEGATE,
    _ELSE,
    _TRY_TABLE,
    _OTHER,
    _RUN,
    _GAVE_UP,
) = range(16)

_SIMPLE = {"end": _END, "else": _ELSE}
_OPENERS = {"block": _BLOCK, "loop": _LOOP, "if": _IF, "try": _TRY}
_ONE_LABEL = {"br": _BR, "br_if": _BR_IF, "rethrow": _RETHROW, "delegate": _DELEGATE}

# A closed label's height: far above any real one, so that the depth of a branch to it comes out
# negative, which no table of depths holds.
_CLOSED = 1 << 40


class Memo(dict[bytes, tuple[int, Any]]):
    """What each distinct control token means in one module: its action, and what that needs.

    Missing tokens are decoded strictly, once. The other direction's memos live here as well.
    """

    def __init__(self, module: Module) -> None:
        super().__init__({b"": (_GAVE_UP, None)})
        self.module = module
        self.scan = tokens.skeleton()
        self.split = tokens.split()
        self.block_types: dict[bytes, BlockType] = {}
        self.instrs: dict[bytes, Instr] = {}
        self.effects = _Effects(self)
        self.rows: dict[bytes, Row] = {}
        # Encoding.
        self.openers: dict[type[Structured], _Openers] = {
            Block: _Openers(self, b"\x02"),
            Loop: _Openers(self, b"\x03"),
            If: _Openers(self, b"\x04"),
            Try: _Openers(self, b"\x06"),
            TryTable: _Openers(self, b"\x1f"),
        }
        self.clause_heads = _ClauseHeads()
        self.encoded: dict[int, tuple[Instr, bytes]] = {}

    def __missing__(self, token: bytes) -> tuple[int, Any]:
        row, values = decode_one(Reader(token))
        action = self[token] = self._action(token, row, values)
        return action

    def _action(self, token: bytes, row: Row, values: tuple[Any, ...]) -> tuple[int, Any]:
        name = row.name
        if name in _SIMPLE:
            return _SIMPLE[name], None
        if name in _OPENERS:
            return _OPENERS[name], self._block_type(token[1:], values[0])
        if name == "catch_all":
            return _CATCH, (None, None)
        shortest = _encoded(row, values) == token
        wire = None if shortest else token
        if name == "catch":
            return _CATCH, (self._tag(values[0]), wire)
        if name == "try_table":
            writer = Writer()
            kinds.CATCHES.write(writer, values[1])
            type_ = self._block_type(token[1:], values[0])
            # The block type remembers its own spelling.
            spelled = token[1 + _block_type_size(token[1:]) :]
            return _TRY_TABLE, (type_, values[1], None if spelled == writer.getvalue() else spelled)
        if name in _ONE_LABEL and shortest:
            # Counted from the end of the list of open labels.
            return _ONE_LABEL[name], ~values[0]
        if Trait.BRANCHES in row.traits:
            return _OTHER, (row, values, wire)
        if Trait.TERMINATES in row.traits:
            return _INSTR, self.instr(token)
        return _RUN, None

    def instr(self, token: bytes) -> Instr:
        """The interned instruction that the token spells."""
        found = self.instrs.get(token)
        if found is None:
            row, values = decode_one(Reader(token))
            if _encoded(row, values) == token:
                found = self.module.instr(row.name, *self._resolved(row, values))
            else:
                found = Instr(row, self._resolved(row, values), token)
            self.instrs[token] = found
        return found

    def _resolved(self, row: Row, values: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(
            self._resolve(immediate.kind, value)
            for immediate, value in zip(row.immediates, values, strict=True)
        )

    def _resolve(self, kind: kinds.Kind, value: Any) -> Any:
        """An immediate's index as the thing it names, where that is an entity already."""
        if kind.space == "func":
            return self._at(self.module.functions, value, "function")
        if kind.space == "tag":
            return self._tag(value)
        if kind.space == "type" and isinstance(value, int):
            return self._at(self.module.types, value, "type")
        return value

    def _tag(self, index: int) -> Any:
        return self._at(self.module.tags, index, "tag")

    def _at(self, space: Any, index: int, what: str) -> Any:
        if index >= len(space):
            raise InvalidError(f"unknown {what} {index}")
        return space[index]

    def _block_type(self, wire: bytes, value: Any) -> BlockType:
        """``wire`` begins with the block type; what follows it is ignored."""
        wire = wire[: _block_type_size(wire)]
        found = self.block_types.get(wire)
        if found is None:
            found = self.block_types[wire] = self._new_block_type(wire, value)
        return found

    def _new_block_type(self, wire: bytes, value: Any) -> BlockType:
        if isinstance(value, int):
            type_ = self._at(self.module.types, value, "type")
            func = type_.func
            if func is None:
                raise InvalidError(f"type mismatch: block type {value} is no function type")
            params, results = func.params, func.results
            if encode_signed(value) != wire:
                return BlockType(params, results, type_, wire)
            key = (params, results)
            short = not params and len(results) <= 1
            known = None if short else self.module._block_types.get(key)
            if known is not None and known.type is type_:
                return known
            made = BlockType(params, results, type_)
            if not short and self.module._by_func_type.get(func) is type_:
                self.module._block_types[key] = made
            return made
        results = () if value is None else (self.value_type(value),)
        if wire != (b"\x40" if value is None else encode_value_type(value)):
            return BlockType((), results, None, wire)
        return self.module.block_type((), results)

    def value_type(self, type_: ValType) -> ValType:
        """The type with its type index replaced by the entity."""
        if isinstance(type_, RefType) and isinstance(type_.heap, Concrete):
            index = type_.heap.type
            if isinstance(index, int):
                entity = self._at(self.module.types, index, "type")
                return RefType(type_.nullable, Concrete(entity, type_.heap.exact))
        return type_

    # Encoding

    def encode_instr(self, instr: Instr) -> bytes:
        """The bytes of one instruction; remembered by identity."""
        known = self.encoded.get(id(instr))
        if known is not None:
            return known[1]
        data = instr._wire
        if data is None:
            data = _encoded(instr.row, tuple(map(_index, instr.immediates)))
        # Holding the instruction keeps its identity from being given to another.
        self.encoded[id(instr)] = instr, data
        return data

    def encode_block_type(self, type_: BlockType) -> bytes:
        if type_._wire is not None:
            return type_._wire
        if type_.type is not None:
            return encode_signed(type_.type.index)
        if not type_.results:
            return b"\x40"
        return encode_value_type(type_.results[0], TYPE_INDEX)


def _encoded(row: Row, values: tuple[Any, ...]) -> bytes:
    writer = Writer()
    encode_one(writer, row, values)
    return writer.getvalue()


def _block_type_size(wire: bytes) -> int:
    reader = Reader(wire)
    kinds.BLOCK_TYPE.read(reader)
    return reader.pos


class _TypeIndex(dict[Any, int]):
    def __missing__(self, type_: Type) -> int:
        return type_.index


TYPE_INDEX = _TypeIndex()


def _index(value: Any) -> Any:
    """An immediate as the wire has it."""
    return value.index if isinstance(value, (Type, Function, Tag)) else value


class _Effects(dict[bytes, int]):
    """The effect on the stack of each distinct token."""

    def __init__(self, memo: Memo) -> None:
        self.memo = memo

    def __missing__(self, token: bytes) -> int:
        effect = self[token] = instruction_effect(self.memo.instr(token))
        return effect


class _Openers(dict[BlockType, bytes]):
    """Opcode and block type, by block type."""

    def __init__(self, memo: Memo, opcode: bytes) -> None:
        self.memo = memo
        self.opcode = opcode

    def __missing__(self, type_: BlockType) -> bytes:
        data = self[type_] = self.opcode + self.memo.encode_block_type(type_)
        return data


class _Depths(dict[int, bytes]):
    """Opcode and label index, by depth."""

    def __init__(self, opcode: bytes) -> None:
        self.opcode = opcode

    def __missing__(self, depth: int) -> bytes:
        if depth < 0:
            raise InvalidError("unknown label: a branch stands outside the block it names")
        data = self[depth] = self.opcode + encode_unsigned(depth)
        return data


_BR_DEPTHS = _Depths(b"\x0c")
_BR_IF_DEPTHS = _Depths(b"\x0d")
_RETHROW_DEPTHS = _Depths(b"\x09")
_DELEGATE_DEPTHS = _Depths(b"\x18")
_LABEL_DEPTHS = _Depths(b"")


def memo_of(module: Module) -> Memo:
    memo = module._memo
    if memo is None:
        memo = module._memo = Memo(module)
    return cast("Memo", memo)


# Decoding


def decode_body(function: Function) -> Body:
    """The tree of a function's code. Raises MalformedError, InvalidError (an unknown index)."""
    body = _decode_body(function, None)
    assert body is not None
    return body


def decode_body_with(function: Function, name: str) -> Body | None:
    """Like :func:`decode_body`, but ``None`` if the control instruction of that name isn't there
    (it may not be, even so)."""
    row = BY_NAME[name]
    opcode = row.opcode
    data, start, end = _code_of(function)
    # The byte may be part of something else, so this rules out, and not in.
    if data.find(opcode, start, end) < 0:
        return None
    return _decode_body(function, opcode)


def _code_of(function: Function) -> tuple[bytes, int, int]:
    if function._code is None:
        return function.module.data, function._start, function._end
    return function._code, 0, len(function._code)


def _decode_body(function: Function, wanted: bytes | None) -> Body | None:
    memo = memo_of(function.module)
    data, start, end = _code_of(function)
    try:
        after_locals = tokens.skip_locals(data, start, end)
        found = memo.scan(data, after_locals, end)
        if wanted is not None:
            distinct = set(map(_TOKEN, found))
            # Where the scan gave up (it then matched once more, at the end) nothing is known of
            # what follows.
            gave_up = len(found) > 1 and found[-2][2]
            if not gave_up and not any(token.startswith(wanted) for token in distinct):
                return None
        body = Body(function, data[start:after_locals])
        _decode(memo, body, data, after_locals, end, found)
    except InvalidError as error:
        if error.function is None:
            error.function = str(function)
        raise
    return body


_TOKEN = operator.itemgetter(1)

_Triples: TypeAlias = list[tuple[bytes, bytes, bytes]]
# Open labels, the sequences waiting for them to end, the sequence being filled.
_Open: TypeAlias = tuple[list[Label], list[list[Item]], list[Item]]


def _decode(
    memo: Memo, body: Body, data: bytes, start: int, end: int, found: _Triples
) -> None:
    pos = start
    labels, waiting, items = [body], [], body.items  # type: _Open
    while True:
        walk = iter(found)
        try:
            labels, waiting, items = _build(memo, body, walk, labels, waiting, items)
        except (IndexError, MalformedError, InvalidError) as error:
            seen, token = _seen(found, walk)
            where = pos + seen - len(token)
            if isinstance(error, IndexError):
                raise InvalidError("unknown label", None, where) from None
            if isinstance(error, MalformedError):
                raise MalformedError(error.reason, where + error.offset) from None
            raise InvalidError(error.reason, error.function, where) from None
        if not labels:
            # At the end of the data the regex finds nothing once more.
            if any(next(walk)):
                pos += _seen(found, walk)[0]
                raise MalformedError("END opcode expected: the body goes on behind its end", pos)
            return
        pos += _seen(found, walk)[0]
        if pos == end:
            raise MalformedError("unexpected end: END opcode expected", pos)
        # A token that the regex doesn't count. Decode it strictly and go on behind it.
        reader = Reader(data, pos, end)
        decode_one(reader)
        token = data[pos : reader.pos]
        found = memo.scan(data, reader.pos, end)
        found.insert(0, (b"", token, b""))


def _seen(found: _Triples, walk: Iterator[tuple[bytes, bytes, bytes]]) -> tuple[int, bytes]:
    """How many bytes were taken from the iterator over what was found; the last token."""
    given = found[: len(found) - operator.length_hint(walk)]
    return sum(len(run) + len(token) for run, token, _ in given), given[-1][1]


def _build(
    memo: Memo,
    body: Body,
    found: Iterator[tuple[bytes, bytes, bytes]],
    labels: list[Label],
    waiting: list[list[Item]],
    items: list[Item],
) -> _Open:
    """Put runs and control instructions into the tree until the body ends, or the regex gave up.

    The loop runs once per control instruction, millions of times for a large module: objects are
    made without a call of ``__init__``, and the frequent actions come first.
    """
    new = object.__new__
    for run, token, _ in found:
        if run:
            items.append(run)
        action, arg = memo[token]
        if action == _END:
            labels.pop()
            if not waiting:
                break
            items = waiting.pop()
        elif action == _BR_IF:
            branch_if = new(BrIf)
            branch_if.label = labels[arg]
            items.append(branch_if)
        elif action == _IF:
            if_ = new(If)
            if_.type = arg
            if_.else_items = None
            items.append(if_)
            labels.append(if_)
            waiting.append(items)
            if_.items = items = []
        elif action == _BLOCK:
            block = new(Block)
            block.type = arg
            items.append(block)
            labels.append(block)
            waiting.append(items)
            block.items = items = []
        elif action == _BR:
            branch = new(Br)
            branch.label = labels[arg]
            items.append(branch)
        elif action == _INSTR:
            items.append(arg)
        elif action == _TRY:
            try_ = new(Try)
            try_.type = arg
            try_.catches = []
            try_.delegate = None
            items.append(try_)
            labels.append(try_)
            waiting.append(items)
            try_.items = items = []
        elif action == _RETHROW:
            rethrow = new(Rethrow)
            rethrow.label = labels[arg]
            items.append(rethrow)
        elif action == _CATCH:
            items = _catch(body, labels[-1], *arg)
        elif action == _LOOP:
            loop = new(Loop)
            loop.type = arg
            items.append(loop)
            labels.append(loop)
            waiting.append(items)
            loop.items = items = []
        elif action == _DELEGATE:
            _delegate(labels.pop(), labels[arg])
            items = waiting.pop()
        elif action == _ELSE:
            items = _else(labels[-1])
        elif action == _GAVE_UP:
            break
        elif action == _RUN:
            items.append(token)
        elif action == _OTHER:
            node = _branch(memo, body, labels, *arg)
            if node is None:
                items = waiting.pop()
            else:
                items.append(node)
        else:
            table = _try_table(memo, body, labels, *arg)
            items.append(table)
            labels.append(table)
            waiting.append(items)
            items = table.items
    return labels, waiting, items


def _catch(body: Body, label: Label, tag: Tag | None, wire: bytes | None) -> list[Item]:
    if not isinstance(label, Try):
        raise MalformedError("unexpected catch: no try is open here", 0)
    if label.catches and label.catches[-1].tag is None:
        raise MalformedError("unexpected catch behind catch_all", 0)
    clause = Catch(tag)
    label.catches.append(clause)
    if wire is not None and tag is not None:
        body._wires[clause] = (tag.index,), wire
    return clause.items


def _else(label: Label) -> list[Item]:
    if not isinstance(label, If) or label.else_items is not None:
        raise MalformedError("unexpected else: no if is open here", 0)
    label.else_items = []
    return label.else_items


def _delegate(closed: Label, target: Label) -> None:
    if not isinstance(closed, Try) or closed.catches:
        raise MalformedError("unexpected delegate: no try without handlers is open here", 0)
    closed.delegate = target


def _outer(labels: list[Label], depth: int) -> Label:
    return labels[~depth]


def _branch(
    memo: Memo,
    body: Body,
    labels: list[Label],
    row: Row,
    values: tuple[Any, ...],
    wire: bytes | None,
) -> Branch | None:
    """A branch of the rarer kinds, or spelled longer than it must; ``None`` for ``delegate``.

    ``wire`` is the spelling, where it isn't the shortest.
    """
    node: Branch
    if row.name == "delegate":
        closed = labels.pop()
        _delegate(closed, _outer(labels, values[0]))
        if wire is not None:
            body._wires[closed] = (values[0],), wire
        return None
    if row.name == "br_table":
        node = BrTable(tuple(_outer(labels, depth) for depth in values[0]))
    elif row.name in _ONE_LABEL:
        node = _BRANCHES[row.name](_outer(labels, values[0]))
    else:
        place = _label_place(row)
        rest = list(memo._resolved(row, values))
        value, rest[place] = values[place], None
        if isinstance(value, int):
            node = BrOn(row, _outer(labels, value), tuple(rest))
        else:
            handlers = [
                On(memo._tag(on.tag), None if on.label is None else _outer(labels, on.label))
                for on in value
            ]
            node = Resume(row, handlers, tuple(rest))
    if wire is not None:
        body._wires[node] = values, wire
    return node


_BRANCHES: dict[str, type[Br | BrIf | Rethrow]] = {"br": Br, "br_if": BrIf, "rethrow": Rethrow}


def _label_place(row: Row) -> int:
    """Which of the immediates holds the labels."""
    return next(i for i, immediate in enumerate(row.immediates) if immediate.kind.space == "label")


def _try_table(
    memo: Memo,
    body: Body,
    labels: list[Label],
    type_: BlockType,
    values: tuple[Any, ...],
    wire: bytes | None,
) -> TryTable:
    clauses = [
        Clause(
            None if clause.tag is None else memo._tag(clause.tag),
            _outer(labels, clause.label),
            clause.kind.has_ref,
        )
        for clause in values
    ]
    table = TryTable(type_, clauses)
    if wire is not None:
        body._wires[table] = values, wire
    return table


def declared_locals(body: Body) -> int:
    """How many locals the body declares, parameters and added ones not counted."""
    return tokens.count_locals(body.locals_wire, body.function.offset)


def count_instructions(function: Function) -> dict[Row, int]:
    """How often each instruction stands in a function's code."""
    memo = memo_of(function.module)
    data, start, end = _code_of(function)
    pos = tokens.skip_locals(data, start, end)
    counts: Counter[bytes] = Counter()
    while pos < end:
        found = memo.split(data, pos, end)
        gave_up = not found[-1]
        counts.update(found)
        pos += sum(map(len, found))
        if gave_up:
            reader = Reader(data, pos, end)
            decode_one(reader)
            counts[data[pos : reader.pos]] += 1
            pos = reader.pos
    del counts[b""]
    rows: Counter[Row] = Counter()
    for token, count in counts.items():
        row = memo.rows.get(token)
        if row is None:
            row = memo.rows[token] = decode_one(Reader(token))[0]
        rows[row] += count
    return rows


def split(module: Module, run: bytes) -> list[Instr]:
    """The instructions of a run."""
    memo = memo_of(module)
    instrs = memo.instrs
    found: list[Instr] = []
    pos = 0
    while pos < len(run):
        for token in memo.split(run, pos):
            if not token:
                break
            found.append(instrs.get(token) or memo.instr(token))
            pos += len(token)
        else:
            break
        # A token that the regex doesn't count.
        reader = Reader(run, pos)
        decode_one(reader)
        found.append(memo.instr(run[pos : reader.pos]))
        pos = reader.pos
    return found


def run_effect(module: Module, run: bytes) -> int:
    """How far a run raises the operand stack."""
    memo = memo_of(module)
    tokens_ = memo.split(run)
    if b"" not in tokens_:
        return sum(map(memo.effects.__getitem__, tokens_))
    return sum(map(instruction_effect, split(module, run)))


# Encoding


def encode_body(body: Body, *, consume: bool = False) -> bytes:
    """A function's code: locals and instructions, without the size in front.

    ``consume`` takes the tree apart on the way. Branches and blocks refer to each
    other, so without that only the cyclic collector would free them, at several times the cost
    of everything else.

    Raises InvalidError for a branch that stands outside the block it names, and for a block that
    stands in two places at once.
    """
    memo = memo_of(body.function.module)
    try:
        pieces = _encode(memo, body, consume=consume)
    except (InvalidError, AttributeError) as error:
        # A label that never was opened has no height at all.
        reason = error.reason if isinstance(error, InvalidError) else _STALE
        raise InvalidError(reason, str(body.function)) from None
    return _encode_locals(body) + b"".join(pieces)


def dissolve(body: Body) -> None:
    """Take a tree apart, so that counting references is enough to free it."""
    pending = [body.items]
    while pending:
        items = pending.pop()
        for item in items:
            if isinstance(item, Structured):
                pending.extend(item.sequences())
        items.clear()


_STALE = "unknown label: a branch stands outside the block it names"


def _encode_locals(body: Body) -> bytes:
    if not body.added_locals:
        return body.locals_wire
    reader = Reader(body.locals_wire)
    groups = reader.u32()
    added = b"".join(
        encode_unsigned(count) + encode_value_type(type_, TYPE_INDEX)
        for count, type_ in body.added_locals
    )
    rest = body.locals_wire[reader.pos :]
    return encode_unsigned(groups + len(body.added_locals)) + rest + added


def _encode(memo: Memo, body: Body, *, consume: bool) -> list[bytes]:
    """The instructions' bytes. One loop, whatever the nesting; mirrors :func:`_build`."""
    out: list[bytes] = []
    emit = out.append
    encoded = memo.encoded
    openers = memo.openers
    blocks, loops, ifs = openers[Block], openers[Loop], openers[If]
    tries, tables = openers[Try], openers[TryTable]
    br_ifs, brs = _BR_IF_DEPTHS, _BR_DEPTHS
    wires = body._wires
    # The height of the innermost open label; the body's own is 0.
    top = 0
    body._height = 0
    # For each open one: what goes on behind it, itself, the parts it still has, and its closing.
    stack: list[tuple[Iterator[Item], Structured, _Parts | None, bytes]] = []
    walk = iter(body.items)
    while True:
        for item in walk:
            kind = item.__class__
            if kind is bytes:
                emit(item)
            elif kind is BrIf:
                emit(br_ifs[top - item.label._height])
                if wires and item in wires:
                    out[-1] = _spelled(wires, item, (top - item.label._height,), out[-1])
            elif kind is Block or kind is Loop:
                emit(blocks[item.type] if kind is Block else loops[item.type])
                stack.append((walk, item, None, b"\x0b"))
                top += 1
                item._height = top
                walk = iter(item.items)
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
                        continue
                else:
                    parts = iter(((b"\x05", item.else_items),))
                stack.append((walk, item, parts, b"\x0b"))
                top += 1
                item._height = top
                walk = iter(items)
                break
            elif kind is Instr:
                known = encoded.get(id(item))
                emit(memo.encode_instr(item) if known is None else known[1])
            elif kind is TryTable:
                emit(tables[item.type])
                emit(_encode_clauses(memo, item, top, wires))
                stack.append((walk, item, None, b"\x0b"))
                top += 1
                item._height = top
                walk = iter(item.items)
                break
            elif kind is Try:
                emit(tries[item.type])
                parts = None
                close = b"\x0b"
                if item.catches:
                    parts = iter([(_encode_catch(c, wires), c.items) for c in item.catches])
                elif item.delegate is not None:
                    depth = top - item.delegate._height
                    close = _DELEGATE_DEPTHS[depth]
                    if wires:
                        close = _spelled(wires, item, (depth,), close)
                stack.append((walk, item, parts, close))
                top += 1
                item._height = top
                walk = iter(item.items)
                break
            elif kind is Rethrow:
                emit(_RETHROW_DEPTHS[top - item.label._height])
                if wires and item in wires:
                    out[-1] = _spelled(wires, item, (top - item.label._height,), out[-1])
            else:
                emit(_encode_branch(item, top, wires))
        else:
            if not stack:
                emit(b"\x0b")
                body._height = _CLOSED
                if consume:
                    body.items.clear()
                return out
            walk, node, parts, close = stack.pop()
            if parts is not None:
                part = next(parts, None)
                if part is not None:
                    emit(part[0])
                    stack.append((walk, node, parts, close))
                    walk = iter(part[1])
                    continue
                if consume:
                    for items in node.sequences():
                        items.clear()
            elif consume:
                node.items.clear()
            emit(close)
            node._height = _CLOSED
            top -= 1


_Parts: TypeAlias = Iterator[tuple[bytes, list[Item]]]
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


def _encode_catch(clause: Catch, wires: _Wires) -> bytes:
    if clause.tag is None:
        return b"\x19"
    index = clause.tag.index
    return _spelled(wires, clause, (index,), b"\x07" + encode_unsigned(index))


_CATCH_KINDS = {
    (False, False): kinds.CatchKind.CATCH,
    (False, True): kinds.CatchKind.CATCH_REF,
    (True, False): kinds.CatchKind.CATCH_ALL,
    (True, True): kinds.CatchKind.CATCH_ALL_REF,
}


def _encode_clauses(memo: Memo, table: TryTable, top: int, wires: _Wires) -> bytes:
    # Labels count from outside the try_table, which isn't open yet.
    clauses = table.clauses
    heads = memo.clause_heads
    pieces = [encode_unsigned(len(clauses))]
    for clause in clauses:
        pieces.append(heads[clause.tag, clause.ref])
        pieces.append(_LABEL_DEPTHS[top - clause.label._height])
    shortest = b"".join(pieces)
    if table not in wires:
        return shortest
    values = tuple(
        kinds.Clause(
            _CATCH_KINDS[clause.tag is None, clause.ref],
            None if clause.tag is None else clause.tag.index,
            top - clause.label._height,
        )
        for clause in clauses
    )
    return _spelled(wires, table, values, shortest)


class _ClauseHeads(dict[tuple[Tag | None, bool], bytes]):
    """A catch clause up to its label, by tag and whether it wants the exception itself."""

    def __missing__(self, key: tuple[Tag | None, bool]) -> bytes:
        tag, ref = key
        kind = bytes((_CATCH_KINDS[tag is None, ref].value,))
        head = self[key] = kind if tag is None else kind + encode_unsigned(tag.index)
        return head


def _encode_branch(node: Item, top: int, wires: _Wires) -> bytes:
    values: tuple[Any, ...]
    if isinstance(node, BrTable):
        row = BY_NAME["br_table"]
        values = (tuple(_depth(label, top) for label in node.labels),)
    elif isinstance(node, (BrOn, Resume)):
        row = node.row
        place = _label_place(row)
        rest = [_index(value) for value in node.immediates]
        if isinstance(node, BrOn):
            rest[place] = _depth(node.label, top)
        else:
            rest[place] = tuple(
                kinds.Handler(on.tag.index, None if on.label is None else _depth(on.label, top))
                for on in node.handlers
            )
        values = tuple(rest)
    else:
        raise TypeError(f"no item of a sequence: {node!r}")
    return _spelled(wires, node, values, _encoded(row, values))

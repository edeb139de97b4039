"""Function bodies: bytes to tree. Mirrors :mod:`wasmir.binary.encode_code`.

Decoding works on what :mod:`wasmir.isa.tokens` finds: a run, then one control instruction. The run
goes into the tree as it is. What the control instruction means is looked up by its bytes; a
spelling seen for the first time, and one that the token regex can't count, goes through the strict
decoder.
"""

from __future__ import annotations

import operator
from collections import Counter
from typing import TYPE_CHECKING, Any

from wasmir.binary.fresh import Fresh
from wasmir.binary.memo import (
    BLOCK,
    BR,
    BR_IF,
    CATCH,
    DELEGATE,
    ELSE,
    END,
    GAVE_UP,
    IF,
    INSTR,
    LOOP,
    ONE_LABEL,
    OTHER,
    RETHROW,
    RUN,
    TRY,
    Memo,
    label_place,
    memo_of,
)
from wasmir.errors import InvalidError, MalformedError, WasmError
from wasmir.ir.bulk import bulk_work
from wasmir.ir.code import (
    Block,
    BlockType,
    Body,
    Br,
    Branch,
    BrIf,
    BrOn,
    BrTable,
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
from wasmir.isa import tokens
from wasmir.isa.strict import decode_one
from wasmir.types import decode_value_type
from wasmir.wire import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wasmir.ir.function import Function
    from wasmir.ir.module import Module
    from wasmir.ir.tag import Tag
    from wasmir.isa.table import Row
    from wasmir.types import ValType

__all__ = [
    "Tree",
    "add_catch",
    "add_else",
    "code_of",
    "count_instructions",
    "declared_locals",
    "decode_body",
    "dissolve",
    "end_by_delegate",
    "expand",
    "grow",
    "let_go",
    "new_branch",
    "new_try_table",
    "split",
]


def decode_body(function: Function, *, expanded: bool = False) -> Body:
    """The tree of a function's code, ``expanded`` or with runs. Raises MalformedError, InvalidError
    (an unknown index).
    """
    data, start, end = code_of(function)
    after_locals = tokens.skip_locals(data, start, end)
    body = Body(function, data[start:after_locals])
    tree = Tree(memo_of(function.module), body, expanded=expanded)
    grow(function, tree, data, after_locals, end, tokens.skeleton())
    tree.note_fresh()
    return body


def code_of(function: Function) -> tuple[bytes, int, int]:
    """The bytes that hold a function's code, and where in them."""
    if function._code is None:
        return function.module.source, function._start, function._end
    return function._code, 0, len(function._code)


# One function of megabytes is bulk work by itself.
_LARGE = 1 << 16


def grow(
    function: Function, tree: Tree, data: bytes, start: int, end: int, scan: tokens.Scan
) -> None:
    """Let a tree take in all that is scanned of a function's code behind the locals.

    Raises MalformedError, InvalidError.
    """
    try:
        found = scan(data, start, end)
        if end - start > _LARGE:
            with bulk_work():
                _grow(tree, data, start, end, found, scan)
        else:
            _grow(tree, data, start, end, found, scan)
    except InvalidError as error:
        if error.function is None and not error._elsewhere:
            error.function = str(function)
        raise


class Tree:
    """A tree that is growing."""

    __slots__ = (
        "blocks",
        "body",
        "branches",
        "ifs",
        "items",
        "labels",
        "memo",
        "rest",
        "runs",
        "trys",
        "waiting",
    )

    def __init__(self, memo: Memo, body: Body, *, expanded: bool = False) -> None:
        self.memo = memo
        self.body = body
        #: Open labels; none once the body has ended.
        self.labels: list[Label] = [body]
        #: The lists that wait for them to end.
        self.waiting: list[list[Item]] = []
        #: The list that is being filled.
        self.items: list[Item] = body.items
        #: What gives a run's instructions, if these are to stand in its place.
        self.runs = memo.runs if expanded else None
        #: The nodes, see :class:`Fresh`.
        self.branches: list[Br | BrIf | Rethrow] = []
        self.blocks: list[Structured] = []
        self.ifs: list[If] = []
        self.trys: list[Try] = []
        self.rest: list[Node] = []

    def grow(self, found: Iterator[tuple[bytes, bytes, bytes]]) -> None:
        """Take runs and control instructions in, until the body ends or the regex gave up.

        The loop runs once per control instruction, millions of times for a large module: objects
        are made without a call of ``__init__``, and the frequent actions come first.
        """
        new = object.__new__
        memo, body, runs = self.memo, self.body, self.runs
        labels, waiting, items = self.labels, self.waiting, self.items
        branches, blocks, rest = self.branches, self.blocks, self.rest
        for run, token, _ in found:
            if run:
                if runs is None:
                    items.append(run)
                else:
                    items += runs[run]
            action, arg = memo[token]
            if action == END:
                labels.pop()
                if not waiting:
                    break
                items = waiting.pop()
            elif action == BR_IF:
                branch_if = new(BrIf)
                branch_if.label = labels[arg]
                items.append(branch_if)
                branches.append(branch_if)
            elif action == IF:
                if_ = new(If)
                if_.type = arg
                if_.else_items = None
                items.append(if_)
                blocks.append(if_)
                self.ifs.append(if_)
                labels.append(if_)
                waiting.append(items)
                if_.items = items = []
            elif action == BLOCK:
                block = new(Block)
                block.type = arg
                items.append(block)
                blocks.append(block)
                labels.append(block)
                waiting.append(items)
                block.items = items = []
            elif action == BR:
                branch = new(Br)
                branch.label = labels[arg]
                items.append(branch)
                branches.append(branch)
            elif action == INSTR:
                items.append(arg)
            elif action == TRY:
                try_ = new(Try)
                try_.type = arg
                try_.catches = []
                try_.delegate = None
                items.append(try_)
                blocks.append(try_)
                self.trys.append(try_)
                labels.append(try_)
                waiting.append(items)
                try_.items = items = []
            elif action == RETHROW:
                rethrow = new(Rethrow)
                rethrow.label = labels[arg]
                items.append(rethrow)
                branches.append(rethrow)
            elif action == CATCH:
                label = labels[-1]
                if label.__class__ is Try and not label.catches and arg[1] is None:
                    clause = new(Catch)
                    clause.tag = arg[0]
                    clause.items = items = []
                    label.catches.append(clause)
                else:
                    items = add_catch(body, label, *arg)
            elif action == LOOP:
                loop = new(Loop)
                loop.type = arg
                items.append(loop)
                blocks.append(loop)
                labels.append(loop)
                waiting.append(items)
                loop.items = items = []
            elif action == DELEGATE:
                label = labels.pop()
                if label.__class__ is Try and not label.catches:
                    label.delegate = labels[arg]
                else:
                    end_by_delegate(label, labels, ~arg)
                items = waiting.pop()
            elif action == ELSE:
                items = add_else(labels[-1])
            elif action == GAVE_UP:
                break
            elif action == RUN:
                if runs is None:
                    items.append(token)
                else:
                    items += runs[token]
            elif action == OTHER:
                node = new_branch(memo, body, labels, *arg)
                if node is None:
                    items = waiting.pop()
                else:
                    items.append(node)
                    if isinstance(node, _ONE_LABEL):
                        branches.append(node)
                    else:
                        rest.append(node)
            else:
                table = new_try_table(memo, body, labels, *arg)
                items.append(table)
                blocks.append(table)
                rest.append(table)
                labels.append(table)
                waiting.append(items)
                items = table.items
        self.labels, self.waiting, self.items = labels, waiting, items

    def note_fresh(self) -> None:
        """Note what the tree is like now that it is grown."""
        self.body._fresh = Fresh(
            self.body, self.branches, self.blocks, self.ifs, self.trys, self.rest
        )


def _grow(
    tree: Tree, data: bytes, start: int, end: int, found: tokens.Triples, scan: tokens.Scan
) -> None:
    pos = start
    while True:
        walk = iter(found)
        try:
            tree.grow(walk)
        except (IndexError, MalformedError, InvalidError) as error:
            if isinstance(error, WasmError) and error._elsewhere:
                raise
            seen, token = _seen(found, walk)
            where = pos + seen - len(token)
            if isinstance(error, IndexError):
                raise InvalidError("unknown label", None, where) from None
            if isinstance(error, MalformedError):
                raise MalformedError(error.reason, where + error.offset) from None
            raise InvalidError(error.reason, error.function, where + (error.offset or 0)) from None
        if not tree.labels:
            # At the end of the data the regex finds nothing once more.
            surplus = next(walk)
            if any(surplus):
                pos += _seen(found, walk)[0] - len(surplus[0]) - len(surplus[1])
                raise MalformedError("END opcode expected: the body goes on behind its end", pos)
            return
        pos += _seen(found, walk)[0]
        if pos == end:
            raise MalformedError("unexpected end of section or function: END opcode expected", pos)
        # A token that the regex doesn't count. Decode it strictly and go on behind it.
        reader = Reader(data, pos, end)
        decode_one(reader)
        token = data[pos : reader.pos]
        found = scan(data, reader.pos, end)
        found.insert(0, (b"", token, b""))


def _seen(found: tokens.Triples, walk: Iterator[tuple[bytes, bytes, bytes]]) -> tuple[int, bytes]:
    """How many bytes were taken from the iterator over what was found; the last token."""
    given = found[: len(found) - operator.length_hint(walk)]
    return sum(len(run) + len(token) for run, token, _ in given), given[-1][1]


def add_catch(body: Body, label: Label, tag: Tag | None, wire: bytes | None) -> list[Item]:
    if not isinstance(label, Try):
        raise MalformedError("unexpected catch: no try is open here", 0)
    if label.catches and label.catches[-1].tag is None:
        raise MalformedError("unexpected catch behind catch_all", 0)
    clause = Catch(tag)
    label.catches.append(clause)
    if wire is not None and tag is not None:
        body._wires[clause] = (tag._number,), wire
    return clause.items


def add_else(label: Label) -> list[Item]:
    if not isinstance(label, If) or label.else_items is not None:
        raise MalformedError("unexpected else: no if is open here", 0)
    label.else_items = []
    return label.else_items


def end_by_delegate(closed: Label, labels: list[Label], depth: int) -> None:
    if not isinstance(closed, Try) or closed.catches:
        raise MalformedError("unexpected delegate: no try without handlers is open here", 0)
    closed.delegate = _outer(labels, depth)


def _outer(labels: list[Label], depth: int) -> Label:
    return labels[~depth]


def new_branch(
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
        end_by_delegate(closed, labels, values[0])
        if wire is not None:
            body._wires[closed] = (values[0],), wire
        return None
    if row.name == "br_table":
        node = BrTable(tuple(_outer(labels, depth) for depth in values[0]))
    elif row.name in ONE_LABEL:
        node = _BRANCHES[row.name](_outer(labels, values[0]))
    else:
        place = label_place(row)
        rest = list(memo.resolved(row, values))
        value, rest[place] = values[place], None
        if isinstance(value, int):
            node = BrOn(row, _outer(labels, value), tuple(rest))
        else:
            handlers = [
                On(memo.tag(on.tag), None if on.label is None else _outer(labels, on.label))
                for on in value
            ]
            node = Resume(row, handlers, tuple(rest))
    if wire is not None:
        body._wires[node] = values, wire
    return node


_BRANCHES: dict[str, type[Br | BrIf | Rethrow]] = {"br": Br, "br_if": BrIf, "rethrow": Rethrow}
_ONE_LABEL = (Br, BrIf, Rethrow)


def new_try_table(
    memo: Memo,
    body: Body,
    labels: list[Label],
    type_: BlockType,
    values: tuple[Any, ...],
    wire: bytes | None,
) -> TryTable:
    clauses = [
        Clause(
            None if clause.tag is None else memo.tag(clause.tag),
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


def local_groups(module: Module, code: bytes) -> list[tuple[int, ValType]]:
    """How many locals of which type are declared where code begins, one group after the other."""
    reader = Reader(code)
    resolve = memo_of(module).value_type
    return [(reader.u32(), resolve(decode_value_type(reader))) for _ in range(reader.count())]


def count_instructions(function: Function) -> dict[Row, int]:
    """How often each instruction stands in a function's code."""
    memo = memo_of(function.module)
    data, start, end = code_of(function)
    counts: Counter[bytes] = Counter()
    for portion in tokens.split_whole(data, tokens.skip_locals(data, start, end), end):
        counts.update(portion)
    rows: Counter[Row] = Counter()
    for token, count in counts.items():
        row = memo.rows.get(token)
        if row is None:
            row = memo.rows[token] = decode_one(Reader(token))[0]
        rows[row] += count
    return rows


def split(module: Module, run: bytes) -> list[Instr]:
    """The instructions of a run. Raises MalformedError, InvalidError."""
    return list(memo_of(module).runs[run])


# What has no lists of its own.
_SIMPLE = frozenset({Instr, BrIf, Br, Rethrow, BrTable, BrOn, Resume})


def expand(body: Body) -> None:
    """Replace every run of a tree by its instructions. Raises MalformedError, InvalidError.

    The tree keeps what its lists consisted of, before and after. As long as a list holds the very
    same instructions, it is encoded from its runs: only what was changed costs more.
    """
    _, start, end = code_of(body.function)
    if end - start > _LARGE:
        with bulk_work():
            _expand(body)
    else:
        _expand(body)


def _expand(body: Body) -> None:
    runs = memo_of(body.function.module).runs
    kept = body._kept
    if kept is None:
        kept = body._kept = {}
    simple = _SIMPLE
    pending = [body.items]
    # Any: see the encoder.
    item: Any
    for items in pending:
        expanded: list[Item] = []
        any_run = False
        for item in items:
            kind = item.__class__
            if kind is bytes:
                expanded += runs[item]
                any_run = True
                continue
            expanded.append(item)
            if kind in simple:
                continue
            if kind is Block or kind is Loop:
                pending.append(item.items)
            else:
                pending += item.sequences()
        if any_run:
            kept[id(items)] = items, items.copy(), expanded
            items[:] = expanded


def dissolve(body: Body) -> None:
    """Take a tree apart, so that counting references is enough to free it."""
    pending = [body.items]
    while pending:
        items = pending.pop()
        for item in items:
            if isinstance(item, Structured):
                pending.extend(item.sequences())
        items.clear()
    let_go(body)


def let_go(body: Body) -> None:
    """Let go of what a tree keeps beside its lists."""
    body._kept = None
    for region in body._regions:
        # It is an item of its own list, and its node knows it.
        region.items.clear()
        region.context = None
    body._regions.clear()
    body._fresh = None

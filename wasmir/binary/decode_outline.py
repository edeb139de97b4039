"""Function bodies: bytes to outline, and a survey of it. See :meth:`Function.outline_with`.

Like :mod:`wasmir.binary.decode_code`, of which it is the other half, but over the tokens of
outlines; and on the way it notes what a pass over handlers would otherwise have to walk for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wasmir.binary.decode_code import (
    Tree,
    add_catch,
    add_else,
    build,
    code_of,
    end_by_delegate,
    new_branch,
    new_try_table,
)
from wasmir.binary.memo import (
    BLOCK,
    BR,
    BR_END,
    BR_IF,
    CATCH,
    CLEANUP,
    DELEGATE,
    ELSE,
    END,
    GAVE_UP,
    IF,
    INSTR,
    INSTR_END,
    LEAF,
    LOOP,
    OTHER,
    OTHER_END,
    RETHROW,
    RETHROW_END,
    RUN,
    TRY,
    Memo,
    memo_of,
)
from wasmir.errors import InvalidError
from wasmir.ir.code import (
    Block,
    Body,
    Br,
    BrIf,
    Catch,
    If,
    Item,
    Label,
    Loop,
    Rethrow,
    Try,
    TryTable,
    terminates,
)
from wasmir.ir.survey import Context, Survey, walk
from wasmir.isa import tokens
from wasmir.isa.table import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wasmir.ir.function import Function

__all__ = ["survey"]


def survey(function: Function, name: str) -> Survey | None:
    """See :meth:`wasmir.ir.function.Function.survey_with`."""
    if function._body is not None:
        return walk(function._body)
    opcode = BY_NAME[name].opcode
    data, start, end = code_of(function)
    # The byte may be part of something else, so this rules out, and not in.
    if data.find(opcode, start, end) < 0:
        return None
    start = tokens.skip_locals(data, start, end)
    if tokens.first_of(name)(data, start, end) == end:
        return None
    memo = memo_of(function.module)
    tree = build(function, tokens.outline(), lambda body: _Outline(memo, body), outline=True)
    return tree.surveyed()


def _caught(label: Label) -> Catch | None:
    """The clause that a ``rethrow`` to the label stands in."""
    return label.catches[-1] if isinstance(label, Try) and label.catches else None


_TRYS = frozenset({Try, TryTable})


class _Outline(Tree):
    """An outline that is growing, and the survey of it."""

    __slots__ = ("context", "contexts", "last", "survey", "unsure")

    def __init__(self, memo: Memo, body: Body) -> None:
        super().__init__(memo, body)
        self.survey = Survey(body)
        #: The context of the list that is being filled; those around the trys that are open.
        self.context: Context = None
        self.contexts: list[Context] = []
        #: What ought to be the last in its list, or else has dead code behind it.
        self.last: list[tuple[list[Item], Item]] = []
        #: Whether something stands there that the notes don't cover.
        self.unsure = False

    def surveyed(self) -> Survey:
        # Notes that include dead code are of no use.
        if self.unsure or any(items[-1] is not item for items, item in self.last):
            return walk(self.body)
        return self.survey

    def note_delegate(self, try_: Any) -> None:
        label = try_.delegate
        if isinstance(label, Try):
            self.survey.delegates.append((try_, label.catches[-1] if label.catches else label))
        elif label is not self.body:
            self.unsure = True

    def grow(self, found: Iterator[tuple[bytes, bytes, bytes]]) -> None:  # noqa: PLR0912, PLR0915
        """Mirrors the loop over the skeleton, with notes taken."""
        new = object.__new__
        memo = self.memo.outline
        labels, waiting, items = self.labels, self.waiting, self.items
        context, contexts, last = self.context, self.contexts, self.last
        sites = self.survey.sites
        rethrows = self.survey.rethrows
        users = self.survey.users
        for run, token, _ in found:
            if run:
                items.append(run)
            action, arg = memo[token]
            if action == END:
                if labels.pop().__class__ in _TRYS:
                    context = contexts.pop()
                if not waiting:
                    break
                items = waiting.pop()
            elif action == TRY:
                try_ = new(Try)
                try_.type = arg
                try_.catches = []
                try_.delegate = None
                sites.append((try_, items, len(items), labels[-1], context))
                items.append(try_)
                labels.append(try_)
                waiting.append(items)
                contexts.append(context)
                context = try_
                try_.items = items = []
            elif action == CLEANUP:
                label = labels[-1]
                if label.__class__ is Try and not label.catches:
                    clause = new(Catch)
                    clause.tag = None
                    clause.items = items = []
                    label.catches.append(clause)
                else:
                    items = add_catch(self.body, label, None, None)
                    clause = label.catches[-1]  # type: ignore[attr-defined]
                if arg:
                    items.append(arg)
                rethrow = new(Rethrow)
                rethrow.label = label
                items.append(rethrow)
                rethrows.append((items, clause))
                labels.pop()
                items = waiting.pop()
                context = contexts.pop()
            elif action == BR_IF:
                branch_if = new(BrIf)
                branch_if.label = label = labels[arg]
                items.append(branch_if)
                if label.__class__ is Try:
                    users.append(branch_if)
            elif action == BLOCK:
                block = new(Block)
                block.type = arg
                items.append(block)
                labels.append(block)
                waiting.append(items)
                block.items = items = []
            elif action == LEAF:
                try_ = new(Try)
                try_.type, inside, depth = arg
                if depth >= len(labels):
                    raise InvalidError("unknown label", None, len(token) - 2)
                try_.items = [inside] if inside else []
                try_.catches = []
                try_.delegate = labels[~depth]
                sites.append((try_, items, len(items), labels[-1], context))
                items.append(try_)
                self.note_delegate(try_)
            elif action == IF:
                if_ = new(If)
                if_.type = arg
                if_.else_items = None
                items.append(if_)
                labels.append(if_)
                waiting.append(items)
                if_.items = items = []
            elif action == BR_END:
                branch = new(Br)
                branch.label = label = labels[arg]
                items.append(branch)
                if label.__class__ is Try:
                    users.append(branch)
                if labels.pop().__class__ in _TRYS:
                    context = contexts.pop()
                if not waiting:
                    break
                items = waiting.pop()
            elif action == INSTR_END:
                items.append(arg)
                if labels.pop().__class__ in _TRYS:
                    context = contexts.pop()
                if not waiting:
                    break
                items = waiting.pop()
            elif action == CATCH:
                label = labels[-1]
                if label.__class__ is Try and not label.catches and arg[1] is None:
                    clause = new(Catch)
                    clause.tag = arg[0]
                    clause.items = items = []
                    label.catches.append(clause)
                    context = clause
                else:
                    items = add_catch(self.body, label, *arg)
                    context = label.catches[-1]  # type: ignore[attr-defined]
            elif action == RETHROW_END:
                rethrow = new(Rethrow)
                rethrow.label = label = labels[arg]
                rethrows.append((items, _caught(label)))
                items.append(rethrow)
                if labels.pop().__class__ in _TRYS:
                    context = contexts.pop()
                if not waiting:
                    break
                items = waiting.pop()
            elif action == DELEGATE:
                label = labels.pop()
                if label.__class__ is Try and not label.catches:
                    label.delegate = labels[arg]
                else:
                    end_by_delegate(label, labels, ~arg)
                self.note_delegate(label)
                items = waiting.pop()
                context = contexts.pop()
            elif action == BR:
                branch = new(Br)
                branch.label = label = labels[arg]
                last.append((items, branch))
                items.append(branch)
                if label.__class__ is Try:
                    users.append(branch)
            elif action == LOOP:
                loop = new(Loop)
                loop.type = arg
                items.append(loop)
                labels.append(loop)
                waiting.append(items)
                loop.items = items = []
            elif action == RETHROW:
                rethrow = new(Rethrow)
                rethrow.label = label = labels[arg]
                rethrows.append((items, _caught(label)))
                last.append((items, rethrow))
                items.append(rethrow)
            elif action == INSTR:
                last.append((items, arg))
                items.append(arg)
            elif action == ELSE:
                items = add_else(labels[-1])
            elif action == GAVE_UP:
                break
            elif action == RUN:
                items.append(token)
            elif action in (OTHER, OTHER_END):
                label = labels[-1]
                node = new_branch(self.memo, self.body, labels, *arg)
                if node is None:
                    self.note_delegate(label)
                    items = waiting.pop()
                    context = contexts.pop()
                    continue
                if node.__class__ is Rethrow:
                    rethrows.append((items, _caught(node.labels[0])))
                elif any(to.__class__ is Try for to in node.labels):
                    users.append(node)
                items.append(node)
                if action == OTHER_END:
                    if labels.pop().__class__ in _TRYS:
                        context = contexts.pop()
                    if not waiting:
                        break
                    items = waiting.pop()
                elif terminates(node):
                    last.append((items, node))
            else:
                table = new_try_table(self.memo, self.body, labels, *arg)
                sites.append((table, items, len(items), labels[-1], context))
                users.extend(c for c in table.clauses if c.label.__class__ is Try)
                items.append(table)
                labels.append(table)
                waiting.append(items)
                contexts.append(context)
                context = table
                items = table.items
        self.labels, self.waiting, self.items, self.context = labels, waiting, items, context

"""What is done with pieces of trees: copying them, and asking which labels they name."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from wasmir.ir.code import (
    Block,
    Branch,
    BrTable,
    Catch,
    Clause,
    If,
    Loop,
    On,
    Resume,
    Structured,
    Try,
    TryTable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wasmir.ir.code import Item, Label

__all__ = ["copy_items", "named_labels"]


def named_labels(items: list[Item]) -> Iterator[Label]:
    """Each mention of a label among the items and inside: by branches, clauses and ``delegate``."""
    pending = [items]
    while pending:
        for item in pending.pop():
            if isinstance(item, Branch):
                yield from item.labels
            elif isinstance(item, Structured):
                pending += item.sequences()
                if isinstance(item, TryTable):
                    yield from (clause.label for clause in item.clauses)
                elif isinstance(item, Try) and item.delegate is not None:
                    yield item.delegate


def copy_items(
    items: list[Item], known: Mapping[Label, Label] | None = None
) -> tuple[list[Item], dict[Label, Label]]:
    """A copy of some items with all that is inside, and what stands for each label in it.

    What names a label of the items names the copy's. What names another one still does, unless
    that is ``known`` to have become a new one.
    """
    labels: dict[Label, Label] = dict(known or {})
    copies: list[Branch | Structured] = []
    top: list[Item] = []
    pending: list[tuple[list[Item], list[Item]]] = [(items, top)]
    while pending:
        old, new = pending.pop()
        for item in old:
            if isinstance(item, Structured):
                twin = copy(item)
                labels[item] = twin
                copies.append(twin)
                new.append(twin)
                pending += _opened(item, twin)
            elif isinstance(item, Branch):
                branch = copy(item)
                copies.append(branch)
                new.append(branch)
            else:
                new.append(item)
    for each in copies:
        _point(each, labels)
    return top, labels


def _opened(node: Structured, twin: Structured) -> list[tuple[list[Item], list[Item]]]:
    """Empty lists for the twin, each with that of the node that is to be copied into it."""
    pairs: list[tuple[list[Item], list[Item]]] = []
    if isinstance(node, Try) and isinstance(twin, Try):
        twin.catches = [Catch(each.tag) for each in node.catches]
        pairs += [(a.items, b.items) for a, b in zip(node.catches, twin.catches, strict=True)]
    elif isinstance(node, If) and isinstance(twin, If) and node.else_items is not None:
        twin.else_items = []
        pairs.append((node.else_items, twin.else_items))
    elif isinstance(node, TryTable) and isinstance(twin, TryTable):
        twin.clauses = [Clause(each.tag, each.label, each.ref) for each in node.clauses]
    inside: list[Item] = []
    pairs.append((node.sequences()[0], inside))
    if isinstance(twin, (Block, If, Loop, Try, TryTable)):
        twin.items = inside
    return pairs


def _point(twin: Branch | Structured, labels: dict[Label, Label]) -> None:
    if isinstance(twin, Resume):
        twin.handlers = [On(each.tag, each.label) for each in twin.handlers]
    if isinstance(twin, Branch):
        if isinstance(twin, BrTable):
            twin.labels = tuple(labels.get(label, label) for label in twin.labels)
            return
        for label in set(twin.labels):
            twin.retarget(label, labels.get(label, label))
    elif isinstance(twin, Try) and twin.delegate is not None:
        twin.delegate = labels.get(twin.delegate, twin.delegate)
    elif isinstance(twin, TryTable):
        for clause in twin.clauses:
            clause.label = labels.get(clause.label, clause.label)

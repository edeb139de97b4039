"""What a survey says of a function, in terms that can be compared: from its outline, and by a walk
over the full tree.

Each ``try`` and ``try_table`` is a number, in wire order; a region is that number and which of the
node's lists it is.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from operator import length_hint
from typing import TYPE_CHECKING, Any, TypeAlias

from wasmir import (
    Body,
    Branch,
    Catch,
    Context,
    Label,
    Loop,
    Rethrow,
    Structured,
    Survey,
    Try,
    TryTable,
    terminates,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Said", "said", "walked"]

Where: TypeAlias = tuple[int, int] | None
"""A node's number, and -1 for its body or the number of the clause; ``None`` for the function."""


@dataclass
class Said:
    sites: list[tuple[int, Where]] = field(default_factory=list)
    #: The nodes that are last, with the label of what they are last in: that of which node, -1 for
    #: the function, or how many operands one of another kind takes.
    last: dict[int, tuple[str, int]] = field(default_factory=dict)
    delegates: dict[int, Where] = field(default_factory=dict)
    rethrows: Counter[Where] = field(default_factory=Counter)
    users: Counter[tuple[str, frozenset[int]]] = field(default_factory=Counter)
    #: Regions that control doesn't come out of the end of.
    stops: set[Where] = field(default_factory=set)
    dead_try: bool = False


def _numbers(body: Body) -> dict[object, int]:
    trys = [item for item in body if isinstance(item, (Try, TryTable))]
    return {item: number for number, item in enumerate(trys)}


def said(survey: Survey) -> Said:
    """What the survey says."""
    numbers = _numbers(survey.body)
    clauses: dict[object, Where] = {
        clause: (number, at)
        for node, number in numbers.items()
        if isinstance(node, Try)
        for at, clause in enumerate(node.catches)
    }

    def where(context: Context) -> Where:
        if isinstance(context, Catch):
            return clauses[context]
        return None if context is None else (numbers[context], -1)

    found = Said()
    found.sites = [(numbers[node], where(here.context)) for node, here, _ in survey.sites]
    for node, here, index in survey.sites:
        assert here.items[index] is node
    live = {node for node, _, _ in survey.sites}
    for node, label in survey.last.items():
        if node in live:
            known = numbers.get(label, -1 if label is survey.body else None)
            found.last[numbers[node]] = (
                ("block", survey.arity(label)) if known is None else ("own", known)
            )
    for try_, region in survey.delegates:
        found.delegates[numbers[try_]] = where(region.context)
    for rethrow, items, region, clause in survey.rethrows:
        assert items is region.items
        assert items[items.index(rethrow) - 1] == b""
        found.rethrows[where(clause)] += 1
    for node, _, _ in survey.sites:
        if isinstance(node, Try):
            for clause in node.catches:
                if clause.region is None:
                    # A cleanup, which notes don't mention.
                    assert isinstance(clause.items[-1], Rethrow)
                    assert clause.items[-1].label is node
                    found.rethrows[where(clause)] += 1
    for user in survey.users:
        labels = {user.label} if hasattr(user, "label") else set(user.labels)
        trys = frozenset(numbers[label] for label in labels if isinstance(label, Try))
        found.users[type(user).__name__, trys] += 1
    for node, _, _ in survey.sites:
        regions: list[tuple[Any, Any]] = [(node, node.region)]
        if isinstance(node, Try):
            regions += [(clause, clause.region or True) for clause in node.catches]
        for owner, region in regions:
            if region is True or (region is not None and region.stops):
                found.stops.add(where(owner))
    found.dead_try = any(has_try for *_, has_try in survey.dead)
    return found


_Frame: TypeAlias = tuple["Iterator[Any]", list[Any], Label, Where]


def walked(body: Body) -> Said:
    """The same by a walk over a full tree."""
    numbers = _numbers(body)
    found = Said()
    # What each label that is open is in, where that is another list than its own.
    contexts: dict[Label, Where] = {}
    waiting: list[_Frame] = [(iter(body.items), body.items, body, None)]
    while waiting:
        rest, items, label, context = waiting.pop()
        contexts[label] = context
        for item in rest:
            if isinstance(item, Structured):
                waiting.append((rest, items, label, context))
                if isinstance(item, (Try, TryTable)):
                    _enter(found, numbers, item, items, label, context, contexts, body)
                waiting += _inside(item, numbers, context)
                break
            if isinstance(item, Rethrow):
                caught = contexts.get(item.label) if isinstance(item.label, Try) else None
                # Valid in handlers only.
                found.rethrows[None if caught is not None and caught[1] < 0 else caught] += 1
            elif isinstance(item, Branch):
                _use(found, numbers, type(item).__name__, item.labels)
            left = length_hint(rest)
            if terminates(item):
                dead = items[len(items) - left :]
                found.dead_try |= _has_try(dead)
                _note_stop(found, numbers, label, context)
                break
    return found


def _enter(
    found: Said,
    numbers: dict[object, int],
    item: Try | TryTable,
    items: list[Any],
    label: Label,
    context: Where,
    contexts: dict[Label, Where],
    body: Body,
) -> None:
    number = numbers[item]
    found.sites.append((number, context))
    if items[-1] is item and not isinstance(label, Loop):
        own = numbers.get(label, -1 if label is body else None)
        if own is not None:
            found.last[number] = "own", own
        elif isinstance(label, Structured):
            found.last[number] = "block", len(label.type.results)
    if isinstance(item, TryTable):
        for clause in item.clauses:
            _use(found, numbers, "Clause", (clause.label,))
        return
    if item.delegate is not None and item.delegate is not body:
        found.delegates[number] = contexts[item.delegate]


def _use(found: Said, numbers: dict[object, int], kind: str, labels: tuple[Label, ...]) -> None:
    trys = frozenset(numbers[label] for label in labels if isinstance(label, Try))
    if trys:
        found.users[kind, trys] += 1


def _inside(item: Structured, numbers: dict[object, int], context: Where) -> list[_Frame]:
    """The lists of a node, the first of them last."""
    if isinstance(item, Try):
        number = numbers[item]
        lists = [(item.items, (number, -1))]
        lists += [(clause.items, (number, at)) for at, clause in enumerate(item.catches)]
        return [(iter(each), each, item, where) for each, where in reversed(lists)]
    if isinstance(item, TryTable):
        context = numbers[item], -1
    return [(iter(each), each, item, context) for each in reversed(item.sequences())]


def _has_try(items: list[Any]) -> bool:
    pending = [items]
    for each in pending:
        for item in each:
            if isinstance(item, (Try, TryTable)):
                return True
            if isinstance(item, Structured):
                pending += item.sequences()
    return False


def _note_stop(found: Said, numbers: dict[object, int], label: Label, context: Where) -> None:
    """Of the label's own list only, not of a block in it."""
    if context is not None and isinstance(label, (Try, TryTable)) and numbers[label] == context[0]:
        found.stops.add(context)

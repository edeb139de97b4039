"""Whether a tree still is what was read.

Nodes are plain objects that anybody may change, so nobody is told of a change. Looking for one
goes over the tree's nodes in a few lists, at C speed: a fraction of what encoding it takes. A tree
that is as it was read needs no encoding, for its code is there.
"""

from __future__ import annotations

import operator
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from wasmir.ir.code import BrOn, BrTable, Resume, TryTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from wasmir.ir.code import Body, Node

__all__ = ["Fresh"]

_label = attrgetter("label")
_type = attrgetter("type")
_items = attrgetter("items")
_else_items = attrgetter("else_items")
_catches = attrgetter("catches")
_delegate = attrgetter("delegate")
_clauses = attrgetter("clauses")
_tag = attrgetter("tag")
_clause = attrgetter("tag", "label", "ref")
_handlers = attrgetter("handlers")
_on = attrgetter("tag", "label")
_rare: dict[type[Node], Callable[[Any], Any]] = {
    BrOn: attrgetter("row", "label", "immediates"),
    BrTable: attrgetter("labels"),
    Resume: attrgetter("row", "immediates"),
}

# What reads an attribute of some nodes, these, and what it was.
_Look: TypeAlias = "tuple[Callable[[Any], Any], list[Any], list[Any]]"


class Fresh:
    """What the nodes of a tree and its lists held when the tree was read."""

    __slots__ = ("before", "lists", "locals_wire", "looks", "places")

    def __init__(
        self,
        body: Body,
        branches: list[Any],
        blocks: list[Any],
        ifs: list[Any],
        trys: list[Any],
        rest: list[Any],
    ) -> None:
        """``branches`` are those with one label and nothing else, ``blocks`` all structured
        instructions, ``rest`` what else has attributes of its own.
        """
        self.locals_wire = body.locals_wire
        #: All lists, the body's own first.
        self.lists: list[list[Any]] = [body.items]
        #: Where the other ones were, and what stood elsewhere.
        self.places: list[_Look] = []
        self.looks: list[_Look] = []
        if branches:
            self._look(_label, branches)
        if blocks:
            self._look(_type, blocks)
            self.lists += self._place(_items, blocks)
            if ifs:
                self.lists += [e for e in self._place(_else_items, ifs) if e is not None]
            if trys:
                self._look(_delegate, trys)
                self._look(_tag, clauses := self._place_lists(_catches, trys))
                self.lists += self._place(_items, clauses)
        if rest:
            self._look(_clause, self._place_lists(_clauses, _all(TryTable, rest)))
            self._look(_on, self._place_lists(_handlers, _all(Resume, rest)))
            for kind, get in _rare.items():
                self._look(get, _all(kind, rest))
        #: What was in each list.
        self.before = [*map(list.copy, self.lists)]

    def _look(self, get: Callable[[Any], Any], nodes: list[Any]) -> None:
        self.looks.append((get, nodes, [*map(get, nodes)]))

    def _place(self, get: Callable[[Any], Any], nodes: list[Any]) -> list[Any]:
        found = [*map(get, nodes)]
        self.places.append((get, nodes, found))
        return found

    def _place_lists(self, get: Callable[[Any], Any], nodes: list[Any]) -> list[Any]:
        """Note lists of clauses, or of handlers; all that is in them."""
        found = self._place(get, nodes)
        self.lists += found
        return [*chain.from_iterable(found)]

    def holds(self, body: Body, *, spellings: bool) -> bool:
        """Whether the tree is still that. ``spellings``: whether instructions that are equal may
        be spelled differently.
        """
        if body.added_locals or body.locals_wire != self.locals_wire:
            return False
        lists = self.lists
        if body.items is not lists[0]:
            return False
        for get, nodes, found in self.looks:
            # Labels, types and tags are equal where they are the same.
            if [*map(get, nodes)] != found:
                return False
        for get, nodes, found in self.places:
            if not all(map(operator.is_, map(get, nodes), found)):
                return False
        before = self.before if body._kept is None else self._expanded(body._kept)
        if lists != before:
            return False
        return not spellings or all(
            map(operator.is_, chain.from_iterable(lists), chain.from_iterable(before))
        )

    def _expanded(self, kept: dict[int, tuple[list[Any], list[Any], list[Any]]]) -> list[list[Any]]:
        """What was in each list, with runs expanded where they were."""
        return [
            known[2] if (known := kept.get(id(items))) is not None and known[1] == was else was
            for items, was in zip(self.lists, self.before, strict=True)
        ]


def _all(kind: type, nodes: list[Any]) -> list[Any]:
    return [node for node in nodes if node.__class__ is kind]

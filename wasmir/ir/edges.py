"""Code on the way from one branch to its label.

What runs there and only there gets a block of its own just inside the one that the branch goes to,
and the branch goes to that block's end instead::

    block $l              block $l
      ...                   block $landing
      br_if $l                ...
      ...                     br_if $landing
    end                       ...
                              br $l
                            end
                            SNIPPET
                          end

Nothing needs to be known for that but the label's type, so it does for any branch, for the clauses
of a ``try_table``, and for the handlers of a ``resume``. A loop's label is its start, so there the
way out has a block of its own as well::

    loop $l               loop $l
      ...                   block $out
      br_if $l                block $landing
      ...                       ...
    end                         br_if $landing
                                ...
                                br $out
                              end
                              SNIPPET
                              br $l
                            end
                          end
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from wasmir.ir.code import (
    Block,
    Body,
    Br,
    Branch,
    Catch,
    Label,
    Loop,
    Structured,
    Try,
    TryTable,
    falls_through,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from wasmir.ir.code import Item
    from wasmir.ir.module import Module
    from wasmir.ir.place import Place
    from wasmir.ir.probe import Wanted
    from wasmir.types import ValType

__all__ = ["Edges"]


class _Edge:
    """What runs on the way from one instruction to a label."""

    __slots__ = ("arm", "label", "place", "wanted")

    def __init__(self, place: Place, label: Label, arm: list[Item]) -> None:
        self.place = place
        self.label = label
        #: The list of the label's block in which the instruction stands, at any depth.
        self.arm = arm
        self.wanted: list[Wanted] = []


class Edges:
    """What is wanted on the way from branches to labels, until it is put there."""

    def __init__(self, module: Module) -> None:
        self._module = module
        self._edges: dict[tuple[int, int], _Edge] = {}

    def add(self, place: Place, label: Label, wanted: Wanted) -> None:
        """Note what runs where the instruction at a place goes to one of its labels."""
        key = id(place.item), id(label)
        edge = self._edges.get(key)
        if edge is None:
            edge = self._edges[key] = _Edge(place, label, _arm(place, label))
        edge.wanted.append(wanted)

    def renamed(self, old: Label, new: Label) -> None:
        """Another label stands where one stood."""
        for edge in self._edges.values():
            if edge.label is old:
                edge.label = new

    def land(self, make: Callable[[Wanted, Place], list[Item]]) -> None:
        """Put it there. Edges with the same snippets share the place where they land."""
        arms: dict[int, dict[tuple[int, ...], list[_Edge]]] = {}
        for edge in self._edges.values():
            landings = arms.setdefault(id(edge.arm), {})
            landings.setdefault(tuple(map(id, edge.wanted)), []).append(edge)
        for landings in arms.values():
            self._wrap(list(landings.values()), make)

    def _wrap(
        self, landings: list[list[_Edge]], make: Callable[[Wanted, Place], list[Item]]
    ) -> None:
        """Wrap one list of a block's items, once for each landing."""
        label, arm = landings[0][0].label, landings[0][0].arm
        params, carried, results = self._types(label, arm)
        items = list(arm)
        out: Label = label
        if isinstance(label, Loop):
            out = Block(self._module.block_type(params, results))
        for number, edges in enumerate(landings):
            landing = Block(self._module.block_type(params, carried))
            if falls_through(items):
                items.append(Br(out))
            landing.items = items
            for edge in edges:
                _retarget(edge.place.item, label, landing)
            first = edges[0]
            snippet = [item for each in first.wanted for item in make(each, first.place)]
            items = [landing, *snippet]
            if number < len(landings) - 1 or isinstance(label, Loop):
                items.append(Br(label))
        if isinstance(out, Block) and out is not label:
            out.items = items
            items = [out]
        arm[:] = items

    def _types(
        self, label: Label, arm: list[Item]
    ) -> tuple[tuple[ValType, ...], tuple[ValType, ...], tuple[ValType, ...]]:
        """What is on the stack where a list of a block begins, at a branch to that, and at its
        end.
        """
        if isinstance(label, Body):
            results = label.function.func_type.results
            return (), results, results
        block = cast("Structured", label)
        type_ = block.type
        if isinstance(label, Loop):
            return type_.params, type_.params, type_.results
        handler = _handler(block, arm)
        if handler is None:
            return type_.params, type_.results, type_.results
        caught = () if handler.tag is None else handler.tag.params
        return caught, type_.results, type_.results


def _arm(place: Place, label: Label) -> list[Item]:
    """The list of a block in which, or in what is inside of which, a place is."""
    frame = place._frame
    while frame.label is not label:
        if frame.node is None:
            raise ValueError("the label doesn't enclose the place")
        frame = frame.node._frame
    return frame.items


def _handler(label: Structured, arm: list[Item]) -> Catch | None:
    if not isinstance(label, Try):
        return None
    return next((clause for clause in label.catches if clause.items is arm), None)


def _retarget(item: Item, old: Label, new: Label) -> None:
    if isinstance(item, Branch):
        item.retarget(old, new)
    elif isinstance(item, TryTable):
        for clause in item.clauses:
            clause.retarget(old, new)

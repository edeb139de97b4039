"""Names, as the name section gives them.

They are kept by code number, which nothing moves, and shown on the entities: ``function.name``.
Source: specification, Appendix, "Custom Sections", and the extended-name-section proposal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

from wasmir.ir.checks import check_is, check_name

if TYPE_CHECKING:
    from collections.abc import Container

    from wasmir.ir.function import Function
    from wasmir.ir.space import Entity
    from wasmir.ir.type import Type

__all__ = ["INDIRECT", "SUBSECTIONS", "NameMap", "Names", "free_name"]

NameMap: TypeAlias = dict[int, str]

SUBSECTIONS = {
    "func": 1,
    "local": 2,
    "label": 3,
    "type": 4,
    "table": 5,
    "memory": 6,
    "global": 7,
    "elem": 8,
    "data": 9,
    "field": 10,
    "tag": 11,
    # Not in a specification: what assemblers read in `(type (func (param $x i32)))`.
    "param": 12,
}
"""The subsection that has the names of each index space."""

INDIRECT = {"local": "func", "label": "func", "field": "type", "param": "type"}
"""Spaces that there are many of: one for each entity of another space."""


def free_name(name: str, taken: Container[str]) -> str:
    """The name itself, or else the first of ``name_2``, ``name_3``, ... that isn't taken."""
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found


class Names:
    """All names of a module. What is broken in the section is left out."""

    def __init__(self) -> None:
        #: The module's own name.
        self.module: str | None = None
        self.maps: dict[str, NameMap] = {}
        self.indirect: dict[str, dict[int, NameMap]] = {}
        #: The subsections (``module`` is one) that are no longer what the input has.
        self.changed: set[str] = set()
        #: Functions (by code number) whose label names were assigned.
        self.given_labels: set[int] = set()
        #: How often any was given or taken away.
        self.edits = 0

    def of(self, entity: Entity) -> str | None:
        """The name of an entity."""
        known = self.maps.get(entity.space)
        return known.get(entity._number) if known else None

    def give(self, entity: Entity, name: str | None) -> None:
        """Name an entity, or take its name away."""
        if name == self.of(entity):
            return
        if name is not None:
            check_name(name)
        self.edits += 1
        self.changed.add(entity.space)
        known = self.maps.setdefault(entity.space, {})
        if name is None:
            del known[entity._number]
        else:
            known[entity._number] = name

    def name_module(self, name: str | None) -> None:
        """Name the module itself."""
        if name != self.module:
            if name is not None:
                check_name(name)
            self.edits += 1
            self.changed.add("module")
            self.module = name

    def inside(self, space: str, entity: Function | Type) -> NameMap:
        """The names of what is numbered within an entity: locals, labels (in the order of their
        blocks), fields. A copy.
        """
        return dict(self.indirect.get(space, {}).get(entity._number, {}))

    def give_inside(self, space: str, entity: Function | Type, names: NameMap) -> None:
        """Replace the names of what is numbered within an entity."""
        check_is(names, Mapping, f"{space} names by number")
        if names == self.inside(space, entity):
            return
        for name in names.values():
            check_name(name)
        self.edits += 1
        self.changed.add(space)
        if space == "label":
            self.given_labels.add(entity._number)
        known = self.indirect.setdefault(space, {})
        if names:
            known[entity._number] = dict(names)
        else:
            known.pop(entity._number, None)

    def _snapshot(self) -> Names:
        copy = Names()
        copy.module = self.module
        copy.maps = {space: dict(names) for space, names in self.maps.items()}
        copy.indirect = {space: dict(names) for space, names in self.indirect.items()}
        copy.changed = set(self.changed)
        copy.given_labels = set(self.given_labels)
        copy.edits = self.edits
        return copy

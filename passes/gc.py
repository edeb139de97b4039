"""Drops what nothing needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from wasmir import Pass, PassReport, Reached, bulk_work
from wasmir.passes.patterns import called, chosen, listed
from wasmir.passes.tree import refuse_object

if TYPE_CHECKING:
    from wasmir import Entity, Export, Module

__all__ = ["Gc"]

_SPACES = {
    "types": "type",
    "functions": "func",
    "tables": "table",
    "memories": "memory",
    "tags": "tag",
    "globals": "global",
    "elements": "elem",
    "data": "data",
}


@dataclass(frozen=True)
class Gc(Pass):
    """Drop functions, globals, tables, memories, tags, segments and types that nothing needs, be
    they defined or imported, and move the rest together.

    What exports and the start function lead to stays: see ``wasmir.Reached`` for what that is.
    Names go with what they name. Code is looked through in its bytes, and written anew only where
    something that it mentions has another index. Before::

        (type $unused (func (param i64)))
        (import "env" "log" (func $log))
        (memory $m 1)
        (data (memory $m) (i32.const 0) "never read")
        (global $g (mut i32) (i32.const 0))
        (func $dead global.get $g drop call $dead)
        (func $live (export "f"))

    After::

        (func $live (export "f"))

    ``roots`` are globs of the exports that stay; others are removed first. ``keep`` are globs of
    what else stays, by the names of the name section, of imports (``module.name``) or of exports.
    With ``only=functions`` nothing but functions goes; so for the other sorts of things.

    What a module does stays the same, but for what it does no more: it asks for fewer imports. A
    segment that might not fit into its memory or table, so that instantiation fails, stays.

    Raises PassError for a glob that fits nothing, UnsupportedError for an object file,
    MalformedError, InvalidError.
    """

    name: ClassVar[str] = "gc"

    roots: str = field(
        default="", metadata={"help": "globs of exports that stay, separated by blanks; or all"}
    )
    keep: str = field(
        default="", metadata={"help": "globs of names of what else stays, separated by blanks"}
    )
    only: str = field(
        default="", metadata={"help": f"what may go: {', '.join(_SPACES)}; or all of these"}
    )

    def run(self, module: Module) -> PassReport:
        """Drop it, or raise and leave the module as it was."""
        report = PassReport(self.name)
        with bulk_work():
            refuse_object(module)
            sorts = listed(f"{self.name}: only", self.only, _SPACES) or list(_SPACES)
            spaces = frozenset(_SPACES[sort] for sort in sorts)
            exports = self._exports(module)
            roots: list[Entity] = [export.entity for export in exports]
            roots += self._kept(module)
            reached = Reached(module, roots, spaces)
            # From here on nothing is raised.
            gone = set(module.exports) - set(exports)
            if gone:
                module.exports.remove_all(gone)
                report.counts["exports"] = len(gone)
            for element in module.elements:
                needed = reached.needed_items(element)
                if len(needed) < len(element.items):
                    element.items = needed
            for sort in sorts:
                space: Any = module.space(_SPACES[sort])
                dead = [entity for entity in space if entity not in reached]
                space.remove_all(dead)
                if dead:
                    report.counts[sort] = len(dead)
        return report

    def _exports(self, module: Module) -> list[Export]:
        if not self.roots:
            return list(module.exports)
        named = [(export.name, export) for export in module.exports]
        return chosen(f"{self.name}: roots", self.roots, named)

    def _kept(self, module: Module) -> list[Entity]:
        if not self.keep:
            return []
        named = [pair for space in _SPACES.values() for pair in called(module, space)]
        return chosen(f"{self.name}: keep", self.keep, named)

"""Leaves custom sections out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import translate
from typing import TYPE_CHECKING, ClassVar

from wasmir import Pass, PassReport
from wasmir.passes.patterns import chosen

if TYPE_CHECKING:
    from wasmir import Custom, Module

__all__ = ["Strip"]

_FOR_PEOPLE = "name producers .debug_* sourceMappingURL external_debug_info"


@dataclass(frozen=True)
class Strip(Pass):
    """Leave custom sections out. Nothing else changes, to the byte.

    By default those go that are for people and debuggers: names, producers, DWARF, source maps.
    Before::

        (func $f (export "f"))
        (@producers (language "C" ""))
        (@custom "mine" "...")

    After, with ``sections="name mine"``::

        (func (export "f"))
        (@producers (language "C" ""))

    ``sections`` are globs of the names of sections, and ``keep`` globs of those that stay all the
    same: ``strip{sections=*,keep=dylink.0}``. Some sections mean something to linkers, loaders and
    engines: ``dylink.0``, ``linking``, ``reloc.*``, ``target_features``, ``metadata.code.*``.

    Raises PassError for a glob that fits nothing.
    """

    name: ClassVar[str] = "strip"

    sections: str = field(
        default="",
        metadata={"help": f"globs of sections that go, separated by blanks; or {_FOR_PEOPLE}"},
    )
    keep: str = field(default="", metadata={"help": "globs of sections that stay all the same"})

    def run(self, module: Module) -> PassReport:
        """Leave them out, or raise and leave the module as it was."""
        report = PassReport(self.name)
        named = [(custom.name, custom) for custom in module.customs]
        gone: list[Custom] = []
        if self.sections:
            gone = chosen(f"{self.name}: sections", self.sections, named)
        else:
            usual = re.compile("|".join(map(translate, _FOR_PEOPLE.split()))).match
            gone = [custom for name, custom in named if usual(name)]
        kept = chosen(f"{self.name}: keep", self.keep, named) if self.keep else []
        for custom in gone:
            if custom not in kept:
                module.remove_custom(custom)
                report.counts["sections"] = report.counts.get("sections", 0) + 1
        return report

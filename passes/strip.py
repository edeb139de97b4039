"""Leaves custom sections out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import translate
from typing import TYPE_CHECKING, ClassVar

from wasmir import Pass, PassReport
from wasmir.passes.patterns import sought

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

    A glob that fits nothing is noted in the report, in case it is misspelt, and no error: a module
    without such a section is what was asked for, and so this can be done again, and to many modules
    of which not each has all of the sections.
    """

    name: ClassVar[str] = "strip"

    sections: str = field(
        default="",
        metadata={"help": f"globs of sections that go, separated by blanks; or {_FOR_PEOPLE}"},
    )
    keep: str = field(default="", metadata={"help": "globs of sections that stay all the same"})

    def run(self, module: Module) -> PassReport:
        """Leave them out."""
        report = PassReport(self.name)
        named = [(custom.name, custom) for custom in module.customs]
        if self.sections:
            gone = self._sought("sections", named, report)
        else:
            usual = re.compile("|".join(map(translate, _FOR_PEOPLE.split()))).match
            gone = [custom for name, custom in named if usual(name)]
        kept = self._sought("keep", named, report)
        for custom in gone:
            if custom not in kept:
                module.remove_custom(custom)
                report.counts["sections"] = report.counts.get("sections", 0) + 1
        return report

    def _sought(
        self, option: str, named: list[tuple[str, Custom]], report: PassReport
    ) -> list[Custom]:
        found, missed = sought(getattr(self, option), named)
        report.notes += [f"{option}: {each}" for each in missed]
        return found

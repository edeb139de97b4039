"""Gives imports and exports other names."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from wasmir import DyLink, Pass, PassError, PassReport
from wasmir.passes.patterns import unknown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wasmir import Module

__all__ = ["Rename"]


@dataclass(frozen=True)
class Rename(Pass):
    """Give imports and exports other names. Before::

        (import "env" "log" (func $log))
        (import "env" "memory" (memory 1))
        (func (export "app_main"))

    After, with ``modules="env=host",imports="*.log=*.print",exports="app_*=*"``::

        (import "host" "print" (func $log))
        (import "host" "memory" (memory 1))
        (func (export "main"))

    Each option is pairs ``old=new``, separated by blanks. In ``old`` each ``*`` stands for any
    text, and the first one in ``new`` for what the first one stood for, and so on. The first pair
    that fits counts, and ``modules`` come before ``imports``, which are ``module.name``. What
    ``dylink.0`` says of imports and exports follows; names of the name section stay what they are.

    Raises PassError for what is no pair, for one that fits nothing, for an import that would have
    no ``.`` in its name, and for two exports that would have one name; MalformedError.
    """

    name: ClassVar[str] = "rename"

    exports: str = field(default="", metadata={"help": "old=new of exports, separated by blanks"})
    imports: str = field(
        default="", metadata={"help": "old=new of imports, as module.name, separated by blanks"}
    )
    modules: str = field(
        default="", metadata={"help": "old=new of imports' modules, separated by blanks"}
    )

    def run(self, module: Module) -> PassReport:
        """Rename them, or raise and leave the module as it was."""
        before = [(each.module, each.name) for each in module.imports]
        modules = self._renamed("modules", [each for each, _ in before])
        places = [(modules[each], name) for each, name in before]
        imports = self._renamed("imports", [".".join(place) for place in places])
        places = [self._place(place, imports[".".join(place)]) for place in places]
        exports = self._renamed("exports", [each.name for each in module.exports])
        for name, times in Counter(exports.values()).items():
            if times > 1:
                raise PassError(f"{self.name}: exports: {times} would have the name {name!r}")
        _rename_flags(module, dict(zip(before, places, strict=True)), exports)
        report = PassReport(self.name)
        counts = Counter[str]()
        for import_, place in zip(module.imports, places, strict=True):
            counts["imports"] += (import_.module, import_.name) != place
            import_.module, import_.name = place
        for export in module.exports:
            counts["exports"] += export.name != exports[export.name]
            export.name = exports[export.name]
        report.counts.update(+counts)
        return report

    def _place(self, before: tuple[str, str], renamed: str) -> tuple[str, str]:
        """The module and the name of an import. Modules may have dots in their names."""
        module = before[0]
        if renamed.startswith(f"{module}."):
            return module, renamed.removeprefix(f"{module}.")
        module, dot, name = renamed.partition(".")
        if not dot:
            raise PassError(f"{self.name}: imports: {renamed!r} has no dot behind the module")
        return module, name

    def _renamed(self, option: str, names: Iterable[str]) -> dict[str, str]:
        """What each name becomes."""
        found = dict.fromkeys(names, "")
        pending = set(found)
        for pair in getattr(self, option).split():
            old, sign, new = pair.partition("=")
            if not (sign and old and new) or new.count("*") > old.count("*"):
                raise PassError(f"{self.name}: {option}: {pair!r} is no pair like old_*=new_*")
            pattern = re.compile("(.*)".join(map(re.escape, old.split("*"))), re.DOTALL)
            matches = [match for match in map(pattern.fullmatch, found) if match is not None]
            if not matches:
                raise PassError(f"{self.name}: {option}: {unknown(old, found)}")
            for match in matches:
                if match.string in pending:
                    pending.remove(match.string)
                    first, *others = new.split("*")
                    # Where there are fewer of them than texts, those at the end are left out.
                    texts = zip(match.groups(), others, strict=False)
                    found[match.string] = first + "".join(map("".join, texts))
        return found | {name: name for name in pending}


def _rename_flags(
    module: Module, imports: dict[tuple[str, str], tuple[str, str]], exports: dict[str, str]
) -> None:
    """Let what dynamic linkers are told of imports and exports follow."""
    dylink = DyLink.of(module)
    if dylink is not None:
        exported, imported = dylink.export_flags, dylink.import_flags
        dylink.export_flags = {exports.get(name, name): bits for name, bits in exported.items()}
        dylink.import_flags = {imports.get(place, place): bits for place, bits in imported.items()}

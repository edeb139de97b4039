"""Lets functions be imported that the module defines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from wasmir import Pass, PassError, PassReport, free_name
from wasmir.passes.patterns import chosen, functions_called
from wasmir.passes.tree import refuse_object

if TYPE_CHECKING:
    from wasmir import Function, Module

__all__ = ["Externalize"]


@dataclass(frozen=True)
class Externalize(Pass):
    """Let functions that the module defines be imported. Before::

        (import "env" "log" (func $log))
        (func $start call $now drop call $log)
        (func $now (export "now") (result i64) ...)

    After, with ``functions=now,module=host``::

        (import "env" "log" (func $log))
        (import "host" "now" (func $now (result i64)))
        (export "now" (func $now))
        (func $start call $now drop call $log)

    This is what happens to each: its code goes, with its locals, the names of these, of labels, and
    branch hints in it. It becomes the last import, of the same type, from ``module``, under its
    name in the name section, or else that of its first export; a second one of that name as
    ``name_2``, and so on, which the report notes. It keeps its name, its exports and
    its places in tables: who calls it, refers to it or exports it, does so still, and gets what is
    imported. What only it needed stays, for ``gc`` to drop; what it needs of the module, as memory
    that it reads, whoever provides it has to get at by himself. Nothing says that what is provided
    is the same function.

    ``functions`` are globs of names, of the name section or of exports, separated by blanks;
    imports among them stay what they are. ``keep`` are globs of those that stay defined.

    Raises PassError where no functions are given, for a glob that fits nothing, and for a function
    that would be what the module imports by that name already; UnsupportedError for an object file.
    """

    name: ClassVar[str] = "externalize"

    functions: str = field(
        default="", metadata={"help": "globs of functions' names, separated by blanks"}
    )
    keep: str = field(default="", metadata={"help": "globs of functions that stay defined"})
    module: str = field(default="env", metadata={"help": "the module that imports are from"})

    def run(self, module: Module) -> PassReport:
        """Turn them into imports, or raise and leave the module as it was."""
        report = PassReport(self.name)
        if not self.functions:
            raise PassError(f"{self.name}: it doesn't say functions=, which are to be imported")
        refuse_object(module)
        module.read_all()
        given = self._given(module)
        names = self._told_apart(module, given)
        for function, name in names.items():
            if name != given[function]:
                report.notes.append(
                    f"of several functions {given[function]!r}, function {function.index} is "
                    f"imported as {self.module}.{name}"
                )
        for function, name in names.items():
            function.make_import(self.module, name)
        if names:
            report.counts["functions"] = len(names)
        return report

    def _given(self, module: Module) -> dict[Function, str]:
        """The functions that become imports, with what each is called."""
        named = list(functions_called(module))
        functions = chosen(f"{self.name}: functions", self.functions, named)
        kept = set(chosen(f"{self.name}: keep", self.keep, named)) if self.keep else set()
        first = {function: name for name, function in reversed(named)}
        return {
            function: first[function]
            for function in functions
            if function.imported is None and function not in kept
        }

    def _told_apart(self, module: Module, given: dict[Function, str]) -> dict[Function, str]:
        """What each is imported as. A name that only one has stays with it."""
        there = {each.name for each in module.imports if each.module == self.module}
        for name in given.values():
            if name in there:
                raise PassError(
                    f"{self.name}: {self.module}.{name} is imported already, and may be something "
                    "else; module= gives another module to import from"
                )
        taken = there | set(given.values())
        names: dict[Function, str] = {}
        seen: set[str] = set()
        for function, name in given.items():
            names[function] = free_name(name, taken) if name in seen else name
            seen.add(name)
            taken.add(names[function])
        return names
